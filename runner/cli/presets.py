"""`runner presets`: what the words for `--to` and `--preset` mean to ffmpeg."""

import shlex

import click

from runner.media.choices import settle
from runner.presets import BUILT_IN, Preset, find_preset
from runner.settings import read_settings


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
def presets(name: str | None) -> None:
    """List the presets, or show the exact arguments of one."""
    own = read_settings().presets
    if name is None:
        every = {**BUILT_IN, **own}.values()
        width = max(len(preset.name) for preset in every)
        for preset in every:
            click.echo(
                f"{preset.name:{width}}  {preset.suffix:6} {preset.summary}{_origin(preset)}"
            )
        return
    preset = find_preset(name, own)
    recipe = settle(preset.recipe())
    click.echo(f"{preset.name}: {preset.summary}{_origin(preset)}", err=True)
    if preset.audio_filter:
        click.echo(f"audio filter: {preset.audio_filter}", err=True)
    if preset.loudness is not None:
        click.echo(f"loudness: {preset.loudness:g} LUFS, measured in a first pass", err=True)
    click.echo(shlex.join(recipe.arguments))


def _origin(preset: Preset) -> str:
    return "" if preset.origin == "built-in" else f"  ({preset.origin})"
