"""Copy the audio out of a film, without re-encoding, so that only the audio has to be uploaded.

The copy stays in the same family of containers: an MP4's audio in Matroska loses its edit list, and
then decodes to different samples. Source and copy are decoded, and all samples must be the same;
otherwise there is no copy, and the whole file is uploaded.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from runner.media.probe import MediaInfo, read_streams
from runner.media.process import run
from runner.media.tags import copy_atoms

if TYPE_CHECKING:
    from runner.media.recipe import Recipe

# A copy that saves less than this share of the bytes is not worth its disk space and time.
_WORTH_SAVING = 0.2
_TIMEOUT = 3600
_FRAGMENTED = ("-movflags", "empty_moov", "-frag_duration", "10000000")
_HASHED = ("-map", "0:a", "-f", "streamhash", "-hash", "md5", "-")


def extract_audio(ffmpeg: str, source: str, recipe: Recipe, stem: str) -> str | None:
    """Copy all audio of *source*, with tags, chapters and cover, to *stem* plus a suffix.

    Return the path of the copy, whose conversion by *recipe* has the same audio as that of the source,
    or None if the whole file must be uploaded.
    """
    if not needs_only_audio(recipe):
        return None
    media = read_streams(ffmpeg, source)
    if media is None or media.stream("video") is None or media.stream("audio") is None:
        return None
    for suffix, options in _containers(media):
        copy = stem + suffix
        sound = _copy(ffmpeg, source, copy, options)
        if sound and suffix in (".mp4", ".mov"):
            copy_atoms(source, copy)
        if sound and is_worth_it(source, copy) and sound == _sound(ffmpeg, copy):
            return copy
        with suppress(FileNotFoundError):
            os.unlink(copy)
    return None


def needs_only_audio(recipe: Recipe) -> bool:
    """Return whether *recipe* makes the same of a copy that has only a source's audio."""
    if recipe.media != "audio" or not recipe.is_preset:
        return False  # the user's own arguments may name any stream
    return not recipe.input_arguments  # they say how to read the source, not its copy


def _containers(media: MediaInfo) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the suffixes to try, with the muxer's options."""
    if "mov" in media.format:
        # The second is for PCM, which some versions do not allow in MP4; the third for fragmented files,
        # where ffmpeg also decodes the encoder's delay.
        return ((".mp4", ()), (".mov", ()), (".mp4", _FRAGMENTED))
    if any(stream.is_cover for stream in media.streams):
        return ()  # Matroska would turn the cover into a video track
    return ((".mka", ()),)


def _copy(ffmpeg: str, source: str, copy: str, options: tuple[str, ...]) -> str:
    """Copy the audio, and return `_sound` of *source*: one run of ffmpeg does both."""
    # by default, ffmpeg drops the recording date
    maps = ("-map", "0:a", "-map", "0:v?", "-map", "-0:V?", "-map_metadata", "0")
    outputs = (*maps, "-c", "copy", *options, "-y", f"file:{copy}", *_HASHED)
    return run_quietly(ffmpeg, source, outputs) or ""


def _sound(ffmpeg: str, source: str) -> str:
    """Return a hash of each decoded audio stream of *source*; empty if it is damaged."""
    return run_quietly(ffmpeg, source, _HASHED) or ""


def run_quietly(ffmpeg: str, source: str, outputs: tuple[str, ...]) -> str | None:
    """Return what *ffmpeg* prints while it makes *outputs* of *source*; None if anything was wrong."""
    command = (ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror")
    try:
        done = run((*command, "-i", f"file:{source}", *outputs), timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        return None
    # for a truncated file, ffmpeg exits with 0 but logs an error
    return None if done.returncode or done.stderr.strip() else done.stdout.decode()


def is_worth_it(source: str, copy: str) -> bool:
    """Return whether uploading *copy* instead of *source* saves enough bytes."""
    return os.path.getsize(copy) <= (1 - _WORTH_SAVING) * os.path.getsize(source)
