"""The recipe of a conversion: ffmpeg's arguments, and how to check the result."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from functools import cached_property

from runner.media.containers import CONTAINERS
from runner.media.inputs import InputArgumentsError, check_input_arguments
from runner.media.strict import UnreadableError, parse_json, read_as

VERIFY = ("duration", "decode", "none")
MEDIA = ("audio", "video", "image")
ID3 = ("2.4", "2.3")
SUBTITLES = ("keep", "none")
DEINTERLACE = ("auto", "off")

_LONGEST = 1024 * 1024
"""The longest recipe as JSON, in bytes."""
# It is the end of file and blob names, so it must not contain a slash.
_SUFFIX = re.compile(r"\.[^/\\\0]{1,100}")

# ffmpeg options with which a result may be shorter or longer than its source
_CHANGES_LENGTH = ("-t", "-to", "-ss", "-sseof", "-fs", "-shortest", "-frames", "-itsscale")
_CHANGES_LENGTH_AS_INPUT = (
    *("-t", "-to", "-ss", "-sseof", "-itsoffset", "-itsscale", "-r"),
    *("-skip_frame", "-discard", "-ignore_editlist"),
)
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)")
_KEEP_LENGTH = re.compile(
    "acompressor|aformat|alimiter|aresample|bass|bwdif|colorspace|crop|deinterlace|drawtext"
    "|dynaudnorm|equalizer|format|fps|highpass|hflip|hqdn3d|loudnorm|lowpass|pad|pan|scale|setdar|setparams"
    "|setsar|subtitles|tonemap|transpose|treble|unsharp|vflip|volume|yadif|zscale"
)
_FILTERS = ("-af", "-vf", "-filter", "-lavfi", "-filter_complex", "-filter_script")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to convert a source to a target; sent to the nodes as JSON."""

    suffix: str
    """The suffix of the target, with its dot: ffmpeg derives the container from it."""
    media: str = "audio"
    """The kind of the target: one of `MEDIA`."""
    arguments: tuple[str, ...]
    """ffmpeg's output options; in those of a preset, `{audio}` and `{pcm}` depend on the source."""
    audio_filter: str = ""
    """A filter chain for the audio, before loudness normalisation."""
    loudness: float | None = None
    """The integrated loudness to reach in two passes (EBU R128), in LUFS."""
    audio_stream: int | None = None
    """The number of the audio stream to use, counted from 0; None for the default one."""
    audio_language: str = ""
    """The language of the audio to use; empty for any."""
    input_arguments: tuple[str, ...] = ()
    """ffmpeg's input options."""
    id3: str = "2.4"
    """The version of the target's ID3 tags: one of `ID3`."""
    film: bool = False
    """Whether the arguments are only for the encoders, while streams, bit depth and colours follow the source."""
    subtitles: str = "keep"
    """For films: one of `SUBTITLES`."""
    deinterlace: str = "auto"
    """For films: one of `DEINTERLACE`."""
    copy_if_fits: bool = False
    """Whether to copy streams that are already in the target's format."""
    verify: str = "duration"
    """How to check the result: one of `VERIFY`."""
    strict: bool = False
    """Whether a notice is a failure."""
    is_preset: bool = True
    """Whether the arguments come from a preset, not from the user's command line."""

    @cached_property  # used for every file of a run, which all share one recipe
    def fingerprint(self) -> str:
        """A hash that is equal for recipes that make the same target, however it is checked."""
        return _hash(replace(self, verify="", strict=False, is_preset=True))

    @cached_property
    def identity(self) -> str:
        """A hash that is equal for recipes that make the same target and check it in the same way."""
        return _hash(replace(self, is_preset=True))

    @property
    def keeps_length(self) -> bool:
        """Whether the target must be as long as its source."""
        if self.media == "image" or not _keep_length(self.audio_filter):
            return False
        if any(_name(word) in _CHANGES_LENGTH_AS_INPUT for word in self.input_arguments):
            return False
        values = (*self.arguments[1:], "")
        return not any(map(_may_change_length, self.arguments, values))

    @property
    def skipped_seconds(self) -> float | None:
        """The seconds that `-ss` skips at the start; None if the length also depends on other options."""
        words = self.input_arguments
        told = [words[i : i + 2] for i, word in enumerate(words) if word == "-ss"]
        if len(told) != 1 or not (found := _TIME.fullmatch(told[0][-1])):
            return None
        at = words.index("-ss")
        others = replace(self, input_arguments=(*words[:at], *words[at + 2 :]))
        if not others.keeps_length:
            return None
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds

    def as_json(self) -> str:
        """Return one line of JSON for `from_json`."""
        return self._json

    @cached_property
    def _json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `as_json` wrote; unknown properties are ignored.

        Raises:
            UnreadableError: It is not a recipe.
        """
        recipe = read_as(cls, parse_json(text, _LONGEST))
        if not _SUFFIX.fullmatch(recipe.suffix):
            raise UnreadableError("suffix: not one of a file")
        if recipe.media not in MEDIA or recipe.verify not in VERIFY:
            raise UnreadableError("media or verify: unknown")
        if recipe.id3 not in ID3:
            raise UnreadableError("id3: unknown")
        if recipe.subtitles not in SUBTITLES or recipe.deinterlace not in DEINTERLACE:
            raise UnreadableError("subtitles or deinterlace: unknown")
        if recipe.film and recipe.suffix.lower() not in CONTAINERS:
            raise UnreadableError("suffix: not one of a film")
        if (recipe.audio_stream or 0) < 0:
            raise UnreadableError("audio_stream: out of range")
        try:
            # even for a run that was started elsewhere, these arguments are also used on this machine
            check_input_arguments(recipe.input_arguments)
        except InputArgumentsError as error:
            raise UnreadableError(f"input_arguments: {error}") from error
        return recipe


def option(arguments: tuple[str, ...], name: str) -> str | None:
    """Return the value of the last option *name* in *arguments*, for any streams."""
    pairs = zip(arguments, (*arguments[1:], ""), strict=False)  # there may be none
    found = [value for word, value in pairs if _name(word) == name]
    return found[-1] if found else None


def with_parameters(recipe: Recipe, name: str, *parameters: str) -> tuple[str, str]:
    """Return the option *name* of a video encoder with *parameters* appended to those in *recipe*."""
    given = option(recipe.arguments, name)
    return name, ":".join((*((given,) if given else ()), *parameters))


def encoder(arguments: tuple[str, ...], kind: str) -> str | None:
    """Return the encoder that *arguments* name for streams of a *kind*: "a", "v" or "s"."""
    names = ("-c", "-codec", f"-c:{kind}", f"-codec:{kind}", f"-{kind}codec")
    pairs = zip(arguments, (*arguments[1:], ""), strict=False)  # there may be none
    found = [value for word, value in pairs if word in names or word.startswith(f"-c:{kind}:")]
    return found[-1] if found else None


def _name(argument: str) -> str:
    """Return an option without its stream specifier."""
    return argument.split(":", 1)[0]


def _hash(recipe: Recipe) -> str:
    text = json.dumps(asdict(recipe), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _may_change_length(argument: str, value: str) -> bool:
    name = _name(argument)
    return name in _CHANGES_LENGTH or (name in _FILTERS and not _keep_length(value))


def _keep_length(filters: str) -> bool:
    """Return whether every filter in the chain is known to keep the length; expressions with commas are not."""
    names = (part.split("=", 1)[0].strip() for part in filters.split(",") if filters)
    return all(map(_KEEP_LENGTH.fullmatch, names))
