"""The presets, such as "mp3" or "podcast": the built-in ones and the user's own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from runner.errors import UsageError
from runner.media.containers import CONTAINERS
from runner.media.recipe import MEDIA, Recipe

_AUDIO = ("-map", "0:{audio}")
# libopus rejects the layouts with side speakers that films have: https://trac.ffmpeg.org/ticket/5718
_OPUS_LAYOUTS = "aformat=channel_layouts=7.1|5.1|stereo|mono"
# ffmpeg's AAC encoder rejects unnamed channel layouts, as in Speex, TAK and some WAV files (the
# layouts in ffmpeg's libavcodec/aacenctab.h and aacenc.c): layouts that it accepts are kept, and
# unnamed ones become the usual ones
_AAC_LAYOUTS = (
    "aformat=channel_layouts=mono|stereo|2.1|3.0|3.0(back)|3.1|4.0|quad|quad(side)|4.1|5.0|5.0(side)"
    "|5.1|5.1(side)|6.0|6.0(front)|hexagonal|6.1|6.1(back)|6.1(front)|7.0|7.0(front)|7.1|7.1(wide)"
    "|octagonal"
)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named way to convert.

    In its arguments, `{audio}` is the chosen audio stream, and `{pcm}` the PCM encoder that keeps
    the bit depth of that stream.
    """

    name: str
    summary: str
    suffix: str
    arguments: tuple[str, ...]
    media: str = "audio"
    film: bool = False
    """Whether its arguments are only for the encoders, and everything else is as in the source."""
    audio_filter: str = ""
    loudness: float | None = None
    origin: str = "built-in"

    def recipe(self, *, arguments: tuple[str, ...] = (), **choices: Any) -> Recipe:
        """Return the recipe; *arguments* replace the preset's own.

        *choices* are further fields of `Recipe`, such as `audio_stream`.
        """
        recipe = Recipe(
            suffix=self.suffix,
            media=self.media,
            film=self.film and not arguments,
            arguments=arguments or self.arguments,
            audio_filter="" if arguments else self.audio_filter,
            loudness=None if arguments else self.loudness,
            is_preset=not arguments,
        )
        return replace(recipe, **choices)

    @property
    def chooses_audio(self) -> bool:
        """Whether it can use the audio tracks that the user chooses."""
        return self.film or any("{audio}" in part for part in self.arguments)


def _audio(name: str, summary: str, *encoder: str, **rest: Any) -> Preset:
    arguments = (*_AUDIO, *encoder)
    return Preset(name=name, summary=summary, arguments=arguments, **{"suffix": f".{name}", **rest})


def _video(name: str, summary: str, *encoder: str, **rest: Any) -> Preset:
    details = {"suffix": ".mp4", "media": "video", "film": True, **rest}
    return Preset(name=name, summary=summary, arguments=encoder, **details)


_MP4_AUDIO = ("-c:a", "aac", "-b:a", "160k", "-movflags", "+faststart")

DEFAULT = "mp3"
BUILT_IN: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        # -q:a 2 is faster than ffmpeg's default for mp3, and better (measured)
        _audio("mp3", "MP3, V2: about 190 kbit/s", "-c:a", "libmp3lame", "-q:a", "2"),
        _audio(
            "m4a",
            "AAC in MP4, 192 kbit/s",
            *("-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart"),
            audio_filter=_AAC_LAYOUTS,
        ),
        _audio(
            "opus",
            "Opus, 128 kbit/s",
            *("-c:a", "libopus", "-b:a", "128k"),
            audio_filter=_OPUS_LAYOUTS,
        ),
        _audio("ogg", "Ogg Vorbis, quality 5: about 160 kbit/s", "-c:a", "libvorbis", "-q:a", "5"),
        _audio("flac", "FLAC, lossless", "-c:a", "flac"),
        _audio(
            "wav",
            "WAV, PCM: 16 bit, or more if a lossless source has more",
            *("-c:a", "{pcm}", "-rf64", "auto"),
        ),
        _audio(
            "podcast",
            "MP3, mono, 96 kbit/s, loudness -16 LUFS (EBU R128, two passes)",
            *("-c:a", "libmp3lame", "-b:a", "96k", "-ac", "1", "-ar", "44100"),
            suffix=".mp3",
            audio_filter="aformat=channel_layouts=mono",
            loudness=-16.0,
        ),
        _video(
            "mp4",
            "H.264 and AAC in MP4",
            *("-c:v", "libx264", "-crf", "20", *_MP4_AUDIO),
            audio_filter=_AAC_LAYOUTS,
        ),
        _video(
            "hevc",
            "H.265 and AAC in MP4",
            *("-c:v", "libx265", "-crf", "24", "-tag:v", "hvc1", *_MP4_AUDIO),
            audio_filter=_AAC_LAYOUTS,
        ),
        _video(
            "webm",
            "VP9 and Opus in WebM",
            *("-c:v", "libvpx-vp9", "-crf", "32", "-b:v", "0", "-row-mt", "1"),
            *("-c:a", "libopus", "-b:a", "128k"),
            suffix=".webm",
            audio_filter=_OPUS_LAYOUTS,
        ),
        _video(
            "av1",
            "AV1 and AAC in MP4",
            *("-c:v", "libsvtav1", "-crf", "32", "-preset", "8", *_MP4_AUDIO),
            audio_filter=_AAC_LAYOUTS,
        ),
        _video(
            "mkv",
            "H.265 in Matroska; all audio, subtitles and fonts unchanged",
            *("-c:v", "libx265", "-crf", "24", "-c:a", "aac", "-b:a", "160k"),
            suffix=".mkv",
            audio_filter=_AAC_LAYOUTS,
        ),
        Preset(
            name="thumbnail",
            summary="One JPEG of a typical frame",
            suffix=".jpg",
            media="image",
            arguments=(
                "-map",
                "0:V:0",
                "-vf",
                "thumbnail",
                "-frames:v",
                "1",
                "-q:v",
                "2",
                "-update",
                "1",
            ),
        ),
    )
}
_ALIASES = {
    "aac": "m4a",
    "vorbis": "ogg",
    "h264": "mp4",
    "h265": "hevc",
    "vp9": "webm",
    "jpg": "thumbnail",
}
_KEYS = ("summary", "suffix", "arguments", "media", "film", "audio_filter", "loudness")


