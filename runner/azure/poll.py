"""Follow a run's tasks with a handful of requests per poll, however many tasks there are."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from runner.azure.context import RunContext
from runner.azure.cost_limit import has_wound_down
from runner.azure.diagnosis import alarms, why_nothing_runs
from runner.azure.errors import JobLostError, PoolLostError, word
from runner.azure.job_state import AT_COST_LIMIT, ended_early, refuse_disabled
from runner.azure.names import joining_task
from runner.azure.node_health import PoolSnapshot, failed_start, no_node_can_work, remedy_for
from runner.azure.node_watch import NodeWatch
from runner.azure.start_task_log import last_lines
from runner.azure.tasks import FinishedTask
from runner.azure.work_items import WorkItem
from runner.errors import TransientError
from runner.models import Event, Notice, State

NO_NODE_CAN_WORK = "no node of its pool can work"
"""The reason given to a job that was ended for this, in Batch."""
_SAY_AGAIN = 600.0
_SHOWN = 10
"""The most running files to show at a time."""
# The service may show changes late, and none must be missed: each poll goes back a little in time, and
# after some polls without news, all tasks are listed and the jobs are checked.
_OVERLAP = timedelta(seconds=5)
_LOOKS_WITHOUT_NEWS = 4
_FAILED_LOOKS = 20
_ROOM_AGAIN = 0.5
"""Seconds after which there may be room to take in more."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class _Listing:
    """The finished tasks of a job, some of which may be taken in later."""

    ends: Iterator[FinishedTask]
    newest: datetime | None = None
    was_paused: bool = False
    """Then it says nothing of what finished meanwhile: tasks that it had passed by."""


_LONGER = 4
"""How many times as long to wait after a poll that failed."""


