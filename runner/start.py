"""The entry point: handle Ctrl-C before importing anything that takes time."""

import gc
import sys
import time
from contextlib import suppress

from runner import interrupt
from runner.imports import importing_much

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and leave with its exit code."""
    interrupt.listen()
    began = time.monotonic()
    try:
        if sys.argv[1:] in (["--help"], ["-h"]):
            from runner.overview import show_overview  # noqa: PLC0415 - as below

            if show_overview():
                return
        with importing_much():
            from runner.cli import main as run  # noqa: PLC0415 - the imports take time
        run(began)
    except KeyboardInterrupt:
        with suppress(OSError, ValueError, AttributeError):  # stderr may be closed
            sys.stderr.write("Error: interrupted\n")
        sys.exit(_INTERRUPTED)
    finally:
        gc.freeze()  # else the interpreter looks through everything once more before it ends
