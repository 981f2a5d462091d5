"""Make a plan from the options of `runner convert`: what is converted into what, and how."""

import json
import shlex
from typing import Any

import click

from runner.cli.blobs import BlobSources
from runner.cli.convert_options import OF_AUDIO, OF_PRESETS, OF_RECIPES
from runner.cli.options import is_typed
from runner.cli.output import say, show
from runner.cli.running import OutputOptions
from runner.destinations import Destination
from runner.errors import NothingToConvertError, UsageError
from runner.existing import Action, Existing
from runner.formatting import printable
from runner.media.inputs import check_input_arguments
from runner.models import Conversion, Plan, Recipe
from runner.plan import make_plan
from runner.presets import DEFAULT, Preset, find_preset, for_suffix
from runner.report import left_out_line, plan_as_json, plan_line
from runner.selection import Found, Selection, find_files, list_files, read_list
from runner.settings import Settings

_TO_DO = (Action.CONVERT, Action.REPLACE)


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
    blobs: BlobSources,
    found: list[Found] | None = None,
) -> Plan:
    """Make the plan for the files that the options name, or of them for those *found*, for results in *place*.

    Raises:
        NothingToConvertError: There are no files.
        UsageError: The options contradict each other.
    """
    recipe = _recipe(options, preset, arguments)
    found = place.without_results(_found(options, place, blobs) if found is None else found)
    if not found:
        where = ", ".join(printable(source) for source in options["sources"]) or "the list"
        raise NothingToConvertError(
            f"no media files in {where}; use --include '*' to convert any file"
        )
    plan = make_plan(found, recipe, place.folder, options["name"], options["on_clash"])
    return place.planned(plan)


def _found(options: dict[str, Any], place: Destination, blobs: BlobSources) -> list[Found]:
    excluded = None if place.address else place.folder
    selection = Selection(options["include"], options["exclude"], excluded)
    found = [*find_files(options["sources"], selection, blobs.open)]
    if options["files_from"]:
        listed = blobs.take_signatures(read_list(options["files_from"]))
        found += list_files(listed, blobs.open)
    elif not options["sources"]:
        raise UsageError("give a folder or files to convert, such as `runner convert ./in`")
    return found


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


def left_to_do(plan: Plan, existing: Existing) -> list[Conversion]:
    """What of *plan* is to be converted, as far as names and the ledger tell."""
    return [one for one, decision in existing.decisions(plan) if decision.action in _TO_DO]


def show_plan(plan: Plan, existing: Existing, output: OutputOptions) -> list[Conversion]:
    """Print the output of `--dry-run`, line by line as it is decided; return what is to be converted."""
    todo = []
    for conversion, decision in existing.decisions(plan):
        action = decision.action
        if action in _TO_DO:
            todo.append(conversion)
        if output.as_json:
            click.echo(json.dumps(plan_as_json(conversion, action.value)))
        elif not output.quiet:
            show(plan_line(plan, conversion, action.value))
    if damage := existing.ledger.damage:
        say(f"Warning: {damage}: a run sets it aside, and checks the results")
    for one in plan.left_out:
        if output.as_json:
            click.echo(json.dumps(plan_as_json(one.conversion, "left out")))
        say(left_out_line(one))
    say(f"dry run: {len(todo)} of {plan.files} files to convert, nothing done")
    return todo
