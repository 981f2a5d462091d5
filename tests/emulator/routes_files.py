"""The operations on files, of tasks and of nodes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.emulator import files, nodes, views
from tests.emulator.errors import BatchError
from tests.emulator.model import Node, Task, key
from tests.emulator.operations import Answer, Call, Routes, listing
from tests.emulator.states import TaskState
from tests.emulator.times import SECOND, parse_duration
from tests.emulator.work import node_folder, task_directory

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulator.files import Entry

routes = Routes()

FIELDS = {"name": lambda entry: entry.name}


def task_root(call: Call, job: str, task: str) -> Path:
    """Return the task's folder, if its node still has it.

    Raises:
        BatchError: TaskFilesUnavailable, TaskFilesCleanedup.
    """
    found = call.account.task(job, task)
    if found.node is None or found.state == TaskState.ACTIVE or not reachable(found.node):
        raise BatchError("TaskFilesUnavailable")
    root = node_root(call, found.node) / task_directory(found)
    if is_over(found, call.account.now()):
        shutil.rmtree(root, ignore_errors=True)
        raise BatchError("TaskFilesCleanedup")
    return root


def reachable(node: Node) -> bool:
    return node.pool.nodes.get(key(node.id)) is node and node.state not in nodes.NOT_UP


def is_over(task: Task, now: int) -> bool:
    """Say whether the time for which a completed task's files are kept has passed."""
    if task.state != TaskState.COMPLETED or task.end is None:
        return False
    constraints = task.read().get("constraints") or {}
    kept = parse_duration(constraints.get("retentionTime", "P7D"))
    return now > task.end + min(kept, 1e9) * SECOND


def node_root(call: Call, node: Node) -> Path:
    root = call.account.executor.root
    if root is None:
        raise BatchError("FileNotFound")  # virtual tasks leave nothing behind
    return root / node_folder(node)


def root_of_node(call: Call, pool: str, node: str) -> Path:
    found = call.account.node(pool, node)
    nodes.refuse_not_up(found)
    return node_root(call, found)


def list_entries(call: Call, root: Path, url: str) -> Answer:
    recursive = call.query.get("recursive", "false").lower() == "true"
    found = files.entries(root, recursive=recursive)
    return listing(
        call, found, lambda entry: entry.describe(url), fragment="files", fields=FIELDS,
        order=lambda entry: entry.name,
    )  # fmt: skip


def give(call: Call, entry: Entry, url: str) -> Answer:
    wanted = call.headers.get("ocp-range") or call.headers.get("range")
    return Answer(content=entry.read(wanted), headers=entry.headers(url))


def describe(entry: Entry, url: str) -> Answer:
    size = 0 if entry.path.is_dir() else entry.path.stat().st_size
    return Answer(headers={**entry.headers(url), "Content-Length": str(size)})


def remove(call: Call, entry: Entry) -> Answer:
    if not entry.path.is_dir():
        entry.path.unlink()
    elif call.query.get("recursive", "false").lower() == "true":
        shutil.rmtree(entry.path)
    else:
        raise BatchError("OperationInvalidForCurrentState", {"Reason": "this is a directory"})
    return Answer()


def task_files_url(call: Call, job: str, task: str) -> str:
    return f"{views.task_url(call.url, call.account.task(job, task))}/files"


def node_files_url(call: Call, pool: str, node: str) -> str:
    return f"{views.node_url(call.url, call.account.node(pool, node))}/files"


@routes.add("GET", "/jobs/{job}/tasks/{task}/files")
def list_task_files(call: Call, job: str, task: str) -> Answer:
    return list_entries(call, task_root(call, job, task), task_files_url(call, job, task))


@routes.add("GET", "/jobs/{job}/tasks/{task}/files/{path...}")
def download_task_file(call: Call, job: str, task: str, path: str) -> Answer:
    entry = files.find(task_root(call, job, task), path)
    return give(call, entry, task_files_url(call, job, task))


@routes.add("HEAD", "/jobs/{job}/tasks/{task}/files/{path...}")
def get_task_file_properties(call: Call, job: str, task: str, path: str) -> Answer:
    entry = files.find(task_root(call, job, task), path)
    return describe(entry, task_files_url(call, job, task))


@routes.add("DELETE", "/jobs/{job}/tasks/{task}/files/{path...}")
def delete_task_file(call: Call, job: str, task: str, path: str) -> Answer:
    return remove(call, files.find(task_root(call, job, task), path))


@routes.add("GET", "/pools/{pool}/nodes/{node}/files")
def list_node_files(call: Call, pool: str, node: str) -> Answer:
    return list_entries(call, root_of_node(call, pool, node), node_files_url(call, pool, node))


@routes.add("GET", "/pools/{pool}/nodes/{node}/files/{path...}")
def download_node_file(call: Call, pool: str, node: str, path: str) -> Answer:
    entry = files.find(root_of_node(call, pool, node), path)
    return give(call, entry, node_files_url(call, pool, node))


@routes.add("HEAD", "/pools/{pool}/nodes/{node}/files/{path...}")
def get_node_file_properties(call: Call, pool: str, node: str, path: str) -> Answer:
    entry = files.find(root_of_node(call, pool, node), path)
    return describe(entry, node_files_url(call, pool, node))


@routes.add("DELETE", "/pools/{pool}/nodes/{node}/files/{path...}")
def delete_node_file(call: Call, pool: str, node: str, path: str) -> Answer:
    return remove(call, files.find(root_of_node(call, pool, node), path))
