"""What the stack tells and what the runner reads are one set of names, with one meaning each."""

from dataclasses import fields

from infra.outputs import SCHEMA, Outputs
from runner.azure.stack import OUTPUTS_SCHEMA, Deployment
from tests.infra.mocked import deploy


def test_the_runner_reads_exactly_what_the_stack_exports() -> None:
    assert {f.name for f in fields(Deployment)} == {f.name for f in fields(Outputs)}
    assert SCHEMA == OUTPUTS_SCHEMA


def test_the_outputs_of_the_example_are_a_deployment() -> None:
    outputs = deploy().outputs
    deployment = Deployment.from_outputs(outputs, "the example")
    assert deployment.pool_task_slots == 4
    assert set(outputs) == {f.name for f in fields(Deployment)}
