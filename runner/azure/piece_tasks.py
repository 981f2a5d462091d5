"""Describe the pieces of a film as Batch tasks, and the task that joins them. Pure.

The task that joins depends on those of its pieces: https://learn.microsoft.com/azure/batch/batch-task-dependencies
"""

from dataclasses import replace

from azure.batch import models as batch

from runner.azure.names import BlobNames, piece_task
from runner.azure.task_spec import build_task, keep_file, resource_file
from runner.media.node import ORDER, PIECE, Order, piece_file
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
) -> list[batch.BatchTaskCreateOptions]:
    """The tasks that encode the pieces of a film, each from the whole source; none if it is not *cut*."""
    tasks = []
    for piece in cut.pieces if cut else ():
        task = build_task(conversion, attempt, blob, blob_names, seconds)
        _order(task, cut=Cut((piece,), 0.0), is_piece=True)
        task.id = piece_task(task.id, piece.number)
        folder = blob_names.results(task.id)
        success = batch.OutputFileUploadCondition.TASK_SUCCESS
        always = batch.OutputFileUploadCondition.TASK_COMPLETION
        task.output_files = [
            keep_file(blob_names, PIECE, f"{folder}/{PIECE}", "video/mp4", success),
            keep_file(blob_names, "../std*.txt", folder, "text/plain; charset=utf-8", always),
        ]
        assert task.constraints is not None
        task.constraints.max_task_retry_count = _RETRIES
        # the task that joins must start in any case, else its film would wait for ever
        task.exit_conditions = batch.ExitConditions(
            default=batch.ExitOptions(dependency_action=batch.DependencyAction.SATISFY)
        )
        tasks.append(task)
    return tasks


def with_pieces(
    task: batch.BatchTaskCreateOptions, blob_names: BlobNames, cut: Cut | None, notice: str
) -> batch.BatchTaskCreateOptions:
    """Have *task*, which converts a film, join its pieces, or say the *notice* why there are none."""
    if cut is None and not notice:
        return task
    _order(task, cut=cut, notice=notice)
    for piece in cut.pieces if cut else ():
        task.resource_files = [*(task.resource_files or ()), _piece(task.id, piece, blob_names)]
    if cut is not None:
        ids = [piece_task(task.id, piece.number) for piece in cut.pieces]
        task.depends_on = batch.BatchTaskDependencies(task_ids=ids)
    return task


def _piece(task: str, piece: Piece, blob_names: BlobNames) -> batch.ResourceFile:
    blob = f"{blob_names.results(piece_task(task, piece.number))}/{PIECE}"
    container = blob_names.deployment.output_container
    return resource_file(blob_names, container, blob, piece_file(piece))


def _order(task: batch.BatchTaskCreateOptions, **changes: object) -> None:
    """Change the order in the environment of *task*."""
    settings = task.environment_settings or []
    for setting in settings:
        if setting.name == ORDER:
            setting.value = replace(Order.from_json(setting.value or ""), **changes).as_json()  # type: ignore[arg-type] # fields of Order
