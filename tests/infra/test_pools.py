"""Several pools from one configuration: each its own, the rest the stack's."""

import json
from typing import Any

import pytest

from infra.pools import quota_words, wanted_vcpus
from tests.infra.engine import Deployment
from tests.infra.mocked import Deployed, Registered, deploy
from tests.infra.test_settings import refusal, settings

SOUND = {"name": "sound", "purpose": "talks and music", "maxSpotNodes": 4}
FILM = {"name": "film", "vmSize": "Standard_F16s_v2", "image": "noble", "maxDedicatedNodes": 2}


def listed(*pools: dict[str, Any]) -> str:
    """Return *pools* as Pulumi hands them over."""
    return json.dumps(pools)


@pytest.fixture(scope="module")
def two() -> Deployed:
    return deploy(pools=listed(SOUND, FILM), taskSlotsPerNode="2")


def pool(deployed: Deployed, name: str) -> Registered:
    return deployed.one("batch:Pool", f"pool-{name}")


def test_each_has_what_it_says_and_the_rest_from_the_stack(two: Deployed) -> None:
    sound, film = pool(two, "sound").inputs, pool(two, "film").inputs
    assert (sound["vmSize"], film["vmSize"]) == ("Standard_D4ads_v5", "Standard_F16s_v2")
    assert (sound["taskSlotsPerNode"], film["taskSlotsPerNode"]) == (2, 2)
    agents = [
        each["deploymentConfiguration"]["virtualMachineConfiguration"]["nodeAgentSkuId"]
        for each in (sound, film)
    ]
    assert agents == ["batch.node.ubuntu 22.04", "batch.node.ubuntu 24.04"]
    assert sound["identity"] == film["identity"]


def test_each_scales_by_a_formula_of_its_own(two: Deployed) -> None:
    formulas = [
        pool(two, name).inputs["scaleSettings"]["autoScale"]["formula"]
        for name in ("sound", "film")
    ]
    assert "maxSpot = 4;\nmaxDedicated = 0;" in formulas[0]
    assert "maxSpot = 10;\nmaxDedicated = 2;" in formulas[1]


def test_each_has_a_start_task_of_its_own() -> None:
    arm = {
        "name": "arm",
        "vmSize": "Standard_D4pds_v5",
        "image": "a:b:c",
        "nodeAgentSkuId": "batch.node.ubuntu 24.04-arm64",
    }
    deployed = deploy(pools=listed(SOUND, arm))
    tasks = [pool(deployed, name).inputs["startTask"] for name in ("sound", "arm")]
    assert tasks[0]["commandLine"] == tasks[1]["commandLine"]
    assert tasks[0]["environmentSettings"] != tasks[1]["environmentSettings"]
    binaries = [each["node_ffmpeg"] for each in deployed.outputs["pools"]]
    assert binaries[0] != binaries[1], "another architecture, another ffmpeg"


def test_they_are_told_apart_by_their_names_alone() -> None:
    deployed = deploy(pools=listed({"name": "a"}, {"name": "b"}))
    # resources are registered side by side, in any order
    names = sorted(each.inputs["poolName"] for each in deployed.all("batch:Pool"))
    assert [name.rpartition("-")[0] for name in names] == ["ffmpeg-a", "ffmpeg-b"]
    assert names[0].rpartition("-")[2] == names[1].rpartition("-")[2]


def test_the_outputs_say_which_is_which(two: Deployed) -> None:
    said = [
        (each["name"], each["purpose"], each["default"], each["max_nodes"])
        for each in two.outputs["pools"]
    ]
    assert said == [("sound", "talks and music", True, 4), ("film", "", False, 12)]
    ids = [each["id"] for each in two.outputs["pools"]]
    assert ids == [pool(two, name).inputs["poolName"] for name in ("sound", "film")]


def test_the_default_can_be_marked() -> None:
    deployed = deploy(pools=listed(SOUND, {**FILM, "default": True}))
    assert [each["default"] for each in deployed.outputs["pools"]] == [False, True]


def test_one_pool_in_the_list_has_a_name_too() -> None:
    (only,) = deploy(pools=listed(SOUND)).outputs["pools"]
    assert (only["name"], only["default"]) == ("sound", True)


def test_an_empty_list_is_the_one_pool_of_the_stack(example: Deployed) -> None:
    assert deploy(pools="[]").outputs == example.outputs


def test_what_belongs_to_an_image_or_a_scale_is_not_taken_from_the_stack() -> None:
    own_image = {"image": "a:b:c", "nodeAgentSkuId": "batch.node.ubuntu 22.04"}
    fixed = {"scale": "fixed", "fixedDedicatedNodes": "3"}
    noble_auto = {"name": "other", "image": "noble", "scale": "auto"}
    deployed = deploy(pools=listed({"name": "like-it"}, noble_auto), **own_image, **fixed)
    like_it, other = (pool(deployed, name).inputs["scaleSettings"] for name in ("like-it", "other"))
    assert like_it["fixedScale"]["targetDedicatedNodes"] == 3
    assert "maxSpot = 10;" in other["autoScale"]["formula"]


