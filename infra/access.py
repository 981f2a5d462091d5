"""Access control: the identities of the nodes and the account, and all role assignments."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, managedidentity

from infra import naming
from infra.existing import ExistingIdentity
from infra.ids import account_of_container, subscription_scope_of
from infra.scope import Scope
from infra.settings import Settings
from infra.storage import INPUT, OUTPUT, TOOLS, Storage

ROLES = {
    # This GUID is from a public list; check it with `az role definition list --name …`.
    "Azure Batch Service Orchestration Role": "a35466a1-cfd6-450a-b35e-683fcdf30363",
    "Azure Batch Account Reader": "11076f67-66f6-4be0-8f6b-f0609fd05cc9",
    "Azure Batch Data Contributor": "6aaa78f1-f7de-44ca-8722-c64a23943cae",
    "Azure Batch Job Submitter": "48e5e92e-a480-4e71-aa9c-2778f4c13781",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Blob Delegator": "db58b8e5-c6ad-4a2a-8342-4190687cbf4a",
}
"""Built-in roles, with the same GUIDs in every tenant:
https://learn.microsoft.com/azure/role-based-access-control/built-in-roles"""

OPERATOR_BATCH_ROLES = {
    # Listing the supported images needs the right to read the account, which Job Submitter does not have.
    "jobSubmitter": {
        "uses-batch": "Azure Batch Job Submitter",
        "reads-batch": "Azure Batch Account Reader",
    },
    "dataContributor": {"uses-batch": "Azure Batch Data Contributor"},
}
"""An operator's roles on the Batch account, by the suffixes of the assignments' names."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Somebody who gets roles. Without *kind*, Azure looks the principal up, and may not find a new one yet."""

    id: pulumi.Input[str]
    kind: str
    """User, Group or ServicePrincipal."""


def operators_of(settings: Settings) -> dict[str, Principal]:
    """Return all who use `runner`, people and pipelines, by the prefixes of their assignments' names."""
    first = Principal(id=settings.operator_principal_id, kind=settings.operator_principal_type)
    more = (each.partition(":") for each in settings.more_operators)
    return {"operator": first} | {
        f"operator-{principal_id}": Principal(id=principal_id, kind=kind)
        for kind, _, principal_id in more
    }


def batch_service_of(settings: Settings) -> Principal:
    """Return the service principal of Azure Batch in this tenant."""
    return Principal(id=settings.batch_service_principal_object_id, kind="ServicePrincipal")


def assign_role(
    name: str,
    role: str,
    *,
    to: Principal,
    at: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> authorization.RoleAssignment:
    """Assign *role* at the scope *at*, using the role definition of that scope's subscription."""
    definition = pulumi.Output.from_input(at).apply(
        lambda scope: (
            f"{subscription_scope_of(scope)}"
            f"/providers/Microsoft.Authorization/roleDefinitions/{ROLES[role]}"
        )
    )
    name_of_assignment = pulumi.Output.all(at, to.id).apply(
        lambda known: naming.role_assignment(known[0], known[1], ROLES[role])
    )
    return authorization.RoleAssignment(
        name,
        role_assignment_name=name_of_assignment,
        role_definition_id=definition,
        principal_id=to.id,
        # Set so that Azure does not look up a principal that it may not know yet:
        # https://learn.microsoft.com/azure/role-based-access-control/troubleshooting#symptom---assigning-a-role-to-a-new-principal-sometimes-fails
        principal_type=to.kind,
        scope=at,
        description=f"{role}, assigned by pulumi",
        # Azure can only change an assignment's description.
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(replace_on_changes=["principal_type"])
        ),
    )


