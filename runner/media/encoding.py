"""Encode one source with its recipe, and again if the source needs a different one.

A conversion starts without probing its source, because nearly all are simple. ffmpeg's first lines show
what it contains; if the recipe depends on that, ffmpeg is stopped and started again.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from runner.media.choices import resolve_recipe
from runner.media.exit_code import has_not_started
from runner.media.failures import ConversionError, Kind
from runner.media.ffmpeg import LOG_LEVEL, Ffmpeg, FfmpegResult, ProcessHandle
from runner.media.ffmpeg_errors import cause_of, classify_log
from runner.media.frames import copy_frames
from runner.media.joining import WITHOUT_JOIN
from runner.media.loudness import correcting, measuring
from runner.media.orphans import LOG, note_of
from runner.media.probe import parse_log
from runner.media.recipe_adapter import AdaptedRecipe, RecipeAdapter
from runner.media.source import has_checksums, is_free_format, without_tags
from runner.media.tags import Tagging
from runner.media.threads import thread_arguments
from runner.media.work import Progress, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.media.joining import Joined
    from runner.media.layout import Layout
    from runner.media.probe import MediaInfo


class _NotPlainError(Exception):
    """The source needs another recipe, which is known now."""


class Encoding:
    """The encoding of one source, and what was learned about it on the way."""

    def __init__(
        self, work: Work, handle: ProcessHandle, watch: Callable[[Progress], None]
    ) -> None:
        stem = os.path.join(work.scratch, work.name)
        self.work = work
        self.recipe = resolve_recipe(work.recipe)
        self.adapted = AdaptedRecipe(self.recipe)
        self.source = work.source
        """The file that ffmpeg reads: the user's, or a copy of a part of it."""
        self.result = stem + work.recipe.suffix
        self.handle = handle
        self.log_path = stem + LOG
        self.ffmpeg = Ffmpeg(work.ffmpeg, log_path=self.log_path, handle=handle, limits=work.limits)
        self.tagging = Tagging(work.source, stem)
        self.audio_filter = ""
        """The filters of the last encoding."""
        self.first_filter = ""
        """The filter that the source turned out to need before the others."""
        self.stops_at_faults = True
        """Whether ffmpeg stops at an error in a stream that it could leave out."""
        self.joined: Joined | None = None
        """The video, where that was encoded in pieces."""
        self._copies = (f"{stem}.source", f"{stem}.source.frames")
        self._watch = watch
        self._total: float | None = None
        self._passes = 1 if work.recipe.loudness is None else 2

    @property
    def input(self) -> tuple[str, ...]:
        """The arguments of ffmpeg for the source."""
        # otherwise ffmpeg does not check them
        is_checked = self.recipe.verify != "none" and has_checksums(self.source)
        checked = ("-err_detect:a", "crccheck+explode") if is_checked else ()
        return (*checked, *self.recipe.input_arguments, "-i", f"file:{self.source}")

    def prepare(self) -> None:
        """Remove tags that confuse ffmpeg, and probe the source if the recipe needs it."""
        self.source = without_tags(self.work.source, self._copies[0])
        wish = self.work.recipe
        if wish.film or wish.copy_if_fits:
            self._adopt(self._adapter().adapt())

    def join(self, joined: Joined | None) -> None:
        """Take the video from finished pieces, or again from the source."""
        self.joined = joined
        self._adopt(self.adapted)

    def run(self) -> FfmpegResult:
        """Encode the source as a simple one, and again if it is not."""
        with suppress(_NotPlainError):
            ran = self.run_again()
            self._resolve(ran.media)
            return ran
        return self.run_again()

    def run_again(self) -> FfmpegResult:
        """Encode with what is known now."""
        recipe = self.recipe
        self.audio_filter = ",".join(filter(None, (self.first_filter, self._loudness_filter())))
        filters = ("-filter:a", self.audio_filter) if self.audio_filter else ()
        limits = thread_arguments(recipe, self.work.threads)
        words = (*recipe.arguments, *limits, *filters, *self.tagging.words(recipe))
        # the last level counts: without ffmpeg's words nothing would tell damage from a whole file
        output = (*LOG_LEVEL, "-y", f"file:{self.result}", *self.tagging.second_output(recipe))
        output += self.adapted.check
        return self._run((*words, *output), done_before=self._passes - 1)

    def run_without_what_failed(self, ran: FfmpegResult) -> FfmpegResult:
        """Encode without the parts of a film that made *ran* fail, if there are any."""
        if again := self._adapter().adapt_again(self.adapted, ran):
            self._adopt(again)
            return self.run_again()
        return ran

    def run_frames_alone(self, layout: Layout) -> FfmpegResult:
        """Encode again, with only the source's frames."""
        whole, self.source = self.source, self._copies[1]
        copy_frames(whole, layout, self.source)
        return self.run()

    def run_quietly(self, *arguments: str) -> FfmpegResult:
        """Run ffmpeg for something else, without reporting progress."""
        return self.ffmpeg.run(arguments)

    def failure(self, ran: FfmpegResult) -> ConversionError:
        """Return the failure for *ran*."""
        if has_not_started(ran.code):
            message = f"{self.work.ffmpeg} does not start: {ran.log.strip()[-200:]}"
            return ConversionError(Kind.ENVIRONMENT, message, ran.log)
        kind, message = classify_log(ran.log, source=self.source, code=ran.code)
        if kind is Kind.INPUT and is_free_format(self.source):
            message = "this ffmpeg cannot decode free-format MP3"
        if kind is Kind.INPUT and ran.media is None and self._opens_without_input_arguments():
            kind = Kind.SETTINGS
            message = f"the file can only be opened without --input-args: {cause_of(ran.log)}"
        return ConversionError(kind, message, ran.log)

    def _opens_without_input_arguments(self) -> bool:
        if not self.recipe.input_arguments:
            return False
        return self.run_quietly("-i", f"file:{self.source}").media is not None

    def clean_up(self) -> None:
        """Delete temporary files; the result has been moved away."""
        self.tagging.clean_up()
        for path in (self.result, self.log_path, note_of(self.log_path), *self._copies):
            with suppress(OSError):
                os.unlink(path)

    def _adapter(self) -> RecipeAdapter:
        return RecipeAdapter(self.work.recipe, self.input, self.run_quietly)

    def _adopt(self, adapted: AdaptedRecipe) -> None:
        self.adapted = adapted
        self.recipe = adapted.picture.joined if self.joined and adapted.picture else adapted.recipe

    def _resolve(self, media: MediaInfo | None) -> None:
        """Check whether the recipe suits the source's content.

        Raises:
            _NotPlainError: It did not; now it does.
        """
        better = resolve_recipe(self.work.recipe, media)
        if media and self.recipe == resolve_recipe(self.work.recipe) != better:
            self.recipe = better
            raise _NotPlainError

    def _loudness_filter(self) -> str:
        """Return the audio filter of the encoding pass, after a measuring pass if needed."""
        recipe = self.recipe
        if recipe.loudness is None:
            return recipe.audio_filter
        stream = ("-map", f"0:a:{recipe.audio_stream}")
        ran = self._run((*stream, "-filter:a", measuring(recipe), "-f", "null", "-"), done_before=0)
        if ran.code != 0:
            raise self.failure(ran)
        sound = ran.media.stream("audio", recipe.audio_stream) if ran.media else None
        return correcting(recipe, ran.log, sound)

    def _run(self, output: tuple[str, ...], *, done_before: int) -> FfmpegResult:
        # copied streams and text subtitles can be left out, so an error in them must end the attempt
        may_end = self.stops_at_faults and self.recipe.verify != "none"
        strict = ("-xerror",) if may_end and (self.adapted.check or self.adapted.texts) else ()
        return self.ffmpeg.run(
            (*strict, *self.input, *(self.joined.input if self.joined else ()), *output),
            lambda seconds, log: self._report(seconds, log, done_before),
        )

    def _report(self, seconds: float, log_path: str, done_before: int) -> None:
        if self._total is None:
            with open(log_path, "rb") as file:
                media = parse_log(file.read(1 << 16).decode(errors="replace"))
            self._resolve(media)
            # 0 means that it was looked for but is unknown
            self._total = (media and media.duration) or 0.0
        if self._total and self.joined:
            seconds = self._total * (
                WITHOUT_JOIN + (1 - WITHOUT_JOIN) * min(1.0, seconds / self._total)
            )
        elif self._total:
            seconds = (done_before * self._total + min(seconds, self._total)) / self._passes
        self._watch(Progress(seconds, self._total or None))
