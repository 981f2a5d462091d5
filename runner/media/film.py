"""Map the streams of a film: all its audio tracks, its subtitles, and whatever else the target can hold.

Pure: it turns what is known about a film into arguments for ffmpeg.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from runner.media.choices import chosen_audio, listed, resolve_recipe
from runner.media.containers import CONTAINERS, NAMES, TEXTS, Container
from runner.media.copying import fits_picture
from runner.media.failures import ConversionError, Kind
from runner.media.picture import (
    Samples,
    check_colours,
    picture_arguments,
    picture_of,
)
from runner.media.probe import MediaInfo, Stream
from runner.media.recipe import option

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from runner.media.recipe import Recipe


# ffmpeg's words for a stream in its log, and the corresponding option.
_DISPOSITIONS = {
    "default": "default",
    "dub": "dub",
    "original": "original",
    "comment": "comment",
    "forced": "forced",
    "hearing impaired": "hearing_impaired",
    "visual impaired": "visual_impaired",
}


@dataclass(frozen=True)
class Avoided:
    """What failed in the first attempt, and is avoided."""

    subtitles: frozenset[int] = frozenset()
    """Subtitle streams whose text cannot be read."""
    copies: bool = False
    """Whether the target rejected copied streams."""


@dataclass(frozen=True)
class Film:
    """ffmpeg's arguments for a film."""

    arguments: tuple[str, ...]
    """They replace the recipe's own."""
    copied: tuple[str, ...] = ()
    """The specifiers of copied streams, which are not decoded for the result."""
    texts: tuple[int, ...] = ()
    """The subtitle streams that are decoded."""
    notices: tuple[str, ...] = ()
    """Notices about what the target cannot hold."""


_NONE = Avoided()


