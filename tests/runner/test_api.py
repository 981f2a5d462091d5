"""The Python interface: what its page shows works as shown, and costs the command nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import runner
from runner import Event, Notice, RunnerError, RunOptions, State, convert, prepare, summarize
from tests.conftest import Run
from tests.media import Media

ROOT = Path(__file__).parents[2]


def test_the_example_of_the_page_works(media: Media, run: Run, tmp_path: Path) -> None:
    media.put("clip.mp4", tmp_path / "talks" / "day 1" / "My Talk.mp4")
    media.put("clip.mp4", tmp_path / "talks" / "drafts" / "no.mp4")
    (tmp_path / "talks" / "bad.mp4").write_text("no film at all")
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={**run.environment, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "2 files"
    good, bad = sorted(lines[1:3], key=lambda line: "bad" in line)
    assert good == "converted day 1/My Talk.mp3"
    assert bad.startswith(f"{tmp_path / 'talks' / 'bad.mp4'} input not a whole media file")
    assert lines[3].startswith("2 files: 1 converted, 1 failed")
    assert done.stderr == "", "a library says nothing by itself"


def test_the_same_call_again_converts_nothing_and_the_command_knows_of_both(
    media: Media, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = media.put("clip.flac", tmp_path / "in" / "a.flac")
    plan = prepare([source], tmp_path / "out", to="opus")
    seen: list[Event | Notice] = []
    first = convert(plan, on_event=seen.append, options=RunOptions(verify="decode"), jobs=1)
    again = convert(plan)
    assert (first.count(State.CONVERTED), again.count(State.UP_TO_DATE)) == (1, 1)
    assert State.RUNNING in [one.state for one in seen if isinstance(one, Event)]
    assert summarize(again) == ["1 up to date"]
    assert run("runs").stdout.count("1 file") == 2


def test_a_run_that_cannot_continue_raises_with_the_commands_exit_code(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="no media files in") as nothing:
        prepare(tmp_path)
    assert nothing.value.exit_code == 3
    with pytest.raises(RunnerError, match="unknown preset 'mp33'") as unknown:
        prepare(tmp_path, to="mp33")
    assert unknown.value.exit_code == 2


def test_each_name_is_there_and_no_other() -> None:
    assert all(getattr(runner, name).__name__ == name for name in runner.__all__)
    with pytest.raises(AttributeError, match="no attribute 'reports'"):
        runner.reports  # noqa: B018


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import runner", {"runner.api", "runner.models", "sqlite3", "click", "azure", "rich"}),
        ("from runner import convert", {"click", "azure", "rich", "pulumi"}),
        ("import runner.cli", {"runner.api", "azure", "rich", "mutagen"}),
    ],
)
def test_nothing_is_imported_before_it_is_needed(code: str, unwanted: set[str]) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not unwanted & set(shown.stdout.split())
