"""Paths, names and text as only Windows has them."""

import os
import shutil
import sys
from pathlib import Path

from using import NotHere, another_drive, names, runner, share_of, sound, step


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
    share = share_of(where / "media")
    (where / "here").mkdir()
    runner(where / "here", "convert", share).expect(0, "1 converted")
    runner(where / "here", "convert", share, "-o", share / "out").expect(0, "1 converted")
    runner(where / "here", "status", "-o", share / "out").expect(0, "1 converted")


@step("\\\\?\\ before a path, NUL, other capitals and slashes")
def odd_paths(where: Path) -> None:
    sound(where / "in/Day 1/Cut Short.wav")
    runner(where, "convert", f"\\\\?\\{where}\\in").expect(0, "1 converted")
    twice = ("IN/day 1\\CUT short.wav", "in\\Day 1\\Cut Short.WAV")
    runner(where, "convert", *twice, "-o", "flat").expect(0, "1 converted")
    runner(where, "convert", "NUL").expect(1, "name: ", "NUL is a device there")
    runner(where, "convert", "NUL", "--name", "x{stem}{ext}").expect(1, "not a file but a device")
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


@step("names that Windows cannot have are said before anything starts, and cost no other file")
def bad_names(where: Path) -> None:
    sound(where / "in/a.wav")
    shutil.copy(where / "in/a.wav", where / "in/conduct.wav")
    for template in ("{stem}:x{ext}", "{stem}?{ext}", "aux/{stem}{ext}", "{dir}/{stem}{ext}."):
        runner(where, "convert", "in", "--name", template).expect(
            2, "Windows does not allow the name"
        )
    assert not (where / "out").exists()
    for folder in ("aux\\x", "NUL", "a|b"):
        runner(where, "convert", "in", "-o", folder).expect(2, "Windows does not allow the name")
        runner(where, "convert", "in", "--yes", "--source", f"move:{folder}").expect(
            2, "Windows does not allow the name"
        )
    runner(where, "convert", "in", "--name", "{stem:.3}{ext}").expect(
        1,
        "2 files: 1 converted, 1 failed",
        "name: Windows does not allow the name con.mp3: con is a device",
    )
    assert names(where / "out") == {"a.mp3"}


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


ANSWER = """
import sys
print('[{"name": "dev", "current": true}]' if "ls" in sys.argv else '{"outputs_schema": 99}')
"""


@step("Pulumi may be a script on PATH, and not in this folder; a stack's name runs nothing")
def pulumi_script(where: Path) -> None:
    sound(where / "in/a.wav")
    (where / "bin").mkdir()
    (where / "bin/answer.py").write_text(ANSWER)
    script = f'@"{sys.executable}" "%~dp0answer.py" %*\r\n'
    (where / "bin/pulumi.cmd").write_text(script)
    path = f"{where / 'bin'};{os.environ['PATH']}"
    runner(where, "convert", "in", "--stack", "dev", PATH=path).expect(4, "have version 99")
    for name in ("dev&echo x>owned", '"&echo x>owned&"', "%PATH%"):
        runner(where, "convert", "in", "--stack", name, PATH=path).expect(
            4, "this is not a valid name for a stack"
        )
    assert not (where / "owned").exists()
    (where / "Pulumi.yaml").touch()
    runner(where, "convert", "in", PATH=path).expect(4, "have version 99")
    (where / "pulumi.cmd").write_text("@echo x>owned\r\n")
    runner(where, "convert", "in").expect(0, "(no Pulumi CLI)")
    assert not (where / "owned").exists()
