"""Azure's side of a deployment: what it makes, changes and deletes."""

import time
from typing import Any

from tests.infra.provider import hooks, private_link, schema
from tests.infra.provider.immutable import check_changes
from tests.infra.provider.kinds import KINDS, SUBSCRIPTION, Inputs, answer, outputs_of
from tests.infra.provider.limits import check_limits
from tests.infra.provider.names import leaf
from tests.infra.provider.refusals import ArmError
from tests.infra.provider.rules import (
    ON_CREATE,
    ON_UPDATE,
    ON_WRITE,
    check_parents,
    check_references,
    check_use,
    checks,
    under,
)
from tests.infra.provider.store import Store, World
from tests.infra.provider.subscription import check_busy, check_subscription

SECONDS = 0.02
"""What a creation takes: long enough for what the engine does beside it to come in between."""
BLOB_SETTINGS = "azure-native:storage:BlobServiceProperties"


class Azure:
    """Azure Resource Manager, over a world in a file.

    *seconds* is how long a creation or a change takes: what comes meanwhile may be refused for it.
    """

    def __init__(
        self, store: Store, seconds: float = 0.0, subscription: str = SUBSCRIPTION
    ) -> None:
        self.store = store
        self.seconds = seconds
        self.subscription = subscription

    def create(self, token: str, inputs: Inputs) -> tuple[str, dict[str, Any]]:
        """Make a resource; one that is there already is the provider's error, not Azure's."""
        arm_id = KINDS[token].arm_id(inputs, self.subscription)
        with self.store.open() as world:
            fail_as_asked(world, token, "create")
            if world.get(arm_id):
                raise ArmError(409, "ResourceExists", f"cannot create already existing {arm_id}")
            check_request(world, token, arm_id, inputs)
            for check in checks(token, (*ON_CREATE, *ON_WRITE, private_link.ON_CREATE)):
                check(world, arm_id, inputs)
            note(world, "create", token, arm_id)
            world.resources[arm_id.lower()] = {
                "token": token,
                "id": arm_id,
                "inputs": dict(inputs),
                "made": world.clock,
                "state": "Updating",
            }
        return arm_id, self.finish(token, arm_id)

    def update(self, token: str, arm_id: str, inputs: Inputs) -> dict[str, Any]:
        """Change a resource, with a PUT of all of it."""
        with self.store.open() as world:
            fail_as_asked(world, token, "update")
            found = self.existing(world, arm_id)
            check_request(world, token, arm_id, inputs)
            check_changes(token, found["inputs"], inputs)
            for check in checks(token, (*ON_UPDATE, *ON_WRITE, private_link.ON_UPDATE)):
                check(world, arm_id, inputs)
            note(world, "update", token, arm_id)
            found["inputs"] = dict(inputs)
            found["state"] = "Updating"
        return self.finish(token, arm_id)

    def finish(self, token: str, arm_id: str) -> dict[str, Any]:
        """Come to the end of a creation or a change."""
        time.sleep(self.seconds)
        with self.store.open() as world:
            found = self.existing(world, arm_id)
            found["state"] = "Succeeded"
            outputs = outputs_of(token, arm_id, found["inputs"])
            hooks.made(world, token, arm_id, outputs)
        return outputs

    def delete(self, token: str, arm_id: str) -> None:
        """Delete a resource and all under it."""
        with self.store.open() as world:
            fail_as_asked(world, token, "delete")
            if world.get(arm_id) is None:
                return
            check_busy(world, token, arm_id, {})
            check_use(world, token, arm_id)
            if token == private_link.ZONE:
                private_link.check_zone_use(world, arm_id)
            note(world, "delete", token, arm_id)
            for each in doomed(world, token, arm_id):
                gone = world.resources.pop(each)
                hooks.gone(world, gone["token"], gone["id"])
                if gone["token"] == "azure-native:keyvault:Vault":
                    world.deleted_vaults.append(leaf(gone["id"]).lower())

    def read(self, arm_id: str) -> dict[str, Any] | None:
        """Look at a resource: its inputs as they now are."""
        with self.store.open() as world:
            found = world.get(arm_id)
        return found and found["inputs"]

    def answer(self, token: str, arguments: Inputs) -> dict[str, Any]:
        """Answer a function of the provider."""
        return answer(token, arguments, self.subscription, self.store.look().get)

    def existing(self, world: World, arm_id: str) -> dict[str, Any]:
        """Return what is there."""
        found = world.get(arm_id)
        if found is None:
            raise ArmError(404, "ResourceNotFound", f"The Resource {arm_id} was not found.")
        return found


def check_request(world: World, token: str, arm_id: str, inputs: Inputs) -> None:
    """Refuse what is wrong whatever there is, then what does not go with what there is."""
    for where, reason in schema.faults(token, inputs):
        raise ArmError(400, "InvalidRequestContent", f"{where} {reason}")
    check_subscription(world, token, arm_id, inputs)
    check_parents(world, token, arm_id)
    check_references(world, arm_id, inputs)
    check_limits(token, leaf(arm_id), inputs)
    check_busy(world, token, arm_id, inputs)


def note(world: World, method: str, token: str, arm_id: str) -> None:
    """Write down what is being done."""
    world.journal.append([method, token.rsplit(":", maxsplit=1)[-1], leaf(arm_id)])


def doomed(world: World, token: str, arm_id: str) -> list[str]:
    """Return the keys of what goes when *arm_id* does: itself, and all in it."""
    if token == BLOB_SETTINGS:
        return [arm_id.lower()]  # its containers are only in it by their path
    return [key for key in world.resources if under(key, arm_id)]


def fail_as_asked(world: World, token: str, method: str) -> None:
    """Fail if a test has asked for it."""
    for fault in world.faults:
        if (fault["token"], fault["method"]) == (token, method) and fault["times"] > 0:
            fault["times"] -= 1
            raise ArmError(fault["status"], fault["code"], fault["message"])
