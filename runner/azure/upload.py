"""Upload one source; if it is converted to audio, only that of a film, and WAV as FLAC."""

import os
import time
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

from runner.azure.context import RunContext
from runner.azure.film_pieces import cut_source
from runner.azure.work_items import WorkItem
from runner.errors import RunnerError
from runner.media.audio_copy import extract_audio
from runner.media.failures import ConversionError
from runner.media.flac_copy import wave_for_flac
from runner.media.source import check_source, check_unchanged
from runner.media.target import check_target, from_os, writable_target
from runner.models import Conversion, Kind, Step

_SMALL = 64 * 1024
"""Bytes that a line of 5 Mbit/s takes in 0.1 s: ffmpeg's starts for a copy take longer, and save less."""


def copy_early(context: RunContext) -> None:
    """Begin to copy the audio of the run's first sources, before anything can be uploaded."""
    if context.options.upload == "whole":
        return

    def copy(conversion: Conversion) -> str | None:
        _check_source(conversion)
        return _copy_for(context, conversion)

    # not more than travel at a time, so that not more lie on the disk
    first = islice(context.in_flight.conversions, context.options.transfers)
    context.early_copies.begin(first, copy, context.stopped.is_set)


def upload_source(context: RunContext, item: WorkItem) -> int:
    """Upload the source of *item* and set its blob; return the number of bytes sent.

    Raises:
        ConversionError: The source cannot be read, or has changed since it was planned; then nothing
            of it stays in storage.
        RunnerError: Storage cannot be reached, or refuses access.
    """
    began = time.time()
    try:
        _check(context, item)
        if item.conversion.source.is_blob:  # it is there
            item.sent = 0
            cut_source(context, item)
            return 0
        copy = _audio_copy(context, item)
        try:
            size = _upload_unchanged(context, item, copy or item.conversion.source.path)
            cut_source(context, item)
            item.sending = Step("send", began, time.time())
            return size
        finally:
            if copy:
                with suppress(FileNotFoundError):
                    os.unlink(copy)
    except OSError as error:
        raise from_os(error) from error


def _check(context: RunContext, item: WorkItem) -> None:
    _check_source(item.conversion)
    if context.node_upload(item.conversion) is not None:
        return  # the node looks at the place
    target = writable_target(context.destination, item.conversion.target)
    check_target(target, context.replaceable(item.conversion))


def _check_source(conversion: Conversion) -> None:
    source = conversion.source
    if not source.is_blob:
        check_source(source.path)
        check_unchanged(source.path, source.state)


def _upload_unchanged(context: RunContext, item: WorkItem, path: str) -> int:
    """Upload the file at *path*, unless its source changed while it was read.

    A mixture of old and new content must not stay in storage, where a later run would use it.
    """
    source = item.conversion.source
    try:
        size = _upload(context, item, path)
    except RunnerError:
        # storage rejects data whose hash or length differs from what was announced
        check_unchanged(source.path, source.state)
        raise
    try:
        check_unchanged(source.path, source.state)
    except ConversionError:
        context.blobs.delete(context.deployment.input_container, [item.blob])
        item.blob = ""
        raise
    return size


def _upload(context: RunContext, item: WorkItem, path: str) -> int:
    blob = context.blob_names.source(item.conversion, os.path.splitext(path)[1])
    with context.flac_copies.uploading(os.path.getsize(path)):
        size = context.blobs.upload(context.deployment.input_container, blob, path)
    item.blob, item.sent = blob, size
    return size


def _audio_copy(context: RunContext, item: WorkItem) -> str | None:
    upload = context.options.upload
    if upload == "whole":
        return None
    copy = context.early_copies.take(item.conversion, partial(_copy_for, context))
    if copy is None and upload == "audio-only":
        message = "its audio cannot be sent alone without loss; --upload auto sends the whole file"
        raise ConversionError(Kind.INPUT, message)
    return copy


def _copy_for(context: RunContext, conversion: Conversion) -> str | None:
    source, recipe = conversion.source.path, conversion.recipe
    is_wanted = context.options.upload == "audio-only"
    if conversion.source.size < _SMALL and not is_wanted:
        return None
    stem = str(Path(context.scratch, f"{conversion.id}-audio"))
    if wave := wave_for_flac(source, recipe):
        return context.flac_copies.make(context.ffmpeg, wave, stem, is_wanted=is_wanted)
    return extract_audio(context.ffmpeg, source, recipe, stem)
