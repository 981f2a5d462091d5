"""Convert one file: run ffmpeg, hold the result to its source, hash it, give it its name."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runner.media.failures import ConversionError, Kind, Stopped, judge_log
from runner.media.ffmpeg import Ffmpeg, Limits, Ran, Reins
from runner.media.probe import MediaInfo, parse_log
from runner.media.source import check_source, without_tail
from runner.media.target import check_target, from_os, give_name, is_full
from runner.media.verify import check_decodes, check_length

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.media.recipe import Recipe

# Tags of the source's container that mean nothing in another one.
_NO_JUNK = tuple(
    part
    for name in (
        *("major_brand", "minor_version", "compatible_brands"),
        *("handler_name", "vendor_id", "language"),
    )
    for part in ("-metadata", f"{name}=")
)
# What can be copied as a cover into MP3, MP4 and FLAC alike.
_COVERS = ("mjpeg", "png")
# A shell's words for a program that cannot run: not executable, not there.
_NOT_STARTED = (126, 127)


@dataclass(frozen=True, kw_only=True)
class Work:
    """One file to convert."""

    source: str
    target: str
    """The final name; it exists only once the result is verified."""
    scratch: str
    """A folder for what is not finished, best on the target's file system."""
    name: str
    """Of the files in *scratch*: plain ASCII, unlike the user's names."""
    recipe: Recipe
    ffmpeg: str = "ffmpeg"
    limits: Limits = field(default_factory=Limits)
    replace: bool = True
    """Whether a file that has the target's name already may be replaced."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A verified result."""

    size: int
    """Bytes."""
    sha256: str
    mtime_ns: int
    media_seconds: float
    """Length of the source, or of the result where the source does not tell."""
    log: str
    notices: tuple[str, ...] = ()
    """What was wrong without harming the result, a sentence each."""


@dataclass(frozen=True)
class Progress:
    """How far a conversion is, in seconds of media."""

    done: float
    total: float | None


def convert(
    work: Work, reins: Reins | None = None, watch: Callable[[Progress], None] = lambda _: None
) -> Made:
    """Convert one file and give the result its final name once it is verified.

    Raises:
        ConversionError: With the `Failure`; nothing stands under the final name.
        Stopped: The *reins* were pulled; nothing stands under the final name.
    """
    attempt = _Attempt(work, reins or Reins(), watch)
    try:
        check_source(work.source)
        check_target(work.target, replace=work.replace)
        os.makedirs(work.scratch, exist_ok=True)
        return attempt.make()
    except ConversionError as error:
        # on a full disk even the log is empty, and says nothing of it
        if error.failure.kind is Kind.INPUT and is_full(work.scratch):
            raise ConversionError(
                Kind.ENVIRONMENT, "the disk is full", error.failure.log
            ) from error
        raise
    except OSError as error:
        raise from_os(error) from error
    finally:
        attempt.clean_up()


