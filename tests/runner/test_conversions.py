"""A table of conversions acts like a list of them, whatever their names, and takes little memory."""

import tracemalloc
from collections.abc import Iterator

import pytest

from runner.conversions import Conversion, Conversions, Source
from runner.presets import BUILT_IN

MP3, OPUS = BUILT_IN["mp3"].recipe(), BUILT_IN["opus"].recipe()
ODD = [
    Conversion(Source("/in/a.mp4", 5, 7), "a.mp3", MP3),
    Conversion(Source("/in/sub/a.mp4", 0, 0), "sub/a.mp3", OPUS),
    Conversion(Source("/in/a.b.c", -1, 0), "a.b.c.mp3", MP3),
    Conversion(Source("/in/no suffix", 5, -7), "no suffix.mp3", MP3),
    Conversion(Source("/in/.hidden", 5, 7), "elsewhere/other name.mp3", MP3),
    Conversion(Source("/in/ü\udcff\n .mp4", 2**62, 2**62), "ü\udcff\n .mp3", MP3),
    Conversion(Source("/in/-x.mp4", 5, 7), "-x", MP3),
    Conversion(Source("D:\\in\\a.mp4", 5, 7), "a.mp3", MP3),
    Conversion(Source("az://container/a b/ü.mp4", 5, 7, "0x8D"), "a b/ü.mp3", MP3),
    Conversion(Source("https://a.blob.core.windows.net/c/x.wav", 5, 7), "x.mp3", OPUS),
    Conversion(Source(f"/in/{'x.' * 40_000}mp4", 5, 7), f"{'x.' * 40_000}mp3", MP3),
]


def test_what_comes_out_is_what_went_in() -> None:
    table = Conversions.of(ODD)
    assert list(table) == ODD
    assert [table[place] for place in range(-len(ODD), 0)] == ODD
    assert list(table.targets) == [conversion.target for conversion in ODD]
    assert [c.id for c in table] == [c.id for c in ODD]
    assert table == tuple(ODD)
    assert tuple(ODD) == table
    assert table != ODD[1:]
    assert list(table[2:5]) == ODD[2:5]
    assert list(table.only([3, 1])[::-1]) == [ODD[1], ODD[3]]


def test_facts_of_all_are_those_of_each() -> None:
    table = Conversions.of(ODD)
    assert list(table.longest_first()) == sorted(
        ODD, key=lambda c: c.source.estimated_seconds, reverse=True
    )
    assert table.seconds == sum(c.source.estimated_seconds for c in ODD)
    assert table.bytes == sum(max(c.source.size, 0) for c in ODD)
    assert list(table.blobs) == [c for c in ODD if c.source.is_blob]
    assert not table[:7].blobs
    assert table.recipes == [MP3, OPUS]
    assert table[2:7].recipes == [MP3]
    assert table.target_folders == {"", "sub/", "elsewhere/", "a b/"}
    assert table[:2].source_folders == {"/in/", "/in/sub/"}
    changed = table.with_recipes(lambda _: OPUS)
    assert {conversion.recipe for conversion in changed} == {OPUS}
    assert changed.recipes == [OPUS]


@pytest.mark.parametrize("count", [20_000])
def test_a_file_takes_less_than_120_bytes(count: int) -> None:
    def many() -> Iterator[Conversion]:
        for number in range(count):
            name = f"folder {number // 1000}/a clip with a name of some length {number:06}"
            yield Conversion(Source(f"/in/{name}.mp4", number, number), f"{name}.mp3", MP3)

    tracemalloc.start()
    try:
        table = Conversions.of(many())
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(table) == count
    assert taken / count < 120
