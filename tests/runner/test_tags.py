"""What a file says of itself arrives in its result: every field, from every format, in every other."""

from pathlib import Path

import mutagen
import pytest
from mediafile import MediaFile
from mutagen.apev2 import APEv2
from mutagen.asf import ASF
from mutagen.id3 import COMM, ID3, TIT2, TPE1, TXXX, USLT
from mutagen.mp4 import MP4, MP4FreeForm

from tests.media import Media
from tests.runner.programs import converted, recipe, work
from tests.runner.tagged import FIELDS, GAIN, SOURCES, TARGETS, about_tags, result_of, tagged


@pytest.mark.parametrize(
    ("source", "target"),
    [
        # one part reads them from any format, another writes them into any: so each with some
        *((source, target) for source in SOURCES for target in ("mp3", "m4a", "opus")),
        *(
            (source, target)
            for source in ("clip.mp3", "clip.flac")
            for target in ("flac", "ogg", "wav")
        ),
    ],
)
def test_every_field_arrives(
    source: str, target: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    path = tagged(media, source, tmp_path / source, FIELDS)
    before = MediaFile(path)
    after = result_of(path, destination / f"a.{target}", recipe(target))
    assert {name: getattr(before, name) for name in FIELDS} == FIELDS
    assert {name: getattr(after, name) for name in FIELDS} == FIELDS


# ---- all values, own names, and what has no name elsewhere


def own_tags_of(path: Path) -> dict[str, list[str]]:
    """The values of two names that no format knows, and of the artist."""
    file = mutagen.File(path)
    if isinstance(file, MP4):
        freeform = {k.split(":")[-1]: [bytes(v).decode() for v in vs] for k, vs in file.items()
                    if k.startswith("----")}  # fmt: skip
        return {**freeform, "ARTIST": file["\xa9ART"]}
    if hasattr(file.tags, "getall"):
        texts = {frame.desc: list(frame.text) for frame in file.tags.getall("TXXX")}
        return {**texts, "ARTIST": list(file["TPE1"].text)}
    return {key.upper(): list(file[key]) for key in file}


def put_own_tags(path: Path) -> None:
    """Give the file at *path* two artists, and two names that no format knows."""
    file = mutagen.File(path)
    own = {"OWN NAME": ["one", "två"], "ANOTHER": ["; / = "]}
    if isinstance(file, MP4):
        file["\xa9ART"] = ["Änn", "Ben"]
        for name, values in own.items():
            texts = [MP4FreeForm(value.encode()) for value in values]
            file[f"----:com.apple.iTunes:{name}"] = texts
    elif hasattr(file.tags, "getall"):
        file.tags.add(TPE1(encoding=3, text=["Änn", "Ben"]))
        for name, values in own.items():
            file.tags.add(TXXX(encoding=3, desc=name, text=values))
    else:
        artist = "Author" if isinstance(file, ASF) else "ARTIST"
        file.tags[artist] = ["Änn", "Ben"]
        for name, values in own.items():
            file.tags[name] = values
    file.save()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        *(("clip.mp3", target) for target in TARGETS),
        *((source, "m4a") for source in ("clip.m4a", "clip.flac", "clip.opus", "clip.wma")),
        *(("clip.wv", "flac"), ("clip.ogg", "mp3"), ("clip.m4a", "ogg")),
    ],
)
def test_all_values_of_a_field_and_own_names_arrive(
    source: str, target: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    path = media.put(source, tmp_path / source)
    put_own_tags(path)
    result_of(path, destination / f"a.{target}", recipe(target))
    tags = own_tags_of(destination / f"a.{target}")
    assert tags["ARTIST"] == ["Änn", "Ben"]
    assert tags["OWN NAME"] == ["one", "två"]
    assert tags["ANOTHER"] == ["; / = "]


def test_what_only_id3_has_stays_in_id3(media: Media, tmp_path: Path, destination: Path) -> None:
    path = media.put("clip.mp3", tmp_path / "a.mp3")
    tags = ID3(path)
    tags.add(USLT(encoding=3, lang="deu", desc="Chor", text="la"))
    tags.add(COMM(encoding=3, lang="fra", desc="note", text=["oui"]))
    tags.add(mutagen.id3.RVA2(desc="album", channel=1, gain=-6.5, peak=0.9))
    tags.add(mutagen.id3.POPM(email="me", rating=196, count=4))
    tags.add(mutagen.id3.GEOB(encoding=3, mime="x/y", filename="f", desc="d", data=b"\0\1"))
    tags.add(mutagen.id3.SYLT(encoding=3, lang="deu", format=2, type=1, text=[("la", 10)]))
    tags.save()
    converted(work(path, destination / "b.mp3"))
    after = ID3(destination / "b.mp3")
    for name in ("USLT:Chor:deu", "COMM:note:fra", "RVA2:album", "POPM:me", "GEOB:d", "SYLT::deu"):
        assert after[name] == tags[name]


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("räksmörgås", "latin-1"),
        ("Кино", "cp1251"),
        ("浜崎あゆみ", "cp932"),
        ("Motörhead ½", "utf-8"),
    ],
)
@pytest.mark.parametrize("target", ["mp3", "flac"])
def test_old_tags_are_read_in_the_charset_of_their_time(
    text: str, charset: str, target: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = media.put("clip.mp3", tmp_path / "in.mp3")
    ID3().delete(source)
    title = text.encode(charset).ljust(30, b"\0")
    with source.open("ab") as file:
        file.write(b"TAG" + title * 3 + b"1999" + bytes(28) + b"\0\x07" + b"\x08")
    after = result_of(source, destination / f"a.{target}", recipe(target))
    assert (after.title, after.artist, after.album) == (text,) * 3
    assert (after.year, after.track, after.genre) == (1999, 7, "Jazz")


def test_each_field_comes_from_the_first_kind_of_tag_that_has_it(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    source = media.put("clip.mp3", tmp_path / "in.mp3")
    tags = ID3()
    tags.add(TIT2(encoding=3, text=["A long title that ID3v1 had to cut after 30 bytes"]))
    tags.save(source)
    ape = APEv2()
    ape.update({"Title": "another", "Composer": ["Cleo", "Cy"], "MP3GAIN_UNDO": "+003,+003,N"})
    ape.save(source)
    with source.open("ab") as file:
        file.write(b"TAG" + b"A long title".ljust(30, b"\0") + b"Ann".ljust(30, b"\0") + bytes(64)
                   + b"\xff")  # fmt: skip
    made = converted(work(source, destination / "a.flac", how=recipe("flac")))
    assert about_tags(made) == ()
    assert dict(mutagen.File(destination / "a.flac")) == {
        "title": ["A long title that ID3v1 had to cut after 30 bytes"],
        "composer": ["Cleo", "Cy"],
        "artist": ["Ann"],
    }


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_kept_about_the_container_or_the_track(
    target: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    path = tmp_path / "recording.mkv"
    words = "-map 0 -c copy -metadata:s:a:0 title=simple_aac_recording -metadata:s:a:0 BPS=64000"
    words += " -metadata:s:a:0 _STATISTICS_WRITING_APP=obs -metadata title= -metadata artist=Änn"
    media.run("-i", str(media("clip.mkv")), *words.split(), str(path))
    after = result_of(path, destination / f"a.{target}", recipe(target))
    assert (after.artist, after.title) == ("Änn", None)
    everything = str(mutagen.File(destination / f"a.{target}").tags).upper()
    for word in ("SIMPLE_AAC", "BPS", "STATISTICS", "DURATION", "HANDLER", "MAJOR_BRAND"):
        assert word not in everything


def test_names_that_other_programs_use_are_understood(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    # a comment, as ffmpeg writes it
    path = tmp_path / "a.flac"
    media.run(
        "-i", str(media("clip.flac")), *["-c", "copy", "-metadata", "comment=hello"], str(path)
    )
    assert "DESCRIPTION" in str(mutagen.File(path).tags)
    assert result_of(path, destination / "a.m4a", recipe("m4a")).comments == "hello"
    # the conductor and the label, as QuickTime writes them
    path = media.put("clip.m4a", tmp_path / "b.m4a")
    file = MP4(path)
    file.update({"\xa9con": ["Conny"], "\xa9pub": ["Lable"], "\xa9xyz": ["+1-2/"]})
    file.save()
    result_of(path, destination / "b.flac", recipe("flac"))
    tags = mutagen.File(destination / "b.flac")
    assert [tags[n] for n in ("conductor", "label", "xyz")] == [["Conny"], ["Lable"], ["+1-2/"]]


@pytest.mark.parametrize("target", ["m4a", "flac", "mp3"])
def test_what_only_some_programs_write_into_id3_arrives_under_a_name(
    target: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = media.put("clip.mp3", tmp_path / "a.mp3")
    tags = ID3()
    tags.add(mutagen.id3.GRP1(encoding=3, text=["Live"]))
    tags.add(mutagen.id3.MVNM(encoding=3, text=["Allegro"]))
    tags.add(mutagen.id3.TDES(encoding=3, text=["All of it"]))
    tags.add(mutagen.id3.TBPM(encoding=3, text=["84.78"]))
    for kind in ("WCOM", "WOAF", "WOAS", "WORS", "WPAY", "WPUB"):
        tags.add(getattr(mutagen.id3, kind)(url=f"https://example.org/{kind}"))
    tags.save(source)
    result_of(source, destination / f"a.{target}", recipe(target))
    # and all of it is in FLAC after another step
    result_of(destination / f"a.{target}", destination / "b.flac", recipe("flac"))
    assert dict(mutagen.File(destination / "b.flac")) == {
        "grouping": ["Live"],
        "movementname": ["Allegro"],
        "synopsis": ["All of it"],
        "bpm": ["85"] if target == "m4a" else ["84.78"],  # a whole number there
        "wwwcommercialinfo": ["https://example.org/WCOM"],
        "wwwaudiofile": ["https://example.org/WOAF"],
        "wwwaudiosource": ["https://example.org/WOAS"],
        "wwwradiopage": ["https://example.org/WORS"],
        "wwwpayment": ["https://example.org/WPAY"],
        "wwwpublisher": ["https://example.org/WPUB"],
    }


def test_an_episode_number_survives_the_way_out_of_mp4_and_back(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    source = media.put("clip.m4a", tmp_path / "a.m4a")
    file = MP4(source)
    file.update({"tvsh": ["Show"], "tvsn": [3], "tves": [15]})
    file.save()
    result_of(source, destination / "a.flac", recipe("flac"))
    result_of(destination / "a.flac", destination / "b.m4a", recipe("m4a"))
    after = MP4(destination / "b.m4a")
    assert (after["tvsh"], after["tvsn"], after["tves"]) == (["Show"], [3], [15])


# ---- loudness


@pytest.mark.parametrize("source", ["clip.mp3", "clip.m4a", "clip.flac", "clip.opus", "clip.wma"])
@pytest.mark.parametrize("target", ["mp3", "m4a", "ogg"])
def test_replay_gain_stays_where_the_loudness_does(
    source: str, target: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    gain = {"r128_track_gain": -11.5} if source == "clip.opus" else GAIN
    path = tagged(media, source, tmp_path / source, gain)
    after = result_of(path, destination / f"a.{target}", recipe(target))
    assert after.rg_track_gain == pytest.approx(-6.5)
    if source != "clip.opus":
        assert {name: getattr(after, name) for name in GAIN} == pytest.approx(GAIN)


def test_opus_has_its_own_gain(media: Media, tmp_path: Path, destination: Path) -> None:
    path = tagged(media, "clip.flac", tmp_path / "a.flac", GAIN)
    after = result_of(path, destination / "a.opus", recipe("opus"))
    assert after.r128_track_gain == pytest.approx(-11.5)
    assert after.r128_album_gain == pytest.approx(-12.25)
    assert after.rg_track_gain is None
    again = result_of(destination / "a.opus", destination / "b.opus", recipe("opus"))
    assert again.r128_track_gain == pytest.approx(-11.5)


@pytest.mark.parametrize("source", ["clip.mp3", "clip.m4a", "clip.flac", "clip.opus"])
def test_a_result_that_is_made_louder_says_nothing_of_the_old_loudness(
    source: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    path = tagged(media, source, tmp_path / source, {**GAIN, "r128_track_gain": -11.5, "isrc": "X"})
    if source == "clip.mp3":
        tags = ID3(path)
        tags.add(COMM(encoding=3, lang="eng", desc="iTunNORM", text=[" 00000AB0" * 10]))
        tags.add(mutagen.id3.RVA2(desc="track", channel=1, gain=-6.5, peak=0.9))
        tags.save()
    after = result_of(path, destination / "a.mp3", recipe("podcast"))
    assert after.isrc == "X"
    everything = str(mutagen.File(destination / "a.mp3").tags).upper()
    assert "GAIN" not in everything
    assert "ITUNNORM" not in everything
    assert "RVA2" not in everything


# ---- versions of ID3


def test_id3_is_of_the_version_that_is_asked_for(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    path = tagged(media, "clip.flac", tmp_path / "a.flac", FIELDS)
    for version in ("2.4", "2.3"):
        target = destination / f"{version}.mp3"
        after = result_of(path, target, recipe("mp3", id3=version))
        assert target.read_bytes()[:4] == b"ID3" + bytes([int(version[-1])])
        for name in ("title", "artist", "date", "artist_sort", "composer_sort", "mb_trackid"):
            assert getattr(after, name) == FIELDS[name], name
    frames = ID3(destination / "2.3.mp3", translate=False)
    assert str(frames["TYER"]) == "2005"
    assert frames["TXXX:ORIGINALDATE"].text == ["1999-03-02"]


def test_ids_that_id3_of_the_third_version_joined_are_several_again(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    path = media.put("clip.mp3", tmp_path / "a.mp3")
    tags = ID3(path)
    tags.add(TXXX(encoding=1, desc="MusicBrainz Artist Id", text=["one-1", "two-2"]))
    tags.add(TPE1(encoding=1, text=["AC/DC"]))
    tags.update_to_v23()
    tags.save(v2_version=3)
    after = result_of(path, destination / "a.flac", recipe("flac"))
    assert after.mb_artistids == ["one-1", "two-2"]
    assert after.artist == "AC/DC"


def test_id3_of_the_first_version_is_understood(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    def frame(name: bytes, text: bytes) -> bytes:
        return name + len(text + b"\0").to_bytes(3) + b"\0" + text

    source = media.put("clip.mp3", tmp_path / "in.mp3")
    ID3().delete(source)
    frames = frame(b"TT2", b"Title") + frame(b"TCM", b"Cleo") + frame(b"TPA", b"1/2")
    frames += frame(b"TBP", b"99") + frame(b"TYE", b"1999") + frame(b"TCP", b"1")
    head = b"ID3\2\0\0" + bytes([0, 0, len(frames) >> 7, len(frames) & 127])
    source.write_bytes(head + frames + source.read_bytes())
    after = result_of(source, destination / "a.mp3", recipe("mp3"))
    assert (after.title, after.composer, after.disc, after.disctotal) == ("Title", "Cleo", 1, 2)
    assert (after.bpm, after.year, after.comp) == (99, 1999, True)


def test_ids_that_old_tags_join_are_several_again(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    source = media.put("clip.mp3", tmp_path / "a.mp3")
    frames = ID3()
    frames.add(TXXX(encoding=1, desc="MusicBrainz Artist Id", text=["one/two"]))
    frames.save(source, v2_version=3)
    converted(work(source, destination / "a.mp3"))
    ids = ID3(destination / "a.mp3").getall("TXXX:MusicBrainz Artist Id")
    assert [frame.text for frame in ids] == [["one", "two"]]


def test_lyrics_that_flac_cannot_hold_are_left_out_alone(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    source = media.put("clip.mp3", tmp_path / "a.mp3")
    frames = ID3()
    frames.add(USLT(encoding=0, lang="eng", desc="", text="la la " * 2_900_000))
    frames.add(TIT2(encoding=0, text=["Title"]))
    frames.save(source)
    made = converted(work(source, destination / "a.flac", how=recipe("flac")))
    assert made.notices == (".flac cannot hold the tag LYRICS",)
    assert MediaFile(destination / "a.flac").title == "Title"
