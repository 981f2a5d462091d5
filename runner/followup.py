"""The follow-up commands of a run, quoted for pasting into the user's shell."""

import re
import shlex
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runner.formatting import path_from_here

_PLAIN = re.compile(r"[A-Za-z0-9_./:\\@+=-]+")
# PowerShell also accepts typographic quotes as plain ones
_POWERSHELL_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """Makes the commands for the runs of one destination."""

    destination: Path | str | None = None
    """For `-o`, a folder or an address; empty if the commands find it by themselves."""
    azure: tuple[str, ...] = ()
    """The options that select the Azure environment, if any are needed."""

    @property
    def logs(self) -> str:
        """Shows what ffmpeg said about a file, whose name replaces the last word."""
        return self._command("logs", azure=False) + " FILE"

    @property
    def runs(self) -> str:
        """Lists the runs."""
        return self._command("runs", azure=False)

    def attach(self, run: str, *options: str) -> str:
        """Collects the results of *run*."""
        return self._command("attach", run, *options)

    def cancel(self, run: str) -> str:
        """Cancels *run*."""
        return self._command("cancel", run)

    def clean(self, run: str) -> str:
        """Deletes what is left of *run*."""
        return self._command("clean", run)

    def report(self, run: str) -> str:
        """Writes the page about *run*."""
        return self._command("report", run, azure=False)

    def retry(self, *words: str) -> str:
        """Converts the failed files of the newest run again, or of the run in *words*."""
        return self._command("retry", *words)

    def status(self, run: str) -> str:
        """Shows the state of *run*."""
        return self._command("status", run)

    def _command(self, *words: str, azure: bool = True) -> str:
        place = self.destination
        out: tuple[str, ...] = ()
        if place is not None:
            out = ("-o", place if isinstance(place, str) else path_from_here(place))
        return joined(("runner", *words, *out, *(self.azure if azure else ())))


def joined(words: Iterable[str]) -> str:
    """Quote *words* as one line for the user's shell."""
    quote = _quote_of_this_shell()
    return " ".join(map(quote, words))


def posix_quoted(word: str) -> str:
    """Quote *word* for sh and similar shells; if it has unprintable characters, for bash, zsh and ksh."""
    if word.isprintable():
        return shlex.quote(word)
    shown = "".join(map(_ansi_c, word))
    return f"$'{shown}'"


def powershell_quoted(word: str) -> str:
    """Quote *word* for PowerShell."""
    # it splits an unquoted -a.b in two, and replaces @a by a variable's value
    if _PLAIN.fullmatch(word) and not re.match(r"@|-.*\.", word):
        return word
    return f"'{_POWERSHELL_QUOTES.sub(lambda quote: 2 * quote[0], word)}'"


def cmd_quoted(word: str) -> str:
    """Quote *word* for cmd.exe, which replaces variables within quotes too."""
    if _PLAIN.fullmatch(word):
        return word
    return '"' + word.replace("%", '"^%"') + '"'


def _ansi_c(letter: str) -> str:
    if letter in "\\'":
        return "\\" + letter
    if letter.isprintable():
        return letter
    return "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", "surrogateescape"))


@cache
def _quote_of_this_shell() -> Callable[[str], str]:
    quote = posix_quoted
    if sys.platform == "win32":
        import shellingham  # noqa: PLC0415 - only installed on Windows

        name = "powershell"
        with suppress(shellingham.ShellDetectionFailure):
            name, _ = shellingham.detect_shell()
        known = {"cmd": cmd_quoted, "powershell": powershell_quoted, "pwsh": powershell_quoted}
        quote = known.get(name, posix_quoted)
    return quote
