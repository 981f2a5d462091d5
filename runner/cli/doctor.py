"""`runner doctor`: checks, each with one remedy."""

from pathlib import Path

import click

from runner.cli.options import destination_option, option
from runner.doctor import check_local
from runner.errors import ExitCode


@click.command()
@destination_option()
@option("--ffmpeg", metavar="PATH", help="Which ffmpeg.  [default: the embedded one]")
@click.pass_context
def doctor(ctx: click.Context, destination: Path, ffmpeg: str | None) -> None:
    """Check that everything a run needs is there. Exit code 4 if something is not."""
    bad = 0
    for finding in check_local(ffmpeg, destination):
        bad += not finding.good
        click.echo(f"{'ok ' if finding.good else 'BAD'} {finding.what}: {finding.detail}")
        if not finding.good and finding.remedy:
            click.echo(f"      {finding.remedy}")
    ctx.exit(ExitCode.ENVIRONMENT if bad else ExitCode.OK)
