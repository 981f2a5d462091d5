"""When to stop a run early, because continuing makes no sense."""

from collections.abc import Iterator
from contextlib import contextmanager

from runner.engine import Stop
from runner.errors import ExitCode, InterruptedRunError, RunnerError, SetupError, UsageError
from runner.formatting import count_text
from runner.models import Event, Kind, Plan, State

_ALIKE = 3
"""So many files that all fail for their settings speak for the others."""


class StopPolicy:
    """Stops the run when continuing makes no sense, and says why."""

    def __init__(self, plan: Plan, fail_fast: int | None, stop: Stop) -> None:
        self._plan = plan
        self._fail_fast = fail_fast
        self._stop = stop
        self._reason: RunnerError | None = None
        self._failed = 0
        self._settled = 0
        self._alike = 0

    def observe(self, event: Event) -> None:
        """Take in an event, and request a stop if it makes no sense to go on."""
        if not event.state.is_final or event.state is State.UP_TO_DATE:
            return
        failure = event.failure
        if failure is not None and (event.is_known or failure.kind is Kind.NAME):
            return  # known before the run, so it says nothing about the other files
        self._settled += 1
        if failure is None:
            return
        self._failed += 1
        self._alike += failure.kind is Kind.SETTINGS
        few = min(_ALIKE, len(self._plan.conversions))
        if failure.kind is Kind.ENVIRONMENT:
            self._give_up(
                SetupError(f"{failure.message}: fix that, then run the same command again")
            )
        elif self._alike == self._settled == few:
            self._give_up(UsageError(f"every file failed with the same error: {failure.message}"))
        elif self._failed == self._fail_fast:
            failed = count_text(self._failed, "failed file")
            message = f"stopped after {failed} (--fail-fast)"
            self._give_up(_StoppedEarlyError(message))

    @contextmanager
    def with_reason(self) -> Iterator[None]:
        """If the run was stopped early, raise the reason, together with the engine's own error."""
        try:
            yield
        except InterruptedRunError as error:
            if self._reason is None:
                raise
            raise type(self._reason)(f"{self._reason}; {error}") from None

    def raise_if_stopped(self, left: int) -> None:
        """If the run ended early, raise the reason."""
        if self._reason is not None:
            raise self._reason
        if self._stop.gently and left:
            total = self._plan.files
            message = (
                f"stopped with {left} of {total} files left; run the same command again to continue"
            )
            raise InterruptedRunError(message)

    def _give_up(self, reason: RunnerError) -> None:
        if self._reason is None:
            self._reason = reason
            self._stop.request()


class _StoppedEarlyError(RunnerError):
    exit_code = ExitCode.SOME_FAILED
