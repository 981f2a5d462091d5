"""Take one source away: delete it, move it, or put it into the trash, and undo that if it fails.

At each moment the file has at least one name: its own, one beside it that only runner has, or the one
that it is moved to. So whoever is killed here leaves the source, and the next run puts it right.
"""

import errno
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from runner.formatting import display_path
from runner.media.files_in_use import retry_while_in_use
from runner.source_choice import DELETE, MOVE
from runner.source_records import Identity, SourceRecord
from runner.sources.durable import (
    ChangedError,
    NotNowError,
    StaysError,
    reason_of,
    sha256_from_disk,
    sync_file,
    sync_folder,
)
from runner.sources.volumes import keeps_numbers

_BLOCK = 1024 * 1024
_NO_BIN = "the recycle bin did not take it: there may be none for its drive, or another program has it open"


def name_beside(path: str, run: str) -> str:
    """Return a name in the folder of *path* that only *run* uses, for what is being removed."""
    digest = hashlib.blake2b(os.fsencode(f"{run}\0{path}"), digest_size=8).hexdigest()
    return os.path.join(os.path.dirname(path), f".runner-{digest}")


def remove_source(record: SourceRecord, is_stopped: Callable[[], bool]) -> None:
    """Do with the source of *record* what its choice says; `record.place` is where it moves to.

    Raises:
        StaysError: It is where it was.
        NotNowError: Likewise.
    """
    require_same(record.path, record.identity)
    try:
        if record.choice.action == DELETE:
            _require_deletable(record.path)
            _delete(record)
        elif record.choice.action == MOVE:
            _move(record, is_stopped)
        else:
            _put_into_trash(record.path)
    except OSError as error:
        raise StaysError(reason_of(error)) from error


def require_same(path: str, identity: Identity, *, renamed: bool = False) -> None:
    """Refuse a file at *path* that is not the one of *identity*.

    Raises:
        StaysError: With the reason.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError as error:
        raise StaysError("it is already gone") from error
    except OSError as error:
        raise StaysError(reason_of(error)) from error
    if not identity.is_still(status, renamed=renamed, keeps_number=keeps_numbers(path)):
        raise ChangedError


def as_it_is_now(record: SourceRecord) -> SourceRecord:
    """*record* of a file that runner itself has renamed, and named back."""
    with suppress(OSError):
        status = os.lstat(record.path)
        keeps_number = keeps_numbers(record.path)
        if record.identity.is_still(status, renamed=True, keeps_number=keeps_number):
            return replace(record, identity=Identity.of(status))
    return record


def _require_deletable(path: str) -> None:
    """Refuse a read-only file on Windows, where that means that it is not to be deleted.

    Raises:
        StaysError: It is one.
    """
    if os.name == "nt" and not os.access(path, os.W_OK):
        raise StaysError("it is read-only")


def discard(path: str) -> None:
    """Delete a file that there is another copy of; on Windows too, where it is read-only."""
    try:
        os.unlink(path)
    except PermissionError:
        if os.name != "nt" or os.access(path, os.W_OK):
            raise
        os.chmod(path, stat.S_IWRITE)
        os.unlink(path)


def _delete(record: SourceRecord) -> None:
    # under another name first: what another program puts there in the last moment is not deleted
    beside = name_beside(record.path, record.run)
    retry_while_in_use(lambda: os.rename(record.path, beside))
    try:
        require_same(beside, record.identity, renamed=True)
        retry_while_in_use(lambda: discard(beside))
    except (OSError, StaysError) as error:
        put_back(beside, record.path, error)
        raise


def _move(record: SourceRecord, is_stopped: Callable[[], bool]) -> None:
    path, place = record.path, record.place
    os.makedirs(os.path.dirname(place), exist_ok=True)
    try:
        # the name is taken first, as renaming would replace what is there
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError as error:
        raise StaysError(f"{display_path(place)} already exists") from error
    try:
        require_same(path, record.identity)
        retry_while_in_use(lambda: os.replace(path, place))
    except OSError as error:
        if error.errno != errno.EXDEV:
            os.unlink(place)
            raise
        _move_to_another_disk(record, is_stopped)
        return
    except StaysError:
        os.unlink(place)
        raise
    try:
        require_same(place, record.identity, renamed=True)
    except StaysError as error:
        put_back(place, path, error)
        raise
    _sync_names(place)


def _move_to_another_disk(record: SourceRecord, is_stopped: Callable[[], bool]) -> None:
    """Copy, compare, and only then delete; the name of the copy is taken already."""
    path, place = record.path, record.place
    part = name_beside(place, record.run)
    try:
        _copy(path, part, is_stopped)
        with suppress(OSError):  # some file systems take no times
            shutil.copystat(path, part)
        os.replace(part, place)
        sync_folder(os.path.dirname(place))
        _delete(record)
    except (OSError, StaysError, NotNowError):
        for copy in (part, place):
            with suppress(FileNotFoundError):
                discard(copy)
        raise


def _copy(path: str, part: str, is_stopped: Callable[[], bool]) -> None:
    """Copy *path* to *part*, have that be on the disk, and read it again."""
    digest = hashlib.sha256()
    with open(path, "rb") as source, open(part, "xb") as copy:
        while block := source.read(_BLOCK):
            if is_stopped():
                raise NotNowError
            digest.update(block)
            copy.write(block)
    sync_file(part)
    if sha256_from_disk(part, is_stopped) != digest.hexdigest():
        raise StaysError("its copy is not the same as it is")


if sys.platform == "win32":

    def _put_into_trash(path: str) -> None:
        import pywintypes  # noqa: PLC0415 - for this alone

        # What it falls back to without pywin32 deletes for good where there is no recycle bin, as on shares:
        # https://learn.microsoft.com/windows/win32/api/shellapi/ns-shellapi-shfileopstructw
        from send2trash.win.modern import send2trash  # noqa: PLC0415

        try:
            send2trash(path)
        except (OSError, pywintypes.com_error) as error:
            raise StaysError(_NO_BIN) from error

else:

    def _put_into_trash(path: str) -> None:
        from send2trash import send2trash  # noqa: PLC0415 - loads the desktop's library where there is one

        send2trash(path)


def put_back(beside: str, path: str, why: Exception) -> None:
    """Give the file *beside* its name *path* again, unless another one has it.

    Raises:
        StaysError: Another one has, or it cannot be done; the words say where the file is.
    """
    try:
        _rename_to_free(beside, path)
    except OSError as error:
        reason = reason_of(why) if isinstance(why, OSError) else why
        where = f"it is now {display_path(beside)}"
        raise StaysError(f"{reason}, and its name was taken meanwhile: {where}") from error


def _rename_to_free(path: str, free: str) -> None:
    """Rename the file at *path*, and replace nothing."""
    if os.name == "nt":  # renaming replaces nothing there
        retry_while_in_use(lambda: os.rename(path, free))
        return
    try:
        os.link(path, free)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(free):
            raise
        os.rename(path, free)
    else:
        os.unlink(path)


def _sync_names(place: str) -> None:
    with suppress(OSError):  # it has its new name, whatever the disk does later
        sync_folder(os.path.dirname(place))
