"""The folder for unfinished files, in the destination: each runner makes its own."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from runner.errors import SetupError
from runner.formatting import display_path
from runner.media.orphans import end_orphans
from runner.media.target import OURS
from runner.models import Notice

SCRATCH = Path(OURS, "tmp")
PIECES = Path(OURS, "pieces")
_KEPT = 7 * 24 * 3600
"""Seconds for which the pieces of a film are kept that nobody goes on with."""


def pieces_folder(destination: Path) -> Path:
    """Return where finished pieces of films are kept, in a folder for each conversion."""
    return destination / PIECES


def clear_leftovers(destination: Path) -> Iterator[Notice]:
    """Remove what killed runners left in *destination*, and end their ffmpeg processes.

    The caller must hold the lock of the destination, so that nobody else works there. Files that cannot be
    removed do no harm, because no name in there is used again.
    """
    folder = destination / SCRATCH
    if folder.is_symlink():  # what it points to is not runner's
        folder.unlink()
    leftovers = list(folder.glob("*"))
    for left in leftovers:
        end_orphans(str(left))
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with suppress(OSError):
                left.unlink()
    clear_old_pieces(destination)
    held = [left for left in leftovers if os.path.lexists(left)]
    if held:
        where = display_path(held[0])
        yield Notice(
            f"another program has files of an earlier run open in {where}; close it, and they can be deleted"
        )


def clear_old_pieces(destination: Path) -> None:
    """Remove the pieces of films that no run has gone on with for a week."""
    for folder in pieces_folder(destination).glob("*"):
        with suppress(OSError):
            if folder.stat().st_mtime < time.time() - _KEPT:
                shutil.rmtree(folder, ignore_errors=True)


def make_scratch(destination: Path) -> Path:
    """Make a new folder for unfinished files, with a name that was never used before.

    What the ffmpeg of a killed runner still writes is therefore never taken for ours.

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
    with suppress(OSError):  # there may be other leftovers beside it
        scratch.parent.rmdir()
