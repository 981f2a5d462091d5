"""`runner presets`: the presets for `--to` and `--preset`, and their arguments."""

import shlex

import click

from runner.cli.help import Command
from runner.cli.output import say, show
from runner.media.film import plain_arguments
from runner.presets import BUILT_IN, Preset, find_preset
from runner.settings import read_settings

_FILM = (
    "keeps all audio tracks (copied if possible), text subtitles, and 10 bit and HDR if the codec has"
    " them; deinterlaces if needed. The arguments for a film with one audio track:"
)


@click.command(cls=Command)
@click.argument("name", metavar="[NAME]", required=False)
def presets(name: str | None) -> None:
    """List the presets, or show the exact arguments of one."""
    own = read_settings().presets
    if name is None:
        every = {**BUILT_IN, **own}.values()
        width = max(len(preset.name) for preset in every)
        for preset in every:
            show(f"{preset.name:{width}}  {preset.suffix:6} {_summary(preset)}")
        return
    preset = find_preset(name, own)
    recipe = preset.recipe()
    say(f"{preset.name}: {_summary(preset)}")
    if preset.audio_filter:
        say(f"audio filter: {preset.audio_filter}")
    if preset.loudness is not None:
        say(f"loudness: {preset.loudness:g} LUFS, measured in a first pass")
    if preset.film:
        say(_FILM)
    click.echo(shlex.join(plain_arguments(recipe)))


def _summary(preset: Preset) -> str:
    if preset.origin == "built-in":
        return preset.summary
    return f"{preset.summary or 'your own preset'}  ({preset.origin})"
