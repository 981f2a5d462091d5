import base64
from typing import Any

import pytest

from infra.node_ffmpeg import X86_64
from infra.start_task import (
    COMMAND,
    IDENTITY,
    OUTPUT_URL,
    TOOLS_URL,
    VARIABLE,
    Source,
    start_task_script,
)
from tests.infra.mocked import Deployed, deploy
from tests.infra.provider.names import made_up_id


def pool(deployed: Deployed) -> Any:
    return deployed.one("batch:Pool").inputs


def variables(deployed: Deployed) -> dict[str, str]:
    settings = pool(deployed)["startTask"]["environmentSettings"]
    return {each["name"]: each["value"] for each in settings}


def machine(deployed: Deployed) -> Any:
    return pool(deployed)["deploymentConfiguration"]["virtualMachineConfiguration"]


def test_nodes_start_from_jammy_with_the_agent_that_fits(example: Deployed) -> None:
    image = machine(example)["imageReference"]
    assert image == {
        "publisher": "canonical",
        "offer": "0001-com-ubuntu-server-jammy",
        "sku": "22_04-lts",
        "version": "latest",
    }
    assert machine(example)["nodeAgentSkuId"] == "batch.node.ubuntu 22.04"


def test_noble_is_one_word() -> None:
    deployed = deploy(image="noble")
    assert machine(deployed)["imageReference"]["offer"] == "ubuntu-24_04-lts"
    assert machine(deployed)["nodeAgentSkuId"] == "batch.node.ubuntu 24.04"


def test_an_image_and_an_agent_can_be_brought() -> None:
    deployed = deploy(
        image="microsoft-dsvm:ubuntu-hpc:2204:1.2.3", nodeAgentSkuId="batch.node.ubuntu 22.04"
    )
    assert machine(deployed)["imageReference"]["version"] == "1.2.3"


def test_an_image_of_a_gallery_goes_by_its_id() -> None:
    gallery = (
        "/subscriptions/1/resourceGroups/g/providers/Microsoft.Compute/galleries/p/images/ffmpeg"
    )
    deployed = deploy(image=gallery, nodeAgentSkuId="batch.node.ubuntu 24.04")
    assert machine(deployed)["imageReference"] == {"id": gallery}


def test_a_node_takes_as_many_files_as_it_has_vcpus(example: Deployed) -> None:
    assert pool(example)["vmSize"] == "Standard_D4ads_v5"
    assert pool(example)["taskSlotsPerNode"] == 4
    assert pool(example)["taskSchedulingPolicy"] == {"nodeFillType": "Pack"}


def test_nodes_act_as_the_pools_identity(example: Deployed) -> None:
    identity = example.one("managedidentity:UserAssignedIdentity", "pool-identity")
    assert pool(example)["identity"] == {
        "type": "UserAssigned",
        "userAssignedIdentities": [identity.id],
    }


def test_nodes_have_no_public_address_and_do_not_talk_to_each_other(example: Deployed) -> None:
    network = pool(example)["networkConfiguration"]
    assert network["publicIPAddressConfiguration"] == {"provision": "NoPublicIPAddresses"}
    assert pool(example)["targetNodeCommunicationMode"] == "Simplified"
    assert pool(example)["interNodeCommunication"] == "Disabled"


def test_the_pool_waits_for_what_its_nodes_need(example: Deployed) -> None:
    assert example.one("batch:Pool").dependencies >= {
        "pool-reads-input",
        "pool-reads-tools",
        "pool-writes-output",
        "subnet",
        "ffmpegdevba",
    }


def test_the_pool_scales_itself_every_five_minutes_from_nothing(example: Deployed) -> None:
    (kind,) = pool(example)["scaleSettings"].items()
    assert kind[0] == "autoScale"
    assert kind[1]["evaluationInterval"] == "PT5M"
    assert "slots = 4;" in kind[1]["formula"]
    assert "maxSpot = 10;" in kind[1]["formula"]
    assert "minDedicated = 0;" in kind[1]["formula"]


def test_a_fixed_size_is_taken_as_it_is() -> None:
    deployed = deploy(scale="fixed", fixedSpotNodes="2", fixedDedicatedNodes="1")
    assert pool(deployed)["scaleSettings"] == {
        "fixedScale": {
            "targetDedicatedNodes": 1,
            "targetLowPriorityNodes": 2,
            "resizeTimeout": "PT15M",
        }
    }
    assert deployed.outputs["pools"][0]["autoscale_minutes"] == 0
    assert deployed.outputs["pools"][0]["max_nodes"] == 3


