"""Run the program under Pulumi's mocks, and keep what it registers."""

import asyncio
import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import grpc
import pulumi
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks

from infra.configuration import read
from tests.infra.provider import hooks, schema
from tests.infra.provider.kinds import BATCH_SERVICE, KINDS, SUBSCRIPTION, answer, outputs_of
from tests.infra.provider.server import plain

OPERATOR = "aaaaaaaa-0000-0000-0000-000000000002"
FILLED_IN = {
    "azure-native:location": "westeurope",
    "operatorPrincipalId": OPERATOR,
    "batchServicePrincipalObjectId": BATCH_SERVICE,
}
"""The configuration with which everything else may keep its default."""


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A resource as the engine is told of it."""

    token: str
    name: str
    inputs: dict[str, Any]
    request: Any
    """The protocol's own message, for the options."""
    id: str

    @property
    def dependencies(self) -> set[str]:
        """The logical names of what it waits for."""
        return {urn.rsplit("::", 1)[-1] for urn in self.request.dependencies}


class CallFailedError(grpc.RpcError):
    """A function's failure as the engine reports it."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return f"ResourceNotFound {self}"


class Answers(Mocks):
    """What Azure would answer; the same words as those of the engine's stand-in."""

    def __init__(self, existing: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self.existing = existing

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        # the mocks are not told by which provider, and so in which subscription, it is asked
        subscriptions = {each.split("/")[2] for each in self.existing} | {SUBSCRIPTION}
        found = {each.lower(): inputs for each, inputs in self.existing.items()}
        for subscription in sorted(subscriptions):
            with suppress(LookupError):
                answered = answer(
                    args.token, args.args, subscription, lambda arm_id: found.get(arm_id.lower())
                )
                return answered, []
        raise CallFailedError(str(args.args))

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if args.typ not in KINDS:
            return args.name, {}
        assert schema.faults(args.typ, args.inputs) == [], args.typ
        inputs = {KINDS[args.typ].name_input: f"{args.name}0a1b2c3d", **args.inputs}
        arm_id = KINDS[args.typ].arm_id(inputs)
        return arm_id, outputs_of(args.typ, arm_id, inputs)


class AtOnce(ThreadPoolExecutor):
    """Does what it is given in the thread that gives it, which saves the change to another."""

    def submit(self, work: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments, **named))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            done.set_exception(error)
        return done


class Recorder(MockMonitor):
    """Keeps every registration."""

    def __init__(self, existing: dict[str, dict[str, Any]]) -> None:
        super().__init__(Answers(existing))
        self.seen: list[Registered] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 -- the protocol's own name
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.custom:
            self.seen.append(
                Registered(
                    token=request.type.removeprefix("azure-native:"),
                    name=request.name,
                    inputs=plain(request.object),
                    request=request,
                    id=response.id,
                )
            )
        return response


@dataclass(frozen=True)
class Deployed:
    """What a run of the program came to."""

    resources: list[Registered]
    outputs: dict[str, Any]

    def all(self, token: str) -> list[Registered]:
        """Return the resources of a kind."""
        return [each for each in self.resources if each.token == token]

    def one(self, token: str, name: str | None = None) -> Registered:
        """Return the one resource of a kind, or of a kind and a logical name."""
        (found,) = [each for each in self.all(token) if name in {None, each.name}]
        return found

    def grants(self) -> Iterator[tuple[str, str, str]]:
        """List all roles that are given: to whom, which (the GUID), and at which scope."""
        for each in self.all("authorization:RoleAssignment"):
            given = each.inputs
            yield given["principalId"], given["roleDefinitionId"].rsplit("/", 1)[-1], given["scope"]


def deploy(**configuration: str) -> Deployed:
    """Run the program with the two wanted values filled in, and *configuration*."""
    return deploy_beside({}, **configuration)


def deploy_beside(
    existing: dict[str, dict[str, Any]], stack: str = "dev", **configuration: str
) -> Deployed:
    """Run the program where there is something before: its inputs by its ids."""
    configured = tuple(sorted({**FILLED_IN, **configuration}.items()))
    emulators = tuple((name, os.environ.get(name)) for name in sorted(hooks.VARIABLES))
    declared = _declared(json.dumps(existing), stack, configured, emulators)
    resources = [replace(each, inputs=deepcopy(each.inputs)) for each in declared.resources]
    return Deployed(resources, deepcopy(declared.outputs))


@cache
def _declared(
    existing: str,
    stack: str,
    configured: tuple[tuple[str, str], ...],
    emulators: tuple[tuple[str, str | None], ...],
) -> Deployed:
    """Run it once for all that ask the same; *emulators* are in its environment, and change its outputs."""
    from tests.infra.program import make_environment  # noqa: PLC0415 - it takes long to load

    settings = read(dict(configured), project="batch-ffmpeg-runner", stack=stack)
    recorder = Recorder({key: {"inputs": each} for key, each in json.loads(existing).items()})
    set_mocks(recorder.mocks, settings.project, settings.stack, preview=False, monitor=recorder)
    outputs: dict[str, Any] = {}

    def run() -> pulumi.Output[None]:
        # the mocks answer at once
        asyncio.get_running_loop().set_default_executor(AtOnce())
        made = make_environment(settings)
        return pulumi.Output.all(**vars(made)).apply(outputs.update)

    pulumi.runtime.test(run)()  # type: ignore[no-untyped-call]  # so it is
    return Deployed(recorder.seen, outputs)
