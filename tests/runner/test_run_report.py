"""The page about a run: figures that add up, a page that is whole in itself, and names that do no harm."""

import csv
import io
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from runner.errors import ExitCode
from runner.followup import FollowUp
from runner.ledger import Ledger
from runner.models import (
    Conversion,
    Event,
    Execution,
    Failure,
    Kind,
    Plan,
    Result,
    Source,
    State,
)
from runner.options import RunOptions
from runner.records import AttemptRecord, RunRecord
from runner.run_report.data import as_json, write_csv
from runner.run_report.facts import Counts, RunFacts, Span, Upload, Volume
from runner.run_report.failures import failed_files
from runner.run_report.names import Names
from runner.run_report.page import Destination, render, sentence
from runner.run_report.timeline import Amount, lanes, rates, waiting
from runner.schema import STEPS
from tests.conftest import Run
from tests.media import Media
from tests.runner.programs import recipe

NAME = "20261122-1412-mossy-otter"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RUN = RunRecord(
    id=NAME,
    backend="account",
    command="runner convert in",
    started=NOON,
    ended=NOON + timedelta(seconds=100),
    exit_code=ExitCode.SOME_FAILED,
    files=6,
    converted=3,
    up_to_date=1,
    failed=1,
    unfinished=True,
    options=RunOptions(),
    runner="0.1.0",
)


def at(seconds: float) -> datetime:
    """So long after the run began."""
    return NOON + timedelta(seconds=seconds)


def attempt(
    target: str, state: State, began: float, seconds: float, **other: object
) -> AttemptRecord:
    values = {
        "run": NAME,
        "target": target,
        "number": 1,
        "source": f"/films/{target}.mp4",
        "recipe": recipe(),
        "state": state,
        "kind": "" if state is State.CONVERTED else "transient",
        "message": "" if state is State.CONVERTED else "the node is gone",
        "seconds": seconds,
        "log": "",
        "ended": at(began + seconds),
        "notices": (),
        "source_size": 1000,
        "size": None,
        "sent": None,
        "media_seconds": None,
        "queued": None,
        "began": at(began),
        "worker": "node-1",
        "versions": "",
    }
    return AttemptRecord(**(values | other))  # type: ignore[arg-type] # each names its fields


FACTS = RunFacts(
    RUN,
    (
        attempt("a", State.RETRYING, 10, 5, queued=at(0), sent=400),
        attempt(
            "b", State.CONVERTED, 15, 5, worker="node-2", size=100, sent=1000, media_seconds=50.0
        ),
        attempt("a", State.CONVERTED, 20, 30, number=2, sent=0, size=300, queued=at(16)),
        attempt("c", State.CONVERTED, 20, 50, source_size=2000, size=2500, media_seconds=10.0),
        attempt("d", State.FAILED, 60, 10, worker="node-10", log="first\nlast words"),
    ),
)


def test_the_figures_add_up() -> None:
    assert FACTS.counts == Counts(converted=3, up_to_date=1, failed=1, left=1)
    assert FACTS.volume == Volume(files=3, source=4000, result=2900)
    assert FACTS.volume.saved == 1100
    assert FACTS.upload == Upload(files=2, source=2000, sent=1400)
    assert FACTS.media_seconds == 60
    assert FACTS.duration == Span(at(0), at(100))
    assert [(a.target, seconds) for a, seconds in FACTS.slowest] == [
        *(("c", 50), ("a", 30), ("d", 10), ("b", 5)),
    ]
    assert [(a.target, saved) for a, saved in FACTS.savings] == [("b", 900), ("a", 700)]
    assert [(a.target, a.number) for a in FACTS.repeated] == [("a", 1), ("a", 2)]


def test_the_run_is_summed_up_in_one_sentence() -> None:
    here = replace(RUN, backend="local", files=1, up_to_date=0, unfinished=False)
    assert sentence(FACTS) == (
        "On 22 November 2026 at 12:00, 3 of 6 files were converted on Azure (account) in 1 m 40 s"
        " (1 already up to date, 1 failed, 1 not done); 4.0 kB became 2.9 kB, 28% less."
    )
    assert sentence(RunFacts(here, FACTS.attempts[1:2])) == (
        "On 22 November 2026 at 12:00, 1 of 1 file was converted on this machine in 1 m 40 s;"
        " 1.0 kB became 100 B, 90% less."
    )


