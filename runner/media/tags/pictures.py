"""Bring pictures into a form that the target can hold, and that players show."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.media.tags.model import FRONT, Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.media.ffmpeg import FfmpegResult

_SHOWN = ("image/jpeg", "image/png")
# without loss what was without; the others as JPEG
_AS_PNG = ("image/gif", "image/bmp")


@dataclass(frozen=True)
class PictureTool:
    """Works on pictures with ffmpeg."""

    run: Callable[[Sequence[str]], FfmpegResult]
    """Runs ffmpeg with these arguments."""
    stem: str
    """Prefix of temporary files."""

    def shown(self, picture: Picture) -> Picture | None:
        """*picture* as JPEG or PNG; none if ffmpeg cannot make it so."""
        if picture.mime in _SHOWN:
            return picture
        before, after = f"{self.stem}.picture", f"{self.stem}.shown"
        encoder = ("png",) if picture.mime in _AS_PNG else ("mjpeg", "-q:v", "2")
        try:
            with open(before, "wb") as file:
                file.write(picture.data)
            output = ("-frames:v", "1", "-c:v", *encoder, "-f", "image2pipe", "-y")
            ran = self.run(("-i", f"file:{before}", *output, f"file:{after}"))
            data = _read(after)
        finally:
            _delete(before, after)
        made = replace(picture, data=data)
        return made if ran.code == 0 and made.mime in _SHOWN else None

    def taken_out(self, source: str, streams: Sequence[int]) -> list[Picture]:
        """Extract the pictures that ffmpeg found in *source* as these *streams*."""
        pictures: list[Picture] = []
        for stream in streams:
            out = f"{self.stem}.picture"
            try:
                output = ("-map", f"0:{stream}", "-c", "copy", "-frames:v", "1", "-f", "data", "-y")
                ran = self.run(("-i", f"file:{source}", *output, f"file:{out}"))
                if ran.code == 0 and (data := _read(out)):
                    pictures.append(Picture(data, FRONT if not pictures else 0))
            finally:
                _delete(out)
        return pictures


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _delete(*paths: str) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)