class _Attempt:
    def __init__(self, work: Work, reins: Reins, watch: Callable[[Progress], None]) -> None:
        self.work = work
        self.reins = reins
        self.watch = watch
        self.result = os.path.join(work.scratch, work.name + work.recipe.suffix)
        self.log_path = os.path.join(work.scratch, work.name + ".log")
        self.untailed = os.path.join(work.scratch, work.name + ".source")
        self.source = work.source
        self.ffmpeg = Ffmpeg(work.ffmpeg, log_path=self.log_path, reins=reins, limits=work.limits)
        self.total: float | None = None
        self.passes = 1 if work.recipe.loudness is None else 2

    def make(self) -> Made:
        recipe = self.work.recipe
        self.source = without_tail(self.work.source, self.untailed)
        ran = self._encode(self._loudness_filter())
        source = parse_log(ran.log)
        if ran.code != 0:
            raise self._failure(ran)
        _check_size(self.result)
        if recipe.verify != "none":
            check_length(self.work.ffmpeg, self.source, self.result, recipe, ran, source)
        if recipe.verify == "decode":
            check_decodes(self.ffmpeg, self.result, ran.log)
        sha256 = sha256_of(self.result)
        if self.reins.ended:
            raise Stopped
        check_target(self.work.target, replace=self.work.replace)
        give_name(self.result, self.work.target)
        status = os.stat(self.work.target)
        return Made(
            size=status.st_size,
            sha256=sha256,
            mtime_ns=status.st_mtime_ns,
            media_seconds=(source and source.duration) or ran.seconds,
            log=ran.log,
        )

    def clean_up(self) -> None:
        for path in (self.result, self.log_path, self.untailed):
            with suppress(OSError):
                os.unlink(path)

    def _encode(self, audio_filter: str) -> Ran:
        recipe = self.work.recipe
        filters = ("-filter:a", audio_filter) if audio_filter else ()
        output = (*_NO_JUNK, "-y", f"file:{self.result}")
        command = (*recipe.arguments, *filters)
        ran = self._run((*command, *output), done_before=self.passes - 1)
        if ran.code > 0 and recipe.media == "audio" and _has_odd_cover(parse_log(ran.log)):
            # no target can hold a copy of such a cover
            again = (*command, "-c:v", "mjpeg", *output)
            ran = self._run(again, done_before=self.passes - 1)
        return ran

    def _loudness_filter(self) -> str:
        """The audio filter of the encoding pass, after a measuring pass where one is due."""
        recipe = self.work.recipe
        if recipe.loudness is None:
            return recipe.audio_filter
        target = f"loudnorm=I={recipe.loudness:g}:TP=-1.5:LRA=11"
        chain = f"{recipe.audio_filter}," if recipe.audio_filter else ""
        stream = ("-map", f"0:a:{recipe.audio_stream}")
        ran = self._run(
            (*stream, "-filter:a", f"{chain}{target}:print_format=json", "-f", "null", "-"),
            done_before=0,
        )
        if ran.code != 0:
            raise self._failure(ran)
        if measured := _measured(ran.log):
            return f"{chain}{target}:linear=true:{measured}"
        return recipe.audio_filter  # silence has no loudness to change

    def _run(self, output: tuple[str, ...], *, done_before: int) -> Ran:
        strict = () if self.work.recipe.verify == "none" else ("-xerror",)
        return self.ffmpeg.run(
            (*strict, "-i", f"file:{self.source}", *output),
            lambda seconds, log: self._report(seconds, log, done_before),
        )

    def _report(self, seconds: float, log_path: str, done_before: int) -> None:
        if self.total is None:
            with open(log_path, "rb") as log:
                media = parse_log(log.read(1 << 16).decode(errors="replace"))
            # 0 says that it was looked for and is not known
            self.total = (media and media.duration) or 0.0
        if self.total:
            seconds = (done_before * self.total + min(seconds, self.total)) / self.passes
        self.watch(Progress(seconds, self.total or None))

    def _failure(self, ran: Ran) -> ConversionError:
        """What a failed *ran* is to be called."""
        if ran.code < 0:
            message = f"ffmpeg was killed by signal {-ran.code}"
            return ConversionError(Kind.TRANSIENT, message, ran.log)
        if ran.code in _NOT_STARTED:
            message = f"{self.work.ffmpeg} does not start: {ran.log.strip()[-200:]}"
            return ConversionError(Kind.ENVIRONMENT, message, ran.log)
        # a file may be called as it likes
        words = ran.log.replace(f"file:{self.source}: ", "").replace(self.source, "")
        kind, message = judge_log(words, wanted=self.work.recipe.media)
        source = parse_log(ran.log)
        length = source and source.duration
        if kind is Kind.INPUT and length and 0 < ran.seconds < length:
            message = f"damaged at {ran.seconds:.1f} s of {length:.1f} s"
        return ConversionError(kind, message, ran.log)


def sha256_of(path: str) -> str:
    """The SHA-256 of the file at *path*, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check_size(path: str) -> None:
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        raise ConversionError(Kind.INPUT, "ffmpeg made nothing of it")


def _measured(log: str) -> str:
    """What loudnorm's first pass printed, as options of its second; empty for silence."""
    start = log.rfind("{")
    values: dict[str, Any] = {}
    with suppress(ValueError):
        values, _ = json.JSONDecoder().raw_decode(log[start:])
    names = ("i", "tp", "lra", "thresh")
    found = {name: str(values.get(f"input_{name}", "-inf")) for name in names}
    offset = str(values.get("target_offset", "inf"))
    if any("inf" in value or "nan" in value for value in (*found.values(), offset)):
        return ""
    parts = [
        f"measured_{name.upper() if name != 'thresh' else name}={v}" for name, v in found.items()
    ]
    return ":".join([*parts, f"offset={offset}"])


def _has_odd_cover(source: MediaInfo | None) -> bool:
    return source is not None and any(s.is_cover and s.codec not in _COVERS for s in source.streams)
