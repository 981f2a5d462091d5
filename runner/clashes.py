"""Deal with results that cannot have their names. Pure.

Several would get the same name, or the name of a source, or a name that this system does not allow.
"""

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from types import ModuleType

from runner.errors import SetupError, UsageError
from runner.formatting import display_path, printable
from runner.media.failures import Failure, Kind
from runner.media.paths import fault_on_windows, is_windows, local_name, resolved
from runner.models import Conversion, LeftOut, Notice, Plan

ON_CLASH = ("report", "suffix", "error")
"""Leave these files out and report them; add the source's suffix to every name; refuse the run."""

_SHOWN = 5


def settle_clashes(
    conversions: Sequence[Conversion], root: str, on_clash: str, system: ModuleType = os.path
) -> tuple[list[Conversion], list[LeftOut]]:
    """Split *conversions* into those with a unique, valid name under *root*, and the others.

    *system* is the `os.path` module of the machine where the results will be.

    Raises:
        UsageError: *on_clash* is "error", and there are clashes.
    """
    if on_clash == "suffix":
        marked = {c: _with_mark(c) for group in _sharing_a_target(conversions) for c in group}
        conversions = [marked.get(c, c) for c in conversions]
    reasons = _impossible_names(conversions) if is_windows(system) else {}
    named = [c for c in conversions if c not in reasons]
    reasons |= {c: _shares_its_name(c, group) for group in _sharing_a_target(named) for c in group}
    for conversion in _overwriting_sources(named, root):
        reasons.setdefault(conversion, _overwrites(conversion, root))
    if reasons and on_clash == "error":
        raise _refusal(reasons)
    left_out = [LeftOut(c, Failure(Kind.NAME, reason)) for c, reason in reasons.items()]
    return [c for c in conversions if c not in reasons], left_out


def folded(target: str) -> str:
    """Return *target* as seen by file systems that ignore case and Unicode normalization: macOS, Windows."""
    return target if target.isascii() and target.islower() else _fold(target)


def renamed_here(plan: Plan, system: ModuleType = os.path) -> Iterator[Notice]:
    """Say which results of *plan*, which was made elsewhere, get another name on this *system*.

    Raises:
        SetupError: Two of them would get the same name.
    """
    others = [(c.target, here) for c in plan.conversions if (here := _here(c.target, system))]
    if not others:
        return
    taken = {folded(c.target) for c in plan.conversions if not _here(c.target, system)}
    for target, here in others:
        if folded(here) in taken:
            message = f"{printable(target)} and another result would both be called {here} here"
            raise SetupError(f"{message}: collect this run on another system")
        taken.add(folded(here))
    examples = ", ".join(f"{printable(target)} is {here}" for target, here in others[:_SHOWN])
    more = f", and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    yield Notice(f"Windows does not allow all of these names: {examples}{more}")


def _here(target: str, system: ModuleType) -> str:
    """Return the name of *target* on *system*, if it differs."""
    here = "/".join(local_name(part, system) for part in target.split("/"))
    return "" if here == target else here


def _fold(target: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", target).casefold())


def name_fault(target: str) -> str:
    """Return why Windows does not allow *target*, a name with `/`; empty if it does."""
    for part in target.split("/"):
        if fault := fault_on_windows(part):
            return f"Windows does not allow the name {printable(part)}: {fault}; see --name"
    return ""


def _impossible_names(conversions: Iterable[Conversion]) -> dict[Conversion, str]:
    return {c: fault for c in conversions if (fault := name_fault(c.target))}


def _sharing_a_target(conversions: Iterable[Conversion]) -> list[list[Conversion]]:
    first: dict[str, Conversion] = {}
    groups: dict[str, list[Conversion]] = {}
    for conversion in conversions:
        key = folded(conversion.target)
        if (other := first.setdefault(key, conversion)) is not conversion:
            groups.setdefault(key, [other]).append(conversion)
    return list(groups.values())


def _with_mark(conversion: Conversion) -> Conversion:
    """Return *conversion* with a mark in its target that only depends on its source's path."""
    digest = hashlib.blake2b(os.fsencode(conversion.source.path), digest_size=3).hexdigest()
    stem, suffix = os.path.splitext(conversion.target)
    return replace(conversion, target=f"{stem}~{digest}{suffix}")


def _shares_its_name(conversion: Conversion, group: Sequence[Conversion]) -> str:
    others = [display_path(c.source.path) for c in group if c is not conversion]
    also = f"{others[0]} and {len(others) - 1} more" if len(others) > 1 else others[0]
    target = printable(conversion.target)
    return f"{also} would be written to the same name, {target}; --on-clash suffix keeps them apart"


def _overwriting_sources(conversions: Sequence[Conversion], root: str) -> list[Conversion]:
    real = cache(resolved)  # a folder may be reached by several ways
    files = [conversion for conversion in conversions if not conversion.source.is_blob]
    folders = {real(os.path.dirname(conversion.source.path)) for conversion in files}

    def key(path: str) -> str:
        folder, name = os.path.split(path)
        return os.path.join(real(folder), folded(name))

    suspects = [c for c in conversions if real(os.path.dirname(_path(c, root))) in folders]
    if not suspects:
        return []
    sources = {key(conversion.source.path) for conversion in files}
    return [c for c in suspects if key(_path(c, root)) in sources]


def _overwrites(conversion: Conversion, root: str) -> str:
    path = display_path(_path(conversion, root))
    advice = "choose another folder with -o, or leave it out with --exclude"
    return f"its result would overwrite the source {path}; {advice}"


def _path(conversion: Conversion, root: str) -> str:
    return os.path.join(root, *conversion.target.split("/"))


def _refusal(reasons: dict[Conversion, str]) -> UsageError:
    lines = [f"  {printable(c.source.path)}: {why}" for c, why in list(reasons.items())[:_SHOWN]]
    if len(reasons) > _SHOWN:
        lines.append(f"  and {len(reasons) - _SHOWN} more")
    return UsageError("\n".join(["these files would be written to names that are taken:", *lines]))
