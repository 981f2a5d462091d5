"""Sign in to Azure, with Entra ID or with the shared key of a Batch account."""

import base64
import logging
import os
from typing import Any

from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential, TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.transport import HttpRequest, HttpResponse
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient, ExponentialRetry

from runner.azure.deployment import Deployment
from runner.azure.request_log import Transport
from runner.errors import SetupError

BATCH_KEY = "RUNNER_BATCH_KEY"
"""The environment variable with the Batch account's key."""
# Larger files are uploaded in blocks. Each parallel upload holds one block in memory, so blocks are
# smaller than the service allows; smaller ones would need more requests.
_SINGLE_PUT = 16 * 1024 * 1024
_BLOCK = 8 * 1024 * 1024


def sign_in() -> TokenCredential:
    """Return the credential of this machine: environment, managed identity, or `az login`."""
    # the identity library logs each method it tried; the error lists them all
    logging.getLogger("azure.identity").setLevel(logging.ERROR)
    return DefaultAzureCredential()


def batch_client(deployment: Deployment, credential: TokenCredential) -> BatchClient:
    """Return a client for the deployment's Batch account.

    Raises:
        SetupError: There is a key, but the account accepts none, or it is not a valid key.
    """
    key = os.environ.get(BATCH_KEY, "").strip()
    if key and deployment.pool_allocation_mode != "BatchService":
        raise SetupError(
            f"{BATCH_KEY} is set, but an account in user-subscription mode does not accept keys: unset it"
        )
    if key and not _is_base64(key):
        raise SetupError(f"{BATCH_KEY} is not a Batch account key: was it copied completely?")
    named = AzureNamedKeyCredential(deployment.batch_account, key) if key else None
    return BatchClient(
        deployment.batch_endpoint,
        named or credential,
        retry_total=6,
        retry_status=5,
        retry_backoff_factor=0.4,
        retry_backoff_max=30,
        transport=Transport(),
    )


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


class _Retry(ExponentialRetry):
    """The client's own policy, except that a sign-in that failed is not repeated, as with other services' clients.

    https://learn.microsoft.com/python/api/azure-core/azure.core.pipeline.policies.retrypolicy
    """

    def increment(
        self,
        settings: dict[str, Any],
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: AzureError | None = None,
    ) -> bool:
        if isinstance(error, ClientAuthenticationError):
            return False
        return super().increment(settings, request, response, error)


def blob_client(
    endpoint: str, credential: TokenCredential | AzureSasCredential | None
) -> BlobServiceClient:
    """A client of the storage account at *endpoint*, as whoever signs in, by a signature, or as anybody."""
    return BlobServiceClient(
        endpoint,
        credential,
        max_single_put_size=_SINGLE_PUT,
        max_block_size=_BLOCK,
        max_single_get_size=_BLOCK,
        max_chunk_get_size=_BLOCK,
        # about 1, 4, 10 and 28 s; the client's own first wait is 15 s, long for a hiccup
        retry_policy=_Retry(
            initial_backoff=1, increment_base=3, random_jitter_range=1, retry_total=4
        ),
        transport=Transport(
            connection_timeout=10, read_timeout=60
        ),  # the client's own are 20 and 60
    )
