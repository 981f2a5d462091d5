"""What becomes of sources, a watched folder, plans, reports and notifications."""

import os
import shutil
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from using import (
    NotHere,
    another_drive,
    another_volume,
    interrupted,
    names,
    runner,
    share_of,
    sound,
    start,
    step,
    until,
)

YES = ("--yes", "--source")


@step("--source delete and move: on a drive, to another one, and read-only files too")
def sources(where: Path) -> None:
    for folder in ("1", "2", "3"):
        sound(where / folder / "day 1/a.wav", 0.5)
        shutil.copy(where / folder / "day 1/a.wav", where / folder / "locked.wav")
        (where / folder / "locked.wav").chmod(stat.S_IREAD)
    both = {"day 1/a.wav", "locked.wav"}
    said = runner(where, "convert", "1", *YES, "delete").expect(0, "2 converted", "1 deleted")
    assert "kept 1\\locked.wav: it is read-only" in said.err, said.err
    assert names(where / "1") == {"locked.wav"}
    runner(where, "convert", "2", *YES, f"move:{where}\\done", "-o", "out2").expect(0, "2 moved")
    assert (names(where / "2"), names(where / "done")) == (set(), both)
    with another_volume() as volume:
        runner(where, "convert", "3", *YES, f"move:{volume}\\done", "-o", "out3").expect(
            0, "2 moved"
        )
        assert (names(where / "3"), names(volume / "done")) == (set(), both)
        assert not os.access(volume / "done/locked.wav", os.W_OK)


@step("--source leaves what another program has open, and says so")
def held_sources(where: Path) -> None:
    for number, choice in enumerate(("delete", f"move:{where}\\done", "trash")):
        folder, out = where / f"in{number}", where / f"out{number}"
        sound(folder / "a.wav", 0.5)
        sound(folder / "b.wav", 0.5)
        with (folder / "b.wav").open("rb"):
            runner(where, "convert", folder, *YES, choice, "-o", out).expect(
                0, "2 converted", f"kept {folder.name}\\b.wav: "
            )
            # there may be no recycle bin for the other one
            assert names(folder) - ({"a.wav"} if choice == "trash" else set()) == {"b.wav"}
        assert names(where / "done") <= {"a.wav"}


@step("--source trash: into the recycle bin, or kept where there is none")
def trash(where: Path) -> None:
    sound(where / "in/a.wav", 0.5)
    said = runner(where, "convert", "in", *YES, "trash").expect(0, "1 converted")
    if names(where / "in"):
        assert "kept in\\a.wav: the recycle bin did not take it" in said.err, said.err
        raise NotHere("this Windows has no recycle bin, as Wine has none; the source stayed")
    assert "1 trashed" in said.err, said.err
    share = sound(share_of(where) / "in/b.wav", 0.5)
    said = runner(where, "convert", share.parent, *YES, "trash", "-o", "out2").expect(0)
    assert ("1 kept" in said.err) == share.exists(), said.err


WRITER = """
import ctypes, sys, time
share = int(sys.argv[1])
kernel = ctypes.WinDLL("kernel32")
kernel.CreateFileW.restype = ctypes.c_void_p
kernel.CreateFileW.argtypes = [ctypes.c_wchar_p, *[ctypes.c_ulong] * 2, ctypes.c_void_p,
    *[ctypes.c_ulong] * 2, ctypes.c_void_p]
kernel.WriteFile.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_void_p,
    ctypes.c_void_p]
data = open("whole.wav", "rb").read()
handle = kernel.CreateFileW(sys.argv[2], 0x40000000, share, None, 2, 0, None)
def write(part):
    written = ctypes.c_ulong()
    kernel.WriteFile(handle, part, len(part), ctypes.byref(written), None)
write(data[:50000])
print("begun", flush=True)
sys.stdin.read()
write(data[50000:])
"""
SHARES = {"nothing": 0, "reading": 1, "reading and writing": 3, "everything": 7}


