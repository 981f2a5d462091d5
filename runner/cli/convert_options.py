"""The options of `runner convert`, in the order in which its help shows them."""

from collections.abc import Callable
from typing import Any

import click

from runner.clashes import ON_CLASH
from runner.cli.notifying import notify_option
from runner.cli.options import (
    Command,
    destination_option,
    detach_option,
    ffmpeg_option,
    jobs_option,
    json_option,
    option,
    quiet_option,
    uplink_option,
    verbose_option,
    yes_option,
)
from runner.cli.run_options import run_options
from runner.cli.where import where_options
from runner.media.recipe import DEINTERLACE, ID3, SUBTITLES
from runner.plan import DEFAULT_NAME

EXAMPLES = (
    ("runner convert ./in", "Convert every media file under ./in to MP3, into ./out."),
    (
        "runner convert ./talks -o ./mp3 --preset podcast --exclude '**/drafts/**'",
        "Convert to mono at podcast loudness, into ./mp3, without the drafts.",
    ),
    (
        "runner convert ./in --to mp3 -- -map 0:a:0 -c:a libmp3lame -b:a 64k",
        "Pass your own arguments to ffmpeg.",
    ),
)
OF_AUDIO = ("audio_stream", "audio_language")
OF_PRESETS = (*OF_AUDIO, "subtitles", "deinterlace", "copy_if_fits")
"""Options that change what a preset's arguments do."""
OF_RECIPES = (*OF_PRESETS, "verify", "strict", "id3")
"""Options that are also fields of a recipe."""

_INPUT: tuple[Callable[..., Any], ...] = (
    option(
        "--include",
        multiple=True,
        metavar="GLOB",
        section="Input",
        help="Convert only files that match; can be given more than once.",
    ),
    option(
        "--exclude",
        multiple=True,
        metavar="GLOB",
        section="Input",
        help="Skip files and folders that match; can be given more than once.",
    ),
    option(
        "--files-from",
        metavar="FILE|-",
        section="Input",
        help="Read file names from a file or from standard input, one per line or NUL-separated.",
    ),
    option(
        "--input-args",
        "input_arguments",
        default="",
        metavar="ARGS",
        show_default=False,
        section="Input",
        help=(
            "Arguments for ffmpeg before -i, such as '-ss 5 -hwaccel auto' or"
            " '-f s16le -ar 44100 -ac 2'."
        ),
    ),
    option(
        "--audio-stream",
        type=click.IntRange(0),
        metavar="N",
        show_default="the one that players choose",
        section="Input",
        help="Number of the audio stream to convert; the first one is 0.",
    ),
    option(
        "--audio-language",
        default="",
        metavar="LANG",
        show_default=False,
        section="Input",
        help="Convert only audio in this language, such as en or eng.",
    ),
)
_WATCH: tuple[Callable[..., Any], ...] = (
    option(
        "--watch",
        is_flag=True,
        section="Input",
        help="Keep looking at the folders, here or in Azure storage, and convert each file once it is complete.",
    ),
    option(
        "--settle",
        type=click.FloatRange(0.1, 86_400),
        default=10.0,
        metavar="SECONDS",
        section="Input",
        help="With --watch: a file is complete once it has not changed for this long.",
    ),
)
_OUTPUT: tuple[Callable[..., Any], ...] = (
    destination_option(),
    option(
        "--to",
        metavar="FORMAT",
        section="Output",
        help="Output format, by suffix: mp3, m4a, opus, ogg, flac, wav, mp4 …",
    ),
    option(
        "--preset",
        metavar="NAME",
        show_default="mp3",
        section="Output",
        help="Output format, by preset; `runner presets` lists them.",
    ),
    option(
        "--name",
        default=DEFAULT_NAME,
        metavar="TEMPLATE",
        section="Output",
        help="Template for the name of a result; {name} is the whole file name of the source.",
    ),
    option(
        "--on-clash",
        type=click.Choice(ON_CLASH),
        default="report",
        section="Output",
        help=(
            "What to do with files that would be written to the same name: skip and report them,"
            " keep the source's suffix in the name (a.flac.mp3), or refuse to start."
        ),
    ),
    option(
        "--id3",
        type=click.Choice(ID3),
        default="2.4",
        section="Output",
        help="Version of the ID3 tags in MP3 and WAV.",
    ),
    run_options("overwrite", "keep_times", "source"),
    yes_option,
)
_CONVERSION: tuple[Callable[..., Any], ...] = (
    jobs_option,
    option(
        "--subtitles",
        type=click.Choice(SUBTITLES),
        default="keep",
        section="Conversion",
        help="Subtitles of films: keep them, in a format that the target can hold, or drop them.",
    ),
    option(
        "--deinterlace",
        type=click.Choice(DEINTERLACE),
        default="auto",
        section="Conversion",
        help="Deinterlace interlaced films, even those that are not marked as interlaced.",
    ),
    option(
        "--copy-if-fits",
        is_flag=True,
        section="Conversion",
        help="Copy streams that are already in the target format instead of encoding them again.",
    ),
    option(
        "--strict",
        is_flag=True,
        section="Conversion",
        help="Treat files that are converted with a notice as failed, unless it is only advice.",
    ),
    run_options("split", "verify", "retries", "timeout", "fail_fast"),
    ffmpeg_option,
    option(
        "-n",
        "--dry-run",
        is_flag=True,
        section="Conversion",
        help="Show what would be done, without doing it.",
    ),
)
_AZURE: tuple[Callable[..., Any], ...] = (
    where_options,
    run_options("pool", "upload", "transfers", "keep"),
    run_options("max_cost", "price_per_hour", "currency"),
    uplink_option,
    option(
        "--clean-start",
        is_flag=True,
        section="Azure",
        help="First delete what earlier runs left on Azure.",
    ),
    detach_option,
)
_DISPLAY: tuple[Callable[..., Any], ...] = (
    json_option,
    quiet_option,
    verbose_option,
    notify_option,
    option("--progress/--no-progress", default=True, help="Show a live display on a terminal."),
)


def convert_options(command: Command) -> Command:
    """Add all options of `runner convert`."""
    for add in reversed((*_INPUT, *_WATCH, *_OUTPUT, *_CONVERSION, *_AZURE, *_DISPLAY)):
        command = add(command)
    return command
