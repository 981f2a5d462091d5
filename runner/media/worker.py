"""Convert one file: encode it, check the result against its source, hash it, move it into place."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from runner.media.choices import is_unresolved, left_out, resolve_recipe
from runner.media.copying import encoded_again, growth
from runner.media.encoding import Encoding
from runner.media.failures import ConversionError, Kind, Stopped
from runner.media.ffmpeg import ProcessHandle
from runner.media.film import by_sound
from runner.media.hashing import sha256_of
from runner.media.paths import mtime_ns_of
from runner.media.remedies import encode
from runner.media.source import check_source, check_unchanged
from runner.media.splitting import discard_pieces, encode_pieces, fault_of_join
from runner.media.tags import ONLY_FFMPEGS, TaggingError
from runner.media.target import check_target, from_os, is_full, move_into_place
from runner.media.verify import check_decodes, check_ending, check_length
from runner.media.work import ConversionResult, Progress, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.media.ffmpeg import FfmpegResult
    from runner.media.recipe import Recipe


def convert(
    work: Work,
    handle: ProcessHandle | None = None,
    watch: Callable[[Progress], None] = lambda _: None,
) -> ConversionResult:
    """Convert one file, and move the result into place once it is verified.

    Raises:
        ConversionError: With the `Failure`; the target is unchanged.
        Stopped: The *handle* was cancelled; the target is unchanged.
    """
    encoding = Encoding(work, handle or ProcessHandle(), watch)
    try:
        check_source(work.source)
        check_unchanged(work.source, work.expected)
        check_target(work.target, work.replaceable)
        os.makedirs(work.scratch, exist_ok=True)
        encoding.prepare()
        ran, notices = _encode(encoding, watch)
        if ran.code != 0:
            raise encoding.failure(ran)
        encoded = time.time()
        notices += _verify(encoding, ran)
        return _finish(encoding, ran, encoded, (*notices, *_advice(encoding, ran)))
    except ConversionError as error:
        if error.failure.log:
            # what ffmpeg logs about a file that is being written means nothing
            check_unchanged(work.source, work.expected)
        # on a full disk even the log is empty
        if error.failure.kind in (Kind.INPUT, Kind.SETTINGS) and is_full(work.scratch):
            raise ConversionError(
                Kind.ENVIRONMENT, "the disk is full", error.failure.log
            ) from error
        raise
    except OSError as error:
        raise from_os(error) from error
    finally:
        encoding.clean_up()


def _encode(
    encoding: Encoding, watch: Callable[[Progress], None]
) -> tuple[FfmpegResult, list[str]]:
    """Encode in pieces, where the work says so and they are right, else in one; return the notices too.

    Raises:
        ConversionError: There is no correct result.
        Stopped: The handle was cancelled.
    """
    why = encode_pieces(encoding, watch)
    ran, notices = encode(encoding)
    if fault := fault_of_join(encoding, ran):
        why = fault
        encoding.join(None)
        ran, notices = encode(encoding)
    return ran, [*([why] if why else []), *notices]


def _verify(encoding: Encoding, ran: FfmpegResult) -> list[str]:
    """Check the result of *ran* against its source, and write its tags; return the notices.

    Raises:
        ConversionError: It is not what it should be.
    """
    recipe = encoding.recipe
    notices: list[str] = []
    if not os.path.exists(encoding.result) or os.path.getsize(encoding.result) == 0:
        raise ConversionError(Kind.INPUT, "ffmpeg produced no output")
    if recipe.verify != "none":
        notices += check_ending(encoding.source, recipe, ran)
        for one in by_sound(recipe, ran.media, ran.samples):
            check_length(encoding.ffmpeg, encoding.input, encoding.result, one, ran)
    notices += _carry_tags(encoding, ran)
    if recipe.verify == "decode":
        check_decodes(encoding.ffmpeg, encoding.result, ran.log)
    notices += (*encoding.adapted.notices, *_other_soundtracks(encoding, ran))
    if recipe.strict and notices:
        message = f"{'; '.join(notices)} (refused by --strict)"
        raise ConversionError(Kind.INPUT, message, ran.log)
    return notices


def _carry_tags(encoding: Encoding, ran: FfmpegResult) -> tuple[str, ...]:
    """Write the source's tags to the result; return notices about what is lost."""
    try:
        return encoding.tagging.carry(
            encoding.result, encoding.recipe, ran.media, lambda words: encoding.run_quietly(*words)
        )
    except TaggingError as error:
        again = encoding.run_again()
        if again.code != 0:
            raise encoding.failure(again) from error
        return (f"{ONLY_FFMPEGS}: {error}",)


def _other_soundtracks(encoding: Encoding, ran: FfmpegResult) -> tuple[str, ...]:
    wanted = encoding.work.recipe
    is_chosen = (
        wanted.audio_stream is not None or wanted.audio_language or not is_unresolved(wanted)
    )
    others = "" if is_chosen else left_out(encoding.recipe, ran.media)
    return (others,) if others else ()


def _advice(encoding: Encoding, ran: FfmpegResult) -> tuple[str, ...]:
    """Return advice for the user; nothing is wrong with the file or its result."""
    if ran.media is None:
        return ()
    work = encoding.work
    before = work.size or os.path.getsize(work.source)
    grown = growth(encoding.recipe, before, os.path.getsize(encoding.result))
    again = encoded_again(resolve_recipe(work.recipe, ran.media), ran.media)
    return tuple(filter(None, (again, grown)))


def _media_seconds(recipe: Recipe, ran: FfmpegResult) -> float:
    """Return the length of the source, or of the result if that is meant to differ (`-ss`, `atempo`)."""
    may_differ = recipe.media != "image" and not recipe.keeps_length
    source = ran.media and ran.media.duration
    return ran.seconds if may_differ or not source else source


def _finish(
    encoding: Encoding, ran: FfmpegResult, encoded: float, notices: tuple[str, ...]
) -> ConversionResult:
    """Move the verified result into place, if nothing has changed in between."""
    work = encoding.work
    sha256 = sha256_of(encoding.result)
    if encoding.handle.cancelled:
        raise Stopped
    check_unchanged(work.source, work.expected)
    check_target(work.target, work.replaceable)
    work.before_move(os.path.getsize(encoding.result), sha256, notices)
    move_into_place(encoding.result, work.target, mtime_ns=work.mtime_ns)
    discard_pieces(encoding)
    status = os.stat(work.target)
    return ConversionResult(
        size=status.st_size,
        sha256=sha256,
        mtime_ns=mtime_ns_of(status),
        media_seconds=_media_seconds(encoding.recipe, ran),
        log=ran.log,
        encoded=encoded,
        notices=notices,
    )
