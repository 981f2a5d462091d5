"""Azure's side of a deployment: what it makes, changes and deletes."""

from typing import Any

from tests.infra.provider import hooks, private_link
from tests.infra.provider.kinds import KINDS, SUBSCRIPTION, Inputs, answer, outputs_of
from tests.infra.provider.names import leaf
from tests.infra.provider.rules import (
    ON_CREATE,
    ON_UPDATE,
    ArmError,
    check_changes,
    check_parents,
    check_references,
    check_use,
    under,
)
from tests.infra.provider.store import Store, World

BLOB_SETTINGS = "azure-native:storage:BlobServiceProperties"


class Azure:
    """Azure Resource Manager, over a world in a file."""

    def __init__(self, store: Store, subscription: str = SUBSCRIPTION) -> None:
        self.store = store
        self.subscription = subscription

    def create(self, token: str, inputs: Inputs) -> tuple[str, dict[str, Any]]:
        """Make a resource; one that is there already is the provider's error, not Azure's."""
        arm_id = KINDS[token].arm_id(inputs, self.subscription)
        with self.store.open() as world:
            fail_as_asked(world, token, "create")
            if world.get(arm_id):
                raise ArmError(409, "ResourceExists", f"cannot create already existing {arm_id}")
            check_parents(world, token, arm_id)
            check_references(world, arm_id, inputs)
            for check in (*ON_CREATE.get(token, ()), *private_link.ON_CREATE.get(token, ())):
                check(world, arm_id, inputs)
            note(world, "create", token, arm_id)
            world.resources[arm_id.lower()] = {"token": token, "id": arm_id, "inputs": dict(inputs)}
            outputs = outputs_of(token, arm_id, inputs)
            hooks.made(world, token, arm_id, outputs)
        return arm_id, outputs

    def update(self, token: str, arm_id: str, inputs: Inputs) -> dict[str, Any]:
        """Change a resource, with a PUT of all of it."""
        with self.store.open() as world:
            fail_as_asked(world, token, "update")
            found = self.existing(world, arm_id)
            check_changes(token, found["inputs"], inputs)
            check_references(world, arm_id, inputs)
            for check in (*ON_UPDATE.get(token, ()), *private_link.ON_UPDATE.get(token, ())):
                check(world, arm_id, inputs)
            note(world, "update", token, arm_id)
            found["inputs"] = dict(inputs)
            outputs = outputs_of(token, arm_id, inputs)
            hooks.made(world, token, arm_id, outputs)
        return outputs

    def delete(self, token: str, arm_id: str) -> None:
        """Delete a resource and all under it."""
        with self.store.open() as world:
            fail_as_asked(world, token, "delete")
            if world.get(arm_id) is None:
                return
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