def find_preset(name: str, own: Mapping[str, Preset]) -> Preset:
    """Return the preset called *name*, looking first among the user's *own*.

    Raises:
        UsageError: There is none.
    """
    wanted = name.lower().removeprefix(".")
    for presets in (own, BUILT_IN):
        if preset := presets.get(name) or presets.get(_ALIASES.get(wanted, wanted)):
            return preset
    known = ", ".join([*own, *BUILT_IN])
    raise UsageError(f"unknown preset '{name}'; choose from {known}")


def for_suffix(name: str, arguments: tuple[str, ...], own: Mapping[str, Preset]) -> Preset:
    """Return the preset for `--to NAME`, which may be any suffix if there are *arguments*."""
    if arguments and name.lower().removeprefix(".") not in {*own, *BUILT_IN, *_ALIASES}:
        suffix = f".{name.removeprefix('.')}"
        return Preset(name=name, summary="your arguments", suffix=suffix, arguments=arguments)
    return find_preset(name, own)


def read_presets(table: Mapping[str, Any], origin: str) -> dict[str, Preset]:
    """Return the user's presets from the `[presets]` *table* of the settings file *origin*.

    Raises:
        UsageError: One of them is invalid; the message says which and why.
    """
    return {name: _read_preset(name, values, origin) for name, values in table.items()}


def _read_preset(name: str, values: Any, origin: str) -> Preset:
    where = f"{origin}: preset '{name}'"
    if not isinstance(values, Mapping):
        raise UsageError(f"{where} must be a table: [presets.{name}]")
    if unknown := sorted(set(values) - set(_KEYS)):
        raise UsageError(
            f"{where} has the unknown key '{unknown[0]}'; choose from {', '.join(_KEYS)}"
        )
    arguments = values.get("arguments")
    if not isinstance(arguments, list) or not all(isinstance(part, str) for part in arguments):
        raise UsageError(
            f'{where} needs arguments, a list of texts: arguments = ["-c:a", "libmp3lame"]'
        )
    suffix = values.get("suffix")
    if not isinstance(suffix, str) or not suffix.strip(".") or "/" in suffix:
        raise UsageError(f'{where} needs a suffix such as suffix = ".mp3"')
    suffix = f".{suffix.removeprefix('.')}"
    media = values.get("media", "audio")
    if media not in MEDIA:
        raise UsageError(f"{where}: media must be one of {', '.join(MEDIA)}, not '{media}'")
    film = _read_film(values, media, suffix, where)
    return Preset(
        name=name,
        summary=str(values.get("summary", "")),
        suffix=suffix,
        arguments=tuple(arguments),
        media=media,
        film=film,
        audio_filter=str(values.get("audio_filter", "")),
        loudness=_read_loudness(values, where, film=film),
        origin=origin,
    )


def _read_film(values: Mapping[str, Any], media: str, suffix: str, where: str) -> bool:
    film = values.get("film", False)
    if film not in (False, True) or (film and media != "video"):
        raise UsageError(f'{where}: film must be true or false, and needs media = "video"')
    if film and suffix.lower() not in CONTAINERS:
        raise UsageError(f"{where}: film makes {', '.join(CONTAINERS)}, not '{values['suffix']}'")
    return bool(film)


def _read_loudness(values: Mapping[str, Any], where: str, *, film: bool) -> float | None:
    loudness = values.get("loudness")
    if loudness is None:
        return None
    if film:
        raise UsageError(f"{where}: loudness works for one audio track, but film keeps all of them")
    if not (isinstance(loudness, (int, float)) and -70 <= loudness <= -5):
        raise UsageError(
            f"{where}: loudness must be a number from -70 to -5 (LUFS), not '{loudness}'"
        )
    return float(loudness)
