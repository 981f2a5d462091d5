"""Fit a recipe to a source that is looked at first: a film, or what may be copied as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.media.choices import settle
from runner.media.copying import copying, fits_sound
from runner.media.failures import ConversionError, Kind
from runner.media.film import main_picture, make_film
from runner.media.picture import Samples, read_samples, sampling
from runner.media.probe import parse_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.media.ffmpeg import Ran
    from runner.media.probe import MediaInfo
    from runner.media.recipe import Recipe

_NO_TONE_MAPPING = (
    "an HDR film, and this ffmpeg has no filter 'zscale' to make it fit for H.264; "
    "--to hevc keeps it HDR"
)


@dataclass(frozen=True)
class Suited:
    """How one source is converted."""

    recipe: Recipe
    check: tuple[str, ...] = ()
    """A second output, which decodes what the first one only copies: damage shows there."""
    notices: tuple[str, ...] = ()


def suit(wish: Recipe, source: tuple[str, ...], run: Callable[..., Ran]) -> Suited:
    """Fit *wish* to the *source* of these input arguments; *run* runs ffmpeg with arguments.

    Raises:
        ConversionError: The source has not what is wished for.
    """
    media = parse_log(run(*source).log)
    if media is None:
        return Suited(settle(wish))  # the conversion tells why it cannot be opened
    if wish.film:
        return _suit_film(wish, media, source, run)
    recipe = settle(wish, media)
    if not fits_sound(recipe, media):
        return Suited(recipe)
    copied = (f"0:a:{recipe.audio_stream}",)
    return Suited(
        replace(recipe, arguments=copying(recipe), audio_filter=""), _check(recipe, copied)
    )


def _suit_film(
    wish: Recipe, media: MediaInfo, source: tuple[str, ...], run: Callable[..., Ran]
) -> Suited:
    samples = _sample(wish, media, source, run)
    film = make_film(wish, media, samples)
    if any("zscale" in argument for argument in film.arguments):
        ran = run("-h", "filter=zscale")
        if "Unknown filter" in ran.log:
            raise ConversionError(Kind.SETTINGS, _NO_TONE_MAPPING, ran.log)
    recipe = replace(wish, arguments=film.arguments, audio_filter="")
    return Suited(recipe, _check(wish, film.copied), film.notices)


def _sample(
    wish: Recipe, media: MediaInfo, source: tuple[str, ...], run: Callable[..., Ran]
) -> Samples:
    video = main_picture(media)
    options, filters = sampling(video, wish, media.duration) if video else ((), "")
    if video is None or not filters:
        return Samples()
    few = ("-frames:v", "1") if filters == "showinfo" else ()
    output = ("-map", f"0:{video.index}", "-vf", filters, *few, "-f", "null", "-")
    return read_samples(run(*options, *source, *output).log)


def _check(recipe: Recipe, copied: tuple[str, ...]) -> tuple[str, ...]:
    if not copied or recipe.verify == "none":
        return ()
    maps = [word for specifier in copied for word in ("-map", specifier)]
    return (*maps, "-f", "null", "-")
