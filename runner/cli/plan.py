"""`runner plan`: how long a run takes here and on Azure, and what it costs, before it is begun."""

from functools import cache, partial
from typing import Any

import click

from runner.cli.backend import find_backend
from runner.cli.blobs import blob_sources, put_signatures_away
from runner.cli.convert import Convert
from runner.cli.convert_options import convert_options
from runner.cli.estimating import estimate, show_estimate
from runner.cli.options import settings_of
from runner.cli.output import OutputOptions
from runner.cli.planning import chosen_preset, files_of, plan_of
from runner.cli.todo import left_to_do
from runner.destinations import find_destination
from runner.ffmpeg_program import find_ffmpeg
from runner.overwrite import OverwritePolicy

_EXAMPLES = (
    ("runner plan ./in", "Estimate how long `runner convert ./in` takes, and what it costs."),
    (
        "runner plan ./films --preset hevc --uplink 40Mbit/s",
        "Estimate the upload to Azure at the speed of your connection.",
    ),
)


@click.command(cls=Convert, examples=_EXAMPLES)
@click.argument(
    "sources", nargs=-1, metavar="SRC...", type=click.Path(), callback=put_signatures_away
)
@convert_options
@click.pass_context
def plan(ctx: click.Context, /, **options: Any) -> None:
    """Estimate time and cost of a run, here and on Azure, and convert nothing.

    Takes the options of `runner convert`. Speeds come from earlier runs into the output folder;
    without any, parts of some of the files are converted for a few seconds, and deleted.
    """
    output = OutputOptions(as_json=options["as_json"], quiet=options["quiet"])
    arguments = ctx.meta.get("ffmpeg", ())
    preset = chosen_preset(ctx, options, settings_of(ctx), arguments)
    the_backend = cache(partial(find_backend, options))
    place = find_destination(options["destination"], options, lambda: the_backend().session)
    blobs = blob_sources(ctx, options, the_backend)
    found = files_of(options, place, blobs, output)
    planned = plan_of(options, preset, arguments, place, found)
    program = find_ffmpeg(options["ffmpeg"])
    backend = blobs.known_to(the_backend())
    with place.peek() as ledger:
        policy = OverwritePolicy(
            *(ledger, program, options["overwrite"]),
            made_with=backend.made_with(program),
            targets=place.targets(),
        )
        todo = left_to_do(planned, policy)
        estimated = estimate(todo, ledger, backend, options, program, measure=True)
        show_estimate(estimated, output, options["max_cost"])
