"""What belongs to the account, and everything that the emulator leaves out, by name."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

from tests.emulator.errors import BatchError
from tests.emulator.operations import Answer, Call, Routes, listing

if TYPE_CHECKING:
    from tests.emulator.model import Json

routes = Routes()


def image(publisher: str, offer: str, sku: str, agent: str, end: str | None, verified: str) -> Json:
    ends = {"batchSupportEndOfLife": end} if end else {}
    return {
        "imageReference": {
            "publisher": publisher,
            "offer": offer,
            "sku": sku,
            "version": "latest",
        },
        "verificationType": verified,
        "nodeAgentSKUId": agent,
        "capabilities": ["Generation2VMImage"],
        **ends,
        "osType": "windows" if "windows" in agent else "linux",
    }


IMAGES = [
    image("almalinux", "almalinux", "8_4-gen2", "batch.node.el 8", None, "unverified"),
    image(
        "canonical",
        "0001-com-ubuntu-server-jammy",
        "22_04-lts",
        "batch.node.ubuntu 22.04",
        "2027-06-30T00:00:00Z",
        "verified",
    ),
    image("canonical", "ubuntu-24_04-lts", "server", "batch.node.ubuntu 24.04", None, "verified"),
    image("microsoft-dsvm", "ubuntu-hpc", "2404", "batch.node.ubuntu 24.04", None, "verified"),
    image(
        "microsoftwindowsserver",
        "windowsserver",
        "2022-datacenter",
        "batch.node.windows amd64",
        None,
        "verified",
    ),
]

FIELDS = {
    "osType": lambda item: item["osType"],
    "verificationType": lambda item: item["verificationType"],
    "nodeAgentSKUId": lambda item: item["nodeAgentSKUId"],
}


@routes.add("GET", "/supportedimages")
def list_supported_images(call: Call) -> Answer:
    found = list(enumerate(IMAGES))
    fields = {name: (lambda pair, read=read: read(pair[1])) for name, read in FIELDS.items()}
    return listing(
        call, found, lambda pair: pair[1], fragment="supportedimages", fields=fields,
        order=lambda pair: pair[0],
    )  # fmt: skip


@routes.add("GET", "/applications")
def list_applications(call: Call) -> Answer:
    return Answer(body={"odata.metadata": f"{call.metadata}applications", "value": []})


def left_out(method: str, path: str, name: str) -> None:
    """Let an operation of the service answer 501 with its name."""

    def refuse(_call: Call, **_arguments: str) -> Answer:
        raise BatchError("NotImplemented", {"Operation": name})

    refuse.__name__ = name
    routes.add(method, path)(wraps(refuse)(refuse))


NODE = "/pools/{pool}/nodes/{node}"
for _method, _path, _name in (
    ("GET", "/applications/{application}", "get_application"),
    ("GET", "/poolusagemetrics", "list_pool_usage_metrics"),
    ("POST", f"{NODE}/uploadbatchservicelogs", "upload_node_logs"),
    ("POST", f"{NODE}/users", "create_node_user"),
    ("PUT", f"{NODE}/users/{{user}}", "replace_node_user"),
    ("DELETE", f"{NODE}/users/{{user}}", "delete_node_user"),
    ("GET", f"{NODE}/extensions", "list_node_extensions"),
    ("GET", f"{NODE}/extensions/{{extension}}", "get_node_extension"),
    (
        "GET",
        "/jobs/{job}/jobpreparationandreleasetaskstatus",
        "list_job_preparation_and_release_task_status",
    ),
    ("POST", "/jobschedules", "create_job_schedule"),
    ("GET", "/jobschedules", "list_job_schedules"),
    ("HEAD", "/jobschedules/{schedule}", "job_schedule_exists"),
    ("GET", "/jobschedules/{schedule}", "get_job_schedule"),
    ("PATCH", "/jobschedules/{schedule}", "update_job_schedule"),
    ("PUT", "/jobschedules/{schedule}", "replace_job_schedule"),
    ("DELETE", "/jobschedules/{schedule}", "delete_job_schedule"),
    ("POST", "/jobschedules/{schedule}/disable", "disable_job_schedule"),
    ("POST", "/jobschedules/{schedule}/enable", "enable_job_schedule"),
    ("POST", "/jobschedules/{schedule}/terminate", "terminate_job_schedule"),
    ("GET", "/jobschedules/{schedule}/jobs", "list_jobs_from_schedule"),
):
    left_out(_method, _path, _name)
