"""How many threads a video encoder makes good use of, and how to limit it to some. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.media.recipe import encoder, option, with_parameters

if TYPE_CHECKING:
    from runner.media.recipe import Recipe

_USEFUL = {"libx264": 4, "libx265": 4, "libvpx-vp9": 4, "libsvtav1": 4}
"""Threads with which these encoders lose little: they gain from more, but less and less.

x264 works on as many frames at once, x265 on rows of 64 pixels, and VP9 on the tiles of a frame, of which
1080p has four. Every thread more costs memory for the frames that it works on.
"""
_OPTIONS = {"libx264": "-threads:v", "libvpx-vp9": "-threads:v", "libx265": "-x265-params"}
"""What limits their threads. SVT-AV1 has no option of the same meaning in all versions."""


def useful_threads(recipe: Recipe) -> int:
    """Return how many threads *recipe* makes good use of; 1 if that is not known."""
    name = encoder(recipe.arguments, "v") if recipe.media == "video" else None
    return _USEFUL.get(name or "", 1)


def thread_arguments(recipe: Recipe, threads: int | None) -> tuple[str, ...]:
    """Return output options that limit the encoder of *recipe* to so many *threads*; none for no limit.

    They belong behind the recipe's own. Arguments of the user's are left as they are.
    """
    name = _OPTIONS.get(encoder(recipe.arguments, "v") or "")
    if threads is None or name is None or not recipe.is_preset:
        return ()
    given = option(recipe.arguments, name.partition(":")[0])
    if name == "-x265-params":
        # https://x265.readthedocs.io/en/stable/threading.html: one pool of so many threads
        return (
            () if "pools=" in (given or "") else with_parameters(recipe, name, f"pools={threads}")
        )
    return (name, str(threads)) if given is None else ()
