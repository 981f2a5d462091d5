"""Encode a source, and where ffmpeg fails or complains, try what is known to help.

What remains is a result to be verified, with what is to be said of its source, or a failure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.media import mono
from runner.media.doubts import Doubt, doubts_of
from runner.media.failures import ConversionError, Kind
from runner.media.frames import find_frames, find_hidden_frames
from runner.media.judgement import check_all_is_decoded, check_layout, goes_back, weigh
from runner.media.listing import Track, list_packets
from runner.media.loudness import is_corrected
from runner.media.tags import leaves_tags_to_ffmpeg
from runner.media.verify import tolerance

if TYPE_CHECKING:
    from runner.media.encoding import Encoding
    from runner.media.ffmpeg import FfmpegResult
    from runner.media.probe import MediaInfo

# The time of each sample by its number, whatever the source says.
_RESTAMP = "asetpts=N/SR/TB"
# What an encoder says of time stamps that overlap. Where the last ones do, ffmpeg writes the last
# two pages of an Ogg file in the wrong order, and players leave out the sound of one.
_OVERLAP, _EVEN = "Queue input is backward in time", "aresample=async=1"
_FILTERS = ("-af", "-filter", "-lavfi")
_REFUSED = "Could not write header"
# FLAC has no block of less than 16 samples (RFC 9639).
_TOO_SHORT, _LENGTHEN = "invalid block size", "asetnsamples=n=16:p=1"


def encode(encoding: Encoding) -> tuple[FfmpegResult, list[str]]:
    """Encode, and return how ffmpeg did at last, with what is to be said, a sentence each.

    Raises:
        ConversionError: The source is damaged within, or there is no right result for it.
    """
    ran, said = _encode_somehow(encoding)
    if ran.code == 0 and ran.media and encoding.recipe.verify != "none":
        ran = _weigh_complaints(encoding, ran, ran.media, said)
        ran = _without_hole(encoding, ran)
    if ran.code == 0 and _is_lost_in_mono(encoding, ran):
        encoding.recipe = mono.of_one_channel(encoding.recipe, ran)
        said.append(mono.NOTICE)
        ran = encoding.run_again()
    return ran, said


def _encode_somehow(encoding: Encoding) -> tuple[FfmpegResult, list[str]]:
    """Encode, and where that fails try again in another way."""
    ran = encoding.run()
    if ran.code > 0:
        ran = encoding.run_without_what_failed(ran)
    if ran.code > 0 and encoding.stops_at_faults and _could_go_on(encoding, ran):
        encoding.stops_at_faults = False
        ran = encoding.run_again()
    if ran.code > 0 and encoding.recipe.is_preset and _TOO_SHORT in ran.log:
        encoding.first_filter = _LENGTHEN
        ran = encoding.run()
    if ran.code > 0 and _REFUSED in ran.log and not leaves_tags_to_ffmpeg(encoding.recipe):
        # FLAC holds 16 MB of text: what fits of it is put there afterwards
        encoding.tagging = replace(encoding.tagging, is_ours_alone=True)
        ran = encoding.run()
    if ran.code > 0 and (layout := find_hidden_frames(encoding.work.source, encoding.source)):
        return encoding.run_frames_alone(layout), list(layout.notices)
    return ran, []


def _could_go_on(encoding: Encoding, ran: FfmpegResult) -> bool:
    """Whether a failed *ran* may have stumbled on one fault of a source that it could open."""
    return ran.media is not None and encoding.failure(ran).failure.kind is Kind.INPUT


def _weigh_complaints(
    encoding: Encoding, ran: FfmpegResult, source: MediaInfo, said: list[str]
) -> FfmpegResult:
    """Find out what it was in the *source* that ffmpeg complained of, if it did.

    Raises:
        ConversionError: The source is damaged within; no result stands for that.
    """
    recipe, doubts = encoding.recipe, _doubts(ran)
    if layout := find_frames(encoding.source, source.format):
        check_layout(layout, source.duration, ran, is_doubted=bool(doubts))
        said += layout.notices
        if doubts and not layout.is_clean:
            ran = encoding.run_frames_alone(layout)
            doubts = _doubts(ran)
        if layout.without_data >= len(doubts):
            doubts = ()
        if recipe.keeps_length:
            check_all_is_decoded(layout, ran, source)
    said += weigh(encoding.ffmpeg, encoding.input, doubts, ran, source.duration)
    if recipe.media == "audio" and recipe.is_preset and goes_back(ran, source):
        encoding.first_filter = _RESTAMP
        return encoding.run()
    return ran


def _without_hole(encoding: Encoding, ran: FfmpegResult) -> FfmpegResult:
    """Encode once more where overlapping time stamps of the source made a hole in the result.

    Raises:
        ConversionError: The hole stays.
    """
    if not (hole := _hole(encoding, ran)):
        return ran
    filters = [word for word in encoding.recipe.arguments if word.startswith(_FILTERS)]
    if encoding.recipe.is_preset and not filters:
        encoding.first_filter = _EVEN
        ran = encoding.run()
        if not (hole := _hole(encoding, ran)):
            return ran
    message = f"the result would lack {hole:.1f} s of sound, as the source's time stamps overlap"
    raise ConversionError(Kind.INPUT, f"{message}; try the filter {_EVEN}", ran.log)


def _hole(encoding: Encoding, ran: FfmpegResult) -> float:
    """How many seconds of sound overlapping time stamps cost the result of *ran*."""
    if ran.code != 0 or encoding.recipe.media != "audio" or _OVERLAP not in ran.log:
        return 0.0
    made = list_packets(encoding.ffmpeg, ("-i", f"file:{encoding.result}"), "0:a:0")
    lost = ran.seconds - made.get(0, Track()).total
    return lost if lost > tolerance(ran.seconds) else 0.0


def _doubts(ran: FfmpegResult) -> tuple[Doubt, ...]:
    return doubts_of(ran) if ran.code == 0 else ()


def _is_lost_in_mono(encoding: Encoding, ran: FfmpegResult) -> bool:
    """Whether the result of *ran* is silence that its source is not."""
    number = encoding.recipe.audio_stream
    if encoding.recipe.media != "audio" or encoding.recipe.verify == "none":
        return False
    if is_corrected(encoding.audio_filter) or not mono.is_mixed_down(ran, number):
        return False
    return mono.is_lost(encoding.run_quietly, encoding.result, encoding.input, f"0:a:{number}")
