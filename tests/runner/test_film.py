"""A film stays the film that it was: its sound, its subtitles, its colours, its movement."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from mutagen.id3 import ID3, USLT

from runner.encoders import listed_encoders
from runner.errors import UsageError
from runner.media.choices import resolve_recipe
from runner.media.copying import growth
from runner.media.failures import Kind
from runner.media.film import make_film
from runner.media.picture import Samples, picture_of, read_samples
from runner.media.probe import MediaInfo, Stream, parse_log
from runner.presets import BUILT_IN, read_presets
from tests.conftest import Run
from tests.media import SECOND_TONE, TONE, Media
from tests.runner.programs import converted, every_ffmpeg, failure_of, recipe, work
from tests.runner.test_presets import look, tone
from tests.stand_in import OWN_END, MakeStandIn


def streams(media: Media, path: Path) -> list[str]:
    """Kind, codec, language and disposition of each stream of *path*."""
    info = parse_log(look(media, path))
    assert info
    flags = re.compile(r"\((default|forced)\)")
    return [
        " ".join([s.kind, s.codec, s.language or "-", *flags.findall(s.details)])
        for s in info.streams
    ]


def picture(media: Media, path: Path) -> str:
    """Pixel format, range and colours of *path*."""
    info = parse_log(look(media, path))
    assert info
    stream = info.stream("video")
    assert stream
    seen = picture_of(stream)
    colours = (seen.colours.matrix, seen.colours.primaries, seen.colours.transfer)
    return " ".join([seen.pixels, seen.range or "-", *(c or "-" for c in colours)])


def filtered(media: Media, path: Path, filters: str) -> str:
    """What *filters* say of the picture of *path*."""
    command = [media.ffmpeg, "-hide_banner", "-i", str(path), "-map", "0:v", "-vf", filters]
    command += ["-f", "null", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


# ---- which streams


@pytest.mark.parametrize(
    ("preset", "wanted"),
    [
        (
            "mp4",
            [
                "video h264 und default",
                "audio aac jpn",
                "audio aac eng default",
                "subtitle mov_text ger",
                "subtitle mov_text und",
            ],
        ),
        (
            "webm",
            [
                "video vp9 -",
                "audio opus jpn",
                "audio opus eng default",
                "subtitle webvtt ger",
                "subtitle webvtt - forced",
            ],
        ),
        (
            "mkv",
            [
                "video hevc -",
                "audio flac jpn",
                "audio ac3 eng default",
                "subtitle subrip ger",
                "subtitle ass - forced",
                "attachment none -",
            ],
        ),
    ],
)
@every_ffmpeg
def test_everything_that_the_target_can_hold_is_kept(
    preset: str, wanted: list[str], ffmpeg: str, media: Media, destination: Path
) -> None:
    target = destination / f"a.{preset}"
    made = converted(work(media("everything.mkv"), target, how=recipe(preset), ffmpeg=ffmpeg))
    # versions of ffmpeg differ in what they mark as default or forced where nothing has to be said
    found = [re.sub(r"( mov_text \w+)( default| forced)+|(video \w+ -) default", r"\1\3", line)
             for line in streams(media, target)]  # fmt: skip
    found = [re.sub(r"webvtt eng", "webvtt -", line) for line in found]
    found = [re.sub(r"^attachment \w+", "attachment none", line) for line in found]
    assert found == wanted
    assert "Commentary" in look(media, target)
    left = [n for n in made.notices if n.startswith("left out")]
    assert bool(left) == (preset != "mkv")
    assert all("1 attachment; --to mkv keeps" in notice for notice in left)


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"subtitles": "none"}, ["h264", "aac", "aac"]),
        ({"audio_stream": 1, "subtitles": "none"}, ["h264", "aac"]),
        ({"audio_language": "en", "subtitles": "none"}, ["h264", "aac"]),
    ],
)
def test_some_of_it_can_be_asked_for(
    choice: dict[str, str], wanted: list[str], media: Media, destination: Path
) -> None:
    target = destination / "a.mp4"
    converted(work(media("everything.mkv"), target, how=recipe("mp4", **choice)))
    assert [line.split()[1] for line in streams(media, target)] == wanted
    if "audio_stream" in choice or "audio_language" in choice:
        assert tone(media, target) == pytest.approx(SECOND_TONE, rel=0.02)


def test_a_language_that_a_film_lacks_is_reported(media: Media, destination: Path) -> None:
    how = recipe("mp4", audio_language="fr")
    failure = failure_of(work(media("everything.mkv"), destination / "a.mp4", how=how))
    assert failure.message == "no audio stream in the language 'fr', but in: jpn, eng"


@pytest.mark.parametrize(
    ("source", "preset", "copied"),
    [
        ("aac-twice.mp4", "mp4", 2),
        ("clip.ts", "mp4", 1),
        ("clip.flv", "mp4", 0),
        ("clip.webm", "webm", 1),
        ("clip.mkv", "webm", 1),
        ("clip.mp4", "webm", 0),
        ("surround-side.mkv", "mkv", 1),
    ],
)
def test_sound_that_suits_the_target_is_copied_and_still_decoded(
    source: str, preset: str, copied: int, media: Media, destination: Path
) -> None:
    made = converted(work(media(source), destination / f"a.{preset}", how=recipe(preset)))
    mapping = made.log.split("Stream mapping")[1].split("Output #0")[0]
    assert len(re.findall(r"-> #0:\d+ \(copy\)", mapping)) == copied
    assert len(re.findall(r"-> #1:\d+ \(", mapping)) == copied


def test_damage_in_copied_sound_is_seen(media: Media, destination: Path, tmp_path: Path) -> None:
    hurt = tmp_path / "hurt.mkv"
    media.run(*["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=8", "-i"],
              str(media("hole.mp3")), *["-map", "0", "-map", "1", "-c:v", "libx264", "-c:a", "copy"], str(hurt))  # fmt: skip
    failure = failure_of(work(hurt, destination / "a.mkv", how=recipe("mkv")))
    assert failure.kind is Kind.INPUT


@pytest.mark.parametrize("preset", ["mp4", "webm"])  # which encode, and copy
@every_ffmpeg
def test_sound_that_is_lost_is_missed_in_each_track(
    preset: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    source = media("hole-in-the-second-track.mkv")
    one = work(source, destination / "a", how=recipe(preset), ffmpeg=ffmpeg)
    failure = failure_of(one)
    assert failure.kind is Kind.INPUT
    assert "of sound are missing" in failure.message
    first = recipe(preset, audio_stream=0)
    converted(work(source, destination / "b", how=first, ffmpeg=ffmpeg))


def film_of(*lines: str, preset: str = "mp4") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The arguments and notices for a film of which ffmpeg says these *lines*."""
    head = "Input #0, matroska,webm, from 'x':\n"
    info = parse_log(head + "".join(f"  Stream #0:{n}{line}\n" for n, line in enumerate(lines)))
    assert info
    film = make_film(BUILT_IN[preset].recipe(), info, Samples())
    return film.arguments, film.notices


