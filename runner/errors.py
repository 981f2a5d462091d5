"""Errors of a whole run, each with its exit code; a failed file is an event, not one of these."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of `runner`, for scripts."""

    OK = 0
    SOME_FAILED = 1
    USAGE = 2
    NOTHING_MATCHED = 3
    ENVIRONMENT = 4
    TRY_AGAIN = 5
    COST_LIMIT = 8
    BUG = 70
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One line, as shown in the help."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "all converted, or up to date",
    ExitCode.SOME_FAILED: "some files failed",
    ExitCode.USAGE: "the command line or the settings are wrong",
    ExitCode.NOTHING_MATCHED: "nothing matched the selection",
    ExitCode.ENVIRONMENT: "the environment is not ready: sign-in, permissions, quota, disk space, missing ffmpeg",
    ExitCode.TRY_AGAIN: "stopped by a temporary error; run the same command again to continue",
    ExitCode.COST_LIMIT: "not started, or stopped, because of --max-cost",
    ExitCode.BUG: "a bug in runner",
    ExitCode.INTERRUPTED: "interrupted",
}


class RunnerError(Exception):
    """Ends the command with one line on stderr and an exit code."""

    exit_code = ExitCode.BUG


class UsageError(RunnerError):
    """The request makes no sense."""

    exit_code = ExitCode.USAGE


class NothingToConvertError(RunnerError):
    """The selection is empty."""

    exit_code = ExitCode.NOTHING_MATCHED


class NothingThereError(NothingToConvertError):
    """There is no blob at an address; one may come later."""


class SetupError(RunnerError):
    """The environment is not ready until somebody fixes it; the message says how."""

    exit_code = ExitCode.ENVIRONMENT


class CostLimitError(RunnerError):
    """It would cost more than it may, or has cost that much."""

    exit_code = ExitCode.COST_LIMIT


class TransientError(RunnerError):
    """It may work next time, without any change."""

    exit_code = ExitCode.TRY_AGAIN


class InterruptedRunError(RunnerError):
    """The user stopped the run."""

    exit_code = ExitCode.INTERRUPTED


class RunCancelledError(InterruptedRunError):
    """The user cancelled the run, and the same command does not continue it."""
