"""Use the installed `runner` on Windows as people do, and as Windows does to people; one line a step.

python tools/windows/check.py [--only WORD]... [--tests [OPTION OF PYTEST...]]

Runs on a real Windows and under Wine, in a folder of its own; needs nothing but Python and the
installed runner. Leaves with 1 if a step found a fault. A step that this Windows cannot do says why.
With --tests, runs tests/runner as well, for which pytest and what the tests import must be there.
"""

import argparse
import io
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import steps_ends
import steps_later
import steps_names
import steps_usual
from using import HERE, STEPS, NotHere

# each of them adds its own to STEPS
MODULES = (steps_usual, steps_names, steps_later, steps_ends)


def main() -> int:
    """Take every step, and say how it went."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", help="only steps with this word")
    parser.add_argument("--tests", nargs=argparse.REMAINDER, help="run tests/runner too")
    chosen = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    wanted = chosen.only or [""]
    if unknown := [word for word in wanted if not any(word in words for words in STEPS)]:
        parser.error(f"no step has the word {unknown[0]}")
    steps = {words: do for words, do in STEPS.items() if any(word in words for word in wanted)}
    faults = 0
    for words, do in steps.items():
        began = time.monotonic()
        reason = ""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            try:
                do(Path(folder).resolve())
                result = "ok  "
            except NotHere as why:
                result, reason = "--  ", f": {why}"
            except Exception:
                result, reason = "BAD ", f"\n{traceback.format_exc()}"
                faults += 1
        print(f"{result}{words} ({time.monotonic() - began:.0f} s){reason}", flush=True)
    print(f"{faults} faults", flush=True)
    tests = 0 if chosen.tests is None else _run_tests(chosen.tests)
    return 1 if faults or tests else 0


def _run_tests(options: list[str]) -> int:
    pytest = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider"]
    command = [*pytest, "-n", "auto", "--dist", "worksteal", *options, "tests/runner"]
    return subprocess.run(command, cwd=HERE.parents[1], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
