"""Download one result, compare it with the node's hash, and move it into place."""

import os
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from runner.azure.context import RunContext
from runner.azure.outcome import DENIED, GONE, failure_of
from runner.azure.results import CloudResults
from runner.azure.tasks import FinishedTask
from runner.azure.work_items import WorkItem
from runner.azure.worker_package import pack_worker
from runner.errors import RunnerError, SetupError, TransientError
from runner.media.failures import ConversionError
from runner.media.order import RESULT
from runner.media.paths import mtime_ns_of
from runner.media.record import LONGEST_RECORD, RECORD, Record
from runner.media.strict import UnreadableError
from runner.media.target import check_target, from_os, move_into_place, writable_target
from runner.models import Event, Execution, Failure, Kind, Result, State, Step

_CLOCKS_APART = 2.0
"""Seconds that a node's clock may differ from the service's."""
_DOWNLOADS = 3
"""How often a result that arrives damaged is downloaded, in all."""
_LONGEST_LOG = 64 * 1024
"""Bytes."""


def download_result(context: RunContext, item: WorkItem, end: FinishedTask) -> Event:
    """Return the event for the *end* of an attempt: its result, or its failure.

    Raises:
        RunnerError: Storage cannot be reached or refuses access, or this machine cannot write the result.
    """
    began = time.time()
    record, unreadable = _record(context, item)
    signed = not context.deployment.pool_identity_id
    failure = failure_of(end, record, signed=signed, unreadable=unreadable)
    if failure is not None and end.code.lower() == GONE:
        failure = replace(failure, message=_put_back(context, item))
    # of a result that stays, the node itself looked at its source at the last moment
    is_certain = failure is None and context.results is not None
    elsewhere = None if is_certain else _fault_in_storage(context, item, end)
    failure = elsewhere or failure
    if failure is None:
        assert record is not None
        try:
            event = _converted(item, end, record, _result(context, item, record))
        except ConversionError as error:
            failure = error.failure
            if failure.kind is not Kind.TRANSIENT:
                # a problem on this machine, about which the node's log says nothing
                return replace(_failed(item, end, record, failure), uncollected=True)
        else:
            steps = (*steps_of(item, end, record), Step("collect", began, time.time()))
            return replace(event, execution=replace(event.execution, steps=steps))
    log = failure.log or ("" if elsewhere else _log(context, item))
    return _failed(item, end, record, replace(failure, log=log))


def _result(context: RunContext, item: WorkItem, record: Record) -> Result:
    """Return the result that *record* describes, which is then where it belongs.

    Raises:
        ConversionError: It is not in storage, or not as the node left it.
        RunnerError: As of `download_result`.
    """
    if context.results is not None:
        return _stored_by_node(context.results, item, record)
    return _fetch(context, item, record)


def _fault_in_storage(context: RunContext, item: WorkItem, end: FinishedTask) -> Failure | None:
    """Return what happened to a source that nodes read in place; Batch cannot pin it to a version.

    One that is the planned version before its task and after it is the one that was read.
    """
    source = item.conversion.source
    if not source.is_blob:
        return None
    if fault := context.reads.fault(source):
        return fault
    return context.reads.refusal(source) if end.code.lower() == DENIED else None


def _stored_by_node(results: CloudResults, item: WorkItem, record: Record) -> Result:
    """Return the result that the node has stored at its final address.

    Raises:
        ConversionError: It is not there, or not any more.
    """
    blob = results.look(item.conversion.target)
    made = blob.made_from if blob else None
    ours = (item.conversion.id, record.sha256)
    if blob is None or made is None or (made.conversion, made.sha256) != ours:
        message = "the node has stored its result, but another program deleted or replaced it"
        raise ConversionError(Kind.TRANSIENT, message)
    return Result(size=blob.size, sha256=record.sha256, mtime_ns=blob.mtime_ns)


def _fetch(context: RunContext, item: WorkItem, record: Record) -> Result:
    conversion = item.conversion
    name = f"{context.blob_names.results(item.task)}/{RESULT}{conversion.recipe.suffix}"
    part = context.scratch / f"{item.task}.part"
    try:
        target = writable_target(context.destination, conversion.target)
        for _ in range(_DOWNLOADS):
            digest = context.blobs.download(
                context.deployment.output_container, name, part, record.size
            )
            if digest is None:
                raise ConversionError(Kind.TRANSIENT, "its result is no longer in storage")
            if digest == "":
                message = "the result in storage does not have the size in its record"
                raise ConversionError(Kind.TRANSIENT, message)
            if digest == record.sha256:
                break
        else:
            raise ConversionError(Kind.TRANSIENT, "the result arrived damaged three times")
        check_target(target, context.replaceable(conversion))
        context.notes.write(conversion, record.size, record.sha256, record.notices)
        mtime_ns = conversion.source.mtime_ns if context.options.keep_times else None
        move_into_place(str(part), target, mtime_ns=mtime_ns)
        status = os.stat(target)
    except OSError as error:
        raise _not_written(conversion.target, from_os(error).failure) from error
    finally:
        with suppress(OSError):
            part.unlink()
    return Result(size=status.st_size, sha256=record.sha256, mtime_ns=mtime_ns_of(status))


