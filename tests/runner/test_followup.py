"""The commands that are printed can be pasted: into the user's shell, and from the folder they were asked in."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.followup import FollowUp, cmd_quoted, posix_quoted, powershell_quoted
from tests.conftest import RUNNER, Result, Run, names
from tests.media import Media

WORDS = (
    *("plain", "with space", "it's $(touch pwned) y", "`touch pwned`", "a;touch pwned", "50%"),
    *(
        "",
        "-x",
        "~",
        "*",
        "#no",
        "a\nb",
        "a\tb",
        "\x1b[31m",
        "\x07'\\",
        "ünï 漢字",
        "\udcff",
        "\u202e",
    ),
    *('say "x"', "back\\slash", "!!", "$HOME", "{a,b}", "a=b", "C:\\My Files\\é"),
)


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")
@pytest.mark.parametrize("word", WORDS, ids=ascii)
def test_a_shell_takes_a_quoted_word_as_it_is(word: str, tmp_path: Path) -> None:
    quoted = posix_quoted(word)
    assert quoted.isprintable(), "nothing in it moves the cursor"
    told = subprocess.run(
        ["bash", "-c", f"printf '%s|' {quoted}"], cwd=tmp_path, capture_output=True, check=True
    )
    assert told.stdout == f"{word}|".encode("utf-8", "surrogateescape")
    assert not list(tmp_path.iterdir()), "and nothing of it ran"


@pytest.mark.parametrize(
    ("word", "powershell", "cmd"),
    [
        ("plain", "plain", "plain"),
        ("C:\\out", "C:\\out", "C:\\out"),
        ("my files", "'my files'", '"my files"'),
        ("it's $(x) y", "'it''s $(x) y'", '"it\'s $(x) y"'),
        ("a\u2019b", "'a\u2019\u2019b'", '"a\u2019b"'),
        ("`x`", "'`x`'", '"`x`"'),
        ("a&b|c", "'a&b|c'", '"a&b|c"'),
        ("50%PATH%", "'50%PATH%'", '"50"^%"PATH"^%""'),
        ("-a.b", "'-a.b'", "-a.b"),
        ("--stack", "--stack", "--stack"),
        ("@a", "'@a'", "@a"),
        ("", "''", '""'),
    ],
)
def test_windows_shells_have_quotes_of_their_own(word: str, powershell: str, cmd: str) -> None:
    assert (powershell_quoted(word), cmd_quoted(word)) == (powershell, cmd)


def test_commands_that_only_read_the_ledger_do_not_name_the_azure_environment() -> None:
    follow_up = FollowUp(destination=Path("out"), azure=("--stack", "dev"))
    assert follow_up.runs == "runner runs -o out"
    assert follow_up.report("r") == "runner report r -o out"
    assert follow_up.status("r") == "runner status r -o out --stack dev"


def test_a_command_says_where_it_works_only_where_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert FollowUp().attach("r") == "runner attach r"
    there = FollowUp(destination=tmp_path / "a b", azure=("--stack", "me/dev"))
    assert there.attach("r", "--overwrite", "always") == (
        "runner attach r --overwrite always -o 'a b' --stack me/dev"
    )
    assert there.cancel("r") == "runner cancel r -o 'a b' --stack me/dev"
    assert there.retry() == "runner retry -o 'a b' --stack me/dev"
    assert there.status("r") == "runner status r -o 'a b' --stack me/dev"
    assert there.clean("r") == "runner clean r -o 'a b' --stack me/dev"
    assert there.logs == "runner logs -o 'a b' FILE", "logs are here"
    assert FollowUp(destination=tmp_path.parent).retry() == f"runner retry -o {tmp_path.parent}"


NAMES = {
    "posix": ("it's $(touch pwned) y", "-leading", "new\nline", "a`touch pwned`"),
    "nt": ("it's $(x) y", "-leading", "a & mkdir pwned", "x^y (1)"),
}


def through_a_shell(run: Run, command: str) -> Result:
    """How *command* ends, which bash makes words of, or which is typed into cmd.exe."""
    if os.name == "nt":
        line = command.replace("runner", f'"{RUNNER}"', 1)
        words = f'cmd /d /s /c "{line}"'
        done = subprocess.run(
            words, cwd=run.folder, env=run.environment, capture_output=True, check=False
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())
    script = f"runner() {{ printf '%s\\0' \"$@\"; }}\n{command}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=run.folder, env=run.environment, capture_output=True, check=True
    )
    return run(*map(os.fsdecode, done.stdout.split(b"\0")[:-1]))


@pytest.mark.parametrize("name", NAMES[os.name])
def test_what_a_summary_prints_can_be_pasted(
    run: Run, media: Media, tmp_path: Path, name: str
) -> None:
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    media.put("empty.mp4", tmp_path / "in" / "b.mp4")
    quoted = cmd_quoted(name) if os.name == "nt" else posix_quoted(name)
    first = through_a_shell(run, f"runner convert in --to wav -o {quoted}")
    assert (first.exit_code, names(tmp_path / name)) == (1, {"a.wav"}), first.stderr
    found = re.search("why: (.*) FILE · retry: (.*)", first.stderr)
    assert found is not None
    media.put("clip.mp3", tmp_path / "in" / "b.mp4")
    for command in found.groups():
        done = through_a_shell(run, command.strip())
        assert done.exit_code == 0, done.stderr
    assert names(tmp_path / name) == {"a.wav", "b.wav"}
    assert not list(tmp_path.rglob("pwned"))
