"""Make a FLAC file of a plain WAV file, so that fewer bytes have to be uploaded for the same samples.

The copy is decoded, and its samples must be the very bytes that the WAV file has; otherwise there is no
copy, and the WAV file is uploaded.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from runner.media.audio_copy import is_worth_it, needs_only_audio, run_quietly
from runner.media.frames import find_frames
from runner.media.recipe import Recipe
from runner.media.tags import Tagging, TaggingError
from runner.media.wave import read_wave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.media.ffmpeg import FfmpegResult
    from runner.media.wave import Wave

SMALLEST = 500_000
"""Bytes: for less, starting ffmpeg twice takes about as long as sending what would be saved."""
_SHARE_OF_DISK = 0.1
"""Of what is free: other files travel at the same time, and results are downloaded."""
# the higher levels take twice as long and save another hundredth
_FLAC = Recipe(suffix=".flac", arguments=("-map", "0:a", "-c:a", "flac", "-compression_level", "1"))


def wave_for_flac(source: str, recipe: Recipe) -> Wave | None:
    """Return the WAV file at *source* if its FLAC copy would give the same result by *recipe*.

    Raises:
        OSError: It cannot be read.
    """
    # copying FLAC into FLAC would keep the level at which it was made to travel
    if not needs_only_audio(recipe) or recipe.copy_if_fits:
        return None
    wave = read_wave(source)
    return wave if wave is not None and wave.size >= SMALLEST else None


def make_flac(ffmpeg: str, wave: Wave, stem: str) -> str | None:
    """Encode *wave* to *stem* plus a suffix, and return that path; None if the WAV file must be uploaded.

    Raises:
        OSError: A file cannot be read.
    """
    copy = f"{stem}.flac"
    if wave.size > _SHARE_OF_DISK * shutil.disk_usage(os.path.dirname(copy) or ".").free:
        return None
    tagging = Tagging(wave.path, stem)
    try:
        if _is_encoded(ffmpeg, wave, copy, tagging) and _is_same(ffmpeg, wave, copy):
            return copy
    except BaseException:
        _discard(copy)
        raise
    finally:
        tagging.clean_up()
    _discard(copy)
    return None


def _is_encoded(ffmpeg: str, wave: Wave, copy: str, tagging: Tagging) -> bool:
    """Encode *wave* to *copy*, with its tags; return whether that went well and saves enough."""
    output = (*tagging.words(_FLAC), "-y", f"file:{copy}", *tagging.second_output(_FLAC))
    if run_quietly(ffmpeg, wave.path, (*_FLAC.arguments, *output)) is None:
        return False
    if not is_worth_it(wave.path, copy) or _format_of(copy) != wave.format:
        return False
    if not _ends_where_it_seems_to(copy):
        return False
    try:
        # as in every FLAC file that is made here, so that each field has its name and not ffmpeg's
        return not tagging.carry(copy, _FLAC, None, _no_pictures)
    except TaggingError:
        return False


def _ends_where_it_seems_to(copy: str) -> bool:
    """Return whether a node would find nothing to say about the frames of *copy*.

    In about one file of a thousand, something in the last frame looks like the start of another one.
    """
    layout = find_frames(copy, "flac")
    return layout is not None and layout.is_clean and not layout.is_cut


def _no_pictures(_: Sequence[str]) -> FfmpegResult:
    raise TaggingError


def _is_same(ffmpeg: str, wave: Wave, copy: str) -> bool:
    """Return whether the decoded samples of *copy* are those of *wave*."""
    pcm = ("-map", "0:a", "-c:a", f"pcm_s{wave.bits}le", "-f", "hash", "-hash", "md5", "-")
    said = run_quietly(ffmpeg, copy, pcm)
    return said is not None and said.strip() == f"MD5={wave.md5()}"


def _format_of(flac: str) -> tuple[int, int, int, int]:
    """Return what `Wave.format` has, from the file's first block (RFC 9639, section 8.2)."""
    with open(flac, "rb") as file:
        facts = int.from_bytes(file.read(26)[18:], "big")
    return (facts >> 44, (facts >> 41 & 7) + 1, (facts >> 36 & 31) + 1, facts & (1 << 36) - 1)


def _discard(copy: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(copy)
