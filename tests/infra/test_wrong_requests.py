"""Requests that Azure refuses, each with its code: what the program asks for, but for one thing."""

import copy
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.machines import vcpus_of
from tests.infra.engine import THIS_MONTH
from tests.infra.mocked import Deployed, deploy
from tests.infra.provider import schema
from tests.infra.provider.azure import Azure
from tests.infra.provider.immutable import IMMUTABLE_PROPERTIES
from tests.infra.provider.kinds import BATCH_SERVICE, KINDS, SUBSCRIPTION, Inputs
from tests.infra.provider.limits import LIMITS, NAMES
from tests.infra.provider.names import leaf, made_up_id
from tests.infra.provider.refusals import ArmError
from tests.infra.provider.store import Store

EVERYTHING = {
    "logAnalytics": "true",
    "alertEmail": "ops@example.com",
    "monthlyBudget": "20",
    "budgetStart": THIS_MONTH,
    "autoStorage": "true",
    "storageAllowedIps": '["8.8.8.8"]',
    "keyVaultAllowedIps": '["8.8.8.8"]',
    "batchAllowedIps": '["8.8.8.8"]',
}
BATCH_MODE = {**EVERYTHING, "poolAllocationMode": "BatchService"}
RBAC = {**EVERYTHING, "keyVaultPermissionModel": "rbac"}
FIXED = {**EVERYTHING, "scale": "fixed", "fixedSpotNodes": "1"}

POOL, ACCOUNT = "batch:Pool", "batch:BatchAccount"
VNET, SUBNET, GROUP = "network:VirtualNetwork", "network:Subnet", "network:NetworkSecurityGroup"
VAULT, STORAGE, GRANT = "keyvault:Vault", "storage:StorageAccount", "authorization:RoleAssignment"
BUDGET, ALERT = "consumption:Budget", "monitor:MetricAlert"
SCALE = "scaleSettings.autoScale"
MACHINE = "deploymentConfiguration.virtualMachineConfiguration"


@dataclass(frozen=True)
class Wrong:
    """One request: the program's own for that kind, with something else at some paths."""

    kind: str
    changes: Mapping[str, Any]
    code: str
    of: Mapping[str, str] = field(default_factory=lambda: EVERYTHING)
    on: Mapping[str, Any] = field(default_factory=dict)
    """What is different about the subscription."""
    update: bool = False

    def __str__(self) -> str:
        return f"{self.kind}-{'-'.join(self.changes) or '-'.join(self.on)}-{self.code}"


GONE = object()
"""Instead of a value: leave it out."""


def pool(changes: Mapping[str, Any], code: str = "InvalidPropertyValue", **more: Any) -> Wrong:
    return Wrong(POOL, changes, code, **more)


