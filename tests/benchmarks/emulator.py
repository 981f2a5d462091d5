"""Measure what following a job of many tasks costs the emulator: `python -m tests.benchmarks.emulator`.

One process and one core hold both the emulator and a client that does next to nothing, so the
figures are an upper bound of the emulator's own cost.
"""

import http.client
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from resource import getpagesize
from typing import Any

from tests.benchmarks.tables import Table
from tests.emulator import Emulator, VirtualTasks
from tests.emulator.auth import AUDIENCES, token

TASKS = 100_000
COLLECTION = 100
STORE = "https://mediastore0123456789.blob.core.windows.net"
IDENTITY = {
    "resourceId": "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/media/"
    "providers/Microsoft.ManagedIdentity/userAssignedIdentities/node"
}


def definition(number: int) -> dict[str, Any]:
    """Return a task such as the runner's: two inputs, one output, all by identity."""
    name = f"{number:016x}"
    output = {"containerUrl": f"{STORE}/runs", "path": f"run/out/{name}.mp3"}
    return {
        "id": name,
        "commandLine": "/bin/bash -c 'python3 worker.pyz order.json'",
        "resourceFiles": [
            {"httpUrl": f"{STORE}/{path}", "filePath": file, "identityReference": IDENTITY}
            for path, file in ((f"runs/in/{name}.m4a", "source"), ("tools/w.pyz", "worker.pyz"))
        ],
        "outputFiles": [
            {
                "filePattern": "out.mp3",
                "destination": {"container": {**output, "identityReference": IDENTITY}},
                "uploadOptions": {"uploadCondition": "tasksuccess"},
            }
        ],
        "constraints": {"maxWallClockTime": "PT1H", "maxTaskRetryCount": 0},
    }


class Client:
    """One connection, and as little work as can be."""

    def __init__(self, azure: Emulator) -> None:
        self.connection = http.client.HTTPConnection(azure.endpoint.removeprefix("http://"))
        self.headers = {
            "Authorization": f"Bearer {token(AUDIENCES[0])}",
            "Content-Type": "application/json; odata=minimalmetadata",
        }

    def send(self, method: str, path: str, body: bytes | None = None) -> Any:
        mark = "&" if "?" in path else "?"
        url = f"{path}{mark}api-version=2025-06-01"
        self.connection.request(method, url, body, self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(content.decode())
        return json.loads(content) if content else None


@dataclass
class Watch:
    """Seconds since it was made."""

    start: float

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.start


def watch() -> Watch:
    return Watch(time.perf_counter())


def memory() -> int:
    """Return this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()


def report(tasks: int = TASKS) -> Iterator[Table]:
    """Measure one job of so many tasks, from its first to its last."""
    bodies = [
        json.dumps({"value": [definition(n) for n in range(start, start + COLLECTION)]}).encode()
        for start in range(0, tasks, COLLECTION)
    ]
    virtual = VirtualTasks(seconds=30)
    with Emulator(https=False, virtual_tasks=virtual, record=False, speed=0) as azure:
        azure.put_pool("pool", taskSlotsPerNode=4)
        azure.clock.step(1)  # past its first resize
        client = Client(azure)
        client.send("POST", "/jobs", b'{"id": "job", "poolInfo": {"poolId": "pool"}}')
        rows = [*added(client, bodies, tasks), *asked(client), *followed(azure, client, tasks)]
    columns = ("what", "measured")
    yield Table(f"The emulator with a job of {tasks:,} tasks", columns, rows)


def added(client: Client, bodies: list[bytes], tasks: int) -> Iterator[list[str]]:
    before, clock = memory(), watch()
    for body in bodies:
        client.send("POST", "/jobs/job/addtaskcollection", body)
    seconds = clock.seconds
    yield ["adding, in collections of 100", f"{tasks / seconds:,.0f} tasks/s"]
    yield ["memory of a task, waiting", f"{(memory() - before) / tasks:,.0f} bytes"]


def asked(client: Client) -> Iterator[list[str]]:
    clock = watch()
    client.send("GET", "/jobs/job/taskcounts")
    yield ["task counts", f"{clock.seconds * 1e3:.1f} ms"]
    clock = watch()
    client.send("GET", "/jobs/job/tasks?$filter=state%20eq%20'completed'&$select=id")
    yield ["a filter over all that nothing fits", f"{clock.seconds * 1e3:.0f} ms"]
    clock = watch()
    client.send("GET", "/jobs/job/tasks?$select=id,state,executionInfo")
    yield ["a page of 1,000, id, state and executionInfo", f"{clock.seconds * 1e3:.0f} ms"]
    clock = watch()
    client.send("GET", "/jobs/job/tasks")
    yield ["a page of 1,000, everything", f"{clock.seconds * 1e3:.0f} ms"]


def followed(azure: Emulator, client: Client, tasks: int) -> Iterator[list[str]]:
    before, clock = memory(), watch()
    azure.put_pool(
        "pool", taskSlotsPerNode=4, scaleSettings={"fixedScale": {"targetDedicatedNodes": 100}}
    )
    while client.send("GET", "/jobs/job/taskcounts")["taskCounts"]["completed"] < tasks:
        azure.clock.step(30)
    yield ["running all of them, on 400 slots", f"{tasks / clock.seconds:,.0f} tasks/s"]
    yield ["more memory of a task, completed", f"{(memory() - before) / tasks:,.0f} bytes"]


if __name__ == "__main__":
    for table in report():
        sys.stdout.write(f"{table}\n")
