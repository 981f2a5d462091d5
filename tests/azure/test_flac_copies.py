"""WAV travels as FLAC where nothing is lost by that, and while it is faster."""

import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mutagen
import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from runner.azure.flac_copies import FlacCopies, pays
from runner.estimate.contents import content_of
from runner.media.flac_copy import make_flac, wave_for_flac
from runner.media.probe import read_streams
from runner.media.wave import read_wave
from runner.models import Conversion, Source, State
from runner.presets import BUILT_IN
from tests.azure.conftest import MP3, MakeEngine, drive, plan_of
from tests.azure.test_engines import sound_of
from tests.azure.test_slim import uploaded
from tests.cloud import Cloud
from tests.runner.programs import converted, recipe, work
from tests.stand_in import stand_in_for_ffmpeg

FFMPEG = get_ffmpeg_exe()
LINE = 10**15
"""Bytes that were sent in no time at all: the line is faster than any encoder."""


def wav(
    path: Path, *words: str, seconds: float = 4, rate: int = 44100, noise: str = "pink"
) -> Path:
    """Sound that FLAC makes much smaller, and a bit of everything that *words* ask for."""
    tone = f"anoisesrc=c={noise}:a=0.3:d={seconds}:r={rate}:seed=3"
    stereo = () if "-ac" in words else ("-ac", "2")
    command = [FFMPEG, "-v", "error", "-y", "-f", "lavfi", "-i", tone, *stereo, *words, str(path)]
    subprocess.run(command, check=True)
    return path


def flac(source: Path, stem: Path) -> Path | None:
    """The FLAC copy of *source*, as it would travel."""
    wave = wave_for_flac(str(source), MP3)
    made = wave and make_flac(FFMPEG, wave, str(stem))
    return Path(made) if made else None


TAGS = ("artist=Müller & Söhne", "title=Ein Titel", "comment=a;b#c = d", "track=3/9")
TAGGED = tuple(word for tag in TAGS for word in ("-metadata", tag))


@pytest.mark.parametrize(
    "words",
    [
        "",
        "-c:a pcm_s24le",
        "-ac 1",
        "-fflags +bitexact",
        "-rf64 auto",
        "-metadata title=one",
        "-metadata comment=ü",
    ],
)
def test_plain_wav_travels_as_flac(tmp_path: Path, words: str) -> None:
    seconds = 12 if "-ac 1" in words else 4
    source = wav(tmp_path / "a.wav", *words.split(), seconds=seconds)
    copy = flac(source, tmp_path / "copy")
    assert copy is not None
    assert copy.stat().st_size < 0.8 * source.stat().st_size
    assert pcm(copy) == pcm(source)
    assert {p.name for p in tmp_path.iterdir()} == {"a.wav", "copy.flac"}


def pcm(path: Path) -> bytes:
    """All samples of *path*, in as many bits as there are."""
    media = read_streams(FFMPEG, str(path))
    assert media is not None
    (stream,) = media.streams
    form = f"s{stream.bits}le"
    command = [FFMPEG, "-v", "error", "-i", str(path), "-c:a", f"pcm_{form}", "-f", form, "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a RIFF file."""
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def with_chunk(name: bytes, data: bytes) -> Callable[[bytes], bytes]:
    """A change that appends a chunk, and counts it in the head."""

    def change(content: bytes) -> bytes:
        grown = content + chunk(name, data)
        return b"RIFF" + struct.pack("<I", len(grown) - 8) + grown[8:]

    return change


def at(place: int, data: bytes) -> Callable[[bytes], bytes]:
    """A change of some bytes of the head."""
    return lambda content: content[:place] + data + content[place + len(data) :]


PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")


def extensible(
    tag: int = 0xFFFE, valid_bits: int = 16, speakers: int = 3, kind: bytes = PCM_GUID
) -> bytes:
    """The `fmt ` chunk of 16 bits in stereo, as programs write it that know about speakers."""
    head = struct.pack("<HHIIHHHHI", tag, 2, 48_000, 192_000, 4, 16, 22, valid_bits, speakers)
    return chunk(b"fmt ", head + kind)


PLAIN = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, 48_000, 192_000, 4, 16))
SOUND = chunk(b"data", bytes(400))


