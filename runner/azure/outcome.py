"""What the end of a task means for its conversion. Pure."""

from runner.azure.tasks import FinishedTask
from runner.media.record import Record
from runner.models import Failure, Kind

_TRANSIENT = (
    "blobdownloadtimedout",
    "blobdownloadmiscerror",
    "resourcecontainerlisttimedout",
    "resourcecontainerlistmiscerror",
    "fileuploadtimedout",
    "fileuploadmiscerror",
    "fileuploadconflict",
    "diskfull",
    "resourcedirectorycreatefailed",
    "resourcefilecreatefailed",
    "resourcefilewritefailed",
    "commandlaunchfailed",
    "maxinternalretrycountreached",
    "unknown",
)
_KNOWN = {
    "blobnotfound": (Kind.TRANSIENT, "a blob that it needs is no longer in storage"),
    "resourcecontainernotfound": (Kind.ENVIRONMENT, "a container does not exist: run `pulumi up`"),
    "fileuploadcontainernotfound": (
        Kind.ENVIRONMENT,
        "a container does not exist: run `pulumi up`",
    ),
    "commandprogramnotfound": (
        Kind.ENVIRONMENT,
        "the node has no /bin/bash: is its image Linux?",
    ),
}
DENIED = "blobaccessdenied"
"""A blob that the task needs was refused to the node."""
_DENIED = (DENIED, "resourcecontaineraccessdenied", "fileuploadaccessdenied")
GONE = "blobnotfound"
"""The source or the worker is no longer in storage and must be uploaded again."""


def failure_of(
    end: FinishedTask, record: Record | None, *, signed: bool, unreadable: str = ""
) -> Failure | None:
    """Return why the task failed; None if it did not.

    *record* is what the worker left, if it got that far, and *unreadable* says why it cannot be read.
    *signed* says that the task's addresses were signed, so they expire.
    """
    if end.succeeded and record is not None:
        return record.failure
    code = end.code.lower()
    if end.succeeded and unreadable:
        return Failure(Kind.TRANSIENT, f"the record of the task cannot be read: {unreadable}")
    if end.succeeded:
        return Failure(Kind.TRANSIENT, "the task left no record of its result")
    if record is not None and record.failure is not None:
        return record.failure
    return Failure(*_classify(code, end, signed=signed), record.log if record else "")


def _classify(code: str, end: FinishedTask, *, signed: bool) -> tuple[Kind, str]:
    words = f"{end.code}: {end.message}" if end.code else f"exit code {end.exit_code}"
    if code in _DENIED:
        return _denied(end, signed=signed)
    if code == "taskended":
        return _ended(end)
    if code in _KNOWN:
        return _KNOWN[code]
    if code in _TRANSIENT or end.exit_code is None:
        return Kind.TRANSIENT, words
    return _exited(end.exit_code)


def _exited(code: int) -> tuple[Kind, str]:
    if code == 127:
        return Kind.ENVIRONMENT, "the node has no python3: did the pool's start task succeed?"
    if code < 0 or code > 128:
        return Kind.TRANSIENT, f"the worker was killed on the node (exit code {code})"
    return Kind.INTERNAL, f"the worker exited with code {code} and left no record"


def _denied(end: FinishedTask, *, signed: bool) -> tuple[Kind, str]:
    if signed:
        return Kind.TRANSIENT, "the signed URL of the task was refused: it expired"
    uploading = end.code.lower().startswith("fileupload")
    role = "Contributor on the output" if uploading else "Reader on the input and tools"
    return Kind.ENVIRONMENT, (
        f"the nodes' identity has no permission on storage ({end.code}): it needs the role Storage Blob "
        f"Data {role} container; a new role can take several minutes to take effect"
    )


def _ended(end: FinishedTask) -> tuple[Kind, str]:
    if "wall" in end.message.lower() or "time" in end.message.lower():
        return Kind.TIMEOUT, "took longer than its time limit"
    return (
        Kind.TRANSIENT,
        f"terminated from outside: {end.message.splitlines()[0] if end.message else 'no reason'}",
    )
