"""Summarize the failures and notices of many files by kind and reason, with example files. Pure."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from runner.formatting import count_text, display_path
from runner.models import Event, Kind

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


def failure_reasons(results: Iterable[Event]) -> list[Reason]:
    """Return why files failed, most frequent reason first."""
    return _counted(
        (event.failure.kind.value, _text_of(event), event)
        for event in results
        if event.failure is not None
    )


def notice_reasons(results: Iterable[Event]) -> list[Reason]:
    """Return the notices about converted files, most frequent first."""
    return _counted(
        ("notice", notice, event)
        for event in results
        if event.failure is None
        for notice in event.notices
    )


def as_lines(reasons: Iterable[Reason]) -> list[str]:
    """Format *reasons* as a table, with examples below each."""
    lines = []
    for reason in reasons:
        lines.append(f"{reason.files:6}  {reason.kind:<11}  {reason.text}")
        more = "" if reason.files <= len(reason.examples) else ", …"
        lines.append(f"{'':21}{', '.join(map(display_path, reason.examples))}{more}")
    return lines


def files_with_notices(results: Iterable[Event]) -> int:
    """Count the files that were converted with a notice."""
    return sum(bool(event.notices) and event.failure is None for event in results)


def heading(results: Iterable[Event]) -> str:
    """Return the heading of the table of notices."""
    count = files_with_notices(results)
    return f"{count_text(count, 'file')} converted with a notice:"


def _text_of(event: Event) -> str:
    assert event.failure is not None
    return _NO_NAME if event.failure.kind is Kind.NAME else event.failure.message


def _counted(found: Iterable[tuple[str, str, Event]]) -> list[Reason]:
    counts: Counter[tuple[str, str]] = Counter()
    texts: dict[tuple[str, str], set[str]] = {}
    examples: dict[tuple[str, str], list[str]] = {}
    for kind, text, event in found:
        key = (kind, _NUMBER.sub("…", text))
        counts[key] += 1
        # two are enough to see that they differ
        if len(variants := texts.setdefault(key, set())) < 2:
            variants.add(text)
        if len(some := examples.setdefault(key, [])) < _EXAMPLES:
            some.append(event.conversion.source.path)
    return [
        Reason(key[0], _common(key[1], texts[key]), count, tuple(examples[key]))
        for key, count in counts.most_common()
    ]


def _common(pattern: str, texts: set[str]) -> str:
    """Return the text that all share, or their *pattern* if only numbers differ."""
    return texts.pop() if len(texts) == 1 else pattern
