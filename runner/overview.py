"""What `runner --help` says. It imports next to nothing, so that it is there at once."""

import os
import sys
from collections.abc import Iterator

from runner.errors import ExitCode

COMMANDS = {
    "convert": ("convert", "Convert files: here, or on Azure Batch."),
    "plan": ("plan", "Estimate time and cost of a run, here and on Azure."),
    "status": ("history", "Show the state of a run."),
    "attach": ("azure", "Follow a run on Azure, and collect its results."),
    "retry": ("retry", "Convert the failed files of a run again."),
    "cancel": ("azure", "Cancel a run on Azure."),
    "logs": ("history", "Show what ffmpeg printed for a file, or for the failed files of a run."),
    "runs": ("history", "List the runs of an output folder."),
    "report": ("report", "Write an HTML report about a run, in one file."),
    "clean": ("history", "Forget old runs and their logs; converted files stay."),
    "presets": ("presets", "List the presets, or show the exact arguments of one."),
    "doctor": ("doctor", "Check that everything a run needs is there."),
    "completion": ("completion", "Print the shell's completion script."),
}
"""The module of each command in `runner.cli`, and its purpose."""
ABOUT = (
    "Convert folders of media with ffmpeg: on this machine, or on Azure Batch.",
    (
        "`runner convert ./in` converts the media files in ./in to MP3 files in ./out. Run the same"
        " command again and it converts only what is missing."
    ),
)
_OPTIONS = {
    "--version": "Show the version and exit.",
    "-h, --help": "Show this message and exit.",
}


def overview(width: int) -> str:
    """The commands and exit codes, in lines of at most *width* characters."""
    lines = ["Usage: runner [OPTIONS] COMMAND [ARGS]..."]
    for paragraph in ABOUT:
        lines += ["", *(f"  {line}" for line in _wrapped(paragraph, width - 2))]
    commands = {name: purpose for name, (_, purpose) in COMMANDS.items()}
    codes = {str(int(code)): code.meaning for code in ExitCode}
    for title, entries in (("Options", _OPTIONS), ("Commands", commands), ("Exit codes", codes)):
        lines += ["", f"{title}:", *_table(entries, width)]
    return "\n".join(lines)


def width_of_help() -> int:
    """How wide help is, as click has it: as the terminal, and not too wide to read."""
    try:
        columns = int(os.environ.get("COLUMNS") or os.get_terminal_size(1).columns)
    except (ValueError, OSError):
        columns = 80
    return max(min(columns, 80) - 2, 50)


def show_overview() -> bool:
    """Write it to standard output; false if that does not take it."""
    try:
        sys.stdout.write(f"{overview(width_of_help())}\n")
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        return False
    return True


def _table(entries: dict[str, str], width: int) -> Iterator[str]:
    first = max(map(len, entries)) + 2
    for name, text in entries.items():
        lines = _wrapped(text, width - 2 - first)
        yield f"  {name:{first}}{next(lines)}"
        yield from (f"  {'':{first}}{line}" for line in lines)


def _wrapped(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
