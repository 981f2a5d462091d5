"""Describe one conversion as a Batch task. Pure: it turns names into a task."""

import mimetypes
import os
from dataclasses import dataclass
from datetime import timedelta

from azure.batch import models as batch

from runner.azure.names import BlobNames, NodeUrl, TaskName, safe_suffix
from runner.azure.stack import Deployment
from runner.azure.worker_package import pack_worker
from runner.media.blob_source import SourceBlob
from runner.media.blob_target import BlobTarget
from runner.media.node import ORDER, RECORD, RESULT, Order
from runner.models import Conversion

WORKER = "worker.pyz"
# the shell is only for `exec` and contains nothing from the user: the order is in the environment
COMMAND = f'/bin/bash -c "exec python3 {WORKER}"'
# Files only stay on a node as long as somebody may want to look at them there.
_RETENTION = timedelta(hours=1)
# A backstop for a node that hangs; the worker has its own time limit.
_GRACE = timedelta(hours=1)
_LONGEST = timedelta(days=2)


def longest_task(seconds: float | None) -> timedelta:
    """Return how long a task may take, with or without a time limit for ffmpeg."""
    return timedelta(seconds=seconds) + _GRACE if seconds else _LONGEST


@dataclass(frozen=True)
class StayingResult:
    """A result that the node itself stores where it stays."""

    target: BlobTarget
    signature: str
    """For a pool without an identity."""


def build_task(
    conversion: Conversion,
    attempt: int,
    blob: str,
    blob_names: BlobNames,
    seconds: float | None,
    staying: StayingResult | None = None,
) -> batch.BatchTaskCreateOptions:
    """The task that converts the source, and uploads the result and a record.

    *blob* is where it was uploaded to; of no meaning for one that was in storage before.

    *seconds* is the time limit for ffmpeg; none for as long as it makes progress. The result of one
    that is *staying* is not among what is uploaded.
    """
    deployment = blob_names.deployment
    # what was in storage before is read where it is
    there = blob_names.elsewhere(conversion.source) if conversion.source.is_blob else None
    name = conversion.source.path if there else blob
    source = f"source{safe_suffix(os.path.splitext(name)[1])}"
    task = str(TaskName(conversion.id, attempt))
    folder = blob_names.results(task)
    order = Order(
        source=source,
        recipe=conversion.recipe,
        seconds=seconds,
        size=conversion.source.size,
        identity=deployment.pool_identity_id,
        target=staying.target if staying else None,
        target_signature=staying.signature if staying else "",
        source_blob=_pinned(conversion, there) if staying and there else None,
    )
    return batch.BatchTaskCreateOptions(
        id=task,
        command_line=COMMAND,
        resource_files=[
            resource_file(blob_names, deployment.tools_container, pack_worker()[0], WORKER),
            _elsewhere(there, deployment, source)
            if there
            else resource_file(blob_names, deployment.input_container, blob, source),
        ],
        output_files=[
            *([] if staying else [_result(conversion, blob_names, folder)]),
            *_traces(blob_names, folder),
        ],
        environment_settings=[batch.EnvironmentSetting(name=ORDER, value=order.as_json())],
        constraints=batch.BatchTaskConstraints(
            # runner makes the attempts, because Batch's own retries overwrite the log of the previous one
            max_task_retry_count=0,
            max_wall_clock_time=longest_task(seconds),
            retention_time=_RETENTION,
        ),
        required_slots=deployment.pool.slots_for(conversion.recipe),
    )


def _pinned(conversion: Conversion, there: NodeUrl) -> SourceBlob:
    """What a node needs to see that the source is still the version that was planned."""
    return SourceBlob(
        address=there.address,
        etag=conversion.source.etag,
        signature=there.signature,
        by_identity=there.by_identity,
    )


def _elsewhere(there: NodeUrl, deployment: Deployment, path: str) -> batch.ResourceFile:
    return batch.ResourceFile(
        http_url=there.url,
        file_path=path,
        identity_reference=_identity(deployment) if there.by_identity else None,
    )


def resource_file(
    blob_names: BlobNames, container: str, blob: str, path: str
) -> batch.ResourceFile:
    """A *blob* that a task finds as *path* in its working directory."""
    return batch.ResourceFile(
        http_url=blob_names.readable(container, blob),
        file_path=path,
        identity_reference=_identity(blob_names.deployment),
    )


def _result(conversion: Conversion, blob_names: BlobNames, folder: str) -> batch.OutputFile:
    result = f"{RESULT}{conversion.recipe.suffix}"
    kind = mimetypes.guess_type(result)[0] or "application/octet-stream"
    success = batch.OutputFileUploadCondition.TASK_SUCCESS
    return keep_file(blob_names, result, f"{folder}/{result}", kind, success)


def _traces(blob_names: BlobNames, folder: str) -> list[batch.OutputFile]:
    """What a task leaves, however it ends."""
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
) -> batch.OutputFile:
    """What a task leaves under *pattern*, uploaded to *path*."""
    container = batch.OutputFileBlobContainerDestination(
        container_url=blob_names.writable(blob_names.deployment.output_container),
        path=path,
        identity_reference=_identity(blob_names.deployment),
        upload_headers=[batch.OutputFileUploadHeader(name="x-ms-blob-content-type", value=kind)],
    )
    return batch.OutputFile(
        file_pattern=pattern,
        destination=batch.OutputFileDestination(container=container),
        upload_options=batch.OutputFileUploadConfiguration(upload_condition=condition),
    )


def _identity(deployment: Deployment) -> batch.BatchNodeIdentityReference | None:
    if not deployment.pool_identity_id:
        return None
    return batch.BatchNodeIdentityReference(resource_id=deployment.pool_identity_id)
