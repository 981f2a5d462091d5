"""Names are the user's: any that the file system takes is converted, shown and remembered."""

import json
import os
from pathlib import Path

import pytest

from runner.media.paths import fault_on_windows
from tests.conftest import Run, names
from tests.media import Media
from tests.stand_in import MakeStandIn

NAMES = {
    "spaces": "two  words and a trailing one .mp3",
    "quotes": """it's a "quoted" `name`.mp3""",
    "a command": "$(touch pwned) && rm -rf; |.mp3",
    "a newline": "first\nsecond.mp3",
    "a tab and an escape": "tab\tred\x1b[31m.mp3",
    "a leading dash": "-y.mp3",
    "a protocol": "a:b.mp3",
    "http": "http:x.mp3",
    "a pattern": "%d-%03d.mp3",
    "a glob": "[a]*?{b}.mp3",
    "emoji": "🎵 söng 日本語.mp3",
    "decomposed": "e\u0301tude.mp3",
    "right to left": "شريط.mp3",
    "255 bytes": "n" * 251 + ".mp3",
    "255 bytes of emoji": "🎵" * 62 + "abc.mp3",
    "invalid UTF-8": "caf\udce9\udcff.mp3",
    "two dots": "a.v2.mp3",
    "reserved by Windows": "CON.mp3",
    "reserved with a dot": "aux.tar.mp3",
    "braces": "{stem}{0}.mp3",
    "a backslash": "a\\b.mp3",
    "upper case": "LOUD.MP3",
    "a percent and hash": "50%#1?x=y&z.mp3",
}


def can_be_had(kind: str) -> bool:
    """Whether this system can have such a name; elsewhere the rest of them is tried."""
    return os.name == "posix" or not (fault_on_windows(NAMES[kind]) or "\udce9" in NAMES[kind])


