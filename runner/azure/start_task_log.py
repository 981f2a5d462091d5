"""Read the end of a start task's log, from the node or from storage, where start tasks upload it."""

from runner.azure.blobs import Blobs
from runner.azure.deployment import Deployment
from runner.azure.errors import redacted
from runner.azure.jobs import Jobs
from runner.errors import RunnerError
from runner.formatting import printable
from runner.media.strict import UnreadableError

_LONGEST = 1 << 20


def last_lines(
    node: str, jobs: Jobs, blobs: Blobs, deployment: Deployment, count: int = 8
) -> tuple[str, ...]:
    """Return the last lines of the start task's log on *node*; nothing if they cannot be read."""
    data = jobs.pool.start_task_errors(node) or _stored(node, blobs, deployment)
    lines = data.decode(errors="replace").splitlines()
    said = [redacted(printable(line.strip())) for line in lines if line.strip()]
    return tuple(said[-count:])


def _stored(node: str, blobs: Blobs, deployment: Deployment) -> bytes:
    name = f".start-task/{node}/stderr.txt"
    try:
        return blobs.read(deployment.output_container, name, _LONGEST) or b""
    except (RunnerError, UnreadableError):
        return b""