@pytest.mark.parametrize(
    ("chunks", "is_plain"),
    [
        (PLAIN + SOUND, True),
        (chunk(b"JUNK", bytes(28)) + PLAIN + SOUND, True),
        (extensible() + SOUND, True),
        (extensible(speakers=0) + SOUND, True),
        (extensible(speakers=12) + SOUND, False),  # it is for speakers behind
        (extensible(valid_bits=12) + SOUND, False),
        (extensible(kind=PCM_GUID[:-1] + b"x") + SOUND, False),  # it is not PCM
        (extensible(tag=3) + SOUND, False),
        (SOUND + PLAIN, False),
        (SOUND, False),
        (PLAIN, False),
        (PLAIN + chunk(b"data", b""), False),
        (PLAIN + chunk(b"data", bytes(402)), False),  # the last sample lacks a channel
    ],
)
def test_only_a_plain_header_is_taken_for_one(
    tmp_path: Path, chunks: bytes, is_plain: bool
) -> None:
    source = tmp_path / "a.wav"
    source.write_bytes(b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks)
    wave = read_wave(str(source))
    assert (wave is not None) is is_plain
    if wave:
        assert wave.format == (48_000, 2, 16, 100)
        assert source.read_bytes()[wave.start :] == bytes(400)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda content: content[:-1000], "it is cut off: the node is to see it"),
        (lambda content: content + b"rubbish", "something follows: the node is to see it"),
        (at(4, b"\xff\xff\xff\xff"), "its length is unknown"),
        (with_chunk(b"id3 ", b"ID3\x04\0\0\0\0\0\0"), "it has tags that FLAC has not"),
        (with_chunk(b"bext", bytes(602)), "it is a broadcast's"),
        (with_chunk(b"cue ", bytes(4)), "it has marks"),
        (with_chunk(b"smpl", bytes(36)), "it has loops"),
        (with_chunk(b"data", bytes(400)), "there are two parts of sound"),
        (with_chunk(b"LIST", b"adtl"), "it has labels"),
        (with_chunk(b"LIST", b"INFO" + chunk(b"IART", b"M\xfcller\0")), "its charset is unknown"),
        (with_chunk(b"LIST", b"INFO" + chunk(b"ILNG", b"de\0")), "its language is no tag of FLAC"),
        (
            with_chunk(b"LIST", b"INFO" + chunk(b"INAM", b"a\0") + chunk(b"INAM", b"b\0")),
            "it has two titles",
        ),
        (with_chunk(b"LIST", b"INFO" + b"INAM\xff\0\0\0a\0\0\0"), "a text ends after its chunk"),
        (at(20, b"\x03"), "it says that it is floating point"),
        (at(32, b"\x08"), "its samples are wider than their bits"),
        (lambda content: content[:300_000], "it is not worth it"),
    ],
)
def test_on_any_doubt_the_wav_travels(
    tmp_path: Path, change: Callable[[bytes], bytes], why: str
) -> None:
    # without a list of texts of its own, and 44 bytes of head
    source = wav(tmp_path / "a.wav", "-fflags", "+bitexact")
    assert wave_for_flac(str(source), MP3), "only what is changed makes it doubtful"
    source.write_bytes(change(source.read_bytes()))
    assert wave_for_flac(str(source), MP3) is None, why


