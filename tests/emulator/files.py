"""The files on a node as the API shows them: find, list, describe and read them."""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.emulator.errors import BatchError
from tests.emulator.times import from_epoch, http_date, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.emulator.model import Json

RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Entry:
    """A file or folder below *root*."""

    root: Path
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    def describe(self, files_url: str) -> Json:
        """Return the item of a listing; *files_url* is where the root's files are."""
        item: Json = {
            "name": self.name,
            "url": f"{files_url}/{quote(self.name)}",
            "isDirectory": self.path.is_dir(),
        }
        if not item["isDirectory"]:
            stat = self.path.stat()
            item["properties"] = {
                "creationTime": timestamp(from_epoch(stat.st_ctime)),
                "lastModified": timestamp(from_epoch(stat.st_mtime)),
                "contentLength": str(stat.st_size),
                "contentType": content_type(self.path),
                "fileMode": f"0o{stat.st_mode:o}",
            }
        return item

    def headers(self, files_url: str) -> dict[str, str]:
        stat = self.path.stat()
        return {
            "Last-Modified": http_date(from_epoch(stat.st_mtime)),
            "ocp-creation-time": http_date(from_epoch(stat.st_ctime)),
            "ocp-batch-file-isdirectory": str(self.path.is_dir()),
            "ocp-batch-file-mode": f"0o{stat.st_mode:o}",
            "ocp-batch-file-url": quote(f"{files_url}/{quote(self.name)}", safe=""),
            "Content-Type": content_type(self.path),
        }

    def read(self, wanted: str | None) -> bytes:
        """Return the bytes, or those of a range ``bytes=first-last``.

        Raises:
            BatchError: It is a folder, or has not so many bytes.
        """
        if self.path.is_dir():
            raise BatchError("OperationInvalidForCurrentState", {"Reason": "this is a directory"})
        if not wanted:
            return self.path.read_bytes()
        match = RANGE.fullmatch(wanted.strip())
        size = self.path.stat().st_size
        if match is None or (int(match[1]) >= size and size):
            raise BatchError("InvalidRange", {"Range": wanted})
        first = int(match[1])
        last = int(match[2]) if match[2] else size - 1
        with self.path.open("rb") as file:
            file.seek(first)
            return file.read(max(0, last - first + 1))


def content_type(path: Path) -> str:
    guessed = mimetypes.guess_type(path.name)[0]
    return "text/plain" if guessed == "text/plain" else "application/octet-stream"


def find(root: Path, name: str) -> Entry:
    """Return what is called *name* below *root*.

    Raises:
        BatchError: FileNotFound; also where the name leads out of the root.
    """
    path = root / name.lstrip("/")
    inside = path.resolve().is_relative_to(root.resolve())
    if not inside or not path.exists():
        raise BatchError("FileNotFound")
    return Entry(root, path)


def entries(root: Path, *, recursive: bool) -> list[Entry]:
    return [Entry(root, path) for path in sorted(walk(root, recursive=recursive))]


def walk(folder: Path, *, recursive: bool) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        yield path
        if recursive and path.is_dir() and not path.is_symlink():
            yield from walk(path, recursive=True)
