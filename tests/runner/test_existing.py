"""What is decided about a target that is there: by its state, and by what `--overwrite` says."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.ledger import Ledger
from runner.media.failures import Failure, Kind
from runner.models import Conversion, Event, Plan, Result, Source, State
from runner.options import OVERWRITE, RunOptions
from runner.overwrite import Action, OverwritePolicy
from runner.presets import BUILT_IN

RECIPE = BUILT_IN["mp3"].recipe()
OTHER_RECIPE = BUILT_IN["podcast"].recipe()
THEN, NOW, LATER = (second * 10**9 for second in (1_000_000_000, 1_500_000_000, 2_000_000_000))
A_MOMENT_LATER = LATER + 1000  # NTFS counts in 100 ns
SOURCE = Source("/in/a.wav", 100, NOW)
CHANGED = replace(SOURCE, size=101)
OLDER = replace(SOURCE, mtime_ns=THEN)
MADE_WITH = "this ffmpeg"


class Place:
    """A destination where one conversion is to be decided about."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.plan = Plan("run", ledger.destination, ())
        self.target = ledger.destination / "a.mp3"

    def put(self, content: str = "what runner made", mtime_ns: int = LATER) -> None:
        self.target.write_text(content)
        os.utime(self.target, ns=(mtime_ns, mtime_ns))

    def record(self, source: Source = SOURCE, sha256: str = "0" * 64) -> None:
        """Have the ledger know what is there, made from *source*; without a hash: found there."""
        status = self.target.stat()
        result = Result(size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=sha256)
        conversion = Conversion(source, "a.mp3", RECIPE)
        event = Event(conversion=conversion, state=State.CONVERTED, result=result)
        self.ledger.record("before", event)

    def record_failure(self, conversion: Conversion) -> None:
        failure = Failure(Kind.INPUT, "the file ends early", "its log")
        self.ledger.begin(self.plan, "local", "runner convert", RunOptions(), MADE_WITH)
        self.ledger.record(
            "before",
            Event(conversion=conversion, state=State.FAILED, failure=failure, log="its log"),
        )

    def decide(self, overwrite: str, conversion: Conversion, *, planned_now: bool = True) -> Action:
        existing = OverwritePolicy(
            self.ledger, overwrite=overwrite, made_with=MADE_WITH, planned_now=planned_now
        )
        self.decision = existing.decide(self.plan, conversion)
        return self.decision.action


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Ledger.open(tmp_path / "out") as ledger:
        yield Place(ledger)


PLAIN = Conversion(SOURCE, "a.mp3", RECIPE)
OF_ANOTHER_SOURCE = Conversion(CHANGED, "a.mp3", RECIPE)
WITH_OTHER_SETTINGS = Conversion(SOURCE, "a.mp3", OTHER_RECIPE)


def missing(place: Place) -> Conversion:
    return PLAIN


def folder(place: Place) -> Conversion:
    place.target.mkdir()
    return PLAIN


def up_to_date(place: Place) -> Conversion:
    place.put()
    place.record()
    return PLAIN


def of_a_source_that_changed(place: Place) -> Conversion:
    up_to_date(place)
    return OF_ANOTHER_SOURCE


def of_a_source_that_is_older_now(place: Place) -> Conversion:
    """Somebody put an old copy of it back."""
    up_to_date(place)
    return Conversion(OLDER, "a.mp3", RECIPE)


def with_other_settings(place: Place) -> Conversion:
    up_to_date(place)
    return WITH_OTHER_SETTINGS


def touched(place: Place) -> Conversion:
    up_to_date(place)
    os.utime(place.target, ns=(A_MOMENT_LATER, A_MOMENT_LATER))
    return PLAIN


def of_another_size_at_the_same_time(place: Place) -> Conversion:
    up_to_date(place)
    place.put("another's", LATER)
    return PLAIN


def changed_and_outdated(place: Place) -> Conversion:
    up_to_date(place)
    place.put("what somebody else made of it", A_MOMENT_LATER)
    return OF_ANOTHER_SOURCE


def changed_long_ago_and_outdated(place: Place) -> Conversion:
    up_to_date(place)
    place.put("what somebody else made of it", THEN)
    return WITH_OTHER_SETTINGS


def of_the_same_size_and_outdated(place: Place) -> Conversion:
    up_to_date(place)
    place.put("what runner MADE", A_MOMENT_LATER)
    return WITH_OTHER_SETTINGS


def of_the_same_time_and_outdated(place: Place) -> Conversion:
    up_to_date(place)
    place.put("another's", LATER)
    return WITH_OTHER_SETTINGS


def found_there_and_outdated(place: Place) -> Conversion:
    place.put()
    place.record(sha256="")
    return OF_ANOTHER_SOURCE


def unknown(place: Place) -> Conversion:
    place.put("somebody's")
    return PLAIN


def unknown_and_older(place: Place) -> Conversion:
    place.put("somebody's", THEN)
    return PLAIN


def outdated_and_failed_before(place: Place) -> Conversion:
    """Its source was changed for one that cannot be converted."""
    up_to_date(place)
    place.record_failure(OF_ANOTHER_SOURCE)
    return OF_ANOTHER_SOURCE


