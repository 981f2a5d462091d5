"""Run ffmpeg: one process at a time, watched, and killed with all its children when asked."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, TYPE_CHECKING

from runner.media.exit_code import ended_from_outside
from runner.media.failures import ConversionError, Kind, Stopped
from runner.media.orphans import lock_log, note_process
from runner.media.probe import parse_log
from runner.media.process import Child
from runner.media.target import from_os

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from runner.media.probe import MediaInfo

# Only at level verbose does ffmpeg log how much it decoded, in about forty lines per file.
LOG_LEVEL = ("-loglevel", "repeat+level+verbose")
_QUIET = ("-nostdin", "-hide_banner", *LOG_LEVEL, "-nostats")
# Measured: a block every half second costs nothing measurable; shorter periods cost ffmpeg CPU.
_PROGRESS = ("-progress", "pipe:1")
_LONGEST_LOG = 64 * 1024
# and the lines about the output for reading tags, which has no streams
_VERBOSE = re.compile(r"\[out#\d+/ffmetadata|(?:\[[^\]]* @ (?:0x)?[0-9a-fA-F]+\] )*\[verbose\]")
_DECODED = re.compile(
    r"Input stream #0:(\d+) \((?:audio|video)\): \d+ packets read .*?(\d+) frames decoded"
    r"(?:.*\((\d+) samples\))?"
)


@dataclass(frozen=True)
class Limits:
    """The time limits for a file."""

    seconds: float | None = None
    """Time for one file, in seconds; None for no limit."""
    stall: float = 300.0
    """The longest time without progress, in seconds."""


class ProcessHandle:
    """Holds the process of one conversion, so that another thread can kill it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Child | None = None
        self._cancelled = False
        self._parts: list[ProcessHandle] = []

    def part(self) -> ProcessHandle:
        """Return a handle for another process of the same conversion, which is cancelled with this one."""
        part = ProcessHandle()
        with self._lock:
            self._parts.append(part)
            if self._cancelled:
                part.cancel()
        return part

    def start(self, command: Sequence[str], log: IO[bytes]) -> Child:
        """Start *command*, with its stderr going to *log*.

        Raises:
            Stopped: `cancel` was already called.
            ConversionError: The program cannot be started.
        """
        with self._lock:
            if self._cancelled:
                raise Stopped
            try:
                self._process = Child(command, stdout=subprocess.PIPE, stderr=log)
            except OSError as error:
                message = f"cannot start {command[0]}: {from_os(error)}"
                raise ConversionError(Kind.ENVIRONMENT, message) from error
            return self._process

    def cancel(self) -> None:
        """Kill the process and its children at once; nothing is started after that."""
        with self._lock:
            self._cancelled = True
            for part in self._parts:
                part.cancel()
            if self._process is not None:
                self._process.kill_tree()

    def spread(self, cores: Collection[int]) -> None:
        """Let the process, which was kept on one core, run on all *cores*."""
        with self._lock:
            if self._process is not None:
                self._process.spread(cores)

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled


@dataclass(frozen=True)
class FfmpegResult:
    """The outcome of a run of ffmpeg."""

    code: int
    """The exit code; ffmpeg ended by itself."""
    seconds: float
    """The last time stamp written to the target, in seconds; 0 if ffmpeg did not say."""
    log: str
    """ffmpeg's log: all of it, or head and tail of a very long one."""
    samples: Mapping[int, int] = field(default_factory=dict)
    """The number of decoded samples, by stream number in the source."""
    frames: Mapping[int, int] = field(default_factory=dict)
    """The number of decoded frames, of audio and video."""

    @cached_property  # several steps use it
    def media(self) -> MediaInfo | None:
        """What ffmpeg's log says about its first input; None if it opened none."""
        return parse_log(self.log)


