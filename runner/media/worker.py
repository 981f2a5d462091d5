"""Convert one file: run ffmpeg, hold the result to its source, hash it, give it its name."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.media import mono
from runner.media.blame import judge_log
from runner.media.choices import is_open, left_out, settle
from runner.media.copying import encoded_again, growth
from runner.media.doubts import Doubt, doubts_of
from runner.media.exit_code import has_not_started
from runner.media.failures import ConversionError, Kind, Stopped
from runner.media.ffmpeg import Ffmpeg, Limits, Ran, Reins
from runner.media.film import by_sound
from runner.media.frames import copy_frames, find_frames, find_hidden_frames
from runner.media.judgement import check_all_is_heard, check_layout, goes_back, weigh
from runner.media.loudness import correcting, is_corrected, measuring
from runner.media.orphans import LOG, note_of
from runner.media.probe import MediaInfo, parse_log
from runner.media.source import (
    check_source,
    check_unchanged,
    has_checksums,
    is_free_format,
    without_tags,
)
from runner.media.suiting import Fitting, Suited
from runner.media.tags import ONLY_FFMPEGS, Tagging, Untagged
from runner.media.target import check_target, from_os, give_name, is_full
from runner.media.verify import check_decodes, check_ending, check_length

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.media.layout import Layout
    from runner.media.recipe import Recipe

# The time of each sample by its number, whatever the source says.
_RESTAMP = "asetpts=N/SR/TB"
# FLAC has no block of less than 16 samples (RFC 9639).
_TOO_SHORT, _LENGTHEN = "invalid block size", "asetnsamples=n=16:p=1"


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
    mtime_ns: int | None = None
    """The file time that the target gets, in nanoseconds; none for that of its making."""
    size: int = 0
    """Bytes of the source, if what lies here is only a part of it."""
    expected: tuple[int, int] | None = None
    """The source's size in bytes and its mtime in nanoseconds, as they were planned, where they
    are known; a source that is another one by then, or becomes one meanwhile, is a failure."""


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
        check_unchanged(work.source, work.expected)
        check_target(work.target, replace=work.replace)
        os.makedirs(work.scratch, exist_ok=True)
        return attempt.make()
    except ConversionError as error:
        if error.failure.log:
            # what ffmpeg says of a file that is being written is true of no moment
            check_unchanged(work.source, work.expected)
        # on a full disk even the log is empty, and says nothing of it
        if error.failure.kind in (Kind.INPUT, Kind.SETTINGS) and is_full(work.scratch):
            raise ConversionError(
                Kind.ENVIRONMENT, "the disk is full", error.failure.log
            ) from error
        raise
    except OSError as error:
        raise from_os(error) from error
    finally:
        attempt.clean_up()


class _NotPlainError(Exception):
    """The source wants another recipe than a plain one, which is known now."""


class _Attempt:
    def __init__(self, work: Work, reins: Reins, watch: Callable[[Progress], None]) -> None:
        self.work = work
        self.recipe = settle(work.recipe)
        self.suited = Suited(self.recipe)
        self.audio_filter = ""
        self.notices: list[str] = []
        self.is_strict = True
        self.first_filter = ""
        self.reins = reins
        self.watch = watch
        self.result = os.path.join(work.scratch, work.name + work.recipe.suffix)
        self.log_path = os.path.join(work.scratch, work.name + LOG)
        self.untailed = os.path.join(work.scratch, work.name + ".source")
        self.source = work.source
        self.ffmpeg = Ffmpeg(work.ffmpeg, log_path=self.log_path, reins=reins, limits=work.limits)
        self.tagging = Tagging(work.source, os.path.join(work.scratch, work.name))
        self.total: float | None = None
        self.passes = 1 if work.recipe.loudness is None else 2

    def make(self) -> Made:
        self.source = without_tags(self.work.source, self.untailed)
        self._look()
        ran = self._encode_and_judge()
        if ran.code == 0 and self._is_lost_in_mono(ran):
            self.recipe = mono.of_one_channel(self.recipe, ran)
            self.notices.append(mono.NOTICE)
            ran = self._encode()
        recipe, source = self.recipe, parse_log(ran.log)
        if ran.code != 0:
            raise self._failure(ran)
        _check_size(self.result)
        if recipe.verify != "none":
            self.notices += check_ending(self.source, recipe, ran)
            for one in by_sound(recipe, source, ran.samples):
                check_length(self.ffmpeg, self._input(), self.result, one, ran)
        self.notices += self._carry_tags(source)
        if recipe.verify == "decode":
            check_decodes(self.ffmpeg, self.result, ran.log)
        self.notices += (*self.suited.notices, *self._remarks(source))
        if recipe.strict and self.notices:
            message = f"{'; '.join(self.notices)} (refused by --strict)"
            raise ConversionError(Kind.INPUT, message, ran.log)
        sha256 = sha256_of(self.result)
        if self.reins.ended:
            raise Stopped
        check_unchanged(self.work.source, self.work.expected)
        check_target(self.work.target, replace=self.work.replace)
        give_name(self.result, self.work.target, mtime_ns=self.work.mtime_ns)
        status = os.stat(self.work.target)
        return Made(
            size=status.st_size,
            sha256=sha256,
            mtime_ns=status.st_mtime_ns,
            media_seconds=(source and source.duration) or ran.seconds,
            log=ran.log,
            notices=tuple(self.notices),
        )

    def _remarks(self, source: MediaInfo | None) -> tuple[str, ...]:
        """What the user may want to choose otherwise, now that the *source* is known."""
        wish = self.work.recipe
        if source is None:
            return ()
        is_chosen = wish.audio_stream is not None or wish.audio_language or not is_open(wish)
        others = "" if is_chosen else left_out(self.recipe, source)
        before = self.work.size or os.path.getsize(self.work.source)
        grown = growth(self.recipe, before, os.path.getsize(self.result))
        again = encoded_again(settle(wish, source), source)
        return tuple(filter(None, (others, again, grown)))

    def clean_up(self) -> None:
        self.tagging.clean_up()
        copies = (self.untailed, f"{self.untailed}.frames")
        for path in (self.result, self.log_path, note_of(self.log_path), *copies):
            with suppress(OSError):
                os.unlink(path)

    def _look(self) -> None:
        """Open the source ahead of the conversion, where that depends on what it holds."""
        wish = self.work.recipe
        if wish.film or wish.copy_if_fits:
            self.suited = self._fitting().suit()
            self.recipe = self.suited.recipe

    def _encode_without_what_failed(self, ran: Ran) -> Ran:
        """Do without the parts of a film that made *ran* fail, if there are any."""
        if again := self._fitting().suit_again(self.suited, ran):
            self.suited, self.recipe = again, again.recipe
            return self._encode()
        return ran

    def _fitting(self) -> Fitting:
        return Fitting(self.work.recipe, self._input(), self._quietly)

    def _quietly(self, *arguments: str) -> Ran:
        return self.ffmpeg.run(arguments, lambda *_: None)

    def _encode_and_judge(self) -> Ran:
        """Encode, and if ffmpeg complained of the source on the way, find out what of.

        Raises:
            ConversionError: The source is damaged within; no result stands for that.
        """
        ran = self._encode_somehow()
        source = parse_log(ran.log)
        if ran.code != 0 or self.recipe.verify == "none" or source is None:
            return ran
        doubts = self._doubts(ran)
        if layout := find_frames(self.source, source.format):
            check_layout(layout, source.duration, ran, is_doubted=bool(doubts))
            self.notices += layout.notices
            if doubts and not layout.is_clean:
                ran = self._encode_frames_alone(layout)
                doubts = self._doubts(ran)
            if layout.without_data >= len(doubts):
                doubts = ()
            if self.recipe.keeps_length:
                check_all_is_heard(layout, ran, source)
        self.notices += weigh(self.ffmpeg, self._input(), doubts, ran, source.duration)
        if self.recipe.media == "audio" and self.recipe.is_preset and goes_back(ran, source):
            self.first_filter = _RESTAMP
            return self._encode_as_the_source_wants()
        return ran

    def _encode_somehow(self) -> Ran:
        """Encode, and where that fails try what is known to help."""
        ran = self._encode_as_the_source_wants()
        if ran.code > 0:
            ran = self._encode_without_what_failed(ran)
        if ran.code > 0 and self.is_strict and self._could_go_on(ran):
            self.is_strict = False
            ran = self._encode()
        if ran.code > 0 and self.recipe.is_preset and _TOO_SHORT in ran.log:
            self.first_filter = _LENGTHEN
            ran = self._encode_as_the_source_wants()
        if ran.code > 0 and (layout := find_hidden_frames(self.work.source, self.source)):
            self.notices += layout.notices
            ran = self._encode_frames_alone(layout)
        return ran

    def _could_go_on(self, ran: Ran) -> bool:
        """Whether a failed *ran* may have stumbled on one fault of a source that it could open."""
        return parse_log(ran.log) is not None and self._failure(ran).failure.kind is Kind.INPUT

    def _encode_frames_alone(self, layout: Layout) -> Ran:
        """Encode once more, without what the source has besides frames."""
        whole, self.source = self.source, f"{self.untailed}.frames"
        copy_frames(whole, layout, self.source)
        return self._encode_as_the_source_wants()

    def _doubts(self, ran: Ran) -> tuple[Doubt, ...]:
        return doubts_of(ran.log, frozenset(ran.frames)) if ran.code == 0 else ()

    def _encode_as_the_source_wants(self) -> Ran:
        """Encode as a plain source wants it, and anew if it turns out not to be one."""
        with suppress(_NotPlainError):
            ran = self._encode()
            self._settle(ran.log)
            return ran
        return self._encode()

    def _settle(self, log: str) -> None:
        """See from ffmpeg's *log* whether the recipe suits the source.

        Raises:
            _NotPlainError: It did not; now it does.
        """
        media = parse_log(log)
        better = settle(self.work.recipe, media)
        if media and self.recipe == settle(self.work.recipe) != better:
            self.recipe = better
            raise _NotPlainError

    def _encode(self) -> Ran:
        recipe = self.recipe
        self.audio_filter = self._loudness_filter()
        self.audio_filter = ",".join(filter(None, (self.first_filter, self.audio_filter)))
        filters = ("-filter:a", self.audio_filter) if self.audio_filter else ()
        words = (*recipe.arguments, *filters, *self.tagging.words(recipe))
        output = ("-y", f"file:{self.result}", *self.tagging.second_output(recipe))
        output += self.suited.check
        return self._run((*words, *output), done_before=self.passes - 1)

    def _carry_tags(self, source: MediaInfo | None) -> tuple[str, ...]:
        """Have the tags of the source in the result; returns what is lost, a sentence each."""
        try:
            return self.tagging.carry(
                *(self.result, self.recipe, source),
                lambda arguments: self.ffmpeg.run(arguments, lambda *_: None),
            )
        except Untagged as error:
            ran = self._encode()
            if ran.code != 0:
                raise self._failure(ran) from error
            return (f"{ONLY_FFMPEGS}: {error}",)

    def _loudness_filter(self) -> str:
        """The audio filter of the encoding pass, after a measuring pass where one is due."""
        recipe = self.recipe
        if recipe.loudness is None:
            return recipe.audio_filter
        stream = ("-map", f"0:a:{recipe.audio_stream}")
        ran = self._run((*stream, "-filter:a", measuring(recipe), "-f", "null", "-"), done_before=0)
        if ran.code != 0:
            raise self._failure(ran)
        source = parse_log(ran.log)
        sound = source.stream("audio", recipe.audio_stream) if source else None
        return correcting(recipe, ran.log, sound)

    def _is_lost_in_mono(self, ran: Ran) -> bool:
        """Whether the result of *ran* is silence that its source is not."""
        number = self.recipe.audio_stream
        if self.recipe.media != "audio" or self.recipe.verify == "none":
            return False
        if is_corrected(self.audio_filter) or not mono.is_mixed_down(ran.log, number):
            return False
        return mono.is_lost(
            self._quietly,
            *(self.result, self._input(), f"0:a:{number}"),
        )

    def _run(self, output: tuple[str, ...], *, done_before: int) -> Ran:
        # what is copied, and texts, can be done without: there a fault must end the attempt
        strict = ("-xerror",) if self.is_strict and self._may_do_without() else ()
        return self.ffmpeg.run(
            (*strict, *self._input(), *output),
            lambda seconds, log: self._report(seconds, log, done_before),
        )

    def _may_do_without(self) -> bool:
        return self.recipe.verify != "none" and bool(self.suited.check or self.suited.texts)

    def _input(self) -> tuple[str, ...]:
        # only so does ffmpeg look at them
        is_checked = self.recipe.verify != "none" and has_checksums(self.source)
        checked = ("-err_detect:a", "crccheck+explode") if is_checked else ()
        return (*checked, *self.recipe.input_arguments, "-i", f"file:{self.source}")

    def _report(self, seconds: float, log_path: str, done_before: int) -> None:
        if self.total is None:
            with open(log_path, "rb") as file:
                log = file.read(1 << 16).decode(errors="replace")
            media = parse_log(log)
            self._settle(log)
            # 0 says that it was looked for and is not known
            self.total = (media and media.duration) or 0.0
        if self.total:
            seconds = (done_before * self.total + min(seconds, self.total)) / self.passes
        self.watch(Progress(seconds, self.total or None))

    def _failure(self, ran: Ran) -> ConversionError:
        """What a failed *ran* is to be called."""
        if has_not_started(ran.code):
            message = f"{self.work.ffmpeg} does not start: {ran.log.strip()[-200:]}"
            return ConversionError(Kind.ENVIRONMENT, message, ran.log)
        kind, message = judge_log(ran.log, source=self.source, code=ran.code)
        if kind is Kind.INPUT and is_free_format(self.source):
            message = "this ffmpeg cannot decode MP3 of free format"
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
        raise ConversionError(Kind.INPUT, "ffmpeg produced no output")
