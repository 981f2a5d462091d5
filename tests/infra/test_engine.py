"""The program under Pulumi's own engine, deploying to the stand-in for Azure."""

from pathlib import Path
from typing import Any

import pytest

from tests.infra.engine import ROOT, THIS_MONTH, UNASKED, Deployment
from tests.infra.existing import CONTAINERS, put_existing
from tests.infra.provider.azure import Azure
from tests.infra.provider.kinds import BATCH_SERVICE

SOMEBODY_ELSE = "cccccccc-0000-0000-0000-000000000003"


def changes_nothing(said: str) -> bool:
    """Whether the account at a command's end has only unchanged resources."""
    account = said.split("Resources:")[1].split("Duration", maxsplit=1)[0].split("\n")
    return [line.split()[1] for line in account if line.strip()] == ["unchanged"]


def test_a_second_up_changes_nothing(deployment: Deployment) -> None:
    assert changes_nothing(deployment.up())
    assert deployment.journal() == []


def test_a_refresh_finds_nothing_changed(deployment: Deployment) -> None:
    assert changes_nothing(deployment.succeed("refresh", *UNASKED))
    assert changes_nothing(deployment.up())


def test_the_order_of_making_is_one_that_azure_accepts(first_up: Path) -> None:
    made = Deployment(first_up).journal()
    assert made[0] == ("create", "ResourceGroup")
    order = [made.index(("create", kind)) for kind in ("Vault", "BatchAccount", "Pool")]
    assert order == sorted(order)
    assert made.index(("create", "Subnet")) < made.index(("create", "Pool"))


def test_a_destroy_leaves_nothing_but_the_deleted_vaults_name(deployment: Deployment) -> None:
    deployment.destroy()
    gone = deployment.journal()
    assert deployment.world.resources == {}
    assert gone.index(("delete", "Pool")) < gone.index(("delete", "Subnet"))
    assert gone.index(("delete", "Subnet")) < gone.index(("delete", "NatGateway"))
    assert gone.index(("delete", "BatchAccount")) < gone.index(("delete", "Vault"))
    assert gone[-1] == ("delete", "ResourceGroup")
    (vault,) = deployment.world.deleted_vaults
    assert vault.startswith("ffmpegdevkv")


def test_what_was_destroyed_can_be_made_again_at_once(deployment: Deployment) -> None:
    deployment.destroy()
    deployment.up()
    assert len(deployment.world.of("azure-native:batch:Pool")) == 1


def test_a_vault_of_a_given_name_has_to_be_purged_first(new: Deployment) -> None:
    new.up(keyVaultName="media-vault")
    new.destroy()
    assert "already exists in deleted state" in new.fails_up()
    with new.store.open() as world:
        world.deleted_vaults.clear()  # az keyvault purge --name media-vault
    new.up()


def test_another_formula_changes_the_pool_in_place(deployment: Deployment) -> None:
    deployment.up(maxSpotNodes=20)
    assert deployment.journal() == [("update", "Pool")]
    (pool,) = deployment.world.of("azure-native:batch:Pool")
    assert "maxSpot = 20;" in pool["inputs"]["scaleSettings"]["autoScale"]["formula"]


def test_nodes_without_packages_change_start_task_and_rules_in_place(
    deployment: Deployment,
) -> None:
    deployment.up(nodeFfmpeg="embeddedOnly")
    assert set(deployment.journal()) == {("update", "Pool"), ("update", "NetworkSecurityGroup")}


@pytest.mark.parametrize("setting", [{"vmSize": "Standard_D8ads_v5"}, {"poolGeneration": 2}])
def test_another_kind_of_node_is_a_new_pool_before_the_old_one_goes(
    deployment: Deployment, setting: dict[str, Any]
) -> None:
    before = deployment.outputs["pools"][0]["id"]
    deployment.up(**setting)
    after = deployment.outputs["pools"][0]["id"]
    assert deployment.journal() == [("create", "Pool"), ("delete", "Pool")]
    assert [name for _, _, name in deployment.world.journal] == [after, before]


def test_another_range_makes_subnet_and_pool_before_the_old_ones_go(deployment: Deployment) -> None:
    deployment.up(subnetCidr="10.64.1.0/24")
    assert deployment.journal() == [
        ("create", "Subnet"),
        ("create", "Pool"),
        ("delete", "Pool"),
        ("delete", "Subnet"),
    ]


def test_another_way_out_takes_the_gateway_away_last(deployment: Deployment) -> None:
    deployment.up(egress="batchManagedPublicIp")
    done = deployment.journal()
    assert done.index(("update", "Subnet")) < done.index(("delete", "NatGateway"))
    assert done.index(("delete", "NatGateway")) < done.index(("delete", "PublicIPAddress"))
    assert done.index(("create", "Pool")) < done.index(("delete", "Pool"))


def test_another_allocation_mode_is_another_account_after_the_old_one_is_gone(
    deployment: Deployment,
) -> None:
    deployment.up(poolAllocationMode="BatchService")
    assert deployment.journal("BatchAccount", "Pool") == [
        ("delete", "Pool"),
        ("delete", "BatchAccount"),
        ("create", "BatchAccount"),
        ("create", "Pool"),
    ]
    assert deployment.world.of("azure-native:keyvault:Vault") == []


