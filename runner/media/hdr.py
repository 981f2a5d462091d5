"""Tell an encoder how bright an HDR film is, and what display it was graded on. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.media.recipe import encoder, with_parameters

if TYPE_CHECKING:
    from runner.media.picture import Samples
    from runner.media.recipe import Recipe


def hdr_arguments(recipe: Recipe, samples: Samples) -> tuple[str, ...]:
    """Return the encoder's options for the brightness of the film and of its mastering display."""
    name = encoder(recipe.arguments, "v")
    if name == "libx265":
        return _with_parameters(recipe, "-x265-params", _x265(samples))
    if name == "libsvtav1":
        return _with_parameters(recipe, "-svtav1-params", _svtav1(samples))
    return ()


def _with_parameters(recipe: Recipe, name: str, parameters: list[str]) -> tuple[str, ...]:
    return with_parameters(recipe, name, *parameters) if parameters else ()


def _x265(samples: Samples) -> list[str]:
    # https://x265.readthedocs.io/en/stable/cli.html: in units of 0.00002 and 0.0001
    parameters = []
    if samples.mastering:
        *points, low, high = map(float, samples.mastering)
        r, g, b, white = (
            "({},{})".format(*(round(v * 50_000) for v in points[i : i + 2])) for i in (0, 2, 4, 6)
        )
        light = f"({round(high * 10_000)},{round(low * 10_000)})"
        parameters.append(f"master-display=G{g}B{b}R{r}WP{white}L{light}")
    if samples.light:
        parameters.append("max-cll={},{}".format(*samples.light))
    return ["hdr10=1", *parameters] if parameters else []


def _svtav1(samples: Samples) -> list[str]:
    parameters = []
    if samples.mastering:
        rx, ry, gx, gy, bx, by, wx, wy, low, high = samples.mastering
        points = f"G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({high},{low})"
        parameters.append(f"mastering-display={points}")
    if samples.light:
        parameters.append("content-light={},{}".format(*samples.light))
    return parameters
