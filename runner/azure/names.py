"""The names of a run's jobs, tasks and blobs; each starts with the run's id."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from azure.batch.models import BatchJob

from runner.azure.deployment import Deployment
from runner.azure.jobs import Jobs
from runner.media.order import RESULT
from runner.models import Conversion, Source

RUN_NAME = re.compile(r"(\d{8})-\d{4}-[a-z]+-[a-z]+")
"""A run's id, such as 20261122-1412-mossy-otter; its first group is the day."""
_SAFE_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class NodeUrl:
    """What a task needs to read a blob."""

    address: str
    """Without a signature."""
    signature: str = ""
    by_identity: bool = False
    """Whether nodes read it as their identity."""

    @property
    def url(self) -> str:
        """The address, signed if it needs to be."""
        return f"{self.address}?{self.signature}" if self.signature else self.address


@dataclass(frozen=True)
class BlobNames:
    """Makes the addresses of a run's blobs, signed if nodes have no identity."""

    run: str
    deployment: Deployment
    readable: Callable[[str, str], str]
    """Returns the address with which a node can read a blob, from container and name."""
    writable: Callable[[str], str]
    """Returns the address with which a node can write to a container."""
    elsewhere: Callable[[Source], NodeUrl]
    """Returns what a node needs to read a source that was in storage already."""

    def source(self, conversion: Conversion, suffix: str) -> str:
        """Return the name of the blob for a source; *suffix* is that of the uploaded file."""
        return f"{self.run}/{conversion.id}{safe_suffix(suffix)}"

    def results(self, task: str) -> str:
        """Return the folder for the files of a task."""
        return f"{self.run}/{task}"


@dataclass(frozen=True)
class TaskName:
    """The conversion and the attempt in a task's id."""

    conversion: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.conversion}-a{self.attempt}"

    @classmethod
    def parse(cls, name: str) -> "TaskName | None":
        """Parse a task's id; return None if runner did not make it."""
        found = re.fullmatch(r"([0-9a-f]{24})-a(\d{1,4})", name)
        return cls(found[1], int(found[2])) if found else None


def piece_task(task: str, number: int) -> str:
    """Return the id of the task for a piece of the film that *task* joins."""
    return f"{task}-p{number}"


def joining_task(task: str) -> str:
    """Return the task that joins what *task* makes, if that is a piece, else *task* itself."""
    return re.sub(r"-p\d{1,6}$", "", task)


def result_in(blob: str) -> TaskName | None:
    """Return the task whose result is in *blob*; None if it is something else."""
    _, task, name = [*blob.split("/"), "", ""][:3]
    return TaskName.parse(task) if name.startswith(f"{RESULT}.") else None


def safe_suffix(suffix: str) -> str:
    """Return *suffix* if it only has harmless characters, else ""."""
    return suffix.lower() if _SAFE_SUFFIX.fullmatch(suffix) else ""


def manifest_name(run: str) -> str:
    """Return the name of the blob with the run's plan."""
    return f"{run}/plan.jsonl.gz"


def next_job(run: str, jobs: Sequence[str]) -> str:
    """Return the name of the job after *jobs*, which have all ended."""
    return f"{run}--{len(jobs) + 1}"


def jobs_of(jobs: Jobs, run: str) -> Iterator[BatchJob]:
    """Return the jobs of *run*: one, and another each time the last one had ended."""
    names: list[str] = [run]
    while (facts := jobs.job(names[-1])) is not None:
        yield facts
        names.append(next_job(run, names))


def run_of(name: str) -> str:
    """Return the run that a blob or a job belongs to."""
    return name.partition("/")[0].partition("--")[0]