def test_simultaneous_work_is_in_separate_lanes() -> None:
    drawn = [
        (lane.name, [(bar.first.target, bar.first.number) for bar in lane.bars])
        for lane in lanes(FACTS, 1000)
    ]
    assert drawn == [
        ("node-1", [("a", 1), ("a", 2)]),
        ("node-1", [("c", 1)]),
        ("node-2", [("b", 1)]),
        ("node-10", [("d", 1)]),
    ]


def test_what_is_too_short_to_be_seen_is_drawn_with_its_neighbours() -> None:
    short = tuple(attempt(str(n), State.CONVERTED, n / 100, 0.01) for n in range(5000))
    failed = attempt("bad", State.FAILED, 50.0, 0.01)
    (lane,) = lanes(RunFacts(RUN, (*short, failed)), 1000)
    assert [(bar.state, bar.attempts) for bar in lane.bars] == [
        *((State.CONVERTED, 5000), (State.FAILED, 1)),
    ]
    assert lane.bars[0].span == Span(at(0), at(50))


def test_rates_add_up_to_everything_that_was_done() -> None:
    whole = Span(at(0), at(100))
    amounts = [Amount(Span(at(10), at(30)), 400), Amount(Span(at(90), at(100)), 50)]
    assert rates(amounts, whole, 5) == pytest.approx((10, 10, 0, 0, 2.5))
    at_once = [Amount(Span(at(100), at(100)), 60)]
    assert rates(at_once, whole, 5) == pytest.approx((0, 0, 0, 0, 3))
    assert rates(amounts, Span(at(0), at(0)), 2) == (0, 0)


def test_a_rate_of_what_waits_is_how_many_wait() -> None:
    # the one waits for 10 s, the other for 4 s of the second ten
    assert rates(waiting(FACTS), Span(at(0), at(20)), 2) == pytest.approx((1, 0.4))


def test_a_clock_of_azure_that_is_ahead_is_set_back() -> None:
    ahead = attempt("a", State.CONVERTED, 600, 30, queued=at(590), ended=at(80))
    other = attempt("b", State.CONVERTED, 610, 30, ended=at(100))
    facts = RunFacts(RUN, (ahead, other))
    assert facts.span_of(ahead) == Span(at(50), at(80))
    assert facts.wait_of(ahead) == Span(at(40), at(50))
    assert facts.duration == facts.drawn == Span(at(0), at(100))
    here = RunFacts(replace(RUN, backend="local"), (ahead,))
    assert here.span_of(ahead) == Span(at(600), at(630)), "there is one clock only"


@pytest.mark.parametrize(
    ("seconds", "ended", "span"),
    [
        (5.0, 20, Span(at(15), at(20))),
        (30.0, 20, None),  # the time of an earlier run, whose failure was taken over
        (0.0, 20, None),
    ],
)
def test_without_a_start_time_it_is_computed_from_the_end(
    seconds: float, ended: float, span: Span | None
) -> None:
    old = replace(attempt("a", State.FAILED, 0, seconds), began=None, ended=at(ended))
    assert RunFacts(RUN, (old,)).span_of(old) == span


def test_a_run_of_which_nothing_is_known_yet_has_a_page() -> None:
    nothing = RunFacts(replace(RUN, ended=None, exit_code=None, up_to_date=0), ())
    assert nothing.counts == Counts(converted=0, up_to_date=0, failed=0, left=6)
    page = Page.of(nothing)
    assert "0 of 6 files were converted on Azure (account) in 0.0 s (6 not done)." in page.text
    assert page.headings == [f"Run {NAME}", "Settings and versions", "Commands"]


# --- the page --------------------------------------------------------------------------------------

_EMPTY = {"meta", "input", "br", "link", "img"}


