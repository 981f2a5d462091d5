"""Adapt a recipe to a source that is probed first: a film, or one that may be copied."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.media.choices import resolve_recipe
from runner.media.copying import copying, fits_sound
from runner.media.failures import ConversionError, Kind
from runner.media.film import Avoided, is_known, main_picture, make_film, make_picture
from runner.media.picture import Samples, read_samples, sampling

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.media.ffmpeg import FfmpegResult
    from runner.media.film import Film
    from runner.media.probe import MediaInfo, Stream
    from runner.media.recipe import Recipe

_NO_TONE_MAPPING = (
    "an HDR film, and this ffmpeg has no filter 'zscale' to convert it to SDR for H.264; "
    "--to hevc keeps HDR"
)


# Messages of ffmpeg that the target does not accept what was copied.
_REFUSED = re.compile(
    r"Non-monoton|\[(?:out|aost|vost)#|muxer|write header|interleaved_write_frame|[Bb]itstream filter"
)


# How far ffmpeg looks for the start of all streams, in microseconds and bytes.
_FAR = ("-analyzeduration", "1800000000", "-probesize", "500000000")
_THROUGH_ZSCALE = ("-frames:v", "1", "-vf", "zscale", "-an", "-sn", "-f", "null", "-")


@dataclass(frozen=True)
class AdaptedRecipe:
    """The recipe for one source."""

    recipe: Recipe
    check: tuple[str, ...] = ()
    """A second output that decodes what the first one only copies, to find damage."""
    texts: tuple[int, ...] = ()
    """The subtitle streams that are decoded."""
    notices: tuple[str, ...] = ()
    picture: SplitPicture | None = None
    """How to encode the video apart; None if it is copied, or this is no film."""


@dataclass(frozen=True)
class SplitPicture:
    """The recipes for a film whose video is encoded in pieces."""

    media: MediaInfo
    video: Stream
    samples: Samples
    piece: Recipe
    """For the video alone."""
    joined: Recipe
    """For the whole, with the video that is ready."""


@dataclass(frozen=True)
class RecipeAdapter:
    """Adapts recipes to one source."""

    wanted: Recipe
    source: tuple[str, ...]
    """ffmpeg's input arguments."""
    run: Callable[..., FfmpegResult]
    """Runs ffmpeg with the given arguments."""

    def adapt(self, avoided: Avoided = Avoided()) -> AdaptedRecipe:  # noqa: B008 - frozen
        """Return the recipe for this source.

        Raises:
            ConversionError: The source lacks what was asked for.
        """
        media = self.run(*self.source).media
        if media is None:
            return AdaptedRecipe(
                resolve_recipe(self.wanted)
            )  # the conversion will say why it cannot be opened
        if self.wanted.film and not all(map(is_known, media.streams)):
            return self._looking_further().adapt_film(avoided)
        if self.wanted.film:
            return self.adapt_film(avoided, media)
        recipe = resolve_recipe(self.wanted, media)
        if avoided.copies or not fits_sound(recipe, media):
            return AdaptedRecipe(recipe)
        copied = (f"0:a:{recipe.audio_stream}",)
        return AdaptedRecipe(
            replace(recipe, arguments=copying(recipe), audio_filter=""), _check(recipe, copied)
        )

    def adapt_again(self, first: AdaptedRecipe, ran: FfmpegResult) -> AdaptedRecipe | None:
        """Return the recipe after the *first* one failed; None if that was not its fault."""
        unreadable = frozenset(index for index in first.texts if not self._is_readable(index))
        refused = bool(first.check) and _REFUSED.search(ran.log) is not None
        if not unreadable and not refused:
            return None
        return self.adapt(Avoided(unreadable, copies=refused))

    def _is_readable(self, index: int) -> bool:
        text = ("-map", f"0:{index}", "-c:s", "webvtt", "-f", "null", "-")
        return self.run("-xerror", *self.source, *text).code == 0

    def _looking_further(self) -> RecipeAdapter:
        """Return one for a source with a stream that starts late, usually a recording."""
        wanted = replace(self.wanted, input_arguments=(*self.wanted.input_arguments, *_FAR))
        return replace(self, wanted=wanted, source=(*_FAR, *self.source))

    def adapt_film(self, avoided: Avoided, media: MediaInfo | None = None) -> AdaptedRecipe:
        """Return the recipe for this source, a film, whose *media* may be known."""
        media = media or self.run(*self.source).media
        assert media is not None  # it was already opened
        samples = self._sample(media)
        film = make_film(self.wanted, media, samples, avoided)
        if any("zscale" in argument for argument in film.arguments):
            # one picture through it, as what -h says has neither ffmpeg's level nor its own end
            ran = self.run(*self.source, *_THROUGH_ZSCALE)
            if "No such filter: 'zscale'" in ran.log:
                raise ConversionError(Kind.SETTINGS, _NO_TONE_MAPPING, ran.log)
        recipe = replace(self.wanted, arguments=film.arguments, audio_filter="")
        return AdaptedRecipe(
            recipe,
            _check(self.wanted, film.copied),
            film.texts,
            film.notices,
            self._picture(media, samples, film, avoided),
        )

    def _picture(
        self, media: MediaInfo, samples: Samples, film: Film, avoided: Avoided
    ) -> SplitPicture | None:
        video = main_picture(media)
        if video is None or f"0:{video.index}" in film.copied:
            return None
        alone = make_picture(self.wanted, media, samples)
        joined = make_film(self.wanted, media, samples, avoided, joined=True)
        return SplitPicture(
            media,
            video,
            samples,
            piece=replace(self.wanted, arguments=alone.arguments, audio_filter="", suffix=".mp4"),
            joined=replace(self.wanted, arguments=joined.arguments, audio_filter=""),
        )

    def _sample(self, media: MediaInfo) -> Samples:
        video = main_picture(media)
        options, filters = sampling(video, self.wanted, media.duration) if video else ((), "")
        if video is None or not filters:
            return Samples()
        few = ("-frames:v", "1") if filters == "showinfo" else ()
        output = ("-map", f"0:{video.index}", "-vf", filters, *few, "-f", "null", "-")
        return read_samples(self.run(*options, *self.source, *output).log)


def _check(recipe: Recipe, copied: tuple[str, ...]) -> tuple[str, ...]:
    if not copied or recipe.verify == "none":
        return ()
    maps = [word for specifier in copied for word in ("-map", specifier)]
    return (*maps, "-f", "null", "-")
