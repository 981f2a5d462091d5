"""Use the installed `runner` on Windows as people do, and as Windows does to people; one line a step.

python tools/windows/check.py [--only WORD]

Runs on a real Windows and under Wine, in a folder of its own; needs nothing but Python and the
installed runner. Leaves with 1 if a step found a fault. A step that this Windows cannot do says why.
"""

import argparse
import ctypes
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
BESIDE = Path(sys.executable).parent
RUNNER = next(
    (
        str(path)
        for path in (BESIDE / "runner.exe", BESIDE / "Scripts" / "runner.exe")
        if path.exists()
    ),
    "runner",
)
PATIENCE = 300
KILLS = 20
WINES_OWN = 1359
"""ERROR_INTERNAL_ERROR, by which Wine on a busy machine sometimes refuses to start a program."""


class NotHere(Exception):  # noqa: N818 - not an error
    """What is wanted is not on this Windows."""


Step = Callable[[Path], None]
STEPS: dict[str, Step] = {}


def step(words: str) -> Callable[[Step], Step]:
    def add(function: Step) -> Step:
        STEPS[words] = function
        return function

    return add


# ---- what the steps are made of


def ffmpeg_program() -> str:
    from imageio_ffmpeg import get_ffmpeg_exe  # noqa: PLC0415 - installed with the runner

    return str(get_ffmpeg_exe())


def ffmpeg(*words: str) -> subprocess.CompletedProcess[bytes]:
    command = [ffmpeg_program(), "-nostdin", "-v", "error", "-y", *words]
    while True:
        try:
            return subprocess.run(command, capture_output=True, check=False)
        except OSError as error:
            if getattr(error, "winerror", None) != WINES_OWN:
                raise


