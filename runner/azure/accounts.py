"""The storage accounts that addresses name, and the credential used for each: the only module that makes their clients."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TypeVar
from urllib.parse import urlsplit

from azure.core.credentials import AzureSasCredential, TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobServiceClient, ContainerClient

from runner.addresses import BlobAddress, readings
from runner.azure.clients import blob_client, sign_in
from runner.azure.deployment import Deployment
from runner.azure.errors import azure_errors, code_of, is_transient
from runner.errors import SetupError
from runner.formatting import printable

Answer = TypeVar("Answer")
_REFUSED = (401, 403)
_STORAGE = "https://storage.azure.com/.default"
_PUBLIC_ACCESS_IS_OFF = "PublicAccessNotPermitted"


class Access(Enum):
    """The credential that is used for a container."""

    SIGN_IN = "sign-in"
    SIGNATURE = "signature"
    """A SAS that came with the address."""
    PUBLIC = "public"
    """As anybody: the container is open to all."""


@dataclass(eq=False)
class Accounts:
    """Clients for addresses; safe for several threads.

    The sign-in is `DefaultAzureCredential`, for the stack's account as for others; a container that
    refuses it is asked once more as anybody.
    """

    deployment: Deployment | None = None
    """The stack that is used, if one is."""
    signatures: dict[BlobAddress, str] = field(default_factory=dict)
    """The signatures (SAS) that came with addresses, by what they were given for."""
    storage: BlobServiceClient | None = None
    """The client of the stack's account, where there is one already."""
    _clients: dict[tuple[str, Access, str], BlobServiceClient] = field(default_factory=dict)
    _known: dict[tuple[str, str], Access] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @cached_property
    def _credential(self) -> TokenCredential:
        return sign_in()

    def resolve(self, text: str) -> BlobAddress:
        """Return the address that *text* means, with its account.

        `az://X/Y/…` means the container X of the stack's account if there is one, else the container Y of
        the account X.

        Raises:
            UsageError: It can mean nothing.
            SetupError: It can mean either, and none may be read.
            RunnerError: Storage cannot be reached.
        """
        found = readings(text, self.deployment.blob_endpoint if self.deployment else "")
        if len(found) == 1 or self._has_container(found[0]):
            return found[0]
        own, other = found
        if self._may_read(other):
            return other
        raise SetupError(
            f"{printable(text)}: there is neither a container {own.container} in the stack's account "
            f"{own.account} nor a container {other.container} in an account {other.account} that you may read; "
            f"write https://ACCOUNT.blob.core.windows.net/CONTAINER/… to say which one you mean"
        )

    def container(self, address: BlobAddress, access: Access | None = None) -> ContainerClient:
        """A client of the container of *address*; as whom it was last let in, without *access*."""
        access = access or self.access(address)
        return self._service(address, access).get_container_client(address.container)

    def service(self, address: BlobAddress) -> BlobServiceClient:
        """A client of the account of *address*, as this sign-in."""
        return self._service(address, Access.SIGN_IN)

    def token(self) -> str:
        """A token of this sign-in for storage.

        Raises:
            RunnerError: There is none to be had.
        """
        with azure_errors("signing in to storage", "storage"):
            return self._credential.get_token(_STORAGE).token

    def access(self, address: BlobAddress) -> Access:
        """As whom the container of *address* is asked, as far as it is known."""
        return self._candidates(address)[0]

    def signature(self, address: BlobAddress) -> str:
        """Return the signature (SAS) given for *address* or for its container; empty if there is none."""
        given = [
            signed
            for signed in self.signatures
            if (signed.endpoint, signed.container) == (address.endpoint, address.container)
            and address.name.startswith(_fixed_part(signed.name))
        ]
        return self.signatures[max(given, key=lambda one: len(one.name))] if given else ""

    def ask(self, address: BlobAddress, call: Callable[[ContainerClient], Answer]) -> Answer:
        """Return the answer of *call* for the container of *address*, with the first credential that is accepted.

        Raises:
            AzureError: Nobody is, or something else is wrong: as the first who asked was told.
        """
        first: AzureError | None = None
        for access in self._candidates(address):
            try:
                answer = call(self.container(address, access))
            except AzureError as error:
                if not _is_refusal(error):
                    # but who reaches nobody is not told to sign in
                    is_first = first and access is Access.PUBLIC and not is_transient(error)
                    raise first if first and is_first else error from None
                first = first or error
            else:
                if access is not Access.SIGNATURE:  # that is good for a part of it
                    self._known[address.endpoint, address.container] = access
                return answer
        assert first is not None
        raise first

    def _candidates(self, address: BlobAddress) -> tuple[Access, ...]:
        """As whom to ask, one after the other."""
        if self.signature(address):
            return (Access.SIGNATURE,)
        known = self._known.get((address.endpoint, address.container))
        return (known,) if known else (Access.SIGN_IN, Access.PUBLIC)

    def _service(self, address: BlobAddress, access: Access) -> BlobServiceClient:
        signature = self.signature(address) if access is Access.SIGNATURE else ""
        key = (address.endpoint, access, signature)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._open(address.endpoint, access, signature)
            return self._clients[key]

    def _open(self, endpoint: str, access: Access, signature: str) -> BlobServiceClient:
        is_own = self.deployment is not None and endpoint == self.deployment.blob_endpoint
        if access is Access.SIGN_IN and is_own and self.storage is not None:
            return self.storage
        if access is Access.SIGNATURE:
            return blob_client(endpoint, AzureSasCredential(signature))
        return blob_client(endpoint, self._credential if access is Access.SIGN_IN else None)

    def _has_container(self, address: BlobAddress) -> bool:
        """Return whether the container exists, as far as this sign-in can tell.

        Who has roles on single containers only is refused what is not there, too.
        """
        client = self.container(address, Access.SIGN_IN)
        with azure_errors(f"looking for the container {address.container}", "storage"):
            try:
                client.get_container_properties()
            except ResourceNotFoundError:
                return False
            except HttpResponseError as error:
                if error.status_code == 403:
                    return False
                raise
            return True

    def _may_read(self, address: BlobAddress) -> bool:
        """Return whether any of our credentials may list this container, which may not exist."""
        if not _is_account(address.endpoint):
            return False

        def list_one(container: ContainerClient) -> None:
            next(container.list_blobs(results_per_page=1).by_page(), None)

        with azure_errors(f"looking for the container {address.container}", "storage"):
            try:
                self.ask(address, list_one)
            except AzureError as error:
                if _is_refusal(error) or isinstance(error, ResourceNotFoundError):
                    return False
                raise
            return True


def _fixed_part(name: str) -> str:
    """Return the prefix of all blob names that *name* stands for; it may be a pattern."""
    return name.partition("*")[0]


def _is_refusal(error: AzureError) -> bool:
    """Return whether another credential might be accepted."""
    if isinstance(error, ClientAuthenticationError):
        return True  # also where nobody is signed in at all
    status = getattr(error, "status_code", None)
    return status in _REFUSED or code_of(error) == _PUBLIC_ACCESS_IS_OFF


def _is_account(endpoint: str) -> bool:
    """Return whether an account has this name: DNS resolves it only then."""
    try:
        socket.getaddrinfo(urlsplit(endpoint).hostname, None)
    except OSError:
        return False
    return True
