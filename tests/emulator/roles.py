"""Azure's built-in roles: what each lets one do. Data, and how it is read.

Batch: learn.microsoft.com/azure/batch/batch-role-based-access-control (definitions, and the list of what a
custom role may name). Storage and Key Vault: learn.microsoft.com/azure/role-based-access-control/built-in-roles.
tests/infra/test_access.py holds the table against the roles that the program gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BATCH = "Microsoft.Batch/batchAccounts"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_GROUPS = "Microsoft.Resources/subscriptions/resourceGroups/read"
_ALERTS = "Microsoft.Insights/alertRules/*"
_DEPLOYMENTS = "Microsoft.Resources/deployments/*"
_ROLES = "Microsoft.Authorization/*/read"


@dataclass(frozen=True, kw_only=True)
class Need:
    """What somebody must be allowed, to do something."""

    action: str
    on_data: bool
    """Whether roles grant it among their dataActions; else among their actions."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role's definition."""

    name: str
    actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()

    def allows(self, need: Need) -> bool:
        """Return whether it is among its actions, which may contain ``*`` and ignore case."""
        given = self.data_actions if need.on_data else self.actions
        return any(fnmatchcase(need.action.lower(), each.lower()) for each in given)


ROLES: Mapping[str, Role] = {
    "29fe4964-1e60-436b-bd3a-77fd4c178b3c": Role(
        name="Azure Batch Account Contributor",
        actions=(_ROLES, f"{BATCH}/*", _ALERTS, _DEPLOYMENTS, _GROUPS),
        data_actions=(f"{BATCH}/*",),
    ),
    "11076f67-66f6-4be0-8f6b-f0609fd05cc9": Role(
        name="Azure Batch Account Reader",
        actions=(f"{BATCH}/read", f"{BATCH}/*/read", _GROUPS),
        data_actions=(f"{BATCH}/*/read",),
    ),
    "6aaa78f1-f7de-44ca-8722-c64a23943cae": Role(
        name="Azure Batch Data Contributor",
        actions=(
            _ROLES,
            f"{BATCH}/read",
            f"{BATCH}/applications/*",
            f"{BATCH}/certificates/*",
            f"{BATCH}/certificateOperationResults/*",
            f"{BATCH}/pools/*",
            f"{BATCH}/poolOperationResults/*",
            "Microsoft.Batch/locations/*/read",
            _ALERTS,
            _DEPLOYMENTS,
            _GROUPS,
        ),
        data_actions=(f"{BATCH}/jobSchedules/*", f"{BATCH}/jobs/*"),
    ),
    "48e5e92e-a480-4e71-aa9c-2778f4c13781": Role(
        name="Azure Batch Job Submitter",
        actions=(
            f"{BATCH}/applications/read",
            f"{BATCH}/applications/versions/read",
            f"{BATCH}/pools/read",
            _ALERTS,
            _GROUPS,
        ),
        data_actions=(f"{BATCH}/jobSchedules/*", f"{BATCH}/jobs/*"),
    ),
    # its actions are Batch's own business: nobody acts as the Batch service here
    "a35466a1-cfd6-450a-b35e-683fcdf30363": Role(name="Azure Batch Service Orchestration Role"),
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": Role(
        name="Key Vault Secrets Officer",
        actions=(_ROLES, "Microsoft.KeyVault/vaults/*/read", _ALERTS, _DEPLOYMENTS, _GROUPS),
        data_actions=("Microsoft.KeyVault/vaults/secrets/*",),
    ),
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": Role(
        name="Storage Blob Data Contributor",
        actions=(
            f"{BLOBS}/containers/delete",
            f"{BLOBS}/containers/read",
            f"{BLOBS}/containers/write",
            f"{BLOBS}/generateUserDelegationKey/action",
        ),
        data_actions=(
            f"{BLOBS}/containers/blobs/delete",
            f"{BLOBS}/containers/blobs/read",
            f"{BLOBS}/containers/blobs/write",
            f"{BLOBS}/containers/blobs/move/action",
            f"{BLOBS}/containers/blobs/add/action",
        ),
    ),
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": Role(
        name="Storage Blob Data Owner",
        actions=(f"{BLOBS}/containers/*", f"{BLOBS}/generateUserDelegationKey/action"),
        data_actions=(f"{BLOBS}/containers/blobs/*",),
    ),
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": Role(
        name="Storage Blob Data Reader",
        actions=(f"{BLOBS}/containers/read", f"{BLOBS}/generateUserDelegationKey/action"),
        data_actions=(f"{BLOBS}/containers/blobs/read",),
    ),
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": Role(
        name="Storage Blob Delegator", actions=(f"{BLOBS}/generateUserDelegationKey/action",)
    ),
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": Role(name="Reader", actions=("*/read",)),
    # "Owner is not enough": it has no data actions
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": Role(name="Owner", actions=("*",)),
}
"""By the GUID that ends a role definition's id, the same in every tenant."""


class UnknownRoleError(ValueError):
    """No such role is known here; ARM refuses it as RoleDefinitionDoesNotExist."""


def find_role(called: str) -> Role:
    """Return the role with that name, GUID, or definition id.

    Raises:
        UnknownRoleError: There is none.
    """
    word = called.rsplit("/", 1)[-1].lower()
    for guid, role in ROLES.items():
        if word in (guid, role.name.lower()):
            return role
    raise UnknownRoleError(f"unknown role: {called}")


def batch_need(method: str, path: str) -> Need:
    """Return the permission that a request to the Batch data plane needs.

    Jobs and job schedules, with their tasks and files, are data; pools, with their nodes, and the account
    are not. That the images need the account's own read was seen on real Azure: the Job Submitter is
    refused them, and the Account Reader is not. That nodes and their files come with the pool is an
    inference: there are no actions for them.
    """
    first, *rest = path.strip("/").split("/")
    reading = method in ("GET", "HEAD")
    deleting = method == "DELETE" and len(rest) == 1
    does = "read" if reading else "delete" if deleting else "write"
    if first in ("jobs", "jobschedules"):
        kind = "jobs" if first == "jobs" else "jobSchedules"
        return Need(action=f"{BATCH}/{kind}/{does}", on_data=True)
    if first in ("pools", "applications"):
        return Need(action=f"{BATCH}/{first}/{does}", on_data=False)
    return Need(action=f"{BATCH}/read", on_data=False)


def storage_need(method: str, *, is_blob: bool, query: Mapping[str, str]) -> Need:
    """Return the permission that a request to the blob service needs.

    learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory, "Permissions for calling
    data operations". Whatever is not about one blob, or its container's list of blobs, is no data.
    """
    if query.get("comp") == "userdelegationkey":
        return Need(action=f"{BLOBS}/generateUserDelegationKey/action", on_data=False)
    reading = method in ("GET", "HEAD")
    does = "read" if reading else "delete" if method == "DELETE" else "write"
    if is_blob and query.get("comp") == "tags":
        return Need(action=f"{BLOBS}/containers/blobs/tags/{does}", on_data=True)
    if is_blob or (reading and query.get("comp") == "list" and "restype" in query):
        return Need(action=f"{BLOBS}/containers/blobs/{does}", on_data=True)
    return Need(action=f"{BLOBS}/containers/{does}", on_data=False)
