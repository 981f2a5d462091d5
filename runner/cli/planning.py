"""Make a plan from the options of `runner convert`: what is converted into what, and how."""

import json
import shlex
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import click

from runner.cli.blobs import BlobSources
from runner.cli.convert_options import OF_AUDIO, OF_PRESETS, OF_RECIPES
from runner.cli.options import is_typed
from runner.cli.output import OutputOptions, say
from runner.destinations import Destination
from runner.errors import NothingToConvertError, UsageError
from runner.formatting import printable
from runner.media.inputs import check_input_arguments
from runner.models import Plan, Recipe
from runner.plan import make_plan
from runner.presets import DEFAULT, Preset, find_preset, for_suffix
from runner.selection import FoundFile, Selection, find_files, list_files, read_list
from runner.settings import Settings

_EVERY = 0.8
"""Seconds after which somebody who waits for a plan is told how far it is."""
_MANY = 1000
"""With so many files there will be something to wait for."""


def chosen_preset(
    ctx: click.Context, options: dict[str, Any], settings: Settings, arguments: tuple[str, ...]
) -> Preset:
    """Return the preset that the options name, if it suits the other options.

    Raises:
        UsageError: It does not exist, or other options would have no effect with it.
    """
    _settle_format(ctx, options)
    preset = _preset(options, settings, arguments)
    _refuse_what_has_no_effect(ctx, preset, arguments)
    return preset


def plan_of(
    options: dict[str, Any],
    preset: Preset,
    arguments: tuple[str, ...],
    place: Destination,
    found: Iterable[FoundFile],
) -> Plan:
    """Make the plan for those files *found* that are no results themselves, for results in *place*.

    Raises:
        NothingToConvertError: There are no files.
        UsageError: The options contradict each other.
    """
    recipe = _recipe(options, preset, arguments)
    chosen = place.without_results(found)
    first = next(chosen, None)
    if first is None:
        where = ", ".join(printable(source) for source in options["sources"]) or "the list"
        raise NothingToConvertError(
            f"no media files in {where}; use --include '*' to convert any file"
        )
    everything = chain([first], chosen)
    plan = make_plan(everything, recipe, place.folder, options["name"], options["on_clash"])
    return place.planned(plan)


def files_of(
    options: dict[str, Any], place: Destination, blobs: BlobSources, output: OutputOptions
) -> Iterator[FoundFile]:
    """Yield the files that *options* name; as long as that takes, *output* says how far it is."""
    return _counted(_files_of(options, place, blobs), output)


def _files_of(
    options: dict[str, Any], place: Destination, blobs: BlobSources
) -> Iterator[FoundFile]:
    excluded = None if place.address else place.folder
    selection = Selection(options["include"], options["exclude"], excluded)
    yield from find_files(options["sources"], selection, blobs.open)
    if options["files_from"]:
        listed = blobs.take_signatures(read_list(options["files_from"]))
        yield from list_files(listed, blobs.open)
    elif not options["sources"]:
        raise UsageError("give a folder or files to convert, such as `runner convert ./in`")


def _counted(found: Iterable[FoundFile], output: OutputOptions) -> Iterator[FoundFile]:
    due = time.monotonic() + _EVERY
    for count, one in enumerate(found):
        if count == _MANY or time.monotonic() >= due:
            due = time.monotonic() + _EVERY
            if output.as_json:
                from runner.report import looking_as_json  # noqa: PLC0415 - the first line is not to wait

                click.echo(json.dumps(looking_as_json(count)))
            elif not output.quiet:
                say(f"looking for files: {count:,} so far")
        yield one


def _recipe(options: dict[str, Any], preset: Preset, arguments: tuple[str, ...]) -> Recipe:
    return preset.recipe(
        arguments=arguments,
        input_arguments=_input_arguments(options["input_arguments"]),
        **{name: options[name] for name in OF_RECIPES},
    )


def _input_arguments(text: str) -> tuple[str, ...]:
    """Return the arguments in `--input-args`.

    Raises:
        UsageError: It contains more than options for reading a source.
    """
    try:
        words = tuple(shlex.split(text))
        check_input_arguments(words)
    except ValueError as error:  # of either
        raise UsageError(f"--input-args: {error}") from error
    return words


def _settle_format(ctx: click.Context, options: dict[str, Any]) -> None:
    """Let `--to` on the command line override `preset` in a settings file, and vice versa."""
    if not (options["to"] and options["preset"]):
        return
    typed = [name for name in ("to", "preset") if is_typed(ctx, name)]
    if len(typed) != 1:
        raise UsageError("use either --to or --preset, not both")
    options["preset" if typed == ["to"] else "to"] = None


def _preset(options: dict[str, Any], settings: Settings, arguments: tuple[str, ...]) -> Preset:
    if options["to"]:
        return for_suffix(options["to"], arguments, settings.presets)
    return find_preset(options["preset"] or DEFAULT, settings.presets)


def _refuse_what_has_no_effect(
    ctx: click.Context, preset: Preset, arguments: tuple[str, ...]
) -> None:
    """Refuse options on the command line that would not affect the results.

    In a settings file they are allowed, for the runs that they do affect.

    Raises:
        UsageError: There is such an option.
    """
    idle: tuple[str, ...] = ()
    if arguments:
        idle, why = (
            OF_PRESETS,
            "your own arguments after `--` replace the preset's, so set it there",
        )
    elif not preset.chooses_audio:
        idle = OF_AUDIO
        why = f"the preset '{preset.name}' does not use {{audio}} in its arguments"
    for name in idle:
        if is_typed(ctx, name):
            raise UsageError(f"--{name.replace('_', '-')} would have no effect: {why}")
