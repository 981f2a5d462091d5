"""Access to the Batch service: a pool, its nodes and the images for it, with errors translated."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from azure.batch import BatchClient
from azure.batch import models as batch
from azure.core.exceptions import AzureError, ResourceNotFoundError

from runner.azure.errors import azure_errors, translated
from runner.azure.node_health import PoolSnapshot
from runner.errors import SetupError

_MOST_NODES = 1000
_OF_NODES = [
    *("id", "state", "stateTransitionTime", "startTaskInfo", "errors"),
    *("allocationTime", "isDedicated"),
]
_LONGEST_END = 64 * 1024


class PoolClient:
    """One pool, by its id."""

    def __init__(self, client: BatchClient, pool: str) -> None:
        self._client = client
        self.id = pool

    def get(self) -> batch.BatchPool:
        """Return the pool.

        Raises:
            SetupError: There is none.
        """
        try:
            return self._client.get_pool(self.id)
        except ResourceNotFoundError:
            raise SetupError(f"there is no pool {self.id}: run `pulumi up`") from None
        except AzureError as error:
            raise translated(error, f"looking at pool {self.id}", "batch") from None

    def snapshot(self) -> PoolSnapshot:
        """Return the pool and its nodes, a thousand at most, with the service's own time.

        Raises:
            SetupError: There is none.
        """
        return PoolSnapshot(self.get(), *self.nodes())

    def nodes(self) -> tuple[list[batch.BatchNode], datetime]:
        """Return the nodes of the pool, a thousand at most, with the service's own time."""
        dates: list[str | None] = []
        with azure_errors(f"looking at the nodes of pool {self.id}", "batch"):
            pages = self._client.list_nodes(
                self.id,
                max_results=_MOST_NODES,
                select=_OF_NODES,
                raw_response_hook=lambda got: dates.append(got.http_response.headers.get("Date")),
            ).by_page()
            return list(next(pages, ())), _time_of(*dates)

    def start_task_errors(self, node: str) -> bytes | None:
        """Return the end of the start task's stderr on *node*; None if it cannot be read."""
        try:
            chunks = self._client.download_node_file(
                self.id, node, "startup/stderr.txt", retry_total=0
            )
            end = b""
            for chunk in chunks:
                end = (end + chunk)[-_LONGEST_END:]
        except AzureError:
            return None  # no right to read files of nodes, or the node does not answer
        return end

    def images(self, agent: str) -> list[batch.BatchSupportedImage]:
        """Return the images that Batch supports with the node agent *agent*."""
        with azure_errors("listing the supported images", "batch"):
            condition = f"nodeAgentSKUId eq '{agent}'"
            return list(self._client.list_supported_images(filter=condition))


def _time_of(*dates: str | None) -> datetime:
    """Return the time in the header of a response, or this machine's time if there is none."""
    try:
        return parsedate_to_datetime(dates[-1] or "").astimezone(UTC)
    except (IndexError, ValueError):
        return datetime.now(UTC)
