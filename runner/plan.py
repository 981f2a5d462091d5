"""Decide what will be converted into what. Pure: reads names, writes nothing."""

import os
import string
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from types import ModuleType

from runner.errors import NothingToConvertError, UsageError
from runner.media.failures import ConversionError
from runner.media.paths import fault_on_windows, is_windows, resolved
from runner.media.target import check_name
from runner.models import Conversion, Plan, Recipe
from runner.selection import Found
from runner.wording import printable

DEFAULT_NAME = "{dir}/{stem}{ext}"
NAME_FIELDS = ("dir", "stem", "ext", "name")
_MOODS = [
    "amber",
    "brave",
    "brisk",
    "calm",
    "clear",
    "cosy",
    "crisp",
    "eager",
    "early",
    "fair",
    "fond",
    "fresh",
    "gentle",
    "glad",
    "golden",
    "happy",
    "hardy",
    "jolly",
    "keen",
    "kind",
    "light",
    "lively",
    "lucky",
    "mellow",
    "merry",
    "mild",
    "mossy",
    "neat",
    "noble",
    "patient",
    "plain",
    "proud",
    "quick",
    "quiet",
    "rapid",
    "ready",
    "robust",
    "rosy",
    "sandy",
    "sharp",
    "silver",
    "sleek",
    "smart",
    "snowy",
    "solid",
    "sunny",
    "swift",
    "tidy",
    "warm",
    "wise",
    "witty",
    "young",
    "zesty",
]
_ANIMALS = [
    "badger",
    "beaver",
    "bison",
    "camel",
    "cat",
    "crane",
    "crow",
    "deer",
    "dingo",
    "dolphin",
    "dove",
    "eagle",
    "eel",
    "egret",
    "falcon",
    "ferret",
    "finch",
    "fox",
    "gecko",
    "goose",
    "hare",
    "hawk",
    "hen",
    "heron",
    "hippo",
    "horse",
    "ibis",
    "jackal",
    "jay",
    "koala",
    "lark",
    "lemur",
    "lion",
    "llama",
    "lynx",
    "marten",
    "mole",
    "moose",
    "newt",
    "ocelot",
    "otter",
    "owl",
    "panda",
    "pike",
    "puffin",
    "quail",
    "raven",
    "robin",
    "seal",
    "stork",
    "swan",
    "tapir",
    "tern",
    "tiger",
    "toad",
    "trout",
    "viper",
    "wolf",
    "wombat",
    "wren",
    "yak",
    "zebra",
]
_SHOWN_CLASHES = 5


def make_plan(
    found: Iterable[Found],
    recipe: Recipe,
    destination: Path,
    name: str = DEFAULT_NAME,
    system: ModuleType = os.path,
) -> Plan:
    """Pair every file in *found* with its target below *destination*, named by *name*.

    *system* is the module `os.path` of the machine that it is for.

    Raises:
        NothingToConvertError: There is no file.
        UsageError: Two files share a target, or a target is a source.
    """
    namer = _Namer(name, recipe.suffix, system)
    conversions = [Conversion(f.source, namer.target(f.relative), recipe) for f in found]
    if not conversions:
        raise NothingToConvertError("no media files among what was named")
    conversions = list({c.source.path + "\0" + c.target: c for c in conversions}.values())
    root = os.path.abspath(destination)
    _refuse_clashes(conversions)
    _refuse_overwriting_sources(conversions, root)
    return Plan(new_run_id(), Path(root), tuple(conversions))


def new_run_id(now: datetime | None = None) -> str:
    """A name for a run: it sorts by time, and can be said on the telephone.

    Its words are the second and the fiftieth of it: runs of one destination, which follow each
    other, never share a name.
    """
    now = now or datetime.now().astimezone()
    mood = _MOODS[now.microsecond * len(_MOODS) // 1_000_000]
    return f"{now:%Y%m%d-%H%M}-{mood}-{_ANIMALS[now.second]}"


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
            raise UsageError(f"--name: there is no {{{unknown[0]}}}; there are {known}")
        if not used & {"stem", "name"}:
            raise UsageError("--name needs {stem} or {name}, else all files get one name")
        try:
            self._fill("folder", "file.mp4")
        except (KeyError, ValueError) as error:
            raise UsageError(f"--name {template}: {error}") from error

    def target(self, relative: str) -> str:
        system = self._system
        folder, name = system.split(relative)
        target = system.normpath(self._fill(folder or ".", name))
        if system.isabs(target) or target.split(system.sep)[0] == system.pardir:
            raise UsageError(f"--name puts {printable(relative)} outside the destination: {target}")
        target = target.replace(system.sep, "/")
        try:
            check_name(target)
        except ConversionError as error:
            raise UsageError(f"--name: {printable(relative)}: {error}") from error
        if is_windows(system):
            self._refuse_on_windows(relative, target)
        return str(target)

    def _refuse_on_windows(self, relative: str, target: str) -> None:
        for part in target.split("/"):
            if fault := fault_on_windows(part):
                message = (
                    f"Windows cannot have the name {printable(part)} for {printable(relative)}"
                )
                raise UsageError(f"{message}: {fault}; see --name")

    def _fill(self, folder: str, name: str) -> str:
        stem, _ = os.path.splitext(name)
        return self._template.format(dir=folder, stem=stem, ext=self._suffix, name=name)


def _refuse_clashes(conversions: list[Conversion]) -> None:
    first: dict[str, Conversion] = {}
    clashes: list[tuple[Conversion, Conversion]] = []
    for conversion in conversions:
        # the same file where case or the form of accents does not count: macOS, Windows
        key = folded(conversion.target)
        if (other := first.setdefault(key, conversion)) is not conversion:
            clashes.append((other, conversion))
    if clashes:
        lines = [
            f"  {printable(c.target)} from {printable(one.source.path)} and {printable(c.source.path)}"
            for one, c in clashes[:_SHOWN_CLASHES]
        ]
        if more := len(clashes) - _SHOWN_CLASHES > 0:
            lines.append(f"  and {len(clashes) - _SHOWN_CLASHES} more" * more)
        advice = (
            "convert them into different folders, or name them apart: --name '{dir}/{name}{ext}'"
        )
        raise UsageError("\n".join(["two files would get one name:", *lines, advice]))


def folded(target: str) -> str:
    """*target* as file systems see it that do not tell capitals, or forms of accents, apart."""
    return target if target.isascii() and target.islower() else _fold(target)


def _fold(target: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", target).casefold())


def _refuse_overwriting_sources(conversions: list[Conversion], root: str) -> None:
    real = cache(resolved)  # a folder may be reached by several ways
    folders = {real(os.path.dirname(conversion.source.path)) for conversion in conversions}
    targets = [os.path.join(root, *conversion.target.split("/")) for conversion in conversions]
    suspects = [target for target in targets if real(os.path.dirname(target)) in folders]
    if not suspects:
        return

    def key(path: str) -> str:
        folder, name = os.path.split(path)
        return os.path.join(real(folder), folded(name))

    sources = {key(conversion.source.path) for conversion in conversions}
    for target in suspects:
        if key(target) in sources:
            raise UsageError(
                f"{printable(target)} would be overwritten by its own conversion; "
                "choose another folder with -o"
            )
