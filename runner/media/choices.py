"""Decide what in a recipe depends on its source: the audio stream and the bit depth. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from runner.media.failures import ConversionError, Kind
from runner.media.ffmpeg_errors import no_audio_stream
from runner.media.languages import same_language
from runner.media.recipe import option

if TYPE_CHECKING:
    from runner.media.probe import MediaInfo, Stream
    from runner.media.recipe import Recipe

_MAPPED = re.compile(r"0:a:(\d+)\??")


@lru_cache(maxsize=64)  # of one file it is asked six times
def resolve_recipe(recipe: Recipe, media: MediaInfo | None = None) -> Recipe:
    """Return *recipe* for a source with *media*: with the number of its stream, and without any `{...}`.

    If nothing is known about the source yet, it is assumed to be simple: that is right for nearly all, and
    saves probing it.

    Raises:
        ConversionError: Its audio is in other languages.
    """
    if recipe.film:
        return recipe  # a film keeps all of them
    if not is_unresolved(recipe):
        return replace(recipe, audio_stream=recipe.audio_stream or _mapped(recipe.arguments))
    number = _number(recipe, media)
    words = {
        "{audio}": f"a:{number}",
        "{pcm}": _pcm(media.stream("audio", number) if media else None),
    }
    return replace(
        recipe, audio_stream=number, arguments=tuple(_filled(a, words) for a in recipe.arguments)
    )


def is_unresolved(recipe: Recipe) -> bool:
    """Return whether the audio stream or its bit depth in *recipe* is still undecided."""
    words = any("{audio}" in part or "{pcm}" in part for part in recipe.arguments)
    return recipe.is_preset and (words or recipe.loudness is not None)


def left_out(recipe: Recipe, media: MediaInfo | None) -> str:
    """Return a sentence about the audio streams that *recipe*, which is resolved, leaves out; or ""."""
    streams = media.all("audio") if media else ()
    if len(streams) < 2 or recipe.media != "audio":
        return ""
    named = [f"{number} {_named(stream)}".strip() for number, stream in enumerate(streams)]
    taken = named.pop(recipe.audio_stream or 0)
    others = listed(named, " or ")
    return f"audio track {taken} was used; --audio-stream N selects another one: {others}"


def listed(what: list[str], between: str) -> str:
    """Join *what* in one line; if there are very many, only some, so that a notice stays readable."""
    more = [f"{len(what) - 5} more"] if len(what) > 6 else []
    return between.join([*what[: 5 if more else 6], *more])


def _named(stream: Stream) -> str:
    words = [word for word in (stream.language, stream.short_title) if word and word != "und"]
    return f"({', '.join(words)})" if words else ""


def chosen_audio(recipe: Recipe, media: MediaInfo) -> tuple[Stream, ...]:
    """Return the audio streams of *media* that *recipe* asks for, in order; all if it does not say.

    Raises:
        ConversionError: There is none.
    """
    streams = media.all("audio")
    if recipe.audio_stream is not None:
        if recipe.audio_stream >= len(streams):
            raise ConversionError(Kind.INPUT, no_audio_stream(recipe.audio_stream, len(streams)))
        return (streams[recipe.audio_stream],)
    chosen = _speaking(streams, recipe.audio_language)
    if streams and not chosen:
        there = ", ".join(dict.fromkeys(s.language or "und" for s in streams))
        message = f"no audio stream in the language '{recipe.audio_language}', but in: {there}"
        raise ConversionError(Kind.INPUT, message)
    return chosen


def _number(recipe: Recipe, media: MediaInfo | None) -> int:
    """Return the audio stream that was asked for, or the one that players choose."""
    if recipe.audio_stream is not None or media is None:
        return recipe.audio_stream or 0
    streams = chosen_audio(recipe, media)
    best = next((s for s in streams if s.is_default), next(iter(streams), None))
    return media.all("audio").index(best) if best else 0


def _mapped(arguments: tuple[str, ...]) -> int:
    """Return the audio stream that the `-map` in *arguments* names; the first if there is none."""
    found = _MAPPED.fullmatch(option(arguments, "-map") or "")
    return int(found[1]) if found else 0


def _speaking(streams: tuple[Stream, ...], language: str) -> tuple[Stream, ...]:
    """Return those of *streams* in this *language*; all if no stream has a language."""
    if not language or all(s.language in ("", "und") for s in streams):
        return streams
    return tuple(s for s in streams if same_language(s.language, language))


def _filled(argument: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        argument = argument.replace(word, value)
    return argument


def _pcm(source: Stream | None) -> str:
    """Return the PCM encoder for WAV that keeps all of *source*; 16 bit are usually enough.

    Floating-point output of lossy decoders has no bit depth of its own.
    """
    if source is None:
        return "pcm_s16le"
    if source.codec.startswith(("pcm_f64", "pcm_f32")):
        return f"{source.codec[:7]}le"
    if source.codec == "wavpack" and not source.bits:
        return "pcm_f32le"
    return f"pcm_s{24 if source.bits <= 24 else 32}le" if source.bits > 16 else "pcm_s16le"
