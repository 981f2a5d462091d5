"""What Azure keeps as it was made is refused by the program first, in the settings' own words."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.checks import key_of
from infra.configuration import NOT_CONFIGURED
from infra.immutable import IMMUTABLE, SettingRefusedError, month_fault, refuse_change
from infra.settings import Settings
from tests.infra.engine import THIS_MONTH, Deployment
from tests.infra.existing import (
    ACCOUNT,
    EXISTING,
    IDENTITY,
    OTHER_IDENTITY,
    STORAGE,
    VAULT,
    ZONES,
    put_existing,
)
from tests.infra.mocked import OPERATOR, Deployed, Registered, deploy_beside
from tests.infra.provider.azure import Azure
from tests.infra.provider.immutable import IMMUTABLE_PROPERTIES
from tests.infra.provider.kinds import KINDS
from tests.infra.provider.names import leaf
from tests.infra.provider.store import Store

SOMEBODY_ELSE = OPERATOR.replace("2", "3")
SUBNET = (
    "/subscriptions/1/resourceGroups/net/providers/Microsoft.Network"
    "/virtualNetworks/hub/subnets/batch"
)
SHUT = {"publicNetworkAccess": "false"}
ENCRYPTED = {
    "storageEncryptionKey": "https://media.vault.azure.net/keys/storage",
    "storageEncryptionIdentityId": IDENTITY,
}
WATCHED = {
    "logAnalytics": "true",
    "alertEmail": "ops@example.com",
    "monthlyBudget": "20",
    "budgetStart": THIS_MONTH,
}


@dataclass(frozen=True)
class Change:
    """One setting that is changed on an environment that stands."""

    setting: str
    to: str
    of: dict[str, str]
    """What the environment was made with, besides the defaults."""
    also: dict[str, str]
    """What has to be changed with it."""
    refused: bool = False


def change(
    setting: str,
    to: str,
    of: dict[str, str] | None = None,
    also: dict[str, str] | None = None,
    *,
    refused: bool = False,
) -> Change:
    return Change(setting, to, of or {}, also or {}, refused)


TWO_POOLS = '[{"name": "sound"}, {"name": "film", "vmSize": "Standard_D8ads_v5"}]'

CHANGES = [
    change("azure-native:location", "northeurope", refused=True),
    change("namePrefix", "media"),
    change("resourceGroup", "existing"),
    change("moreOperators", f'["User:{SOMEBODY_ELSE}"]'),
    change("batchAllowedIps", '["8.8.8.8"]'),
    change("keyVaultAllowedIps", '["8.8.8.8"]'),
    change("tags", '{"cost-center": "42"}', of=WATCHED),
    change("operatorPrincipalId", SOMEBODY_ELSE),
    change("operatorPrincipalType", "Group"),
    change("operatorBatchRole", "dataContributor"),
    change("poolAllocationMode", "BatchService"),
    change("batchServicePrincipalObjectId", SOMEBODY_ELSE, of={"keyVaultPermissionModel": "rbac"}),
    change("manageSubscriptionRole", "true"),
    change("batchAccountName", "another"),
    change("allowSharedKey", "true", of={"poolAllocationMode": "BatchService"}),
    change("autoStorage", "true"),
    change("keyVaultName", "another-vault"),
    change("keyVaultPermissionModel", "rbac"),
    change("keyVaultSoftDeleteDays", "30", refused=True),
    change("keyVaultPurgeProtection", "true"),
    change("keyVaultPurgeProtection", "false", refused=True, of={"keyVaultPurgeProtection": "true"}),
    change("storageAccountName", "another"),
    change("storageRedundancy", "Standard_GRS"),
    change("storageRedundancy", "Standard_ZRS", refused=True),
    change("storageRedundancy", "Standard_LRS", refused=True, of={"storageRedundancy": "Standard_ZRS"}),
    change("storageAllowedIps", '["8.8.8.8"]'),
    change("softDeleteDays", "14"),
    change("readContainers", f'["{STORAGE}/blobServices/default/containers/films"]'),
    change("writeContainers", f'["{STORAGE}/blobServices/default/containers/mp3"]'),
    change("expireInputDays", "0"),
    change("expireOutputDays", "0"),
    change("protectData", "false"),
    change("network", "none"),
    change("subnetId", SUBNET),
    change("vnetCidr", "10.64.0.0/20"),
    change("vnetCidr", "10.65.0.0/22", refused=True, also={"subnetCidr": "10.65.0.0/24"}),
    change("subnetCidr", "10.64.1.0/24"),
    change("egress", "batchManagedPublicIp"),
    change("serviceTagRegion", "Elsewhere"),
    change("publicNetworkAccess", "false"),
    change("publicNetworkAccess", "true", of=SHUT),
    change("privateEndpointSubnetId", f"{SUBNET}-2", of={**SHUT, "subnetId": SUBNET, "privateEndpointSubnetId": SUBNET}),
    change("privateEndpointSubnetCidr", "10.64.2.0/28", of=SHUT),
    change("privateDnsZoneIds", json.dumps(ZONES), of=SHUT),
    change("storageAccountId", STORAGE),
    change("keyVaultId", VAULT),
    change("batchAccountId", ACCOUNT),
    change("poolIdentityId", IDENTITY),
    change("storageEncryptionKey", "https://media.vault.azure.net/keys/other", of=ENCRYPTED),
    change("storageEncryptionKey", "", also={"storageEncryptionIdentityId": ""}, refused=True, of=ENCRYPTED),
    change("storageEncryptionIdentityId", OTHER_IDENTITY, of=ENCRYPTED),
    change("image", "noble"),
    change("nodeAgentSkuId", "batch.node.ubuntu 24.04", of={"image": "a:b:c", "nodeAgentSkuId": "batch.node.ubuntu 22.04"}),
    change("imageHasFfmpeg", "true"),
    change("nodeFfmpeg", "apt"),
    change("packageMirror", "http://mirror.example.com/ubuntu"),
    change("packageProxy", "http://proxy.example.com:3128"),
    change("vmSize", "Standard_D8ads_v5"),
    change("osDiskSizeGb", "64"),
    change("taskSlotsPerNode", "2"),
    change("poolIdentity", "false"),
    change("poolGeneration", "2"),
    change("pools", TWO_POOLS),
    change("pools", '[{"name": "sound", "vmSize": "Standard_D4ads_v5"}]', of={"pools": TWO_POOLS}),
    change("scale", "fixed", also={"fixedSpotNodes": "1"}),
    change("maxSpotNodes", "20"),
    change("maxDedicatedNodes", "2"),
    change("minDedicatedNodes", "1", of={"maxDedicatedNodes": "2"}),
    change("autoscaleMinutes", "10"),
    change("fixedSpotNodes", "2", of={"scale": "fixed", "fixedSpotNodes": "1"}),
    change("fixedDedicatedNodes", "2", of={"scale": "fixed", "fixedSpotNodes": "1"}),
    change("logAnalytics", "true"),
    change("logRetentionDays", "60", of=WATCHED),
    change("monitorAgent", "true"),
    change("alertEmail", "others@example.com", of=WATCHED),
    change("monthlyBudget", "50", of=WATCHED),
    change("budgetStart", "2099-01-01", refused=True, of=WATCHED),
]  # fmt: skip


def test_a_change_of_every_setting_is_tried() -> None:
    every = {key_of(each.name) for each in fields(Settings)} - NOT_CONFIGURED
    assert {each.setting for each in CHANGES} == every


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Deployed, Path]]:
    """What the program declares for a configuration, and a file of it as it stands on Azure."""
    folder = tmp_path_factory.mktemp("standing")

    @cache
    def standing(**configuration: str) -> tuple[Deployed, Path]:
        declared = deploy_beside(EXISTING, **configuration)
        arm = Azure(Store(folder / f"{len(list(folder.iterdir()))}.json"))
        put_existing(arm.store)
        for each in declared.resources:
            arm.create(*named(each))
        return declared, arm.store.path

    return standing


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: f"{each.setting}-{each.to}")
def test_azure_is_never_asked_for_what_it_refuses(
    change: Change, standing: Callable[..., tuple[Deployed, Path]], tmp_path: Path
) -> None:
    before, stored = standing(**change.of)
    arm = Azure(Store(Path(shutil.copy(stored, tmp_path / "azure.json"))))
    after = deploy_beside(EXISTING, **{**change.of, **change.also, change.setting: change.to})
    words = list(brought_about(arm, before, after))
    assert bool(words) is change.refused, words
    for line in words:
        assert line.startswith(f"{change.setting}: ")
        assert "and cannot be changed" in line


def named(each: Registered) -> tuple[str, dict[str, Any]]:
    token = f"azure-native:{each.token}"
    return token, {KINDS[token].name_input: leaf(each.id), **each.inputs}


def brought_about(arm: Azure, before: Deployed, after: Deployed) -> Iterator[str]:
    """Make *after* of *before*, as engine and provider do; yields what the program refuses."""
    old = {(each.token, each.name): each for each in before.resources}
    for each in after.resources:
        token, inputs = named(each)
        was = old.get((each.token, each.name))
        if was is None or is_replaced(was, each):
            with arm.store.open() as world:
                if was is not None and (was.id == each.id or each.request.deleteBeforeReplace):
                    del world.resources[was.id.lower()]
                if world.get(each.id):
                    continue  # the same under another logical name
            arm.create(token, inputs)
        elif was.inputs != each.inputs:
            args = pulumi.ResourceHookArgs(
                "urn", was.id, each.name, token, old_inputs=was.inputs, new_inputs=each.inputs
            )
            try:
                refuse_change(args)
            except SettingRefusedError as error:
                yield str(error)
                return  # what depends on it is not reached
            else:
                arm.update(token, was.id, inputs)


def is_replaced(was: Registered, each: Registered) -> bool:
    kind = KINDS[f"azure-native:{each.token}"]
    asked = set(each.request.replaceOnChanges)
    return was.id != each.id or any(
        was.inputs.get(name) != each.inputs.get(name)
        for name in {*kind.path_inputs, *kind.fixed, *asked}
    )


ACCEPTED_WITHOUT_EFFECT = {
    "addressSpace.addressPrefixes",
    # that a key is no longer named changes nothing: Azure goes on with it
    "encryption.keyVaultProperties.keyName",
}


def test_the_program_refuses_nothing_that_azure_takes() -> None:
    """The other way round is what the changes above are for."""
    for kind, each in IMMUTABLE.items():
        known = {rule.path for rule in IMMUTABLE_PROPERTIES.get(f"azure-native:{kind}", ())}
        assert {rule.path for rule in each} - known <= ACCEPTED_WITHOUT_EFFECT, kind


def test_a_resource_stays_in_its_region() -> None:
    args = pulumi.ResourceHookArgs(
        "urn", "id", "logs", "azure-native:operationalinsights:Workspace",
        old_inputs={"location": "westeurope"}, new_inputs={"location": "eastus"},
    )  # fmt: skip
    with pytest.raises(SettingRefusedError, match="azure-native:location: eastus: was westeurope"):
        refuse_change(args)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (date(2026, 10, 1), "is in the past, which Azure does not allow: use 2026-11-01"),
        (date(2026, 11, 1), ""),
        (date(2027, 11, 1), ""),
        (date(2027, 12, 1), "is more than 12 months ahead"),
    ],
)
def test_a_budget_begins_this_month_or_within_a_year(start: date, words: str) -> None:
    assert month_fault(start, date(2026, 11, 25)).startswith(words)
    assert bool(month_fault(start, date(2026, 11, 25))) is bool(words)


def test_a_preview_refuses_it_and_changes_nothing(deployment: Deployment) -> None:
    deployment.configure(keyVaultSoftDeleteDays=30)
    said = deployment.fail("preview")
    assert "keyVaultSoftDeleteDays: 30: was 7, and cannot be changed" in said
    assert deployment.journal() == []


def test_a_budget_of_a_past_month_is_refused_and_nothing_is_made(new: Deployment) -> None:
    new.configure(alertEmail="ops@example.com", monthlyBudget=20, budgetStart="2020-01-01")
    assert "budgetStart: 2020-01-01: is in the past" in new.fail("preview")
    assert new.world.resources == {}


@pytest.mark.parametrize(
    "setting",
    [
        {"namePrefix": "media"},
        {"storageAccountName": "another"},
        {"azure-native:location": "northeurope"},
    ],
)
def test_what_would_replace_the_storage_account_is_refused_while_data_is_protected(
    deployment: Deployment, setting: dict[str, str]
) -> None:
    deployment.up(protectData=True)
    deployment.forget_journal()
    assert "marked for protection" in deployment.fails_up(**setting)
    assert deployment.journal() == []
