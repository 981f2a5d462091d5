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
from runner.media.audio_copy import suits
from runner.media.flac_copy import SMALLEST
from runner.media.probe import MediaInfo, parse_log
from runner.media.process import run
from runner.models import Conversion

_MOST_GUESSES = 50_000
MOST_LOOKS = 2000
"""Files that are looked into; of more, a random sample."""
MOST_BLOBS = 50
"""Likewise of blobs, whose parts are downloaded for that."""
_LONGEST_LOOK = 60
_GUESSED = "Estimating duration from bitrate"  # a mere guess is better than none here
_SIZE = re.compile(r", (\d{2,5})x(\d{2,5})\b")
_RATE = re.compile(r", (\d+) kb/s")
_FLAC_SHARE = 0.6
"""Of PCM, as FLAC; music and speech have 0.4 to 0.7."""
_PCM = ("pcm_s16le", "pcm_s24le")
_USUAL_AUDIO = 128
"""kbit/s of a stream that does not say its own."""


@dataclass(frozen=True, slots=True)
class Look:
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
        if not suits(recipe):
            return self.whole
        if self.is_pcm and self.size >= SMALLEST and not recipe.copy_if_fits:
            return self.whole * _FLAC_SHARE
        whole = not self.pixels or self.audio_bytes > 0.8 * self.size
        return self.whole if whole else min(self.whole, self.audio_bytes)


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of a plan that were opened; others are taken to be like those of their size."""

    looks: tuple[Look, ...]
    """One for each file."""
    looked_at: int
    unreadable: int
    """Of those, files that ffmpeg cannot open."""
    error: float
    """How far the hours of media may be off, as a share, in 19 of 20 cases."""

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(look.size for look in self.looks)

    @property
    def seconds(self) -> float:
        """Of media in all files."""
        return sum(look.seconds for look in self.looks)

    @property
    def sent(self) -> float:
        """Bytes that would travel to Azure."""
        return sum(look.sent for look in self.looks)


def look_at(
    conversions: Sequence[Conversion], ffmpeg: str, jobs: int, extracts: Extracts | None = None
) -> Selection:
    """Look into the files of *conversions*, all or a sample, so many at a time.

    Of sources in storage only *extracts* are looked into: else all of them would come here.
    """
    table = Conversions.of(conversions).longest_first()
    files = [index for index, one in enumerate(table) if not one.source.is_blob]
    blobs = [index for index, one in enumerate(table) if one.source.is_blob] if extracts else []
    chosen = _some(files, MOST_LOOKS) + _some(blobs, MOST_BLOBS)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        found = list(pool.map(lambda one: _look(one, ffmpeg, extracts), table.only(chosen)))
    good = [look for look in found if look is not None]
    # whoever cannot be opened fails at once; a blob that cannot be read here may be good all the same
    doubtful = set(blobs)
    seen = {p for p, look in zip(chosen, found, strict=True) if look or p not in doubtful}
    rest = table.only(index for index in range(len(table)) if index not in seen)
    scale = _Scale.of(good)
    looks = (*{look.conversion.source.path: look for look in good}.values(), *scale.guesses(rest))
    error = _error(good, len(table)) if rest else 0.0
    return Selection(looks, len(seen), len(seen) - len(good), error)


def _some(indices: list[int], most: int) -> list[int]:
    if len(indices) <= most:
        return indices
    return random.Random(len(indices)).sample(indices, most)  # noqa: S311 - no secret


def _look(conversion: Conversion, ffmpeg: str, extracts: Extracts | None) -> Look | None:
    source = conversion.source
    if source.size == 0:
        return None  # ffmpeg cannot open it either
    if not source.is_blob:
        return _look_into(source.path, conversion, ffmpeg)
    assert extracts is not None
    looks = (_look_into(extract.path, conversion, ffmpeg) for extract in extracts.of(source))
    return next((look for look in looks if look is not None), None)


def _look_into(path: str, conversion: Conversion, ffmpeg: str) -> Look | None:
    arguments = conversion.recipe.input_arguments
    command = [ffmpeg, "-nostdin", "-hide_banner", *arguments, "-i", f"file:{path}"]
    try:
        done = run(command, timeout=_LONGEST_LOOK)
    except (OSError, subprocess.TimeoutExpired):
        return None
    media = parse_log(done.stderr.decode(errors="replace").replace(_GUESSED, ""))
    if media is None or not media.streams:
        return None
    return look_of(conversion, media)


def look_of(conversion: Conversion, media: MediaInfo) -> Look:
    """Return what *media* says about the source of *conversion*."""
    lengths = (stream.duration for stream in media.streams)
    seconds = media.duration or max(filter(None, lengths), default=0.0)
    if not seconds:
        seconds = conversion.source.estimated_seconds
    audio = sum(_kilobits(stream.details) for stream in media.all("audio"))
    sizes = (_SIZE.search(stream.details) for stream in media.all("video"))
    pixels = max((int(found[1]) * int(found[2]) for found in sizes if found), default=0)
    is_pcm = media.format == "wav" and [s.codec in _PCM for s in media.streams] == [True]
    return Look(conversion, seconds, audio * 125 * seconds, pixels, is_pcm)


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
    def of(cls, looks: Sequence[Look]) -> "_Scale":
        size = sum(look.size for look in looks)
        if not size:
            return cls(0.0, 0.0, 0)
        pixels = sorted(look.pixels for look in looks)[len(looks) // 2]
        seconds, audio = (sum(getattr(k, n) for k in looks) for n in ("seconds", "audio_bytes"))
        is_pcm = sum(look.size for look in looks if look.is_pcm) > size / 2
        return cls(seconds / size, audio / size, pixels, is_pcm)

    def guesses(self, conversions: Conversions) -> Iterator[Look]:
        """Guess at each of *conversions*, the longest first; of very many, one stands for those after it."""
        each = -(-len(conversions) // _MOST_GUESSES) or 1
        for index in range(0, len(conversions), each):
            yield from repeat(self.guess(conversions[index]), min(each, len(conversions) - index))

    def guess(self, conversion: Conversion) -> Look:
        size = max(conversion.source.size, 0)
        seconds = size * self.seconds or conversion.source.estimated_seconds
        return Look(conversion, seconds, size * self.audio, self.pixels, self.is_pcm)


def _error(looks: Sequence[Look], files: int) -> float:
    """Return how far off the total length may be: the error of a ratio estimator, at 95 %.

    The length of the files that were not looked into follows from their size; what the sample
    scatters around that is the doubt (Cochran, Sampling Techniques, chapter 6).
    """
    count, total = len(looks), sum(look.seconds for look in looks)
    if count < 2 or not total:
        return 1.0
    ratio = total / max(1, sum(look.size for look in looks))
    scatter = sum((look.seconds - ratio * look.size) ** 2 for look in looks) / (count - 1)
    left = 1 - count / files
    return 1.96 * math.sqrt(left * scatter / count) / (total / count)
