"""Take the README's picture of the live display: a real run in a real terminal, as SVG.

    python tools/pictures.py

Needs the demo's media (`make demo`). Runs `runner convert` in a pseudo-terminal, reads its screen
with a terminal emulator after some seconds, and stops it as a user would, with Ctrl-C.
"""

import os
import pty
import re
import select
import struct
import sys
import tempfile
import termios
import time
from fcntl import ioctl
from io import StringIO
from pathlib import Path

import pyte
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
COLUMNS, LINES = 88, 10
SECONDS = 5.0
COMMAND = ("runner", "convert", "demo/in", "--to", "mp4")


def main() -> None:
    """Write docs/convert.svg."""
    with tempfile.TemporaryDirectory() as out:
        screen = watch([*COMMAND, "-o", out], SECONDS)
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(Text(f"$ {' '.join(COMMAND)}"))
    for number in range(LINES):
        line = styled(screen, number)
        if line.plain.strip():
            console.print(line)
    svg = console.export_svg(title="runner convert")
    # no fonts from elsewhere: the reader's own monospace does
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (ROOT / "docs" / "convert.svg").write_text(svg, encoding="utf-8")


def watch(command: list[str], seconds: float) -> pyte.Screen:
    """The screen that *command* shows after so many *seconds*."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(ROOT)
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        os.execve(Path(sys.executable).with_name(command[0]), command, environment)
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            stream.feed(os.read(terminal, 65536))
    for _ in range(2):  # the second one ends what runs
        os.write(terminal, b"\x03")
        time.sleep(0.5)
    os.waitpid(process, 0)
    return screen


def styled(screen: pyte.Screen, number: int) -> Text:
    """A line of *screen* with its colours."""
    line = Text()
    for column in range(screen.columns):
        cell = screen.buffer[number][column]
        colour = cell.fg if cell.fg in ("red", "yellow", "default") else f"#{cell.fg}"
        line.append(cell.data, style=f"{'bold ' if cell.bold else ''}{colour}")
    line.rstrip()
    return line


if __name__ == "__main__":
    main()
