"""The folder of what is not finished, in the destination: only one runner works there at a time."""

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

from runner.errors import UnfitError
from runner.media.target import OURS

SCRATCH = Path(OURS, "tmp")


def clear_scratch(scratch: Path) -> None:
    """Remove what a runner that was killed left in *scratch*, and end its ffmpegs.

    Only for one who holds the lock of the destination: then nobody works there.

    Raises:
        UnfitError: The folder cannot be made or emptied.
    """
    if scratch.exists():
        _end_orphans(scratch)
        shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot write to the destination {scratch.parent.parent}: {error.strerror}"
        raise UnfitError(f"{message}; choose another with -o") from error


def _end_orphans(scratch: Path) -> None:
    """End processes whose log is in *scratch*: no runner is left to see them end.

    Reads /proc; where there is none, orphans end by themselves with their file.
    """
    logs = os.path.join(os.path.realpath(scratch), "")
    for errors in Path("/proc").glob("[0-9]*/fd/2"):
        with suppress(OSError):
            if os.readlink(errors).startswith(logs):
                os.kill(int(errors.parts[2]), signal.SIGKILL)
