"""The outcome goes by where in a file a fault lies: around the sound it is a notice, within it damage."""

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.media.failures import Kind
from runner.media.probe import read_streams
from runner.media.recipe import Recipe
from runner.presets import BUILT_IN
from tests.media import Media
from tests.runner.programs import converted, failure_of, recipe, work
from tests.stand_in import MakeStandIn

_CHANCE = random.Random(5)
RANDOM = _CHANCE.randbytes(100_000)
ID3V1 = b"TAG" + b"Title".ljust(30, b"\0") + bytes(94) + b"\x0c"
_FRAME = b"TIT2" + struct.pack(">I", 6) + b"\0\0\x03Title" + bytes(200)
ID3V2 = b"ID3\x04\0\0" + bytes([0, 0, len(_FRAME) >> 7, len(_FRAME) & 127]) + _FRAME
_ITEM = struct.pack("<II", 9, 0) + b"Title\0Ape title"
_SIZE = struct.pack("<III", 2000, len(_ITEM) + 32, 1)
APE_WITHOUT_HEAD = _ITEM + b"APETAGEX" + _SIZE + struct.pack("<I", 0) + bytes(8)
APE = b"".join(
    (
        *(b"APETAGEX", _SIZE, struct.pack("<I", 0xA0000000), bytes(8), _ITEM),
        *(b"APETAGEX", _SIZE, struct.pack("<I", 0x80000000), bytes(8)),
    )
)
_LYRICS = b"LYRICSBEGIN" + b"la la la " * 30
LYRICS = _LYRICS + b"%06dLYRICS200" % len(_LYRICS) + ID3V1

RAW = ("mp3", "vbr.mp3", "mp2", "aac", "ac3", "eac3", "dts", "flac", "wv", "amr")
HELD = ("ogg", "opus", "oga", "wav", "aiff", "m4a", "mka", "mkv", "avi", "ts", "tta", "wma")
SECONDS = 5.0


def harmed(media: Media, folder: Path, kind: str, harm: Callable[[bytes], bytes]) -> Path:
    """A file of this *kind* that was harmed."""
    path = folder / f"harmed.{kind}"
    path.write_bytes(harm(media(f"noise.{kind}").read_bytes()))
    return path


def seconds_of(path: Path) -> float:
    """The length of a WAV file, from its bytes."""
    data = path.read_bytes()
    (bytes_a_second,) = struct.unpack_from("<I", data, 28)
    return (len(data) - data.index(b"data") - 8) / float(bytes_a_second)


def at(share: float, data: bytes) -> int:
    return int(len(data) * share)


TAILS = {
    "a newline": (b"\n", "1 byte after the last frame was ignored"),
    "zeros": (bytes(4096), "4,096 bytes after the last frame were ignored"),
    "noise": (RANDOM[:1000], "1,000 bytes after the last frame were ignored"),
}
TAGS = {
    "ID3v1": ID3V1,
    "APE": APE,
    "APE without a head": APE_WITHOUT_HEAD,
    "APE and ID3v1": APE + ID3V1,
    "ID3v2": ID3V2,
    "Lyrics3": LYRICS,
}


