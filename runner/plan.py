"""Decide which file is converted into what. Pure: it reads names and writes nothing."""

import os
import string
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from socket import gethostname
from types import ModuleType

from runner.clashes import name_fault, settle_clashes
from runner.errors import NothingToConvertError, UsageError
from runner.formatting import printable
from runner.media.failures import ConversionError
from runner.media.paths import is_windows
from runner.media.target import check_name
from runner.models import Conversion, Failure, LeftOut, Plan, Recipe
from runner.selection import Found

DEFAULT_NAME = "{dir}/{stem}{ext}"
NAME_FIELDS = ("dir", "stem", "ext", "name")


def make_plan(
    found: Iterable[Found],
    recipe: Recipe,
    destination: Path,
    name: str = DEFAULT_NAME,
    on_clash: str = "report",
    system: ModuleType = os.path,
) -> Plan:
    """Pair every file in *found* with its target below *destination*, named by the template *name*.

    *on_clash*, one of `clashes.ON_CLASH`, says what to do about files that would share a target, overwrite a
    source, or get an invalid name. *system* is the `os.path` module of the machine with the destination.

    Raises:
        NothingToConvertError: There are no files.
        UsageError: A target would be outside of the destination, *name* only makes invalid names, or
            *on_clash* refuses a clash.
    """
    if on_clash == "suffix":
        # for all files, not only for those that clash: names must not depend on other files
        name = name.replace("{stem}", "{name}")
    namer = _Namer(name, recipe.suffix, system)
    faults: dict[Conversion, Failure] = {}
    conversions: dict[str, Conversion] = {}
    for one in found:
        conversion = Conversion(one.source, namer.target(one.relative), recipe)
        if one.fault:
            faults[conversion] = one.fault
        else:
            conversions[f"{conversion.source.path}\0{conversion.target}"] = conversion
    if not conversions and not faults:
        raise NothingToConvertError("no media files among the given files")
    root = os.path.abspath(destination)
    settled, left_out = settle_clashes(list(conversions.values()), root, on_clash, system)
    left_out += [LeftOut(conversion, fault) for conversion, fault in faults.items()]
    return Plan(new_run_id(Path(root)), Path(root), tuple(settled), tuple(left_out))


def new_run_id(destination: Path, now: datetime | None = None, machine: str = "") -> str:
    """Return a name for a run in *destination* that sorts by time and is easy to say.

    Its two words encode the start time to a fiftieth of a second, so consecutive runs in one destination
    never share a name. The encoding starts at a different pair of words for each destination and *machine*
    (by default this one), because many runs may start on one Batch account at the same moment, as cron
    jobs do.
    """
    now = now or datetime.now().astimezone()
    words = files("runner").joinpath("run_names.txt").read_text(encoding="ascii")
    moods, animals = map(str.split, words.splitlines())
    place = f"{machine or gethostname()} {destination}"
    first = int.from_bytes(sha256(place.encode("utf-8", "surrogateescape")).digest(), "big")
    fiftieths = now.second * 50 + now.microsecond // 20_000
    animal, mood = divmod((first + fiftieths) % (len(moods) * len(animals)), len(moods))
    return f"{now:%Y%m%d-%H%M}-{moods[mood]}-{animals[animal]}"


class _Namer:
    def __init__(self, template: str, suffix: str, system: ModuleType) -> None:
        self._template = template
        self._system = system
        self._suffix = suffix
        try:
            used = {
                field for _, field, _, _ in string.Formatter().parse(template) if field is not None
            }
        except ValueError as error:
            raise UsageError(f"--name {template}: {error}") from error
        if unknown := sorted(used - set(NAME_FIELDS)):
            known = ", ".join(f"{{{field}}}" for field in NAME_FIELDS)
            raise UsageError(f"--name: unknown field {{{unknown[0]}}}; choose from {known}")
        if not used & {"stem", "name"}:
            raise UsageError("--name needs {stem} or {name}, or all files would get the same name")
        try:
            usual = self._fill("folder", "file.mp4")
        except (KeyError, ValueError) as error:
            raise UsageError(f"--name {template}: {error}") from error
        fault = is_windows(system) and name_fault(usual.replace(system.sep, "/"))
        if fault and not self._is_outside(system.normpath(usual)):
            # checked with an ordinary file name, so a fault here comes from the template itself
            raise UsageError(f"--name {template}: {fault}")

    def target(self, relative: str) -> str:
        system = self._system
        folder, name = system.split(relative)
        target = system.normpath(self._fill(folder or ".", name))
        if self._is_outside(target):
            raise UsageError(f"--name puts {printable(relative)} outside the destination: {target}")
        target = target.replace(system.sep, "/")
        try:
            check_name(target)
        except ConversionError as error:
            raise UsageError(f"--name: {printable(relative)}: {error}") from error
        return str(target)

    def _is_outside(self, target: str) -> bool:
        system = self._system
        # isabs alone means another thing for \\a on Windows since Python 3.13
        drive, path = system.splitdrive(target)
        return (
            bool(drive) or path.startswith(system.sep) or path.split(system.sep)[0] == system.pardir
        )

    def _fill(self, folder: str, name: str) -> str:
        stem, _ = os.path.splitext(name)
        return self._template.format(dir=folder, stem=stem, ext=self._suffix, name=name)
