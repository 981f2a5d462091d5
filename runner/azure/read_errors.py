"""What it means when a blob cannot be read, and the one command that gives the right to."""

from azure.core.exceptions import AzureError, ClientAuthenticationError

from runner.addresses import BlobAddress
from runner.azure.accounts import Accounts
from runner.azure.deployment import Deployment
from runner.azure.errors import NoRoleError, code_of, translated
from runner.blob_selection import ARCHIVED, REHYDRATING
from runner.errors import RunnerError, SetupError, TransientError
from runner.media.blob_source import CHANGED, GONE
from runner.media.failures import ConversionError, Kind

_NO_RIGHT = "authorizationpermissionmismatch"
_OF_THE_BLOB = {
    "blobnotfound": (Kind.INPUT, GONE),
    "containernotfound": (Kind.INPUT, GONE),
    "resourcenotfound": (Kind.INPUT, GONE),
    "conditionnotmet": (Kind.INPUT, CHANGED),
    "blobarchived": (ARCHIVED.kind, ARCHIVED.message),
    "blobbeingrehydrated": (REHYDRATING.kind, REHYDRATING.message),
    "blobusescustomerspecifiedencryption": (
        Kind.INPUT,
        "encrypted with a key that only its owner has",
    ),
}


def scope_of(address: BlobAddress) -> str:
    """Return a shell expression for the ARM id of the container of *address*."""
    return (
        f'"$(az storage account show --name {address.account} --query id --output tsv)'
        f'/blobServices/default/containers/{address.container}"'
    )


def right_to_read(address: BlobAddress, deployment: Deployment | None) -> str:
    """Return the command that lets nodes and operators read the container of *address*; without a stack, the user."""
    scope = scope_of(address)
    if deployment is None:
        who = '"$(az ad signed-in-user show --query id --output tsv)"'
        role = '"Storage Blob Data Reader"'
        return f"az role assignment create --role {role} --assignee {who} --scope {scope}"
    if deployment.nodes_may_read(address.account, address.container):
        return "pulumi up"  # the stack has the right, and somebody took it away
    index = len(deployment.read_containers)
    return f"pulumi config set --path 'readContainers[{index}]' {scope} && pulumi up"


def refused(error: AzureError, doing: str, address: BlobAddress, accounts: Accounts) -> RunnerError:
    """Our error for *error*, which came while *doing* something with the container of *address*."""
    if accounts.signature(address) and getattr(error, "status_code", None) in (401, 403):
        advice = "is it complete and still valid, and does it allow reading and listing?"
        return SetupError(
            f"{doing}: the signature (SAS) of this address was not accepted; {advice}"
        )
    if code_of(error).lower() == _NO_RIGHT or _is_from_elsewhere(error):
        command = right_to_read(address, accounts.deployment)
        return NoRoleError(
            f"{doing}: you may not read the container {address.container} of {address.account} "
            f"({code_of(error)}); `{command}` gives it the right, which can take ten minutes to take effect"
        )
    return translated(error, doing, "storage")


def failure_of_blob(
    error: AzureError, address: BlobAddress, accounts: Accounts
) -> ConversionError | RunnerError:
    """Return what *error*, raised by the download of the blob at *address*, means for its conversion."""
    if known := _OF_THE_BLOB.get(code_of(error).lower()):
        return ConversionError(*known)
    status = getattr(error, "status_code", None)
    if status == 404:
        return ConversionError(Kind.INPUT, GONE)
    if status == 412:
        return ConversionError(Kind.INPUT, CHANGED)
    ours = refused(error, f"reading {address}", address, accounts)
    kind = Kind.TRANSIENT if isinstance(ours, TransientError) else Kind.ENVIRONMENT
    return ConversionError(kind, str(ours).removesuffix("; run the same command again to continue"))


def _is_from_elsewhere(error: AzureError) -> bool:
    """Return whether the account belongs to another tenant, which does not know this sign-in."""
    return isinstance(error, ClientAuthenticationError) and (
        code_of(error).lower() == "invalidauthenticationinfo"
    )