@pytest.mark.parametrize(
    ("kind", "tail"),
    [
        *((kind, tail) for kind in RAW for tail in ("zeros", "noise")),
        ("mp3", "a newline"),
        ("flac", "a newline"),
    ],
)
def test_data_after_the_last_frame_gives_a_notice(
    kind: str, tail: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    rest, notice = TAILS[tail]
    source = harmed(media, tmp_path, kind, lambda data: data + rest)
    made = converted(work(source, destination / "a.wav", how=recipe("wav")))
    assert made.notices == (notice,)
    assert seconds_of(destination / "a.wav") == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize(
    ("kind", "tag"),
    [
        # tags at an end are found without regard to what they are behind: every kind of them here,
        *((kind, tag) for kind in ("mp3", "ac3") for tag in TAGS),
        # and here what a demuxer may take for a frame, or for the start of another file
        *((kind, tag) for kind in RAW[1:] for tag in ("APE and ID3v1", "ID3v2") if kind != "ac3"),
    ],
)
def test_a_tag_at_the_end_is_no_fault_of_any_stream(
    kind: str, tag: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, kind, lambda data: data + TAGS[tag])
    made = converted(work(source, destination / "a.wav", how=recipe("wav")))
    assert made.notices == ()
    assert seconds_of(destination / "a.wav") == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("kind", HELD)
def test_data_after_a_container_is_harmless(
    kind: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, kind, lambda data: data + APE + ID3V1 + b"\n")
    converted(work(source, destination / "a.wav", how=recipe("wav")))
    assert seconds_of(destination / "a.wav") == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("size", [1000, 100_000])
@pytest.mark.parametrize("kind", ["mp3", "mp2", "aac", "ac3", "eac3", "flac", "wv"])
def test_data_before_the_first_frame_gives_a_notice(
    kind: str, size: int, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, kind, lambda data: RANDOM[:size] + data)
    made = converted(work(source, destination / "a.wav", how=recipe("wav")))
    assert made.notices == (f"{size:,} bytes before the first frame were ignored",)
    assert seconds_of(destination / "a.wav") == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("kind", ["mp3", "aac", "ac3", "flac", "wv", "tta", "amr", "dts"])
def test_a_tag_ahead_and_a_tag_behind_are_no_fault(
    kind: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, kind, lambda data: ID3V2 + data + ID3V1)
    made = converted(work(source, destination / "a.wav", how=recipe("wav")))
    assert made.notices == ()
    assert seconds_of(destination / "a.wav") == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("kind", ["mp3", "aac", "ac3", "dts", "ts", "ac3.ts"])
def test_a_recording_that_starts_inside_a_frame_is_converted(
    kind: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, kind, lambda data: data[at(0.3, data) + 37 :])
    converted(work(source, destination / "a.wav", how=recipe("wav")))
    assert seconds_of(destination / "a.wav") == pytest.approx(0.7 * SECONDS, abs=0.3)


@pytest.mark.parametrize("kind", [kind for kind in RAW if kind != "wv"])
def test_a_last_frame_that_is_cut_is_a_notice(
    kind: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, kind, lambda data: data[:-20])
    made = converted(work(source, destination / "a.wav", how=recipe("wav")))
    assert made.notices == ("the last frame is cut off and was left out",)
    assert seconds_of(destination / "a.wav") == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize(
    "kind", ["wav", "rf64.wav", "aiff", "caf", "w64", "au", "mka", "mkv", "wma"]
)
def test_a_last_packet_that_is_cut_is_a_notice_that_counts_what_is_missing(
    kind: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, kind, lambda data: data[:-51])
    made = converted(work(source, destination / "a.wav", how=recipe("wav")))
    assert [n for n in made.notices if n.startswith("the last ") and n.endswith("are missing")]


@pytest.mark.parametrize("kind", ["m4a", "alac.m4a", "ts", "ac3.ts"])
def test_a_last_packet_that_is_cut_is_a_notice(
    kind: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, kind, lambda data: data[:-51])
    made = converted(work(source, destination / "a.wav", how=recipe("wav")))
    assert made.notices == ("what follows the last complete frame was ignored",)


@pytest.mark.parametrize(
    "kind", ["mp3", "vbr.mp3", "mp2", "aac", "ac3", "dts", "amr", "flac", "wv", "ogg"]
)
def test_files_that_are_joined_are_converted_to_their_end(
    kind: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, kind, lambda data: data * 2)
    made = converted(work(source, destination / "a.wav", how=recipe("wav")))
    joined = "2 files are joined in it; the tags between them were ignored"
    assert made.notices == ((joined,) if kind in ("mp3", "vbr.mp3", "amr", "wv") else ())
    assert seconds_of(destination / "a.wav") == pytest.approx(2 * SECONDS, abs=0.2)


@pytest.mark.parametrize("kind", ["flac", "wv", "mka"])
def test_the_time_of_joined_files_goes_on(
    kind: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, kind, lambda data: data * 2)
    converted(work(source, destination / "a.opus", how=recipe("opus")))
    made = read_streams(media.ffmpeg, str(destination / "a.opus"))
    assert made is not None
    assert made.duration == pytest.approx(2 * SECONDS, abs=0.2)


@pytest.mark.parametrize("preset", ["wav", "m4a", "opus"])
def test_live_recordings_that_are_joined_are_converted_to_their_end(
    preset: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = tmp_path / "a.webm"
    source.write_bytes(media("live.webm").read_bytes() * 2)
    target = destination / f"a{BUILT_IN[preset].suffix}"
    converted(work(source, target, how=recipe(preset)))
    made = read_streams(media.ffmpeg, str(target))
    assert made is not None
    assert made.duration == pytest.approx(4.0, abs=0.2)


def _glitch(data: bytes) -> bytes:
    return data[: at(0.5, data)] + RANDOM[:60] + data[at(0.5, data) + 60 :]


def _noise_inside(data: bytes) -> bytes:
    return data[: at(0.5, data)] + RANDOM[: at(0.1, data)] + data[at(0.6, data) :]


def _hole(data: bytes) -> bytes:
    return data[: at(0.45, data)] + bytes(at(0.2, data)) + data[at(0.65, data) :]


def _gone(data: bytes) -> bytes:
    return data[: at(0.5, data)] + data[at(0.6, data) :]


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        *((_glitch, kind) for kind in ("aac", "ac3", "flac", "wv", "tta", "m4a")),
        *((_glitch, kind) for kind in ("ogg", "opus", "oga", "amr")),
        *(
            (_noise_inside, kind)
            for kind in ("mp3", "vbr.mp3", "dts", "eac3", "mkv", "webm", "flv")
        ),
        *((_hole, kind) for kind in ("mp3", "vbr.mp3", "aac", "ac3", "flac", "wv", "dts", "tta")),
        *((_hole, kind) for kind in ("m4a", "ts", "avi", "wma", "amr", "flv")),
        *((_gone, kind) for kind in ("mp3", "vbr.mp3", "aac", "ac3", "flac", "m4a", "mka", "ts")),
    ],
)
def test_what_is_lost_within_is_damage(
    harm: Callable[[bytes], bytes], kind: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, kind, harm)
    failure = failure_of(work(source, destination / "a.wav", how=recipe("wav")))
    assert failure.kind is Kind.INPUT
    assert failure.message.startswith(("damaged", "the file ends early"))
    assert failure.message.endswith("; --verify none converts what can be read")


