"""What ffmpeg prints is understood in the words of each of its versions, from recorded logs.

`logs/VERSION/CASE.txt` hold the standard error of `ffmpeg -loglevel repeat+level+verbose -xerror`,
and `logs/VERSION/settings.txt` what is marked as an error in those of wrong settings.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from runner.formatting import bytes_text, display_path, printable, seconds_text, shortened
from runner.media.failures import Kind, fault_lines
from runner.media.ffmpeg import without_verbose
from runner.media.ffmpeg_errors import classify_log
from runner.media.probe import MediaInfo, Stream, parse_log

LOGS = Path(__file__).with_name("logs")
VERSIONS = sorted(path.name for path in LOGS.iterdir())
FAULTS = {
    "no-audio": (Kind.INPUT, "no audio stream"),
    "no-moov": (Kind.INPUT, "not a whole media file: moov atom not found"),
    "gone": (Kind.INPUT, "the file is gone"),
    "encoder": (Kind.SETTINGS, "this ffmpeg has no encoder 'libfraunhofer'"),
    "option": (Kind.SETTINGS, "ffmpeg does not know the option 'frobnicate'"),
    "filter": (Kind.SETTINGS, "this ffmpeg has no filter 'frobnicate'"),
    "value": (Kind.SETTINGS, "bad value for b: loud"),
    "number": (Kind.SETTINGS, "bad value for ar: fast"),
    "suffix": (Kind.SETTINGS, "ffmpeg does not know a format for this suffix"),
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
    assert classify_log(log(version, case)) == FAULTS[case]


WRONG_SETTINGS = {
    "tune": "the encoder has no tune 'bogus'",
    "preset": "the encoder has no preset 'bogus'",
    "profile-name": "the encoder has no profile 'bogus'",
    "profile": "the encoder libx264 rejects these settings: baseline profile doesn't support 4:2:2",
    "x265-params": "the encoder libx265 rejects these settings: Lookahead depth must be greater"
    " than the max consecutive bframe count",
    "v4l2m2m": "the encoder h264_v4l2m2m rejects these settings: Could not find a valid device",
    "pix_fmt-unknown": "this ffmpeg has no pixel format 'frobnicate'",
    "odd-size": "the encoder only accepts even sizes, not 321x181",
    "huge-size": "a picture of 100000x100000 is too large",
    "srt-in-mp4": "this container cannot hold subrip",
    "aac-in-mxf": "the container does not accept this content: only 48khz is implemented",
    "x264-in-webm": "the container rejects it: Only VP8 or VP9 or AV1 video and Vorbis or Opus audio"
    " and WebVTT subtitles are supported for WebM",
    "aac-copied-to-mp3": "the container rejects it: Exactly one MP3 audio stream is required",
    "hwaccel": "-hwaccel is for the input, and these arguments are for the output",
    "subtitles-file": "the file nothere.srt cannot be opened",
    "lut-file": "the file nothere.cube cannot be opened",
    "attach": "the attachment nothere.ttf cannot be opened",
    "other-input": "another input cannot be opened",
    "map-9": "'-map 0:9' fits no stream of this file",
    "map-bad": "'-map bogus' fits no stream of this file",
    "map-input-1": "there is only one input, number 0, and no number 1",
    "map_metadata": "there is only one input, number 0, and no number 5",
    "filter-option": "the filter has no option 'bogus'",
    "opus-rate": "libopus does not accept the sample rate 44100",
    "channels-mp3": "libmp3lame does not accept the channel layout 5.1",
    "sample_fmt": "this ffmpeg has no sample format 'bogus'",
    "sample_fmt-refused": "libmp3lame does not accept the sample format u8",
    "channel_layout": "this ffmpeg has no channel layout 'bogus'",
    "crf": "bad value for crf: loud",
    "movflags": "bad value for movflags: bogus",
    "time": "bad value for t: never",
    "bad-size": "bad value for s: wide",
    "rate-zero": "bad value for r: 0",
    "bsf": "this ffmpeg has no bitstream filter 'frobnicate'",
    "format": "ffmpeg does not know the format 'frobnicate'",
    "audio-encoder-for-video": "'aac' is not an encoder for this stream",
    "copy-and-filter": "a stream that is copied cannot be filtered",
}


def settings_logs(version: str) -> dict[str, str]:
    """What ffmpeg said to each wrong setting that was tried, by name."""
    parts = log(version, "settings").split("## ")[1:]
    return {name: words for name, _, words in (part.partition("\n") for part in parts)}


@every_version
def test_a_wrong_setting_never_counts_as_damage(version: str) -> None:
    logs = settings_logs(version)
    assert len(logs) > 55
    found = {name: classify_log(words, source="/in/film.mkv") for name, words in logs.items()}
    assert {name: kind for name, (kind, _) in found.items() if kind is not Kind.SETTINGS} == {}
    assert [message for _, message in found.values() if "damaged" in message] == []
    assert [message for _, message in found.values() if "\n" in message or not message] == []


@pytest.mark.parametrize("case", WRONG_SETTINGS)
@every_version
def test_a_wrong_setting_is_explained_in_plain_words(case: str, version: str) -> None:
    assert classify_log(settings_logs(version)[case])[1] == WRONG_SETTINGS[case]


@pytest.mark.parametrize("suffix", [" by the libopus encoder", ""])  # since ffmpeg 7, and before
def test_of_two_encoders_the_one_that_complains_is_named(suffix: str) -> None:
    words = (
        "[info] Input #0, matroska,webm, from 'x':\n"
        "[info]   Stream #0:0 -> #0:0 (ffv1 (native) -> h264 (libx264))\n"
        "[info]   Stream #0:1 -> #0:1 (vorbis (native) -> opus (libopus))\n"
        f"[libopus @ 0x55] [error] Specified sample rate 44100 is not supported{suffix}\n"
    )
    assert classify_log(words) == (Kind.SETTINGS, "libopus does not accept the sample rate 44100")


@pytest.mark.parametrize("case", ["nvenc", "qsv"])
@every_version
def test_a_gpu_that_is_not_there_is_no_damage(case: str, version: str) -> None:
    _, message = classify_log(settings_logs(version)[case])
    encoder = f"h264_{case}"
    assert message.startswith(
        (f"no GPU for {encoder} here", f"this ffmpeg has no encoder '{encoder}'")
    )


@every_version
def test_a_layout_that_an_encoder_refuses_is_no_damage(version: str) -> None:
    assert classify_log(log(version, "layout")) == (
        Kind.SETTINGS,
        (
            "the encoder libopus rejects these settings:"
            " Invalid channel layout 5.1(side) for specified mapping family -1"
        ),
    )


def test_a_missing_stream_is_named_by_what_was_wanted() -> None:
    words = "[info] Input #0, mp3, from 'x':\n[fatal] Stream map '0:V:0' matches no streams."
    assert classify_log(words) == (Kind.INPUT, "no video stream")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # a parser's, a demuxer's and an encoder's refusal of a size: trying again is of no use
        (
            "[in#0 @ 0x5500] [error] Error opening input: Cannot allocate memory",
            (Kind.INPUT, "its header is damaged: it asks for more memory than there is"),
        ),
        (
            "[error] file:/in/x: Cannot allocate memory",
            (Kind.INPUT, "its header is damaged: it asks for more memory than there is"),
        ),
        (
            (
                "[info] Input #0, wav, from 'file:/in/x':\n"
                "[aost#0:0/libmp3lame @ 0x5500] [error] Error encoding a frame: Cannot allocate memory"
            ),
            (Kind.INPUT, "libmp3lame cannot encode what was decoded"),
        ),
        (
            (
                "[info] Input #0, wav, from 'file:/in/x':\n"
                "x264 [error]: malloc of size 3110400 failed\n"
                "[error] Error while opening encoder for output stream #0:0"
            ),
            (Kind.TRANSIENT, "out of memory"),
        ),
    ],
)
def test_only_an_allocator_that_is_refused_is_out_of_memory(
    words: str, expected: tuple[Kind, str]
) -> None:
    assert classify_log(words, source="/in/x") == expected


@pytest.mark.parametrize(
    "words",
    [
        "[aist#0:0/none @ 0x1] [error] Decoding requested, but no decoder found for: none",
        "[error] Decoder (codec none) not found for input stream #0:0",
    ],
)
def test_a_codec_without_a_name_is_not_called_none(words: str) -> None:
    opened = "[info] Input #0, mov, from 'file:/in/x':\n"
    expected = (Kind.INPUT, "this ffmpeg does not know its codec")
    assert classify_log(opened + words, source="/in/x") == expected


def test_an_empty_log_blames_nobody() -> None:
    kind, message = classify_log("")
    assert kind is Kind.SETTINGS
    assert message == "ffmpeg failed: it gave no reason"


def plain(media: MediaInfo | None) -> MediaInfo | None:
    """*media* without what each version says of its streams in words of its own."""
    if media is None:
        return None
    streams = (replace(s, language="", details="", notes=()) for s in media.streams)
    return replace(media, streams=tuple(streams))


@pytest.mark.parametrize(
    ("case", "media"),
    [
        (
            "film",
            MediaInfo(
                "mov,mp4,m4a,3gp,3g2,mj2",
                2.0,
                (FILM, Stream(1, "audio", "aac", rate=44100, layout="stereo")),
            ),
        ),
        (
            "two-tracks",
            MediaInfo(
                "matroska,webm",
                2.0,
                (
                    Stream(0, "video", "h264", duration=2.0),
                    Stream(1, "audio", "flac", duration=2.0, rate=44100, layout="stereo", bits=24),
                    Stream(2, "audio", "flac", duration=2.0, rate=44100, layout="mono", bits=16),
                ),
            ),
        ),
        (
            "cover",
            MediaInfo(
                "flac",
                2.0,
                (
                    Stream(0, "audio", "flac", rate=44100, layout="stereo", bits=24),
                    Stream(1, "video", "png", is_cover=True),
                ),
            ),
        ),
        (
            "guessed-length",
            MediaInfo("mp3", None, (Stream(0, "audio", "mp3", rate=44100, layout="stereo"),)),
        ),
        (
            "no-length",
            MediaInfo(
                "matroska,webm",
                None,
                (
                    Stream(0, "video", "vp8"),
                    Stream(1, "audio", "opus", rate=48000, layout="stereo"),
                ),
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
    assert plain(parse_log(log(version, case))) == media
    assert plain(parse_log(without_verbose(log(version, case)))) == media


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
def test_times_are_formatted_for_people(seconds: float, text: str) -> None:
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
def test_sizes_are_formatted_for_people(size: float, text: str) -> None:
    assert bytes_text(size) == text


def test_a_long_name_loses_its_middle() -> None:
    assert shortened("a long name.mp3", 10) == "a l…me.mp3"
    assert len(shortened("x" * 50, 5)) == 5
    assert shortened("short", 10) == "short"
    assert "…" in shortened("a long name", 8)


def test_a_path_outside_the_current_folder_is_shown_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert display_path(tmp_path / "a.mp3") == str(tmp_path / "a.mp3")
    assert display_path(tmp_path / "here" / "a.mp3") == "a.mp3"


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
