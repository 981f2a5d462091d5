"""Find the blobs that addresses mean: folders, globs and single blobs, as `selection` finds files."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Protocol

from runner.addresses import BlobAddress
from runner.errors import NothingThereError
from runner.formatting import printable
from runner.media.failures import Failure, Kind
from runner.media.paths import is_windows
from runner.models import Source
from runner.patterns import fixed_part, has_magic, path_matcher

ARCHIVED = Failure(Kind.INPUT, "in the archive tier; rehydrate it first")
REHYDRATING = Failure(Kind.INPUT, "still being rehydrated from the archive tier; try again later")


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """What a listing says about a blob."""

    name: str
    size: int
    mtime_ns: int
    etag: str
    """Without quotes."""
    fault: Failure | None = None
    """Why it cannot be read as it is: it is in the archive tier."""
    is_folder: bool = False
    """Whether it only marks a folder, in an account with a hierarchical namespace."""


class BlobStore(Protocol):
    """Where blobs are looked up."""

    def resolve(self, text: str) -> BlobAddress:
        """Return the address that *text* means, with its account."""

    def look_up(self, addresses: Iterable[BlobAddress]) -> Iterator[BlobFacts | None]:
        """Return the blob at each of *addresses*, in their order; None where there is none."""

    def listed(self, address: BlobAddress) -> Iterator[BlobFacts]:
        """Return the blobs whose names begin with that of *address*, in the order of their names."""


@dataclass(frozen=True, slots=True)
class FoundBlob:
    """A blob, its path below the address that was given, and what is wrong with it."""

    source: Source
    relative: str
    """With `/`, and nothing in it that leads elsewhere."""
    fault: Failure | None


@dataclass(frozen=True)
class Rules:
    """Which blobs of a folder are selected, like `Selection` for files."""

    takes: Callable[[str], bool]
    """Whether a blob below the folder is, by its path."""
    excludes: Callable[[str], bool]
    """Whether one is left out."""
    excludes_folder: Callable[[str], bool]
    """Whether all of a folder are."""


def find_blobs(
    text: str, rules: Rules, store: BlobStore, system: ModuleType = os.path
) -> Iterator[FoundBlob]:
    """Yield what the address *text* stands for: a blob, else a pattern, else a folder.

    Raises:
        NothingThereError: It stands for nothing at all.
    """
    address = store.resolve(text)
    if address.name and not address.name.endswith("/"):
        (facts,) = store.look_up([address])
        if facts is not None and not facts.is_folder:
            yield _found(address, facts, address.name.rpartition("/")[2], system)
            return
    is_pattern = has_magic(address.name)
    find = _matching if is_pattern else _below
    nothing = True
    for facts, relative in find(address, rules, store):
        nothing = False
        if relative:
            yield _found(address, facts, relative, system)
    if nothing:
        what = "nothing matches" if is_pattern else "no such blob, folder or container:"
        raise NothingThereError(f"{what} {printable(text)}")


def list_blobs(
    texts: Sequence[str], store: BlobStore, system: ModuleType = os.path
) -> Iterator[FoundBlob]:
    """Yield the blobs of a list: the names in their containers are the tree that is kept."""
    addresses = list(map(store.resolve, texts))
    for address, facts in zip(addresses, store.look_up(addresses), strict=True):
        yield _listed(address, facts, system)


def _listed(address: BlobAddress, facts: BlobFacts | None, system: ModuleType) -> FoundBlob:
    if facts is not None and not facts.is_folder:
        return _found(address, facts, address.name, system)
    relative, _ = safe_relative(address.name or address.container, system)
    why = "it is a folder: a list names blobs" if facts else "there is no such blob"
    return FoundBlob(Source(str(address), -1, 0), relative, Failure(Kind.INPUT, why))


def _below(address: BlobAddress, rules: Rules, store: BlobStore) -> Iterator[tuple[BlobFacts, str]]:
    """Return the blobs of a folder, with their paths below it; None for those that are not selected."""
    prefix = address.name if not address.name or address.name.endswith("/") else f"{address.name}/"
    is_open = lru_cache(maxsize=4096)(lambda folder: _is_open(folder, rules))
    for facts in store.listed(address.named(prefix)):
        relative = facts.name[len(prefix) :]
        yield facts, relative if _is_taken(facts, relative, rules, is_open) else ""


def _matching(
    address: BlobAddress, rules: Rules, store: BlobStore
) -> Iterator[tuple[BlobFacts, str]]:
    """Return the blobs that match a pattern, and those in the folders that match it."""
    fixed = fixed_part(address.name)
    base = fixed[: fixed.rfind("/") + 1]
    pattern = address.name[len(base) :].rstrip("/")
    matches = path_matcher(pattern)
    enters = lru_cache(maxsize=4096)(lambda folder: _folder_that_matches(folder, matches))
    is_open = lru_cache(maxsize=4096)(lambda folder: _is_open(folder, rules))
    for facts in store.listed(address.named(fixed)):
        relative = facts.name[len(base) :]
        if matches(relative) and not address.name.endswith("/"):
            yield facts, "" if _is_marker(facts, relative) else relative
        elif not pattern.endswith("**") and (top := enters(relative.rpartition("/")[0])):
            inner = relative[len(top) + 1 :]
            yield facts, relative if _is_taken(facts, inner, rules, is_open) else ""


def _folder_that_matches(folder: str, matches: Callable[[str], bool]) -> str:
    """Return the first of *folder* and its parents that matches a pattern; empty for none."""
    parts = folder.split("/")
    tops = ("/".join(parts[: count + 1]) for count in range(len(parts)))
    return next((top for top in tops if top and matches(top)), "")


def _is_taken(
    facts: BlobFacts, relative: str, rules: Rules, is_open: Callable[[str], bool]
) -> bool:
    if _is_marker(facts, relative):
        return False
    relative, _ = safe_relative(relative)  # patterns mean no part `..`
    folder, _, name = relative.rpartition("/")
    if name.startswith("."):
        return False
    return rules.takes(relative) and not rules.excludes(relative) and is_open(folder)


def _is_marker(facts: BlobFacts, relative: str) -> bool:
    """Return whether this blob has no content but marks a folder, as some tools create them."""
    return facts.is_folder or not relative or (relative.endswith("/") and facts.size == 0)


def _is_open(folder: str, rules: Rules) -> bool:
    """Return whether neither *folder* nor one of its parents is hidden or excluded."""
    parts = [part for part in folder.split("/") if part]
    if any(part.startswith(".") for part in parts):
        return False
    tops = ("/".join(parts[: count + 1]) for count in range(len(parts)))
    return not any(map(rules.excludes_folder, tops))


def _found(address: BlobAddress, facts: BlobFacts, relative: str, system: ModuleType) -> FoundBlob:
    path = str(address.named(facts.name))
    safe, fault = safe_relative(relative, system)
    named = Failure(Kind.NAME, fault) if fault else None
    return FoundBlob(
        Source(path, facts.size, facts.mtime_ns, facts.etag), safe, named or facts.fault
    )


def safe_relative(relative: str, system: ModuleType = os.path) -> tuple[str, str]:
    """*relative*, a part of a blob's name, as a path below a folder; and why the blob cannot be read so.

    Blobs have names, and no folders: `a//b`, `/b` and `../b` are names like any other.
    """
    fault = ""
    if relative.endswith("/"):
        fault = "its name ends with a slash, like a folder"
    parts = [part for part in relative.split("/") if part] or ["blob"]
    if set(parts) & {".", ".."}:
        # HTTP clients take them out of an address, which then is another blob's
        fault = "no address can contain its name: a part of it is '.' or '..'"
        parts = [part.replace(".", "%2E") if part in (".", "..") else part for part in parts]
    # what separates names there, and what makes the first one a drive
    for letter in "\\:" if is_windows(system) else "":
        if letter in relative:
            fault = fault or f"Windows does not allow its name: names there cannot contain {letter}"
            parts = [part.replace(letter, f"%{ord(letter):02X}") for part in parts]
    return "/".join(parts), fault
