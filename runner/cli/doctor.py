"""`runner doctor`: checks, each with one thing to do about it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from runner.cli.backend import find_backend
from runner.cli.help import Command
from runner.cli.options import destination_option, ffmpeg_option, settings_of
from runner.cli.output import show
from runner.cli.run_options import run_options
from runner.cli.where import where_options
from runner.destinations import find_destination
from runner.doctor import check_local
from runner.errors import ExitCode, RunnerError
from runner.findings import Finding
from runner.presets import BUILT_IN, DEFAULT, find_preset


@click.command(cls=Command)
@destination_option()
@where_options
@run_options("pool", default="all of them")
@ffmpeg_option
@click.pass_context
def doctor(
    ctx: click.Context, /, destination: Path | str, ffmpeg: str | None, **options: Any
) -> None:
    """Check that everything a run needs is there; exit with code 4 if not."""
    bad = 0
    settings = settings_of(ctx)
    presets = {**BUILT_IN, **settings.presets}
    usual = settings.convert.get("to") or settings.convert.get("preset") or DEFAULT
    wanted = find_preset(str(usual), settings.presets).name
    folder = destination if isinstance(destination, Path) else None
    here = check_local(ffmpeg, folder, presets, wanted)
    for finding in (*here, *_elsewhere(options), *_in_cloud(destination, options)):
        bad += not finding.good
        show(f"{'ok' if finding.good else 'FAIL':4} {finding.what}: {finding.detail}")
        if not finding.good and finding.remedy:
            show(f"      {finding.remedy}")
        for line in finding.lines:
            show(f"      | {line}")
    ctx.exit(ExitCode.ENVIRONMENT if bad else ExitCode.OK)


def _in_cloud(destination: Path | str, options: dict[str, Any]) -> Iterator[Finding]:
    """Check whether results can be stored at a destination in Azure storage."""
    if isinstance(destination, Path):
        return
    try:
        place = find_destination(destination, options)
        assert place.cloud is not None
        place.cloud.check()
    except RunnerError as error:
        yield Finding("destination", good=False, detail=str(error))
    else:
        yield Finding("destination", good=True, detail=f"{place} can be listed and written")


def _elsewhere(options: dict[str, Any]) -> Iterator[Finding]:
    try:
        backend = find_backend(options)
    except RunnerError as error:
        yield Finding("stack", good=False, detail=str(error))
        return
    yield Finding("where", good=True, detail=f"`runner convert` would run {backend.words}")
    if backend.session is not None:
        from runner.azure.doctor import check_azure  # noqa: PLC0415 - the Azure clients take 0.5 s

        yield from check_azure(backend.session)