@pytest.mark.parametrize(
    "kind",
    [
        *("mp3", "flac", "wv", "tta", "wav", "rf64.wav", "aiff", "caf", "w64", "au", "wma", "m4a"),
        *("alac.m4a", "mka", "mkv", "webm", "avi", "pcm.avi", "flv", "ogg", "opus", "oga"),
    ],
)
def test_half_a_file_is_not_passed_where_its_length_is_known(
    kind: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, kind, lambda data: data[: at(0.5, data) + 3])
    failure = failure_of(work(source, destination / "a.wav", how=recipe("wav")))
    assert failure.kind is Kind.INPUT
    words = ("the file ends early", "the file is cut off", "damaged", "not a whole media file")
    assert failure.message.startswith(words)


@pytest.mark.parametrize(("preset", "share"), [("m4a", 0.0), ("m4a", 0.9), ("mp4", 0.9)])
def test_a_list_of_chapters_does_not_hide_a_cut(
    preset: str, share: float, media: Media, tmp_path: Path, destination: Path
) -> None:
    source, chapters = tmp_path / "a.mp4", tmp_path / "chapters.txt"
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=6\ntitle=a\n")
    inputs = f"-f lavfi -i testsrc2=s=64x48:d=6 -f lavfi -i sine=d=6 -i {chapters}"
    output = "-map 0 -map 1 -map_metadata 2 -c:v libx264 -c:a aac -movflags +faststart"
    media.run(*inputs.split(), *output.split(), str(source))
    data = source.read_bytes()
    start = data.index(b"mdat") + 4
    source.write_bytes(data[: start + int(share * (len(data) - start))])
    how = recipe(preset)
    failure = failure_of(work(source, destination / f"a{how.suffix}", how=how))
    assert failure.kind is Kind.INPUT
    assert failure.message.startswith("the file ends early" if share else "no sound in it could be")


def test_an_edit_list_may_cut_a_long_picture_short(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    slides = tmp_path / "slides.mp4"
    media.run(
        *["-f", "lavfi", "-i", "testsrc2=s=64x48:r=1:d=13", "-c:v", "libx264", "-g", "1"],
        str(slides),
    )
    source = tmp_path / "a.mp4"
    media.run("-ss", "0.5", "-i", str(slides), "-c", "copy", str(source))
    converted(work(source, destination / "a.mp4", how=recipe("mp4")))


@pytest.mark.needs_services
def test_three_samples_of_a_promised_hour_are_a_cut(tmp_path: Path, destination: Path) -> None:
    source = tmp_path / "a.wav"
    facts = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 44100, 44100 * 4, 4, 16)
    promise = 3600 * 44100 * 4
    source.write_bytes(
        struct.pack("<4sI4s", b"RIFF", promise + 36, b"WAVE")
        + facts
        + struct.pack("<4sI", b"data", promise)
        + bytes(12)
    )
    how = recipe("opus")
    failure = failure_of(work(source, destination / "a.opus", how=how))
    assert failure.message.startswith("the file ends early: 0.0 s of ")


