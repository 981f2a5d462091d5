"""Encode the pieces of one film, several at a time, and check each of them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.media.failures import Stopped, fault_lines
from runner.media.ffmpeg import LOG_LEVEL, Ffmpeg
from runner.media.hashing import sha256_of
from runner.media.joining import WITHOUT_JOIN, Encoded
from runner.media.listing import list_in_detail
from runner.media.orphans import LOG, note_of
from runner.media.pieces import Frames, Piece, UnsplittableError, exactly, for_piece
from runner.media.threads import thread_arguments
from runner.media.work import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.media.encoding import Encoding
    from runner.media.ffmpeg import FfmpegResult, ProcessHandle
    from runner.media.listing import Packets
    from runner.media.pieces import Split
    from runner.media.recipe_adapter import SplitPicture

# what is in the film besides this stream is for the whole
_ALONE = ("-map_metadata", "-1", "-map_chapters", "-1", "-an", "-sn", "-dn")
_LONGEST_HEAD = 64 * 1024
"""Characters of a log."""


class PieceEncoder:
    """Encodes the pieces of one film, several at a time."""

    def __init__(
        self,
        encoding: Encoding,
        split: Split,
        picture: SplitPicture,
        watch: Callable[[Progress], None],
    ) -> None:
        self._encoding = encoding
        self._split = split
        self._recipe = for_piece(picture.piece)
        self._total = picture.media.duration or 0.0
        self._watch = watch
        self._done: dict[int, float] = {}
        self._lock = threading.Lock()
        self._failed = threading.Event()
        self._handles: list[ProcessHandle] = []
        self._deadline = time.monotonic() + (encoding.work.limits.seconds or 0.0)

    def encode(self, pieces: Sequence[Piece]) -> tuple[Encoded, ...]:
        """Encode *pieces*, or find them finished.

        Raises:
            UnsplittableError: One of them is not what it must be.
            ConversionError: A temporary error ended one.
            Stopped: The handle was cancelled.
        """
        os.makedirs(self._split.folder, exist_ok=True)
        with ThreadPoolExecutor(self._split.at_a_time, thread_name_prefix="piece") as pool:
            futures = [pool.submit(self._one, piece) for piece in pieces]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                if any(future.done() and future.exception() for future in futures):
                    self._give_up(futures)
        encoded = _results(futures)
        check_alike(encoded)
        return encoded

    def _give_up(self, futures: Sequence[Future[Encoded]]) -> None:
        """End the other pieces, because one has failed."""
        self._failed.set()
        for future in futures:
            future.cancel()
        for handle in tuple(self._handles):
            handle.cancel()

    def _one(self, piece: Piece) -> Encoded:
        name = f"{piece.number:04}-{self._fingerprint(piece)}"
        if found := self._finished(name):
            self._note(piece, found.length)
            return found
        stem = os.path.join(self._encoding.work.scratch, f"{self._encoding.work.name}-{name}")
        unfinished = f"{stem}.mp4"
        ffmpeg = self._ffmpeg(stem)
        try:
            ran = ffmpeg.run(
                (*self._command(piece), "-y", f"file:{unfinished}"),
                lambda seconds, log: self._note(piece, seconds, log),
            )
            packets = self._checked(ffmpeg, unfinished, piece, ran)
            path = os.path.join(self._split.folder, f"{name}-{sha256_of(unfinished)}.mp4")
            os.replace(unfinished, path)
            return Encoded(path, packets)
        finally:
            for path in (unfinished, stem + LOG, note_of(stem + LOG)):
                with suppress(OSError):
                    os.unlink(path)

    def _arguments(self, piece: Piece) -> tuple[str, ...]:
        words = list(self._recipe.arguments)
        at = len(words) - words[::-1].index("-vf")
        words[at] = ",".join((*piece.filters, words[at]))
        return (*words, *_ALONE)

    def _command(self, piece: Piece) -> tuple[str, ...]:
        limits = thread_arguments(self._recipe, self._split.threads)
        output = (*self._arguments(piece), *limits, *LOG_LEVEL, "-f", "mp4")
        return (*piece.input, *self._encoding.input, *output)

    def _fingerprint(self, piece: Piece) -> str:
        """Return what tells this piece, made in this way by this ffmpeg, from any other of the source.

        The folder is the source's own; how many threads encode the piece does not matter.
        """
        work = self._encoding.work
        program = os.stat(shutil.which(work.ffmpeg) or work.ffmpeg)
        facts = (piece.start, self._arguments(piece), os.path.getsize(work.source))
        made_by = (program.st_size, program.st_mtime_ns)
        return hashlib.sha256(json.dumps((facts, made_by)).encode()).hexdigest()[:16]

    def _finished(self, name: str) -> Encoded | None:
        """Return the finished piece called *name*; None if there is none, or it is not whole."""
        for entry in os.listdir(self._split.folder):
            path = os.path.join(self._split.folder, entry)
            if not entry.startswith(f"{name}-"):
                continue
            if entry == f"{name}-{sha256_of(path)}.mp4":
                stem = os.path.join(
                    self._encoding.work.scratch, f"{self._encoding.work.name}-{name}"
                )
                return Encoded(path, list_in_order(self._ffmpeg(stem), path))
            with suppress(OSError):
                os.unlink(path)
        return None

    def _ffmpeg(self, stem: str) -> Ffmpeg:
        work = self._encoding.work
        handle = self._encoding.handle.part()
        self._handles.append(handle)
        if self._failed.is_set():
            handle.cancel()
        left = max(0.001, self._deadline - time.monotonic()) if work.limits.seconds else None
        limits = replace(work.limits, seconds=left)
        return Ffmpeg(work.ffmpeg, log_path=stem + LOG, handle=handle, limits=limits)

    @staticmethod
    def _checked(ffmpeg: Ffmpeg, path: str, piece: Piece, ran: FfmpegResult) -> Packets:
        _check_log(piece, ran.log)
        if ran.code != 0:
            raise UnsplittableError(f"{position_of(piece)} could not be encoded")
        packets = list_in_order(ffmpeg, path)
        check_count(piece, packets)
        return packets

    def _note(self, piece: Piece, seconds: float, log_path: str | None = None) -> None:
        """Report progress; a piece with an error in its *log_path* is not worth going on with.

        Raises:
            UnsplittableError: There is an error.
        """
        if log_path is not None:
            with open(log_path, encoding="utf-8", errors="replace") as log:
                _check_log(piece, log.read(_LONGEST_HEAD))
        with self._lock:
            self._done[piece.number] = seconds
            done = min(sum(self._done.values()), self._total) * WITHOUT_JOIN
        self._watch(Progress(done, self._total or None))


def list_in_order(ffmpeg: Ffmpeg, path: str) -> Packets:
    """List the packets of the piece at *path*, with their times as they are shown."""
    packets, _ = list_in_detail(ffmpeg, ("-i", f"file:{path}"), "0:v:0")
    packets.times.sort()
    return packets


def position_of(piece: Piece) -> str:
    """Return words for where *piece* is in its film."""
    return f"its part from {piece.start:.1f} s on"


def _check_log(piece: Piece, log: str) -> None:
    # At the start of an open group in H.264, the decoder complains about frames that it cannot see. What
    # x265 itself complains about, in lines that start with its name, is not the film: that its threads
    # cannot be bound to a part of the machine, under Wine.
    if any(fault_lines(line) for line in log.splitlines() if line.startswith("[")):
        message = f"{position_of(piece)} needs frames before its keyframe, or is damaged"
        raise UnsplittableError(message)


def check_alike(encoded: Sequence[Encoded]) -> None:
    """Refuse pieces that cannot be one video, as their headers or their clocks differ.

    Raises:
        UnsplittableError: They cannot.
    """
    if len({piece.packets.header for piece in encoded}) > 1:
        raise UnsplittableError("its pieces have different headers")
    if len({_step(piece) for piece in encoded} - {None}) > 1:
        raise UnsplittableError("its pieces have different frame rates")


def check_count(piece: Piece, packets: Packets) -> None:
    """Refuse a *piece* whose *packets* are not those of its frames, at even distances from 0 on.

    Raises:
        UnsplittableError: They are not.
    """
    frames = Frames(float(packets.base), tuple(packets.times), tuple(packets.keys))
    if not exactly(frames, piece.frames):
        count = f"{len(packets.times)} frames instead of {piece.frames}"
        raise UnsplittableError(f"{position_of(piece)} has {count}")


def _results(futures: Sequence[Future[Encoded]]) -> tuple[Encoded, ...]:
    """Return the pieces; if one has failed, raise its error, and not that of those that were stopped for it."""
    errors = [e for f in futures if not f.cancelled() and (e := f.exception()) is not None]
    if errors:
        raise next((error for error in errors if not isinstance(error, Stopped)), errors[0])
    return tuple(future.result() for future in futures)


def _step(piece: Encoded) -> float | None:
    times = piece.packets.times
    return float((times[1] - times[0]) * piece.packets.base) if len(times) > 1 else None