def test_the_start_task_is_run_as_administrator_and_waited_for(example: Deployed) -> None:
    task = pool(example)["startTask"]
    assert task["commandLine"] == COMMAND
    assert task["waitForSuccess"] is True
    assert task["maxTaskRetryCount"] == 0
    assert task["userIdentity"]["autoUser"] == {"scope": "Pool", "elevationLevel": "Admin"}
    script = base64.b64decode(variables(example)[VARIABLE]).decode()
    assert script == start_task_script(Source(embedded=X86_64.sha256, apt=True))


def test_an_image_that_brings_ffmpeg_is_not_installed_on() -> None:
    script = base64.b64decode(variables(deploy(imageHasFfmpeg="true"))[VARIABLE]).decode()
    assert script == start_task_script(Source())


def test_the_start_task_signs_in_as_the_nodes_identity(example: Deployed) -> None:
    identity = example.one("managedidentity:UserAssignedIdentity", "pool-identity")
    storage = example.outputs["blob_endpoint"]
    assert variables(example) == {
        VARIABLE: variables(example)[VARIABLE],
        IDENTITY: made_up_id(identity.id, "client"),
        TOOLS_URL: f"{storage}/tools",
        OUTPUT_URL: f"{storage}/output",
    }
    assert set(variables(deploy(poolIdentity="false"))) == {VARIABLE}


def test_nodes_carry_the_tags_by_which_their_cost_is_found() -> None:
    deployed = deploy(tags='{"cost-center": "42"}')
    assert pool(deployed)["resourceTags"] == {
        "managed-by": "pulumi",
        "cost-center": "42",
        "stack": "batch-ffmpeg-runner/dev",
    }


def test_batchs_own_nodes_take_no_tags() -> None:
    assert "resourceTags" not in pool(deploy(poolAllocationMode="BatchService"))


@pytest.mark.parametrize(
    "configuration",
    [
        {"vmSize": "Standard_D8ads_v5"},
        {"image": "noble"},
        {"taskSlotsPerNode": "2"},
        {"osDiskSizeGb": "64"},
        {"poolGeneration": "2"},
        {"poolIdentity": "false"},
        {"monitorAgent": "true"},
        {"egress": "batchManagedPublicIp"},
        {"network": "none"},
        {"subnetCidr": "10.64.1.0/24"},
        {"tags": '{"cost-center": "42"}'},
    ],
)
def test_what_cannot_change_on_a_pool_is_another_pool(
    example: Deployed, configuration: dict[str, str]
) -> None:
    assert pool(deploy(**configuration))["poolName"] != pool(example)["poolName"]


@pytest.mark.parametrize(
    "configuration",
    [
        {"maxSpotNodes": "20"},
        {"autoscaleMinutes": "10"},
        {"scale": "fixed", "fixedSpotNodes": "1"},
        {"imageHasFfmpeg": "true"},
        {"nodeFfmpeg": "apt"},
        {"packageProxy": "http://proxy:3128"},
        {"alertEmail": "ops@example.com"},
        {"operatorBatchRole": "dataContributor"},
    ],
)
def test_scale_and_start_task_change_in_place(
    example: Deployed, configuration: dict[str, str]
) -> None:
    assert pool(deploy(**configuration))["poolName"] == pool(example)["poolName"]


def test_a_new_pool_is_there_before_the_old_one_goes(example: Deployed) -> None:
    request = example.one("batch:Pool").request
    assert request.deleteBeforeReplaceDefined
    assert not request.deleteBeforeReplace
    assert not request.replaceOnChanges, "with a name that stays, that would delete the new pool"


def test_the_monitor_agent_signs_in_as_the_pools_identity() -> None:
    deployed = deploy(monitorAgent="true")
    (extension,) = machine(deployed)["extensions"]
    signed_in = extension["settings"]["authentication"]["managedIdentity"]
    assert extension["type"] == "AzureMonitorLinuxAgent"
    assert signed_in["identifier-value"] == pool(deployed)["identity"]["userAssignedIdentities"][0]