class Page(HTMLParser):
    """A page, read strictly: all that opens is closed, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    @classmethod
    def of(cls, facts: RunFacts) -> "Page":
        return cls(render(facts, Destination(Path("/results"), FollowUp()), NOON))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), "an attribute twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append((self.open[-1] if self.open else "", data))

    @property
    def text(self) -> str:
        """What is read where no script is run."""
        return "".join(words for tag, words in self.words if tag not in ("script", "style"))

    @property
    def headings(self) -> list[str]:
        return [words for tag, words in self.words if tag in ("h1", "h2")]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page.of(FACTS)


def test_the_page_has_all_parts_and_no_empty_column(page: Page) -> None:
    assert page.headings == [
        *(f"Run {NAME}", "Failures", "Time", "Slowest files", "Largest savings"),
        *("Repeated attempts", "Files", "Cost", "Settings and versions", "Commands"),
    ]
    columns = [words for tag, words in page.words if tag == "th" and words.strip()]
    assert "Speed" in columns
    assert "Message" in columns
    assert "Length" not in Page.of(RunFacts(RUN, FACTS.attempts[:1])).text


def test_the_page_shows_what_failed_and_the_next_commands(page: Page) -> None:
    assert "the node is gone" in page.text
    assert "first\nlast words" in page.text
    for command in ("convert in", f"retry {NAME}", f"attach {NAME}", "logs FILE", f"report {NAME}"):
        assert f"runner {command}" in page.text


def test_the_page_loads_nothing_from_elsewhere(page: Page) -> None:
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    assert policy
    assert "default-src 'none'" in policy
    kinds = {tag for tag, _ in page.tags}
    assert not kinds & {
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "a",
        "image",
        "use",
    }
    assert not [a for _, a in page.tags if {"src", "href", "srcset", "action", "style"} & a.keys()]
    everything = "".join(words for _, words in page.words)
    for word in ("http:", "https:", "//cdn", "url(", "@import", "fetch(", "XMLHttpRequest"):
        assert word not in everything


def test_the_page_can_be_heard_as_well_as_seen(page: Page) -> None:
    assert [a.get("lang") for tag, a in page.tags if tag == "html"] == ["en"]
    assert {"main", "header", "footer", "h1", "title", "caption"} <= {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
        if tag == "th":
            assert attributes["scope"] in ("col", "row")
    names = [a["id"] for _, a in page.tags if "id" in a]
    assert len(set(names)) == len(names)
    assert {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a} <= set(names)


HOSTILE = (
    "<script>alert(1)</script>",
    "\"onmouseover='x' a=\"",
    "</title></style></script><img src=x onerror=x>",
    "{{ 7 * 7 }}{% raw %}&amp;",
    "gpj.\u202e\u2066exe",
    "two\nlines\x1b[2J\x00\x7f",
    "\udcff\udc80 stray bytes",
    "=cmd|' /C calc'!A0",
)


def hostile_facts() -> Iterator[AttemptRecord]:
    for number, name in enumerate(HOSTILE):
        words = {"source": f"/in/{name}", "worker": name, "versions": name, "log": name}
        state = State.FAILED if number % 2 else State.CONVERTED
        yield attempt(name, state, number, 1, **words, kind="input", message=name, notices=(name,))


def test_names_are_shown_and_never_taken_for_the_page() -> None:
    plain = Page.of(FACTS)
    hostile = Page.of(RunFacts(replace(RUN, command=" ".join(HOSTILE)), tuple(hostile_facts())))
    assert {tag for tag, _ in hostile.tags} <= {tag for tag, _ in plain.tags}
    known = {name for _, attributes in plain.tags for name in attributes}
    assert {name for _, attributes in hostile.tags for name in attributes} <= known
    for name in HOSTILE[:4]:
        assert name in hostile.text
    assert "\\u202e" in hostile.text
    assert "two\\nlines\\x1b[2J" in hostile.text
    assert "\\xff\\x80 stray bytes" in hostile.text
    for bad in "\u202e\u2066\x1b\x00\x7f\udcff":
        assert bad not in hostile.text
    hostile.text.encode()


def test_ten_thousand_files_make_a_page_that_still_opens() -> None:
    many = tuple(
        attempt(
            f"folder {n % 90}/film {n}", State.CONVERTED, n / 100, 0.5, size=10, worker=f"w {n % 8}"
        )
        for n in range(10_000)
    )
    html = render(RunFacts(replace(RUN, files=10_000), many), Destination(Path(), FollowUp()), NOON)
    assert html.count("<tr>") > 10_000
    assert len(html) < 4_000_000


def test_many_failures_are_all_named_and_some_have_their_logs() -> None:
    failed = tuple(
        attempt(f"film {n}", State.FAILED, 1, 1, log=f"words about {n}.") for n in range(300)
    )
    text = Page.of(RunFacts(replace(RUN, files=300), failed)).text
    assert "film 299" in text
    assert "words about 99." in text
    assert "words about 100." not in text


def test_files_that_failed_for_one_reason_are_together_the_most_frequent_first() -> None:
    words = {"number": 1, "kind": "input"}
    failed = (
        attempt(
            "a", State.FAILED, 1, 1, kind="timeout", message="ffmpeg did nothing", log="log of a"
        ),
        *(
            attempt(
                f"short {n}", State.FAILED, 1, 1, **words, message=f"its length is {n} s", log="x"
            )
            for n in range(12)
        ),
    )
    first, second = failed_files(RunFacts(replace(RUN, files=13), failed), Names(""))
    assert (first.kind, first.message, first.count) == ("input", "its length is … s", 12)
    assert [each.message for each in first.shown] == [f"its length is {n} s" for n in range(10)]
    assert [each.name for each in first.folded] == [f"/films/short {n}.mp4" for n in (10, 11)]
    assert (second.message, second.count, second.shown[0].log) == (
        "ffmpeg did nothing",
        1,
        "log of a",
    )
    assert second.shown[0].message == "", "the heading has it"


def test_each_reason_has_logs_however_many_files_the_first_one_has() -> None:
    failed = tuple(
        attempt(f"{kind} {n}", State.FAILED, 1, 1, kind=kind, log=f"log {n} of {kind}.")
        for kind, files in (("input", 200), ("settings", 3))
        for n in range(files)
    )
    text = Page.of(RunFacts(replace(RUN, files=203), failed)).text
    assert "log 49 of input." in text
    assert "log 50 of input." not in text
    assert "log 2 of settings." in text


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        ("[in#0 @ 1] [error] partial file\n" + "[libx264 @ 2] [info] mb I\n" * 20, "[in#0 @ 1] [error] partial file"),
        ("[info] one\n[info] two", "[info] one\n[info] two"),
        ("Traceback\n  File", "Traceback\n  File"),
    ],
)  # fmt: skip
def test_errors_in_a_log_are_not_hidden_by_the_statistics_after_them(log: str, shown: str) -> None:
    (reason,) = failed_files(RunFacts(RUN, (attempt("a", State.FAILED, 1, 1, log=log),)), Names(""))
    assert reason.shown[0].log == shown


# --- for programs ----------------------------------------------------------------------------------


def test_the_data_are_those_of_the_page() -> None:
    told = json.loads(json.dumps(as_json(FACTS)))
    assert (told["converted"], told["failed"], told["left"], told["files"]) == (3, 1, 1, 6)
    assert told["bytes"] == {"files": 3, "source": 4000, "result": 2900, "saved": 1100}
    assert [one["target"] for one in told["attempts"]] == ["a", "b", "a", "c", "d"]
    assert told["attempts"][0]["began"] == "2026-11-22T12:00:10.000+00:00"
    file = io.StringIO()
    write_csv(FACTS, file)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [row["uploaded_bytes"] for row in rows] == ["400", "1000", "0", "", ""]
    assert sum(int(row["result_bytes"] or 0) for row in rows) == 2900


def test_no_name_becomes_a_formula_or_another_line_in_a_spreadsheet() -> None:
    file = io.StringIO()
    write_csv(RunFacts(RUN, tuple(hostile_facts())), file)
    file.getvalue().encode()
    rows = list(csv.reader(io.StringIO(file.getvalue())))
    assert len(rows) == 1 + len(HOSTILE) == len(file.getvalue().splitlines())
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]


# --- from the ledger -------------------------------------------------------------------------------


def test_the_ledger_keeps_what_is_known_of_an_attempt(destination: Path) -> None:
    conversions = [
        Conversion(Source(f"/in/{number}.wav", 50, 7), f"{number}.mp3", recipe())
        for number in range(3)
    ]
    execution = Execution(worker="node-1", queued=5.0, began=7.0, sent=30)
    failure = Failure(Kind.TRANSIENT, "gone")
    with Ledger.open(destination) as ledger:
        ledger.begin(Plan(NAME, destination, tuple(conversions)), "account", "x", RunOptions())
        ledger.record(
            NAME,
            Event(
                conversion=conversions[0],
                state=State.CONVERTED,
                result=Result(size=3, sha256="0" * 64),
                execution=execution,
                media_total=9.0,
                log="long words",
                versions="ffmpeg 9",
            ),
        )
        known = Event(conversion=conversions[1], state=State.RETRYING, failure=failure, log="words")
        ledger.record(NAME, known)
        again = replace(known, attempt=2, state=State.FAILED, execution=Execution(ffmpeg="ffmpeg"))
        ledger.record(NAME, again)
        first, second, third = ledger.attempts.all(NAME)
    assert (first.worker, first.sent, first.source_size, first.size) == ("node-1", 30, 50, 3)
    assert first.queued == datetime.fromtimestamp(5, UTC)
    assert first.began == datetime.fromtimestamp(7, UTC)
    assert (first.media_seconds, first.versions, first.log) == (9.0, "ffmpeg 9", "")
    assert (second.number, second.worker, second.began, second.sent) == (1, "", None, None)
    assert (third.number, third.versions, third.log) == (2, "ffmpeg", "words")


def test_sizes_are_taken_over_from_a_ledger_of_the_version_before(destination: Path) -> None:
    (destination / ".runner").mkdir(parents=True)
    with closing(sqlite3.connect(destination / ".runner" / "ledger.sqlite")) as db, db:
        for step in STEPS[:4]:
            db.executescript(step)
        db.execute(
            "INSERT INTO runs (id, place, command, started, files) VALUES ('r', 'local', '', 0, 3)"
        )
        db.execute("INSERT INTO recipes VALUES ('f', ?)", (recipe().as_json(),))
        for target, run in (("a", "r"), ("b", "later")):
            db.execute(
                "INSERT INTO results VALUES (?, '/s', 70, 0, 'f', 30, 0, '', ?, '[]')",
                (target, run),
            )
        for target, state in (("a", "converted"), ("b", "converted"), ("c", "failed")):
            db.execute(
                "INSERT INTO attempts VALUES ('r', ?, 1, '/s', 'f', ?, NULL, NULL, 2.0, 9.0, ?, '[]')",
                (target, state, b"x\x9c\x03\x00\x00\x00\x00\x01"),
            )
        db.execute("PRAGMA user_version = 4")
    with Ledger.read(destination) as ledger:
        found = {a.target: (a.source_size, a.size, a.began) for a in ledger.attempts.all("r")}
    assert found == {"a": (70, 30, None), "b": (None, None, None), "c": (None, None, None)}


# --- the command -----------------------------------------------------------------------------------


# either would be something else if it stood in the page as it is; Windows takes no brackets
AWKWARD = "<b>a & b.mp3" if os.name == "posix" else "&lt;b&gt;a & b.mp3"


@pytest.fixture
def done(run: Run, media: Media, tmp_path: Path) -> Path:
    """A destination whose newest run converted one file and failed with one."""
    media.put("clip.mp3", tmp_path / "in" / AWKWARD)
    media.put("truncated.mp4", tmp_path / "in" / "bad.mp4")
    assert run("convert", "in", "--to", "wav").exit_code == 1
    return tmp_path / "out"


def test_the_command_writes_the_page_and_the_data_beside_it(
    run: Run, done: Path, tmp_path: Path
) -> None:
    name = run("runs").stdout.split()[0]
    told = run("report", name[:-1], "--json", "--csv")
    files = [f"report-{name}.{suffix}" for suffix in ("html", "json", "csv")]
    assert (told.exit_code, told.stdout.splitlines()) == (0, files)
    page = Page((tmp_path / files[0]).read_text(encoding="utf-8"))
    assert "1 of 2 files was converted on this machine" in page.text
    assert "input: the file ends early" in page.text
    assert AWKWARD in page.text
    assert "worker 1" in page.text
    facts = json.loads((tmp_path / files[1]).read_text(encoding="utf-8"))
    with (tmp_path / files[2]).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(facts["attempts"]) == len(rows) == 2
    assert all(row["began"] and row["worker"] and row["versions"] for row in rows)
    assert run("report", name, "--file", "again.html").stdout == "again.html\n"
    assert not list(tmp_path.glob(".*part"))


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("2001",), 2, "no run '2001' here; list them with `runner runs`"),
        (
            ("--file", "in/bad.mp4"),
            2,
            "--file in/bad.mp4: the report is HTML, use a name ending in .html",
        ),
        (("--file", "nowhere/x.html"), 4, "cannot write nowhere/x.html: No such file or directory"),
    ],
)
def test_a_page_that_cannot_be_written_is_one_line(
    run: Run, done: Path, tmp_path: Path, arguments: tuple[str, ...], exit_code: int, words: str
) -> None:
    before = {path: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    told = run("report", *arguments)
    assert told.exit_code == exit_code
    assert told.error.startswith(words)
    assert {path: path.read_bytes() for path in (tmp_path / "in").iterdir()} == before