@pytest.mark.parametrize(
    "words",
    [
        "-c:a pcm_u8",
        "-c:a pcm_s32le",
        "-c:a pcm_f32le",
        "-c:a adpcm_ms",
        "-ac 6",
        "-ac 6 -c:a pcm_s24le",
        "-rf64 always",
        "-f w64",
        "-f aiff",
        "-write_bext 1 -metadata description=x",
        "-metadata language=de",
    ],
)
def test_other_kinds_travel_as_they_are(tmp_path: Path, words: str) -> None:
    source = wav(tmp_path / "a.wav", *words.split())
    assert wave_for_flac(str(source), MP3) is None


@pytest.mark.parametrize(
    "how",
    [
        replace(MP3, is_preset=False),
        BUILT_IN["mp3"].recipe(input_arguments=("-ss", "1")),
        BUILT_IN["flac"].recipe(copy_if_fits=True),
        BUILT_IN["thumbnail"].recipe(),
    ],
    ids=["own arguments", "input options", "a copy is wanted", "a picture is wanted"],
)
def test_what_may_depend_on_the_file_gets_the_file(tmp_path: Path, how: object) -> None:
    source = wav(tmp_path / "a.wav")
    assert wave_for_flac(str(source), how) is None  # type: ignore[arg-type] # a recipe


def test_what_does_not_become_smaller_travels_as_it_is(tmp_path: Path) -> None:
    source = wav(tmp_path / "a.wav", "-ac", "1", "-filter:a", "volume=3", seconds=8, noise="white")
    assert wave_for_flac(str(source), MP3)
    assert flac(source, tmp_path / "copy") is None
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


def test_a_copy_with_other_samples_does_not_travel(tmp_path: Path) -> None:
    source = wav(tmp_path / "a.wav")
    wave = wave_for_flac(str(source), MP3)
    assert wave is not None
    louder = "if 'flac' in ARGUMENTS:\n    at = ARGUMENTS.index('-c:a')\n"
    louder += "    ARGUMENTS[at:at] = ['-af', 'volume=0.99:precision=fixed']\n"
    louder += "    sys.exit(start(REAL, *ARGUMENTS).wait())"
    wrong = stand_in_for_ffmpeg(tmp_path, louder, FFMPEG)
    assert make_flac(str(wrong.path), wave, str(tmp_path / "copy")) is None
    assert not list(tmp_path.glob("copy*"))


def test_on_a_full_disk_the_wav_travels(tmp_path: Path) -> None:
    source = wav(tmp_path / "a.wav")
    wave = wave_for_flac(str(source), MP3)
    assert wave is not None
    full = "if 'flac' in ARGUMENTS:\n    say('av_interleaved_write_frame(): No space left')\n"
    full += "    (open(os.path.join(HERE, 'copy.flac'), 'wb')).write(b'fLaC')\n    sys.exit(228)"
    program = stand_in_for_ffmpeg(tmp_path, full, FFMPEG)
    assert make_flac(str(program.path), wave, str(tmp_path / "copy")) is None
    assert not list(tmp_path.glob("copy*"))
    huge = replace(wave, size=1 << 60)
    assert make_flac(FFMPEG, huge, str(tmp_path / "copy")) is None, "it would fill the disk"


@pytest.mark.parametrize("preset", ["mp3", "m4a", "opus", "ogg", "flac", "wav", "podcast"])
@pytest.mark.parametrize(
    ("words", "rate"),
    [(TAGGED, 44100), (("-c:a", "pcm_s24le", *TAGGED), 96000)],
    ids=["16 bit", "24 bit"],
)
def test_each_preset_makes_the_same_of_the_copy(
    tmp_path: Path, preset: str, words: tuple[str, ...], rate: int
) -> None:
    source = wav(tmp_path / "a.wav", *words, rate=rate, seconds=3)
    copy = flac(source, tmp_path / "copy")
    assert copy is not None
    made = []
    for one in (source, copy):
        target = tmp_path / one.stem / f"result{recipe(preset).suffix}"
        done = converted(replace(work(one, target, how=recipe(preset)), size=source.stat().st_size))
        tags = mutagen.File(target).tags
        made.append((sound_of(target), tags.pprint(), done.notices, done.media_seconds))
    assert made[0] == made[1]
    assert "Müller & Söhne" in made[0][1]


