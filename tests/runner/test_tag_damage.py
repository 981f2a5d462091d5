"""Damaged tags, and such as are made to do harm, never cost a result; and tagging harms no sound."""

import random
import zlib
from pathlib import Path

import pytest
from mediafile import Image, ImageType, MediaFile

from runner.media.recipe import Recipe
from runner.media.tags.reading import read_tags
from tests.media import Media
from tests.runner.programs import converted, recipe, work
from tests.runner.tagged import FIELDS, GAIN, SOURCES, TARGETS, about_tags, result_of, tagged

# ---- harm


def test_the_sound_is_not_touched(media: Media, tmp_path: Path, destination: Path) -> None:
    def sound(path: Path) -> bytes:
        return media.run("-i", str(path), "-map", "0:a", "-f", "md5", "-")

    path = tagged(media, "cover.flac", tmp_path / "a.flac", FIELDS)
    for target in TARGETS:
        how = recipe(target)
        bare = Recipe(suffix=how.suffix, arguments=(*how.arguments, "-map_metadata", "-1"))
        converted(work(path, destination / f"bare.{target}", how=bare))
        result_of(path, destination / f"a.{target}", recipe(target, verify="decode"))
        assert sound(destination / f"a.{target}") == sound(destination / f"bare.{target}")


def squeezed_zeros(megabytes: int) -> bytes:
    """That many of zeros as zlib compresses them, made without having them all."""
    squeezing = zlib.compressobj(9)
    first, each = (
        squeezing.compress(bytes(2**20)) + squeezing.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    last = zlib.compressobj().flush()[2:-4]
    # the Adler-32 of zeros is their number and one
    checksum = (megabytes * 2**20 % 65521 << 16 | 1).to_bytes(4)
    return first + each * (megabytes - 1) + last + checksum


def bomb() -> bytes:
    """An ID3 tag of 1 MB that wants to become 1 GB."""
    squeezed = squeezed_zeros(1024)
    size = len(squeezed) + 4
    frame = b"TIT2" + size.to_bytes(4) + b"\0\x80" + (2**30).to_bytes(4) + squeezed
    length = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + length + frame


def test_a_tag_cannot_fill_the_memory(media: Media, tmp_path: Path, destination: Path) -> None:
    source = tmp_path / "in.mp3"
    source.write_bytes(bomb() + media("clip.mp3").read_bytes())
    resource = pytest.importorskip("resource", reason="Windows counts memory in another way")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    converted(work(source, destination / "a.flac", how=recipe("flac")))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kB


@pytest.mark.parametrize("source", SOURCES)
def test_damaged_tags_are_a_notice_and_never_an_error(
    source: str, media: Media, tmp_path: Path
) -> None:
    path = tagged(media, source, tmp_path / source, {**FIELDS, **GAIN})
    file = MediaFile(path)
    file.images = [Image(media("cover.jpg").read_bytes(), type=ImageType.front)]
    file.save()
    whole = path.read_bytes()
    chance = random.Random(source)
    kept = 0
    for _ in range(40):
        data = bytearray(whole)
        ends = (range(4000), range(len(data) - 4000, len(data)))
        for _ in range(chance.choice((1, 3, 30))):
            place = chance.choice(chance.choice(ends))
            data[place] = chance.choice((0, 255, 127, chance.randrange(256)))
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        path.write_bytes(data)
        tags, is_whole = read_tags(str(path), [("title", "by ffmpeg")])
        kept += is_whole
        assert is_whole or any(item.values == ("by ffmpeg",) for item in tags.items)
    assert kept


def test_a_source_whose_tags_are_damaged_is_converted_with_a_notice(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    path = tmp_path / "a.flac"
    data = bytearray(media("cover.flac").read_bytes())
    place = data.lower().index(b"title=")
    data[place - 4 : place] = (0x7FFFFFFF).to_bytes(4, "little")  # longer than the file
    path.write_bytes(data)
    made = converted(work(path, destination / "a.mp3"))
    assert about_tags(made) == (
        "the source's tags are damaged: only what ffmpeg could read of them was kept",
    )


def test_a_result_whose_tags_cannot_be_written_is_made_again_without(
    media: Media, tmp_path: Path, tiny_disk: Path
) -> None:
    path = media.put("clip.mp3", tmp_path / "a.mp3")
    file = MediaFile(path)
    picture = media("cover.jpg").read_bytes() + random.Random(1).randbytes(400_000)
    file.images = [Image(picture, type=ImageType.front)]
    file.save()
    made = converted(work(path, tiny_disk / "a.opus", how=recipe("opus", verify="decode")))
    assert len(about_tags(made)) == 1
    assert about_tags(made)[0].startswith("only the tags that ffmpeg writes are kept: ")
    assert made.media_seconds == pytest.approx(2, abs=0.1)
    after = MediaFile(tiny_disk / "a.opus")
    assert (after.title, after.images or []) == ("Söng", [])
