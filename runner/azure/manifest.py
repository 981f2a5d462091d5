"""The plan of a run, kept beside its sources in storage, so that another machine can follow it."""

import gzip
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runner.errors import UnfitError
from runner.models import Conversion, Plan, Recipe, Source
from runner.options import RunOptions

_VERSION = 2
"""Without options it was 1."""


@dataclass(frozen=True)
class Manifest:
    """A run as storage has it."""

    plan: Plan
    options: RunOptions


def manifest_name(run: str) -> str:
    """The blob of the run's plan."""
    return f"{run}/plan.jsonl.gz"


@contextmanager
def manifest_of(
    run: str, conversions: Iterable[Conversion], options: RunOptions
) -> Iterator[IO[bytes]]:
    """The plan of *run* as a file to upload: a line of JSON for the run, then one a conversion."""
    found = list(conversions)
    with tempfile.TemporaryFile() as file:
        with gzip.open(file, "wt", encoding="ascii", newline="\n") as text:
            recipes = {c.recipe.fingerprint: c.recipe.as_json() for c in found}
            head = {"v": _VERSION, "run": run, "recipes": recipes, "options": options.as_json()}
            text.write(json.dumps(head) + "\n")
            for conversion in found:
                source = conversion.source
                row = (source.path, source.size, source.mtime_ns, conversion.target)
                text.write(json.dumps([*row, conversion.recipe.fingerprint]) + "\n")
        file.seek(0)
        yield file


def read_manifest(data: bytes, destination: Path) -> Manifest:
    """The run in *data*, for results in *destination*.

    Raises:
        UnfitError: It was written by a newer runner, or is no manifest.
    """
    try:
        lines = gzip.decompress(data).decode("ascii").splitlines()
        head = json.loads(lines[0])
        if head["v"] not in (1, _VERSION):
            raise UnfitError("this run was started by another version of runner: use that one")
        recipes = {name: Recipe.from_json(text) for name, text in head["recipes"].items()}
        options = RunOptions.from_json(head.get("options", "{}"))
        conversions = tuple(_conversion(json.loads(line), recipes) for line in lines[1:])
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError) as error:
        raise UnfitError(f"the plan of this run is damaged: {error}") from error
    plan = Plan(head["run"], Path(os.path.abspath(destination)), conversions)
    return Manifest(plan, options)


def _conversion(row: list[object], recipes: dict[str, Recipe]) -> Conversion:
    path, size, mtime_ns, target, recipe = row
    assert isinstance(size, int)
    assert isinstance(mtime_ns, int)
    return Conversion(Source(str(path), size, mtime_ns), str(target), recipes[str(recipe)])
