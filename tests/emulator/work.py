"""One piece of work for a node, complete in itself: what the executor gets to see of a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.emulator.model import Json, Node, Task, key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulator.account import Account


@dataclass(frozen=True, kw_only=True)
class Work:
    """A command with all that belongs to it.

    Paths are relative to the node's root, and the environment's directories begin with
    ``{root}``: only the executor knows where on this machine a node lives.
    """

    run: int
    name: str
    """The task's id; "startup", "jobpreparation" and "jobrelease" for the others."""
    node: str
    """The folder of the node, below the executor's own."""
    directory: str
    command_line: str
    environment: Mapping[str, str]
    resource_files: tuple[Json, ...] = ()
    output_files: tuple[Json, ...] = ()
    identities: frozenset[str] = frozenset()
    """Keys of the ARM ids that are on the pool."""


def node_folder(node: Node) -> str:
    return f"{node.pool.id}/{node.id[6:22]}"


def task_directory(task: Task) -> str:
    return f"workitems/{task.job.id}/job-1/{task.id}"


def node_environment(account: Account, node: Node) -> dict[str, str]:
    return {
        "AZ_BATCH_ACCOUNT_NAME": account.settings.name,
        "AZ_BATCH_ACCOUNT_URL": f"{account.url}/",
        "AZ_BATCH_POOL_ID": node.pool.id,
        "AZ_BATCH_NODE_ID": node.id,
        "AZ_BATCH_NODE_IS_DEDICATED": "true" if node.dedicated else "false",
        "AZ_BATCH_NODE_ROOT_DIR": "{root}",
        "AZ_BATCH_NODE_SHARED_DIR": "{root}/shared",
        "AZ_BATCH_NODE_STARTUP_DIR": "{root}/startup",
        "AZ_BATCH_NODE_MOUNTS_DIR": "{root}/fsmounts",
        # the control API's, and not this machine's own, should it be on Azure
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"{account.url}/_emulator/pools/{node.pool.id}",
        **({"SSL_CERT_FILE": account.ca_file} if account.ca_file else {}),
    }


def settings_of(definition: Mapping[str, Any], name: str = "environmentSettings") -> dict[str, str]:
    return {entry["name"]: entry.get("value") or "" for entry in definition.get(name) or ()}


def identities(node: Node) -> frozenset[str]:
    return frozenset(map(key, node.pool.identities))


def task_work(account: Account, task: Task, node: Node, definition: Json) -> Work:
    directory = task_directory(task)
    environment = {
        **node_environment(account, node),
        "AZ_BATCH_JOB_ID": task.job.id,
        "AZ_BATCH_TASK_ID": task.id,
        "AZ_BATCH_TASK_DIR": f"{{root}}/{directory}",
        "AZ_BATCH_TASK_WORKING_DIR": f"{{root}}/{directory}/wd",
        **settings_of(task.job.definition, "commonEnvironmentSettings"),
        **settings_of(definition),
    }
    if task.job.setting("jobPreparationTask"):
        preparation = f"{{root}}/workitems/{task.job.id}/job-1/jobpreparation"
        environment["AZ_BATCH_JOB_PREP_DIR"] = preparation
        environment["AZ_BATCH_JOB_PREP_WORKING_DIR"] = f"{preparation}/wd"
    assert task.run is not None
    return Work(
        run=task.run,
        name=task.id,
        node=node_folder(node),
        directory=directory,
        command_line=definition["commandLine"],
        environment=environment,
        resource_files=tuple(definition.get("resourceFiles") or ()),
        output_files=tuple(definition.get("outputFiles") or ()),
        identities=identities(node),
    )


def start_task_work(account: Account, node: Node, definition: Json, run: int) -> Work:
    environment = {
        **node_environment(account, node),
        "AZ_BATCH_TASK_DIR": "{root}/startup",
        "AZ_BATCH_TASK_WORKING_DIR": "{root}/startup/wd",
        **settings_of(definition),
    }
    return Work(
        run=run,
        name="startup",
        node=node_folder(node),
        directory="startup",
        command_line=definition["commandLine"],
        environment=environment,
        resource_files=tuple(definition.get("resourceFiles") or ()),
        identities=identities(node),
    )


def job_task_work(
    account: Account, node: Node, job_id: str, definition: Json, run: int, name: str
) -> Work:
    """Return the job's preparation or release on *node*; *name* is its folder."""
    directory = f"workitems/{job_id}/job-1/{name}"
    environment = {
        **node_environment(account, node),
        "AZ_BATCH_JOB_ID": job_id,
        "AZ_BATCH_TASK_ID": definition.get("id") or name,
        "AZ_BATCH_TASK_DIR": f"{{root}}/{directory}",
        "AZ_BATCH_TASK_WORKING_DIR": f"{{root}}/{directory}/wd",
        "AZ_BATCH_JOB_PREP_DIR": f"{{root}}/workitems/{job_id}/job-1/jobpreparation",
        "AZ_BATCH_JOB_PREP_WORKING_DIR": f"{{root}}/workitems/{job_id}/job-1/jobpreparation/wd",
        **settings_of(definition),
    }
    return Work(
        run=run,
        name=name,
        node=node_folder(node),
        directory=directory,
        command_line=definition["commandLine"],
        environment=environment,
        resource_files=tuple(definition.get("resourceFiles") or ()),
        identities=identities(node),
    )
