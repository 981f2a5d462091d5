"""Carry a source's tags, pictures and chapters into its result.

ffmpeg does so too, but loses much of it: all values but the first, ID3v1 that is not UTF-8, what
MP4 has no atom for, the covers of Opus. So a library reads and writes them, mutagen, which is used
by this package alone. It is imported with the first result that wants tags.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.media.tags.kinds import kind_of
from runner.media.tags.pictures import PictureTool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.media.ffmpeg import FfmpegResult
    from runner.media.probe import MediaInfo
    from runner.media.recipe import Recipe

# Said of the source's container, and nothing of the result.
_JUNK = (
    *("major_brand", "minor_version", "compatible_brands", "handler_name", "vendor_id"),
    *("language", "duration", "company_name", "product_name", "product_version"),
)
# Matroska's statistics of each stream, as mkvmerge writes them
_STATISTICS = (
    *("BPS", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES", "_STATISTICS_TAGS"),
    *("_STATISTICS_WRITING_APP", "_STATISTICS_WRITING_DATE_UTC"),
)
_MATROSKA = (".mkv", ".webm", ".mka")
# who names these wants something else
_OWN_WORDS = ("-map_metadata", "-metadata", "-id3v2_version", "-write_id3v2", "-write_id3v1")
_CHANGES_GAIN = (
    *("acompressor", "alimiter", "compand", "dynaudnorm", "loudnorm", "mcompand", "replaygain"),
    *("speechnorm", "volume"),
)


ONLY_FFMPEGS = "only the tags that ffmpeg writes are kept"


class TaggingError(Exception):
    """Tags could not be written, and what they were written to is not to be trusted."""


@dataclass(frozen=True, kw_only=True)
class TaggingJob:
    """One result, and what its tags are made of."""

    source: str
    result: str
    recipe: Recipe
    metadata: str
    """Where ffmpeg wrote what it read of the source's tags and chapters."""
    covers: tuple[int, ...]
    """The source's streams that are pictures, by ffmpeg's count."""
    picture_tool: PictureTool


@dataclass(frozen=True)
class Tagging:
    """What becomes of the tags of one source."""

    source: str
    stem: str
    """Prefix of temporary files."""
    is_ours_alone: bool = False
    """Whether ffmpeg writes none, as the container refused what it would write."""

    def words(self, recipe: Recipe) -> tuple[str, ...]:
        """Options for ffmpeg's output: what it carries itself, for who reads nothing else."""
        if self.is_ours_alone:
            return ("-map_metadata", "-1", "-map_metadata:s", "-1")
        words: list[str] = []
        if not _names(recipe, ("-map_metadata",)) and recipe.media != "image":
            words += ("-map_metadata", "0")  # or the date of a recording is lost
            if recipe.media == "audio" and kind_of(self.source)[0] == "vorbis":
                words += ("-map_metadata", f"0:s:a:{recipe.audio_stream or 0}")  # theirs are there
        for name in _JUNK:
            words += ("-metadata", f"{name}=")
        for name in _STATISTICS if recipe.suffix.lower() in _MATROSKA else ():
            words += ("-metadata:s", f"{name}=", "-metadata:s", f"{name}-eng=")
        return tuple(words)

    def second_output(self, recipe: Recipe) -> tuple[str, ...]:
        """A further output of the same ffmpeg: the tags and chapters that it found."""
        if leaves_tags_to_ffmpeg(recipe):
            return ()
        return ("-map_metadata", "0", "-f", "ffmetadata", "-y", f"file:{self._metadata}")

    def carry(
        self,
        result: str,
        recipe: Recipe,
        media: MediaInfo | None,
        run: Callable[[Sequence[str]], FfmpegResult],
    ) -> tuple[str, ...]:
        """Give *result* the tags of the source, in which ffmpeg saw *media*; returns what is lost.

        Raises:
            TaggingError: The result is not to be trusted any more.
        """
        if leaves_tags_to_ffmpeg(recipe):
            return ()
        from runner.media.tags.carrying import carry  # noqa: PLC0415 - the library takes 20 ms

        job = TaggingJob(
            source=self.source,
            result=result,
            recipe=recipe,
            metadata=self._metadata,
            covers=tuple(s.index for s in media.streams if s.is_cover) if media else (),
            picture_tool=PictureTool(run, self.stem),
        )
        return carry(job)

    def clean_up(self) -> None:
        """Delete what was made on the way."""
        with suppress(OSError):
            os.unlink(self._metadata)

    @property
    def _metadata(self) -> str:
        return f"{self.stem}.tags"


def copy_atoms(source: str, copy: str) -> None:
    """Give *copy* all that the MP4 *source* says, also what ffmpeg does not copy.

    Where that fails, *copy* may be damaged.
    """
    from runner.media.tags.carrying import copy_atoms  # noqa: PLC0415 - as above

    copy_atoms(source, copy)


def leaves_tags_to_ffmpeg(recipe: Recipe) -> bool:
    """Return whether the recipe's own arguments handle the tags, or it has no audio."""
    return recipe.media != "audio" or _names(recipe, _OWN_WORDS)


def changes_gain(recipe: Recipe) -> bool:
    """Return whether the result is louder or quieter than its source."""
    filters = f"{recipe.audio_filter} {' '.join(recipe.arguments)}"
    return recipe.loudness is not None or any(f"{name}=" in filters for name in _CHANGES_GAIN)


def _names(recipe: Recipe, words: tuple[str, ...]) -> bool:
    return any(part.startswith(words) for part in recipe.arguments)
