"""Every bad configuration is refused before Azure is asked, with the key, the value and the fix."""

import json
from dataclasses import MISSING, Field, fields
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.checks import key_of
from infra.configuration import NOT_CONFIGURED, SettingsError, read
from infra.settings import Settings
from tests.infra.existing import ACCOUNT, IDENTITY, STORAGE, VAULT
from tests.infra.mocked import FILLED_IN, OPERATOR
from tests.infra.provider.kinds import BATCH_SERVICE

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
SUBNET = (
    "/subscriptions/1/resourceGroups/net/providers/Microsoft.Network"
    "/virtualNetworks/hub/subnets/batch"
)


SHUT = {"publicNetworkAccess": "false"}
FILMS = f"{STORAGE}/blobServices/default/containers/films"
KEY = "https://media.vault.azure.net/keys/storage"
BATCH_ZONE = "privatelink.batch.azure.com"


def zones(*names: str) -> str:
    start = SUBNET.split("virtualNetworks", maxsplit=1)[0]
    return json.dumps([f"{start}privateDnsZones/{each}" for each in names])


def settings(**configuration: str) -> Settings:
    return read({**FILLED_IN, **configuration}, project="batch-ffmpeg-runner", stack="dev")


def refusal(**configuration: str) -> str:
    with pytest.raises(SettingsError) as error:
        settings(**configuration)
    return str(error.value)


