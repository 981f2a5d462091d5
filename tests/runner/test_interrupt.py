"""Ctrl-C at any moment of the start: one line, exit code 130, and nothing is begun."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run, posix_only
from tests.media import Media

_PRESSED_AT_AN_IMPORT = """
import os, signal, sys

# whoever started the tests in the background may have had it ignored
signal.signal(signal.SIGINT, signal.default_int_handler)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            sys.meta_path.remove(self)
            press()

def press():
    os.kill(os.getpid(), signal.SIGINT)

class Lost:
    # what is raised here, Python prints and forgets
    def __del__(self):
        press_now()

press_now = press
if {lost!r}:
    def press():
        Lost()

sys.meta_path.insert(0, Finder())
sys.argv = ["runner", "convert", "in"]
from runner.start import main
main()
"""


@posix_only
@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("name", ["click", "runner.cli.convert", "runner.local"])
def test_ctrl_c_while_the_command_starts(
    run: Run, media: Media, tmp_path: Path, name: str, lost: bool
) -> None:
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    done = subprocess.run(
        [sys.executable, "-c", _PRESSED_AT_AN_IMPORT.format(name=name, lost=lost)],
        cwd=tmp_path,
        env={**run.environment, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.endswith("Error: interrupted\n")
    assert lost or "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("*.mp3"))
