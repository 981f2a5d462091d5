"""`runner report`: a page about a run, and the same data for programs."""

import io
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from runner.cli.help import Command
from runner.cli.options import destination_option, follow_up_of, option, run_argument
from runner.cli.output import show
from runner.cli.where import stack_options
from runner.destinations import find_destination
from runner.errors import SetupError, UsageError
from runner.formatting import display_path
from runner.run_report.data import as_json, write_csv
from runner.run_report.facts import RunFacts
from runner.run_report.page import Destination, render

_SUFFIXES = (".html", ".htm")


@click.command(cls=Command)
@run_argument()
@destination_option()
@option(
    "--file",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Path of the report.  [default: report-RUN.html, here]",
)
@option("--json", "json_too", is_flag=True, help="Also write the data as JSON, next to it.")
@option("--csv", "csv_too", is_flag=True, help="Also write the attempts as CSV, next to it.")
@stack_options
@click.pass_context
def report(
    ctx: click.Context,
    /,
    name: str | None,
    destination: Path | str,
    page: Path | None,
    **options: Any,
) -> None:
    """Write an HTML report about RUN, or about the newest run, in one file."""
    if page is not None and page.suffix.lower() not in _SUFFIXES:
        raise UsageError(
            f"--file {display_path(page)}: the report is HTML, use a name ending in .html"
        )
    follow_up = follow_up_of(ctx)
    place = find_destination(destination, options)
    with place.read() as ledger:
        run = ledger.runs.find(name, follow_up)
        attempts = tuple(ledger.attempts.all(run.id))
        uses = tuple(ledger.runs.node_uses(run.id))
        facts = RunFacts(run, attempts, uses, results_stay=ledger.results_stay)
    page = page or Path(f"report-{run.id}.html")
    now = datetime.now().astimezone()
    _write(page, render(facts, Destination(place.shown, follow_up), now))
    if options["json_too"]:
        _write(page.with_suffix(".json"), json.dumps(as_json(facts), indent=1) + "\n")
    if options["csv_too"]:
        rows = io.StringIO()
        write_csv(facts, rows)
        _write(page.with_suffix(".csv"), rows.getvalue())


def _write(path: Path, text: str) -> None:
    """Write *text* to the file at *path*, completely or not at all, and print the path."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            part.write_text(text, encoding="utf-8", newline="\n")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        message = f"cannot write {display_path(path)}: {error.strerror}"
        raise SetupError(f"{message}; choose another path with --file") from error
    show(display_path(path))