@dataclass
class Poller:
    """Polls the run's jobs until the run is over."""

    context: RunContext
    jobs: list[str]
    on_finished: Callable[[WorkItem, FinishedTask], None]
    """Called with each item whose task has finished."""
    wake: Callable[[], None]
    """Called when nothing of a run at its cost limit runs any more."""
    is_behind: Callable[[], bool] = lambda: False
    """Whether so many items wait to be collected that no more should be taken in for now."""
    _since: dict[str, datetime] = field(default_factory=dict)
    _paused: dict[str, "_Listing"] = field(default_factory=dict)
    """The listings of jobs that go on when there is room for more."""
    _without_news: int = 0
    """Polls since a task last finished."""
    _next_listing: int = _LOOKS_WITHOUT_NEWS
    """After this many polls without news, all tasks are listed."""
    _failed_looks: int = 0
    _last_work: float = field(default_factory=time.monotonic)
    _next_status: float = 0.0
    _said: dict[str, float] = field(default_factory=dict)
    _nodes: NodeWatch = field(init=False)

    def __post_init__(self) -> None:
        self._nodes = NodeWatch(self.context)

    def run(self) -> None:
        """Poll at growing intervals, so that there are few requests per task."""
        started = time.monotonic()
        pace = self.context.pace
        wait = due = 0.0  # tasks of a resumed run may have finished long ago
        while not self.context.stopped.wait(self._pause(due)):
            is_due = time.monotonic() >= due
            if is_due:
                wait = (time.monotonic() - started) / 20
                wait = min(pace.longest_poll, max(pace.first_poll, wait))
                self._nodes.look_if_due()
                self._nodes.show()
            try:
                self._look() if is_due else self._continue_listings()
                self._failed_looks = 0
            except JobLostError:
                raise
            except TransientError as error:
                self._failed_looks += 1
                if self._failed_looks >= _FAILED_LOOKS:
                    raise
                self._say(f"{error} (still trying)")
                wait = min(pace.longest_poll, _LONGER * wait)
            due = time.monotonic() + wait if is_due else due

    def _pause(self, due: float) -> float:
        """Return how long to do nothing, if the next poll is *due* then."""
        left = max(0.0, due - time.monotonic())
        return min(left, _ROOM_AGAIN) if self._paused else left

    def _continue_listings(self) -> None:
        for job in list(self._paused):
            self._take_finished(job)

    def look_at_nodes(self) -> None:
        """Look once more, at the end of a run."""
        self._nodes.look()

    def _wind_down(self) -> None:
        """At the cost limit: take in what has ended, until nothing runs."""
        over = [has_wound_down(self.context.jobs, job) for job in self.jobs]
        for job in self.jobs:
            self._take_finished(job, everything=True)
            self._show_running(job)
        if all(over) and not self._paused:
            for job in self.jobs:
                self.context.jobs.terminate(job, AT_COST_LIMIT)
            self.context.wound_down.set()
            self.wake()

    def _look(self) -> None:
        if self.context.at_limit.is_set():
            if not self.context.wound_down.is_set():
                self._wind_down()
            return
        if not len(self.context.in_flight):
            self._last_work = time.monotonic()
            return
        wanted = self.context.in_flight.jobs()
        jobs = [job for job in self.jobs if job in wanted]
        news = sum(self._take_finished(job) for job in jobs)
        if news or self._paused:
            self._last_work = time.monotonic()
        self._look_at_work(jobs, is_stuck=not (news or self._paused))
        self._check_after_silence(jobs, news + len(self._paused))

    def _look_at_work(self, jobs: list[str], *, is_stuck: bool) -> None:
        """Show what runs, or why nothing does: not at each of the first polls, which are there for what ends."""
        now = time.monotonic()
        if now < self._next_status:
            return
        self._next_status = now + self.context.pace.status_interval
        if sum(self._show_running(job) for job in jobs):
            self._last_work = now
        elif is_stuck:
            self._explain()

    def _check_after_silence(self, jobs: list[str], news: int) -> None:
        """After some polls without *news*, check that nothing was missed and no task has disappeared."""
        if news:
            self._without_news, self._next_listing = 0, _LOOKS_WITHOUT_NEWS
            return
        self._without_news += 1
        if self._without_news % _LOOKS_WITHOUT_NEWS == 0:
            thorough = self._without_news >= self._next_listing
            for job in jobs:
                self._check(job, thorough=thorough)
            # twice as long each time: listing a job with 100,000 tasks takes 100 requests
            self._next_listing *= 1 + thorough

    def _take_finished(self, job: str, *, everything: bool = False) -> int:
        """Take in the finished tasks of *job*, as far as there is room for them; return how many."""
        if job in self._paused and self.is_behind():
            return 0
        listing = self._paused.pop(job, None)
        if listing is None or everything:
            since = None if everything else self._since.get(job)
            listing = _Listing(self.context.jobs.finished_since(job, since))
        news = 0
        for end in listing.ends:
            listing.newest = max(listing.newest or end.at, end.at)
            item = self.context.in_flight.take(end.task)
            if item is None:
                self._note_piece(end)
            else:
                news += 1
                self.on_finished(item, end)
                if self.is_behind():
                    self._paused[job] = listing
                    listing.was_paused = True
                    return news
        if listing.newest and not listing.was_paused:
            self._since[job] = max(self._since.get(job, _LONG_AGO), listing.newest - _OVERLAP)
        return news

    def _note_piece(self, end: FinishedTask) -> None:
        """Note the node time of a piece, which is part of that of its film."""
        film = joining_task(end.task)
        if film != end.task and end.started and end.ended:
            seconds = (end.ended - end.started).total_seconds()
            self.context.in_flight.piece_took(film, end.task, seconds)

    def _show_running(self, job: str) -> int:
        tasks = self.context.jobs.running(job, _SHOWN)
        for task in dict.fromkeys(map(joining_task, tasks)):
            if item := self.context.in_flight.find(task):
                self.context.report(
                    Event(conversion=item.conversion, state=State.RUNNING, attempt=item.attempt)
                )
        return len(tasks)

    def _explain(self) -> None:
        """Report problems at once, and after a while why nothing runs.

        Raises:
            PoolLostError: Nothing will ever run.
        """
        snapshot, deployment = self.context.jobs.pool.snapshot(), self.context.deployment
        if reason := no_node_can_work(snapshot):
            self._give_up(snapshot, reason)
        found = list(alarms(snapshot, deployment))
        for alarm in found:
            self._say(alarm.text, alarm.key)
        if not found and time.monotonic() - self._last_work >= self.context.pace.idle_notice:
            self._say(f"nothing is running: {why_nothing_runs(snapshot, deployment)}")

    def _give_up(self, snapshot: PoolSnapshot, reason: str) -> NoReturn:
        """Terminate waiting tasks, so that the pool does not cost money for tasks that it cannot run."""
        context = self.context
        context.stopped.set()  # first of all, so that the rest is not submitted in another job
        for job in self.jobs:
            context.jobs.terminate(job, NO_NODE_CAN_WORK)
        node = failed_start(snapshot)
        log = last_lines(node, context.jobs, context.blobs, context.deployment, 1) if node else ()
        words = f" (its log ends: {log[-1]})" if log else ""
        raise PoolLostError(
            f"{reason}{words}; its tasks were terminated; {remedy_for(snapshot, context.deployment)}"
        )

    def _say(self, message: str, key: str = "") -> None:
        now = time.monotonic()
        if now - self._said.get(key or message, -_SAY_AGAIN) >= _SAY_AGAIN:
            self._said[key or message] = now
            self.context.report(Notice(message))

    def _check(self, job: str, *, thorough: bool) -> None:
        """Check whether *job* has ended before all of its tasks, which would then wait forever."""
        facts = self.context.jobs.job(job)
        if facts is None:
            raise JobLostError(job, "deleted")
        refuse_disabled(facts)
        is_over = word(facts.state) in ("completed", "terminating", "deleting")
        if is_over or thorough:
            self._take_finished(job, everything=True)
        if is_over and job not in self._paused and self.context.in_flight.are_added_to(job):
            raise ended_early(facts)
