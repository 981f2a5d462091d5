"""Find out which presets an ffmpeg can make: not every build has every encoder."""

import re
import subprocess
from collections.abc import Iterable
from itertools import pairwise

from runner.errors import SetupError
from runner.media.process import run
from runner.presets import Preset

_CODEC = re.compile(r"-(?:c|codec|acodec|vcodec)(?::.*)?")
# A line of the list, such as " V....D libx264 …"; the heading explains the letters.
_LISTED = re.compile(r"^ [VAS][.A-Z]{5} (\w[\w-]*)", re.MULTILINE)
# These are in every build that is distributed, so there is no need to start ffmpeg to ask for them.
_EVERYWHERE = re.compile(r"aac|flac|libmp3lame|mjpeg|pcm_\w+")
_PATIENCE = 30


def require_encoders(preset: Preset, ffmpeg: str) -> None:
    """Raise `SetupError` if *ffmpeg* lacks an encoder that *preset* needs."""
    wanted = [name for name in encoders_of(preset) if not _EVERYWHERE.fullmatch(name)]
    if not wanted:
        return
    has = listed_encoders(ffmpeg)
    if missing := [name for name in wanted if name not in has]:
        message = not_available([preset.name], missing)
        raise SetupError(f"{message}: choose another with --ffmpeg")


def encoders_of(preset: Preset) -> list[str]:
    """Return the encoders that *preset* names; those in braces are chosen for each file."""
    named = [name for option, name in pairwise(preset.arguments) if _CODEC.fullmatch(option)]
    return [name for name in named if name != "copy" and "{" not in name]


def listed_encoders(ffmpeg: str) -> frozenset[str]:
    """Return the encoders that *ffmpeg* lists.

    Raises:
        SetupError: It lists none.
    """
    try:
        done = run([ffmpeg, "-hide_banner", "-encoders"], timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"{ffmpeg} does not run: {error}; choose another with --ffmpeg") from error
    found = frozenset(_LISTED.findall(done.stdout.decode(errors="replace")))
    if not found:
        raise SetupError(f"{ffmpeg} lists no encoders: choose another with --ffmpeg")
    return found


def not_available(presets: Iterable[str], missing: Iterable[str]) -> str:
    """Say that *presets* cannot be made because encoders are *missing*."""
    names = list(dict.fromkeys(presets))
    what = f"preset {names[0]} is" if len(names) == 1 else f"presets {', '.join(names)} are"
    return f"{what} not available with this ffmpeg (no {', '.join(dict.fromkeys(missing))})"
