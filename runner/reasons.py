"""Summarize the failures and notices of many files by kind and reason, with example files. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runner.formatting import display_path
from runner.models import Failure, Kind

_EXAMPLES = 3
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_NO_NAME = "the name for its result is not possible here"


@dataclass(frozen=True)
class Reason:
    """A failure or notice that several files have in common."""

    kind: str
    """A failure's kind, or "notice"."""
    text: str
    """The message, without the numbers that differ between the files."""
    files: int
    examples: tuple[str, ...]
    """Some of the sources, as examples."""


class ReasonCounts:
    """Counts files by why they failed, or by what was noticed."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._texts: dict[tuple[str, str], set[str]] = {}
        self._examples: dict[tuple[str, str], list[str]] = {}

    def add(self, kind: str, text: str, source: str) -> None:
        """Count the file at *source*."""
        key = (kind, pattern_of(text))
        self._counts[key] += 1
        # two are enough to see that they differ
        if len(variants := self._texts.setdefault(key, set())) < 2:
            variants.add(text)
        if len(some := self._examples.setdefault(key, [])) < _EXAMPLES:
            some.append(source)

    def add_failure(self, failure: Failure, source: str) -> None:
        """Count the *failure* of the file at *source*."""
        text = _NO_NAME if failure.kind is Kind.NAME else failure.message
        self.add(failure.kind.value, text, source)

    def by_frequency(self) -> Iterator[Reason]:
        """Yield the reasons, most frequent first."""
        for key, count in self._counts.most_common():
            text = common_text(key[1], self._texts[key])
            yield Reason(key[0], text, count, tuple(self._examples[key]))


def as_lines(reasons: Iterable[Reason]) -> list[str]:
    """Format *reasons* as a table, with examples below each."""
    lines = []
    for reason in reasons:
        lines.append(f"{reason.files:6}  {reason.kind:<11}  {reason.text}")
        more = "" if reason.files <= len(reason.examples) else ", …"
        lines.append(f"{'':21}{', '.join(map(display_path, reason.examples))}{more}")
    return lines


def pattern_of(text: str) -> str:
    """Return *text* without its numbers: messages that differ only in these are one reason."""
    return _NUMBER.sub("…", text)


def common_text(pattern: str, texts: set[str]) -> str:
    """Return the text that all share, or their *pattern* if only numbers differ."""
    return next(iter(texts)) if len(texts) == 1 else pattern
