"""How the jobs, tasks and blobs of a run are named: its id is the beginning of each."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from azure.batch.models import BatchJob

from runner.azure.jobs import Jobs
from runner.azure.stack import Deployment
from runner.media.node import RESULT
from runner.models import Conversion

RUN_NAME = re.compile(r"(\d{8})-\d{4}-[a-z]+-[a-z]+")
"""A run's id, such as 20261122-1412-mossy-otter; its first group is the day."""
_SAFE_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True)
class BlobNames:
    """Makes the addresses of a run's blobs, signed where nodes have no identity."""

    run: str
    deployment: Deployment
    readable: Callable[[str, str], str]
    """The address of a blob, by container and name, with what a node needs to read it."""
    writable: Callable[[str], str]
    """The address of a container, with what a node needs to write to it."""

    def source(self, conversion: Conversion, suffix: str) -> str:
        """The name of the blob that a source is uploaded to; *suffix* is the uploaded file's."""
        return f"{self.run}/{conversion.id}{safe_suffix(suffix)}"

    def results(self, task: str) -> str:
        """The folder of what a task leaves."""
        return f"{self.run}/{task}"


@dataclass(frozen=True)
class TaskName:
    """Which attempt at which conversion a task is."""

    conversion: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.conversion}-a{self.attempt}"

    @classmethod
    def parse(cls, name: str) -> "TaskName | None":
        """Read a task's id; none if it is not one of ours."""
        found = re.fullmatch(r"([0-9a-f]{24})-a(\d{1,4})", name)
        return cls(found[1], int(found[2])) if found else None


def result_in(blob: str) -> TaskName | None:
    """The task whose result is in *blob*; none if it is something else."""
    _, task, name = [*blob.split("/"), "", ""][:3]
    return TaskName.parse(task) if name.startswith(f"{RESULT}.") else None


def safe_suffix(suffix: str) -> str:
    """*suffix* if nothing in it can surprise anybody, else an empty one."""
    return suffix.lower() if _SAFE_SUFFIX.fullmatch(suffix) else ""


def manifest_name(run: str) -> str:
    """The blob of the run's plan."""
    return f"{run}/plan.jsonl.gz"


def next_job(run: str, jobs: Sequence[str]) -> str:
    """The name of the job that follows *jobs*, of which each has ended."""
    return f"{run}--{len(jobs) + 1}"


def jobs_of(jobs: Jobs, run: str) -> Iterator[BatchJob]:
    """The jobs of *run*, as the service has them: one, and one more each time the last had ended."""
    names: list[str] = [run]
    while (facts := jobs.job(names[-1])) is not None:
        yield facts
        names.append(next_job(run, names))


def run_of(name: str) -> str:
    """The run that a blob or a job belongs to."""
    return name.partition("/")[0].partition("--")[0]