VIDEO = ": Video: h264 (High), yuv420p(tv), 1920x1080, 25 fps"


def test_picture_subtitles_go_where_they_can_and_are_named_where_not() -> None:
    lines = (
        VIDEO,
        "(eng): Audio: aac (LC), 48000 Hz, stereo, fltp (default)",
        "(eng): Subtitle: hdmv_pgs_subtitle (pgssub)",
        "(fre): Subtitle: dvd_subtitle (dvdsub), 720x576",
    )
    arguments, notices = film_of(*lines)
    (notice,) = notices
    assert notice.startswith("left out for MP4: subtitles 0 (eng, PGS), subtitles 1 (fre, VobSub);")
    assert notice.endswith("; --to mkv keeps what MP4 and WebM cannot hold")
    assert arguments[: arguments.index("-c:v")] == ("-map", "0:0", "-map", "0:1")
    arguments, notices = film_of(*lines, preset="mkv")
    assert notices == ()
    assert "-c:s:0 copy" in " ".join(arguments)
    assert "-c:s:1 copy" in " ".join(arguments)


@pytest.mark.parametrize("preset", ["mp4", "webm", "mkv"])
@every_ffmpeg
def test_subtitles_that_cannot_be_read_do_not_cost_the_film(
    preset: str, ffmpeg: str, media: Media, destination: Path, tmp_path: Path
) -> None:
    source = tmp_path / "latin-1.mkv"
    # the first is in the attachment, the second in the first subtitles
    attached, first, second, rest = media("everything.mkv").read_bytes().split(b"Hello")
    source.write_bytes(b"".join([attached, b"Hello", first, b"H\xe4llo", second, b"Hello", rest]))
    target = destination / f"a.{preset}"
    made = converted(work(source, target, how=recipe(preset), ffmpeg=ffmpeg))
    kinds = [line.split()[0] for line in streams(media, target)]
    assert kinds.count("audio") == 2
    assert kinds.count("subtitle") == (2 if preset == "mkv" else 1)
    said = [n for n in made.notices if "subtitles 0 (ger, subrip): its text cannot be read" in n]
    assert bool(said) == (preset != "mkv")


