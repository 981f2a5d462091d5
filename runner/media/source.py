"""Check a source before ffmpeg reads it: whether it is a file, and where its audio ends."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from typing import BinaryIO

from runner.media.failures import ConversionError, Kind
from runner.media.files_in_use import retry_while_in_use
from runner.media.paths import mtime_ns_of
from runner.media.tag_bytes import tag_length
from runner.media.target import from_os, is_used_up

_NO_ACCESS = "not readable: permission denied"
if os.name == "nt":
    _NO_ACCESS += ", or another program has it open"
_LOSSLESS = (b"fLaC", b"wvpk", b"TTA1", b"MAC ")
_NOT_BEHIND_ID3V2 = (b"wvpk", b"MAC ", b"MPCK", b"MP+", b"#!AM", b"\x0b\x77", b"\x7f\xfe\x80\x01")
"""The first bytes of files that ffmpeg does not recognise after an ID3v2 tag."""
_ID3V1, _APE_FOOTER, _LYRICS_FOOTER = 128, 32, 15


def check_source(path: str) -> None:
    """Refuse anything that is not a readable file.

    Raises:
        ConversionError: The message is the reason, in one line.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise ConversionError(Kind.INPUT, _what_it_is(path, status.st_mode))
        if status.st_size == 0:
            raise ConversionError(Kind.INPUT, "the file is empty")
        retry_while_in_use(lambda: _read_a_byte(path))
    except OSError as error:
        if is_used_up(error):
            raise from_os(error) from error
        if error.errno == errno.ENOENT and os.path.islink(path):
            raise ConversionError(Kind.INPUT, "a broken link") from error
        reasons = {
            errno.ENOENT: "the file is gone",
            errno.EACCES: _NO_ACCESS,
            errno.ELOOP: "a link that leads to itself",
        }
        reason = reasons.get(error.errno or 0, f"not readable: {error.strerror}")
        raise ConversionError(Kind.INPUT, reason) from error


def check_unchanged(path: str, expected: tuple[int, int] | None) -> None:
    """Refuse a source whose size in bytes and mtime in nanoseconds are not as *expected*.

    Raises:
        ConversionError: It has changed, or is gone; without a log, so that it is tried again.
    """
    if expected is None:
        return
    try:
        status = os.stat(path)
    except OSError as error:
        if is_used_up(error):
            raise from_os(error) from error
        raise ConversionError(Kind.INPUT, "the file is gone") from error
    if (status.st_size, mtime_ns_of(status)) != expected:
        message = "the file changed while it was read; is it still being recorded?"
        raise ConversionError(Kind.INPUT, message)


def _read_a_byte(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def has_checksums(path: str) -> bool:
    """Return whether each frame of the file at *path* has a checksum, as in lossless formats."""
    with open(path, "rb") as file:
        return _first_bytes(file) in _LOSSLESS


def is_free_format(path: str) -> bool:
    """Return whether the file at *path* starts as MPEG audio without a bit rate."""
    with open(path, "rb") as file:
        head = _first_bytes(file)
    is_mpeg = len(head) == 4 and head[0] == 0xFF and head[1] & 0xE6 in (0xE2, 0xE4, 0xE6)
    return is_mpeg and head[2] >> 4 == 0 and head[2] >> 2 & 3 != 3


def without_tags(path: str, copy: str) -> str:
    """Return *path*, or *copy* of it without the tags that confuse ffmpeg.

    Old programs wrote APE and Lyrics3 tags at the end of MP3 files, ID3v1 tags at the end of others, and
    ID3v2 tags at the start of files that ffmpeg then does not recognise. An ID3v1 tag of an MP3 file is
    kept, because ffmpeg reads it.
    """
    with open(path, "rb") as file:
        head = _first_bytes(file)
        reads_id3v1 = head[:1] == b"\xff"
        start = file.tell() - len(head) if head.startswith(_NOT_BEHIND_ID3V2) else 0
        if not start and not reads_id3v1 and head != b"fLaC" and head[:2] != b"\x0b\x77":
            return path
        size = os.fstat(file.fileno()).st_size
        has_id3v1 = _read(file, size - _ID3V1, 3) == b"TAG"
        tagged = size - _ID3V1 if has_id3v1 else size
        sound = _end_of_sound(file, tagged)
        if not reads_id3v1:
            tagged = size
        if sound == tagged and not start:
            return path
        with open(copy, "wb") as target:
            file.seek(start)
            _copy_bytes(file, target, sound - start)
            file.seek(tagged)
            shutil.copyfileobj(file, target)
    return copy


def _first_bytes(file: BinaryIO) -> bytes:
    """Return the first four bytes after any ID3v2 tags."""
    head = file.read(10)
    if head[:3] == b"ID3":
        file.seek(tag_length(head, 0))
    else:
        file.seek(0)
    return file.read(4)


def _end_of_sound(file: BinaryIO, end: int) -> int:
    """Return where the APE and Lyrics3 tags that end at *end* start, in any order."""
    while True:
        footer = _read(file, end - _APE_FOOTER, _APE_FOOTER)
        lyrics = footer[-_LYRICS_FOOTER:]
        if footer[:8] == b"APETAGEX":
            has_header = footer[23:24] >= b"\x80"
            length = int.from_bytes(footer[12:16], "little") + _APE_FOOTER * has_header
        elif lyrics[6:] == b"LYRICS200" and lyrics[:6].isdigit():
            length = int(lyrics[:6]) + _LYRICS_FOOTER
        else:
            return end
        if not 0 < length < end:
            return end
        end -= length


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    if start < 0:
        return b""
    file.seek(start)
    return file.read(size)


def _copy_bytes(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size > 0 and (block := source.read(min(size, 1 << 20))):
        target.write(block)
        size -= len(block)


def _what_it_is(path: str, mode: int) -> str:
    """Return why the object at *path*, with its file *mode*, is not a source."""
    if stat.S_ISDIR(mode):
        try:
            os.scandir(path).close()
        except OSError as error:
            if is_used_up(error):
                raise
            return f"the folder cannot be opened: {error.strerror}".lower()
    return f"not a file but a {_file_type(mode)}"


def _file_type(mode: int) -> str:
    names = {
        stat.S_IFDIR: "folder",
        stat.S_IFIFO: "FIFO",
        stat.S_IFSOCK: "socket",
        stat.S_IFCHR: "device",
        stat.S_IFBLK: "device",
    }
    return names.get(stat.S_IFMT(mode), "special file")
