"""Settings come from the flag, the environment, the project's file, the user's, the default."""

from pathlib import Path

import pytest

from tests.conftest import Run, names
from tests.media import Media


@pytest.fixture
def folder(media: Media, tmp_path: Path) -> Path:
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    return tmp_path / "in"


def test_the_nearest_setting_wins(
    run: Run, folder: Path, tmp_path: Path, user_file: Path, destination: Path
) -> None:
    def made(*words: str, **environment: str) -> str:
        there = Run(run.folder, run.environment | environment)
        assert there("convert", "in", *words).exit_code == 0
        (name,) = names(destination)
        (destination / name).unlink()
        return name

    assert made("--preset", "m4a") == "a.m4a"
    user_file.write_text('[convert]\nto = "opus"\n')
    assert made() == "a.opus"
    (tmp_path / ".runner.toml").write_text('[convert]\nto = "ogg"\n')
    assert made() == "a.ogg"
    assert made(RUNNER_TO="flac") == "a.flac"
    assert made("--to", "wav", RUNNER_TO="flac") == "a.wav"


def test_every_option_has_its_variable(run: Run, folder: Path, tmp_path: Path) -> None:
    result = run(
        "convert",
        "in",
        RUNNER_OUT="elsewhere",
        RUNNER_NAME="{stem}-x{ext}",
        RUNNER_PRESET="wav",
        RUNNER_JSON="1",
    )
    assert result.exit_code == 0
    assert names(tmp_path / "elsewhere") == {"a-x.wav"}
    assert result.stdout


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[convert", "is not valid TOML: "),
        (f"a = {'[' * 100_000}", "is not valid TOML: it is nested too deeply"),
        ("convert = 3", "'convert' must be a table: [convert]"),
        ("[convert]\nspeed = 3", "unknown setting 'speed'"),
        ("[conver]\n", "unknown table 'conver'; choose from convert, presets"),
    ],
)
def test_a_settings_file_that_is_not_right_is_2_and_named(
    text: str, reason: str, run: Run, folder: Path, user_file: Path
) -> None:
    user_file.write_text(text)
    result = run("convert", "in")
    assert result.exit_code == 2
    assert user_file.as_posix() in result.error
    assert reason in result.error


@pytest.mark.parametrize("text", ["jobs = 'many'", "overwrite = 'maybe'", "retries = -1"])
def test_a_value_of_the_wrong_kind_is_2(text: str, run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".runner.toml").write_text(f"[convert]\n{text}\n")
    result = run("convert", "in")
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_lists_are_set_as_lists(run: Run, folder: Path, media: Media, destination: Path) -> None:
    media.put("clip.mp3", folder / "b.mp3", folder / "c.mp3")
    settings = folder.parent / ".runner.toml"
    settings.write_text('[convert]\nto = "wav"\nexclude = ["a.*", "b.*"]\n')
    assert run("convert", "in").exit_code == 0
    assert names(destination) == {"c.wav"}


def test_an_unreadable_settings_file_is_2(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".runner.toml").mkdir()
    result = run("convert", "in")
    assert result.exit_code == 2
    assert result.error.startswith("cannot read the settings in .runner.toml")