@pytest.mark.parametrize("kind", ["ogg", "opus", "oga"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.9, 0.99])
def test_a_cut_between_pages_of_an_ogg_is_a_notice(
    share: float, kind: str, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(
        media, tmp_path, kind, lambda data: data[: data.rindex(b"OggS", 0, at(share, data))]
    )
    if source.stat().st_size < 6000:
        pytest.fail("there is no sound before the cut")
    made = converted(work(source, destination / "a.wav", how=recipe("wav")))
    assert made.notices == (
        "the file has no end mark: it was cut off, or recorded from a broadcast",
    )


@pytest.mark.parametrize("cut", [1, 20, 28, 300])
def test_a_cut_within_a_page_of_an_ogg_is_damage(
    cut: int, media: Media, tmp_path: Path, destination: Path
) -> None:
    source = harmed(media, tmp_path, "ogg", lambda data: data[: data.rindex(b"OggS") + cut])
    failure = failure_of(work(source, destination / "a.wav", how=recipe("wav")))
    assert failure.message.startswith("the file is cut off after 4.")


def test_a_complete_ogg_gives_no_notice(media: Media, destination: Path) -> None:
    for kind in ("ogg", "opus", "oga"):
        one = work(media(f"noise.{kind}"), destination / f"{kind}.wav", how=recipe("wav"))
        assert converted(one).notices == ()


@pytest.mark.parametrize(
    ("name", "seconds"), [("longer-picture.avi", 4.0), ("late-sound.wma", 5.0)]
)
def test_a_container_that_is_longer_than_its_sound_misses_none(
    name: str, seconds: float, media: Media, destination: Path
) -> None:
    made = converted(work(media(name), destination / "a.wav", how=recipe("wav")))
    assert made.notices == ()
    assert seconds_of(destination / "a.wav") == pytest.approx(seconds, abs=0.1)


def test_frames_without_data_are_silence(media: Media, tmp_path: Path, destination: Path) -> None:
    """As telephones write them; ffmpeg takes them for damage."""

    def quiet(data: bytes) -> bytes:
        frame = data[6:38]
        assert frame[0] == 0x3C
        frames = [data[i : i + 32] for i in range(6, len(data), 32)]
        return data[:6] + b"".join((*frames[:100], b"\x7c" * 5, *frames[100:]))

    source = harmed(media, tmp_path, "amr", quiet)
    converted(work(source, destination / "a.wav", how=recipe("wav")))
    assert seconds_of(destination / "a.wav") == pytest.approx(SECONDS, abs=0.2)


@pytest.mark.parametrize("preset", ["flac", "mp3", "m4a", "opus", "ogg", "wav"])
def test_a_sound_of_few_samples_is_converted(preset: str, media: Media, destination: Path) -> None:
    converted(work(media("five-samples.wav"), destination / "a", how=recipe(preset)))


@pytest.mark.needs_services
def test_mp3_of_free_format_is_not_called_damaged(tmp_path: Path, destination: Path) -> None:
    source = tmp_path / "free.mp3"
    source.write_bytes((b"\xff\xfb\x00\xc4" + bytes(400)) * 8)
    failure = failure_of(work(source, destination / "a.wav", how=recipe("wav")))
    assert failure.kind is Kind.INPUT
    assert failure.message == "this ffmpeg cannot decode free-format MP3"


@pytest.mark.parametrize(
    ("suffix", "arguments", "message"),
    [
        *(
            (".mp4", words, message)
            for words, message in (
                ("-c:v libx264 -preset bogus", "the encoder has no preset 'bogus'"),
                (
                    "-vf scale=321:181 -c:v libx264",
                    "the encoder only accepts even sizes, not 321x181",
                ),
                ("-vf subtitles=nothere.srt", "the file nothere.srt cannot be opened"),
                ("-map 0:9", "'-map 0:9' fits no stream of this file"),
                ("-c:v libx264 -pix_fmt bogus", "this ffmpeg has no pixel format 'bogus'"),
                (
                    "-hwaccel cuda",
                    "-hwaccel is for the input, and these arguments are for the output",
                ),
                ("-c:v h264_frobnicate", "this ffmpeg has no encoder 'h264_frobnicate'"),
            )
        ),
        (".webm", "-c:v libx264 -an", "the container rejects it: Only VP8 or VP9 or AV1 video"),
        (".mp3", "-map 0:a -c copy", "the container rejects it: Exactly one MP3 audio stream"),
    ],
)
def test_a_wrong_setting_is_called_that(
    suffix: str, arguments: str, message: str, media: Media, destination: Path
) -> None:
    how = Recipe(suffix=suffix, media="video", arguments=tuple(arguments.split()), is_preset=False)
    failure = failure_of(work(media("clip.mp4"), destination / "a", how=how))
    assert failure.kind is Kind.SETTINGS
    assert failure.message.startswith(message)


def test_a_clean_source_costs_one_start_of_ffmpeg(
    media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in()
    kinds = ("mp3", "aac", "ac3", "m4a", "ogg", "mkv", "avi", "ts", "wma")
    for kind in kinds:
        how = recipe("wav")
        one = work(media(f"noise.{kind}"), destination / kind, how=how, ffmpeg=str(program.path))
        assert converted(one).notices == ()
    assert len(program.starts) == len(kinds)
