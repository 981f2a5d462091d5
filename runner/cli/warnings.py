"""Warnings of the code below the command line, on standard error."""

import logging

from runner.cli.output import say


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        is_warning = record.levelno >= logging.WARNING
        say(f"Warning: {record.getMessage()}" if is_warning else record.getMessage())


def say_warnings() -> None:
    """Write what is logged to standard error, from now on."""
    logging.getLogger("runner").addHandler(_Warnings())
