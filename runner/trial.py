"""Try the user's own ffmpeg arguments on this machine before anything is uploaded or paid for."""

import platform
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from runner.errors import UsageError
from runner.media.failures import ConversionError
from runner.media.work import Work
from runner.media.worker import convert
from runner.models import Conversion, Failure, Kind, Plan, Recipe

_FILES = 3
"""If this many fail with the same error, the arguments are wrong; a run stops after as many."""
_SECONDS = "1"
"""Seconds of each file."""
# Nodes may have a GPU that this machine lacks.
_NEEDS_HARDWARE = re.compile(r"hwaccel|hw_device|nvenc|nvdec|cuda|cuvid|qsv|vaapi|vulkan|amf")


def refuse_hopeless_arguments(plan: Plan, ffmpeg: str) -> None:
    """Convert the beginnings of a few files of *plan*, and discard the results.

    This only means something if the nodes have the same *ffmpeg* as this machine: the embedded one, which
    differs between systems.

    Raises:
        UsageError: ffmpeg rejects the arguments for each of them.
    """
    here = (conversion for conversion in plan.conversions if not conversion.source.is_blob)
    tried = sorted(here, key=lambda conversion: conversion.source.size)[:_FILES]
    if platform.system() != "Linux" or any(map(_needs_hardware, tried)):
        return
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for conversion in tried:
            failure = _failure_of(conversion, ffmpeg, folder)
            if failure is None or failure.kind is not Kind.SETTINGS:
                return
            failures.append(failure)
    if failures:
        raise UsageError(f"every file failed with the same error: {failures[-1].message}")


def _needs_hardware(conversion: Conversion) -> bool:
    recipe = conversion.recipe
    return any(map(_NEEDS_HARDWARE.search, (*recipe.arguments, *recipe.input_arguments)))


def _failure_of(conversion: Conversion, ffmpeg: str, folder: str) -> Failure | None:
    target = Path(folder, f"{conversion.id}{conversion.recipe.suffix}")
    work = Work(
        source=conversion.source.path,
        target=str(target),
        scratch=folder,
        name=conversion.id,
        recipe=_beginning(conversion.recipe),
        ffmpeg=ffmpeg,
    )
    try:
        convert(work)
    except ConversionError as error:
        return error.failure
    target.unlink()
    return None


def _beginning(recipe: Recipe) -> Recipe:
    return replace(recipe, input_arguments=(*recipe.input_arguments, "-t", _SECONDS), verify="none")
