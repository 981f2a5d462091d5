"""`runner retry`: the failed files of a run once more, with the settings of that run."""

from pathlib import Path

import click

from runner.cli.options import destination_option, option, run_argument
from runner.cli.running import Talk, carry_out
from runner.convert import Run
from runner.errors import NothingToConvertError
from runner.existing import Existing
from runner.ledger import AttemptRecord, Ledger
from runner.local import LocalEngine, find_ffmpeg, usable_cores
from runner.models import Conversion, Plan, State
from runner.plan import new_run_id
from runner.selection import look_at


@click.command()
@run_argument()
@destination_option()
@option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Files at a time.  [default: all cores]",
)
@option("--ffmpeg", metavar="PATH", help="Which ffmpeg.  [default: the embedded one]")
@option("--json", "as_json", is_flag=True, help="Write one JSON object a line to standard output.")
@option("-q", "--quiet", is_flag=True, help="Say only what fails.")
@click.pass_context
def retry(  # noqa: PLR0913 - one for each option
    ctx: click.Context,
    name: str | None,
    destination: Path,
    jobs: int | None,
    ffmpeg: str | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Convert the failed files of the newest run, or of RUN, once more."""
    program = find_ffmpeg(ffmpeg)
    workers = jobs or usable_cores()
    with Ledger.read(destination) as ledger:
        old = ledger.run(name)
        failed = ledger.attempts(old.id, state=State.FAILED)
        if not failed:
            raise NothingToConvertError(f"no failed files in run {old.id}")
        plan = Plan(new_run_id(), destination.absolute(), tuple(map(_again, failed)))
        run = Run(
            plan=plan,
            place="local",
            where=f"the failed files of {old.id}, on this machine, {workers} at a time",
            command=f"runner retry {old.id}",
        )
        engine = LocalEngine(ffmpeg=program, jobs=workers, replace=False)
        existing = Existing(ledger, program, jobs=workers)
        ctx.exit(carry_out(run, engine, existing, Talk(as_json=as_json, quiet=quiet)))


def _again(attempt: AttemptRecord) -> Conversion:
    # looked at anew: a source that was mended since is another one
    return Conversion(look_at(attempt.source), attempt.target, attempt.recipe)
