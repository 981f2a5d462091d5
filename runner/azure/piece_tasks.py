"""Describe the pieces of a film as Batch tasks, and the task that joins them. Pure.

The task that joins depends on those of its pieces: https://learn.microsoft.com/azure/batch/batch-task-dependencies
"""

from dataclasses import replace
from typing import Any, cast

from azure.batch import models as batch

from runner.azure.names import BlobNames, piece_task
from runner.azure.task_spec import Task, build_task, constraints, keep_file, resource_file
from runner.media.order import ORDER, PIECE, Order, piece_file
from runner.media.pieces import Cut, Piece
from runner.models import Conversion

_RETRIES = 2
"""Batch's own: a piece is small, has no record of its own, and the film waits for it."""


def build_pieces(
    conversion: Conversion,
    attempt: int,
    blob: str,
    blob_names: BlobNames,
    seconds: float | None,
    cut: Cut | None,
) -> list[Task]:
    """The tasks that encode the pieces of a film, each from the whole source; none if it is not *cut*."""
    tasks = []
    for piece in cut.pieces if cut else ():
        task = build_task(conversion, attempt, blob, blob_names, seconds)
        _order(task, cut=Cut((piece,), 0.0), is_piece=True)
        task["id"] = name = piece_task(str(task["id"]), piece.number)
        folder = blob_names.results(name)
        success = batch.OutputFileUploadCondition.TASK_SUCCESS
        always = batch.OutputFileUploadCondition.TASK_COMPLETION
        task["outputFiles"] = [
            keep_file(blob_names, PIECE, f"{folder}/{PIECE}", "video/mp4", success),
            keep_file(blob_names, "../std*.txt", folder, "text/plain; charset=utf-8", always),
        ]
        task["constraints"] = constraints(seconds, _RETRIES)
        # the task that joins must start in any case, else its film would wait for ever
        satisfy = batch.ExitOptions(dependency_action=batch.DependencyAction.SATISFY)
        task["exitConditions"] = batch.ExitConditions(default=satisfy).as_dict()
        tasks.append(task)
    return tasks


def with_pieces(task: Task, blob_names: BlobNames, cut: Cut | None, notice: str) -> Task:
    """Have *task*, which converts a film, join its pieces, or say the *notice* why there are none."""
    if cut is None and not notice:
        return task
    _order(task, cut=cut, notice=notice)
    if cut is not None:
        name, files = str(task["id"]), task["resourceFiles"]
        assert isinstance(files, list)
        task["resourceFiles"] = [*files, *(_piece(name, each, blob_names) for each in cut.pieces)]
        ids = [piece_task(name, piece.number) for piece in cut.pieces]
        task["dependsOn"] = batch.BatchTaskDependencies(task_ids=ids).as_dict()
    return task


def _piece(task: str, piece: Piece, blob_names: BlobNames) -> Task:
    blob = f"{blob_names.results(piece_task(task, piece.number))}/{PIECE}"
    container = blob_names.deployment.output_container
    return resource_file(blob_names, container, blob, piece_file(piece))


def _order(task: Task, **changes: Any) -> None:
    """Change the order in the environment of *task*."""
    settings = cast("list[dict[str, str]]", task["environmentSettings"])
    order = replace(Order.from_json(settings[0]["value"]), **changes)
    task["environmentSettings"] = [{"name": ORDER, "value": order.as_json()}]