def test_numbers_and_truths_may_be_written_as_text() -> None:
    (pool,) = settings(pools=listed({**SOUND, "maxSpotNodes": "4", "default": "true"})).pools
    assert (pool.own["max_spot_nodes"], pool.default) == (4, True)


def test_quotas_are_summed_over_all_pools() -> None:
    three = settings(
        pools=listed(SOUND, FILM, {"name": "more", "maxSpotNodes": 1, "maxDedicatedNodes": 1})
    )
    assert wanted_vcpus(three) == {
        "lowPriorityCores": 4 * 4 + 10 * 16 + 1 * 4,
        "standardFSv2Family": 32,
        "standardDADSv5Family": 4,
    }
    (words,) = quota_words(three)
    assert words == (
        "at full size, the 3 pools together need these vCPUs: 180 of lowPriorityCores, "
        "4 of standardDADSv5Family, 32 of standardFSv2Family; "
        "what there is: `az vm list-usage -l westeurope -o table`"
    )
    assert list(quota_words(settings())) == [], "of one pool the documentation tells"


@pytest.mark.parametrize(
    ("pools", "line"),
    [
        ("sound,film", 'pools: "sound,film": must be a list of pools: `pulumi config set --path '),
        ('["sound"]', "must be a list of pools"),
        (listed({}), 'pools[0].name: "": must be 1-20 lower-case letters, digits and hyphens'),
        (listed({"name": "Big"}), 'pools[0].name: "Big": must be 1-20 lower-case letters'),
        (listed({"name": "9"}), 'pools[0].name: "9": must be 1-20 lower-case letters'),
        (listed({"name": "n" * 21}), "must be 1-20 lower-case letters"),
        (listed(SOUND, FILM, SOUND), 'pools[2].name: "sound": is also the name of another pool'),
        (
            listed({**SOUND, "default": True}, {**FILM, "default": True}),
            "pools[1].default: true: pools[0] is also the default; only one can be",
        ),
        (
            listed({**SOUND, "vmsize": "x"}),
            'pools[0].vmsize: "x": no such setting of a pool; did you mean vmSize?',
        ),
        (listed({**SOUND, "location": "x"}), "no such setting of a pool"),
        (
            listed(SOUND, {**FILM, "maxSpotNodes": "many"}),
            'pools[1].maxSpotNodes: "many": must be a whole number',
        ),
        (listed({**SOUND, "maxSpotNodes": [1]}), "pools[0].maxSpotNodes: [1]: must be a whole"),
        (listed({**SOUND, "default": "yes"}), 'pools[0].default: "yes": must be true or false'),
        (listed({**SOUND, "scale": "big"}), 'pools[0].scale: "big": must be one of auto, fixed'),
        (listed(SOUND, {**FILM, "vmSize": "big"}), 'pools[1].vmSize: "big": must be a size such'),
        (
            listed(SOUND, {"name": "arm", "vmSize": "Standard_D4pds_v5"}),
            'pools[1].vmSize: "Standard_D4pds_v5": needs an arm64 image and agent, which jammy',
        ),
        (
            listed(SOUND, {**FILM, "taskSlotsPerNode": 65}),
            "pools[1].taskSlotsPerNode: 65: must be 1 to 64 on Standard_F16s_v2",
        ),
        (
            listed({**SOUND, "maxSpotNodes": 200}, {**FILM, "maxSpotNodes": 100}),
            "has room for 251 nodes (Azure reserves 5 addresses), but the pools may grow to 302",
        ),
    ],
)
def test_a_pool_that_cannot_be_is_refused_where_it_is_written(pools: str, line: str) -> None:
    assert line in refusal(pools=pools)


def test_what_all_pools_take_from_the_stack_is_refused_once() -> None:
    words = refusal(pools=listed({"name": "a"}, {"name": "b"}), vmSize="big")
    assert words.count('vmSize: "big": must be a size') == 1
    assert "pools[" not in words


def test_a_mirror_has_a_use_as_long_as_one_pool_installs_packages() -> None:
    mirror = {"packageMirror": "http://mirror.example.com/ubuntu"}
    apart = {"name": "b", "imageHasFfmpeg": True}
    settings(pools=listed({"name": "a"}, apart), **mirror)
    assert "has no effect" in refusal(pools=listed(apart), **mirror)


# --- with Pulumi's own engine ---------------------------------------------------------------------


def test_pools_come_change_and_go_each_by_itself(deployment: Deployment) -> None:
    assert "at full size, the 2 pools together need these vCPUs" in deployment.up(
        pools=[SOUND, FILM]
    )
    assert deployment.journal() == [("create", "Pool"), ("create", "Pool"), ("delete", "Pool")]
    names = [each["id"] for each in deployment.outputs["pools"]]
    deployment.forget_journal()
    deployment.up(pools=[{**FILM, "maxSpotNodes": 5}])
    assert deployment.journal() == [("update", "Pool"), ("delete", "Pool")]
    (left,) = deployment.outputs["pools"]
    assert (left["id"], left["default"]) == (names[1], True)
