"""The command line: options in, exit code out. Only this package imports click."""

import sys
import time
from importlib import import_module
from types import TracebackType

import click

from runner import __version__
from runner.cli.output import fault_of_data, guard_streams, say
from runner.errors import ExitCode, RunnerError
from runner.overview import COMMANDS, overview, width_of_help


class _Main(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        # modules are only imported when they are needed, so that a local run loads no Azure client
        import_module("runner.cli.warnings").say_warnings()
        module = import_module(f"runner.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002
        return overview(width_of_help())


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runner")
def cli() -> None:
    """Convert folders of media with ffmpeg, as `runner.overview` says."""


def main(began: float | None = None) -> None:
    """Run the command line and leave with its exit code; *began* is when the process did, on the monotonic clock."""
    sys.excepthook = _report_bug
    guard_streams()
    exit_code = _run(time.monotonic() if began is None else began)
    if (fault := fault_of_data()) and exit_code in (ExitCode.OK, ExitCode.SOME_FAILED):
        say(f"Error: cannot write to standard output: {fault}")
        exit_code = ExitCode.ENVIRONMENT
    sys.exit(exit_code)


def _run(began: float) -> int:
    try:
        # In standalone mode click would exit by itself. On Windows it would expand globs, ~, $NAME and
        # %NAME% in every argument, even for --exclude and --name; find_files expands globs.
        return cli.main(standalone_mode=False, windows_expand_args=False, obj=began) or ExitCode.OK
    except RunnerError as error:
        say(f"Error: {error}")
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("Error: interrupted")
        return ExitCode.INTERRUPTED


def _report_bug(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    import traceback  # noqa: PLC0415 - as rare as bugs, and it takes time

    say("".join(traceback.format_exception(kind, error, trace)).rstrip())
    say("Error: this is a bug in runner; please report it with the lines above")
    sys.exit(ExitCode.BUG)
