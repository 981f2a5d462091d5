"""A program that somebody ended says nothing about the file: it is never called damaged."""

import os
import re
from pathlib import Path

import pytest

from runner.media.exit_code import ended_from_outside, has_not_started
from runner.media.failures import ConversionError, Kind
from runner.media.ffmpeg import without_verbose
from runner.media.probe import parse_log
from runner.media.verify import check_existing
from tests.media import Media
from tests.runner.programs import failure_of, recipe, work
from tests.runner.test_formatting import LOGS
from tests.stand_in import MakeStandIn

WORKS = (
    "[info] Stream #0:0: Audio: mp3\n[out#0/mp3 @ 0x55bf77a6ae80] [verbose] Starting thread...\n"
)
SAYS_WHY = "[error] Error opening input file.\n[fatal] Error opening input files: Invalid data\n"
FAILS_9 = "[info] Conversion failed!\n[verbose] \n[verbose] Exiting with exit code -1094995529\n"
FAILS_4 = (
    "[error] Error while decoding stream #0:0\n"
    "[AVIOContext @ 0x5] [verbose] Statistics: 9 bytes read, 0 seeks"
)
ENDS_9 = "[AVIOContext @ 0x5] [verbose] Statistics: 9 bytes\n[verbose] \n[verbose] Exiting with exit code 0"
ENDS_4 = "[AVIOContext @ 0x5] [verbose] Statistics: 9 bytes written\n[AVIOContext @ 0x6] [verbose] Statistics: 9 bytes read\n"
HEARD = (
    "[info] Exiting normally, received signal 15.\n[verbose] \n[verbose] Exiting with exit code 255"
)


@pytest.mark.parametrize(
    ("code", "words", "how"),
    [
        # POSIX: by a signal, or an ffmpeg that heard one
        (-9, WORKS, "was killed by signal 9"),
        (-15, "", "was killed by signal 15"),
        (-11, FAILS_9, "was killed by signal 11"),
        (255, WORKS + HEARD, "was asked to stop (signal 15)"),
        # Windows: STATUS_CONTROL_C_EXIT, an access violation, a log-off
        (0xC000013A, WORKS, "crashed, or was ended by Windows (0xC000013A)"),
        (0xC0000005, WORKS, "crashed, or was ended by Windows (0xC0000005)"),
        (0xC0000142, "", "crashed, or was ended by Windows (0xC0000142)"),
        (0x40010004, WORKS, "crashed, or was ended by Windows (0x40010004)"),
    ],
)
@pytest.mark.parametrize("windows", [True, False])
def test_an_end_from_outside_is_recognised_by_exit_code_or_log(
    code: int, words: str, how: str, windows: bool
) -> None:
    assert ended_from_outside(code, words, windows=windows) == how


# the Task Manager's, taskkill's and .NET's own; and that of who thought of a signal
@pytest.mark.parametrize("code", [0, 1, 0xFFFFFFFF, 15])
@pytest.mark.parametrize("words", ["", WORKS, SAYS_WHY + WORKS * 3])
def test_on_windows_any_code_may_be_that_of_an_end_from_outside(code: int, words: str) -> None:
    assert ended_from_outside(code, words, windows=True) == "was ended from outside"
    assert ended_from_outside(code, words, windows=False) == ""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, WORKS + ENDS_9),
        (0, WORKS + ENDS_4),
        (1, WORKS + SAYS_WHY),
        (1, WORKS + FAILS_4),
        (183, WORKS + FAILS_9),
        # AVERROR_INVALIDDATA and AVERROR_EOF, as Windows shows them
        (0xBEBBB1B7, WORKS + FAILS_9),
        (0xDFB9B0BB, WORKS + FAILS_9),
        (255, WORKS + FAILS_9),
    ],
)
@pytest.mark.parametrize("windows", [True, False])
def test_an_end_of_its_own_is_no_end_from_outside(code: int, words: str, windows: bool) -> None:
    assert ended_from_outside(code, words, windows=windows) == ""


@pytest.mark.parametrize("code", [126, 127, 0xC0000135, 0xC000007B])
def test_what_cannot_run_is_no_end_from_outside(code: int) -> None:
    assert has_not_started(code)
    assert ended_from_outside(code, "", windows=True) == ""


CLOSING = re.compile(r"Statistics: |Conversion failed!|Exiting with exit code|\[verbose\] $")
LOST = re.compile(r"\[(?:error|fatal)\] ")


