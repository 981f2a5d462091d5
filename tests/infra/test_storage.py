from typing import Any

from tests.infra.mocked import Deployed, deploy


def test_the_account_has_no_keys_and_nothing_public(example: Deployed) -> None:
    account = example.one("storage:StorageAccount").inputs
    assert account["allowSharedKeyAccess"] is False
    assert account["defaultToOAuthAuthentication"] is True
    assert account["allowBlobPublicAccess"] is False
    assert account["allowCrossTenantReplication"] is False
    assert account["enableHttpsTrafficOnly"] is True
    assert account["minimumTlsVersion"] == "TLS1_2"
    assert account["isHnsEnabled"] is False


def test_the_three_containers_are_private(example: Deployed) -> None:
    containers = example.all("storage:BlobContainer")
    assert {each.inputs["containerName"] for each in containers} == {"input", "output", "tools"}
    assert {each.inputs["publicAccess"] for each in containers} == {"None"}


def test_what_is_deleted_can_be_brought_back_for_a_week(example: Deployed) -> None:
    policy = example.one("storage:BlobServiceProperties").inputs
    assert policy["deleteRetentionPolicy"] == {"enabled": True, "days": 7}
    assert policy["containerDeleteRetentionPolicy"] == {"enabled": True, "days": 7}


def expiries(deployed: Deployed) -> Any:
    return {
        each["definition"]["filters"]["prefixMatch"][0]: each["definition"]["actions"]["baseBlob"][
            "delete"
        ]["daysAfterModificationGreaterThan"]
        for each in deployed.one("storage:ManagementPolicy").inputs["policy"]["rules"]
    }


def test_sources_and_results_expire_and_tools_stay(example: Deployed) -> None:
    assert expiries(example) == {"input/": 7, "output/": 30}


def test_zero_days_keep_for_ever() -> None:
    assert expiries(deploy(expireOutputDays="0")) == {"input/": 7}
    deployed = deploy(expireInputDays="0", expireOutputDays="0")
    assert deployed.all("storage:ManagementPolicy") == []


def test_the_account_answers_everywhere_unless_addresses_are_given(example: Deployed) -> None:
    rules = example.one("storage:StorageAccount").inputs["networkRuleSet"]
    assert rules["defaultAction"] == "Allow"


def test_given_addresses_and_the_nodes_are_all_that_get_through() -> None:
    deployed = deploy(storageAllowedIps='["8.8.8.8"]')
    rules = deployed.one("storage:StorageAccount").inputs["networkRuleSet"]
    assert rules["defaultAction"] == "Deny"
    assert [each["iPAddressOrRange"] for each in rules["ipRules"]] == ["8.8.8.8"]
    (network,) = rules["virtualNetworkRules"]
    assert network["virtualNetworkResourceId"] == deployed.one("network:Subnet").id


def protected(deployed: Deployed) -> Any:
    return {each.name for each in deployed.resources if each.request.protect}


def test_data_is_protected_from_a_destroy_unless_said_otherwise(example: Deployed) -> None:
    assert protected(example) == {"ffmpegdevst", "input", "output", "tools"}
    assert protected(deploy(protectData="false")) == set()


def test_redundancy_and_name_can_be_chosen() -> None:
    account = deploy(storageRedundancy="Standard_ZRS", storageAccountName="mymedia").one(
        "storage:StorageAccount"
    )
    assert account.inputs["sku"] == {"name": "Standard_ZRS"}
    assert account.inputs["accountName"] == "mymedia"


def test_the_name_is_azure_natives_to_make_unique(example: Deployed) -> None:
    assert "accountName" not in example.one("storage:StorageAccount").inputs
