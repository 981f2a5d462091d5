"""Pictures, chapters and dates arrive too."""

from pathlib import Path

import mutagen
import pytest
from mediafile import Image, ImageType, MediaFile
from mutagen.flac import FLAC
from mutagen.id3 import ID3

from runner.media.recipe import Recipe
from tests.media import Media
from tests.runner.programs import converted, recipe, work
from tests.runner.tagged import TARGETS, about_tags, result_of

# ---- pictures


@pytest.mark.parametrize(
    ("source", "target"),
    [
        *(("clip.flac", target) for target in TARGETS),
        *((source, target) for source in ("clip.wv", "clip.wma") for target in ("mp3", "opus")),
    ],
)
def test_several_pictures_arrive_each_as_what_it_is(
    source: str, target: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    jpeg, png = media("cover.jpg").read_bytes(), media("cover.png").read_bytes()
    path = media.put(source, tmp_path / source)
    file = MediaFile(path)
    file.images = [
        Image(png, desc="behind", type=ImageType.back),
        Image(jpeg, desc="", type=ImageType.front),
    ]
    file.save()
    after = result_of(path, destination / f"a.{target}", recipe(target))
    made = {(image.type, image.desc or "", image.data) for image in after.images}
    wanted = {(ImageType.back, "behind", png), (ImageType.front, "", jpeg)}
    if target == "m4a":  # which has no types
        assert [image.data for image in after.images] == [jpeg, png]
    else:
        assert made == wanted


@pytest.mark.parametrize("kind", ["bmp", "gif", "webp", "avif"])
@pytest.mark.parametrize("target", ["m4a", "opus"])
def test_a_picture_that_players_do_not_show_becomes_one_that_they_do(
    kind: str, target: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    path = media.put("clip.flac", tmp_path / "a.flac")
    file = FLAC(path)
    picture = mutagen.flac.Picture()
    picture.data, picture.type = media(f"cover.{kind}").read_bytes(), 4
    file.add_picture(picture)
    file.save()
    after = result_of(path, destination / f"a.{target}", recipe(target))
    assert [image.mime_type for image in after.images] == [
        "image/png" if kind in ("bmp", "gif") else "image/jpeg"
    ]
    if target != "m4a":
        assert after.images[0].type is ImageType.back


# mutagen needs ten seconds to put one of 17 MB into Ogg
@pytest.mark.parametrize(
    ("target", "size"), [("opus", 2_000_000), ("mp3", 17_000_000), ("m4a", 17_000_000)]
)
def test_a_huge_picture_goes_where_it_fits(
    target: str, size: int, media: Media, tmp_path: Path, destination: Path
) -> None:
    path, huge = with_picture(media, tmp_path, size)
    made = result_of(path, destination / f"a.{target}", recipe(target))
    assert made.images[0].data == huge


def with_picture(media: Media, folder: Path, size: int) -> tuple[Path, bytes]:
    """A file with a picture of about *size* bytes, and that picture."""
    path = media.put("clip.mp3", folder / "a.mp3")
    picture = media("cover.jpg").read_bytes() + bytes(size)
    file = MediaFile(path)
    file.images = [Image(picture, type=ImageType.front)]
    file.save()
    return path, picture


def test_a_picture_that_is_larger_than_flac_can_hold_is_left_out_of_it(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    path, _ = with_picture(media, tmp_path, 17_000_000)
    made = converted(work(path, destination / "a.flac", how=recipe("flac")))
    assert about_tags(made) == (
        "a picture is larger than the 16 MB that FLAC can hold, and was left out",
    )
    assert MediaFile(destination / "a.flac").title == "Söng"


def test_a_picture_that_is_none_is_left_out(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    path = media.put("clip.mp3", tmp_path / "a.mp3")
    file = MediaFile(path)
    file.images = [Image(b"no picture at all", type=ImageType.front)]
    file.save()
    made = converted(work(path, destination / "a.m4a", how=recipe("m4a")))
    assert about_tags(made) == (
        "a picture in the source is damaged or of an unknown kind, and was left out",
    )
    assert not MediaFile(destination / "a.m4a").images


# ---- chapters, and dates


@pytest.mark.parametrize("target", ["flac", "opus", "ogg"])
def test_chapters_become_comments(target: str, media: Media, destination: Path) -> None:
    result_of(media("chapters.m4b"), destination / f"a.{target}", recipe(target))
    tags = mutagen.File(destination / f"a.{target}").tags
    names = ("CHAPTER000", "CHAPTER000NAME", "CHAPTER001", "CHAPTER001NAME")
    assert [tags[name] for name in names] == [
        *(["00:00:00.000"], ["Öne"], ["00:00:00.900"], ["Two"])
    ]
    back = destination / "again.mp3"
    result_of(destination / f"a.{target}", back, recipe("mp3"))
    chapters = sorted(ID3(back).getall("CHAP"), key=lambda chapter: chapter.start_time)
    assert [chapter.sub_frames["TIT2"].text for chapter in chapters] == [["Öne"], ["Two"]]
    assert not ID3(back).getall("TXXX")


@pytest.mark.parametrize("preset", ["mp4", "webm", "mp3", "m4a", "flac"])
def test_the_date_of_a_recording_is_kept(
    preset: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    path = tmp_path / "phone.mov"
    words = "-map 0 -c copy -metadata creation_time=2019-05-06T07:08:09Z -metadata location=+1.5-2/"
    media.run("-i", str(media("clip.mov")), *words.split(), str(path))
    target = destination / f"a{recipe(preset).suffix}"
    converted(work(path, target, how=recipe(preset)))
    facts = media.run("-i", str(target), "-map_metadata", "0", "-f", "ffmetadata", "-").decode()
    assert "creation_time=2019-05-06t07:08:09" in facts.lower().replace(" 0", "t0")


def test_statistics_of_the_source_are_not_copied_to_the_result(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    path = tmp_path / "a.mkv"
    words = "-map 0 -c copy -metadata:s:a:0 title=Talk -metadata:s BPS=1 -metadata:s BPS-eng=1"
    words += " -metadata:s NUMBER_OF_BYTES=1 -metadata:s _STATISTICS_WRITING_APP=mkvmerge"
    media.run("-i", str(media("clip.mkv")), *words.split(), str(path))
    converted(work(path, destination / "a.webm", how=recipe("webm")))
    command = ("-map", "0", "-c", "copy", "-f", "ffmetadata", "-")
    facts = media.run("-i", str(destination / "a.webm"), *command)
    assert b"title=Talk" in facts
    for word in (b"BPS", b"NUMBER_OF", b"STATISTICS"):
        assert word not in facts


def test_chapters_are_left_out_where_they_would_be_at_other_times(
    media: Media, destination: Path
) -> None:
    plain = recipe("flac")
    how = Recipe(suffix=".flac", arguments=(*plain.arguments, "-ss", "0.5"))
    result_of(media("chapters.m4b"), destination / "a.flac", how)
    assert "chapter000" not in mutagen.File(destination / "a.flac").tags