@pytest.mark.parametrize("kind", [kind for kind in NAMES if can_be_had(kind)])
def test_any_name_is_converted_shown_and_remembered(
    kind: str, run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    name = NAMES[kind]
    source = media.put("clip.mp3", tmp_path / "in" / name)
    target = f"{Path(name).stem}.wav"

    first = run("convert", "in", "--to", "wav")
    assert first.exit_code == 0, first.stderr
    assert list(map(os.fsencode, names(destination))) == [os.fsencode(target)]
    assert not (tmp_path / "pwned").exists()
    # a line for the start, the file and the end: no name breaks a line or paints the terminal
    assert len(first.stderr.splitlines()) == 3
    assert "\x1b" not in first.stderr

    assert "1 up to date" in run("convert", "in", "--to", "wav").stderr
    log = run("logs", source)
    assert log.exit_code == 0
    assert "Audio: pcm_s16le" in log.stdout
    assert run("logs", destination / target).stdout == log.stdout


def test_a_leading_dash_is_a_name_behind_a_folder(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp3", tmp_path / "-i.mp3")
    assert run("convert", "./-i.mp3", "--to", "wav").exit_code == 0
    assert names(destination) == {"-i.wav"}


@pytest.mark.parametrize("folder", ["", "sub", "sub/sub"])
def test_a_name_that_gets_too_long_is_said_to_be_before_the_work(
    folder: str,
    run: Run,
    media: Media,
    tmp_path: Path,
    destination: Path,
    stand_in: MakeStandIn,
) -> None:
    media.put(
        "clip.mp3", tmp_path / "in" / folder / ("n" * 251 + ".mp3"), tmp_path / "in" / "ok.mp3"
    )
    program = stand_in()
    foreseen = run("convert", "in", "--to", "opus", "-n")
    assert "name too long" in foreseen.stdout or " does not allow the name " in foreseen.stderr
    assert "dry run: 1 of " in foreseen.stderr
    result = run("convert", "in", "--to", "opus", "--ffmpeg", program.path)
    assert result.exit_code == 1
    assert " does not allow the name " in result.stderr or " name is too long " in result.stderr
    assert "  name: " in result.failures[0]
    assert names(destination) == {"ok.opus"}
    assert sum(" -i " in start for start in program.starts) == 1
    short = run("convert", "in", "--to", "opus", "--name", "{stem:.20}{ext}")
    assert short.exit_code == 0


def test_a_file_without_a_suffix_is_taken_when_it_is_named(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp4", tmp_path / "in" / "film")
    assert run("convert", "in").exit_code == 3
    assert run("convert", "in/film").exit_code == 0
    assert names(destination) == {"film.mp3"}


def test_a_name_of_several_dots_loses_only_its_last_suffix(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp4", tmp_path / "in" / "a.v2.mp4", tmp_path / "in" / "a.v3.mp4")
    assert run("convert", "in").exit_code == 0
    assert names(destination) == {"a.v2.mp3", "a.v3.mp3"}


def test_the_same_name_in_two_folders_stays_apart(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp4", *(tmp_path / "in" / d / "a.mp4" for d in ("x", "y/z", ".")))
    assert run("convert", "in").exit_code == 0
    assert names(destination) == {"a.mp3", "x/a.mp3", "y/z/a.mp3"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.mp4", "a.mov"),
        ("Song.mp4", "song.mp4"),
        ("\u00e9.mp4", "e\u0301.mp4"),
        ("\u00c9.mp4", "e\u0301.mov"),
    ],
    ids=["two suffixes", "case", "accents", "case and accents"],
)
def test_two_files_for_one_name_are_left_out_and_reported_and_the_rest_is_converted(
    one: str, other: str, run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp4", *(tmp_path / "in" / name for name in (one, other, "third.mp4")))
    if len(names(tmp_path / "in")) < 3:
        pytest.skip("this file system has one file for both names")
    for _ in range(2):  # the same command again says the same
        result = run("convert", "in")
        assert result.exit_code == 1
        assert names(destination) == {"third.mp3"}
        assert len(result.failures) == 2
        assert all("--on-clash suffix" in line for line in result.failures)
    assert run("convert", "in", "--on-clash", "error").exit_code == 2


def test_retry_does_not_write_two_files_to_one_name(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp4", *(tmp_path / "in" / name for name in ("a.mp4", "a.mov")))
    assert run("convert", "in").exit_code == 1
    status = run("status")
    assert "a.mp4" in status.stdout
    assert "a.mov" in status.stdout
    assert run("retry").exit_code == 3
    assert names(destination) == set()


@pytest.mark.parametrize("how", [("--on-clash", "suffix"), ("--name", "{dir}/{name}{ext}")])
def test_the_advice_about_clashes_works(
    how: tuple[str, str], run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp4", tmp_path / "in" / "a.mp4", tmp_path / "in" / "a.mov")
    assert run("convert", "in", *how).exit_code == 0
    assert names(destination) == {"a.mp4.mp3", "a.mov.mp3"}


@pytest.mark.parametrize(
    ("template", "target"),
    [
        ("{dir}/{stem}{ext}", "x/y/söng.wav"),
        ("{stem}{ext}", "söng.wav"),
        ("{name}{ext}", "söng.mp3.wav"),
        ("flat/{stem}-final{ext}", "flat/söng-final.wav"),
        ("{dir}/{dir}/{stem}{ext}", "x/y/x/y/söng.wav"),
        ("{stem}", "söng"),
        ("{stem}{{}}{ext}", "söng{}.wav"),
    ],
)
def test_a_template_names_the_results(
    template: str, target: str, run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp3", tmp_path / "in" / "x" / "y" / "söng.mp3")
    assert run("convert", "in", "--to", "wav", "--name", template).exit_code == 0
    assert names(destination) == {target}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_names_are_shown_on_a_terminal_of_another_encoding(
    encoding: str, run: Run, media: Media, tmp_path: Path
) -> None:
    kinds = [kind for kind in ("emoji", "invalid UTF-8") if can_be_had(kind)]
    media.put("clip.mp3", *(tmp_path / "in" / NAMES[kind] for kind in kinds))
    media.put("text.mp4", tmp_path / "in" / "bad 🎵 too.mp4")
    codes = {
        ("convert", "in", "--to", "wav", "--dry-run"): 0,
        ("convert", "in", "--to", "wav", "-v"): 1,
        ("status",): 0,
        ("logs",): 0,
        ("runs",): 0,
        ("retry",): 1,
    }
    for command, code in codes.items():
        result = run(*command, PYTHONIOENCODING=encoding)
        assert "Traceback" not in result.stderr
        assert result.exit_code == code
    # and so in a process, whose streams Python has opened
    shown = run.process("convert", "in", "--to", "wav", "--dry-run", PYTHONIOENCODING=encoding)
    assert (shown.exit_code, "Traceback" in shown.stderr) == (0, False)


def test_json_tells_any_name_in_a_way_that_can_be_turned_back(
    run: Run, media: Media, tmp_path: Path
) -> None:
    kinds = ("invalid UTF-8", "a newline", "emoji", "quotes", "a percent and hash", "a pattern")
    wanted = {NAMES[kind] for kind in kinds if can_be_had(kind)}
    media.put("clip.mp3", *(tmp_path / "in" / name for name in wanted))
    lines = run("convert", "in", "--to", "wav", "--json").stdout.splitlines()
    sources = {Path(line["source"]).name for line in map(json.loads, lines) if "source" in line}
    assert set(map(os.fsencode, sources)) == set(map(os.fsencode, wanted))