def test_a_run_sends_flac_and_its_result_is_that_of_the_wav(
    cloud: Cloud, engine_on: MakeEngine, tmp_path: Path, destination: Path
) -> None:
    (tmp_path / "in").mkdir()
    source = wav(tmp_path / "in" / "a.wav")
    plan = plan_of(source.parent, destination)
    told = drive(engine_on(cloud, upload="audio-only", keep=True), plan)
    assert not told.failures
    assert 0 < uploaded(cloud) < 0.8 * source.stat().st_size
    whole = tmp_path / "whole"
    told = drive(engine_on(cloud, upload="whole", keep=True), plan_of(source.parent, whole))
    assert told.results["a.mp3"].state is State.CONVERTED
    assert uploaded(cloud) > source.stat().st_size
    assert (destination / "a.mp3").read_bytes() == (whole / "a.mp3").read_bytes()
    assert not list((destination / ".runner" / "tmp").glob("*"))


def test_a_source_that_changes_while_it_is_encoded_is_not_converted(
    cloud: Cloud, engine_on: MakeEngine, tmp_path: Path, destination: Path
) -> None:
    (tmp_path / "in").mkdir()
    source = wav(tmp_path / "in" / "a.wav")
    grow = f"if 'flac' in ARGUMENTS:\n    open({str(source)!r}, 'ab').write(b'more')"
    program = stand_in_for_ffmpeg(tmp_path, grow, FFMPEG)
    engine = replace(engine_on(cloud, retries=0, keep=True), ffmpeg=str(program.path))
    told = drive(engine, plan_of(source.parent, destination))
    assert "the file changed while it was read" in told.failures["a.mp3"].message
    assert program.starts
    assert uploaded(cloud) == 0


@pytest.mark.parametrize(
    ("line", "encoder", "size", "wanted"),
    [
        (None, None, 60_000_000, True),
        (None, 40e6, 60_000_000, True),
        (None, None, 4_000_000_000, False),
        (1e6, None, 4_000_000_000, True),
        (12e6, 40e6, 4_000_000_000, True),
        (100e6, 40e6, 60_000_000, False),
        (1e6, 0.0, 60_000_000, False),
    ],
)
def test_wav_is_encoded_while_the_line_is_slower_than_the_encoder(
    line: float | None, encoder: float | None, size: int, wanted: bool
) -> None:
    assert pays(line, encoder, size) is wanted


def test_the_line_is_measured_and_a_fast_one_takes_the_wav(tmp_path: Path) -> None:
    copies = FlacCopies()
    wave = wave_for_flac(str(wav(tmp_path / "a.wav")), MP3)
    assert wave is not None
    assert copies.make(FFMPEG, wave, str(tmp_path / "first"), is_wanted=False)
    with copies.uploading(1):
        pass
    with copies.uploading(LINE):
        pass
    assert copies.make(FFMPEG, wave, str(tmp_path / "second"), is_wanted=False) is None
    assert copies.make(FFMPEG, wave, str(tmp_path / "third"), is_wanted=True)


@pytest.mark.parametrize(
    ("words", "size", "share"),
    [
        ("-c:a pcm_s16le", 10_000_000, 0.6),
        ("-c:a pcm_s24le", 10_000_000, 0.6),
        ("-c:a pcm_s16le", 10_000, 1),
        ("-c:a pcm_u8", 10_000_000, 1),
    ],
)
def test_an_estimate_knows_that_pcm_travels_as_flac(
    tmp_path: Path, words: str, size: int, share: float
) -> None:
    media = read_streams(FFMPEG, str(wav(tmp_path / "a.wav", *words.split(), seconds=0.1)))
    assert media is not None
    look = content_of(Conversion(Source("a.wav", size, 0), "a.mp3", MP3), media)
    assert look.sent == share * size
