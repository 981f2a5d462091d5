"""What a command line of `runner convert` asks for, and the plan for it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from runner.cli.blobs import BlobSources
from runner.cli.output import OutputOptions
from runner.cli.planning import files_of, plan_of
from runner.cli.sources import put_sources_right
from runner.destinations import Destination
from runner.models import Plan
from runner.presets import Preset
from runner.selection import FoundFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.cli.backend import Backend


def backend_of(options: dict[str, Any]) -> "Backend":
    """Return the backend that *options* choose: see `find_backend`."""
    from runner.cli.backend import find_backend  # noqa: PLC0415 - files are looked for before

    return find_backend(options)


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    ctx: click.Context
    options: dict[str, Any]
    output: OutputOptions
    preset: Preset
    place: Destination
    find_backend: "Callable[[], Backend]"
    blobs: BlobSources

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments after `--`."""
        arguments: tuple[str, ...] = self.ctx.meta.get("ffmpeg", ())
        return arguments

    def of_a_batch(self) -> "Request":
        """Return the same for one of many short runs."""
        return replace(self, output=replace(self.output, is_batch=True, live=False, notify=None))

    def plan(self, found: list[FoundFile] | None = None) -> Plan:
        """Make the plan, of the sources in the options or of those of these files that were *found*."""
        options, place = self.options, self.place
        if not options["dry_run"]:
            put_sources_right(place.folder)
        chosen = files_of(options, place, self.blobs, self.output) if found is None else found
        return plan_of(options, self.preset, self.arguments, place, chosen)
