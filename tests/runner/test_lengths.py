"""The longest files begin first, by the lengths in their headers where bytes would mislead."""

from pathlib import Path

import pytest

from runner.conversions import Conversion, Conversions
from runner.lengths import longest_first
from runner.presets import BUILT_IN
from runner.selection import stat_source
from tests.media import Media

MP3, MP4 = BUILT_IN["mp3"].recipe(), BUILT_IN["mp4"].recipe()


def _names(conversions: Conversions) -> list[str]:
    return [Path(conversion.source.path).name for conversion in conversions]


@pytest.fixture(scope="module")
def folder(media: Media, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds in few bytes, two in many, and what no head tells the length of."""
    folder = tmp_path_factory.mktemp("lengths")
    sine = ("-f", "lavfi", "-i", "sine=r=48000")
    for name, seconds, arguments in (
        ("long.m4a", 6, ("-c:a", "aac", "-b:a", "32k")),
        ("short.wav", 2, ("-ac", "2", "-c:a", "pcm_s32le")),
        ("shorter.mp3", 1, ("-c:a", "libmp3lame", "-b:a", "320k")),
        ("four.flac", 4, ()),
        ("three.mka", 3, ("-c:a", "pcm_s32le", "-ac", "8")),
    ):
        media.run(*sine, "-t", str(seconds), *arguments, str(folder / name))
    (folder / "damaged.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    return folder


def _of(folder: Path, recipe: object) -> Conversions:
    return Conversions.of(
        Conversion(stat_source(str(path)), path.name, recipe)  # type: ignore[arg-type] # a recipe
        for path in sorted(folder.iterdir())
    )


def test_the_longest_begin_first_whatever_their_bytes(folder: Path) -> None:
    known = [name for name in _names(longest_first(_of(folder, MP3), 1)) if name != "three.mka"]
    assert known == ["long.m4a", "four.flac", "short.wav", "shorter.mp3", "damaged.m4a"]


def test_where_all_begin_at_once_or_films_are_encoded_sizes_tell(folder: Path) -> None:
    for conversions, at_a_time in ((_of(folder, MP3), 6), (_of(folder, MP4), 1)):
        by_size = _names(conversions.longest_first())
        assert by_size[0] == "three.mka"
        assert _names(longest_first(conversions, at_a_time)) == by_size
