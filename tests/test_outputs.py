"""What the stack tells and what the runner reads are one set of names, with one meaning each."""

import json
from dataclasses import fields

from infra.outputs import SCHEMA, Outputs, PoolOutputs
from runner.azure.deployment import OUTPUTS_SCHEMA, Deployment
from runner.azure.pools import Pool
from tests.infra.mocked import deploy

POOLS = [{"name": "sound"}, {"name": "film", "vmSize": "Standard_D16ads_v5", "default": True}]


def names(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}


def test_the_runner_reads_exactly_what_the_stack_exports() -> None:
    # one is for runners that cannot read the rest, the other the user's choice
    assert names(Outputs) - {"needs_runner"} == names(Deployment) - {"chosen"}
    assert names(PoolOutputs) == names(Pool)
    assert SCHEMA == OUTPUTS_SCHEMA


def test_the_outputs_of_the_example_are_a_deployment() -> None:
    outputs = deploy().outputs
    assert Deployment.from_outputs(outputs, "the example").pool.task_slots == 4
    assert set(outputs) == names(Outputs)
    assert set(outputs["pools"][0]) == names(PoolOutputs)


def test_the_outputs_of_two_pools_are_a_choice_between_them() -> None:
    deployment = Deployment.from_outputs(deploy(pools=json.dumps(POOLS)).outputs, "two")
    assert (deployment.pool.name, deployment.pool.task_slots) == ("film", 16)
    assert deployment.on("sound").pool.task_slots == 4
