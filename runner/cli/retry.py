"""`runner retry`: the failed files of a run once more, with the settings of that run."""

from pathlib import Path
from typing import Any

import click

from runner.cli.engines import Wishes, make_engine
from runner.cli.options import (
    destination_option,
    ffmpeg_option,
    jobs_option,
    json_option,
    quiet_option,
    run_argument,
)
from runner.cli.running import Talk, carry_out
from runner.cli.where import Place, find_place, where_options
from runner.convert import Run
from runner.errors import NothingToConvertError
from runner.existing import Existing
from runner.ledger import Ledger
from runner.local import find_ffmpeg, usable_cores
from runner.models import Conversion, Plan, State
from runner.plan import new_run_id
from runner.records import AttemptRecord
from runner.selection import look_at


@click.command()
@run_argument()
@destination_option()
@where_options
@jobs_option
@ffmpeg_option
@json_option
@quiet_option
@click.pass_context
def retry(ctx: click.Context, /, name: str | None, destination: Path, **options: Any) -> None:
    """Convert the failed files of the newest run, or of RUN, once more, where that run was done."""
    program = find_ffmpeg(options["ffmpeg"])
    with Ledger.read(destination) as ledger:
        old = ledger.run(name)
        failed = ledger.attempts(old.id, state=State.FAILED)
        if not failed:
            raise NothingToConvertError(f"no failed files in run {old.id}")
        place = Place(None, "as before") if old.place == "local" else find_place(options)
        plan = Plan(new_run_id(), destination.absolute(), tuple(map(_again, failed)))
        run = Run(
            plan=plan,
            place=place.name,
            where=f"the failed files of {old.id} {place.words}",
            command=f"runner retry {old.id}",
        )
        existing = Existing(ledger, program, jobs=options["jobs"] or usable_cores())
        talk = Talk(as_json=options["as_json"], quiet=options["quiet"])
        engine = make_engine(place, Wishes(ffmpeg=program, jobs=existing.jobs))
        ctx.exit(carry_out(run, engine, existing, talk))


def _again(attempt: AttemptRecord) -> Conversion:
    # looked at anew: a source that was mended since is another one
    return Conversion(look_at(attempt.source), attempt.target, attempt.recipe)
