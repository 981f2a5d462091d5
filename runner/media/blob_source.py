"""A source in Blob storage, and the check that it is still the planned version."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from runner.media.blob_requests import BlobError, BlobRequests, Request
from runner.media.failures import ConversionError, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

CHANGED = "the blob changed since it was planned"
GONE = "the blob is gone"


@dataclass(frozen=True, kw_only=True)
class SourceBlob:
    """The address and version of a source; sent to the nodes as JSON."""

    address: str
    """Of the blob, percent-encoded, without a signature."""
    etag: str
    """Of the version that was planned, without quotation marks."""
    signature: str = ""
    by_identity: bool = False
    """Whether the node asks as the pool's identity; else it is by the signature, or as anybody."""

    def as_facts(self) -> dict[str, object]:
        """Return the arguments that make another one, in JSON's types."""
        return asdict(self)

    def check(self, token: Callable[[], str] | None) -> None:
        """See that the blob is still the version that was planned.

        Versions never come back: one that is there after the work was there all the time.

        Raises:
            ConversionError: It is not, or nobody can tell.
        """
        requests = BlobRequests(token if self.by_identity else None, self.signature)
        try:
            # without If-Match, with which a blob that is gone may look like one that changed
            answer = requests.send(Request("HEAD", self.address))
        except BlobError as error:
            raise self._failure(error) from None
        if (answer.headers.get("ETag") or "").strip('"') != self.etag:
            raise ConversionError(Kind.INPUT, CHANGED)

    def _failure(self, error: BlobError) -> ConversionError:
        if error.status == 404:
            return ConversionError(Kind.INPUT, GONE)
        if error.may_pass:
            message = f"storage did not say whether the source is still the same: {error}"
            return ConversionError(Kind.TRANSIENT, message)
        if self.signature and error.status in (401, 403):
            message = "the signed URL of the task was refused: it expired"
            return ConversionError(Kind.TRANSIENT, message)
        if error.status in (401, 403):
            message = (
                f"no permission to read the source any more ({error}): whoever reads it needs the role Storage "
                "Blob Data Reader there; name its container in `readContainers` and run `pulumi up`; a new role "
                "can take several minutes to take effect"
            )
            return ConversionError(Kind.ENVIRONMENT, message)
        message = f"storage does not say whether the source is still the same ({error})"
        return ConversionError(Kind.ENVIRONMENT, message)
