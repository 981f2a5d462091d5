"""Where the command starts: Ctrl-C is heard before anything that takes time is imported."""

import sys
from contextlib import suppress

from runner import interrupt

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and leave with its exit code."""
    interrupt.listen()
    try:
        from runner.cli import main as run  # noqa: PLC0415 - the imports are what takes time

        run()
    except KeyboardInterrupt:
        with suppress(OSError, ValueError, AttributeError):  # there may be nowhere to say it
            sys.stderr.write("Error: interrupted\n")
        sys.exit(_INTERRUPTED)
