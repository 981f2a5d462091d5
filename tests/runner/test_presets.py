"""Every preset converts for real, keeps what its format can hold, and is open to change."""

import json
import re
import shlex
import subprocess
from array import array
from itertools import pairwise
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.media.film import plain_arguments
from runner.presets import BUILT_IN, find_preset, for_suffix, read_presets
from tests.conftest import Run, names
from tests.media import SECOND_TONE, TONE, Media
from tests.runner.programs import converted, every_ffmpeg, recipe, work

CODECS = {
    "mp3": ("mp3", "Audio: mp3"),
    "m4a": ("m4a", "Audio: aac"),
    "opus": ("opus", "Audio: opus"),
    "ogg": ("ogg", "Audio: vorbis"),
    "flac": ("flac", "Audio: flac"),
    "wav": ("wav", "Audio: pcm_s16le"),
    "podcast": ("mp3", "Audio: mp3"),
    "mp4": ("mp4", "Video: h264", "Audio: aac"),
    "hevc": ("mp4", "Video: hevc", "Audio: aac"),
    "webm": ("webm", "Video: vp9", "Audio: opus"),
    "av1": ("mp4", "Video: av1", "Audio: aac"),
    "mkv": ("mkv", "Video: hevc", "Audio: aac"),
    "thumbnail": ("jpg", "Video: mjpeg"),
}
AUDIO = [name for name, preset in BUILT_IN.items() if preset.media == "audio"]


