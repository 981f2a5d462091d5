"""One attempt at a conversion on this machine, as events tell of it."""

import time
from collections.abc import Callable
from dataclasses import replace

from runner.media.work import ConversionResult, Progress
from runner.models import Conversion, Event, Execution, Failure, Result, State, Step


class Attempt:
    """Turns the progress of one attempt into events."""

    def __init__(
        self,
        conversion: Conversion,
        number: int,
        put: Callable[[Event], None],
        execution: Execution,
    ) -> None:
        self.conversion = conversion
        self._execution = execution
        self.number = number
        self._send = put
        self._started = time.monotonic()
        self._put(State.RUNNING)

    def progress(self, progress: Progress) -> None:
        """Tell how far ffmpeg is."""
        self._put(State.RUNNING, media_done=progress.done, media_total=progress.total)

    def stored(self, there: Result) -> None:
        """An attempt before this one has stored the result, and nobody was told."""
        self._put(State.CONVERTED, result=there)

    def converted(self, made: ConversionResult, there: Result | None = None) -> None:
        """Record that the result is *made*; one that does not stay here is *there*."""
        length = made.media_seconds
        result = there or Result(size=made.size, sha256=made.sha256, mtime_ns=made.mtime_ns)
        self._put(
            State.CONVERTED,
            media_done=length,
            media_total=length,
            result=result,
            log=made.log,
            notices=made.notices,
            execution=self._with_steps(made.encoded),
        )

    def _with_steps(self, encoded: float) -> Execution:
        began = self._execution.began or encoded
        steps = (Step("convert", began, encoded), Step("verify", encoded, time.time()))
        return replace(self._execution, steps=steps)

    def failed(self, failure: Failure, state: State) -> None:
        """Tell that it failed; *state* says whether the file is tried again."""
        self._put(state, failure=failure, log=failure.log)

    def _put(self, state: State, **details: object) -> None:
        seconds = time.monotonic() - self._started
        event = Event(
            conversion=self.conversion,
            state=state,
            attempt=self.number,
            seconds=seconds,
            **{"execution": self._execution, **details},  # type: ignore[arg-type] # each caller names fields of Event
        )
        self._send(event)