def default_of(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def test_two_values_filled_in_are_enough() -> None:
    assert settings().pool_allocation_mode == "UserSubscription"


def test_batch_service_mode_does_not_ask_for_batchs_object_id() -> None:
    settings(poolAllocationMode="BatchService", batchServicePrincipalObjectId="")


def test_an_empty_configuration_is_answered_with_the_commands_that_give_the_values() -> None:
    with pytest.raises(SettingsError) as error:
        read({}, project="p", stack="dev")
    words = str(error.value)
    assert "pulumi config set azure-native:location" in words
    assert "az ad signed-in-user show --query id -o tsv" in words
    assert "az provider register -n Microsoft.Batch --wait" in words
    assert "az ad sp show --id ddbf3205-c6bd-46ae-8127-60eb93363864 --query id -o tsv" in words


@pytest.mark.parametrize(
    ("configuration", "line"),
    [
        ({"vmSize": "big"}, 'vmSize: "big": must be a size such as Standard_D4ads_v5'),
        ({"vmSize": "Standard_D2_v2"}, 'vmSize: "Standard_D2_v2": Batch is retiring this family'),
        ({"vmSize": "Standard_D4pds_v5"}, "needs an arm64 image and agent, which jammy is not"),
        ({"image": "focal"}, 'image: "focal": must be jammy, noble, PUBLISHER:OFFER:SKU'),
        ({"image": "a:b:c"}, 'nodeAgentSkuId: "": an image of your own needs the matching agent'),
        ({"nodeAgentSkuId": "batch.node.ubuntu 24.04"}, "jammy has its own agent"),
        ({"taskSlotsPerNode": "17"}, "taskSlotsPerNode: 17: must be 1 to 16 on Standard_D4ads_v5"),
        ({"taskSlotsPerNode": "-1"}, "taskSlotsPerNode: -1: must be 1 to 16"),
        ({"osDiskSizeGb": "10"}, "osDiskSizeGb: 10: must be 30 to 4095"),
        ({"poolGeneration": "0"}, "poolGeneration: 0: must be 1 or more"),
        ({"maxSpotNodes": "many"}, 'maxSpotNodes: "many": must be a whole number'),
        ({"maxSpotNodes": "-1"}, "maxSpotNodes: -1: must be 0 or more"),
        ({"maxSpotNodes": "0"}, "maxSpotNodes: 0: set maxSpotNodes or maxDedicatedNodes above 0"),
        ({"minDedicatedNodes": "1"}, "minDedicatedNodes: 1: is more than maxDedicatedNodes, 0"),
        ({"fixedSpotNodes": "2"}, 'scale: "auto": fixed node counts need scale fixed'),
        ({"scale": "manual"}, 'scale: "manual": must be one of auto, fixed'),
        ({"autoscaleMinutes": "1"}, "autoscaleMinutes: 1: must be 5 to 10080"),
        ({"vnetCidr": "10.0.0.0/33"}, 'vnetCidr: "10.0.0.0/33": must be an IPv4 range'),
        ({"vnetCidr": "10.0.0.7/24"}, "has host bits set"),
        ({"vnetCidr": "8.8.0.0/16", "subnetCidr": "8.8.8.0/24"}, "must be a private range"),
        ({"vnetCidr": "127.0.0.0/16", "subnetCidr": "127.0.0.0/24"}, "must be a private range"),
        ({"vnetCidr": "169.254.0.0/16", "subnetCidr": "169.254.0.0/24"}, "must be a private range"),
        ({"vnetCidr": "100.64.0.0/16", "subnetCidr": "100.64.0.0/24"}, "must be a private range"),
        ({"vnetCidr": "172.17.0.0/16", "subnetCidr": "172.17.0.0/24"}, "must not overlap"),
        ({"subnetCidr": "10.1.0.0/24"}, "must be within vnetCidr 10.64.0.0/22"),
        (
            {"subnetCidr": "10.64.0.0/28", "maxSpotNodes": "12"},
            "has room for 11 nodes (Azure reserves 5 addresses), but the pool may grow to 12",
        ),
        ({"subnetId": "hub/batch"}, 'subnetId: "hub/batch": must be a subnet\'s full id'),
        ({"subnetId": SUBNET, "network": "none"}, "contradicts network none"),
        ({"subnetId": SUBNET, "egress": "natGateway"}, "needs the stack's own network"),
        ({"egress": "subnet"}, "needs subnetId; without it"),
        ({"network": "none", "egress": "natGateway"}, "have Batch's public addresses"),
        ({"azure-native:location": "atlantis"}, 'serviceTagRegion: "": this program does not know'),
        ({"azure-native:location": "West Europe"}, "a region's short name"),
        ({"readContainers": f'["{STORAGE}"]'}, "must be the id of a container"),
        ({"readContainers": '["films"]'}, "'films': must be the id of a container: `$(az storage"),
        ({"writeContainers": f'["{FILMS}?x"]'}, "must be the id of a container"),
        ({"readContainers": f'["{FILMS}", "{FILMS.upper()}"]'}, "is named twice"),
        (
            {"readContainers": f'["{FILMS}"]', "writeContainers": f'["{FILMS}"]'},
            "writing includes reading",
        ),
        ({"storageAllowedIps": "203.0.113.7"}, "must be a list of strings"),
        ({"storageAllowedIps": '["office"]'}, "'office': must be an IPv4 address or a range"),
        ({"storageAllowedIps": '["10.0.0.1"]'}, "'10.0.0.1': must be a public address"),
        ({"storageAllowedIps": '["8.8.8.8/32"]'}, "write single addresses without a slash"),
        ({"storageAllowedIps": '["8.8.8.8"]', "network": "none"}, "would block nodes"),
        ({**SHUT, "network": "none"}, "cannot reach private addresses"),
        ({**SHUT, "batchAllowedIps": '["8.8.8.8"]'}, "allows public addresses"),
        ({**SHUT, "subnetId": SUBNET}, 'privateEndpointSubnetId: "": must be the id'),
        ({**SHUT, "privateEndpointSubnetId": SUBNET}, "is not in the stack's own network"),
        ({"privateEndpointSubnetId": SUBNET}, "has no effect while publicNetworkAccess is true"),
        ({"privateEndpointSubnetId": "hub"}, "must be a subnet's full id"),
        ({**SHUT, "privateEndpointSubnetCidr": "10.64.0.0/28"}, "must not overlap subnetCidr"),
        ({**SHUT, "privateEndpointSubnetCidr": "10.65.0.0/28"}, "must be within vnetCidr"),
        ({**SHUT, "privateEndpointSubnetCidr": "10.64.3.0/29"}, "is too small"),
        ({**SHUT, "privateEndpointSubnetCidr": "x"}, "must be an IPv4 range such as 10.64.3"),
        ({"privateDnsZoneIds": zones(BATCH_ZONE)}, "have no effect while publicNetworkAccess"),
        ({**SHUT, "privateDnsZoneIds": '["x"]'}, "'x': must be the id of a private DNS zone"),
        (
            {**SHUT, "privateDnsZoneIds": zones(BATCH_ZONE)},
            "privatelink.vaultcore.azure.net is missing",
        ),
        ({**SHUT, "privateDnsZoneIds": zones(BATCH_ZONE, BATCH_ZONE)}, "is listed twice"),
        ({**SHUT, "privateDnsZoneIds": zones("example.com")}, "example.com: the zones needed are"),
        ({"egress": "none", "nodeFfmpeg": "embeddedOnly"}, "set publicNetworkAccess false"),
        ({**SHUT, "egress": "none"}, "set nodeFfmpeg embeddedOnly"),
        ({**SHUT, "egress": "none", "vmSize": "big"}, "nodes cannot use apt"),
        ({"storageAccountId": SUBNET}, "must be the id of a Microsoft.Storage/storageAccounts"),
        (
            {"keyVaultId": "media"},
            'keyVaultId: "media": must be the id of a Microsoft.KeyVault/vaults',
        ),
        (
            {"batchAccountId": f"{ACCOUNT}/pools/p"},
            "must be the id of a Microsoft.Batch/batchAccounts",
        ),
        ({"batchAccountId": ACCOUNT, "batchAccountName": "media"}, "only applies to a new one"),
        ({"batchAccountId": ACCOUNT, "autoStorage": "true"}, "only applies to a new one"),
        (
            {"batchAccountId": ACCOUNT, "subnetId": SUBNET},
            "in the Batch account's own subscription",
        ),
        (
            {"storageAccountId": STORAGE, "storageAllowedIps": '["8.8.8.8"]'},
            "only applies to a new",
        ),
        (
            {"keyVaultId": VAULT, "poolAllocationMode": "BatchService"},
            "UserSubscription has a vault",
        ),
        ({"poolIdentityId": IDENTITY, "poolIdentity": "false"}, "contradicts poolIdentity false"),
        ({"storageEncryptionKey": "k", "storageEncryptionIdentityId": IDENTITY}, "a key's address"),
        ({"storageEncryptionKey": KEY}, "Key Vault Crypto Service Encryption User"),
        ({"storageEncryptionIdentityId": IDENTITY}, "has no effect without storageEncryptionKey"),
        ({"expireInputDays": "-1"}, "expireInputDays: -1: must be 1 to 3650, or 0 for never"),
        ({"softDeleteDays": "0"}, "softDeleteDays: 0: must be 1 to 365"),
        ({"storageAccountName": "Has-Capitals"}, "3-24 lower-case letters and digits"),
        ({"batchAccountName": "no_way"}, 'batchAccountName: "no_way": a Batch account\'s name is'),
        ({"keyVaultName": "1st"}, 'keyVaultName: "1st": a key vault\'s name is'),
        ({"namePrefix": "FFmpeg"}, 'namePrefix: "FFmpeg": must be 2-10 lower-case letters'),
        ({"keyVaultSoftDeleteDays": "3"}, "keyVaultSoftDeleteDays: 3: must be 7 to 90"),
        ({"allowSharedKey": "true"}, "only allows Entra ID"),
        ({"allowSharedKey": "yes"}, 'allowSharedKey: "yes": must be true or false'),
        (
            {"poolAllocationMode": "BatchService", "manageSubscriptionRole": "true"},
            "only poolAllocationMode UserSubscription needs that role",
        ),
        (
            {"batchServicePrincipalObjectId": "ddbf3205-c6bd-46ae-8127-60eb93363864"},
            "is Batch's application id, the same everywhere; set the object id",
        ),
        ({"operatorPrincipalId": "me@example.com"}, 'operatorPrincipalId: "me@example.com": must'),
        ({"moreOperators": '["me@example.com"]'}, "must be User, Group or ServicePrincipal"),
        ({"moreOperators": f'["User:{OPERATOR}"]'}, "has the same account twice"),
        ({"batchAllowedIps": '["10.0.0.1"]'}, "batchAllowedIps: ["),
        ({"keyVaultAllowedIps": '["office"]'}, "'office': must be an IPv4 address"),
        ({"resourceGroup": "ends."}, "a resource group's name is"),
        ({"tags": '["x"]'}, "must be a map of strings"),
        ({"tags": '{"stack": "mine"}'}, "'stack' is set by this program"),
        ({"tags": '{"Stack": "mine"}'}, "'Stack' is set by this program"),
        ({"tags": '{"a": "1", "A": "2"}'}, "ignores the case of tags"),
        ({"tags": '{"Microsoft-x": "1"}'}, "are reserved by Azure"),
        ({"scale": "fixed"}, "fixedSpotNodes: 0: a pool of fixed size without nodes"),
        ({"maxSpotNodes": "100000", "network": "none"}, "a pool can have 2500 at most"),
        ({"tags": '{"a?": "b"}'}, "none of <>%&"),
        ({"tags": str({f"t{n}": "" for n in range(49)}).replace("'", '"')}, "allows 50 tags"),
        ({"alertEmail": "ops"}, 'alertEmail: "ops": must be an address'),
        ({"monthlyBudget": "-5"}, "monthlyBudget: -5: must be an amount"),
        ({"monthlyBudget": "5"}, 'alertEmail: "": a budget needs an email address for its alerts'),
        ({"monthlyBudget": "5", "budgetStart": "2026-12-02"}, "must be the first day"),
        ({"logRetentionDays": "7"}, "logRetentionDays: 7: must be 30 to 730"),
        ({"monitorAgent": "true", "poolIdentity": "false"}, "signs in with the pool's identity"),
        ({"maxSpotNode": "5"}, 'maxSpotNode: "": no such setting; did you mean maxSpotNodes?'),
        ({"stack": "prod"}, "no such setting"),
    ],
)
def test_what_cannot_work_is_refused_with_key_value_and_remedy(
    configuration: dict[str, str], line: str
) -> None:
    assert line in refusal(**configuration)


def test_all_problems_are_said_at_once() -> None:
    words = refusal(vmSize="big", autoscaleMinutes="1", egress="subnet")
    assert [line.split(":")[0].strip() for line in words.splitlines()[1:]] == [
        "egress",
        "vmSize",
        "autoscaleMinutes",
    ]


@pytest.mark.parametrize(
    "configuration",
    [
        {"subnetId": SUBNET},
        {**SHUT, "subnetId": SUBNET, "privateEndpointSubnetId": SUBNET},
        {**SHUT, "egress": "none", "imageHasFfmpeg": "true"},
        {"batchAccountId": ACCOUNT, "batchServicePrincipalObjectId": ""},
        {"storageEncryptionKey": f"{KEY}/0123456789abcdef0123456789abcdef", "storageEncryptionIdentityId": IDENTITY},
        {"subnetId": SUBNET, "egress": "batchManagedPublicIp"},
        {"network": "none"},
        {"network": "none", "poolAllocationMode": "BatchService"},
        {"egress": "batchManagedPublicIp"},
        {"azure-native:location": "atlantis", "serviceTagRegion": "Atlantis"},
        {"poolAllocationMode": "BatchService", "allowSharedKey": "true"},
        {"image": "noble", "vmSize": "Standard_D8ads_v6"},
        {"image": "a:b:c", "nodeAgentSkuId": "batch.node.ubuntu 24.04-arm64", "vmSize": "Standard_D4pds_v5"},
        {"scale": "fixed", "fixedSpotNodes": "3", "maxSpotNodes": "0"},
        {"maxSpotNodes": "0", "maxDedicatedNodes": "2", "minDedicatedNodes": "1"},
        {"subnetCidr": "10.64.0.0/28", "maxSpotNodes": "11"},
        {"storageAllowedIps": '["8.8.8.8", "8.8.4.0/24"]'},
        {"tags": '{"cost-center": "42"}'},
        {"batchServicePrincipalObjectId": BATCH_SERVICE.upper()},
    ],
)  # fmt: skip
def test_what_can_work_is_accepted(configuration: dict[str, str]) -> None:
    settings(**configuration)


def test_every_setting_is_declared_in_pulumi_yaml_with_its_default_and_what_it_is_for() -> None:
    ours = {key_of(each.name): each for each in fields(Settings)}
    declared = PROJECT["config"]
    assert set(declared) == set(ours) - NOT_CONFIGURED - {"azure-native:location"}
    for key, entry in declared.items():
        field = ours[key]
        default = default_of(field)
        assert entry["default"] == (list(default) if isinstance(default, tuple) else default), key
        assert entry["description"], key


def test_declared_types_are_those_of_the_settings() -> None:
    names = {str: "string", bool: "boolean", int: "integer", tuple: "array", dict: "object"}
    for key, entry in PROJECT["config"].items():
        (field,) = [each for each in fields(Settings) if key_of(each.name) == key]
        default = default_of(field)
        assert entry["type"] == names[type(default)], key


def test_the_example_stack_wants_exactly_two_values() -> None:
    example = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    values = {
        key.removeprefix("batch-ffmpeg-runner:"): value
        if isinstance(value, str)
        else json.dumps(value)  # as Pulumi hands it over
        for key, value in example.items()
    }
    with pytest.raises(SettingsError) as error:
        read(values, project="batch-ffmpeg-runner", stack="dev")
    assert [line.split(":")[0].strip() for line in str(error.value).splitlines()[1:]] == [
        "operatorPrincipalId",
        "batchServicePrincipalObjectId",
    ]
    read({**values, **FILLED_IN}, project="batch-ffmpeg-runner", stack="dev")


@pytest.mark.parametrize(
    ("configuration", "way_out"),
    [
        ({}, "natGateway"),
        ({"subnetId": SUBNET}, "subnet"),
        ({"network": "none"}, "batchManagedPublicIp"),
        ({"egress": "batchManagedPublicIp"}, "batchManagedPublicIp"),
    ],
)
def test_the_way_out_is_chosen_by_where_the_nodes_are(
    configuration: dict[str, str], way_out: str
) -> None:
    assert settings(**configuration).effective_egress == way_out


def test_slots_are_vcpus_unless_said() -> None:
    assert settings(vmSize="Standard_D8ads_v5").slots == 8
    assert settings(taskSlotsPerNode="2").slots == 2


def test_jammys_end_and_its_missing_generation_are_warned_about() -> None:
    old = settings(vmSize="Standard_D4ads_v6")
    words = list(old.warnings(date(2027, 3, 1)))
    assert "ends on 2027-06-30" in words[0]
    assert "generation-2 images only" in words[1]
    assert (
        list(settings(image="noble", vmSize="Standard_D4ads_v6").warnings(date(2027, 3, 1))) == []
    )
    assert list(settings().warnings(date(2026, 11, 22))) == []