@dataclass
class _Streams:
    """The streams of a target, in order."""

    maps: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    texts: list[int] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What the container cannot hold."""
    lost: list[str] = field(default_factory=list)
    """What is dropped from every container."""


def plain_arguments(recipe: Recipe) -> tuple[str, ...]:
    """Return the arguments of *recipe* for a simple source, with at most one video and one audio track."""
    if not recipe.film:
        return resolve_recipe(recipe).arguments
    picture = Stream(0, "video", "", details=", yuv420p(tv), 1920x1080, 25 fps")
    sound = Stream(1, "audio", "", details=", 48000 Hz, stereo, fltp (default)", layout="stereo")
    return make_film(recipe, MediaInfo("", None, (picture, sound)), Samples()).arguments


def main_picture(media: MediaInfo) -> Stream | None:
    """Return the video stream that players show."""
    videos = media.all("video")
    return next((s for s in videos if s.is_default), next(iter(videos), None))


def by_sound(recipe: Recipe, media: MediaInfo | None, decoded: Collection[int]) -> list[Recipe]:
    """Return *recipe* for each audio track that was *decoded*: one may lack what others have."""
    sounds = media.all("audio") if media and recipe.film else ()
    numbers = [number for number, stream in enumerate(sounds) if stream.index in decoded]
    return [replace(recipe, audio_stream=number) for number in numbers] or [recipe]


def make_film(
    recipe: Recipe,
    media: MediaInfo,
    samples: Samples,
    avoided: Avoided = _NONE,
    *,
    joined: bool = False,
) -> Film:
    """Return the film for *recipe* and the source's *media*, without what is *avoided*.

    If it is *joined*, its video was encoded before: it is copied from ffmpeg's second input.

    Raises:
        ConversionError: There is no video, or no audio as asked for.
    """
    video = main_picture(media)
    if video is None:
        raise ConversionError(Kind.INPUT, "no video stream")
    container = CONTAINERS[recipe.suffix.lower()]
    streams = _Streams()
    if avoided.copies:
        recipe, container = replace(recipe, copy_if_fits=False), replace(container, sounds=())
    picture = (
        _take_joined(streams, video) if joined else _take_picture(streams, recipe, video, samples)
    )
    _take_sounds(streams, recipe, media, container)
    _take_subtitles(streams, recipe, media, container, avoided.subtitles)
    _take_attachments(streams, media, container)
    if more := len(media.all("video")) - 1:
        streams.lost.append(_count(more, "other video stream"))
    # options for one stream override those for its kind, so the recipe's own come first
    arguments = (*streams.maps, *recipe.arguments, *picture, *streams.options)
    return Film(
        (*arguments, "-max_muxing_queue_size", "4096"),
        tuple(streams.copied),
        tuple(streams.texts),
        _notices(streams, container),
    )


def _notices(streams: _Streams, container: Container) -> tuple[str, ...]:
    notices = []
    if streams.left:
        remedy = "; --to mkv keeps what MP4 and WebM cannot hold"
        what = f"left out for {container.name}: {listed(streams.left, ', ')}"
        notices.append(what if container.attachments else what + remedy)
    if streams.lost:
        notices.append(f"left out: {listed(streams.lost, ', ')}")
    return tuple(notices)


def _take_picture(
    streams: _Streams, recipe: Recipe, video: Stream, samples: Samples
) -> tuple[str, ...]:
    """Map the video; return the options for it."""
    specifier = f"0:{video.index}"
    streams.maps += ["-map", specifier]
    if recipe.copy_if_fits and fits_picture(recipe, video, samples):
        streams.copied.append(specifier)
        return ("-c:v", "copy")
    check_colours(video)
    if samples.is_unread:
        streams.lost.append("its mastering display metadata, which this ffmpeg is too old to read")
    return picture_arguments(video, samples, recipe)


def _take_joined(streams: _Streams, video: Stream) -> tuple[str, ...]:
    """Map the video that was encoded in pieces; return the options for it."""
    streams.maps += ["-map", "1:v:0"]
    tags = {"language": video.language, "title": video.title, "handler_name": "", "vendor_id": ""}
    words = (word for tag in tags.items() for word in ("-metadata:s:v:0", "=".join(tag)))
    return ("-c:v", "copy", *words, "-disposition:v:0", _disposition(video))


def make_picture(recipe: Recipe, media: MediaInfo, samples: Samples) -> Film:
    """Return a film of nothing but the video, for one piece of it."""
    video = main_picture(media)
    alone = replace(media, streams=(video,) if video else ())
    wish = replace(recipe, audio_stream=None, audio_language="", subtitles="none")
    return make_film(wish, alone, samples)


def _take_sounds(streams: _Streams, recipe: Recipe, media: MediaInfo, container: Container) -> None:
    wanted = chosen_audio(recipe, media)
    for number, stream in enumerate(s for s in wanted if is_known(s)):
        specifier = f"0:{stream.index}"
        streams.maps += ["-map", specifier]
        if stream.codec in container.sounds and not _is_changed(recipe):
            streams.copied.append(specifier)
            streams.options += [f"-c:a:{number}", "copy"]
        else:
            streams.options += _encoded(recipe, stream, number)
        streams.options += [f"-disposition:a:{number}", _disposition(stream)]
    silent = [s for s in wanted if not is_known(s)]
    if silent:
        streams.lost.append(_count(len(silent), "audio track") + " without sound")


def is_known(stream: Stream) -> bool:
    """Return whether ffmpeg found the properties of *stream*: a programme table may list streams that do not exist."""
    if stream.kind == "audio":
        return stream.codec not in ("none", "unknown") and "0 channels" not in stream.details
    return stream.kind != "video" or bool(picture_of(stream).pixels)


def _is_changed(recipe: Recipe) -> bool:
    """Return whether the recipe does more to the audio than encode it."""
    changing = ("-ac", "-ar", "-af", "-filter", "-sample_fmt")
    return any(option(recipe.arguments, name) is not None for name in changing)


def _encoded(recipe: Recipe, stream: Stream, number: int) -> Iterator[str]:
    """Return the options for an audio track that is encoded: more channels get more bits."""
    if recipe.audio_filter:
        yield from (f"-filter:a:{number}", recipe.audio_filter)
    arguments = dict(zip(recipe.arguments, (*recipe.arguments[1:], ""), strict=True))
    rate = re.fullmatch(r"(\d+)k", arguments.get("-b:a", ""))
    channels = _channels(stream.layout)
    if rate and channels > 2:
        yield from (f"-b:a:{number}", f"{int(rate[1]) * channels * 2 // 5}k")


def _channels(layout: str) -> int:
    """Return the number of channels in a *layout*: "5.1(side)" has six."""
    if found := re.match(r"(\d+) channels", layout):
        return int(found[1])
    named = {"mono": 1, "stereo": 2, "quad": 4, "hexagonal": 6, "octagonal": 8}
    digits = re.match(r"(\d)\.(\d)(?:\.(\d))?", layout)
    if digits:
        return sum(int(digit) for digit in digits.groups() if digit)
    return named.get(layout.split("(", maxsplit=1)[0], 2)


def _disposition(stream: Stream) -> str:
    words = [word for said, word in _DISPOSITIONS.items() if f"({said})" in stream.details]
    return "+".join(words) or "0"


def _take_subtitles(
    streams: _Streams,
    recipe: Recipe,
    media: MediaInfo,
    container: Container,
    unreadable: frozenset[int],
) -> None:
    subtitles = media.all("subtitle")
    if recipe.subtitles == "none":
        streams.options.append("-sn")
        return
    number = 0
    for position, stream in enumerate(subtitles):
        if stream.codec in container.subtitles:
            encoder = "copy"
        elif stream.index in unreadable:
            streams.left.append(f"{_named(stream, position)}: its text cannot be read")
            continue
        elif stream.codec in TEXTS:
            encoder = container.text
            streams.texts.append(stream.index)
        else:
            streams.left.append(_named(stream, position))
            continue
        streams.maps += ["-map", f"0:{stream.index}"]
        streams.options += [f"-c:s:{number}", encoder]
        streams.options += [f"-disposition:s:{number}", _disposition(stream)]
        number += 1


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _named(stream: Stream, position: int) -> str:
    kind = NAMES.get(stream.codec, stream.codec)
    language = stream.language if stream.language != "und" else ""
    return f"subtitles {position} ({', '.join(filter(None, (language, stream.short_title, kind)))})"


def _take_attachments(streams: _Streams, media: MediaInfo, container: Container) -> None:
    attachments = media.all("attachment")
    if not attachments:
        return
    if container.attachments:
        streams.maps += ["-map", "0:t"]
        streams.options += ["-c:t", "copy"]
    else:
        streams.left.append(_count(len(attachments), "attachment"))
