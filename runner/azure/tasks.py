"""Tasks as the Batch service reports them, in our words."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from azure.batch import models as batch

from runner.azure.errors import redacted, word

_KILLED = 128
"""An exit code above it is a signal's, as a shell says it."""


@dataclass(frozen=True, slots=True)
class FinishedTask:
    """A task that has finished."""

    task: str
    at: datetime
    exit_code: int | None
    succeeded: bool
    """Whether the service counts it as a success: exit code 0, and all transfers worked."""
    code: str
    """The code of the failure, such as "FileUploadAccessDenied"; empty for none."""
    message: str
    started: datetime | None
    """When it started, including the download of the source."""
    ended: datetime | None
    created: datetime | None = None
    node: str = ""
    """The id of the node that it ran on last."""

    SELECTED = ("id", "state", "stateTransitionTime", "executionInfo", "creationTime", "nodeInfo")
    """The properties that `of` reads."""

    @classmethod
    def of(cls, task: batch.BatchTask) -> Self:
        """Return what the service says about *task*, which is completed."""
        info = task.execution_info
        failure = info.failure_info if info else None
        assert task.id is not None
        return cls(
            task=task.id,
            at=task.state_transition_time or datetime.now(UTC),
            exit_code=info.exit_code if info else None,
            succeeded=info is not None and word(info.result) == "success",
            code=(failure.code or "") if failure else "",
            message=redacted((failure.message or "") if failure else ""),
            started=info.start_time if info else None,
            ended=info.end_time if info else None,
            created=task.creation_time,
            node=(task.node_info.node_id or "") if task.node_info else "",
        )


@dataclass(frozen=True, slots=True)
class ListedTask:
    """A task, and how far it has come."""

    task: str
    completed: bool
    cut_off: bool
    """Whether it ended before the worker could report an outcome."""

    SELECTED = ("id", "state", "executionInfo")
    """The properties that `of` reads."""

    @classmethod
    def of(cls, task: batch.BatchTask) -> Self:
        """Return how far *task* has come."""
        completed = word(task.state) == "completed"
        return cls(task.id or "", completed, completed and _is_cut_off(task))


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """The number of tasks in each state of a job; the service may lag behind."""

    active: int
    running: int
    completed: int


def _is_cut_off(task: batch.BatchTask) -> bool:
    """Return whether *task* never started, was terminated or killed, or its outputs did not arrive."""
    info = task.execution_info
    if info is None or word(info.result) == "success":
        return False
    code = info.failure_info.code if info.failure_info else None
    was_killed = info.exit_code is None or info.exit_code > _KILLED
    return was_killed or (code or "").lower() != "failureexitcode"
