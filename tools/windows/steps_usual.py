"""The README's lines, and what files that others hold or have damaged do to them."""

import subprocess
import sys
from pathlib import Path

from using import HERE, decodes, names, runner, sound, step


@step("README: sample media, converted")
def demo(where: Path) -> None:
    tool = HERE.parent / "demo_media.py"
    subprocess.run([sys.executable, tool, "demo\\in"], cwd=where, check=True, capture_output=True)
    runner(where, "convert", "demo\\in", "-o", "demo\\out").expect(
        1, "8 files: 7 converted, 1 failed"
    )
    assert len(names(where / "demo/out")) == 7
    assert all(decodes(path) for path in (where / "demo/out").rglob("*.mp3"))
    runner(where, "convert", "demo\\in", "-o", "demo\\out").expect(
        1, "8 files: 7 up to date, 1 failed"
    )


@step("README: status, runs, logs, retry, report, presets, clean, version")
def history(where: Path) -> None:
    sound(where / "in/a.wav")
    (where / "in/bad.mp4").write_bytes(b"no media")
    runner(where, "convert", "in").expect(1, "2 files: 1 converted, 1 failed")
    runner(where, "status").expect(0, "FAILED in\\bad.mp4")
    runner(where, "runs").expect(0, "1 converted, 1 failed")
    runner(where, "logs", "in\\bad.mp4").expect(0, "in\\bad.mp4")
    runner(where, "retry").expect(1, "FAILED 1/1")
    runner(where, "report").expect(0, "report-")
    assert "bad.mp4" in next(where.glob("report-*.html")).read_text(encoding="utf-8")
    runner(where, "presets", "podcast").expect(0, "libmp3lame")
    runner(where, "clean", "--older-than", "0d").expect(0, "forgot")
    runner(where, "--version").expect(0, "runner, version")


@step("doctor is content with the ffmpeg that comes with it; a preset that it lacks is said")
def doctor(where: Path) -> None:
    found = runner(where, "doctor").expect(0, "ok   ffmpeg", "ok   encoders")
    sound(where / "in/a.wav")
    if "preset av1 is not available" in found.out:
        runner(where, "convert", "in", "--to", "av1").expect(4, "preset av1 is not available")
        assert not (where / "out").exists()


@step("a result that is open elsewhere fails alone; the others are replaced")
def open_result(where: Path) -> None:
    for letter in "abc":
        sound(where / f"in/{letter}.wav")
    runner(where, "convert", "in").expect(0)
    with (where / "out/b.mp3").open("rb"):
        runner(where, "convert", "in", "--overwrite", "always").expect(
            1, "3 files: 2 converted, 1 failed", "another program has it open"
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
