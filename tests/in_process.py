"""The real command in this process, which saves the half second that it takes to start one.

What only a process of its own can show, such as signals, streams that are closed, or what is left
running at its end, is tested with one: see `Run.process` and `started` in conftest.py.
"""

import io
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from runner import interrupt
from runner.azure.pace import PACE, Pace
from runner.cli import main

_THREADS = ("upload-", "download-", "loop-")
"""How threads are called that end with the process, and so may outlive the command in this one."""
_PATIENCE = 10.0
EMULATED_PACE = Pace(
    first_poll=0.1,
    longest_poll=0.5,
    status_interval=0.25,
    first_node_poll=0.5,
    job_retry=0.25,
    submit_delay=0.2,
)
"""The emulated service answers at once, so that we look often; but a request costs a few ms of CPU."""


def run_here(
    words: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    **pace: Any,
) -> tuple[int, bytes, bytes]:
    """Give the command *words* in *folder*; returns its exit code, and what it wrote to its streams.

    *pace* is what is other in its `Pace`.
    """
    out, err = io.BytesIO(), io.BytesIO()
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    streams = _streams(stdin, out, err, encoding)
    with _at(folder, environment), streams, _as_program(words, pace):
        exit_code = _exit_code()
        for thread in threading.enumerate():
            if thread.name.startswith(_THREADS):
                thread.join(_PATIENCE)
    return exit_code, out.getvalue(), err.getvalue()


def _exit_code() -> int:
    try:
        main()
    except SystemExit as error:
        return int(error.code or 0)
    except Exception as error:  # noqa: BLE001 - whatever a process would end with
        try:
            sys.excepthook(type(error), error, error.__traceback__)
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


@contextmanager
def _at(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    before, was_at = dict(os.environ), Path.cwd()
    _set_environment(environment)
    os.chdir(folder)
    try:
        yield
    finally:
        _set_environment(before)
        os.chdir(was_at)


def _set_environment(environment: Mapping[str, str]) -> None:
    """In place, and never without what both have: other threads may look at it meanwhile."""
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


@contextmanager
def _streams(stdin: bytes, out: io.BytesIO, err: io.BytesIO, encoding: str) -> Iterator[None]:
    """As a Python begins with them."""
    before = (sys.stdin, sys.stdout, sys.stderr)
    ours = (
        io.TextIOWrapper(io.BytesIO(stdin), encoding=encoding),
        io.TextIOWrapper(out, encoding=encoding),
        io.TextIOWrapper(err, encoding=encoding, errors="backslashreplace", write_through=True),
    )
    sys.stdin, sys.stdout, sys.stderr = ours
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr, *ours[1:]):
            stream.flush()
        sys.stdin, sys.stdout, sys.stderr = before
        ours[1].detach()  # else what was written would be closed with it
        ours[2].detach()


@contextmanager
def _as_program(words: tuple[str, ...], pace: Mapping[str, Any]) -> Iterator[None]:
    """Have this process be `runner`, and take back what the command sets for the rest of one."""
    logger = logging.getLogger("runner")
    before = (sys.argv, sys.modules["__main__"], sys.excepthook, list(logger.handlers))
    sys.argv = ["runner", *words]
    sys.modules["__main__"] = ModuleType("__main__")  # by which click finds the program's name
    before_it = PACE.set(replace(EMULATED_PACE, **pace))
    try:
        yield
    finally:
        PACE.reset(before_it)
        sys.argv, sys.modules["__main__"], sys.excepthook, logger.handlers = before
        interrupt._pressed = False
