"""Deal with results that cannot have their names. Pure, except that files whose paths differ in capitals are compared.

Several would get the same name, or the name of a source, or a name that this system does not allow.
"""

import hashlib
import os
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from types import ModuleType

from runner.conversions import Conversion, Conversions
from runner.errors import SetupError, UsageError
from runner.formatting import display_path, printable
from runner.media.failures import Failure, Kind
from runner.media.paths import fault_on_windows, is_windows, local_name, resolved
from runner.models import LeftOut, Notice, Plan

ON_CLASH = ("report", "suffix", "error")
"""Leave these files out and report them; add the source's suffix to every name; refuse the run."""

_SHOWN = 5


def resolve_clashes(
    conversions: Conversions, root: str, on_clash: str, system: ModuleType = os.path
) -> tuple[Conversions, list[LeftOut]]:
    """Split *conversions* into those with a unique, valid name under *root*, and the others.

    One that occurs several times stays once. *system* is the `os.path` module of the machine where the
    results will be.

    Raises:
        UsageError: *on_clash* is "error", and there are clashes.
    """
    groups = _sharing_a_target(conversions)
    if repeats := {index for group in groups for index in _repeats(conversions, group)}:
        conversions = conversions.only(n for n in range(len(conversions)) if n not in repeats)
        groups = _sharing_a_target(conversions)
    if on_clash == "suffix" and groups:
        marked = {index for group in groups for index in group}
        conversions = Conversions.of(
            _with_mark(c) if index in marked else c for index, c in enumerate(conversions)
        )
        groups = _sharing_a_target(conversions)
    reasons = _impossible_names(conversions.targets) if is_windows(system) else {}
    for group in groups:
        reasons |= _sharing_a_name(conversions, [index for index in group if index not in reasons])
    for index in _overwriting_sources(conversions, root):
        reasons.setdefault(index, _overwrites(conversions[index], root))
    if not reasons:
        return conversions, []
    if on_clash == "error":
        raise _refusal({conversions[index]: why for index, why in reasons.items()})
    left_out = [
        LeftOut(conversions[index], Failure(Kind.NAME, reason)) for index, reason in reasons.items()
    ]
    return conversions.only(n for n in range(len(conversions)) if n not in reasons), left_out


def share_targets(conversions: Conversions) -> bool:
    """Whether two of *conversions* have the same target."""
    return bool(_sharing_a_target(conversions))


def folded(target: str) -> str:
    """Return *target* as seen by file systems that ignore case and Unicode normalization: macOS, Windows."""
    return target if target.isascii() and target.islower() else _fold(target)


def renamed_here(plan: Plan, system: ModuleType = os.path) -> Iterator[Notice]:
    """Say which results of *plan*, which was made elsewhere, get another name on this *system*.

    Raises:
        SetupError: Two of them would get the same name.
    """
    if not is_windows(system):
        return
    targets = Conversions.of(plan.conversions).targets
    others = [(target, here) for target in targets if (here := _here(target, system))]
    if not others:
        return
    targets = Conversions.of(plan.conversions).targets
    taken = {folded(target) for target in targets if not _here(target, system)}
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


def _impossible_names(targets: Iterable[str]) -> dict[int, str]:
    return {index: fault for index, target in enumerate(targets) if (fault := name_fault(target))}


def _sharing_a_target(conversions: Conversions) -> list[list[int]]:
    """Return the indices of those that share a target, together, in the order of the first of each."""
    # a set of numbers takes half the memory of a set of names, and mostly there is nothing to find
    hashes = array("q", map(hash, map(folded, conversions.targets)))
    if len(set(hashes)) == len(hashes):
        return []
    counts = Counter(hashes)
    groups: dict[str, list[int]] = {}
    for index, (found, target) in enumerate(zip(hashes, conversions.targets, strict=True)):
        if counts[found] > 1:
            groups.setdefault(folded(target), []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def _repeats(conversions: Conversions, group: Iterable[int]) -> Iterator[int]:
    """Yield those indices of *group* that have a conversion of an earlier one, as of a file that was named twice."""
    seen: dict[str, list[Conversion]] = {}
    for index in group:
        conversion = conversions[index]
        before = seen.setdefault(folded(conversion.source.path), [])
        if any(_is_repeat(conversion, one) for one in before):
            yield index
        else:
            before.append(conversion)


def _is_repeat(conversion: Conversion, one: Conversion) -> bool:
    """Return whether they share a source, which may be named with other capitals where these do not matter."""
    path, its = conversion.source.path, one.source.path
    if path == its:
        return conversion.target == one.target
    try:
        return os.path.samefile(path, its)
    except OSError:
        return False


def _with_mark(conversion: Conversion) -> Conversion:
    """Return *conversion* with a mark in its target that only depends on its source's path."""
    digest = hashlib.blake2b(os.fsencode(conversion.source.path), digest_size=3).hexdigest()
    stem, suffix = os.path.splitext(conversion.target)
    return replace(conversion, target=f"{stem}~{digest}{suffix}")


def _sharing_a_name(conversions: Conversions, group: list[int]) -> dict[int, str]:
    """Return why each of *group*, which share a target, is left out; nothing for a single one."""
    if len(group) < 2:
        return {}
    first, second = (conversions[index] for index in group[:2])
    others = dict.fromkeys(group, first) | {group[0]: second}
    return {
        index: _shares_its_name(conversions[index], other, len(group))
        for index, other in others.items()
    }


def _shares_its_name(conversion: Conversion, other: Conversion, count: int) -> str:
    """Return why *conversion*, one of *count* that share a target, is left out; *other* is another of them."""
    path = display_path(other.source.path)
    also = f"{path} and {count - 2} more" if count > 2 else path
    target = printable(conversion.target)
    return f"{also} would be written to the same name, {target}; --on-clash suffix keeps them apart"


def _overwriting_sources(conversions: Conversions, root: str) -> Iterator[int]:
    """Yield the indices of those whose target is one of the sources."""
    real = cache(resolved)  # a folder may be reached by several ways
    folders = {real(os.path.dirname(folder)) for folder in conversions.source_folders}
    suspects = {
        folder
        for folder in conversions.target_folders
        if real(os.path.dirname(os.path.join(root, *folder.split("/")))) in folders
    }
    if not suspects:
        return

    def key(path: str) -> str:
        folder, name = os.path.split(path)
        return os.path.join(real(folder), folded(name))

    sources = {key(c.source.path) for c in conversions if not c.source.is_blob}
    for index, target in enumerate(conversions.targets):
        is_suspect = target[: target.rfind("/") + 1] in suspects
        if is_suspect and key(os.path.join(root, *target.split("/"))) in sources:
            yield index


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
