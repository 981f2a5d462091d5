"""Standard output and error as commands use them: what becomes of them never decides what is done.

One that is closed is as `/dev/null`, and so is one whose reader has gone, from then on; data that
cannot be written for another reason, as on a full disk, is an error once all is done.
"""

import errno
import io
import os
import select
import sys
from contextlib import suppress
from typing import Any, TextIO

import click

from runner.formatting import printable_text

_GONE = (
    *(errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN),
    errno.EIO,  # of a terminal that was closed
    *((errno.EINVAL,) if os.name == "nt" else ()),  # so Windows calls a broken pipe
)


class _Outlet(io.RawIOBase):
    """What is behind a stream: takes all that is written, also where it cannot be passed on."""

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
                # somebody who shares it has made it one that does not wait
                select.select((), (self._raw,), ())
            except OSError as error:
                self.fault = error
        return len(data)


def guard_streams() -> None:
    """Have standard output and error take whatever is written, and their numbers be nobody else's."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # else the next file that is opened, the ledger say, would be written to as a stream
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
        errors="backslashreplace",  # names hold letters that not every terminal has
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def fault_of_data() -> str:
    """Why standard output could not take all data; empty if it did, or nobody wanted it."""
    with suppress(ValueError):  # closed
        sys.stdout.flush()
    fault = _fault()
    return "" if fault is None or fault.errno in _GONE else str(fault.strerror)


def is_anybody_there() -> bool:
    """Whether anybody reads standard output, as far as is known."""
    return _fault() is None


def _fault() -> OSError | None:
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.fault if isinstance(raw, _Outlet) else None


def say(text: str) -> None:
    """Write lines to standard error, with nothing in them that would control a terminal."""
    click.echo(printable_text(text), err=True)


def show(text: str) -> None:
    """Write lines to standard output, with nothing in them that would control a terminal.

    Also where that is none: what is piped into a file or a pager comes to one later.
    """
    click.echo(printable_text(text))