def test_without_batchs_grant_on_the_vault_the_account_is_refused_and_can_be_mended(
    new: Deployment,
) -> None:
    said = new.fails_up(batchServicePrincipalObjectId=SOMEBODY_ELSE)
    assert "InvalidKeyVaultReference" in said
    new.up(batchServicePrincipalObjectId=BATCH_SERVICE)
    assert len(new.world.of("azure-native:batch:Pool")) == 1


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("batch:BatchAccount", "InvalidKeyVaultReference"),
        ("authorization:RoleAssignment", "PrincipalNotFound"),
        ("batch:Pool", "PoolQuotaReached"),
    ],
)
def test_what_fails_once_is_finished_by_the_next_up(new: Deployment, token: str, code: str) -> None:
    new.ask_for_fault(token, "create", code)
    assert code in new.fails_up(keyVaultPermissionModel="rbac")
    assert "created" in new.up()
    assert len(new.world.of("azure-native:batch:Pool")) == 1


def test_what_somebody_deleted_is_made_again(deployment: Deployment) -> None:
    with deployment.store.open() as world:
        (key,) = [key for key in world.resources if "/pools/" in key]
        del world.resources[key]
    deployment.succeed("refresh", *UNASKED)
    deployment.up()
    assert deployment.journal() == [("create", "Pool")]


def test_a_bad_configuration_is_a_few_lines_and_nothing_is_made(new: Deployment) -> None:
    said = new.fails_up(vmSize="Standard_D2_v2", operatorPrincipalId="")
    assert 'vmSize: "Standard_D2_v2": Batch is retiring this family' in said
    assert "az ad signed-in-user show" in said
    assert "Traceback" not in said
    assert new.world.resources == {}


def test_a_preview_shows_names_and_makes_nothing(new: Deployment) -> None:
    shown = new.succeed("preview", "--diff")
    for name in (
        "rg-ffmpeg-dev",
        "vnet-ffmpeg-dev",
        "nsg-ffmpeg-dev",
        "ffmpegdevst",
        "ffmpegdevkv",
    ):
        assert name in shown, name
    assert "[secret]" not in shown
    assert new.world.resources == {}


def test_a_machine_that_the_image_cannot_start_is_warned_about(new: Deployment) -> None:
    new.configure(vmSize="Standard_D4ads_v6")
    assert "starts generation-2 images only" in new.succeed("preview")


def test_protected_data_stops_a_destroy(new: Deployment) -> None:
    new.up(protectData=True)
    assert "protect" in new.fail("destroy", *UNASKED)
    assert len(new.world.of("azure-native:storage:BlobContainer")) == 3
    new.up(protectData=False)
    new.destroy()


def test_the_subscriptions_role_outlives_the_stack(new: Deployment) -> None:
    new.up(manageSubscriptionRole=True)
    assert "protect" in new.fail("destroy", *UNASKED)
    new.destroy("--exclude-protected")
    left = new.world.of("azure-native:authorization:RoleAssignment")
    assert [each["inputs"]["scope"].count("/") for each in left] == [2]
    assert len(new.world.resources) == 1


def test_everything_at_once_comes_up_twice_and_goes(new: Deployment) -> None:
    new.configure(
        keyVaultPermissionModel="rbac",
        autoStorage=True,
        storageAllowedIps=["8.8.8.8"],
        logAnalytics=True,
        alertEmail="ops@example.com",
        monthlyBudget=20,
        budgetStart=THIS_MONTH,
        monitorAgent=True,
        maxDedicatedNodes=2,
        minDedicatedNodes=1,
        image="noble",
        tags={"cost-center": "42"},
    )
    new.up()
    assert changes_nothing(new.up())
    new.destroy()
    assert new.world.resources == {}


def test_an_existing_group_takes_it_all_behind_firewalls_by_rights_on_it_alone(
    new: Deployment,
) -> None:
    arm = Azure(new.store)
    group = {"resourceGroupName": "media", "location": "westeurope"}
    scope, _ = arm.create("azure-native:resources:ResourceGroup", group)
    with new.store.open() as world:
        world.deployer_scope = scope
    addresses = ["8.8.8.8"]
    new.up(
        resourceGroup="media",
        storageAllowedIps=addresses,
        batchAllowedIps=addresses,
        keyVaultAllowedIps=addresses,
    )
    assert changes_nothing(new.up())
    assert new.outputs["resource_group"] == "media"
    new.destroy()
    assert [each["id"] for each in new.world.resources.values()] == [scope]


def test_roles_on_containers_of_another_account_come_and_go_with_the_setting(
    new: Deployment,
) -> None:
    put_existing(new.store)
    films, mp3 = CONTAINERS
    new.up(readContainers=[films], writeContainers=[mp3])
    given = new.world.of("azure-native:authorization:RoleAssignment")
    scopes = [each["inputs"]["scope"] for each in given]
    assert (scopes.count(films), scopes.count(mp3)) == (2, 2), "of nodes and operator"
    assert (new.outputs["read_containers"], new.outputs["write_containers"]) == ([films], [mp3])
    assert changes_nothing(new.up())
    new.forget_journal()
    new.up(readContainers=[], writeContainers=[])
    assert set(new.journal()) == {("delete", "RoleAssignment")}


def test_batch_service_mode_without_a_network_comes_up_and_goes(new: Deployment) -> None:
    new.up(
        poolAllocationMode="BatchService",
        network="none",
        allowSharedKey=True,
        poolIdentity=False,
        scale="fixed",
        fixedSpotNodes=1,
        batchServicePrincipalObjectId="",
    )
    assert changes_nothing(new.up())
    new.destroy()
    assert new.world.resources == {}


def test_the_example_stack_comes_up_once_its_two_values_are_filled_in(
    pulumi: None, tmp_path: Path
) -> None:
    example = Deployment(tmp_path, (ROOT / "Pulumi.dev.yaml").read_text())
    example.up()
    assert example.world.of("azure-native:network:NatGateway") == []
    (pool,) = example.world.of("azure-native:batch:Pool")
    assert pool["inputs"]["resourceTags"]["environment"] == "dev"
