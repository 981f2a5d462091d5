"""The folder of what is not finished, in the destination: each runner makes one of its own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from runner.errors import SetupError
from runner.formatting import display_path
from runner.media.orphans import end_orphans
from runner.media.target import OURS
from runner.models import Notice

SCRATCH = Path(OURS, "tmp")


def clear_leftovers(destination: Path) -> Iterator[Notice]:
    """Remove what runners that were killed left in *destination*, and end their ffmpegs.

    Only for one who holds the lock of the destination: then nobody works there. What cannot be
    removed is in nobody's way, as no name in it is used again.
    """
    folder = destination / SCRATCH
    if folder.is_symlink():  # what it leads to is not ours
        folder.unlink()
    leftovers = list(folder.glob("*"))
    for left in leftovers:
        end_orphans(str(left))
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with suppress(OSError):
                left.unlink()
    held = [left for left in leftovers if os.path.lexists(left)]
    if held:
        where = display_path(held[0])
        yield Notice(
            f"another program has files of an earlier run open in {where}; they can be deleted"
        )


def make_scratch(destination: Path) -> Path:
    """A new folder for what is not finished, with a name that nobody has or had.

    So what the ffmpeg of a killed runner still writes is never taken for ours.

    Raises:
        SetupError: The destination cannot be written.
    """
    try:
        (destination / SCRATCH).mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="", dir=destination / SCRATCH))
    except OSError as error:
        message = f"cannot write to the destination {destination}: {error.strerror}"
        raise SetupError(f"{message}; choose another with -o") from error


def discard_scratch(scratch: Path) -> None:
    """Remove *scratch* after a run."""
    shutil.rmtree(scratch, ignore_errors=True)
    with suppress(OSError):  # there may be leftovers beside it
        scratch.parent.rmdir()
