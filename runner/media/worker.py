"""Convert one file: run ffmpeg, hold the result to its source, hash it, give it its name."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runner.media.failures import ConversionError, Kind, Stopped, judge_log
from runner.media.ffmpeg import Ffmpeg, Limits, Ran, Reins
from runner.media.probe import MediaInfo, parse_log
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
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


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
        self.ffmpeg = Ffmpeg(work.ffmpeg, log_path=self.log_path, reins=reins, limits=work.limits)
        self.total: float | None = None
        self.passes = 1 if work.recipe.loudness is None else 2

    def make(self) -> Made:
        recipe = self.work.recipe
        ran = self._encode(self._loudness_filter())
        source = parse_log(ran.log)
        if ran.code != 0:
            raise _failure(ran, recipe, source)
        _check_size(self.result)
        if recipe.verify != "none":
            check_length(self.work.ffmpeg, self.work.source, self.result, recipe, ran, source)
        if recipe.verify == "decode":
            check_decodes(self.ffmpeg, self.result, ran.log)
        sha256 = sha256_of(self.result)
        if self.reins.ended:
            raise Stopped
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
        for path in (self.result, self.log_path):
            with suppress(OSError):
                os.unlink(path)

    def _encode(self, audio_filter: str) -> Ran:
        recipe = self.work.recipe
        filters = ("-filter:a", audio_filter) if audio_filter else ()
        return self._run(
            (*recipe.arguments, *filters, *_NO_JUNK, "-y", f"file:{self.result}"),
            done_before=self.passes - 1,
        )

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
            raise _failure(ran, recipe, parse_log(ran.log))
        if measured := _measured(ran.log):
            return f"{chain}{target}:linear=true:{measured}"
        return recipe.audio_filter  # silence has no loudness to change

    def _run(self, output: tuple[str, ...], *, done_before: int) -> Ran:
        strict = () if self.work.recipe.verify == "none" else ("-xerror",)
        return self.ffmpeg.run(
            (*strict, "-i", f"file:{self.work.source}", *output),
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


def give_name(result: str, target: str) -> None:
    """Move the finished file *result* to *target*, which from then on exists as a whole."""
    folder = os.path.dirname(target) or "."
    os.makedirs(folder, exist_ok=True)
    try:
        os.replace(result, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # a folder of the destination lies on another file system
        beside = os.path.join(folder, f".{os.path.basename(result)}.part")
        try:
            shutil.copyfile(result, beside)
            os.replace(beside, target)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(beside)


def sha256_of(path: str) -> str:
    """The SHA-256 of the file at *path*, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_source(path: str) -> None:
    """Raise `ConversionError` if *path* cannot be read, or is no file; opens no FIFO."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise ConversionError(Kind.INPUT, f"not a file but a {_file_type(status.st_mode)}")
        if status.st_size == 0:
            raise ConversionError(Kind.INPUT, "the file is empty")
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        if error.errno == errno.ENOENT and os.path.islink(path):
            raise ConversionError(Kind.INPUT, "the link leads nowhere") from error
        reasons = {
            errno.ENOENT: "the file is gone",
            errno.EACCES: "not readable: permission denied",
            errno.ELOOP: "the link leads in a circle",
        }
        reason = reasons.get(error.errno or 0, f"not readable: {error.strerror}")
        raise ConversionError(Kind.INPUT, reason) from error


def _file_type(mode: int) -> str:
    names = {
        stat.S_IFDIR: "folder",
        stat.S_IFIFO: "FIFO",
        stat.S_IFSOCK: "socket",
        stat.S_IFCHR: "device",
        stat.S_IFBLK: "device",
    }
    return names.get(stat.S_IFMT(mode), "special file")


def check_target(target: str, *, replace: bool) -> None:
    """Raise `ConversionError` if no result can have the name *target*."""
    # asked before the work, as a name that is too long would else cost a whole conversion
    try:
        os.lstat(target)
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise ConversionError(Kind.INPUT, "a file stands where its folder should be") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            message = "the result's name is too long for this file system; see --name"
            raise ConversionError(Kind.INPUT, message) from error
        raise
    if os.path.isdir(target):
        raise ConversionError(Kind.INPUT, "a folder has the name of its result")
    if not replace:
        raise ConversionError(Kind.INPUT, "its result appeared meanwhile, made by somebody else")


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


def _failure(ran: Ran, recipe: Recipe, source: MediaInfo | None) -> ConversionError:
    if ran.code < 0:
        message = f"ffmpeg was killed by signal {-ran.code}"
        return ConversionError(Kind.TRANSIENT, message, ran.log)
    kind, message = judge_log(ran.log, wanted=recipe.media)
    length = source and source.duration
    if kind is Kind.INPUT and length and 0 < ran.seconds < length:
        message = f"damaged at {ran.seconds:.1f} s of {length:.1f} s"
    return ConversionError(kind, message, ran.log)


def from_os(error: OSError) -> ConversionError:
    """What an *error* of this machine means for the conversion that met it."""
    full = error.errno in _FULL_DISK
    denied = isinstance(error, PermissionError)
    kind = Kind.ENVIRONMENT if full or denied else Kind.TRANSIENT
    return ConversionError(kind, f"{error.strerror or error}".lower())
