"""Put what the program registers under mocks in place of a deployment, where there is no engine."""

import json
from pathlib import Path

from tests.emulator import Emulator
from tests.emulator.front import Storage
from tests.infra.mocked import OPERATOR, Deployed
from tests.loop.estate import owner_of


def put_in_place(declared: Deployed, azure: Emulator, storage: Storage, folder: Path) -> Path:
    """Make in the emulators what *declared* declares; returns the file of its outputs."""
    outputs = declared.outputs
    for pool in declared.all("batch:Pool"):
        azure.put_pool(pool.inputs["poolName"], pool.inputs)
    identity = outputs["pool_identity_id"]
    with owner_of(storage) as owner:
        for container in declared.all("storage:BlobContainer"):
            owner.create_container(container.inputs["containerName"])
    for assignment in declared.all("authorization:RoleAssignment"):
        scope, role = assignment.inputs["scope"], assignment.inputs["roleDefinitionId"]
        if "/containers/" in scope and assignment.name.startswith("pool-"):
            azure.grant(identity, role.rsplit("/", 1)[-1], scope.rsplit("/", 1)[-1])
        if assignment.inputs["principalId"] == OPERATOR:
            azure.rights.assign(OPERATOR, role, scope)
    path = folder / "outputs.json"
    addresses = {
        "batch_endpoint": azure.endpoint,
        "blob_endpoint": storage.blob_endpoint,
        # in place of a name that is only Azure's to give: signatures are made for it
        "storage_account": storage.name,
    }
    path.write_text(json.dumps({**outputs, **addresses}))
    return path