REVIEWED = [
    # named in the review of the double, which took all of them, or crashed
    Wrong(VAULT, {"properties.softDeleteRetentionInDays": 30}, "BadRequest", update=True),
    Wrong(BUDGET, {"timePeriod.startDate": "2020-01-01T00:00:00Z"}, "400"),
    Wrong(SUBNET, {"addressPrefix": "10.99.0.0/24"}, "NetcfgSubnetRangeOutsideVnet"),
    Wrong(GROUP, {"securityRules.1.priority": 100}, "SecurityRuleConflict"),
    pool({f"{SCALE}.formula": "$TargetDedicatedNodes = ;"}, "AutoScalingFormulaSyntaxError"),
    pool({f"{SCALE}.evaluationInterval": "PT1M"}),
    pool({"taskSlotsPerNode": 999}),
    pool({"vmSize": "Standard_D5ads_v5"}),
    pool({"networkConfiguration.subnetId": GONE}),
    Wrong(GRANT, {"roleDefinitionId": f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-0000-0000-000000000000"}, "RoleDefinitionDoesNotExist"),
    Wrong(GRANT, {"roleDefinitionId": "Owner of everything"}, "RoleDefinitionDoesNotExist"),
    Wrong(ACCOUNT, {}, "MissingSubscriptionRegistration", on={"registered": []}),
    Wrong(GRANT, {}, "AuthorizationFailed", on={"deployer": "Contributor"}),
    Wrong(ACCOUNT, {}, "InvalidKeyVaultReference", of=RBAC, on={"spreads": 600.0}),
    Wrong(ACCOUNT, {}, "SubscriptionQuotaExceeded", on={"quota": {"batch:BatchAccount": 0}}),
    Wrong(STORAGE, {"tags.Stack": "twice"}, "DuplicateTagName"),
    Wrong(STORAGE, {"tags.azure-cost": "x"}, "ReservedTagNamePrefix"),
    Wrong(VNET, {"addressSpace.addressPrefixes": ["127.0.0.0/16"]}, "AddressPrefixNotAllowed"),
    Wrong(VNET, {"addressSpace.addressPrefixes": ["169.254.0.0/16"]}, "AddressPrefixNotAllowed"),
    # of the same kinds: names, keys, lengths, what is read only
    Wrong(ACCOUNT, {"allowedAuthenticationModes": ["AAD", "SharedKey"]}, "InvalidPropertyValue"),
    Wrong(STORAGE, {"accountName": "Media-Files"}, "AccountNameInvalid"),
    Wrong(VAULT, {"vaultName": "media--vault"}, "VaultNameNotValid"),
    Wrong(ACCOUNT, {"accountName": "media_batch"}, "InvalidAccountName"),
    pool({"poolName": "p" * 65}),
    Wrong("storage:BlobContainer", {"containerName": "Input"}, "InvalidResourceName"),
    Wrong(GRANT, {"roleAssignmentName": "reads-input"}, "InvalidRoleAssignmentId"),
    Wrong(GRANT, {"principalId": "somebody"}, "InvalidPrincipalId"),
    pool({"currentDedicatedNodes": 3}, "InvalidRequestContent"),
    pool({"interNodeCommunication": "Off"}, "InvalidRequestContent"),
    Wrong(VAULT, {"properties.sku": GONE}, "InvalidRequestContent"),
    Wrong(VAULT, {"properties.enablePurgeProtection": False}, "BadRequest"),
]  # fmt: skip

OWN = [
    Wrong(SUBNET, {"subnetName": "second"}, "NetcfgSubnetRangesOverlap", update=False),
    Wrong(SUBNET, {"addressPrefix": "10.64.0.1/24"}, "InvalidCIDRNotation"),
    Wrong(SUBNET, {"addressPrefix": "10.64.0.0/30"}, "InvalidAddressPrefixFormat"),
    Wrong(SUBNET, {"addressPrefix": "10.64.0.0/25"}, "InUsePrefixCannotBeDeleted", update=True),
    Wrong(SUBNET, {"defaultOutboundAccess": True}, "SubnetDefaultOutboundAccessCannotBeUpdated", update=True),
    Wrong(VNET, {"location": "atlantis"}, "LocationNotAvailableForResourceType"),
    Wrong(VNET, {"location": "eastus"}, "InvalidResourceLocation", update=True),
    Wrong("network:NatGateway", {"location": "northeurope"}, "InvalidResourceReference"),
    Wrong(GROUP, {"securityRules.0.priority": 99}, "SecurityRuleInvalidPriority"),
    Wrong(GROUP, {"securityRules.0.destinationAddressPrefix": "Batch"}, "SecurityRuleInvalidAddressPrefix"),
    Wrong(GROUP, {"securityRules.0.destinationPortRanges": ["443-80"]}, "SecurityRuleInvalidPortRange"),
    Wrong(GROUP, {"securityRules.0.sourcePortRange": GONE}, "SecurityRuleParameterMissing"),
    Wrong("network:PublicIPAddress", {"publicIPAllocationMethod": "Dynamic"}, "PublicIPAddressAllocationMethodNotSupported"),
    Wrong("network:PublicIPAddress", {}, "PublicIPCountLimitReached", on={"quota": {"network:PublicIPAddress": 0}}),
    Wrong(STORAGE, {}, "StorageAccountAlreadyTaken", on={"taken": ["ffmpegdevst0a1b2c3d"]}),
    Wrong(STORAGE, {"networkRuleSet.ipRules.0.iPAddressOrRange": "8.8.8.8/31"}, "InvalidValuesForRequestParameters"),
    Wrong(STORAGE, {"networkRuleSet.ipRules.0.iPAddressOrRange": "10.0.0.0/24"}, "InvalidValuesForRequestParameters"),
    Wrong(STORAGE, {"sku.name": "Premium_LRS"}, "InvalidAccountType"),
    Wrong(STORAGE, {"kind": "BlobStorage"}, "AccountPropertyCannotBeUpdated", update=True),
    Wrong(STORAGE, {"tags.cost": "x" * 257}, "TagValueTooLong"),
    Wrong(STORAGE, {"tags.a/b": "x"}, "InvalidTagNameCharacters"),
    Wrong("storage:BlobContainer", {"publicAccess": "Blob"}, "PublicAccessNotPermitted"),
    Wrong("storage:BlobServiceProperties", {"deleteRetentionPolicy.days": 366}, "InvalidRequestContent"),
    Wrong("storage:ManagementPolicy", {"policy.rules.1.name": "expire-input"}, "InvalidManagementPolicy"),
    Wrong(VAULT, {"properties.networkAcls.ipRules.0.value": "192.168.1.0/24"}, "BadRequest"),
    Wrong(VAULT, {"properties.softDeleteRetentionInDays": 91}, "BadRequest"),
    Wrong(VAULT, {}, "ConflictError", on={"deleted_vaults": ["ffmpegdevkv0a1b2c3d"]}),
    Wrong(ACCOUNT, {"keyVaultReference": GONE}, "InvalidRequestBody"),
    Wrong(ACCOUNT, {"keyVaultReference": {"id": "/x", "url": "https://x"}}, "InvalidPropertyValue", of=BATCH_MODE),
    Wrong(ACCOUNT, {"identity": GONE}, "InvalidPropertyValue"),
    Wrong(ACCOUNT, {"poolAllocationMode": "BatchService", "keyVaultReference": GONE}, "PropertyCannotBeUpdated", update=True),
    Wrong(GRANT, {"principalType": "User", "principalId": BATCH_SERVICE}, "UnmatchedPrincipalType"),
    Wrong(GRANT, {"principalType": "Group"}, "RoleAssignmentUpdateNotPermitted", update=True),
    Wrong(GRANT, {"roleAssignmentName": "11111111-1111-1111-1111-111111111111"}, "RoleAssignmentExists"),
    pool({"taskSlotsPerNode": 17}),
    pool({f"{SCALE}.formula": "$TargetDedicatedNodes = $Idle;"}, "AutoScalingFormulaEvaluationError"),
    pool({f"{SCALE}.evaluationInterval": "PT169H"}),
    pool({"scaleSettings.fixedScale.resizeTimeout": "PT4M"}, of=FIXED),
    pool({"scaleSettings.fixedScale": {"resizeTimeout": "PT15M"}}, of=FIXED),
    pool({"scaleSettings": {}}, "InvalidRequestBody"),
    pool({"resourceTags": {"a": "b"}}, of=BATCH_MODE),
    pool({"targetNodeCommunicationMode": "Default"}),
    pool({f"{MACHINE}.nodeAgentSkuId": "batch.node.ubuntu 24.04"}),
    pool({f"{MACHINE}.imageReference.sku": GONE}),
    pool({"identity.userAssignedIdentities": []}, "InvalidIdentityValues"),
    pool({"startTask.commandLine": ""}),
    pool({"vmSize": "Standard_D8ads_v5"}, "PropertyCannotBeUpdated", update=True),
    pool({}, "the Batch service does not have access", on={"batch_may_make_nodes": False}),
    pool({}, "PoolQuotaReached", on={"quota": {"batch:Pool": 0}}),
    Wrong("operationalinsights:Workspace", {"retentionInDays": 5}, "InvalidRequestContent"),
    Wrong("monitor:ActionGroup", {"groupShortName": "x" * 13}, "GroupShortNameTooLong"),
    Wrong("monitor:ActionGroup", {"location": "westeurope"}, "LocationNotAvailableForResourceType"),
    Wrong(ALERT, {"evaluationFrequency": "PT2M"}, "BadRequest"),
    Wrong(ALERT, {"severity": 5}, "BadRequest"),
    Wrong(BUDGET, {"timePeriod.startDate": "2026-12-15T00:00:00Z"}, "400"),
    Wrong(BUDGET, {"amount": 0}, "400"),
    Wrong(BUDGET, {"notifications.most-is-spent.contactEmails": []}, "400"),
    Wrong("resources:ResourceGroup", {"resourceGroupName": "media."}, "InvalidResourceGroup"),
]  # fmt: skip


@cache
def environment(of: frozenset[tuple[str, str]]) -> Deployed:
    return deploy(**dict(of))


def request(each: Any) -> tuple[str, dict[str, Any]]:
    """What the program asks for, with the name that azure-native makes up where it gives none."""
    token = f"azure-native:{each.token}"
    return token, {KINDS[token].name_input: leaf(each.id), **each.inputs}


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Files that each hold a whole environment, by its configuration."""
    folder = tmp_path_factory.mktemp("environments")

    @cache
    def stored(of: frozenset[tuple[str, str]]) -> Path:
        path = folder / f"{abs(hash(of))}.json"
        arm = Azure(Store(path))
        for each in environment(of).resources:
            arm.create(*request(each))
        return path

    return stored


@pytest.mark.parametrize("wrong", [*REVIEWED, *OWN], ids=str)
def test_what_azure_refuses_is_refused(wrong: Wrong, stored: Any, tmp_path: Path) -> None:
    of = frozenset(wrong.of.items())
    arm = Azure(Store(Path(shutil.copy(stored(of), tmp_path / "azure.json"))))
    # Pulumi asks for several of a kind in no certain order
    asked = min(environment(of).all(wrong.kind), key=lambda each: each.id)
    token, inputs = request(asked)
    with arm.store.open() as world:
        vars(world).update(wrong.on)
        if not (wrong.update or {"subnetName", "roleAssignmentName"} & wrong.changes.keys()):
            del world.resources[asked.id.lower()]
    inputs = changed(inputs, wrong.changes)
    with pytest.raises(ArmError, match=wrong.code):
        arm.update(token, asked.id, inputs) if wrong.update else arm.create(token, inputs)
    assert schema.faults(token, request(asked)[1]) == []


def changed(inputs: Inputs, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return *inputs* with other values at some paths."""
    new: Any = copy.deepcopy(dict(inputs))
    for path, value in changes.items():
        *steps, last = path.split(".")
        place = new
        for step in steps:
            place = place[int(step) if step.isdigit() else step]
        if value is GONE:
            del place[last]
        else:
            place[int(last) if last.isdigit() else last] = value
    return dict(new)


def test_the_review_had_31_and_these_are_20_more_at_least() -> None:
    assert len(REVIEWED) == 31
    assert len(OWN) >= 20


@pytest.mark.parametrize("of", [EVERYTHING, BATCH_MODE, RBAC, FIXED, {}], ids=str)
def test_what_the_program_asks_for_is_taken(of: dict[str, str], stored: Any) -> None:
    assert stored(frozenset(of.items())).exists()


def test_every_kind_has_a_name_and_every_rule_a_kind() -> None:
    assert KINDS.keys() <= NAMES.keys()
    assert {*LIMITS, *IMMUTABLE_PROPERTIES} <= NAMES.keys()


@pytest.mark.parametrize(
    ("size", "cores"),
    [
        ("STANDARD_D4ADS_V5", 4),
        ("Standard_E8-4ds_v5", 4),
        ("Standard_E8-6ds_v5", None),
        ("Standard_D5ads_v5", None),
        ("Standard_HB120rs_v3", 120),
        ("D4ads_v5", None),
        ("", None),
    ],
)
def test_a_size_has_its_cores_or_is_none(size: str, cores: int | None) -> None:
    assert vcpus_of(size) == cores


def test_a_role_is_felt_after_some_minutes(tmp_path: Path) -> None:
    arm = Azure(Store(tmp_path / "azure.json"))
    with arm.store.open() as world:
        world.spreads = 300.0
    *before, account = before_and(ACCOUNT, RBAC)
    for each in before:
        arm.create(*request(each))
    with pytest.raises(ArmError, match="InvalidKeyVaultReference"):
        arm.create(*request(account))
    with arm.store.open() as world:
        world.clock += 300
    arm.create(*request(account))


def before_and(kind: str, of: Mapping[str, str]) -> list[Any]:
    """What the program makes up to the first of *kind*."""
    resources = environment(frozenset(of.items())).resources
    place = next(i for i, each in enumerate(resources) if each.token == kind)
    return resources[: place + 1]


def test_an_identity_seconds_old_is_found_only_by_its_kind(stored: Any, tmp_path: Path) -> None:
    arm = Azure(Store(Path(shutil.copy(stored(frozenset(RBAC.items())), tmp_path / "azure.json"))))
    (identity, *_) = arm.store.look().of("azure-native:managedidentity:UserAssignedIdentity")
    inputs = {
        "scope": identity["id"],
        "roleAssignmentName": "11111111-1111-1111-1111-111111111111",
        "principalId": made_up_id(identity["id"], "principal"),
        "roleDefinitionId": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    }
    with arm.store.open() as world:
        world.spreads = 300.0
    with pytest.raises(ArmError, match="PrincipalNotFound"):
        arm.create(f"azure-native:{GRANT}", inputs)
    with arm.store.open() as world:
        world.clock += 300
    arm.create(f"azure-native:{GRANT}", inputs)


def test_rights_on_a_group_end_at_its_border(tmp_path: Path) -> None:
    arm = Azure(Store(tmp_path / "azure.json"))
    group, *rest = environment(frozenset()).resources
    arm.create(*request(group))
    with arm.store.open() as world:
        world.deployer_scope = group.id
    arm.create(*request(rest[0]))
    budget = next(
        each
        for each in environment(frozenset(EVERYTHING.items())).resources
        if each.token == BUDGET
    )
    with pytest.raises(ArmError, match="AuthorizationFailed"):
        arm.create(*request(budget))


def test_one_thing_at_a_time_is_made_in_a_network(stored: Any, tmp_path: Path) -> None:
    arm = Azure(
        Store(Path(shutil.copy(stored(frozenset(EVERYTHING.items())), tmp_path / "azure.json")))
    )
    subnet = environment(frozenset(EVERYTHING.items())).one(SUBNET)
    with arm.store.open() as world:
        world.resources[subnet.id.lower()]["state"] = "Updating"
    token, inputs = request(subnet)
    second = {**inputs, "subnetName": "second", "addressPrefix": "10.64.1.0/24"}
    with pytest.raises(ArmError, match="AnotherOperationInProgress"):
        arm.create(token, second)
    with arm.store.open() as world:
        world.resources[subnet.id.lower()]["state"] = "Succeeded"
    arm.create(token, second)
