"""Results in a container: what each was made from is in its metadata, so that no memory is needed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from runner.addresses import BlobAddress
from runner.existing_target import ExistingTarget
from runner.models import Result, Source
from runner.records import StoredResult
from runner.result_blobs import ResultBlob, result_blob

Listing = Callable[[], Iterable[tuple[str, ResultBlob]]]
"""All blobs below an address, each with its name."""


@dataclass(frozen=True)
class CloudTargets:
    """Results below *address*, which are listed once, when the first one is needed."""

    address: BlobAddress
    listing: Listing
    can_be_opened: bool = False

    @cached_property
    def _blobs(self) -> dict[str, ResultBlob]:
        return dict(self.listing())

    def expect(self, targets: Sequence[str]) -> None:
        """See `Targets`; all are listed at once anyway."""

    def find(self, target: str) -> ExistingTarget | None:
        """See `Targets`."""
        blob = self._blobs.get(result_blob(self.address, target).name)
        if blob is None:
            return None
        return ExistingTarget(blob.etag, blob.mtime_ns, _record_of(blob), blob.is_as_made)


def _record_of(blob: ResultBlob) -> StoredResult | None:
    made = blob.made_from
    if made is None:
        return None
    return StoredResult(
        Source(made.source, made.source_size, made.source_mtime_ns, made.source_etag),
        made.recipe,
        Result(size=made.size, mtime_ns=blob.mtime_ns, sha256=made.sha256),
        tuple(made.notices.splitlines()),
    )
