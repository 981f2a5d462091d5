"""A run from its first upload to its clean-up: upload, submit, poll and download, in threads that overlap file by file."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from queue import SimpleQueue

from runner.azure.cleanup import RunCleanup, interrupted_text, left_over_notice
from runner.azure.context import RunContext
from runner.azure.errors import JobCancelledError, JobLostError, PoolLostError
from runner.azure.job_state import AT_COST_LIMIT
from runner.azure.node_ffmpeg import put_ffmpeg
from runner.azure.poll import Poller
from runner.azure.resume import resume_run
from runner.azure.submit import Submitter
from runner.azure.transfers import Transfers
from runner.azure.upload import copy_early
from runner.azure.workers import Workers
from runner.engine import Stop, next_of, starting_threads
from runner.errors import InterruptedRunError, RunCancelledError, RunnerError, TransientError
from runner.followup import FollowUp
from runner.formatting import count_text
from runner.models import Event, NodeUse, Notice, Plan

_TRANSFERS_END = 5.0
"""Seconds in which a transfer notices that the run was stopped."""
_PATIENCE = 0.7
"""The longest wait after Ctrl-C, in seconds."""

News = Event | Notice | NodeUse | BaseException | None
"""What the threads report; None only wakes the listener."""


class Pipeline:
    """The threads of one run, and what is left to do.

    `_left` counts all conversions without a final event. Of these, the submitter expects those that are
    not submitted yet, `RunContext.in_flight` has those whose tasks are in Batch, and the rest have
    finished and are being downloaded.
    """

    def __init__(
        self,
        context: RunContext,
        plan: Plan,
        stop: Stop,
        inbox: SimpleQueue[News],
        *,
        detach: bool,
        follow_up: FollowUp,
    ) -> None:
        self._context = context
        self._plan = plan
        self._stop = stop
        self._inbox = inbox
        self._detach = detach
        self._follow_up = follow_up
        self._jobs = [plan.id]
        """The run's jobs, newest last; only the loops append to it, and nothing is ever removed."""
        self._submitter = Submitter(context, self._jobs, self._wake, inbox.put)
        self._transfers = Transfers(context, self._submitter, inbox.put)
        self._poller = Poller(
            *(context, self._jobs, self._transfers.download),
            self._wake,
            self._transfers.is_behind,
        )
        self._loops = Workers[Callable[[], None]]("loop", 3, lambda loop: loop(), inbox.put)
        self._left = len(plan.conversions)
        self._cleanup = RunCleanup(context.in_flight, plan.done)
        self._has_begun = False
        self._is_putting = False

    def events(self) -> Generator[Event | Notice | NodeUse, None, None]:
        """Start the workers, and yield what they report."""
        self._stop.listen(self._wake)
        if self._left:
            with starting_threads():
                self._transfers.start()
                self._loops.start()
            # in a thread, like everything that waits for Azure, so that this one can react to a stop
            self._loops.put(self._begin)
            try:
                yield from self._listen()
                if self._left:  # detached, or at the cost limit
                    yield from self._shut_down()
            except (JobLostError, PoolLostError) as error:
                yield from self._shut_down()
                raise self._lost(error) from error
        yield from self._clear_up()

    def close(self) -> None:
        """Stop everything that can be stopped at once; paid work is neither cancelled nor forgotten."""
        self._stop_threads()
        self._transfers.close()
        self._loops.close()

    def _stop_threads(self) -> None:
        """Have each thread end after what it is doing."""
        self._context.stopped.set()
        self._submitter.wake()

    def _wake(self) -> None:
        self._inbox.put(None)

    def _begin(self) -> None:
        copy_early(self._context)
        todo, tasks = resume_run(self._context, self._plan, self._jobs)
        self._submitter.begin_with(tasks)
        self._submitter.expect(len(todo) + self._context.in_flight.undecided)
        if self._context.deployment.pool.node_ffmpeg:
            self._submitter.expect()
            self._is_putting = True
            self._loops.put(self._put_ffmpeg)
        self._has_begun = True
        self._transfers.upload(todo)
        self._loops.put(self._submitter.run)
        self._loops.put(self._poller.run)

    def _put_ffmpeg(self) -> None:
        """Upload ffmpeg in parallel to the sources, as nodes start later; a detached runner waits for it."""
        context = self._context

        def say(words: str) -> None:
            context.report(Notice(words))

        put_ffmpeg(context.deployment, context.blobs, context.scratch, say, context.stopped.is_set)
        self._is_putting = False
        self._submitter.drop()
        self._wake()

    @property
    def _goes_on(self) -> bool:
        if self._left:
            return not (self._detach and self._submitter.is_done)
        # finish the upload of the nodes' ffmpeg, unless the user is in a hurry
        return self._is_putting and not self._stop.gently

    def _listen(self) -> Generator[Event | Notice | NodeUse, None, None]:
        while self._goes_on:
            news = next_of(self._inbox)
            if isinstance(news, BaseException):
                raise news
            if news is not None:
                self._note(news)
                yield news
            if self._stop.at_limit and self._has_begun:
                self._context.at_limit.set()
            if self._context.wound_down.is_set() and not self._transfers.awaited and self._left:
                return
            if self._stop.gently and self._left:
                yield from self._leave()
                if self._left:
                    raise self._interrupted()

    def _leave(self) -> Generator[Event | Notice | NodeUse, None, None]:
        """Let go as soon as somebody who pressed Ctrl-C expects it.

        Results that were just moved into place are still reported, and the job is set to end with its last task.
        """
        self._stop_threads()
        deadline = time.monotonic() + _PATIENCE
        ending = threading.Thread(target=self._try_to_finish, args=(self._jobs[-1],), daemon=True)
        ending.start()
        self._transfers.finish_downloads(_PATIENCE)
        yield from self._drain()
        ending.join(max(0.0, deadline - time.monotonic()))

    def _drain(self) -> Generator[Event | Notice | NodeUse, None, None]:
        """Yield what was reported before the stop, so that existing results are recorded."""
        while not self._inbox.empty():
            news = self._inbox.get()
            if news is not None and not isinstance(news, BaseException):
                self._note(news)
                yield news

    def _note(self, news: Event | Notice | NodeUse) -> None:
        if isinstance(news, Notice | NodeUse):
            return
        self._transfers.note(news)
        if news.state.is_final:
            self._left -= 1
            self._cleanup.note(news)

    def _shut_down(self) -> Generator[Event | Notice | NodeUse, None, None]:
        """After a lost job: wait for what is starting, and leave in storage what is still needed."""
        self._stop_threads()
        self._transfers.close()
        self._transfers.wait(_TRANSFERS_END)
        yield from self._drain()
        with suppress(RunnerError):  # the next command finds whatever is left
            self._cleanup.clear(self._context.stored, keep=self._context.options.keep)

    def _lost(self, error: RunnerError) -> RunnerError:
        left = count_text(self._left, "file")
        if isinstance(error, PoolLostError):
            return PoolLostError(f"{error}; {left} left")
        if isinstance(error, JobCancelledError):
            return RunCancelledError(f"run {self._plan.id} was cancelled with {left} left")
        return TransientError(
            f"{error} with {left} left; run the same command again to submit the rest"
        )

    def _clear_up(self) -> Generator[Event | Notice | NodeUse, None, None]:
        """After the last file, end the jobs and delete the sources in storage."""
        if self._left:
            return  # detached
        context = self._context
        if self._has_begun:
            self._poller.look_at_nodes()
            yield from self._drain()
        try:
            for job in self._jobs:
                if context.at_limit.is_set():  # a job that is disabled does not end itself
                    context.jobs.terminate(job, AT_COST_LIMIT)
                context.jobs.finish(job)
            left = self._cleanup.clear(context.stored, keep=context.options.keep)
        except RunnerError as error:
            # all results are here, so this is not a failure of the run
            clean = self._follow_up.clean(self._plan.id)
            yield Notice(
                f"could not clean up everything on Azure: {error}; `{clean}` deletes the rest"
            )
        else:
            if left:
                yield left_over_notice(left, self._plan, self._follow_up)

    def _interrupted(self) -> InterruptedRunError:
        if not self._has_begun:
            return InterruptedRunError(
                "stopped before the run began; run the same command again to continue"
            )
        going_on, ended = len(self._context.in_flight), len(self._transfers.awaited)
        return InterruptedRunError(
            interrupted_text(going_on, ended, self._plan.id, self._follow_up)
        )

    def _try_to_finish(self, job: str) -> None:
        with suppress(RunnerError):
            self._context.jobs.finish(job)
