"""What a task waits for, and what its end means for other tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulator.model import key
from tests.emulator.states import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.emulator.model import Job, Task


def wait_for(task: Task, parents: Mapping[str, Any]) -> None:
    """Let *task* start once all its parents have satisfied their dependants."""
    job = task.job
    waiting = {parent for parent in map(key, parent_ids(parents)) if not satisfied(job, parent)}
    if not waiting:
        job.ready.append(task)
        return
    task.parents = waiting
    for parent in waiting:
        job.blocked.setdefault(parent, []).append(task)


def parent_ids(parents: Mapping[str, Any]) -> Iterable[str]:
    yield from parents.get("taskIds") or ()
    for span in parents.get("taskIdRanges") or ():
        yield from map(str, range(span["start"], span["end"] + 1))


def satisfied(job: Job, parent: str) -> bool:
    """Say whether the task of that key has ended in a way that lets its dependants start."""
    task = job.tasks.get(parent)
    if task is None or task.state != TaskState.COMPLETED:
        return False
    return task.failure is None or exit_option(task, "dependencyAction") == "satisfy"


def exit_option(task: Task, name: str) -> str | None:
    """Return the exit option that applies to a task that has failed, if it has one."""
    conditions = task.read().get("exitConditions") or {}
    code = task.exit_code
    options = [entry.get("exitOptions") for entry in conditions.get("exitCodes") or ()
               if entry["code"] == code]  # fmt: skip
    options += [entry.get("exitOptions") for entry in conditions.get("exitCodeRanges") or ()
                if code is not None and entry["start"] <= code <= entry["end"]]  # fmt: skip
    if not options and task.failure and task.failure.code.startswith("FileUpload"):
        options.append(conditions.get("fileUploadError"))
    if not options and code is None:
        options.append(conditions.get("preProcessingError"))
    chosen = next((option for option in options if option), conditions.get("default")) or {}
    value = chosen.get(name)
    return value.lower() if value else None


def free_dependants(job: Job, parent: str) -> None:
    for child in job.blocked.pop(parent):
        if child.parents is not None:
            child.parents.discard(parent)
        if not child.parents and child.state == TaskState.ACTIVE:
            child.parents = None
            job.ready.append(child)
