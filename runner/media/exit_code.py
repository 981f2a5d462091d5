"""Find out from its exit code how a program ended. Pure."""

from __future__ import annotations

import os
import re

# Windows' codes for programs that crashed, were interrupted, or were ended by a log-off:
# STATUS_ACCESS_VIOLATION, STATUS_CONTROL_C_EXIT, DBG_TERMINATE_PROCESS and their like. ffmpeg's own
# negative codes, which Windows shows as positive ones, are not among them.
_WINDOWS_ENDS = (range(0xC0000000, 0xC0010000), range(0x40010000, 0x40020000))
# A shell's codes for a program that is not executable or does not exist, and Windows' codes for one
# that is not for this machine, or whose DLLs are missing.
_NOT_STARTED = (126, 127, 0xC000007B, 0xC0000135, 0xC0000138, 0xC0000139)

# What ffmpeg logs after SIGINT or SIGTERM, or when its console was closed.
_HEARD = re.compile(r"Exiting normally, received signal (\d+)")
# An ffmpeg that ends by itself lets go of what it has opened, and says so: its last words, with which
# no other line begins the end, as of 4.2 to 9.0. An error alone is none of them, as work goes on after
# most.
_LAST_WORDS = re.compile(r"Conversion failed!|Exiting with exit code")
_CLOSED = re.compile(r"\] Statistics: \d+ bytes read")
# Where it could not even open its first input, the reason is the last word, up to 7.
_OPENED = re.compile(r"^(?:\[[^\]]*\] )*Input #0, ", re.MULTILINE)
_REASON = re.compile(r"\[(?:error|fatal)\] ")
_LAST_LINES = 5
_SHELLS_SIGNALS = range(129, 160)


def has_not_started(code: int) -> bool:
    """Return whether a program with this exit *code* could not run at all."""
    return code in _NOT_STARTED


def ended_from_outside(code: int, words: str, *, windows: bool = os.name == "nt") -> str:
    """Return what ended an ffmpeg from outside, judging by its exit *code* and log at level verbose.

    Return "" if it ended by itself. *code* is negative for a POSIX signal.
    """
    if code < 0:
        return f"was killed by signal {-code}"
    if has_not_started(code):
        return ""
    if any(code in codes for codes in _WINDOWS_ENDS):
        return f"crashed, or was ended by Windows (0x{code:08X})"
    end = words.rstrip().splitlines()[-_LAST_LINES:]
    if heard := _HEARD.search("\n".join(end)):
        return f"was asked to stop (signal {heard[1]})"
    return "" if _has_closed(words, end) else _ended_without_a_word(code, windows=windows)


def _has_closed(words: str, end: list[str]) -> bool:
    """Return whether this is the log of an ffmpeg that came to its *end*."""
    if any(map(_LAST_WORDS.search, end)) or (end and _CLOSED.search(end[-1])):
        return True
    return bool(end and _REASON.match(end[-1]) and not _OPENED.search(words))


def _ended_without_a_word(code: int, *, windows: bool) -> str:
    if windows:
        # TerminateProcess, as called by the Task Manager, can set any code: usually 1, but also 0
        return "was ended from outside"
    # a shell's code for a signal that ended its command
    return f"was killed by signal {code - 128}" if code in _SHELLS_SIGNALS else ""
