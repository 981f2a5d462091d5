"""Convert folders of media with ffmpeg, on this machine or on Azure Batch.

For programs: `prepare`, `convert` and `summarize`; docs/api.md shows them.
"""

TYPE_CHECKING = False  # without importing `typing`, which takes as long as Python's start
if TYPE_CHECKING:
    from runner.api import convert, prepare, summarize
    from runner.errors import RunnerError
    from runner.models import Event, Failure, Kind, Notice, Plan, State
    from runner.options import RunOptions
    from runner.totals import Report

__all__ = [
    "Event",
    "Failure",
    "Kind",
    "Notice",
    "Plan",
    "Report",
    "RunOptions",
    "RunnerError",
    "State",
    "convert",
    "prepare",
    "summarize",
]
__version__ = "0.1.0"

_MODULES = {
    "convert": "api",
    "prepare": "api",
    "summarize": "api",
    "RunnerError": "errors",
    "Report": "totals",
    "RunOptions": "options",
}


def __getattr__(name: str) -> object:
    # imported on first use: the command starts faster without what it may not need
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - for the same reason

    module = import_module(f"runner.{_MODULES.get(name, 'models')}")
    return getattr(module, name)
