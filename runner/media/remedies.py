"""Encode a source, and if ffmpeg fails or complains, try what is known to help.

The outcome is a result to verify, with notices about its source, or a failure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.media import mono
from runner.media.complaints import Complaint, complaints_of
from runner.media.damage import check_all_is_decoded, check_complaints, check_layout, goes_back
from runner.media.failures import ConversionError, Kind
from runner.media.frames import find_frames, find_hidden_frames
from runner.media.listing import Track, list_packets
from runner.media.loudness import is_corrected
from runner.media.tags import leaves_tags_to_ffmpeg
from runner.media.verify import tolerance

if TYPE_CHECKING:
    from runner.media.encoding import Encoding
    from runner.media.ffmpeg import FfmpegResult
    from runner.media.probe import MediaInfo

# Time stamps counted from the number of samples, ignoring those of the source.
_RESTAMP = "asetpts=N/SR/TB"
# An encoder's message about overlapping time stamps. If the last ones overlap, ffmpeg writes the last
# two pages of an Ogg file in the wrong order, and players skip one of them.
_OVERLAP, _EVEN = "Queue input is backward in time", "aresample=async=1"
_FILTERS = ("-af", "-filter", "-lavfi")
_REFUSED = "Could not write header"
# FLAC blocks have at least 16 samples (RFC 9639, section 5).
_TOO_SHORT, _LENGTHEN = "invalid block size", "asetnsamples=n=16:p=1"


def encode(encoding: Encoding) -> tuple[FfmpegResult, list[str]]:
    """Encode, and return ffmpeg's final outcome, with notices.

    Raises:
        ConversionError: The source is damaged inside, or there is no correct result for it.
    """
    ran, said = _encode_somehow(encoding)
    if ran.code == 0 and ran.media and encoding.recipe.verify != "none":
        ran = _check_complaints(encoding, ran, ran.media, said)
        ran = _without_hole(encoding, ran)
    if ran.code == 0 and _is_lost_in_mono(encoding, ran):
        encoding.recipe = mono.of_one_channel(encoding.recipe, ran)
        said.append(mono.NOTICE)
        ran = encoding.run_again()
    return ran, said


def _encode_somehow(encoding: Encoding) -> tuple[FfmpegResult, list[str]]:
    """Encode, and if that fails, try again in another way."""
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
        # FLAC can hold 16 MB of text: as much as fits is written afterwards
        encoding.tagging = replace(encoding.tagging, is_ours_alone=True)
        ran = encoding.run()
    if ran.code > 0 and (layout := find_hidden_frames(encoding.work.source, encoding.source)):
        return encoding.run_frames_alone(layout), list(layout.notices)
    return ran, []


def _could_go_on(encoding: Encoding, ran: FfmpegResult) -> bool:
    """Return whether *ran* may have failed because of a single error in a source that it could open."""
    return ran.media is not None and encoding.failure(ran).failure.kind is Kind.INPUT


def _check_complaints(
    encoding: Encoding, ran: FfmpegResult, source: MediaInfo, said: list[str]
) -> FfmpegResult:
    """Find out what ffmpeg complained about in the *source*, if it did.

    Raises:
        ConversionError: The source is damaged inside, so there is no valid result.
    """
    recipe, complaints = encoding.recipe, _complaints(ran)
    if layout := find_frames(encoding.source, source.format):
        check_layout(layout, source.duration, ran, has_complaints=bool(complaints))
        said += layout.notices
        if complaints and not layout.is_clean:
            ran = encoding.run_frames_alone(layout)
            complaints = _complaints(ran)
        if layout.without_data >= len(complaints):
            complaints = ()
        if recipe.keeps_length:
            check_all_is_decoded(layout, ran, source)
    said += check_complaints(encoding.ffmpeg, encoding.input, complaints, ran, source.duration)
    if recipe.media == "audio" and recipe.is_preset and goes_back(recipe, ran, source):
        encoding.first_filter = _RESTAMP
        return encoding.run()
    return ran


def _without_hole(encoding: Encoding, ran: FfmpegResult) -> FfmpegResult:
    """Encode again if overlapping time stamps in the source made a gap in the result.

    Raises:
        ConversionError: The gap remains.
    """
    if not (hole := _hole(encoding, ran)):
        return ran
    filters = [word for word in encoding.recipe.arguments if word.startswith(_FILTERS)]
    if encoding.recipe.is_preset and not filters:
        encoding.first_filter = _EVEN
        ran = encoding.run()
        if not (hole := _hole(encoding, ran)):
            return ran
    message = (
        f"the result would lack {hole:.1f} s of sound, because the source's time stamps overlap"
    )
    raise ConversionError(Kind.INPUT, f"{message}; try the filter {_EVEN}", ran.log)


def _hole(encoding: Encoding, ran: FfmpegResult) -> float:
    """Return how many seconds of audio the result of *ran* lost because of overlapping time stamps."""
    if ran.code != 0 or encoding.recipe.media != "audio" or _OVERLAP not in ran.log:
        return 0.0
    made = list_packets(encoding.ffmpeg, ("-i", f"file:{encoding.result}"), "0:a:0")
    lost = ran.seconds - made.get(0, Track()).total
    return lost if lost > tolerance(ran.seconds) else 0.0


def _complaints(ran: FfmpegResult) -> tuple[Complaint, ...]:
    return complaints_of(ran) if ran.code == 0 else ()


def _is_lost_in_mono(encoding: Encoding, ran: FfmpegResult) -> bool:
    """Return whether the result of *ran* is silent although its source is not."""
    number = encoding.recipe.audio_stream
    if encoding.recipe.media != "audio" or encoding.recipe.verify == "none":
        return False
    if is_corrected(encoding.audio_filter) or not mono.is_mixed_down(ran, number):
        return False
    return mono.is_lost(encoding.run_quietly, encoding.result, encoding.input, f"0:a:{number}")
