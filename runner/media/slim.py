"""Copy the audio out of a film, without re-encoding, so that only it has to travel.

The copy stays in the source's family of containers: an MP4's audio in Matroska loses its edit list,
and then decodes to other samples. On any doubt there is no copy, and the whole file travels.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from runner.media.probe import MediaInfo, read_streams
from runner.media.verify import tolerance

if TYPE_CHECKING:
    from runner.media.recipe import Recipe

# A copy that saves less than this share of the bytes is not worth its disk and time.
_WORTH_SAVING = 0.2
_TIMEOUT = 3600


def slim_copy(ffmpeg: str, source: str, recipe: Recipe, stem: str) -> str | None:
    """Copy all audio of *source*, with tags, chapters and cover, to *stem* plus a suffix.

    Returns the path of the copy: the conversion of it by *recipe* has the same audio as that of the
    source. None where the whole file must travel.
    """
    if recipe.media != "audio" or not recipe.is_preset:
        return None  # the user's own arguments may name any stream
    media = read_streams(ffmpeg, source)
    if media is None or media.stream("video") is None or media.stream("audio") is None:
        return None
    for suffix in _suffixes(media):
        copy = stem + suffix
        if _copy(ffmpeg, source, copy) and _is_faithful(ffmpeg, media, source, copy):
            return copy
        with suppress(FileNotFoundError):
            os.unlink(copy)
    return None


def _suffixes(media: MediaInfo) -> tuple[str, ...]:
    if "mov" in media.format:
        return (".mp4", ".mov")  # the second for PCM, which some versions keep out of MP4
    if any(stream.is_cover for stream in media.streams):
        return ()  # Matroska would make a film of the cover
    return (".mka",)


def _copy(ffmpeg: str, source: str, copy: str) -> bool:
    maps = ("-map", "0:a", "-map", "0:v?", "-map", "-0:V?")
    command = (ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror")
    try:
        done = subprocess.run(
            (*command, "-i", f"file:{source}", *maps, "-c", "copy", "-y", f"file:{copy}"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return False
    # a file that ends early ends with exit code 0, but not without a word
    return done.returncode == 0 and not done.stderr.strip()


def _is_faithful(ffmpeg: str, media: MediaInfo, source: str, copy: str) -> bool:
    if os.path.getsize(copy) > (1 - _WORTH_SAVING) * os.path.getsize(source):
        return False
    before, after = _lengths(media), _lengths(read_streams(ffmpeg, copy))
    return len(before) == len(after) > 0 and all(
        one is not None and other is not None and abs(one - other) <= tolerance(one)
        for one, other in zip(before, after, strict=True)
    )


def _lengths(media: MediaInfo | None) -> list[float | None]:
    if media is None:
        return []
    return [s.duration or media.duration for s in media.streams if s.kind == "audio"]
