"""Hand what a deployment makes to the emulators, where they are named in the environment.

PROVIDER_BATCH_URL      the Batch emulator: pools, and the roles of their identities on containers
PROVIDER_BLOB_URL       Azurite's account, http(s)://host:port/account: containers
PROVIDER_BLOB_KEY       its key
PROVIDER_CA_FILE        whose certificates both have
"""

import os
from typing import Any

import requests
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from tests.emulator.roles import find_role
from tests.infra.provider.names import leaf, made_up_id
from tests.infra.provider.store import World

VARIABLES = {
    "PROVIDER_BATCH_URL",
    "PROVIDER_BLOB_URL",
    "PROVIDER_BLOB_KEY",
    "PROVIDER_CA_FILE",
}
ACCOUNT = "azure-native:batch:BatchAccount"
POOL = "azure-native:batch:Pool"
CONTAINER = "azure-native:storage:BlobContainer"
ASSIGNMENT = "azure-native:authorization:RoleAssignment"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"
SECONDS = 30


def made(world: World, token: str, arm_id: str, outputs: dict[str, Any]) -> None:
    """Make in the emulators what has been made, or changed, in the stand-in's Azure."""
    if token == POOL:
        properties = {name: value for name, value in outputs.items() if name != "identity"}
        body = {"id": arm_id, "identity": outputs.get("identity"), "properties": properties}
        ask_batch("PUT", f"pools/{leaf(arm_id)}", body)
    if token == ASSIGNMENT:
        tell_roles(world)
    if token == CONTAINER and (blobs := blob_service()):
        with blobs:
            try:
                blobs.create_container(leaf(arm_id))
            except ResourceExistsError:
                return  # a PUT is also how a container is updated


def gone(world: World, token: str, arm_id: str) -> None:
    """Delete in the emulators what has been deleted."""
    if token == POOL:
        ask_batch("DELETE", f"pools/{leaf(arm_id)}")
    if token == ACCOUNT:
        ask_batch("DELETE", "jobs")  # which go with their account
    if token == ASSIGNMENT:
        tell_roles(world)
    if token == CONTAINER and (blobs := blob_service()):
        with blobs:
            try:
                blobs.delete_container(leaf(arm_id))
            except ResourceNotFoundError:
                return


def tell_roles(world: World) -> None:
    """Tell the Batch emulator what each identity may do with each container, as it now is."""
    owners = {made_up_id(each["id"], "principal"): each["id"] for each in world.of(IDENTITY)}
    for identity in owners.values():
        ask_batch("DELETE", "roles", {"identity": identity})
    for each in world.of(ASSIGNMENT):
        inputs = each["inputs"]
        if inputs["principalId"] in owners and "/containers/" in inputs["scope"]:
            role = {
                "identity": owners[inputs["principalId"]],
                "role": find_role(inputs["roleDefinitionId"]).name,
                "container": leaf(inputs["scope"]),
            }
            ask_batch("POST", "roles", role)


def ask_batch(method: str, path: str, body: dict[str, Any] | None = None) -> None:
    """Call the Batch emulator's control API, if there is an emulator."""
    if url := os.environ.get("PROVIDER_BATCH_URL"):
        address = f"{url.rstrip('/')}/_emulator/{path}"
        answer = requests.request(method, address, json=body, timeout=SECONDS, verify=authority())
        if not answer.ok:
            raise requests.HTTPError(f"{method} {address}: {answer.status_code} {answer.text}")


def blob_service() -> BlobServiceClient | None:
    """Return Azurite, if there is one."""
    url = os.environ.get("PROVIDER_BLOB_URL")
    if not url:
        return None
    credential = {
        "account_name": leaf(url.rstrip("/")),
        "account_key": os.environ["PROVIDER_BLOB_KEY"],
    }
    return BlobServiceClient(url, credential=credential, connection_verify=authority())


def authority() -> str | bool:
    """Return what `verify` of an HTTP client should be."""
    return os.environ.get("PROVIDER_CA_FILE") or True
