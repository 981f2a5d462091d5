"""Describe one conversion as a Batch task. Pure: it turns names into a task.

A task is made as the JSON that Batch takes, and what tasks share is made once: as models of the client,
the description of a task costs more than everything else that is done to submit it.
"""

import mimetypes
import os
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from azure.batch import models as batch

from runner.azure.deployment import Deployment
from runner.azure.names import BlobNames, NodeUrl, TaskName, safe_suffix
from runner.azure.worker_package import pack_worker
from runner.media.blob_source import SourceBlob
from runner.media.blob_target import BlobTarget
from runner.media.order import ORDER, RESULT, Order
from runner.media.record import RECORD
from runner.models import Conversion

WORKER = "worker.pyz"
# the shell is only for `exec` and contains nothing from the user: the order is in the environment
COMMAND = f'/bin/bash -c "exec python3 {WORKER}"'
# Files only stay on a node as long as somebody may want to look at them there.
_RETENTION = timedelta(hours=1)
# A backstop for a node that hangs; the worker has its own time limit.
_GRACE = timedelta(hours=1)
_LONGEST = timedelta(days=2)

Task = dict[str, object]
"""A task as JSON:
https://learn.microsoft.com/rest/api/batchservice/tasks/create-task-collection"""


def longest_task(seconds: float | None) -> timedelta:
    """Return how long a task may take, with or without a time limit for ffmpeg."""
    return timedelta(seconds=seconds) + _GRACE if seconds else _LONGEST


@dataclass(frozen=True)
class NodeUpload:
    """How the node itself uploads a result to its final address, in place of Batch."""

    target: BlobTarget
    signature: str
    """For a pool without an identity."""


def build_task(
    conversion: Conversion,
    attempt: int,
    blob: str,
    blob_names: BlobNames,
    seconds: float | None,
    node_upload: NodeUpload | None = None,
) -> Task:
    """Return the task that converts the source and uploads the result and a record.

    *blob* is where it was uploaded to; of no meaning for one that was in storage before.

    *seconds* is the time limit for ffmpeg; none for as long as it makes progress. With a
    *node_upload*, Batch does not upload the result.
    """
    deployment = blob_names.deployment
    # what was in storage before is read where it is
    there = blob_names.elsewhere(conversion.source) if conversion.source.is_blob else None
    name = conversion.source.path if there else blob
    source = f"source{safe_suffix(os.path.splitext(name)[1])}"
    task = str(TaskName(conversion.id, attempt))
    folder = blob_names.results(task)
    order = _order(conversion, source, seconds, deployment, node_upload, there)
    return {
        "id": task,
        "commandLine": COMMAND,
        "resourceFiles": [
            resource_file(blob_names, deployment.tools_container, pack_worker()[0], WORKER),
            _elsewhere(there, deployment, source)
            if there
            else resource_file(blob_names, deployment.input_container, blob, source),
        ],
        "outputFiles": [
            *([] if node_upload else [_result(conversion, blob_names, folder)]),
            *_traces(blob_names, folder),
        ],
        "environmentSettings": [{"name": ORDER, "value": order.as_json()}],
        "constraints": constraints(seconds),
        "requiredSlots": deployment.pool.slots_for(conversion.recipe),
    }


def _order(
    conversion: Conversion,
    source: str,
    seconds: float | None,
    deployment: Deployment,
    node_upload: NodeUpload | None,
    there: NodeUrl | None,
) -> Order:
    """Return what the worker is to do with the file *source*, which in storage may be *there*."""
    return Order(
        source=source,
        recipe=conversion.recipe,
        seconds=seconds,
        size=conversion.source.size,
        identity=deployment.pool_identity_id,
        target=node_upload.target if node_upload else None,
        target_signature=node_upload.signature if node_upload else "",
        source_blob=_pinned(conversion, there) if node_upload and there else None,
    )


@lru_cache
def constraints(seconds: float | None, retries: int = 0) -> Task:
    """The limits of a task, of which ffmpeg has so many *seconds*; *retries* are Batch's own."""
    return batch.BatchTaskConstraints(
        # runner makes the attempts, because Batch's own retries overwrite the log of the previous one
        max_task_retry_count=retries,
        max_wall_clock_time=longest_task(seconds),
        retention_time=_RETENTION,
    ).as_dict()


def _pinned(conversion: Conversion, there: NodeUrl) -> SourceBlob:
    """Return what a node needs to check that the source is still the planned version."""
    return SourceBlob(
        address=there.address,
        etag=conversion.source.etag,
        signature=there.signature,
        by_identity=there.by_identity,
    )


def _elsewhere(there: NodeUrl, deployment: Deployment, path: str) -> Task:
    identity = _identity(deployment.pool_identity_id) if there.by_identity else {}
    return {"httpUrl": there.url, "filePath": path, **identity}


def resource_file(blob_names: BlobNames, container: str, blob: str, path: str) -> Task:
    """A *blob* that a task finds as *path* in its working directory."""
    url = blob_names.readable(container, blob)
    return {
        "httpUrl": url,
        "filePath": path,
        **_identity(blob_names.deployment.pool_identity_id),
    }


def _result(conversion: Conversion, blob_names: BlobNames, folder: str) -> Task:
    result = f"{RESULT}{conversion.recipe.suffix}"
    success = batch.OutputFileUploadCondition.TASK_SUCCESS
    return keep_file(blob_names, result, f"{folder}/{result}", _content_type(result), success)


@lru_cache
def _content_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _traces(blob_names: BlobNames, folder: str) -> list[Task]:
    """Return what a task uploads, however it ends."""
    always = batch.OutputFileUploadCondition.TASK_COMPLETION
    return [
        keep_file(blob_names, RECORD, f"{folder}/{RECORD}", "application/json", always),
        keep_file(blob_names, "../std*.txt", folder, "text/plain; charset=utf-8", always),
    ]


def keep_file(
    blob_names: BlobNames,
    pattern: str,
    path: str,
    kind: str,
    condition: batch.OutputFileUploadCondition,
) -> Task:
    """What a task leaves under *pattern*, uploaded to *path*."""
    container = {
        "containerUrl": blob_names.writable(blob_names.deployment.output_container),
        "path": path,
        "uploadHeaders": [{"name": "x-ms-blob-content-type", "value": kind}],
        **_identity(blob_names.deployment.pool_identity_id),
    }
    return {
        "filePattern": pattern,
        "destination": {"container": container},
        "uploadOptions": {"uploadCondition": condition.value},
    }


@lru_cache
def _identity(resource: str) -> Task:
    """What goes with an address for nodes that have an identity."""
    return {"identityReference": {"resourceId": resource}} if resource else {}