def lines_of_work(lines: list[str]) -> int:
    """How many of the *lines* come before those of an ffmpeg that only ends."""
    pattern = CLOSING if any("Input #0" in line for line in lines) else LOST
    while lines and (pattern.search(lines[-1]) or CLOSING.search(lines[-1])):
        lines = lines[:-1]
    return len(lines)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=f"{path.parent.name}-{path.stem}")
        for path in sorted(LOGS.glob("*/*.txt"))
        if path.stem != "settings"  # which are excerpts
    ],
)
def test_an_ffmpeg_that_is_ended_while_it_complains_has_not_judged_the_file(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = "".join(lines)
    assert ended_from_outside(1, whole, windows=True) == "", "it ended by itself"
    assert ended_from_outside(137, whole, windows=False) == "", "it ended by itself"
    for count in range(lines_of_work(lines) + 1):
        words = "".join(lines[:count])
        assert ended_from_outside(1, words, windows=True) == "was ended from outside", words[-200:]
        assert ended_from_outside(137, words, windows=False) == "was killed by signal 9"


# Whoever kills the real one does so as soon as it has complained of the file.
KILLED_AT_AN_ERROR = """
import subprocess
if not result().endswith(".mp3"):
    be_ffmpeg()
real = subprocess.Popen([REAL, *ARGUMENTS], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
for line in real.stderr:
    os.write(2, line)
    if b"[error]" in line:
        break
real.kill()
real.communicate()
sys.exit({code})
"""


@pytest.mark.parametrize("name", ["corrupt.flac", "corrupt.mp4", "truncated.mkv"])
def test_an_ffmpeg_that_is_killed_while_it_complains_is_tried_again(
    name: str, media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    # the Task Manager's code, and that of a shell whose program was killed
    program = stand_in(KILLED_AT_AN_ERROR.format(code=1 if os.name == "nt" else 137))
    failure = failure_of(work(media(name), destination / "a.mp3", ffmpeg=str(program.path)))
    assert failure.kind is Kind.TRANSIENT, failure
    assert "[error]" in failure.log, "it was killed before it had complained"


# As soon as the real ffmpeg has begun to talk, it gets a signal.
SIGNALLED = """
if {when!r} not in WORDS:
    be_ffmpeg()
real = start(REAL, "-readrate", "0.2", *ARGUMENTS)  # ten seconds for the two of the source
time.sleep(0.5)
os.kill(real.pid, {number})
code = real.wait()
sys.exit(code if code >= 0 else 128 - code)  # as a shell does
"""


@pytest.mark.parametrize("number", [15, 2, 9], ids=["TERM", "INT", "KILL"])
@pytest.mark.parametrize(
    ("when", "preset", "verify"),
    [
        ("file:", "mp3", "duration"),
        ("print_format", "podcast", "duration"),
        (" null -", "wav", "decode"),
    ],
)
def test_an_ffmpeg_that_is_ended_is_tried_again_whatever_it_did(
    number: int,
    when: str,
    preset: str,
    verify: str,
    media: Media,
    destination: Path,
    stand_in: MakeStandIn,
) -> None:
    program = stand_in(SIGNALLED.format(when=when, number=number))
    how = recipe(preset, verify=verify)
    failure = failure_of(
        work(media("clip.mp4"), destination / "a", how=how, ffmpeg=str(program.path))
    )
    assert failure.kind is Kind.TRANSIENT, failure
    assert failure.message.startswith("ffmpeg was ")


def test_a_shells_code_for_a_killed_program_is_known() -> None:
    assert ended_from_outside(137, WORKS, windows=False) == "was killed by signal 9"
    assert ended_from_outside(137, WORKS + FAILS_9, windows=False) == ""


# What Windows can do to the real one: it ends in the middle, and its exit code is 0.
CUT_OFF = """
if not result().endswith((".flac", ".m4a", ".wav")):
    be_ffmpeg()
last = -7 if WORDS.endswith(".tags") else -1
at_once = ("-flush_packets", "1")
real = start(REAL, "-readrate", "10", *ARGUMENTS[:last], *at_once, *ARGUMENTS[last:])
while not (os.path.exists(result()) and os.path.getsize(result()) > 10_000):
    time.sleep(0.02)
real.kill()
real.wait()
sys.exit()
"""


@pytest.mark.parametrize("preset", ["flac", "m4a", "wav"])
def test_half_a_result_is_none_whatever_the_exit_code(
    preset: str, media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = str(stand_in(CUT_OFF).path)
    one = work(media("long.mp3"), destination / "a", how=recipe(preset), ffmpeg=program)
    assert failure_of(one).kind in (Kind.TRANSIENT, Kind.INPUT)


@pytest.mark.parametrize("what", ["trace", "copy"])
def test_an_ended_look_at_a_result_does_not_judge_it(
    what: str, media: Media, stand_in: MakeStandIn
) -> None:
    program = str(stand_in(f"if {what!r} in WORDS: end_abruptly()").path)
    clip = str(media("clip.mp3"))
    with pytest.raises(ConversionError) as caught:
        check_existing(program, clip, clip, recipe("mp3"))
    assert caught.value.failure.kind is Kind.TRANSIENT


@pytest.mark.parametrize("address", ["0x55bf77a6ae80", "000001f5d3c0a2c0", "000001F5D3C0A2C0"])
def test_ffmpegs_lines_are_read_however_a_system_writes_addresses(address: str) -> None:
    verbose = f"[AVIOContext @ {address}] [verbose] Statistics: 9 bytes read\n"
    said = f"[mp3float @ {address}] [error] Header missing\n"
    assert without_verbose(verbose + said) == said
    media = parse_log(
        f"[info] Input #0, mov, from 'file:a':\n[mov @ {address}] [info]   Duration: 00:00:02.00,\n"
        f"[mov @ {address}] [info]   Stream #0:0: Audio: aac, 8000 Hz, mono\n"
    )
    assert media
    assert media.duration == 2
    assert [stream.codec for stream in media.streams] == ["aac"]