def _converted(item: WorkItem, end: FinishedTask, record: Record, result: Result) -> Event:
    return Event(
        conversion=item.conversion,
        state=State.CONVERTED,
        attempt=item.attempt,
        seconds=_seconds(end) + sum((item.pieces_seconds or {}).values()),
        media_done=record.media_seconds,
        media_total=record.media_seconds,
        result=result,
        log=record.log,
        notices=record.notices,
        versions=_versions(record),
        execution=_execution(item, end),
    )


def _failed(item: WorkItem, end: FinishedTask, record: Record | None, failure: Failure) -> Event:
    return Event(
        conversion=item.conversion,
        state=State.FAILED,
        attempt=item.attempt,
        seconds=_seconds(end) + sum((item.pieces_seconds or {}).values()),
        failure=failure,
        log=failure.log,
        versions=_versions(record),
        execution=_execution(item, end),
    )


def _not_written(target: str, failure: Failure) -> RunnerError:
    """Return the event for a failure of this machine: the result stays in storage, and is not converted again."""
    message = f"cannot write {target}: {failure.message}"
    if failure.kind is Kind.ENVIRONMENT:
        return SetupError(
            f"{message}; fix that, then run the same command again to collect the rest"
        )
    return TransientError(message)


def _put_back(context: RunContext, item: WorkItem) -> str:
    """Upload again what this attempt at *item* did not find in storage; return what that was."""
    if item.cut is not None:
        return "a piece of the film is missing"  # the next attempt is in one piece
    # the service does not say which; a worker that exists costs only one call
    context.blobs.put_once(context.deployment.tools_container, *pack_worker())
    if item.blob and context.blobs.exists(context.deployment.input_container, item.blob):
        return "the worker was no longer in storage; it was uploaded again"
    item.blob = ""
    return "its source is no longer in storage"


def _record(context: RunContext, item: WorkItem) -> tuple[Record | None, str]:
    """Return the record that the worker left, or why it cannot be read."""
    name = f"{context.blob_names.results(item.task)}/{RECORD}"
    try:
        data = context.blobs.read(context.deployment.output_container, name, LONGEST_RECORD)
        return (Record.from_json(data) if data else None), ""
    except UnreadableError as error:
        return None, str(error)


def _log(context: RunContext, item: WorkItem) -> str:
    """Return the end of what the task wrote, for a worker that left no record."""
    name = f"{context.blob_names.results(item.task)}/stderr.txt"
    data = context.blobs.read_end(context.deployment.output_container, name, _LONGEST_LOG)
    return data.decode(errors="replace")


def _versions(record: Record | None) -> str:
    return record.versions.partition(" Copyright")[0] if record else ""


def _seconds(end: FinishedTask) -> float:
    return (end.ended - end.started).total_seconds() if end.ended and end.started else 0.0


def _execution(item: WorkItem, end: FinishedTask) -> Execution:
    return Execution(
        worker=end.node,
        queued=_stamp(end.created),
        began=_stamp(end.started),
        sent=item.sent,
    )


def steps_of(item: WorkItem, end: FinishedTask, record: Record) -> tuple[Step, ...]:
    """Return when each step of an attempt was done; those on the node by the service's and the node's clocks."""
    sent = (item.sending,) if item.sending else ()
    if end.started is None or end.ended is None:
        return sent
    moments = (
        *(end.started.timestamp(), record.started, record.encoded),
        *(record.ended, end.ended.timestamp()),
    )
    # the clocks are two, and times that contradict each other say nothing
    if any(before > after + _CLOCKS_APART for before, after in pairwise(moments)):
        return sent
    if not record.started or not record.encoded:
        return sent
    names = ("download", "convert", "verify", "upload")
    spans = zip(names, pairwise(moments), strict=True)
    return (*sent, *(Step(name, began, max(began, ended)) for name, (began, ended) in spans))


def _stamp(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
