"""What was wrong with many files is counted by reason, with examples, so that it can be read."""

import json
from pathlib import Path

from runner.models import Conversion, Event, Failure, Kind, Plan, Source, State
from runner.reasons import as_lines
from runner.totals import Report, Totals
from tests.conftest import Run
from tests.media import Media
from tests.runner.programs import recipe


def event(name: str, failure: Failure | None = None, *notices: str) -> Event:
    conversion = Conversion(Source(f"/in/{name}", 1, 1), f"{name}.mp3", recipe())
    state = State.FAILED if failure else State.CONVERTED
    return Event(conversion=conversion, state=state, failure=failure, notices=notices)


def report(*events: Event) -> Report:
    totals = Totals()
    for one in events:
        totals.add(one)
    return totals.report(Plan("run", Path("/out"), ()), 1.0, {})


def test_reasons_are_counted_the_most_frequent_first_with_three_examples() -> None:
    early = [
        event(f"{n}.mp4", Failure(Kind.INPUT, f"the file ends early: {n}.0 s of 30.5 s"))
        for n in range(5)
    ]
    others = [event("x.mp4", Failure(Kind.TIMEOUT, "took longer than its time limit"))]
    assert as_lines(report(*others, *early, event("good.mp4")).failures) == [
        "     5  input        the file ends early: … s of … s",
        f"                     {shown('0.mp4')}, {shown('1.mp4')}, {shown('2.mp4')}, …",
        "     1  timeout      took longer than its time limit",
        f"                     {shown('x.mp4')}",
    ]


def shown(name: str) -> str:
    """The path of that source as it is written here, on Windows with its drive."""
    return str(Path(f"/in/{name}").resolve())


def test_figures_that_all_files_share_stay() -> None:
    failures = [event(f"{n}.mp4", Failure(Kind.INPUT, "no stream 2")) for n in range(3)]
    (reason,) = report(*failures).failures
    assert (reason.text, reason.files) == ("no stream 2", 3)


def test_files_without_a_name_of_their_own_have_one_reason() -> None:
    failures = [
        event(f"{n}.mp4", Failure(Kind.NAME, f"/in/{n}.mov would be written to the same name"))
        for n in range(3)
    ]
    (reason,) = report(*failures).failures
    assert reason.files == 3


def test_notices_are_counted_likewise_but_not_those_of_failed_files() -> None:
    results = [
        event("a.mp3", None, "2 bytes after the last frame were ignored", "no cover"),
        event("b.mp3", None, "77 bytes after the last frame were ignored"),
        event("c.mp3", Failure(Kind.INPUT, "no cover (refused by --strict)"), "no cover"),
    ]
    counts = {reason.text: reason.files for reason in report(*results).notices}
    assert counts == {"… bytes after the last frame were ignored": 2, "no cover": 1}
    assert report(*results).with_notices == 2


def test_the_end_of_a_run_with_many_failures_tells_why(
    run: Run, media: Media, tmp_path: Path
) -> None:
    media.put("text.mp4", *(tmp_path / "in" / f"{n}.mp4" for n in range(4)))
    media.put("clip.mp3", tmp_path / "in" / "good.mp3")
    result = run("convert", "in", "-j", "1")
    table = result.stderr[result.stderr.index("4 files failed:") :].splitlines()
    assert table[1].split()[:2] == ["4", "input"]
    assert table[2].split() == ["in/0.mp4,", "in/1.mp4,", "in/2.mp4,", "…"]
    assert table[3].startswith("5 files: 1 converted, 4 failed")
    again = run("convert", "in", "--json")
    (reason,) = json.loads(again.stdout.splitlines()[-1])["failures"]
    assert (reason["kind"], reason["files"]) == ("input", 4)
