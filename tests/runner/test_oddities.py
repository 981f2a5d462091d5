"""Good files that look strange are converted, by every ffmpeg that is at hand."""

import shlex
from pathlib import Path

import pytest

from tests.conftest import posix_only
from tests.media import SECONDS, Media
from tests.runner.programs import converted, every_ffmpeg, recipe, work
from tests.runner.wav import read_wav

SOUNDS = (
    *(f"clip.{suffix}" for suffix in ("mp4", "mov", "mkv", "webm", "avi", "ts", "mpg", "wmv")),
    *(f"clip.{suffix}" for suffix in ("flv", "3gp", "mp3", "m4a", "ogg", "opus", "flac", "wav")),
    *("clip.aiff", "clip.wma", "clip.ac3", "alac.m4a", "raw.aac"),
    *("8-bit.wav", "24-bit.flac", "float.wav"),
    *("cover.mp3", "cover.m4a", "cover.flac", "cover.mkv", "cover.mp4"),
    *("bmp-cover.m4a", "webp-cover.flac", "gif-cover.mkv"),
    *("chapters.m4b", "chapters.mkv", "two-tracks.mkv", "two-tracks.mp4"),
    *("subtitles.mkv", "subtitles.mp4", "data-stream.mp4", "font.mkv"),
    *("surround.mp4", "surround-side.mkv", "surround.flac", "surround-7.1.flac"),
    *("six-channels.wav", "quad.flac", "2.1.flac"),
    *("late-audio.mp4", "late-audio.mkv", "short-audio.mp4", "edit-list.mp4"),
    *("negative-start.mkv", "late-start.ts", "fragmented.mp4", "end-moov.mp4", "live.webm"),
    *("vbr-without-xing.mp3", "constant-rate.mp3", "id3v1.mp3", "ape-tail.mp3"),
    *("ape-tail-constant-rate.mp3", "both-tails.mp3", "lyrics-tail.mp3"),
    *("cut-in-a-frame.mp3", "cut-in-a-frame.ts", "cut-in-a-picture.ts", "joined.ts"),
    *("radio.mp3", "radio.aac", "padded.wav", "padded.mp4", "padded.flac"),
    *("short.mp4", "short.mp3", "short.wav", "silent.mp4"),
)
PLAIN = (
    *SOUNDS[: SOUNDS.index("8-bit.wav")],
    *("subtitles.mkv", "subtitles.mp4", "data-stream.mp4", "font.mkv"),
    *("fragmented.mp4", "end-moov.mp4", "live.webm"),
    *("vbr-without-xing.mp3", "constant-rate.mp3", "id3v1.mp3", "ape-tail.mp3"),
    *("ape-tail-constant-rate.mp3", "both-tails.mp3", "lyrics-tail.mp3"),
    *("padded.wav", "padded.mp4", "padded.flac"),
)
"""What is odd of these is at most how they are read; then one encoder for each is enough."""
AUDIO = ("m4a", "ogg", "flac", "podcast")
FILMS = (
    *(f"clip.{suffix}" for suffix in ("mp4", "mov", "mkv", "webm", "avi", "ts", "mpg", "wmv")),
    *("clip.flv", "clip.3gp", "odd-size.mkv", "rotated.mp4", "10-bit.mkv", "alpha.mov"),
    *("interlaced.mpg", "variable-rate.mkv", "anamorphic.mkv", "no-audio.mp4"),
    *("surround.mp4", "surround-side.mkv", "two-tracks.mkv", "cover.mp4", "cover.mkv"),
    *("subtitles.mkv", "subtitles.mp4", "data-stream.mp4", "chapters.mkv"),
    *("late-audio.mp4", "late-audio.mkv", "short-audio.mp4", "edit-list.mp4"),
    *("negative-start.mkv", "late-start.ts", "fragmented.mp4", "live.webm"),
    *("short.mp4", "silent.mp4", "zero-length-audio.mp4"),
)
DEEP = ("alac.m4a", "late-audio.mkv", "negative-start.mkv")
"""Those that have 24 bits, beside all that is FLAC by its name."""
LENGTHS = {
    "short.mp4": 0.05,
    "short.mp3": 0.05,
    "short.wav": 0.05,
    "short-audio.mp4": 1.2,
    "edit-list.mp4": 1.27,
    "joined.ts": 2 * SECONDS,
    "radio.mp3": SECONDS * 2 / 3,
    "radio.aac": SECONDS * 2 / 3,
    "cut-in-a-picture.ts": SECONDS * 2 / 3,
}