class Ffmpeg:
    """An ffmpeg program, used for one conversion."""

    def __init__(
        self, program: str, *, log_path: str, handle: ProcessHandle, limits: Limits
    ) -> None:
        self.program = program
        self._log_path = log_path
        self._handle = handle
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds if limits.seconds else None

    def run(
        self,
        arguments: Sequence[str],
        watch: Callable[[float, str], None] = lambda *_: None,
        on_line: Callable[[bytes], None] = lambda _: None,
    ) -> FfmpegResult:
        """Run ffmpeg with *arguments*; *watch* is called with the seconds written and the path of the log.

        *on_line* is called with each other line on its standard output. An exception in either kills
        ffmpeg.

        Raises:
            ConversionError: It took longer than the limits allow, was ended from outside, or could
                not be started.
            Stopped: The handle was cancelled.
        """
        with open(self._log_path, "wb") as log:
            lock_log(log)
            process = self._handle.start([self.program, *_QUIET, *_PROGRESS, *arguments], log)
            note_process(self._log_path, process.pid)
        with process, _Watchdog(process, self._deadline, self._limits.stall) as watchdog:
            try:
                done = self._follow(process, watchdog, watch, on_line)
            except BaseException:
                process.kill_tree()
                raise
        if self._handle.cancelled:
            raise Stopped
        words = read_log(self._log_path)
        decoded = _DECODED.findall(words)
        samples = {int(stream): int(count) for stream, _, count in decoded if count}
        frames = {int(stream): int(count) for stream, count, _ in decoded}
        ran = FfmpegResult(process.returncode, done, without_verbose(words), samples, frames)
        if watchdog.reason:
            raise ConversionError(Kind.TIMEOUT, watchdog.reason, ran.log)
        if how := ended_from_outside(process.returncode, words):
            raise ConversionError(Kind.TRANSIENT, f"ffmpeg {how}", ran.log)
        return ran

    def _follow(
        self,
        process: Child,
        watchdog: _Watchdog,
        watch: Callable[[float, str], None],
        on_line: Callable[[bytes], None],
    ) -> float:
        """Report the progress of *process* to *watch* until it ends; return the last seconds written."""
        assert process.stdout is not None
        done = 0.0
        for line in process.stdout:
            name, _, value = line.partition(b"=")
            if name == b"out_time_us" and (now := _microseconds(value)) > done:
                done = now
                watchdog.alive()
            elif name == b"progress":
                watch(done, self._log_path)
            elif not value or b"," in name:  # a listed packet may have flags: "0, 512, ..., F=0x0"
                watchdog.alive()
                on_line(line)
        return done


class _Watchdog(threading.Thread):
    """Kills a process that makes no progress or exceeds its time limit."""

    def __init__(self, process: Child, deadline: float | None, stall: float):
        super().__init__(daemon=True, name="watchdog")
        self.reason = ""
        self._process = process
        self._deadline = deadline
        self._stall = stall
        self._last = time.monotonic()
        self._over = threading.Event()

    def alive(self) -> None:
        self._last = time.monotonic()

    def __enter__(self) -> _Watchdog:  # noqa: PYI034 - Python 3.10 has no Self
        try:
            self.start()
        except RuntimeError as error:  # Python's error when no more threads can be started
            self._process.kill_tree()
            message = "no more threads can be started: convert fewer files at a time"
            raise ConversionError(Kind.ENVIRONMENT, message) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def run(self) -> None:
        while not self._over.wait(self._patience()):
            now = time.monotonic()
            if self._deadline is not None and now >= self._deadline:
                self.reason = "took longer than its time limit"
            elif now >= self._last + self._stall:
                self.reason = f"made no progress for {self._stall:.0f} s"
            if self.reason:
                self._process.kill_tree()
                return

    def _patience(self) -> float:
        ends = [self._last + self._stall]
        if self._deadline is not None:
            ends.append(self._deadline)
        return max(0.01, min(ends) - time.monotonic())


def read_log(path: str) -> str:
    """Return the text at *path*; of a very long one, the head, which names the streams, and the tail."""
    with open(path, "rb") as file:
        data = file.read(_LONGEST_LOG)
        if size := max(0, os.fstat(file.fileno()).st_size - _LONGEST_LOG):
            file.seek(max(_LONGEST_LOG, size))
            data += b"\n[...]\n" + file.read(_LONGEST_LOG)
    return data.decode(errors="replace").replace("\r\n", "\n")


def without_verbose(log: str) -> str:
    """Return *log* without the lines that only runner needs."""
    return "".join(line for line in log.splitlines(keepends=True) if not _VERBOSE.match(line))


def _microseconds(value: bytes) -> float:
    try:
        return int(value) / 1e6
    except ValueError:  # "N/A" until something is written
        return 0.0
