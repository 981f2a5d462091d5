"""One run in the container `input`: the plan of what is not collected yet, and the sources."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from runner.azure.blobs import Blobs
from runner.azure.manifest import (
    LONGEST,
    DamagedPlanError,
    Manifest,
    manifest_of,
    read_manifest,
)
from runner.azure.names import manifest_name
from runner.clashes import folded
from runner.media.strict import UnreadableError
from runner.models import Conversion, Plan
from runner.options import RunOptions


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
        try:
            data = self.blobs.read(self.container, self._plan, LONGEST)
        except UnreadableError as error:
            raise DamagedPlanError(self.run, error) from error
        return None if data is None else read_manifest(data, self.run, destination)

    def put(self, plan: Plan, options: RunOptions) -> None:
        """Store *plan*, with the other conversions of an earlier plan of the run, and *options*.

        Earlier conversions with a target of *plan* are dropped: they are older versions of its sources.
        """
        others: tuple[Conversion, ...] = ()
        if stored := self.read(plan.destination):
            ours = {conversion.id for conversion in plan.conversions}
            done = {conversion.id for conversion in plan.done}
            targets = {folded(conversion.target) for conversion in plan.conversions}
            before = stored.plan.conversions
            others = tuple(
                c for c in before if c.id not in ours | done and folded(c.target) not in targets
            )
            if stored.options == options and {c.id for c in before} == ours | {
                c.id for c in others
            }:
                return
        with manifest_of(replace(plan, conversions=(*plan.conversions, *others)), options) as file:
            self.blobs.put(self.container, self._plan, file, overwrite=True)

    def retain(self, wanted: Callable[[Conversion], bool]) -> tuple[Conversion, ...]:
        """Remove what is not *wanted* from the plan, or the whole plan if nothing is left; return what is left."""
        left: tuple[Conversion, ...] = ()

        def change(data: bytes) -> bytes | None:
            nonlocal left
            stored = read_manifest(data, self.run, Path())
            left = tuple(filter(wanted, stored.plan.conversions))
            if len(left) == len(stored.plan.conversions):
                return data
            if not left:
                return None
            with manifest_of(replace(stored.plan, conversions=left), stored.options) as file:
                return file.read()

        try:
            self.blobs.update(self.container, self._plan, LONGEST, change)
        except UnreadableError as error:
            raise DamagedPlanError(self.run, error) from error
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
