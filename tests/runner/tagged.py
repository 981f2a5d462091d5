"""Files with tags in them, and what becomes of those.

Sources are tagged and results are read by another program's library, mediafile, as beets has it.
"""

from datetime import date
from pathlib import Path
from typing import Any

from mediafile import MediaFile

from runner.media.recipe import Recipe
from runner.media.work import ConversionResult
from tests.media import Media
from tests.runner.programs import converted, work

SOURCES = (
    *("clip.mp3", "clip.m4a", "clip.flac", "clip.ogg", "clip.opus"),
    *("clip.wav", "clip.aiff", "clip.wma", "clip.wv"),
)
TARGETS = ("mp3", "m4a", "flac", "opus", "ogg", "wav")
FIELDS = {
    "title": "Söng",
    "artist": "Änn",
    "artists": ["Änn", "Ben"],
    "album": "Älbum",
    "albumartist": "Various",
    "genres": ["Jazz", "Own Genre"],
    "composers": ["Cleo", "Cy"],
    "lyricist": "Lyr",
    "grouping": "Group",
    "track": 3,
    "tracktotal": 12,
    "disc": 1,
    "disctotal": 2,
    "disctitle": "First Disc",
    "comp": True,
    "bpm": 128,
    "initial_key": "Am",
    "comments": "a comment",
    "lyrics": "line one\nline two",
    "date": date(2005, 7, 1),
    "original_date": date(1999, 3, 2),
    "isrc": "SEABC0500001",
    "label": "Lable",
    "catalognums": ["CAT 1"],
    "barcode": "1234567890123",
    "languages": ["swe"],
    "media": "CD",
    "script": "Latn",
    "country": "SE",
    "albumstatus": "official",
    "albumtypes": ["album", "live"],
    "artist_sort": "Ann",
    "albumartist_sort": "Various, The",
    "composer_sort": "Cleo, A",
    "copyright": "℗ 2005",
    "url": "https://example.org/?a=1",
    "mb_trackid": "11111111-1111-4111-8111-111111111111",
    "mb_albumid": "22222222-2222-4222-8222-222222222222",
    "mb_artistids": [
        "33333333-3333-4333-8333-333333333333",
        "33333333-3333-4333-8333-333333333334",
    ],
    "mb_albumartistid": "44444444-4444-4444-8444-444444444444",
    "mb_releasegroupid": "55555555-5555-4555-8555-555555555555",
    "mb_releasetrackid": "66666666-6666-4666-8666-666666666666",
    "mb_workid": "77777777-7777-4777-8777-777777777777",
    "acoustid_id": "88888888-8888-4888-8888-888888888888",
}
GAIN = {"rg_track_gain": -6.5, "rg_track_peak": 0.9, "rg_album_gain": -7.25, "rg_album_peak": 0.95}


def tagged(media: Media, name: str, path: Path, fields: dict[str, Any]) -> Path:
    """A copy of *name* at *path* with these *fields*."""
    media.put(name, path)
    file = MediaFile(path)
    assert fields.keys() <= set(file.fields())
    file.update(fields)
    file.save()
    return path


def about_tags(made: ConversionResult) -> tuple[str, ...]:
    """The notices of what was *made*, but for those about its sound."""
    others = ("encoded again", "larger than its source")
    return tuple(n for n in made.notices if not any(other in n for other in others))


def result_of(source: Path, target: Path, how: Recipe) -> MediaFile:
    """What *source* becomes, which must go without a notice about tags."""
    assert about_tags(converted(work(source, target, how=how))) == ()
    return MediaFile(target)
