"""Count what was wrong with many files: by kind and reason, with some of the files as examples. Pure."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from runner.formatting import count_text, display_path
from runner.models import Event, Kind

_EXAMPLES = 3
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_NO_NAME = "its result cannot have the name that it would get"


@dataclass(frozen=True)
class Reason:
    """Something that was wrong with several files."""

    kind: str
    """A failure's kind, or "notice"."""
    text: str
    """The message; figures that differ between the files are left out."""
    files: int
    examples: tuple[str, ...]
    """Some of the sources."""


def failure_reasons(results: Iterable[Event]) -> list[Reason]:
    """Why files failed, the most frequent reason first."""
    return _counted(
        (event.failure.kind.value, _text_of(event), event)
        for event in results
        if event.failure is not None
    )


def notice_reasons(results: Iterable[Event]) -> list[Reason]:
    """What was noticed of files that were converted, the most frequent first."""
    return _counted(
        ("notice", notice, event)
        for event in results
        if event.failure is None
        for notice in event.notices
    )


def as_lines(reasons: Iterable[Reason]) -> list[str]:
    """A table of *reasons*, with their examples below them."""
    lines = []
    for reason in reasons:
        lines.append(f"{reason.files:6}  {reason.kind:<11}  {reason.text}")
        more = "" if reason.files <= len(reason.examples) else ", …"
        lines.append(f"{'':21}{', '.join(map(display_path, reason.examples))}{more}")
    return lines


def files_with_notices(results: Iterable[Event]) -> int:
    """How many files were converted with a notice."""
    return sum(bool(event.notices) and event.failure is None for event in results)


def heading(results: Iterable[Event]) -> str:
    """What stands above the table of notices."""
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
        # two are enough to know that they differ
        if len(variants := texts.setdefault(key, set())) < 2:
            variants.add(text)
        if len(some := examples.setdefault(key, [])) < _EXAMPLES:
            some.append(event.conversion.source.path)
    return [
        Reason(key[0], _common(key[1], texts[key]), count, tuple(examples[key]))
        for key, count in counts.most_common()
    ]


def _common(pattern: str, texts: set[str]) -> str:
    """The one text of all, or the *pattern* of those that differ in figures."""
    return texts.pop() if len(texts) == 1 else pattern
