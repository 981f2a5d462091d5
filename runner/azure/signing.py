"""Addresses of containers that nodes can use: plain ones for an identity, else signed and renewed."""

import threading
from datetime import UTC, datetime, timedelta

from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from runner.azure.deployment import Deployment
from runner.azure.errors import azure_errors

# A user-delegation key lives for seven days at most, and so does what it signs.
SIGNED_FOR = timedelta(days=6, hours=12)
_CLOCKS_DIFFER = timedelta(minutes=15)
# A signature is frozen in its task's definition: each is to have most of its life before it.
_RENEWED_AFTER = 0.1


class Signer:
    """Makes the addresses of a deployment's containers; safe for several threads."""

    def __init__(
        self,
        client: BlobServiceClient,
        deployment: Deployment,
        signed_for: timedelta = SIGNED_FOR,
    ) -> None:
        self._client = client
        self._deployment = deployment
        self._signed_for = signed_for
        self._lock = threading.Lock()
        self._signed: dict[str, str] = {}
        self._old = datetime.min.replace(tzinfo=UTC)

    def __call__(self, container: str) -> str:
        """The address of *container*, with a signature where the nodes have no identity.

        Raises:
            RunnerError: Storage cannot be reached, or does not let us sign.
        """
        if self._deployment.pool_identity_id:
            return self._address(container)
        with self._lock:
            now = datetime.now(UTC)
            if now >= self._old:
                self._signed = self._sign(now)
                self._old = now + _RENEWED_AFTER * self._signed_for
            return self._signed[container]

    def _sign(self, now: datetime) -> dict[str, str]:
        start, expiry = now - _CLOCKS_DIFFER, now + self._signed_for
        with azure_errors("signing addresses for the nodes", "signing"):
            key = self._client.get_user_delegation_key(start, expiry)
        read = ContainerSasPermissions(read=True)
        places = (
            (self._deployment.input_container, read),
            (self._deployment.tools_container, read),
            (self._deployment.output_container, ContainerSasPermissions(write=True, create=True)),
        )
        return {
            container: self._address(container)
            + "?"
            + generate_container_sas(
                self._deployment.storage_account,
                container,
                user_delegation_key=key,
                permission=permission,
                start=start,
                expiry=expiry,
            )
            for container, permission in places
        }

    def _address(self, container: str) -> str:
        return f"{self._deployment.blob_endpoint}/{container}"
