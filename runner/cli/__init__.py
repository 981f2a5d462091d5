"""The command line: options in, exit code out. Only this package imports click."""

import logging
import sys
import time
import traceback
from importlib import import_module
from types import TracebackType

import click

from runner import __version__
from runner.cli.output import fault_of_data, guard_streams, say
from runner.errors import ExitCode, RunnerError

# name: (module, summary). Modules are only imported when they are needed, so that `--help` and a
# local run load no Azure client.
_COMMANDS = {
    "convert": ("convert", "Convert files: here, or on Azure Batch."),
    "plan": ("plan", "Estimate time and cost of a run, here and on Azure."),
    "status": ("history", "Show the state of a run."),
    "attach": ("azure", "Follow a run on Azure, and collect its results."),
    "retry": ("retry", "Convert the failed files of a run again."),
    "cancel": ("azure", "Cancel a run on Azure."),
    "logs": ("history", "Show what ffmpeg said about a file, or about the failures of a run."),
    "runs": ("history", "List the runs of an output folder."),
    "report": ("report", "Write an HTML report about a run, in one file."),
    "clean": ("history", "Forget old runs and their logs; converted files stay."),
    "presets": ("presets", "List the presets, or show the exact arguments of one."),
    "doctor": ("doctor", "Check that everything a run needs is there."),
    "completion": ("completion", "Print the shell's completion script."),
}


class _Main(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"runner.cli.{_COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, purpose) in _COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), code.meaning) for code in ExitCode])


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runner")
def cli() -> None:
    """Convert folders of media with ffmpeg: on this machine, or on Azure Batch.

    `runner convert ./in` converts the media files in ./in to MP3 files in ./out. Run the same command
    again and it converts only what is missing.
    """


def main(began: float | None = None) -> None:
    """Run the command line and leave with its exit code; *began* is when the process did, on the monotonic clock."""
    sys.excepthook = _report_bug
    guard_streams()
    logging.getLogger("runner").addHandler(_Warnings())
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


class _Warnings(logging.Handler):
    """Writes warnings to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        is_warning = record.levelno >= logging.WARNING
        say(f"Warning: {record.getMessage()}" if is_warning else record.getMessage())


def _report_bug(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    say("".join(traceback.format_exception(kind, error, trace)).rstrip())
    say("Error: this is a bug in runner; please report it with the lines above")
    sys.exit(ExitCode.BUG)