class Access(pulumi.ComponentResource):
    """The two identities, and the roles on the stored data."""

    pool_identity_id: pulumi.Output[str] | None
    pool_client_id: pulumi.Output[str] | None
    """The client id with which a node requests tokens for its identity."""
    account_identity_id: pulumi.Output[str] | None
    """Only if the Batch account itself uses its storage."""
    pool_grants: list[pulumi.Resource]
    """What must exist before a node can work."""
    account_grants: list[pulumi.Resource]
    """What must exist before the Batch account can use its storage."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        scope: Scope,
        storage: Storage,
        existing: ExistingIdentity | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("runner:infra:Access", name, None, opts)
        self._settings, self._scope, self.storage = settings, scope, storage
        self._child_options = pulumi.ResourceOptions(parent=self)
        account = self._identity("account") if settings.auto_storage else None
        self.account_identity_id = account.id if account else None
        self.account_grants = self._auto_storage(account) if account else []
        made = self._identity("pool") if settings.pool_identity and not existing else None
        pool = existing or made
        self.pool_identity_id = pulumi.Output.from_input(pool.id) if pool else None
        self.pool_client_id = pulumi.Output.from_input(pool.client_id) if pool else None
        self.pool_grants = self._nodes(pool.principal_id) if pool else []
        for who, person in operators_of(settings).items():
            self._operator(who, person)
        self.register_outputs({"pool_identity_id": self.pool_identity_id})

    def _identity(self, whose: str) -> managedidentity.UserAssignedIdentity:
        """Make a user-assigned identity, which can get roles before its owner is created."""
        return managedidentity.UserAssignedIdentity(
            f"{whose}-identity",
            resource_name_=naming.local_name(
                self._settings.name_prefix, self._settings.stack, f"id-{whose}"
            ),
            resource_group_name=self._scope.group,
            location=self._scope.location,
            tags=self._scope.tags,
            opts=self._child_options,
        )

    def _auto_storage(self, account: managedidentity.UserAssignedIdentity) -> list[pulumi.Resource]:
        """Let the Batch account use the storage account for its application packages."""
        return [
            assign_role(
                "account-writes-storage",
                "Storage Blob Data Contributor",
                to=Principal(id=account.principal_id, kind="ServicePrincipal"),
                at=self.storage.account_id,
                opts=self._child_options,
            )
        ]

    def _nodes(self, principal_id: pulumi.Input[str]) -> list[pulumi.Resource]:
        """Let nodes read sources and tools, and write results."""
        identity = Principal(id=principal_id, kind="ServicePrincipal")
        wanted = {
            INPUT: ("pool-reads-input", "Storage Blob Data Reader"),
            TOOLS: ("pool-reads-tools", "Storage Blob Data Reader"),
            OUTPUT: ("pool-writes-output", "Storage Blob Data Contributor"),
        }
        own = [
            assign_role(
                name,
                role,
                to=identity,
                at=self.storage.containers[container].id,
                opts=self._child_options,
            )
            for container, (name, role) in wanted.items()
        ]
        return [*own, *self._media("pool", identity)]

    def _media(self, who: str, person: Principal) -> list[pulumi.Resource]:
        """Let *person* read, or write to, the containers of media in the settings."""
        given = {
            ("reads", "Storage Blob Data Reader"): self._settings.read_containers,
            ("writes", "Storage Blob Data Contributor"): self._settings.write_containers,
        }
        return [
            assign_role(
                f"{who}-{does}-{'-'.join(each.lower().split('/')[8::4])}",
                role,
                to=person,
                at=each,
                opts=self._child_options,
            )
            for (does, role), containers in given.items()
            for each in containers
        ]

    def _operator(self, who: str, person: Principal) -> None:
        """Let whoever uses `runner` upload sources and tools, and download and delete results."""
        for container, resource in self.storage.containers.items():
            assign_role(
                f"{who}-writes-{container}",
                "Storage Blob Data Contributor",
                to=person,
                at=resource.id,
                opts=self._child_options,
            )
        self._media(who, person)
        if not self._settings.pool_identity:
            self._signing(who, person)

    def _signing(self, who: str, person: Principal) -> None:
        """Let *person* make the signed addresses that nodes without an identity get."""
        media = (*self._settings.read_containers, *self._settings.write_containers)
        accounts = dict.fromkeys(map(str.lower, map(account_of_container, media)))
        others = {f"{who}-signs-addresses-{each.rpartition('/')[2]}": each for each in accounts}
        scopes: dict[str, pulumi.Input[str]] = {
            f"{who}-signs-addresses": self.storage.account_id,
            **others,
        }
        for name, at in scopes.items():
            assign_role(name, "Storage Blob Delegator", to=person, at=at, opts=self._child_options)
