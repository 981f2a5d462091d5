"""`--source` on the command line: what is refused, what is asked, and what later commands say."""

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import PATIENCE, RUNNER, Run, names, posix_only
from tests.media import Media

if TYPE_CHECKING or os.name == "posix":
    import pty


@pytest.fixture
def folder(media: Media, tmp_path: Path) -> Path:
    media.put("8-bit.wav", tmp_path / "in" / "a.wav", tmp_path / "in" / "sub" / "b.wav")
    media.put("empty.mp4", tmp_path / "in" / "bad.mp4")
    return tmp_path / "in"


def test_sources_go_only_with_consent_and_later_commands_know_that_they_are_gone(
    run: Run, folder: Path, destination: Path
) -> None:
    refused = run("convert", "in", "--source", "delete")
    assert (refused.exit_code, len(names(folder)), names(destination)) == (2, 3, set())
    assert refused.error == (
        "--source delete would delete 3 sources, and there is no terminal to ask you on: add --yes"
    )
    assert run("convert", "in", "--source", "delete", "-n").exit_code == 0, "a dry run does nothing"
    assert len(names(folder)) == 3
    done = run("convert", "in", "--source", "delete", "--yes")
    assert done.exit_code == 1, "one file is bad"
    assert "sources: 2 deleted, 1 kept" in done.stderr.splitlines()[-2]
    assert names(folder) == {"bad.mp4"}
    assert names(destination) == {"a.mp3", "sub/b.mp3"}
    assert "  sources: 2 deleted, 1 kept" in run("status").stdout.splitlines()
    again = run("convert", "in", "--source", "keep")
    assert [line.split()[2] for line in again.failures] == ["in/bad.mp4"]
    assert run("convert", "in", "--source", "delete", "-y").exit_code == 1
    retried = run("retry")
    assert (retried.exit_code, "add --yes" in retried.error) == (2, True)
    assert names(folder) == {"bad.mp4"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("delete", "--verify", "none"), "--verify none verifies nothing"),
        (("move:in/done",), "lies in in, where the next run would find the sources again"),
        (("move:in",), "lies in in, where"),
        (("move:out/.runner/x",), "is a folder of runner's own"),
        (("move:",), "use keep, trash, delete or move:DIR"),
        (("remove",), "use keep, trash, delete or move:DIR"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    run: Run, folder: Path, destination: Path, words: tuple[str, ...], why: str
) -> None:
    result = run("convert", "in", "--yes", "--source", *words)
    assert result.exit_code == 2
    assert why in result.error
    assert (len(names(folder)), names(destination)) == (3, set())


def test_a_settings_file_may_choose_but_not_agree(run: Run, folder: Path) -> None:
    settings = run.folder / ".runner.toml"
    settings.write_text('[convert]\nsource = "delete"\nyes = true\n')
    result = run("convert", "in")
    assert (result.exit_code, "unknown setting 'yes'" in result.error) == (2, True)
    settings.write_text('[convert]\nsource = "delete"\n')
    assert "add --yes" in run("convert", "in").error
    assert len(names(folder)) == 3


@posix_only
@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_terminal_is_asked_once(run: Run, folder: Path, answer: str) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [RUNNER, "convert", "in", "--source", f"move:{run.folder}/done", "--no-progress"],
        cwd=run.folder,
        env={**run.environment, "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.write(ours, f"{answer}\n".encode())
    process.wait(timeout=PATIENCE * 2)
    os.close(theirs)
    said = os.read(ours, 100_000).decode()
    os.close(ours)
    assert said.count("move 3 sources (") == 1, said
    assert "to done, each once its result is verified? [y/N]" in said
    moved = {"a.wav", "sub/b.wav"} if answer == "y" else set()
    assert names(run.folder / "done") == moved
    assert process.returncode == (1 if answer == "y" else 130)
