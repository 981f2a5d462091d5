"""Upload sources and download results, several at a time each way, and try again what failed for a time."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from runner.azure.context import RunContext
from runner.azure.download import download_result
from runner.azure.retry_policy import RetryPolicy
from runner.azure.submit import Submitter
from runner.azure.tasks import FinishedTask
from runner.azure.transfer_limit import TransferLimit
from runner.azure.upload import upload_source
from runner.azure.work_items import WorkItem
from runner.azure.workers import Workers
from runner.errors import TransientError
from runner.media.failures import ConversionError
from runner.models import Event, Failure, Kind, State

_MOMENT = 0.05
_MOST_WAITING = 2_000
"""Results that wait to be downloaded before more are taken in: of a resumed run, a million may be there."""


class Transfers:
    """The threads that upload and download; what is uploaded goes to the submitter."""

    def __init__(
        self, context: RunContext, submitter: Submitter, failed: Callable[[BaseException], None]
    ) -> None:
        """*failed* gets the error that ends the run."""
        self._context = context
        self._submitter = submitter
        # results are about as large as their sources, or smaller
        self._up, self._down = TransferLimit(context.options), TransferLimit(context.options)
        self._uploaders = Workers("upload", self._up.at_a_time, self._upload, failed)
        self._downloaders = Workers("download", self._down.at_a_time, self._download, failed)
        files = len(context.in_flight.conversions)
        self._retry = RetryPolicy(context.options.retries, min(self._up.at_a_time, files))
        self._todo: Iterator[int] = iter(())
        """The indices of the conversions that no uploader has been given yet."""
        self._feeding = threading.Lock()
        self.awaited: set[str] = set()
        """The conversions whose tasks have ended but have not been downloaded yet."""

    def start(self) -> None:
        """Start the threads."""
        self._uploaders.start()
        self._downloaders.start()

    def close(self) -> None:
        """Let each thread end after what it is doing."""
        self._uploaders.close()
        self._downloaders.close()

    def wait(self, seconds: float) -> None:
        """Wait up to *seconds* for the closed uploaders, and as long for the downloaders."""
        self._uploaders.wait(seconds)
        self._downloaders.wait(seconds)

    def finish_downloads(self, seconds: float) -> None:
        """Wait up to *seconds* for the results that are being downloaded."""
        self._downloaders.close()
        self._downloaders.wait(seconds)

    def upload(self, todo: Iterable[int]) -> None:
        """Upload the sources of the conversions at the indices *todo*, one after the other."""
        self._todo = iter(todo)
        for _ in range(self._up.at_a_time):
            self._feed()

    def download(self, item: WorkItem, end: FinishedTask) -> None:
        """Download the result of *item*, whose task has finished."""
        self.awaited.add(item.conversion.id)
        self._downloaders.put((item, end))

    def note(self, event: Event) -> None:
        """Note that a result is no longer awaited, if *event* says so."""
        if event.failure is not None or event.state.is_final:
            self.awaited.discard(event.conversion.id)

    def is_behind(self) -> bool:
        """Return whether so many results wait to be downloaded that no more should be taken in for now."""
        return self._downloaders.waiting > _MOST_WAITING

    def _feed(self) -> None:
        """Give the uploaders one more, as each begins with one: a million need not wait in their queue."""
        with self._feeding:
            index = next(self._todo, None)
        if index is not None:
            self._uploaders.put(self._context.in_flight.next_attempt(index))

    def _upload(self, item: WorkItem) -> None:
        while self._submitter.is_behind:
            if self._context.stopped.wait(_MOMENT) or self._context.at_limit.is_set():
                return
        self._feed()
        if item.blob:
            self._submitter.put(item)
            return
        with self._up.of(item.conversion.source.size):
            self._upload_now(item)

    def _upload_now(self, item: WorkItem) -> None:
        if self._context.stopped.is_set() or self._context.at_limit.is_set():
            return
        if not item.conversion.source.is_blob:
            self._context.report(
                Event(conversion=item.conversion, state=State.UPLOADING, attempt=item.attempt)
            )
        try:
            upload_source(self._context, item)
        except ConversionError as error:
            self._upload_failed(item, error.failure)
        except TransientError as error:
            self._retry.count_fault(error)
            self._upload_failed(item, Failure(Kind.TRANSIENT, str(error)))
        else:
            self._retry.succeeded()
            self._submitter.put(item)

    def _upload_failed(self, item: WorkItem, failure: Failure) -> None:
        event = _failed(item, failure)
        if self._retry.may_try_again(item, failure):
            self._context.report(replace(event, state=State.RETRYING))
            self._uploaders.put(item.again())
        else:
            self._context.report(event)
            self._submitter.drop()

    def _download(self, work: tuple[WorkItem, FinishedTask]) -> None:
        with self._down.of(work[0].conversion.source.size):
            self._download_now(work)

    def _download_now(self, work: tuple[WorkItem, FinishedTask]) -> None:
        item, end = work
        if self._context.stopped.is_set():
            return
        self._context.report(
            Event(conversion=item.conversion, state=State.DOWNLOADING, attempt=item.attempt)
        )
        try:
            event = download_result(self._context, item, end)
        except TransientError as error:
            self._retry.count_fault(error)
            item.tries += 1
            if item.tries <= self._context.options.retries:
                self._downloaders.put(work)
            else:
                event = _failed(item, Failure(Kind.TRANSIENT, str(error)))
                self._context.report(replace(event, uncollected=True))
                self._give_up(item)
            return
        self._retry.succeeded()
        self._settle(item, event)

    def _settle(self, item: WorkItem, event: Event) -> None:
        """Try the conversion of *item* again as a new attempt, or report *event* as its final one."""
        if event.failure is None or not self._retry.may_try_again(item, event.failure):
            self._context.report(event)
            self._give_up(item)
            if not event.uncollected:
                self._discard_source(item)
            return
        if not item.is_undecided:
            self._submitter.expect()
        self._context.report(replace(event, state=State.RETRYING))
        (self._submitter if item.blob else self._uploaders).put(item.again())

    def _give_up(self, item: WorkItem) -> None:
        """There is no other attempt: whoever waits to hear of one hears that."""
        if item.is_undecided:
            self._submitter.drop()

    def _discard_source(self, item: WorkItem) -> None:
        context = self._context
        if item.blob and not context.options.keep:
            with suppress(TransientError):  # it is tried again at the end of the run
                context.blobs.delete(context.deployment.input_container, [item.blob])


def _failed(item: WorkItem, failure: Failure) -> Event:
    return Event(
        conversion=item.conversion, state=State.FAILED, attempt=item.attempt, failure=failure
    )
