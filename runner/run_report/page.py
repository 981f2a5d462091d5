"""Make the page about a run: the text for the template, and the template itself."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from runner import __version__
from runner.costs import COUNTED, NOT_COUNTED, storage_text
from runner.errors import ExitCode
from runner.followup import FollowUp
from runner.formatting import bytes_text, count_text, printable, seconds_text
from runner.models import State
from runner.prices import money_text
from runner.records import AttemptRecord
from runner.run_report.bottleneck import bottleneck
from runner.run_report.drawing import WIDTH, draw
from runner.run_report.facts import RunFacts, sizes_of
from runner.run_report.failures import failed_files
from runner.run_report.names import Names

_TOP = 10
"""Rows of the slowest files and of the largest savings."""
_MOST_ROWS = 10_000
"""Of the table of all files, and of that of repeated attempts."""
_OF_AZURE = ("upload", "transfers", "keep")
"""Settings without a meaning on this machine."""
_TEMPLATE = "page.html.jinja"


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, without empty columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    keys: tuple[tuple[float | str, ...], ...] = ()
    """What the cells are sorted by."""
    left_out: int = 0


@dataclass(frozen=True)
class Destination:
    """Where the results are, and the commands that go on with them."""

    place: Path | str
    """A folder, or an address in Azure storage."""
    follow_up: FollowUp


def render(facts: RunFacts, destination: Destination, now: datetime) -> str:
    """Render the page as self-contained HTML."""
    environment = Environment(
        loader=PackageLoader("runner.run_report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = Names.of(facts.attempts)
    return environment.get_template(_TEMPLATE).render(
        run=facts.run.id,
        sentence=sentence(facts),
        figures=tuple(_figures(facts)),
        bottleneck=bottleneck(facts),
        account=_account(facts),
        timeline=draw(facts, names),
        width=WIDTH,
        slowest=_slowest(facts, names),
        savings=_savings(facts, names),
        kinds=tuple(_kinds(facts)),
        failures=failed_files(facts, names),
        repeated=_repeated(facts, names),
        files=_files(facts, names),
        attempted=count_text(len(facts.latest), "file"),
        folder=printable(names.folder),
        settings=tuple(_settings(facts, destination.place)),
        recipes=tuple(_recipes(facts)),
        commands=tuple(_commands(facts, destination.follow_up)),
        made=f"Made by runner {__version__} on {now:%Y-%m-%d at %H:%M}.",
    )


def sentence(facts: RunFacts) -> str:
    """Return the run in one sentence."""
    run, counts, volume = facts.run, facts.counts, facts.volume
    pool = f", pool {run.options.pool}" if run.options.pool else ""
    where = "on this machine" if facts.is_local else f"on Azure ({run.backend}{pool})"
    began = facts.duration.began
    said = f"On {began.day} {began:%B %Y} at {began:%H:%M}, "
    said += f"{counts.converted:,} of {count_text(run.files, 'file')} "
    said += f"{'was' if counts.converted == 1 else 'were'} converted {where}"
    said += f" in {seconds_text(facts.duration.seconds)}"
    others = {
        "already up to date": counts.up_to_date,
        "failed": counts.failed,
        "not done": counts.left,
    }
    if rest := [f"{count:,} {what}" for what, count in others.items() if count]:
        said += f" ({', '.join(rest)})"
    if volume.files:
        said += f"; {bytes_text(volume.source)} became {bytes_text(volume.result)}"
        said += f", {_share_saved(volume.saved, volume.source)}"
    return f"{said}."


def _share_saved(saved: int, source: int) -> str:
    if not source or not saved:
        return "the same size"
    return f"{abs(saved) / source:.0%} {'less' if saved > 0 else 'more'}"


def _figures(facts: RunFacts) -> Iterator[Fact]:
    counts, volume = facts.counts, facts.volume
    yield Fact("files", f"{facts.run.files:,}")
    yield Fact("converted", f"{counts.converted:,}")
    if counts.up_to_date:
        yield Fact("already up to date", f"{counts.up_to_date:,}")
    yield Fact("failed", f"{counts.failed:,}")
    if counts.left:
        yield Fact("not done", f"{counts.left:,}")
    yield Fact("time", seconds_text(facts.duration.seconds))
    if facts.media_seconds:
        speed = facts.media_seconds / facts.duration.seconds if facts.duration.seconds > 0 else 0
        shown = f"{seconds_text(facts.media_seconds)}" + (f" ({speed:.0f}x)" if speed >= 1 else "")
        yield Fact("media converted", shown)
    if volume.files:
        of = "" if volume.files == counts.converted else f" (of {count_text(volume.files, 'file')})"
        yield Fact("bytes in", bytes_text(volume.source) + of)
        yield Fact("bytes out", bytes_text(volume.result) + of)
        what = "saved" if volume.saved >= 0 else "added"
        share = _share_saved(volume.saved, volume.source)
        yield Fact(what, f"{bytes_text(abs(volume.saved))} ({share})")
    if (upload := facts.upload) is not None:
        yield Fact(
            "uploaded", f"{bytes_text(upload.sent)} for {bytes_text(upload.source)} of sources"
        )
    if (cost := facts.cost) is not None:
        yield Fact("downloaded", bytes_text(cost.downloaded))
        yield Fact("node hours", f"{cost.seconds / 3600:.3g} on {count_text(cost.nodes, 'node')}")
        if cost.amount is None or cost.prices is None:
            yield Fact("cost", "price unknown")
        else:
            yield Fact("cost", money_text(cost.amount, cost.prices.currency))
            if cost.storage.stays and cost.a_month is not None:
                a_month = money_text(cost.a_month, cost.prices.currency)
                yield Fact(
                    "left in storage", f"{bytes_text(cost.storage.stays)}, {a_month} a month"
                )


def _account(facts: RunFacts) -> tuple[str, ...]:
    """Return how the cost is computed, and what it does not include."""
    if (cost := facts.cost) is None:
        return ()
    stored = [f"{said[0].upper()}{said[1:]}."] if (said := storage_text(cost)) else []
    return (f"{cost.text}.", *stored, f"{COUNTED}.", f"{NOT_COUNTED}.")


def _slowest(facts: RunFacts, names: Names) -> Table:
    rows = [
        (names.source(a), seconds_text(seconds), _length(a), _speed(a, seconds))
        for a, seconds in facts.slowest[:_TOP]
    ]
    return _table(("File", "Time", "Length", "Speed"), rows)


def _savings(facts: RunFacts, names: Names) -> Table:
    rows = []
    for attempt, saved in facts.savings[:_TOP]:
        source, result = sizes_of(attempt) or (0, 0)
        sizes = map(bytes_text, (source, result, saved))
        rows.append((names.source(attempt), *sizes, f"{saved / source:.0%}"))
    return _table(("File", "Source", "Result", "Saved", "Share"), rows)


def _repeated(facts: RunFacts, names: Names) -> Table:
    rows = [
        (
            *(names.source(a), str(a.number), a.state.value, seconds_text(a.seconds)),
            *(printable(a.worker), printable(a.kind), printable(a.message)),
        )
        for a in facts.repeated
    ]
    columns = ("File", "Attempt", "Outcome", "Time", "Worker", "Kind", "Message")
    return _table(columns, rows)


def _files(facts: RunFacts, names: Names) -> Table:
    columns = ("File", "Result", "Outcome", "Source size", "Result size", "Time", "Notes")
    latest = sorted(facts.latest, key=lambda attempt: attempt.source)
    found = [_row(facts, attempt, names) for attempt in latest]
    return _table(columns, [cells for cells, _ in found], [keys for _, keys in found])


def _row(
    facts: RunFacts, attempt: AttemptRecord, names: Names
) -> tuple[tuple[str, ...], tuple[float | str, ...]]:
    span = facts.span_of(attempt)
    sizes = attempt.source_size, attempt.size
    notes = printable(attempt.message or "; ".join(attempt.notices))
    cells = (
        *(names.source(attempt), printable(attempt.target), attempt.state.value),
        *("" if size is None else bytes_text(size) for size in sizes),
        *("" if span is None else seconds_text(span.seconds), notes),
    )
    exact = (-1 if size is None else size for size in sizes)
    keys = (*cells[:3], *exact, -1 if span is None else round(span.seconds, 3), notes)
    return cells, keys


def _table(
    columns: Sequence[str],
    rows: Sequence[tuple[str, ...]],
    keys: Sequence[tuple[float | str, ...]] = (),
) -> Table:
    used = [n for n in range(len(columns)) if any(row[n] for row in rows)]

    def pick(cells: Sequence[float | str]) -> tuple[float | str, ...]:
        return tuple(cells[n] for n in used)

    return Table(
        columns=tuple(columns[n] for n in used),
        rows=tuple(tuple(row[n] for n in used) for row in rows[:_MOST_ROWS]),
        keys=tuple(pick(key) for key in keys[:_MOST_ROWS]),
        left_out=max(0, len(rows) - _MOST_ROWS),
    )


def _length(attempt: AttemptRecord) -> str:
    return seconds_text(attempt.media_seconds) if attempt.media_seconds else ""


def _speed(attempt: AttemptRecord, seconds: float) -> str:
    return f"{attempt.media_seconds / seconds:.1f}x" if attempt.media_seconds and seconds else ""


def _kinds(facts: RunFacts) -> Iterator[Fact]:
    kinds = Counter(attempt.kind for attempt in facts.that_ended(State.FAILED))
    for kind, count in kinds.most_common():
        yield Fact(kind, count_text(count, "file"))


def _settings(facts: RunFacts, place: Path | str) -> Iterator[Fact]:
    run = facts.run
    yield Fact("run", run.id)
    yield Fact("results", printable(str(place)))
    if run.exit_code is not None:
        yield Fact("exit code", f"{int(run.exit_code)} ({ExitCode(run.exit_code).meaning})")
    if run.runner:
        yield Fact("runner", run.runner)
    for versions, count in Counter(a.versions for a in facts.attempts if a.versions).most_common():
        yield Fact("done with", f"{printable(versions)} ({count_text(count, 'attempt')})")
    for name, value in asdict(run.options).items():
        if value not in (None, "") and not (facts.is_local and name in _OF_AZURE):
            shown = (
                {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
            )
            yield Fact(f"--{name.replace('_', '-')}", printable(str(shown)))


def _recipes(facts: RunFacts) -> Iterable[Fact]:
    used = Counter((a.recipe.suffix, a.recipe.arguments) for a in facts.latest)
    for (suffix, arguments), count in used.most_common(_TOP):
        yield Fact(
            f"{printable(suffix)} ({count_text(count, 'file')})", printable(shlex.join(arguments))
        )


def _commands(facts: RunFacts, follow_up: FollowUp) -> Iterator[Fact]:
    run, counts = facts.run, facts.counts
    yield Fact("convert what is missing", printable(run.command))
    if counts.failed:
        yield Fact("convert the failed files again", follow_up.retry(run.id))
        yield Fact("show what ffmpeg printed for a file", follow_up.logs)
    if run.unfinished and not facts.is_local:
        yield Fact("collect the remaining results", follow_up.attach(run.id))
        yield Fact("cancel the run", follow_up.cancel(run.id))
    yield Fact("write this page again", follow_up.report(run.id))