def test_what_the_target_refuses_to_copy_is_encoded(
    media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in(
        "if '-c:a:0 copy' in WORDS:\n"
        "    say('[aost#0:1/copy @ 0x1] [error] Non-monotonic DTS')\n"
        f"    {OWN_END}; sys.exit(1)"
    )
    one = work(media("clip.mp4"), destination / "a", how=recipe("mp4"), ffmpeg=str(program.path))
    made = converted(one)
    assert "-> #0:1 (aac (native) -> aac (native))" in made.log


def test_of_very_many_streams_some_are_named() -> None:
    subtitles = ["(eng): Subtitle: hdmv_pgs_subtitle"] * 40
    (notice,) = film_of(VIDEO, *subtitles)[1]
    assert notice.startswith("left out for MP4: subtitles 0 (eng, PGS), subtitles 1 (eng, PGS),")
    assert ", subtitles 4 (eng, PGS), 35 more;" in notice


def test_more_channels_get_more_bits() -> None:
    arguments, _ = film_of(
        VIDEO,
        ": Audio: ac3, 48000 Hz, stereo, fltp",
        ": Audio: dts, 48000 Hz, 5.1(side), fltp",
        ": Audio: pcm_s24le, 48000 Hz, 8 channels, s32",
    )
    words = " ".join(arguments)
    assert "-b:a:0" not in words
    assert "-b:a:1 384k" in words
    assert "-b:a:2 512k" in words


def test_a_soundtrack_that_only_a_programme_table_promises_is_left_out() -> None:
    arguments, notices = film_of(
        VIDEO,
        ": Audio: aac ([15][0][0][0] / 0x000F), 0 channels",
        ": Audio: mp2, 48000 Hz, stereo, s16p",
    )
    assert "0:1" not in arguments
    assert "0:2" in arguments
    assert notices == ("left out: 1 audio track without sound",)


def test_audio_that_starts_late_is_found(media: Media, destination: Path) -> None:
    target = destination / "a.mp4"
    converted(work(media("later-sound.ts"), target, how=recipe("mp4")))
    assert [line.split()[1] for line in streams(media, target)] == ["h264", "aac"]


# ---- depth and colours


@pytest.mark.parametrize(
    ("details", "wanted"),
    [
        (
            " (Main 10) (hev1 / 0x317665), yuv420p10le(tv, bt2020nc/bt2020/smpte2084, progressive), 64x48",
            "yuv420p10le tv bt2020nc bt2020 smpte2084 progressive",
        ),
        (
            ", yuv420p(tv, top coded first (swapped), left), 720x576, 25 fps",
            "yuv420p tv - - - top coded first (swapped)",
        ),
        (", yuv420p(bt709), 64x64, 1k fps", "yuv420p - bt709 bt709 bt709 -"),
        (", yuvj420p(pc, bt470bg/unknown/unknown), 5x5", "yuvj420p pc bt470bg - - -"),
        (", rgb24, 5x5", "rgb24 - - - - -"),
        (", 44100 Hz, stereo", " - - - - -"),
    ],
)
def test_what_ffmpeg_says_of_a_picture_is_read(details: str, wanted: str) -> None:
    seen = picture_of(Stream(0, "video", "h264", details=details))
    parts = (seen.range, seen.colours.matrix, seen.colours.primaries, seen.colours.transfer)
    assert " ".join([seen.pixels, *(p or "-" for p in parts), seen.field or "-"]) == wanted


@pytest.mark.parametrize(
    ("source", "preset", "wanted"),
    [
        ("hdr10.mkv", "mp4", "yuv420p tv bt709 bt709 bt709"),
        ("hdr10.mkv", "hevc", "yuv420p10le tv bt2020nc bt2020 smpte2084"),
        ("hdr10.mkv", "webm", "yuv420p10le tv bt2020nc bt2020 smpte2084"),
        ("hlg.mp4", "mp4", "yuv420p tv bt709 bt709 bt709"),
        ("hlg.mp4", "hevc", "yuv420p10le tv bt2020nc bt2020 arib-std-b67"),
        ("10-bit.mkv", "mp4", "yuv420p - - - -"),
        ("10-bit.mkv", "hevc", "yuv420p10le tv - - -"),
        ("rgb.mkv", "mp4", "yuv420p tv bt709 bt709 bt709"),
        ("full-range.avi", "mp4", "yuv420p tv bt470bg - -"),
        ("pal.mpg", "mp4", "yuv420p tv bt470bg bt470bg bt470bg"),
        ("ntsc.mpg", "hevc", "yuv420p tv smpte170m smpte170m smpte170m"),
        ("hd.mp4", "webm", "yuv420p tv bt709 bt709 bt709"),
        ("4-4-4.mp4", "mp4", "yuv420p - - - -"),
    ],
)
@every_ffmpeg
def test_colours_are_tagged_as_they_are(
    source: str, preset: str, wanted: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    how = recipe(preset)
    target = destination / f"a{how.suffix}"
    converted(work(media(source), target, how=how, ffmpeg=ffmpeg))
    assert picture(media, target) == wanted


def test_av1_keeps_hdr_too(media: Media, destination: Path) -> None:
    if "libsvtav1" not in listed_encoders(media.ffmpeg):
        pytest.skip("this ffmpeg has no libsvtav1, as on Windows")
    target = destination / "a.mp4"
    converted(work(media("hdr10.mkv"), target, how=recipe("av1")))
    assert picture(media, target) == "yuv420p10le tv bt2020nc bt2020 smpte2084"
    assert read_samples(filtered(media, target, "showinfo")).light == ("1000", "400")


@pytest.mark.parametrize(
    "pixels",
    [
        "yuv420p10le(tv, bt2020nc/bt2020/smpte2084)",
        "yuv420p(tv, bt470bg, top first)",
        "rgb24",
        "yuvj420p(pc)",
    ],
)
@pytest.mark.parametrize("preset", ["mp4", "hevc"])
def test_whatever_a_picture_needs_its_length_is_still_checked(preset: str, pixels: str) -> None:
    video = Stream(0, "video", "ffv1", details=f", {pixels}, 64x64, 25 fps")
    film = make_film(recipe(preset), MediaInfo("mov", None, (video,)), Samples())
    assert replace(recipe(preset), arguments=film.arguments).keeps_length


def test_an_old_ffmpeg_that_cannot_read_the_brightness_says_so() -> None:
    samples = read_samples(
        "[Parsed_showinfo_0 @ 0x1]   side data - unknown side data type 11 (88 bytes)"
    )
    video = Stream(
        0, "video", "hevc", details=", yuv420p10le(tv, bt2020nc/bt2020/smpte2084), 64x64"
    )
    film = make_film(recipe("hevc"), MediaInfo("mov", None, (video,)), samples)
    assert film.notices == (
        "left out: its mastering display metadata, which this ffmpeg is too old to read",
    )


@pytest.mark.parametrize("preset", ["hevc", "mkv"])
def test_the_brightness_that_hdr_was_made_for_is_kept(
    preset: str, media: Media, destination: Path
) -> None:
    target = destination / "a.mp4"
    converted(work(media("hdr10.mkv"), target, how=recipe(preset)))
    before = read_samples(filtered(media, media("hdr10.mkv"), "showinfo"))
    after = read_samples(filtered(media, target, "showinfo"))
    assert before.mastering
    assert (after.mastering, after.light) == (before.mastering, before.light)


def test_without_zscale_hdr_is_refused_for_h264_with_advice(
    media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in(
        "if '-vf zscale ' in WORDS:\n"
        """    say("[AVFilterGraph @ 0x1] [error] No such filter: 'zscale'")\n"""
        f"    {OWN_END}; sys.exit(8)"
    )
    one = work(media("hdr10.mkv"), destination / "a", how=recipe("mp4"), ffmpeg=str(program.path))
    failure = failure_of(one)
    assert failure.kind is Kind.SETTINGS
    assert failure.message.endswith("--to hevc keeps HDR")
    converted(work(media("hdr10.mkv"), destination / "b.mp4", how=recipe("hevc"), ffmpeg=str(program.path)))  # fmt: skip


def test_dolby_vision_without_a_base_is_refused() -> None:
    note = "DOVI configuration record: version: 1.0, profile: 5, level: 6, rpu flag: 1, el flag: 0"
    video = Stream(0, "video", "hevc", details=", yuv420p10le(tv), 64x64", notes=(note,))
    with pytest.raises(Exception, match="Dolby Vision profile 5"):
        make_film(recipe("hevc"), MediaInfo("mov", None, (video,)), Samples())


# ---- fields


def has_fields(media: Media, path: Path) -> bool:
    return bool(read_samples(filtered(media, path, "idet")).parity)


@pytest.mark.parametrize(
    "source", ["fields.mpg", "fields.mkv", "fields-unsaid.mkv", "fields-unsaid-bottom.mkv"]
)
@every_ffmpeg
def test_interlaced_films_are_deinterlaced_even_if_not_flagged(
    source: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    assert has_fields(media, media(source))
    target = destination / "a.mp4"
    made = converted(work(media(source), target, how=recipe("mp4"), ffmpeg=ffmpeg))
    assert not has_fields(media, target)
    assert "25 fps" in made.log.split("Output #0")[1]


@pytest.mark.parametrize("source", ["fields.mkv", "fields-unsaid.mkv"])
def test_they_stay_interlaced_if_that_is_wanted(
    source: str, media: Media, destination: Path
) -> None:
    how = recipe("mp4", deinterlace="off")
    converted(work(media(source), destination / "a.mp4", how=how))
    assert has_fields(media, destination / "a.mp4")


@pytest.mark.parametrize("source", ["clip.mp4", "clip.mpg", "hd.mp4", "variable-rate.mkv"])
def test_whole_pictures_are_left_alone(source: str, media: Media, destination: Path) -> None:
    made = converted(work(media(source), destination / "a.mp4", how=recipe("mp4")))
    assert "bwdif" not in made.log


@pytest.mark.parametrize(
    ("counts", "parity"),
    [
        ((25, 0, 0), "tff"),
        ((0, 25, 3), "bff"),
        ((7, 0, 0), ""),
        ((12, 10, 0), ""),
        ((100, 0, 200), ""),
        ((0, 0, 250), ""),
    ],
)
def test_only_a_clear_finding_counts(counts: tuple[int, int, int], parity: str) -> None:
    empty = "Multi frame detection: TFF: 0 BFF: 0 Progressive: 0 Undetermined: 0\n"
    line = "Multi frame detection: TFF: {:5} BFF: {:5} Progressive: {:5} Undetermined:     9"
    assert read_samples(empty + line.format(*counts)).parity == parity


# ---- what fits is copied


@pytest.mark.parametrize(
    ("source", "preset"),
    [
        ("clip.mp3", "mp3"),
        ("cover.mp3", "mp3"),
        ("clip.avi", "mp3"),
        ("clip.mp4", "m4a"),
        ("raw.aac", "m4a"),
        ("clip.opus", "opus"),
        ("clip.webm", "opus"),
        ("clip.mkv", "ogg"),
        ("clip.flac", "flac"),
        ("float.wav", "wav"),
    ],
)
@every_ffmpeg
def test_sound_that_is_in_the_wanted_format_can_be_copied(
    source: str, preset: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    how = recipe(preset, copy_if_fits=True)
    target = destination / f"a{how.suffix}"
    made = converted(work(media(source), target, how=how, ffmpeg=ffmpeg))
    assert "(copy)" in made.log.split("Stream mapping")[1]
    assert tone(media, target) == pytest.approx(TONE, rel=0.02)
    if source.endswith(how.suffix):
        words = "-map 0:a -f md5 - -map 1:a -f md5 -"
        one, other = media.run("-i", str(target), "-i", str(media(source)), *words.split()).split()
        assert one == other


@pytest.mark.parametrize(
    ("source", "preset"),
    [
        ("clip.mp3", "podcast"),
        ("clip.mp3", "m4a"),
        ("clip.wav", "flac"),
        ("quad.flac", "opus"),
        ("10-bit.mkv", "mp4"),
        ("fields-unsaid.mkv", "mp4"),
        ("hlg.mp4", "mp4"),
        ("4-4-4.mp4", "mp4"),
    ],
)
def test_what_cannot_be_copied_is_encoded(
    source: str, preset: str, media: Media, destination: Path
) -> None:
    how = recipe(preset, copy_if_fits=True)
    made = converted(work(media(source), destination / f"a{how.suffix}", how=how))
    assert "(copy)" not in made.log.split("Stream mapping")[1].split("Output #0")[0]


@pytest.mark.parametrize(
    ("source", "preset"), [("clip.mkv", "mp4"), ("clip.ts", "mp4"), ("hlg.mp4", "hevc")]
)
def test_a_picture_that_fits_can_be_copied(
    source: str, preset: str, media: Media, destination: Path
) -> None:
    how = recipe(preset, copy_if_fits=True)
    target = destination / "a.mp4"
    made = converted(work(media(source), target, how=how))
    assert "Stream #0:0 -> #0:0 (copy)" in made.log
    assert made.notices == ()


@pytest.mark.parametrize("name", ["hole.mp3", "hole.flac", "truncated.mp3", "truncated.flac"])
@every_ffmpeg
def test_a_copy_of_damage_is_no_result(
    name: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    how = recipe(Path(name).suffix[1:], copy_if_fits=True)
    failure = failure_of(work(media(name), destination / "a", how=how, ffmpeg=ffmpeg))
    assert failure.kind is Kind.INPUT


@pytest.mark.parametrize(
    ("source", "preset", "said"),
    [
        ("clip.mp3", "mp3", "the sound was already MP3"),
        ("clip.mp4", "m4a", "the sound was already AAC"),
        ("clip.mp4", "mp4", "the picture was already H.264"),
        ("clip.mp3", "podcast", ""),
        ("clip.flac", "flac", ""),
        ("clip.mp4", "mp3", ""),
        ("clip.mp4", "webm", ""),
    ],
)
def test_encoding_a_lossy_source_again_gives_a_notice(
    source: str, preset: str, said: str, media: Media, destination: Path
) -> None:
    how = recipe(preset)
    made = converted(work(media(source), destination / f"a{how.suffix}", how=how))
    found = [notice for notice in made.notices if "lost some quality" in notice]
    assert [notice[: len(said)] for notice in found] == ([said] if said else [])


@pytest.mark.parametrize(
    ("preset", "before", "after", "is_said"),
    [
        ("mp3", 2_000_000, 4_000_000, True),
        ("mp4", 2_000_000, 4_000_000, True),
        ("mp3", 20_000, 40_000, False),
        ("mp3", 50_000_000, 52_000_000, False),
        ("mp3", 50_000_000, 57_000_000, True),
        ("flac", 2_000_000, 9_000_000, False),
        ("wav", 2_000_000, 9_000_000, False),
        ("thumbnail", 1, 9_000_000, False),
    ],
)
def test_a_result_much_larger_than_its_source_gives_a_notice(
    preset: str, before: int, after: int, is_said: bool
) -> None:
    said = growth(resolve_recipe(recipe(preset)), before, after)
    assert said == (
        f"the result is larger than its source: {after / 1e6:.1f} MB instead of {before / 1e6:.1f} MB"
        if is_said
        else ""
    )


def test_advice_is_shown_and_is_no_failure_with_strict(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    source = media.put("clip.mp3", tmp_path / "a.mp3")
    tags = ID3(source)
    tags.add(USLT(encoding=3, lang="eng", desc="", text="la la " * 180_000))  # a megabyte
    tags.save()
    how = replace(recipe("mp3"), strict=True)
    one = work(source, destination / "a.mp3", how=how)
    whole = converted(one)
    assert [notice.split(" ")[1] for notice in whole.notices] == ["sound"]
    # on a node, what lies there may be a part of the source only, whose size is said
    small = converted(replace(one, target=f"{one.target}-again", size=1000))
    assert [notice.split(" ")[1] for notice in small.notices] == ["sound", "result"]
    assert small.sha256 == whole.sha256


# ---- the user's own presets


def test_an_own_preset_can_keep_the_film(media: Media, destination: Path) -> None:
    table = {
        "suffix": ".mkv",
        "media": "video",
        "film": True,
        "arguments": ["-c:v", "libx264", "-vf", "scale=32:-2", "-c:a", "libopus", "-b:a", "96k"],
    }
    how = read_presets({"small": table}, "f")["small"].recipe()
    target = destination / "a.mkv"
    converted(work(media("everything.mkv"), target, how=how))
    assert "32x24" in look(media, target)
    assert len(streams(media, target)) == 6


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"film": True}, "film must be true or false, and needs media"),
        ({"film": "yes", "media": "video"}, "film must be true or false"),
        ({"film": True, "media": "video", "suffix": "avi"}, "film makes .mp4, .m4v"),
        ({"film": True, "media": "video", "loudness": -16}, "loudness works for one audio track"),
    ],
)
def test_a_film_of_an_own_preset_is_checked(more: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        read_presets({"x": {"suffix": "mkv", "arguments": [], **more}}, "f")


def test_the_command_line_reaches_the_film(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("everything.mkv", tmp_path / "a.mkv")
    options = (
        "--audio-language",
        "ja",
        "--subtitles",
        "none",
        "--deinterlace",
        "off",
        "--copy-if-fits",
    )
    assert run("convert", "a.mkv", "--to", "mp4", *options).exit_code == 0
    assert streams(media, destination / "a.mp4") == [
        "video h264 und default",
        "audio aac jpn default",
    ]
    shown = run("presets", "mp4")
    assert "all audio tracks" in shown.stderr
    assert "-c:v libx264" in shown.stdout
