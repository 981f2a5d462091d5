"""What ffmpeg prints is understood in the words of each of its versions, from recorded logs.

`logs/VERSION/CASE.txt` hold the standard error of `ffmpeg -loglevel repeat+level+verbose -xerror`.
"""

from pathlib import Path

import pytest

from runner.media.failures import Kind, fault_lines, judge_log
from runner.media.ffmpeg import without_verbose
from runner.media.probe import MediaInfo, Stream, parse_log
from runner.wording import bytes_text, printable, seconds_text, shortened

LOGS = Path(__file__).with_name("logs")
VERSIONS = sorted(path.name for path in LOGS.iterdir())
FAULTS = {
    "no-audio": (Kind.INPUT, "no audio stream"),
    "no-moov": (Kind.INPUT, "not a whole media file: moov atom not found"),
    "gone": (Kind.INPUT, "the file is gone"),
    "encoder": (Kind.SETTINGS, "this ffmpeg has no encoder 'libfraunhofer'"),
    "option": (Kind.SETTINGS, "ffmpeg knows no option 'frobnicate'"),
    "filter": (Kind.SETTINGS, "this ffmpeg has no filter 'frobnicate'"),
    "value": (Kind.SETTINGS, "bad value for b: loud"),
    "number": (Kind.SETTINGS, "bad value for ar: fast"),
    "suffix": (Kind.SETTINGS, "ffmpeg knows no format for this suffix"),
    "disk-full": (Kind.ENVIRONMENT, "the disk is full"),
}
FILM = Stream(0, "video", "h264")

every_version = pytest.mark.parametrize("version", VERSIONS)


def log(version: str, case: str) -> str:
    return (LOGS / version / f"{case}.txt").read_text(encoding="utf-8")


def test_the_oldest_and_the_newest_version_were_recorded() -> None:
    assert VERSIONS == ["4.2", "5.1", "7.0", "9.0"]


@pytest.mark.parametrize("case", FAULTS)
@every_version
def test_a_fault_is_named_alike_by_every_version(case: str, version: str) -> None:
    assert judge_log(log(version, case), wanted="audio") == FAULTS[case]


@every_version
def test_damage_is_the_sources_fault(version: str) -> None:
    kind, message = judge_log(log(version, "truncated"), wanted="audio")
    assert kind is Kind.INPUT
    assert message.startswith("damaged")


@every_version
def test_an_unforeseen_fault_is_told_in_ffmpegs_first_words(version: str) -> None:
    kind, message = judge_log(log(version, "layout"), wanted="audio")
    assert kind is Kind.INPUT
    assert message.startswith("ffmpeg failed: Invalid channel layout 5.1(side)")


def test_a_missing_stream_is_named_by_what_was_wanted() -> None:
    words = "[fatal] Stream map '0:V:0' matches no streams."
    assert judge_log(words, wanted="video")[1] == "no video stream"
    assert judge_log(words, wanted="image")[1] == "no video stream"


def test_no_words_are_no_reason() -> None:
    assert judge_log("", wanted="audio") == (Kind.INPUT, "ffmpeg failed: it gave no reason")


@pytest.mark.parametrize(
    ("case", "media"),
    [
        (
            "film",
            MediaInfo(
                "mov,mp4,m4a,3gp,3g2,mj2", 2.0, (FILM, Stream(1, "audio", "aac", rate=44100))
            ),
        ),
        (
            "two-tracks",
            MediaInfo(
                "matroska,webm",
                2.0,
                (
                    Stream(0, "video", "h264", duration=2.0),
                    Stream(1, "audio", "flac", duration=2.0, rate=44100),
                    Stream(2, "audio", "flac", duration=2.0, rate=44100),
                ),
            ),
        ),
        (
            "cover",
            MediaInfo(
                "flac",
                2.0,
                (Stream(0, "audio", "flac", rate=44100), Stream(1, "video", "png", is_cover=True)),
            ),
        ),
        ("guessed-length", MediaInfo("mp3", None, (Stream(0, "audio", "mp3", rate=44100),))),
        (
            "no-length",
            MediaInfo(
                "matroska,webm",
                None,
                (Stream(0, "video", "vp8"), Stream(1, "audio", "opus", rate=48000)),
            ),
        ),
        ("no-audio", MediaInfo("mov,mp4,m4a,3gp,3g2,mj2", 2.0, (FILM,))),
        ("no-moov", None),
        ("gone", None),
    ],
)
@every_version
def test_what_a_file_holds_is_read_alike_from_every_version(
    case: str, media: MediaInfo | None, version: str
) -> None:
    assert parse_log(log(version, case)) == media
    assert parse_log(without_verbose(log(version, case))) == media


@every_version
def test_what_only_we_wanted_to_see_is_taken_out_again(version: str) -> None:
    short = without_verbose(log(version, "film"))
    assert "[verbose]" not in short
    assert "Output #0, mp3" in short
    assert fault_lines(without_verbose(log(version, "encoder")))


def test_a_stream_is_counted_among_its_kind_without_covers() -> None:
    media = MediaInfo(
        "x",
        None,
        (
            Stream(0, "video", "png", is_cover=True),
            Stream(1, "audio", "aac"),
            FILM,
            Stream(3, "audio", "ac3"),
        ),
    )
    assert media.stream("video") == FILM
    second = media.stream("audio", 1)
    assert second is not None
    assert second.codec == "ac3"
    assert media.stream("audio", 2) is None
    assert media.stream("subtitle") is None


def test_a_title_cannot_pose_as_a_duration() -> None:
    words = (
        "[info] Input #0, mp3, from 'file:x':\n"
        "[info]   Metadata:\n"
        "[info]     title           : Duration: 00:00:09.00\n"
        "[info]   Duration: 00:00:02.00, start: 0.0\n"
    )
    assert parse_log(words) == MediaInfo("mp3", 2.0)


# ---- our own words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (59.4, "59 s"), (60, "1 m 00 s")),
        *((534, "8 m 54 s"), (3600, "1 h 00 m"), (220_320, "61 h 12 m")),
    ],
)
def test_times_are_said_as_people_do(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        *(
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (3_400_000_000, "3.4 GB"),
            (2e18, "2000.0 PB"),
        )
    ],
)
def test_sizes_are_said_as_people_do(size: float, text: str) -> None:
    assert bytes_text(size) == text


def test_a_long_name_loses_its_middle() -> None:
    assert shortened("a long name.mp3", 10) == "a l…me.mp3"
    assert len(shortened("x" * 50, 5)) == 5
    assert shortened("short", 10) == "short"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("söng 🎵.mp3", "söng 🎵.mp3"),
        ("a\nb\t\x1b[31m", r"a\nb\t\x1b[31m"),
        ("caf\udce9", r"caf\xe9"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
    ],
)
def test_names_are_printed_on_one_line_of_any_terminal(name: str, text: str) -> None:
    assert printable(name) == text
