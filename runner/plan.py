"""Decide which file is converted into what. Pure: it reads names and writes nothing."""

import os
import re
import string
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from runner.clashes import name_fault, resolve_clashes
from runner.conversions import Conversions
from runner.errors import NothingToConvertError, UsageError
from runner.formatting import printable
from runner.media.failures import ConversionError
from runner.media.paths import is_windows
from runner.media.target import check_name
from runner.models import Conversion, Failure, LeftOut, Plan, Recipe
from runner.selection import FoundFile

DEFAULT_NAME = "{dir}/{stem}{ext}"
NAME_FIELDS = ("dir", "stem", "ext", "name")
_DIR = "{dir}/"
_MEANS_FOLDERS = re.compile(r"[/\\]|\{dir")
_PLAIN = re.compile(r"[^./\\:\0][^/\\:\0]*\Z")
"""The name of a file that means the same to every system, wherever it stands."""


def make_plan(
    found: Iterable[FoundFile],
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
    unfit: dict[Conversion, Failure] = {}

    def named() -> Iterator[Conversion]:
        for one in found:
            conversion = Conversion(one.source, namer.target(one.relative), recipe)
            if one.fault:
                unfit[conversion] = one.fault
            else:
                yield conversion

    conversions = Conversions.of(named())
    if not conversions and not unfit:
        raise NothingToConvertError("no media files among the given files")
    root = os.path.abspath(destination)
    settled, left_out = resolve_clashes(conversions, root, on_clash, system)
    left_out += [LeftOut(conversion, fault) for conversion, fault in unfit.items()]
    return Plan(new_run_id(Path(root)), Path(root), settled, tuple(left_out))


def new_run_id(destination: Path, now: datetime | None = None, machine: str = "") -> str:
    """Return a name for a run in *destination* that sorts by time and is easy to say.

    Its two words encode the start time to a fiftieth of a second, so consecutive runs in one destination
    never share a name. The encoding starts at a different pair of words for each destination and *machine*
    (by default this one), because many runs may start on one Batch account at the same moment, as cron
    jobs do.
    """
    from importlib.resources import files  # noqa: PLC0415 - files are looked for before
    from socket import gethostname  # noqa: PLC0415 - as above

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
        keeps_folders = template.startswith(_DIR) and not _MEANS_FOLDERS.search(template, len(_DIR))
        self._file = template.removeprefix(_DIR) if keeps_folders else None
        """The template of files alone, where folders are kept: then each folder is named once."""
        self._folder = lru_cache(maxsize=1024)(self._folder_of)
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
        """Return the name of the result of the file at *relative*, with `/`.

        Raises:
            UsageError: It would be outside of the destination, or among what is runner's own.
        """
        folder, _, name = relative.rpartition("/")
        if self._file is not None:
            stem, _ = os.path.splitext(name)
            file = self._file.format(stem=stem, ext=self._suffix, name=name)
            into = self._folder(folder)
            if into is not None and _PLAIN.match(file):
                return f"{into}{file}"
        return self._checked(relative)

    def _folder_of(self, folder: str) -> str | None:
        """Return the folder of the results of files in *folder*, with `/` at its end; None if there is none."""
        try:
            target = self._checked(f"{folder}/name" if folder else "name")
        except UsageError:
            return None
        return target[: target.rfind("/") + 1]

    def _checked(self, relative: str) -> str:
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
