"""Look into the files of a plan: how long they are, and what of them would travel."""

import math
import os
import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat

from runner.conversions import Conversions
from runner.estimate.extracts import Extracts
from runner.media.audio_copy import needs_only_audio
from runner.media.flac_copy import SMALLEST
from runner.media.probe import MediaInfo, parse_log
from runner.media.process import run
from runner.models import Conversion

_MOST_GUESSES = 50_000
MOST_OPENED = 2000
"""Files that are looked into; of more, a random sample."""
MOST_BLOBS = 50
"""Likewise of blobs, whose parts are downloaded for that."""
_LONGEST_OPENING = 60
_GUESSED = "Estimating duration from bitrate"  # a mere guess is better than none here
_SIZE = re.compile(r", (\d{2,5})x(\d{2,5})\b")
_RATE = re.compile(r", (\d+) kb/s")
_FLAC_SHARE = 0.6
"""Of PCM, as FLAC; music and speech have 0.4 to 0.7."""
_PCM = ("pcm_s16le", "pcm_s24le")
_USUAL_AUDIO = 128
"""kbit/s of a stream that does not say its own."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """What one file holds, as far as an estimate asks."""

    conversion: Conversion
    seconds: float
    """Of media."""
    audio_bytes: float
    """Of its audio alone."""
    pixels: int = 0
    """Of a picture of its video; 0 without one."""
    is_pcm: bool = False
    """Whether it is a WAV file of 16 or 24 bit."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return max(self.conversion.source.size, 0)

    @property
    def suffix(self) -> str:
        """Of its name."""
        return os.path.splitext(self.conversion.source.path)[1].lower()

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.size / self.seconds if self.seconds > 0 else 0.0

    @property
    def whole(self) -> float:
        """Bytes that are uploaded if films are uploaded whole: 0 for what is in storage already."""
        return 0 if self.conversion.source.is_blob else self.size

    @property
    def sent(self) -> float:
        """Bytes that travel to Azure: of what becomes audio, a film's audio alone, and PCM as FLAC."""
        recipe = self.conversion.recipe
        if not needs_only_audio(recipe):
            return self.whole
        if self.is_pcm and self.size >= SMALLEST and not recipe.copy_if_fits:
            return self.whole * _FLAC_SHARE
        whole = not self.pixels or self.audio_bytes > 0.8 * self.size
        return self.whole if whole else min(self.whole, self.audio_bytes)


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a plan that were opened; others are taken to be like those of their size."""

    files: tuple[FileContent, ...]
    """One for each file."""
    looked_at: int
    unreadable: int
    """Of those, files that ffmpeg cannot open."""
    error: float
    """How far the hours of media may be off, as a share, in 19 of 20 cases."""

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(content.size for content in self.files)

    @property
    def seconds(self) -> float:
        """Of media in all files."""
        return sum(content.seconds for content in self.files)

    @property
    def sent(self) -> float:
        """Bytes that would travel to Azure."""
        return sum(content.sent for content in self.files)


def open_files(
    conversions: Sequence[Conversion], ffmpeg: str, jobs: int, extracts: Extracts | None = None
) -> Contents:
    """Look into the files of *conversions*, all or a sample, so many at a time.

    Of sources in storage only *extracts* are looked into: else all of them would come here.
    """
    table = Conversions.of(conversions).longest_first()
    files = [index for index, one in enumerate(table) if not one.source.is_blob]
    blobs = [index for index, one in enumerate(table) if one.source.is_blob] if extracts else []
    chosen = _some(files, MOST_OPENED) + _some(blobs, MOST_BLOBS)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        found = list(pool.map(lambda one: _content(one, ffmpeg, extracts), table.only(chosen)))
    good = [content for content in found if content is not None]
    # whoever cannot be opened fails at once; a blob that cannot be read here may be good all the same
    doubtful = set(blobs)
    seen = {p for p, content in zip(chosen, found, strict=True) if content or p not in doubtful}
    rest = table.only(index for index in range(len(table)) if index not in seen)
    scale = _Scale.of(good)
    contents = (
        *{content.conversion.source.path: content for content in good}.values(),
        *scale.guesses(rest),
    )
    error = _error(good, len(table)) if rest else 0.0
    return Contents(contents, len(seen), len(seen) - len(good), error)


def _some(indices: list[int], most: int) -> list[int]:
    if len(indices) <= most:
        return indices
    return random.Random(len(indices)).sample(indices, most)  # noqa: S311 - no secret


def _content(conversion: Conversion, ffmpeg: str, extracts: Extracts | None) -> FileContent | None:
    source = conversion.source
    if source.size == 0:
        return None  # ffmpeg cannot open it either
    if not source.is_blob:
        return _read_content(source.path, conversion, ffmpeg)
    assert extracts is not None
    contents = (_read_content(extract.path, conversion, ffmpeg) for extract in extracts.of(source))
    return next((content for content in contents if content is not None), None)


def _read_content(path: str, conversion: Conversion, ffmpeg: str) -> FileContent | None:
    arguments = conversion.recipe.input_arguments
    command = [ffmpeg, "-nostdin", "-hide_banner", *arguments, "-i", f"file:{path}"]
    try:
        done = run(command, timeout=_LONGEST_OPENING)
    except (OSError, subprocess.TimeoutExpired):
        return None
    media = parse_log(done.stderr.decode(errors="replace").replace(_GUESSED, ""))
    if media is None or not media.streams:
        return None
    return content_of(conversion, media)


def content_of(conversion: Conversion, media: MediaInfo) -> FileContent:
    """Return what *media* says about the source of *conversion*."""
    lengths = (stream.duration for stream in media.streams)
    seconds = media.duration or max(filter(None, lengths), default=0.0)
    if not seconds:
        seconds = conversion.source.estimated_seconds
    audio = sum(_kilobits(stream.details) for stream in media.all("audio"))
    sizes = (_SIZE.search(stream.details) for stream in media.all("video"))
    pixels = max((int(found[1]) * int(found[2]) for found in sizes if found), default=0)
    is_pcm = media.format == "wav" and [s.codec in _PCM for s in media.streams] == [True]
    return FileContent(conversion, seconds, audio * 125 * seconds, pixels, is_pcm)


def _kilobits(details: str) -> int:
    found = _RATE.search(details)
    return int(found[1]) if found else _USUAL_AUDIO


@dataclass(frozen=True, slots=True)
class _Scale:
    """The seconds of media per byte in the files that were opened."""

    seconds: float
    audio: float
    pixels: int
    is_pcm: bool = False

    @classmethod
    def of(cls, contents: Sequence[FileContent]) -> "_Scale":
        size = sum(content.size for content in contents)
        if not size:
            return cls(0.0, 0.0, 0)
        pixels = sorted(content.pixels for content in contents)[len(contents) // 2]
        seconds, audio = (sum(getattr(k, n) for k in contents) for n in ("seconds", "audio_bytes"))
        is_pcm = sum(content.size for content in contents if content.is_pcm) > size / 2
        return cls(seconds / size, audio / size, pixels, is_pcm)

    def guesses(self, conversions: Conversions) -> Iterator[FileContent]:
        """Guess at each of *conversions*, the longest first; of very many, one stands for those after it."""
        each = -(-len(conversions) // _MOST_GUESSES) or 1
        for index in range(0, len(conversions), each):
            yield from repeat(self.guess(conversions[index]), min(each, len(conversions) - index))

    def guess(self, conversion: Conversion) -> FileContent:
        size = max(conversion.source.size, 0)
        seconds = size * self.seconds or conversion.source.estimated_seconds
        return FileContent(conversion, seconds, size * self.audio, self.pixels, self.is_pcm)


def _error(contents: Sequence[FileContent], files: int) -> float:
    """Return how far off the total length may be: the error of a ratio estimator, at 95 %.

    The length of the files that were not looked into follows from their size; what the sample
    scatters around that is the doubt (Cochran, Sampling Techniques, chapter 6).
    """
    count, total = len(contents), sum(content.seconds for content in contents)
    if count < 2 or not total:
        return 1.0
    ratio = total / max(1, sum(content.size for content in contents))
    scatter = sum((content.seconds - ratio * content.size) ** 2 for content in contents) / (
        count - 1
    )
    left = 1 - count / files
    return 1.96 * math.sqrt(left * scatter / count) / (total / count)
