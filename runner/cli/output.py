"""Standard output and standard error, in a way that their problems never stop a command.

A closed stream, or one whose reader has gone, acts like `/dev/null`. Data that cannot be written for
another reason, such as a full disk, is an error at the end of the command.
"""

import errno
import io
import os
import select
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TextIO

import click

from runner.formatting import printable_text

if TYPE_CHECKING:
    from runner.notify import Address

_A_MOMENT = 0.1
"""Seconds for which nobody misses a line."""
_GONE = (
    *(errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN),
    errno.EIO,  # the terminal was closed
    *((errno.EINVAL,) if os.name == "nt" else ()),  # this is a broken pipe on Windows
)


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """How much to print, and in which form."""

    as_json: bool = False
    quiet: bool = False
    verbose: int = 0
    live: bool = True
    """Whether to use a live display on a terminal."""
    is_batch: bool = False
    """Whether it is one of many short runs, which are summed up at the end of all."""
    notify: "Address | None" = None
    """Where to post how the run went."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Return what the *options* of a command that does a run say."""
        return cls(
            as_json=options["as_json"],
            quiet=options["quiet"],
            verbose=options["verbose"],
            live=options.get("progress", True),
            notify=options["notify"],
        )


class _Outlet(io.RawIOBase):
    """Accepts everything that is written to a stream, even if it cannot be passed on."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__()
        self._raw = raw
        self.fault: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, data: Any, /) -> int:
        while self.fault is None:
            try:
                if (count := self._raw.write(data)) is not None:
                    return count
                # another process that shares it has made it non-blocking
                select.select((), (self._raw,), ())
            except OSError as error:
                self.fault = error
        return len(data)


def guard_streams() -> None:
    """Make standard output and error accept everything, and reserve their file descriptors."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # otherwise the next file to be opened, such as the ledger, would get the stream's output
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - its only form
    sys.stdout = _guarded(sys.stdout)
    sys.stderr = _guarded(sys.stderr)


def _guarded(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    buffer: Any = stream.buffer
    outlet: Any = _Outlet(getattr(buffer, "raw", buffer))
    return io.TextIOWrapper(
        io.BufferedWriter(outlet),
        encoding=stream.encoding,
        errors="backslashreplace",  # names may have characters that the terminal lacks
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def fault_of_data() -> str:
    """Return why standard output could not take all data; empty if it could, or if nobody was reading."""
    with suppress(ValueError):  # closed
        sys.stdout.flush()
    fault = _fault()
    return "" if fault is None or fault.errno in _GONE else str(fault.strerror)


def is_anybody_there() -> bool:
    """Return whether anybody reads standard output, as far as is known."""
    return _fault() is None


def _fault() -> OSError | None:
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.fault if isinstance(raw, _Outlet) else None


class ManyLines:
    """Writes lines to standard output that may be a million: they are passed on ten times a second."""

    def __init__(self) -> None:
        self._due = 0.0

    def write(self, line: str) -> None:
        """Write *line*, with terminal control characters escaped."""
        sys.stdout.write(f"{printable_text(line)}\n")
        if (now := time.monotonic()) >= self._due:
            self.flush()
            self._due = now + _A_MOMENT

    def flush(self) -> None:
        """Pass on what was written."""
        sys.stdout.flush()


def say(text: str) -> None:
    """Write lines to standard error, with terminal control characters escaped."""
    click.echo(printable_text(text), err=True)


def show(text: str) -> None:
    """Write lines to standard output, with terminal control characters escaped.

    This also applies to a file or a pager, whose content may be shown in a terminal later.
    """
    click.echo(printable_text(text))
