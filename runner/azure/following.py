"""Follow a run's tasks with a handful of calls a look, however many tasks there are."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runner.azure.diagnosis import alarms, why_nothing_runs
from runner.azure.errors import JobLostError, word
from runner.azure.flight import Flight, Item
from runner.azure.jobs import Finished
from runner.azure.taking_up import end_of, ended_early, refuse_disabled
from runner.errors import PassingError
from runner.models import Event, Notice, State

_SAY_AGAIN = 600.0
_SHOWN = 10
"""Running files that are shown at a time."""
# What the service shows late must not be missed: each look goes back a little, and after some looks
# without news all is listed, and the jobs are looked at.
_OVERLAP = timedelta(seconds=5)
_LOOKS_WITHOUT_NEWS = 4
_FAILED_LOOKS = 20


@dataclass
class Follower:
    """Looks at the run's jobs until the run is over."""

    flight: Flight
    jobs: list[str]
    ended: Callable[[Item, Finished], None]
    """Called with each item whose task has come to its end."""
    _since: dict[str, datetime] = field(default_factory=dict)
    _without_news: int = 0
    """Looks since the last end of a task."""
    _next_listing: int = _LOOKS_WITHOUT_NEWS
    """After so many looks without news all is listed."""
    _failed_looks: int = 0
    _last_work: float = field(default_factory=time.monotonic)
    _said: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Look, and wait longer the longer the run takes: the calls a task stay few."""
        started = time.monotonic()
        pace = self.flight.pace
        wait = 0.0  # tasks of a run that is taken up may have ended long ago
        while not self.flight.over.wait(wait):
            wait = min(pace.longest_look, max(pace.first_look, (time.monotonic() - started) / 20))
            try:
                self._look()
                self._failed_looks = 0
            except JobLostError:
                raise
            except PassingError as error:
                self._failed_looks += 1
                if self._failed_looks >= _FAILED_LOOKS:
                    raise
                self._say(f"{error} (still trying)")

    def _look(self) -> None:
        if not len(self.flight.aloft):
            self._last_work = time.monotonic()
            return
        wanted = self.flight.aloft.jobs()
        jobs = [job for job in self.jobs if job in wanted]
        news = sum(self._take_in(job) for job in jobs)
        busy = sum(self._show_running(job) for job in jobs)
        if news or busy:
            self._last_work = time.monotonic()
        else:
            self._explain()
        self._listen_to_silence(jobs, news)

    def _listen_to_silence(self, jobs: list[str], news: int) -> None:
        """After some looks without *news*, make sure that none was missed, and none is missing."""
        if news:
            self._without_news, self._next_listing = 0, _LOOKS_WITHOUT_NEWS
            return
        self._without_news += 1
        if self._without_news % _LOOKS_WITHOUT_NEWS == 0:
            thorough = self._without_news >= self._next_listing
            for job in jobs:
                self._check(job, thorough=thorough)
            # twice as long each time: listing all of a job with 100,000 tasks is 100 calls
            self._next_listing *= 1 + thorough

    def _take_in(self, job: str, *, everything: bool = False) -> int:
        since = self._since.get(job)
        news = 0
        for end in self.flight.jobs.finished_since(job, None if everything else since):
            known = self._since.get(job)
            if known is None or end.at - _OVERLAP > known:
                self._since[job] = end.at - _OVERLAP
            item = self.flight.aloft.take(end.task)
            if item is not None:
                news += 1
                self.ended(item, end)
        return news

    def _show_running(self, job: str) -> int:
        counts = self.flight.jobs.counts(job)
        if counts.running:
            for task in self.flight.jobs.running(job, _SHOWN):
                if item := self.flight.aloft.find(task):
                    self.flight.report(
                        Event(conversion=item.conversion, state=State.RUNNING, attempt=item.attempt)
                    )
        return counts.running

    def _explain(self) -> None:
        """Say what Batch reports as wrong at once, and after a while why nothing runs."""
        pool, nodes = self.flight.jobs.pool(), self.flight.jobs.nodes()
        for alarm in alarms(pool, nodes):
            self._say(alarm)
        if time.monotonic() - self._last_work >= self.flight.pace.quiet:
            reason = why_nothing_runs(pool, nodes, self.flight.deployment.autoscale_minutes)
            self._say(f"nothing is running: {reason}")

    def _say(self, message: str) -> None:
        now = time.monotonic()
        if now - self._said.get(message, -_SAY_AGAIN) >= _SAY_AGAIN:
            self._said[message] = now
            self.flight.report(Notice(message))

    def _check(self, job: str, *, thorough: bool) -> None:
        """Look whether *job* has ended without all of its tasks: those would wait for ever."""
        facts = self.flight.jobs.job(job)
        if facts is None:
            raise JobLostError(job, "deleted")
        refuse_disabled(facts)
        is_over = word(facts.state) in ("completed", "terminating", "deleting")
        if is_over or thorough:
            self._take_in(job, everything=True)
        if is_over and self.flight.aloft.of(job):
            raise ended_early(job, end_of(facts))