def look(media: Media, path: Path) -> str:
    """What ffmpeg says of *path*."""
    done = subprocess.run(
        [media.ffmpeg, "-hide_banner", "-i", str(path)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return done.stderr


def samples(media: Media, path: Path) -> list[int]:
    """The first channel of *path* at 8 kHz."""
    raw = media.run("-i", str(path), *shlex.split("-map 0:a:0 -ac 1 -ar 8000 -f s16le -"))
    return array("h", raw).tolist()


def tone(media: Media, path: Path) -> float:
    """The frequency of the sine wave in *path*, in Hz."""
    return tone_of(samples(media, path))


def tone_of(wave: list[int]) -> float:
    """The frequency of a sine *wave* of 8 kHz, in Hz."""
    middle = wave[2000:10_000]
    rises = sum(a < 0 <= b for a, b in pairwise(middle))
    return rises * 8000 / len(middle)


def loudness(media: Media, path: Path) -> float:
    """The integrated loudness of *path* (EBU R128), in LUFS."""
    done = subprocess.run(
        [media.ffmpeg, "-hide_banner", "-i", str(path), "-af", "ebur128", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(re.findall(r"I: +(-?[\d.]+) LUFS", done.stderr)[-1])


def test_every_preset_makes_its_codec_here() -> None:
    assert set(CODECS) == set(BUILT_IN)


@pytest.mark.parametrize("name", CODECS)
def test_a_preset_makes_what_it_is_called(
    name: str, run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp4", tmp_path / "a.mp4")
    assert run("convert", "a.mp4", "--preset", name).exit_code == 0
    suffix, *streams = CODECS[name]
    assert names(destination) == {f"a.{suffix}"}
    text = look(media, destination / f"a.{suffix}")
    for stream in streams:
        assert stream in text
    assert text.count("Stream #") == len(streams)


SAYING = ("all-said.mp3", "all-said.m4b", "all-said.mkv", "cover.flac", "clip.ogg", "clip.opus")
"""Files of each format with its tags, and with a cover and chapters where they start with `all-said`."""
EVERYWHERE = (
    *(("all-said.m4b", "mp3"), ("all-said.m4b", "flac"), ("all-said.m4b", "wav")),
    *(("all-said.mkv", "m4a"), ("all-said.mkv", "opus"), ("all-said.mkv", "podcast")),
    *(("all-said.mp3", "ogg"), ("cover.flac", "m4a"), ("clip.ogg", "mp3"), ("clip.opus", "flac")),
)
"""Each is read, and each is written: what differs between versions of ffmpeg is one or the other."""


def assert_all_is_there(media: Media, source: str, name: str, target: Path) -> None:
    """*target*, made by the preset *name*, has what *source* says of itself, and no film."""
    text = look(media, target)
    for tag in ("title", "artist", "date", "track"):
        assert re.search(rf"\b{tag}\s*: (söng|änn|2021|3)", text.casefold()), tag
    for junk in ("major_brand", "compatible_brands", "vendor_id"):
        if name not in ("m4a", "mp4"):
            assert junk not in text.casefold()
    assert text.count("Video: ") == text.count("(attached pic)") == (not source.startswith("clip"))
    if source.startswith("all-said"):
        assert len(re.findall(r"Chapter #0:\d", text)) == 2
        assert "Öne" in text


@pytest.mark.parametrize(("source", "name"), EVERYWHERE)
@every_ffmpeg
def test_tags_covers_and_chapters_survive(
    source: str, name: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    target = destination / f"a{recipe(name).suffix}"
    converted(work(media(source), target, how=recipe(name), ffmpeg=ffmpeg))
    assert_all_is_there(media, source, name, target)


@pytest.mark.parametrize(
    ("source", "name"),
    [(source, name) for source in SAYING for name in AUDIO if (source, name) not in EVERYWHERE],
)
def test_they_survive_from_every_format_to_every_other(
    source: str, name: str, media: Media, destination: Path
) -> None:
    target = destination / f"a{recipe(name).suffix}"
    converted(work(media(source), target, how=recipe(name)))
    assert_all_is_there(media, source, name, target)


@pytest.mark.parametrize("name", ["mp4", "webm", "mkv"])
@every_ffmpeg
def test_the_chapters_of_a_film_survive(
    name: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    target = destination / f"a{recipe(name).suffix}"
    converted(work(media("chapters.mkv"), target, how=recipe(name), ffmpeg=ffmpeg))
    text = look(media, target)
    assert len(re.findall(r"Chapter #0:\d", text)) == 2
    assert "Öne" in text


@pytest.mark.parametrize(
    ("source", "name"),
    # what it becomes depends on the picture alone, see test_covers.py; here it comes in another way
    [("gif-cover.mkv", "mp3"), ("webp-cover.flac", "flac"), ("bmp-cover.m4a", "ogg")],
)
def test_a_cover_that_players_do_not_show_becomes_one_that_they_do(
    source: str, name: str, media: Media, destination: Path
) -> None:
    target = destination / f"a{recipe(name).suffix}"
    converted(work(media(source), target, how=recipe(name)))
    assert re.search(r"Video: (mjpeg|png).*\(attached pic\)", look(media, target))


def test_the_files_title_wins_over_its_tracks(media: Media, destination: Path) -> None:
    target = destination / "a.mp3"
    converted(work(media("two-tracks.mkv"), target))
    assert re.search(r"title\s*: Film", look(media, target))


# ---- loudness


@pytest.mark.parametrize("source", ["talk.wav", "talk.mkv", "surround.mp4"])
@every_ffmpeg
def test_a_podcast_has_its_loudness(
    source: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    target = destination / "a.mp3"
    assert abs(loudness(media, media(source)) + 16) > 2
    converted(work(media(source), target, how=recipe("podcast"), ffmpeg=ffmpeg))
    assert loudness(media, target) == pytest.approx(-16, abs=1)
    assert ", mono," in look(media, target)


def test_silence_stays_silence(media: Media, destination: Path) -> None:
    target = destination / "a.mp3"
    converted(work(media("silent.mp4"), target, how=recipe("podcast")))
    assert max(map(abs, samples(media, target))) < 10


# ---- which audio stream


@pytest.mark.parametrize(("number", "frequency"), [(0, TONE), (1, SECOND_TONE)])
@pytest.mark.parametrize(
    ("preset", "source"),
    [
        *((preset, "two-tracks.mkv") for preset in ("mp3", "podcast", "mp4")),
        ("wav", "two-tracks.mp4"),
    ],
)
def test_the_audio_stream_is_chosen_by_its_number(
    preset: str, source: str, number: int, frequency: int, media: Media, destination: Path
) -> None:
    how = recipe(preset, audio_stream=number)
    target = destination / f"a{how.suffix}"
    converted(work(media(source), target, how=how))
    assert tone(media, target) == pytest.approx(frequency, rel=0.02)


def test_the_default_stream_is_taken_and_a_missing_one_is_named(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("two-tracks.mkv", tmp_path / "a.mkv")
    assert run("convert", "a.mkv", "--to", "wav").exit_code == 0
    assert tone(media, destination / "a.wav") == pytest.approx(SECOND_TONE, rel=0.02)
    for to in ("mp3", "mkv"):  # ffmpeg says so, or runner, which looks at films first
        result = run("convert", "a.mkv", "--to", to, "--audio-stream", "2")
        assert result.exit_code == 1
        assert "input: no audio stream 2: they are 0 to 1" in result.failures[0]


# ---- the user's own words


def test_arguments_behind_two_dashes_replace_the_presets(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp4", tmp_path / "a.mp4")
    done = run(
        "convert", "a.mp4", "--", "-map", "0:a:0", "-c:a", "libmp3lame", "-b:a", "64k", "-ac", "1"
    )
    assert done.exit_code == 0
    text = look(media, destination / "a.mp3")
    assert "mono" in text
    assert "64 kb/s" in text


def test_a_format_without_a_preset_needs_arguments_only(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp4", tmp_path / "a.mp4")
    assert run("convert", "a.mp4", "--to", "mka", "--", "-map", "0:a", "-c", "copy").exit_code == 0
    assert names(destination) == {"a.mka"}
    assert "Audio: aac" in look(media, destination / "a.mka")


@pytest.mark.parametrize("words", ["-t 0.5", "-ss 1", "-af atempo=2", "-filter:a atempo=0.5"])
def test_arguments_that_change_the_length_are_no_failure(
    words: str, run: Run, media: Media, tmp_path: Path
) -> None:
    media.put("clip.mp3", tmp_path / "a.mp3")
    assert run("convert", "a.mp3", "--to", "wav", "--", *words.split()).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "audio_filter", "keeps"),
    [
        (("-c:a", "flac"), "", True),
        (("-vf", "crop=trunc(iw/2)*2:trunc(ih/2)*2"), "", True),
        (("-vf", "scale=640:-2,format=yuv420p"), "", True),
        (("-af", "volume=2,atempo=2"), "", False),
        (("-filter_complex", "[0:a]amix"), "", False),
        (("-filter:a", "pan=mono|c0=c0"), "", True),
        (("-t", "3"), "", False),
        (("-frames:v", "1"), "", False),
        ((), "aformat=channel_layouts=mono", True),
        ((), "atempo=1.5", False),
        (("-af",), "", True),
    ],
)
def test_it_is_known_what_may_change_the_length(
    arguments: tuple[str, ...], audio_filter: str, keeps: bool
) -> None:
    preset = read_presets(
        {"own": {"suffix": "x", "arguments": list(arguments), "audio_filter": audio_filter}}, "f"
    )["own"]
    assert preset.recipe().keeps_length is keeps


OWN = """
[presets.voice]
summary = "Small, for speech"
suffix = ".opus"
arguments = ["-map", "0:{audio}", "-c:a", "libopus", "-b:a", "16k", "-ac", "1"]
audio_filter = "highpass=f=80"

[presets.MP3]
suffix = "mp3"
arguments = ["-map", "0:{audio}", "-c:a", "libmp3lame", "-b:a", "48k"]
loudness = -20
"""


@pytest.mark.parametrize("where", ["project", "user"])
def test_own_presets_convert(
    where: str, run: Run, media: Media, tmp_path: Path, destination: Path, user_file: Path
) -> None:
    media.put("two-tracks.mkv", tmp_path / "a.mkv")
    file = {"user": user_file, "project": tmp_path / ".runner.toml"}[where]
    file.write_text(OWN)
    assert run("convert", "a.mkv", "--preset", "voice", "--audio-stream", "1").exit_code == 0
    assert "Audio: opus, 48000 Hz, mono" in look(media, destination / "a.opus")
    assert tone(media, destination / "a.opus") == pytest.approx(SECOND_TONE, rel=0.02)
    shown = run("presets", "voice")
    assert shown.stdout == "-map 0:a:0 -c:a libopus -b:a 16k -ac 1\n"
    assert "voice: Small, for speech" in shown.stderr
    assert "voice" in run("presets").stdout


def test_the_projects_preset_wins_over_the_users_and_both_over_the_built_in(
    run: Run, tmp_path: Path, user_file: Path
) -> None:
    preset = '[presets.mp3]\nsuffix = ".mp3"\narguments = ["{}"]\n'
    assert "libmp3lame" in run("presets", "mp3").stdout
    user_file.write_text(preset.format("-user"))
    assert run("presets", "mp3").stdout == "-user\n"
    (tmp_path / ".runner.toml").write_text(preset.format("-project"))
    assert run("presets", "mp3").stdout == "-project\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[presets.x", "is not valid TOML: "),
        ("presets = 3", "'presets' must be a table: [presets]"),
        ("[presets]\nx = 3", "preset 'x' must be a table: [presets.x]"),
        ("[presets.x]\nsuffix = '.mp3'", "preset 'x' needs arguments, a list of texts"),
        ("[presets.x]\nsuffix = '.mp3'\narguments = '-c:a'", "needs arguments, a list of texts"),
        ("[presets.x]\nsuffix = '.mp3'\narguments = [1]", "needs arguments, a list of texts"),
        ("[presets.x]\narguments = []", "preset 'x' needs a suffix"),
        ("[presets.x]\narguments = []\nsuffix = 'a/b'", "preset 'x' needs a suffix"),
        ("[presets.x]\narguments = []\nsuffix = '.'", "preset 'x' needs a suffix"),
        ("[presets.x]\narguments = []\nsuffix = 'y'\nmedia = 'smell'", "media must be one of"),
        ("[presets.x]\narguments = []\nsuffix = 'y'\nloudness = 3", "loudness must be a number"),
        ("[presets.x]\narguments = []\nsuffix = 'y'\nspeed = 3", "has the unknown key 'speed'"),
        ("[preset.x]\narguments = []", "unknown table 'preset'"),
        (b"\xff", "is not in UTF-8"),
    ],
)
def test_a_broken_preset_file_is_2_and_says_where(
    run: Run, tmp_path: Path, text: str | bytes, reason: str
) -> None:
    (tmp_path / ".runner.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    for command in (("convert", "in"), ("presets",)):
        result = run(*command)
        assert result.exit_code == 2
        assert result.error.startswith(".runner.toml")
        assert reason in result.error
        assert "Traceback" not in result.stderr


# ---- looking at presets


def test_presets_are_listed_with_what_they_are_for(run: Run) -> None:
    lines = run("presets").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(BUILT_IN)
    assert all(BUILT_IN[line.split()[0]].summary in line for line in lines)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_exact_arguments_are_shown(name: str, run: Run) -> None:
    assert shlex.split(run("presets", name).stdout) == list(plain_arguments(recipe(name)))


@pytest.mark.parametrize(
    ("word", "name"), [("aac", "m4a"), (".MP3", "mp3"), ("h265", "hevc"), ("jpg", "thumbnail")]
)
def test_a_preset_is_found_by_other_words(word: str, name: str) -> None:
    assert find_preset(word, {}).name == name


def test_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown preset 'cassette'; choose from mp3, m4a"):
        for_suffix("cassette", (), {})
    assert for_suffix("cassette", ("-c", "copy"), {}).suffix == ".cassette"


def test_a_recipe_survives_its_journey_as_json() -> None:
    for name in BUILT_IN:
        how = recipe(name, audio_stream=2, verify="decode")
        text = how.as_json()
        assert type(how).from_json(text) == how
        newer = json.dumps(json.loads(text) | {"from the future": 1})
        assert type(how).from_json(newer) == how


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--audio-language", "de"], "audio-language"),
        (["--audio-stream", "1"], "audio-stream"),
        (["--subtitles", "none"], "subtitles"),
        (["--subtitles", "keep"], "subtitles"),
        (["--deinterlace", "off"], "deinterlace"),
        (["--copy-if-fits"], "copy-if-fits"),
    ],
)
def test_an_option_that_own_arguments_would_silence_is_refused(
    options: list[str], name: str, run: Run, media: Media, tmp_path: Path
) -> None:
    media.put("clip.mp4", tmp_path / "a.mp4")
    result = run("convert", "a.mp4", "--to", "mp4", *options, "--", "-c:v", "libx264")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: --{name} would have no effect: your own arguments")


def test_what_settings_say_of_presets_is_no_hindrance_to_own_arguments(
    run: Run, media: Media, tmp_path: Path
) -> None:
    media.put("clip.wav", tmp_path / "a.wav")
    (tmp_path / ".runner.toml").write_text(
        '[convert]\naudio-language = "de"\ncopy-if-fits = true\n'
    )
    assert run("convert", "a.wav", "--to", "mp3", "--", "-c:a", "libmp3lame").exit_code == 0


def test_an_own_preset_may_leave_all_to_ffmpeg(run: Run, media: Media, tmp_path: Path) -> None:
    media.put("clip.mp3", tmp_path / "a.mp3")
    (tmp_path / ".runner.toml").write_text('[presets.bare]\nsuffix = ".wav"\narguments = []\n')
    result = run("convert", "a.mp3", "--preset", "bare")
    assert result.exit_code == 0, result.stderr


def test_a_soundtrack_cannot_be_asked_for_where_an_own_preset_names_it(
    run: Run, media: Media, tmp_path: Path
) -> None:
    media.put("two-tracks.mkv", tmp_path / "a.mkv")
    (tmp_path / ".runner.toml").write_text(
        '[presets.first]\nsuffix = "flac"\narguments = ["-map", "0:a:0", "-c:a", "flac"]\n'
    )
    result = run("convert", "a.mkv", "--preset", "first", "--audio-stream", "1")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: --audio-stream would have no effect: "
        "the preset 'first' does not use {audio} in its arguments\n"
    )


def test_results_of_own_arguments_are_checked_against_the_track_that_they_name(
    run: Run, media: Media, tmp_path: Path
) -> None:
    media.run(
        *shlex.split("-f lavfi -i sine=d=4 -f lavfi -i sine=d=1 -map 0 -map 1 -c:a flac"),
        str(tmp_path / "a.mkv"),
    )
    result = run("convert", "a.mkv", "--to", "flac", "--", "-map", "0:a:1", "-c:a", "flac")
    assert result.exit_code == 0, result.stderr
