"""How nodes write the results that stay in storage: as the pool's identity, or by signatures."""

from azure.storage.blob import BlobSasPermissions, generate_blob_sas

from runner.addresses import BlobAddress
from runner.azure.deployment import Deployment
from runner.azure.errors import NoRoleError
from runner.azure.read_errors import scope_of
from runner.azure.results import CloudResults
from runner.azure.signing import DelegationKeys, Lifetimes
from runner.errors import SetupError


class NodeWrites:
    """Makes what the tasks of a run need to store *results*; safe for several threads."""

    def __init__(self, results: CloudResults, deployment: Deployment, lifetimes: Lifetimes) -> None:
        self._address = results.address
        self._deployment = deployment
        self._lifetimes = lifetimes
        self._keys = DelegationKeys(results.service, lifetimes)

    def check(self) -> None:
        """See that nodes can write there, before anything is submitted.

        Raises:
            SetupError: They cannot; the message has the command that gives them the right.
        """
        if self._are_given:
            return
        try:
            self._keys.terms(self._lifetimes.write)
        except NoRoleError as error:
            address = self._address
            raise SetupError(
                f"the nodes may not write to the container {address.container} of {address.account}, and "
                f"you may not sign addresses there: `{self._command}` assigns the role"
            ) from error

    def signature(self, address: BlobAddress) -> str:
        """Return a signature with which a node may write and read the blob at *address*.

        Empty where the stack has given the right to the nodes' identity.

        Raises:
            RunnerError: Storage cannot be reached, or does not let us sign.
        """
        if self._are_given:
            return ""
        return generate_blob_sas(
            address.account,
            address.container,
            address.name,
            permission=BlobSasPermissions(read=True, create=True, write=True),
            **self._keys.terms(self._lifetimes.write),
        )

    @property
    def _are_given(self) -> bool:
        return self._deployment.nodes_may_write(self._address.account, self._address.container)

    @property
    def _command(self) -> str:
        index = len(self._deployment.write_containers)
        scope = scope_of(self._address)
        return f"pulumi config set --path 'writeContainers[{index}]' {scope} && pulumi up"