CONVERT, REPLACE, CHECK, KEEP = Action.CONVERT, Action.REPLACE, Action.CHECK, Action.KEEP
UP_TO_DATE, FAILED = Action.UP_TO_DATE, Action.FAILED_BEFORE
TABLE: dict[Callable[[Place], Conversion], tuple[Action, ...]] = {
    #                                auto        never       if-newer    always
    missing: (CONVERT, CONVERT, CONVERT, CONVERT),
    folder: (CONVERT, CONVERT, CONVERT, CONVERT),
    up_to_date: (UP_TO_DATE, UP_TO_DATE, UP_TO_DATE, REPLACE),
    touched: (CHECK, CHECK, CHECK, REPLACE),
    of_another_size_at_the_same_time: (CHECK, CHECK, CHECK, REPLACE),
    of_a_source_that_changed: (REPLACE, KEEP, REPLACE, REPLACE),
    of_a_source_that_is_older_now: (REPLACE, KEEP, REPLACE, REPLACE),
    with_other_settings: (REPLACE, KEEP, REPLACE, REPLACE),
    outdated_and_failed_before: (FAILED, KEEP, FAILED, REPLACE),
    changed_and_outdated: (KEEP, KEEP, KEEP, REPLACE),
    changed_long_ago_and_outdated: (KEEP, KEEP, REPLACE, REPLACE),
    of_the_same_size_and_outdated: (KEEP, KEEP, KEEP, REPLACE),
    of_the_same_time_and_outdated: (KEEP, KEEP, KEEP, REPLACE),
    found_there_and_outdated: (KEEP, KEEP, REPLACE, REPLACE),
    unknown: (CHECK, CHECK, CHECK, REPLACE),
    unknown_and_older: (CHECK, CHECK, REPLACE, REPLACE),
}


@pytest.mark.parametrize(
    ("state", "overwrite", "action"),
    [
        pytest.param(state, overwrite, action, id=f"{state.__name__}-{overwrite}")
        for state, actions in TABLE.items()
        for overwrite, action in zip(OVERWRITE, actions, strict=True)
    ],
)
def test_what_is_done_about_a_target_that_is_there(
    place: Place, state: Callable[[Place], Conversion], overwrite: str, action: Action
) -> None:
    conversion = state(place)
    assert place.decide(overwrite, conversion) is action
    assert bool(place.decision.why) is (action is KEEP)
    seen = place.target.stat() if action is REPLACE else None
    assert place.decision.replaces == (seen and (seen.st_size, seen.st_mtime_ns))


def test_a_resumed_run_does_not_replace_what_was_made_from_a_newer_source(
    place: Place,
) -> None:
    conversion = of_a_source_that_is_older_now(place)
    assert place.decide("auto", conversion, planned_now=False) is KEEP
    assert "from a newer version of its source" in place.decision.why
    assert place.decide("auto", WITH_OTHER_SETTINGS, planned_now=False) is REPLACE


REASONS: tuple[tuple[Callable[[Place], Conversion], str, str], ...] = (
    (
        of_a_source_that_changed,
        "never",
        "it was made from another version of its source; --overwrite auto replaces it",
    ),
    (
        with_other_settings,
        "never",
        "it was made with other settings; --overwrite auto replaces it",
    ),
    (
        of_the_same_size_and_outdated,
        "auto",
        (
            "it was made with other settings, and it was changed after it was made;"
            " --overwrite always replaces it"
        ),
    ),
    (
        found_there_and_outdated,
        "never",
        (
            "it was made from another version of its source, but there is no record that runner"
            " made it; --overwrite always replaces it"
        ),
    ),
)


@pytest.mark.parametrize(("state", "overwrite", "why"), REASONS)
def test_a_kept_target_is_reported_with_the_option_that_replaces_it(
    place: Place, state: Callable[[Place], Conversion], overwrite: str, why: str
) -> None:
    conversion = state(place)
    assert place.decide(overwrite, conversion) is KEEP
    assert place.decision.why == why


LONG = "x" * 300
BYTES = "ü" * 130
"""More than 255 in UTF-8."""
PLACES = {
    "a.mp3": Action.CONVERT,
    "new folder/a.mp3": Action.CONVERT,
    "new folder/b.mp3": Action.CONVERT,
    f"new folder/{LONG}.mp3": Action.NAME_TOO_LONG,
    f"new folder/{BYTES}.mp3": Action.NAME_TOO_LONG,
    f"{LONG}/a.mp3": Action.NAME_TOO_LONG,
    f"{LONG}/b.mp3": Action.NAME_TOO_LONG,
    f"deep/{'sub/' * 80}a.mp3": Action.CONVERT,
    f"deep/{'sub/' * 80}{LONG}.mp3": Action.NAME_TOO_LONG,
    "there/new.mp3": Action.CONVERT,
    "there/made elsewhere.mp3": Action.CHECK,
    f"there/{LONG}.mp3": Action.NAME_TOO_LONG,
    "there/folder.mp3": Action.CONVERT,
    "there/broken link.mp3": Action.CHECK,
    "there/a\0b.mp3": Action.CONVERT,
    "there/../there/made elsewhere.mp3": Action.CONVERT,
    "file/a.mp3": Action.CONVERT,
    "file/b.mp3": Action.CONVERT,
    "linked/made elsewhere.mp3": Action.CHECK,
    "leads nowhere/a.mp3": Action.CONVERT,
}


@pytest.mark.skipif(os.name != "posix", reason="Windows has other names, and counts no bytes")
def test_of_many_files_each_is_decided_about_as_it_is_alone(place: Place) -> None:
    folder = place.ledger.destination / "there"
    (folder / "folder.mp3").mkdir(parents=True)
    (folder / "made elsewhere.mp3").touch()
    (folder / "broken link.mp3").symlink_to("nothing")
    (folder.parent / "linked").symlink_to("there")
    (folder.parent / "leads nowhere").symlink_to("nothing")
    (folder.parent / "file").touch()
    plan = replace(
        place.plan, conversions=tuple(Conversion(SOURCE, target, RECIPE) for target in PLACES)
    )
    existing = OverwritePolicy(place.ledger)
    together = {c.target: decision.action for c, decision in existing.decisions(plan)}
    alone = {c.target: existing.decide(plan, c).action for c in plan.conversions}
    assert together == alone == PLACES
