"""Static programs are started so that they load nothing of this system's C library."""

import os
import struct
import sys
from pathlib import Path

import pytest

from runner.media.environment import environment_for
from runner.media.static_program import is_static

HEADER = b"\x7fELF\x02\x01".ljust(32, b"\0") + struct.pack("<Q14xHH", 64, 56, 2).ljust(32, b"\0")
LOAD, INTERPRETER = ((kind).to_bytes(4, "little").ljust(56, b"\0") for kind in (1, 3))
STATIC, DYNAMIC = HEADER + 2 * LOAD, HEADER + INTERPRETER + LOAD


@pytest.mark.parametrize(
    ("data", "static"),
    [
        (STATIC, True),
        (DYNAMIC, False),
        (HEADER + LOAD + INTERPRETER, False),
        (b"\x7fELF\x01" + STATIC[5:], False),  # 32 bits
        (STATIC[:5] + b"\x02" + STATIC[6:], False),  # bytes in the other order
        (STATIC[:40], False),
        (b"", False),
        (b"#!/bin/sh\nexec ffmpeg \"$@\"\n" + bytes(64), False),
        (b"MZ".ljust(128, b"\0"), False),
    ],
)  # fmt: skip
def test_a_static_program_is_known_by_its_header(data: bytes, static: bool, tmp_path: Path) -> None:
    path = tmp_path / "ffmpeg"
    path.write_bytes(data)
    assert is_static(str(path)) is static
    assert ("GCONV_PATH" in environment_for(str(path))) is static


def test_what_is_not_there_is_not_static(tmp_path: Path) -> None:
    assert not is_static(str(tmp_path / "ffmpeg"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone has such programs")
def test_this_python_is_not_static() -> None:
    assert not is_static(os.path.realpath(sys.executable))


def test_the_users_own_modules_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ffmpeg"
    path.write_bytes(STATIC)
    monkeypatch.setenv("GCONV_PATH", "/of/theirs")
    assert environment_for(str(path))["GCONV_PATH"] == "/of/theirs"
