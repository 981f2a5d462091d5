"""Results that were made on this machine, and stay in a container: stored as nodes store theirs."""

from collections.abc import Callable
from dataclasses import dataclass

from runner.azure.results import CloudResults
from runner.media.blob_requests import BlobRequests
from runner.media.blob_target import TargetBlobClient, store_result
from runner.media.failures import ConversionError, Kind
from runner.media.made_from import MadeFrom
from runner.media.work import ConversionResult
from runner.models import Conversion, Plan, Result
from runner.options import RunOptions


@dataclass(frozen=True)
class BlobResultStore:
    """Stores the results of a run where they stay, with the same promises as a node; see `ResultStore`."""

    results: CloudResults
    options: RunOptions

    def made(self, plan: Plan, conversion: Conversion) -> Result | None:
        """See `ResultStore`."""
        made = self._blob(plan, conversion).made()
        return _result(made) if made is not None else None

    def put(
        self,
        plan: Plan,
        conversion: Conversion,
        path: str,
        result: ConversionResult,
        before_commit: Callable[[], None],
    ) -> Result:
        """See `ResultStore`."""
        blob = self._blob(plan, conversion)
        for _ in range(self.options.retries):
            try:
                return _result(store_result(blob, path, result, before_commit))
            except ConversionError as error:
                if error.failure.kind is not Kind.TRANSIENT:
                    raise
        return _result(store_result(blob, path, result, before_commit))

    def _blob(self, plan: Plan, conversion: Conversion) -> TargetBlobClient:
        anything = self.options.overwrite == "always"
        replaces = plan.replaces.get(conversion.target)
        target = self.results.target_of(conversion, plan.id, replaces, anything=anything)
        return TargetBlobClient(target, BlobRequests(self.results.accounts.token))


def _result(made: MadeFrom) -> Result:
    return Result(size=made.size, sha256=made.sha256)
