"""The plan of a run, stored next to its sources, so that another machine can follow the run."""

import gzip
import io
import json
import os
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

from runner.addresses import BlobAddress
from runner.clashes import share_targets
from runner.conversions import Conversions
from runner.errors import SetupError, UsageError
from runner.media.failures import ConversionError
from runner.media.strict import UnreadableError, parse_json, text, whole
from runner.media.target import check_name
from runner.models import Conversion, Plan, Recipe, Source
from runner.options import RunOptions

_VERSION = 2
"""Version 1 had no options."""
_WITH_ADDRESSES = 3
"""Of a run with sources in storage, or whose results stay there."""
# About 300 bytes per file, compressed to a tenth: room for a million files.
LONGEST = 64 * 1024 * 1024
"""The largest plan in storage, in bytes."""
LONGEST_UNPACKED = 512 * 1024 * 1024
_LONGEST_LINE = 1024 * 1024


@dataclass(frozen=True)
class Manifest:
    """A run as stored."""

    plan: Plan
    options: RunOptions


class DamagedPlanError(SetupError):
    """The plan in storage is damaged."""

    def __init__(self, run: str, error: Exception) -> None:
        advice = f"`runner cancel {run}` discards it, then convert again"
        super().__init__(f"the plan of run {run} in storage is damaged ({error}): {advice}")


@contextmanager
def manifest_of(
    plan: Plan, options: RunOptions, others: Sequence[Conversion] = ()
) -> Iterator[IO[bytes]]:
    """Return the *plan* of a run as a file to upload: one line of JSON for the run, then one per conversion.

    *others* are conversions of the run that are not in *plan*.
    """
    run, parts = plan.id, (Conversions.of(plan.conversions), Conversions.of(others))
    with tempfile.TemporaryFile() as file:
        with gzip.open(file, "wt", encoding="ascii", newline="\n") as text:
            recipes = {r.fingerprint: r.as_json() for part in parts for r in part.recipes}
            head = {"v": _VERSION, "run": run, "recipes": recipes, "options": options.as_json()}
            # older runners would look for sources or results elsewhere
            if any(part.blobs for part in parts):
                head |= {"v": _WITH_ADDRESSES}
            if plan.address is not None:
                head |= {"v": _WITH_ADDRESSES, "address": str(plan.address)}
            text.write(json.dumps(head) + "\n")
            for conversion in chain.from_iterable(parts):
                source = conversion.source
                row = (source.path, source.size, source.mtime_ns, conversion.target)
                recipe = conversion.recipe.fingerprint
                etag = [source.etag] if source.etag else []
                text.write(json.dumps([*row, recipe, *etag]) + "\n")
        if file.tell() > LONGEST:
            raise UsageError(
                f"{sum(map(len, parts))} files are too many for one run on Azure: convert fewer at a time"
            )
        file.seek(0)
        yield file


@dataclass(frozen=True)
class OpenManifest:
    """A run as stored, whose conversions are read one by one."""

    run: str
    options: RunOptions
    address: BlobAddress | None
    conversions: Iterator[Conversion]
    """Raises `DamagedPlanError` where it cannot be read any further."""

    def plan(self, destination: Path, conversions: Conversions) -> Plan:
        """Return the plan of these *conversions*, for results in *destination*."""
        folder = Path(os.path.abspath(destination))
        return Plan(self.run, folder, conversions, address=self.address)


def open_manifest(data: bytes, run: str) -> OpenManifest:
    """Read the plan of *run* from *data*, one conversion after the other: a million take no memory.

    Raises:
        DamagedPlanError: It is not a plan of *run*.
        SetupError: It was written by another version of runner.
    """
    with _damage_named(run):
        lines = _lines(data)
        head = _head(next(lines, b""), run)
        options = RunOptions.from_json(text(head.get("options", "{}")))
        recipes = _recipes(head.get("recipes"))
        return OpenManifest(
            run, options, _address(head.get("address")), _conversions(lines, recipes, run)
        )


def read_manifest(data: bytes, run: str, destination: Path) -> Manifest:
    """Read the plan of *run* from *data*, for results in *destination*.

    Raises:
        DamagedPlanError: It is not a plan of *run*.
        SetupError: It was written by another version of runner.
    """
    stored = open_manifest(data, run)
    conversions = Conversions.of(stored.conversions)
    if share_targets(conversions):
        raise DamagedPlanError(run, UnreadableError("two files have the same target"))
    return Manifest(stored.plan(destination, conversions), stored.options)


@contextmanager
def _damage_named(run: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, UnreadableError, ConversionError) as error:
        raise DamagedPlanError(run, error) from error


def _head(line: bytes, run: str) -> dict[str, object]:
    head = parse_json(line, _LONGEST_LINE)
    if not isinstance(head, dict):
        raise UnreadableError("its first line is missing")
    if head.get("v") not in (1, _VERSION, _WITH_ADDRESSES):
        raise SetupError("this run was started by another version of runner: use that one")
    if head.get("run") != run:
        raise UnreadableError("it belongs to another run")
    return head


def _address(value: object) -> BlobAddress | None:
    try:
        return None if value is None else BlobAddress.from_text(text(value))
    except UsageError as error:
        raise UnreadableError("its destination is no address") from error


def _conversions(
    lines: Iterator[bytes], recipes: dict[str, Recipe], run: str
) -> Iterator[Conversion]:
    while True:
        with _damage_named(run):
            line = next(lines, None)
            if line is None:
                return
            conversion = _conversion(line, recipes)
        yield conversion


def _lines(data: bytes) -> Iterator[bytes]:
    """Yield the lines of the unpacked *data*, up to a size limit."""
    with gzip.open(io.BytesIO(data)) as file:
        left = LONGEST_UNPACKED
        while line := file.readline(_LONGEST_LINE + 1):
            left -= len(line)
            if left < 0:
                raise UnreadableError(f"it unpacks to more than {LONGEST_UNPACKED} bytes")
            yield line


def _recipes(value: object) -> dict[str, Recipe]:
    if not isinstance(value, dict):
        raise UnreadableError("it has no recipes")
    recipes = {name: Recipe.from_json(text(recipe)) for name, recipe in value.items()}
    if any(recipe.fingerprint != name for name, recipe in recipes.items()):
        # its files would also get different ids
        raise SetupError("this run was started by another version of runner: use that one")
    return recipes


def _conversion(line: bytes, recipes: dict[str, Recipe]) -> Conversion:
    row = parse_json(line, _LONGEST_LINE)
    if not isinstance(row, list) or len(row) not in (5, 6):
        raise UnreadableError("a file in it is not a list of five or six values")
    path, size, mtime_ns, target, recipe, etag = row if len(row) == 6 else [*row, ""]
    if not text(path) or "\0" in path:
        raise UnreadableError("a source in it has no name")
    check_name(text(target))
    if text(recipe) not in recipes:
        raise UnreadableError("a file in it has no recipe")
    if whole(size) < -1:
        raise UnreadableError("a file in it has no size")
    return Conversion(Source(path, size, whole(mtime_ns), text(etag)), target, recipes[recipe])
