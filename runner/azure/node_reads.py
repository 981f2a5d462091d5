"""How nodes read sources that are already in storage: their addresses, and with which credential."""

import threading
from collections.abc import Iterable
from enum import Enum

from azure.storage.blob import BlobSasPermissions, generate_blob_sas

from runner.addresses import BlobAddress
from runner.azure.accounts import Access, Accounts
from runner.azure.deployment import Deployment
from runner.azure.errors import NoRoleError
from runner.azure.listing import Listing
from runner.azure.names import NodeUrl
from runner.azure.read_errors import right_to_read
from runner.azure.signing import DelegationKeys, Lifetimes
from runner.blob_selection import BlobFacts
from runner.errors import SetupError
from runner.media.blob_source import CHANGED, GONE
from runner.models import Conversion, Failure, Kind, Source


class NodeCredential(Enum):
    """The credential with which nodes read the blobs of a container."""

    IDENTITY = "identity"
    """The pool's, to which the stack has given the right."""
    GIVEN = "given"
    """By the signature (SAS) that came with the address."""
    SIGNED = "signed"
    """By signatures that this sign-in makes."""
    PUBLIC = "public"


class NodeReads:
    """Makes the addresses of sources in storage for the tasks of a run; safe for several threads."""

    def __init__(self, accounts: Accounts, deployment: Deployment, lifetimes: Lifetimes) -> None:
        self.accounts = accounts
        self._deployment = deployment
        self._lifetimes = lifetimes
        self._lock = threading.Lock()
        self._keys: dict[str, DelegationKeys] = {}

    def check(self, conversions: Iterable[Conversion]) -> None:
        """See that nodes can read all of these sources, before anything is submitted.

        Raises:
            SetupError: They cannot; the message has the command that gives them the right.
        """
        blobs = (c.source for c in conversions if c.source.is_blob)
        addresses = {self.address(source).named("") for source in blobs}
        for address in sorted(addresses, key=str):
            self._check(address)

    def address(self, source: Source) -> BlobAddress:
        """Return the address of *source*."""
        return BlobAddress.from_text(source.path, self._deployment.blob_endpoint)

    def credential(self, address: BlobAddress) -> NodeCredential:
        """As whom nodes read the blob at *address*."""
        match self.accounts.access(address):
            case Access.SIGNATURE:
                return NodeCredential.GIVEN
            case Access.PUBLIC:
                return NodeCredential.PUBLIC
        is_given = self._deployment.nodes_may_read(address.account, address.container)
        return NodeCredential.IDENTITY if is_given else NodeCredential.SIGNED

    def url(self, source: Source) -> NodeUrl:
        """Return what a task needs to read *source*.

        Raises:
            RunnerError: Storage cannot be reached, or does not let us sign.
        """
        address = self.address(source)
        match self.credential(address):
            case NodeCredential.GIVEN:
                return NodeUrl(address.url, self.accounts.signature(address))
            case NodeCredential.SIGNED:
                return NodeUrl(address.url, self._signature(address))
            case way:
                return NodeUrl(address.url, by_identity=way is NodeCredential.IDENTITY)

    def fault(self, source: Source) -> Failure | None:
        """Return what is wrong with *source* now: it is gone, or another version than planned.

        Raises:
            RunnerError: Storage cannot be reached, or does not let us.
        """
        (facts,) = Listing(self.accounts).look_up([self.address(source)])
        return fault_of(source, facts)

    def refusal(self, source: Source) -> Failure:
        """Return what it means that a node was refused access to *source*."""
        address = self.address(source)
        place = f"the container {address.container} of {address.account}"
        match self.credential(address):
            case NodeCredential.GIVEN:
                advice = "is it still valid? Run the command again with a new one"
                message = f"the signature (SAS) of its address was refused: {advice}"
            case NodeCredential.SIGNED:
                return Failure(Kind.TRANSIENT, "the signed URL of the task was refused: it expired")
            case NodeCredential.PUBLIC:
                message = f"{place} is no longer public"
            case NodeCredential.IDENTITY:
                command = right_to_read(address, self._deployment)
                message = f"the nodes may not read {place}: `{command}` assigns the role"
        return Failure(Kind.ENVIRONMENT, message)

    def _check(self, address: BlobAddress) -> None:
        if self.credential(address) is not NodeCredential.SIGNED:
            return
        try:
            self._keys_of(address).terms(self._lifetimes.read)
        except NoRoleError as error:
            command = right_to_read(address, self._deployment)
            raise SetupError(
                f"the nodes may not read the container {address.container} of {address.account}, and "
                f"you may not sign addresses there: `{command}` assigns the role"
            ) from error

    def _signature(self, address: BlobAddress) -> str:
        return generate_blob_sas(
            address.account,
            address.container,
            address.name,
            permission=BlobSasPermissions(read=True),
            **self._keys_of(address).terms(self._lifetimes.read),
        )

    def _keys_of(self, address: BlobAddress) -> DelegationKeys:
        with self._lock:
            if address.endpoint not in self._keys:
                client = self.accounts.service(address)
                self._keys[address.endpoint] = DelegationKeys(client, self._lifetimes)
            return self._keys[address.endpoint]


def fault_of(source: Source, facts: BlobFacts | None) -> Failure | None:
    """Return what is wrong with the source, judging by *facts* about the blob as it is now."""
    if facts is None:
        return Failure(Kind.INPUT, GONE)
    if facts.etag != source.etag:
        return Failure(Kind.INPUT, CHANGED)
    return facts.fault