@step("--watch takes no file that another program is writing, whatever that one shares")
def watched_writers(where: Path) -> None:
    sound(where / "whole.wav", 4)
    (where / "write.py").write_text(WRITER)
    (where / "in").mkdir()
    shutil.copy(where / "whole.wav", where / "in/read-only.wav")
    (where / "in/read-only.wav").chmod(stat.S_IREAD)
    pipe = subprocess.PIPE
    writers = []
    for name, share in SHARES.items():
        command = [sys.executable, "write.py", str(share), f"in\\{name}.wav"]
        writers.append(subprocess.Popen(command, cwd=where, stdin=pipe, stdout=pipe))
        assert writers[-1].stdout
        writers[-1].stdout.readline()
    process = start(where, "convert", "in", "--watch", "--settle", "1", "--json")
    try:
        until((where / "out/read-only.mp3").exists, "the conversion of what is complete")
        sound(where / "in/late.wav")
        until((where / "out/late.mp3").exists, "the conversion of what came later")
        assert names(where / "out") == {"read-only.mp3", "late.mp3"}
        for writer in writers:
            writer.communicate(timeout=60)
        until(lambda: len(names(where / "out")) == 6, "the conversion of all that was written")
    finally:
        process.kill()
        process.communicate()
        for writer in writers:
            writer.kill()
    runner(where, "convert", "in").expect(0, "6 up to date")


@step("--watch ends by Ctrl-C, between two files and in the middle of one")
def watched_ends(where: Path) -> None:
    sound(where / "in/a.wav", 1)
    words = ("convert", "in", "--watch", "--settle", "1", "--to", "m4a")
    said = interrupted(where, *words, event=0, presses=1, seen="out/a.m4a", code=0)
    assert "1 converted" in said, said
    sound(where / "in/b.wav", 400)
    said = interrupted(where, *words, event=0, presses=1, seen="out/.runner/tmp/*/*.m4a", code=0)
    assert names(where / "out") == {"a.m4a", "b.m4a"}, said


@step("--watch ends by Ctrl-Break too")
def watched_break(where: Path) -> None:
    sound(where / "in/a.wav", 1)
    words = ("convert", "in", "--watch", "--settle", "1", "--to", "m4a")
    interrupted(where, *words, event=1, presses=1, seen="out/a.m4a", code=0)


@step("plan and report: on other drives and on shares, and a report that is open")
def plans_and_reports(where: Path) -> None:
    sound(where / "media/Day 1/a.wav", 1)
    (where / "media/bad.mp4").write_bytes(b"no media")
    (where / "here").mkdir()
    with another_drive(where / "media") as drive:
        runner(where / "here", "plan", drive).expect(0, "2 files")
        runner(where / "here", "convert", drive, "-o", drive / "out").expect(1, "1 converted")
        runner(where / "here", "report", "-o", drive / "out", "--file", drive / "r.html").expect(
            0, f"{drive}r.html" if str(drive).endswith("\\") else f"{drive}\\r.html"
        )
        page = (drive / "r.html").read_text(encoding="utf-8")
        assert "Day 1\\a.wav" in page, page
    share = share_of(where / "media")
    runner(where / "here", "plan", share).expect(0, "2 files")
    runner(where / "here", "convert", share, "-o", share / "out").expect(1, "1 converted")
    written = share / "r.html"
    for _ in range(2):
        runner(where / "here", "report", "-o", share / "out", "--file", written, "--json").expect(
            0, f"{share}\\r.html", f"{share}\\r.json"
        )
    with written.open("rb"):
        runner(where / "here", "report", "-o", share / "out", "--file", written).expect(
            4, "cannot write", "choose another path with --file"
        )
    assert names(where / "media") == {
        "Day 1/a.wav",
        "bad.mp4",
        "out/Day 1/a.mp3",
        "r.html",
        "r.json",
    }


@step("az:// without a stack is refused in one line")
def addresses(where: Path) -> None:
    sound(where / "in/a.wav", 0.5)
    for words in (("az://media/in",), ("in", "-o", "az://media/out"), ("az://media\\in",)):
        said = runner(where, "convert", *words)
        if "the Azure clients cannot be loaded" in said.err:
            raise NotHere(said.err.strip())
        assert said.code in (2, 4), said.err
        assert said.err.count("\n") == 1, said.err
    assert names(where) == {"in/a.wav"}


@step("--notify posts how the run ended")
def notifications(where: Path) -> None:
    sound(where / "in/a.wav", 0.5)
    posted = []

    class Heard(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Heard)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/secret"
        said = runner(where, "convert", "in", RUNNER_NOTIFY=address).expect(0, "1 converted")
    finally:
        server.shutdown()
        server.server_close()
    assert "Warning" not in said.err, said.err
    assert b"1 converted" in posted[0]