@pytest.mark.parametrize("name", SOUNDS)
@every_ffmpeg
def test_all_audio_of_an_odd_file_is_converted(
    name: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    target = destination / "a.wav"
    converted(work(media(name), target, how=recipe("wav"), ffmpeg=ffmpeg))
    made = read_wav(target)
    # a film that is cut where its pictures begin may lose some sound before them
    assert made.seconds == pytest.approx(LENGTHS.get(name, SECONDS), abs=0.15)
    depth = "s24" if name.endswith(".flac") or name in DEEP else "s16"
    assert made.codec == f"pcm_{'f32' if name == 'float.wav' else depth}le"


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        *((name, "mp3") for name in SOUNDS if name not in PLAIN[::2]),
        *((name, "opus") for name in SOUNDS if name not in PLAIN[1::2]),
    ],
)
def test_every_format_takes_an_odd_file(
    name: str, preset: str, media: Media, destination: Path
) -> None:
    # what comes of plain sound is decoded in other tests
    verify = "duration" if name in PLAIN else "decode"
    converted(work(media(name), destination / "a", how=recipe(preset, verify=verify)))


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        *((name, preset) for name in ("late-audio.mkv", "surround.flac") for preset in AUDIO),
        *((name, "m4a") for name in ("bmp-cover.m4a", "webp-cover.flac", "gif-cover.mkv")),
        *((name, "opus") for name in ("surround-side.mkv", "quad.flac", "2.1.flac")),
        *((name, "podcast") for name in ("surround-side.mkv", "silent.mp4", "six-channels.wav")),
        ("float.wav", "mp3"),
        ("8-bit.wav", "opus"),
        ("cover.mkv", "flac"),
    ],
)
@every_ffmpeg
def test_every_ffmpeg_takes_what_formats_are_picky_about(
    name: str, preset: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    converted(work(media(name), destination / "a", how=recipe(preset), ffmpeg=ffmpeg))


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        *((name, "mp4") for name in FILMS),
        *((name, "webm") for name in ("surround-side.mkv", "10-bit.mkv", "odd-size.mkv")),
        *((name, "webm") for name in ("alpha.mov", "no-audio.mp4", "cover.mp4")),
    ],
)
@every_ffmpeg
def test_an_odd_film_stays_a_film(
    name: str, preset: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    target = destination / f"a.{preset}"
    converted(work(media(name), target, how=recipe(preset), ffmpeg=ffmpeg))
    # the boxes of an MP4 file say what its tracks are; WebM names their codecs
    picture, sound = (b"vmhd", b"smhd") if preset == "mp4" else (b"V_VP9", b"A_OPUS")
    data = target.read_bytes()
    assert picture in data
    assert (sound in data) == (name not in ("no-audio.mp4", "zero-length-audio.mp4"))


@pytest.mark.parametrize("name", ["clip.mp4", "short.mp4", "10-bit.mkv", "alpha.mov", "cover.mp4"])
@every_ffmpeg
def test_every_film_has_a_thumbnail(
    name: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    target = destination / "a.jpg"
    converted(work(media(name), target, how=recipe("thumbnail"), ffmpeg=ffmpeg))
    assert target.read_bytes()[:3] == b"\xff\xd8\xff"


@every_ffmpeg
def test_a_picture_of_odd_size_loses_its_last_row_and_column(
    ffmpeg: str, media: Media, destination: Path
) -> None:
    target = destination / "a.mp4"
    made = converted(work(media("odd-size.mkv"), target, how=recipe("mp4"), ffmpeg=ffmpeg))
    assert ", 64x48" in made.log.split("Output #0")[1]


@every_ffmpeg
def test_a_rotated_film_is_turned(ffmpeg: str, media: Media, destination: Path) -> None:
    target = destination / "a.mp4"
    made = converted(work(media("rotated.mp4"), target, how=recipe("mp4"), ffmpeg=ffmpeg))
    assert ", 48x64" in made.log.split("Output #0")[1]


@pytest.mark.parametrize(
    ("name", "title"), [("both-tails.mp3", "Söng"), ("ape-tail.mp3", "Söng"), ("id3v1.mp3", "Söng")]
)
def test_tags_survive_where_a_tail_is_left_out(
    name: str, title: str, media: Media, destination: Path
) -> None:
    target = destination / "a.mp3"
    converted(work(media(name), target))
    assert title.encode() in target.read_bytes() or title.encode("utf-16-le") in target.read_bytes()


def test_a_source_is_never_changed(media: Media, destination: Path, tmp_path: Path) -> None:
    source = media.put("both-tails.mp3", tmp_path / "a.mp3")
    before = source.read_bytes(), source.stat().st_mtime_ns
    converted(work(source, destination / "a.wav", how=recipe("wav")))
    assert (source.read_bytes(), source.stat().st_mtime_ns) == before


@posix_only
@every_ffmpeg
def test_a_script_may_start_ffmpeg(
    ffmpeg: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(ffmpeg)} "$@"\n')
    script.chmod(0o755)
    converted(work(media("clip.ts"), destination / "a.mp3", ffmpeg=str(script)))
