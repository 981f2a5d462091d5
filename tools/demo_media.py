"""Make a folder of small real media files with awkward names, one of them cut short.

python tools/demo_media.py FOLDER
"""

import subprocess
import sys
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

_PICTURE = "testsrc2=s=640x360:r=25"
_MP4 = ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-movflags", "+faststart")
_NAMES = {
    "My Talk.mp4": 60,
    "day 1/Opening – Übersicht.mp4": 45,  # noqa: RUF001 - names like this are the point
    "day 1/Q&A (part 2).v2.mp4": 30,
    "day 2/Q&A (part 2).v2.mp4": 30,
    "day 2/it's live $(now).mkv": 20,
    "day 2/-dash first.mov": 20,
    "日本語/こんにちは 🎧.mp4": 40,
    "cut short.mp4": 30,
}


def main(folder: Path) -> None:
    """Make the files, each with a tone of its own."""
    for number, (name, seconds) in enumerate(_NAMES.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tone = f"sine=f={220 + 55 * number}:b=4"
        codecs = _MP4 if path.suffix != ".mkv" else ("-c:v", "libx264", "-c:a", "libopus")
        _ffmpeg(
            *("-f", "lavfi", "-i", _PICTURE, "-f", "lavfi", "-i", tone, "-t", str(seconds)),
            *(
                *codecs,
                "-metadata",
                f"title={path.stem}",
                "-metadata",
                "artist=runner demo",
                f"file:{path}",
            ),
        )
    cut = folder / "cut short.mp4"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])


def _ffmpeg(*arguments: str) -> None:
    subprocess.run([get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
