"""Decide whether a stream already has the format of a recipe, so that it can be copied. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runner.media.loudness import LOSSLESS
from runner.media.picture import Samples, is_interlaced, picture_of, takes_hdr
from runner.media.recipe import encoder, option

if TYPE_CHECKING:
    from runner.media.probe import MediaInfo, Stream
    from runner.media.recipe import Recipe

# The codec of an encoder, if the names differ.
_CODECS = {
    "libmp3lame": "mp3",
    "libopus": "opus",
    "libvorbis": "vorbis",
    "libfdk_aac": "aac",
    "libx264": "h264",
    "libx265": "hevc",
    "libvpx": "vp8",
    "libvpx-vp9": "vp9",
    "libsvtav1": "av1",
    "libaom-av1": "av1",
}
# Names of lossy codecs, for people.
_NAMES = {
    "mp3": "MP3",
    "aac": "AAC",
    "opus": "Opus",
    "vorbis": "Vorbis",
    "h264": "H.264",
    "hevc": "H.265",
    "vp8": "VP8",
    "vp9": "VP9",
    "av1": "AV1",
}
_AGAIN = (
    "the {0} was already {1} and lost some quality when encoded again; --copy-if-fits copies it"
)
# Options of a muxer, or of no encoder: they also apply to copied streams.
_STAY = re.compile(
    r"-(?:map|map_metadata|map_chapters|movflags|tag|vtag|atag|rf64|f|metadata|disposition"
    r"|id3v2_version|write_\w+|brand|[vsd]n)"
)


_MUCH = 1_000_000
"""Smaller differences in bytes are not reported: tables and covers make many small results larger."""


def fits_picture(recipe: Recipe, video: Stream, samples: Samples) -> bool:
    """Return whether the picture of *video* is already what *recipe* makes."""
    picture = picture_of(video)
    if video.codec != _codec(recipe, "v") or is_interlaced(picture, samples, recipe):
        return False
    if option(recipe.arguments, "-vf") or option(recipe.arguments, "-filter"):
        return False
    wanted = ("yuv420p", "yuv420p10le") if takes_hdr(recipe) else ("yuv420p",)
    return picture.pixels in wanted and (takes_hdr(recipe) or not picture.is_hdr)


def fits_sound(recipe: Recipe, media: MediaInfo) -> bool:
    """Return whether the chosen audio of *media* is already what *recipe*, which is resolved, makes."""
    sound = media.stream("audio", recipe.audio_stream)
    if sound is None or recipe.loudness is not None or not recipe.is_preset:
        return False
    changing = ("-ac", "-ar", "-af", "-filter", "-sample_fmt")
    if any(option(recipe.arguments, name) is not None for name in changing):
        return False
    return sound.codec == _codec(recipe, "a") and _passes(recipe.audio_filter, sound)


def _passes(filters: str, sound: Stream) -> bool:
    """Return whether *filters* would change nothing; they may only restrict the channel layouts."""
    for part in filter(None, filters.split(",")):
        name, _, values = part.partition("=")
        layouts = values.removeprefix("channel_layouts=").split("|")
        if name != "aresample" and not (name == "aformat" and sound.layout in layouts):
            return False
    return True


def copying(recipe: Recipe) -> tuple[str, ...]:
    """Return the arguments of *recipe*, for audio, with a copy instead of the encoder."""
    arguments, kept = recipe.arguments, []
    for position, word in enumerate(arguments):
        if _STAY.fullmatch(word.split(":", 1)[0]):
            value = arguments[position + 1 : position + 2]
            takes_none = word in ("-vn", "-sn", "-dn")
            kept += [word] if takes_none else [word, *value]
    cover = ("-c:v", "copy") if option(arguments, "-c") == "copy" or "-c:v" in arguments else ()
    return (*kept, *cover, "-c:a", "copy")


def encoded_again(recipe: Recipe, media: MediaInfo) -> str:
    """Return a sentence if *recipe*, which is resolved, encodes what it could copy, losing quality."""
    if recipe.copy_if_fits:
        return ""
    video = media.stream("video")
    if recipe.film and video and video.codec in _NAMES and fits_picture(recipe, video, Samples()):
        return _AGAIN.format("picture", _NAMES[video.codec])
    sound = media.stream("audio", recipe.audio_stream)
    if recipe.media == "audio" and sound and sound.codec in _NAMES and fits_sound(recipe, media):
        return _AGAIN.format("sound", _NAMES[sound.codec])
    return ""


def growth(recipe: Recipe, before: int, after: int) -> str:
    """Return a sentence if a lossy result of *after* bytes is much larger than its source."""
    name = encoder(recipe.arguments, "v" if recipe.media == "video" else "a") or ""
    if recipe.media == "image" or name.startswith("pcm_") or name in (*LOSSLESS, "copy"):
        return ""
    if after < 1.1 * before + _MUCH:
        return ""
    return f"the result is larger than its source: {after / 1e6:.1f} MB instead of {before / 1e6:.1f} MB"


def _codec(recipe: Recipe, kind: str) -> str:
    name = encoder(recipe.arguments, kind) or ""
    return _CODECS.get(name, name)