def sound(path: Path, seconds: float = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    done = ffmpeg("-f", "lavfi", "-i", f"sine=f=300:b=4:d={seconds}", f"file:{path}")
    assert done.returncode == 0, done.stderr
    return path


def decodes(path: Path) -> bool:
    done = ffmpeg("-xerror", "-i", f"file:{path}", "-f", "null", "-")
    return done.returncode == 0 and not done.stderr.strip()


class Ended:
    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.code = done.returncode
        self.out = done.stdout.decode(errors="replace").replace("\r\n", "\n")
        self.err = done.stderr.decode(errors="replace").replace("\r\n", "\n")

    def expect(self, code: int, *words: str) -> "Ended":
        said = f"exit code {self.code}\n{self.out}{self.err}"
        assert self.code == code, f"not {code}: {said}"
        for word in words:
            assert word in self.out + self.err, f"without {word!r}: {said}"
        return self


def runner(where: Path, *words: object, stdin: bytes = b"", **environment: str) -> Ended:
    return Ended(
        subprocess.run(
            [RUNNER, *map(str, words)],
            cwd=where,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
            env={**os.environ, **environment},
        )
    )


def start(where: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [RUNNER, *words],
        cwd=where,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def until(happened: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, f"{what} did not happen in time"
        time.sleep(0.02)


def is_at_work(where: Path) -> Callable[[], object]:
    return lambda: list(where.glob("out/.runner/tmp/*/*.m4a"))


def kill(process_id: int) -> None:
    """As the Task Manager does."""
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore] # Windows' alone
    handle = kernel.OpenProcess(1, False, process_id)  # noqa: FBT003
    if handle:
        kernel.TerminateProcess(handle, 1)
        kernel.CloseHandle(handle)


def holder(where: Path, since: float) -> int:
    """The process of the run that began after then; 0 before it has said so, and after it has ended."""
    try:
        facts = json.loads((where / "out/.runner/holder.json").read_text())
    except (OSError, ValueError):
        return 0
    return int(facts["pid"]) if facts["since"] >= since else 0


def names(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".runner" not in path.parts
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def another_drive(folder: Path) -> Iterator[Path]:
    """*folder* as a drive of its own."""
    if shutil.which("subst"):
        subprocess.run(["subst", "R:", str(folder)], check=True, capture_output=True)
        try:
            if Path("R:\\").exists():
                yield Path("R:\\")
                return
        finally:
            subprocess.run(["subst", "R:", "/D"], check=False, capture_output=True)
    if not Path("Z:\\tmp").is_dir():  # Wine's name for the root of the machine
        raise NotHere("there is neither subst nor a drive Z:")
    with tempfile.TemporaryDirectory(dir="Z:\\tmp", ignore_cleanup_errors=True) as other:
        shutil.copytree(folder, other, dirs_exist_ok=True)
        yield Path(other)


# ---- the README


@step("README: sample media, converted")
def demo(where: Path) -> None:
    tool = HERE.parent / "demo_media.py"
    subprocess.run([sys.executable, tool, "demo\\in"], cwd=where, check=True, capture_output=True)
    runner(where, "convert", "demo\\in", "-o", "demo\\out").expect(1, "7 converted, 1 failed of 8")
    assert len(names(where / "demo/out")) == 7
    assert all(decodes(path) for path in (where / "demo/out").rglob("*.mp3"))
    runner(where, "convert", "demo\\in", "-o", "demo\\out").expect(1, "7 up to date, 1 failed of 8")


@step("README: status, runs, logs, retry, presets, clean, version")
def history(where: Path) -> None:
    sound(where / "in/a.wav")
    (where / "in/bad.mp4").write_bytes(b"no media")
    runner(where, "convert", "in").expect(1, "1 converted, 1 failed of 2")
    runner(where, "status").expect(0, "FAILED in\\bad.mp4")
    runner(where, "runs").expect(0, "1 converted, 1 failed")
    runner(where, "logs", "in\\bad.mp4").expect(0, "in\\bad.mp4")
    runner(where, "retry").expect(1, "FAILED 1/1")
    runner(where, "presets", "podcast").expect(0, "libmp3lame")
    runner(where, "clean", "--older-than", "0d").expect(0, "forgot")
    runner(where, "--version").expect(0, "runner, version")


@step("doctor is content with the ffmpeg that comes with it; a preset that it lacks is said")
def doctor(where: Path) -> None:
    found = runner(where, "doctor").expect(0, "ok  ffmpeg", "ok  encoders")
    sound(where / "in/a.wav")
    if "preset av1 is not available" in found.out:
        runner(where, "convert", "in", "--to", "av1").expect(4, "preset av1 is not available")
        assert not (where / "out").exists()


# ---- kills


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
            shutil.rmtree(where / "out")
    runner(where, "convert", "in", "--to", "m4a").expect(0)
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


# ---- paths and names


@step("media on another drive, and results there")
def drives(where: Path) -> None:
    sound(where / "media/day 1/a.wav")
    (where / "here").mkdir()
    with another_drive(where / "media") as drive:
        runner(where / "here", "convert", drive, "-n").expect(0, "dry run: 1 of 1")
        runner(where / "here", "convert", drive).expect(0, f"ok 1/1 {drive}", "1 converted")
        runner(where / "here", "convert", drive).expect(0, "1 up to date")
        runner(where / "here", "logs", drive / "DAY 1" / "A.wav").expect(0, "day 1\\a.wav")
        runner(where / "here", "convert", drive, "-o", drive / "out").expect(0, "1 converted")
        runner(where / "here", "status", "-o", drive / "out").expect(0, "1 converted")


@step("media on a share")
def shares(where: Path) -> None:
    sound(where / "media/a.wav")
    drive, rest = os.path.splitdrive(where / "media")
    share = Path(f"\\\\localhost\\{drive[0]}$") / rest.lstrip("\\")
    if not share.exists():
        raise NotHere(f"no share {share}")
    (where / "here").mkdir()
    runner(where / "here", "convert", share).expect(0, "1 converted")
    runner(where / "here", "convert", share, "-o", share / "out").expect(0, "1 converted")
    runner(where / "here", "status", "-o", share / "out").expect(0, "1 converted")


@step("\\\\?\\ before a path, NUL, other capitals and slashes")
def odd_paths(where: Path) -> None:
    sound(where / "in/Day 1/Cut Short.wav")
    runner(where, "convert", f"\\\\?\\{where}\\in").expect(0, "1 converted")
    runner(where, "convert", "IN/day 1\\CUT short.wav", "-o", "flat").expect(0, "1 converted")
    runner(where, "convert", "NUL").expect(1, "not a file but a device")
    for name in ("in\\day 1\\cut short.WAV", "OUT/Day 1/Cut Short.mp3", "day 1\\cut short.mp3"):
        runner(where, "logs", name).expect(0, "Cut Short.wav")


@step("paths of more than 260 characters")
def long_paths(where: Path) -> None:
    deep = Path("\\\\?\\" + str(where / "in"), *["a folder with a name of some length"] * 8)
    try:
        deep.mkdir(parents=True)
        shutil.copy(sound(where / "a.wav"), deep / "a.wav")
    except OSError as error:
        raise NotHere(f"no long path can be made: {error}") from error
    runner(where, "convert", "in").expect(0, "1 converted")
    [made] = names(Path("\\\\?\\" + str(where / "out")))
    assert made.endswith("some length/a.mp3")
    runner(where, "convert", "in").expect(0, "1 up to date")


@step("words are taken as they are typed: no globs, no variables, no ~")
def words(where: Path) -> None:
    for name in ("clip1", "clip[1]", "in/a", "in/b", "%TEMP%", "~"):
        sound(where / f"{name}.wav")
    runner(where, "convert", "clip[1].wav", "-o", "1").expect(0)
    assert names(where / "1") == {"clip[1].mp3"}
    runner(where, "convert", "in", "--include", "*.wav", "-o", "2").expect(0)
    assert names(where / "2") == {"a.mp3", "b.mp3"}
    runner(where, "convert", "in", "--exclude", "*A.WAV", "-o", "3").expect(0)
    assert names(where / "3") == {"b.mp3"}
    runner(where, "convert", "%TEMP%.wav", "~.wav", "-o", "4").expect(0)
    assert names(where / "4") == {"%TEMP%.mp3", "~.mp3"}
    runner(where, "convert", "in\\*.wav", "-o", "5").expect(0)
    assert names(where / "5") == {"a.mp3", "b.mp3"}


@step("names that Windows cannot have are refused before anything starts")
def bad_names(where: Path) -> None:
    sound(where / "in/a.wav")
    for template in ("{stem}:x{ext}", "{stem}?{ext}", "aux/{stem}{ext}", "{dir}/{stem}{ext}."):
        runner(where, "convert", "in", "--name", template).expect(2, "Windows cannot have the name")
    assert not names(where / "out") if (where / "out").exists() else True


@step("awkward names that it can have are converted")
def good_names(where: Path) -> None:
    stems = (
        "Übersicht – 日本語 🎧",
        "a&b^c %PATH% $(x) `y`",
        "-dash",
        "it's;#[1]{2}",
        "dots.in.it",
    )
    for stem in stems:
        sound(where / f"in/{stem}.wav")
    runner(where, "convert", "in").expect(0, "5 converted")
    assert names(where / "out") == {f"{stem}.mp3" for stem in stems}


# ---- text


@step("lists, settings and outputs as Windows writes them")
def text(where: Path) -> None:
    sound(where / "Übersicht.wav")
    for number, encoding in enumerate(("utf-8", "utf-8-sig", "utf-16", "oem", "mbcs")):
        (where / "list").write_bytes("Übersicht.wav\r\n".encode(encoding))
        runner(where, "convert", "--files-from", "list", "-o", number).expect(0, "1 converted")
    data = "Übersicht.wav\r\n".encode("utf-16")
    runner(where, "convert", "--files-from", "-", "-o", "9", stdin=data).expect(0, "1 converted")
    (where / "list").write_bytes(b"caf\x90\xff.wav\r\n")
    runner(where, "convert", "--files-from", "list").expect(2, "Out-File -Encoding utf8")
    for encoding in ("utf-8-sig", "utf-16"):
        (where / ".runner.toml").write_text('[convert]\nto = "wav"\n', encoding=encoding)
        runner(where, "convert", "Übersicht.wav", "-n").expect(
            0, "Übersicht.wav".encode().decode()[-4:]
        )
    (where / ".runner.toml").unlink()
    (where / "outputs.json").write_text('{"outputsSchema": 1}', encoding="utf-16")
    said = runner(where, "doctor", "--outputs", "outputs.json")
    assert "is not JSON" not in said.out + said.err, said.out


# ---- open files


@step("a result that is open elsewhere fails alone; the others are replaced")
def open_result(where: Path) -> None:
    for letter in "abc":
        sound(where / f"in/{letter}.wav")
    runner(where, "convert", "in").expect(0)
    with (where / "out/b.mp3").open("rb"):
        runner(where, "convert", "in", "--overwrite", "always").expect(
            1, "2 converted, 1 failed of 3", "another program has it open"
        )
    runner(where, "retry").expect(0, "1 converted")


@step("a damaged ledger heals")
def damaged_ledger(where: Path) -> None:
    sound(where / "in/a.wav")
    runner(where, "convert", "in").expect(0)
    ledger = where / "out/.runner/ledger.sqlite"
    ledger.write_bytes(b"no ledger" * 1000)
    runner(where, "convert", "in").expect(0, "1 up to date")
    data = bytearray(ledger.read_bytes())
    data[200 : len(data) - 200] = b"\xff" * (len(data) - 400)
    ledger.write_bytes(data)
    runner(where, "convert", "in").expect(0, "1 up to date")


# ---- ends


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
    import zipfile  # noqa: PLC0415

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


INTERRUPTER = """
import ctypes, glob, signal, subprocess, sys, time
event, presses, *command = sys.argv[1:]
kernel = ctypes.WinDLL("kernel32")
process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    stderr=open("said", "wb"))
kernel.SetConsoleCtrlHandler(None, True)
signal.signal(signal.SIGBREAK, lambda *_: None)
while not glob.glob("out/.runner/tmp/*/*.m4a"): time.sleep(0.02)
time.sleep(1)
for _ in range(int(presses)):
    kernel.GenerateConsoleCtrlEvent(int(event), 0)
    time.sleep(1)
sys.exit(process.wait() & 0xFF)
"""


def _interrupted(where: Path, *, event: int, presses: int) -> str:
    for letter in "abc":
        sound(where / f"in/{letter}.wav", 200)
    (where / "press.py").write_text(INTERRUPTER)
    words = (RUNNER, "convert", "in", "--to", "m4a", "-j", "2")
    done = subprocess.run(
        [sys.executable, "press.py", str(event), str(presses), *words],
        cwd=where,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
        creationflags=subprocess.CREATE_NO_WINDOW,  # type: ignore[attr-defined,unused-ignore]
    )
    said = (where / "said").read_text(errors="replace")
    assert done.returncode == 130, f"exit code {done.returncode}: {said}{done.stderr!r}"
    assert "damaged" not in said, said
    assert not list((where / "out/.runner").glob("tmp/*")), "something was left"
    return said


@step("Ctrl-C once: the running files end, no other begins")
def ctrl_c(where: Path) -> None:
    said = _interrupted(where, event=0, presses=1)
    assert len(names(where / "out")) == 2, said
    assert "stopped with 1 of 3 files left" in said
    runner(where, "convert", "in", "--to", "m4a").expect(0, "1 converted, 2 up to date of 3")


@step("Ctrl-C twice: all ends at once, and nothing is called damaged")
def ctrl_c_twice(where: Path) -> None:
    said = _interrupted(where, event=0, presses=2)
    assert not names(where / "out"), said
    runner(where, "convert", "in", "--to", "m4a").expect(0, "3 converted")


@step("Ctrl-Break once: as Ctrl-C")
def ctrl_break(where: Path) -> None:
    said = _interrupted(where, event=1, presses=1)
    assert len(names(where / "out")) == 2, said


@step("two runners in one destination: the second says who is there")
def two_runners(where: Path) -> None:
    sound(where / "in/a.wav", 400)
    process = start(where, "convert", "in", "--to", "m4a")
    until(is_at_work(where), "the beginning of the work")
    runner(where, "convert", "in", "--to", "m4a").expect(5, "is in use by run")
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def main() -> int:
    """Take every step, and say how it went."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="only steps with this word")
    only = parser.parse_args().only
    if isinstance(sys.stdout, __import__("io").TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    faults = 0
    for words, do in STEPS.items():
        if only not in words:
            continue
        began = time.monotonic()
        reason = ""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            try:
                do(Path(folder).resolve())
                result = "ok  "
            except NotHere as why:
                result, reason = "--  ", f": {why}"
            except Exception:
                result, reason = "BAD ", f"\n{traceback.format_exc()}"
                faults += 1
        print(f"{result}{words} ({time.monotonic() - began:.0f} s){reason}", flush=True)
    print(f"{faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
