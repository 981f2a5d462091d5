"""One run in the container `input`: the plan of what is not collected yet, and the sources."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

from runner.azure.blobs import Blobs
from runner.azure.conversion_index import ConversionIndex, id_of, target_of
from runner.azure.manifest import (
    LONGEST,
    DamagedPlanError,
    Manifest,
    OpenManifest,
    manifest_of,
    open_manifest,
    read_manifest,
)
from runner.azure.names import manifest_name
from runner.conversions import Conversions
from runner.media.strict import UnreadableError
from runner.models import Conversion, Plan
from runner.options import RunOptions

IndexOf = Callable[[str], int | None]


@dataclass(frozen=True)
class StoredRun:
    """One run in the container *container*.

    Its plan exists as long as a result can still be collected.
    """

    blobs: Blobs
    container: str
    run: str

    def read(self, destination: Path) -> Manifest | None:
        """Return the plan, for results in *destination*, and the options; None if there is no plan.

        Raises:
            DamagedPlanError: It cannot be read.
            SetupError: Another version of runner wrote it.
        """
        data = self._data()
        return None if data is None else read_manifest(data, self.run, destination)

    def open(self) -> OpenManifest | None:
        """Return the same, whose conversions are read one by one.

        Raises:
            DamagedPlanError: It cannot be read.
            SetupError: Another version of runner wrote it.
        """
        data = self._data()
        return None if data is None else open_manifest(data, self.run)

    def _data(self) -> bytes | None:
        with self._within_limits():
            return self.blobs.read(self.container, self._plan, LONGEST)

    @contextmanager
    def _within_limits(self) -> Iterator[None]:
        try:
            yield
        except UnreadableError as error:
            raise DamagedPlanError(self.run, error) from error

    def put(self, plan: Plan, options: RunOptions, index_of: IndexOf) -> None:
        """Store *plan*, with the other conversions of an earlier plan of the run, and *options*.

        Earlier conversions with a target of *plan* are dropped: they are older versions of its sources.
        *index_of* finds the conversions of *plan* by their ids.
        """
        others = Conversions.of(())
        if stored := self.open():
            before = _Before(plan, index_of)
            others = Conversions.of(before.others(stored.conversions))
            if stored.options == options and before.is_same:
                return
        with manifest_of(plan, options, others) as file:
            self.blobs.put(self.container, self._plan, file)

    def retain(self, wanted: Callable[[Conversion], bool]) -> Conversions:
        """Remove what is not *wanted* from the plan, or the whole plan if nothing is left; return what is left."""
        left = Conversions.of(())

        def change(data: bytes) -> bytes | None:
            nonlocal left
            stored = open_manifest(data, self.run)
            total = count(1)
            each = (conversion for conversion in stored.conversions if next(total))
            left = Conversions.of(filter(wanted, each))
            if len(left) == next(total) - 1:
                return data
            if not left:
                return None
            with manifest_of(stored.plan(Path(), left), stored.options) as file:
                return file.read()

        with self._within_limits():
            self.blobs.update(self.container, self._plan, LONGEST, change)
        return left

    def sources(self) -> Iterator[tuple[str, str, int]]:
        """Yield the id of the conversion of each source in storage, its blob, and its bytes; each one is complete."""
        for name, size in self.blobs.sizes(self.container, f"{self.run}/"):
            if name != self._plan:
                yield name.removeprefix(f"{self.run}/").partition(".")[0], name, size

    def delete_sources(self, keep: Collection[str] = ()) -> None:
        """Delete the sources of all conversions except those in *keep*."""
        gone = [blob for conversion, blob, _ in self.sources() if conversion not in keep]
        self.blobs.delete(self.container, gone)

    def delete(self) -> None:
        """Delete the plan and the sources."""
        self.blobs.delete(self.container, self.blobs.names(self.container, f"{self.run}/"))

    @property
    def _plan(self) -> str:
        return manifest_name(self.run)


class _Before:
    """The conversions of an earlier plan of a run, beside those of its *plan* now."""

    def __init__(self, plan: Plan, index_of: IndexOf) -> None:
        self._plan = plan
        self._index_of = index_of
        self._found = 0
        self._is_any_dropped = False

    @property
    def is_same(self) -> bool:
        """Whether the earlier plan had all of ours, and nothing that is to be dropped."""
        return self._found == len(self._plan.conversions) and not self._is_any_dropped

    def others(self, before: Iterator[Conversion]) -> Iterator[Conversion]:
        """Yield those of *before* that are neither ours, nor done, nor older versions of ours."""
        for conversion in before:
            if self._index_of(conversion.id) is not None:
                self._found += 1
            elif self._done.find(conversion.id) is not None or self._has_target(conversion):
                self._is_any_dropped = True
            else:
                yield conversion

    def _has_target(self, conversion: Conversion) -> bool:
        return self._targets.find(target_of(conversion)) is not None

    @cached_property
    def _done(self) -> ConversionIndex:
        return ConversionIndex(Conversions.of(self._plan.done), id_of)

    @cached_property
    def _targets(self) -> ConversionIndex:
        return ConversionIndex(Conversions.of(self._plan.conversions), target_of)
