"""Ends of all kinds: kills, Ctrl-C, time limits."""

import random
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from using import (
    KILLS,
    PATIENCE,
    RUNNER,
    NotHere,
    decodes,
    digest,
    ffmpeg_program,
    holder,
    interrupted,
    is_at_work,
    kill,
    names,
    runner,
    sound,
    start,
    step,
    until,
)

ELSEWHERE = 5
"""The exit code where another runner is at work in the destination."""


def _killed(where: Path, victim: str) -> None:
    sound(where / "in/a.wav", 400)
    began = time.time()
    process = start(where, "convert", "in", "--to", "m4a")
    until(is_at_work(where), "the beginning of the work")
    time.sleep(1)
    kill(process.pid if victim == "runner.exe" else holder(where, began))
    process.communicate()
    [left] = where.glob("out/.runner/tmp/*/*.m4a")
    until(lambda: _is_free(left), "the end of ffmpeg")
    runner(where, "convert", "in", "--to", "m4a").expect(0, "1 converted")
    assert decodes(where / "out/a.m4a"), "the result does not decode"
    assert not list((where / "out/.runner").glob("tmp/*")), "something was left"


def _is_free(path: Path) -> bool:
    try:
        path.replace(path)
    except OSError:
        return False
    return True


@step("runner.exe is killed: its ffmpeg ends with it, and the next run is whole")
def killed_launcher(where: Path) -> None:
    _killed(where, "runner.exe")


@step("its python.exe is killed: the same")
def killed_python(where: Path) -> None:
    _killed(where, "python.exe")


@step(f"killed {KILLS} times at random moments: every result is that of an undisturbed run")
def killed_often(where: Path) -> None:
    for letter in "abc":
        sound(where / f"in/{letter}.wav", 60 + ord(letter))
    runner(where, "convert", "in", "--to", "m4a", "-o", "alone").expect(0, "3 converted")
    chance = random.Random(20261125)
    kills = 0
    while kills < KILLS:
        began = time.time()
        process = start(where, "convert", "in", "--to", "m4a", "-j", "2")
        try:
            process.communicate(timeout=chance.uniform(0.5, 6))
        except subprocess.TimeoutExpired:
            kill((kills % 2 and holder(where, began)) or process.pid)
            process.communicate()
            kills += 1
        else:
            # 5: a launcher puts its python.exe into its job after the start; killed in between, it
            # leaves it at work, and that run ends as any other
            if process.returncode != ELSEWHERE:
                shutil.rmtree(where / "out")
    while (last := runner(where, "convert", "in", "--to", "m4a")).code == ELSEWHERE:
        time.sleep(1)
    last.expect(0)
    for name in ("a.m4a", "b.m4a", "c.m4a"):
        assert decodes(where / "out" / name), f"{name} does not decode"
        assert digest(where / "out" / name) == digest(where / "alone" / name), f"{name} is another"


@step("a killed ffmpeg is not the file's fault, and is tried again")
def killed_ffmpeg(where: Path) -> None:
    sound(where / "in/a.wav", 400)
    process = start(where, "convert", "in", "--to", "m4a", "--retries", "0")
    until(is_at_work(where), "the beginning of the work")
    time.sleep(1)
    done = subprocess.run(
        ["taskkill", "/F", "/IM", Path(ffmpeg_program()).name], capture_output=True, check=False
    )
    _, err = process.communicate(timeout=PATIENCE)
    if done.returncode != 0:
        raise NotHere(f"no taskkill: {done.stdout!r}")
    assert b"transient: ffmpeg was ended" in err, err


@step("--timeout ends all that a program has started")
def timeouts(where: Path) -> None:
    sound(where / "in/a.wav")
    (where / "grandchild.py").write_text("import time; open('here', 'w'); time.sleep(60)")
    shim = where / "shim.py"
    shim.write_text(
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, {str(where / 'grandchild.py')!r}], cwd={str(where)!r})\n"
    )
    program = _as_program(where, shim)
    began = time.monotonic()
    runner(where, "convert", "in", "--ffmpeg", program, "--timeout", "8", "--retries", "0").expect(
        1, "timeout: took longer than its time limit"
    )
    assert time.monotonic() - began < 50, "it waited for the grandchild"
    assert (where / "here").exists(), "the grandchild was never started"
    until(lambda: _is_free(where / "here"), "the end of the grandchild")


def _as_program(where: Path, script: Path) -> Path:
    """*script* as an .exe, as pip makes them: a launcher with a zip file behind it."""
    launcher = Path(RUNNER).read_bytes()
    head = launcher[: launcher.rindex(b"#!")]
    program = where / "shim.exe"
    archive = where / "shim.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("__main__.py", script.read_text())
    program.write_bytes(head + f'#!"{sys.executable}"\r\n'.encode() + archive.read_bytes())
    return program


@step("a batch file is refused as ffmpeg")
def batch_files(where: Path) -> None:
    sound(where / "in/a.wav")
    for name in ("ff.cmd", "ff.bat"):
        (where / name).write_text("@exit 0\n")
        runner(where, "convert", "in", "--ffmpeg", name).expect(4, "is a batch file")


def _interrupted(where: Path, *, event: int, presses: int, code: int | None = 130) -> str:
    for letter in "abc":
        sound(where / f"in/{letter}.wav", 200)
    words = ("convert", "in", "--to", "m4a", "-j", "2")
    return interrupted(where, *words, event=event, presses=presses, code=code)


@step("Ctrl-C once: the running files end, no other begins")
def ctrl_c(where: Path) -> None:
    said = _interrupted(where, event=0, presses=1)
    assert len(names(where / "out")) == 2, said
    assert "stopped with 1 of 3 files left" in said
    runner(where, "convert", "in", "--to", "m4a").expect(0, "1 converted, 2 up to date")


@step("Ctrl-C twice: all ends at once, and nothing is called damaged")
def ctrl_c_twice(where: Path) -> None:
    said = _interrupted(where, event=0, presses=2)
    assert not names(where / "out"), said
    runner(where, "convert", "in", "--to", "m4a").expect(0, "3 converted")


@step("Ctrl-Break once: as Ctrl-C")
def ctrl_break(where: Path) -> None:
    said = _interrupted(where, event=1, presses=1)
    assert len(names(where / "out")) == 2, said


@step("a console window that is closed, and a log-off: all ends at once, and the next run is whole")
def closed_window(where: Path) -> None:
    for event in (2, 5):
        said = _interrupted(where, event=event, presses=1, code=None)
        assert not names(where / "out"), said
    runner(where, "convert", "in", "--to", "m4a").expect(0, "3 converted")


@step("two runners in one destination: the second says who is there")
def two_runners(where: Path) -> None:
    sound(where / "in/a.wav", 400)
    process = start(where, "convert", "in", "--to", "m4a")
    until(is_at_work(where), "the beginning of the work")
    runner(where, "convert", "in", "--to", "m4a").expect(5, "is in use by run")
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
