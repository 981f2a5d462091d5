"""Addresses of blobs in Azure storage: `az://…` and `https://…`, read and written. Pure.

A name in `az://` is as it is; in `https://` it is encoded as in any URL. What a signature (SAS) allows is
never part of an address: `signature_of` takes it out.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, quote, unquote, urlsplit

from runner.errors import UsageError
from runner.formatting import printable
from runner.media.paths import AZURE

PUBLIC_CLOUD = "blob.core.windows.net"
SIGNATURE = "SIGNATURE"
"""What stands for a signature (SAS) where an address is shown that had one."""
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"\$(?:root|web|logs)|(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")
# No others: whoever signs in there shows a token that is good for all of the user's storage.
_HOST = re.compile(
    r"[a-z0-9]{3,24}(?:-secondary)?\.(?:(?:blob|dfs)\.core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)"
    r"|z\d{1,2}\.(?:blob|dfs)\.storage\.azure\.net)"
)
_FORMS = "az://CONTAINER/…, az://ACCOUNT/CONTAINER/… or https://ACCOUNT.blob.core.windows.net/CONTAINER/…"


@dataclass(frozen=True, slots=True)
class BlobAddress:
    """A blob, or all whose names begin alike, in a container of a storage account."""

    endpoint: str
    """The account's, without a slash at its end; empty for the account of the stack that is used."""
    container: str
    name: str = ""
    """Of the blob, or how the names begin that are meant; as it is, without encoding."""

    def __str__(self) -> str:
        """Return its canonical text, which `from_text` reads."""
        account = _account_in_public_cloud(self.endpoint)
        if self.endpoint and account is None:
            return self.url
        place = f"{account}/{self.container}" if account else self.container
        return f"{AZURE}{place}/{self.name}"

    @property
    def url(self) -> str:
        """As HTTP has it; the account must be known."""
        name = f"/{quote(self.name, safe='/~')}" if self.name else ""
        return f"{self.endpoint}/{self.container}{name}"

    @property
    def account(self) -> str:
        """The account's name; empty for that of the stack."""
        parts = urlsplit(self.endpoint)
        return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]

    def named(self, name: str) -> "BlobAddress":
        """Return the address of blob *name* in the same container."""
        return replace(self, name=name)

    @classmethod
    def from_text(cls, text: str, stack_endpoint: str = "") -> "BlobAddress":
        """Read what `str` wrote of an address whose account was known.

        *stack_endpoint* is that of a stack which is trusted, also in a cloud that is not known here.

        Raises:
            UsageError: It is none.
        """
        if not text.startswith(AZURE):
            return _from_url(text, stack_endpoint)
        account, _, rest = text.removeprefix(AZURE).partition("/")
        container, _, name = rest.partition("/")
        if not (_ACCOUNT.fullmatch(account) and _CONTAINER.fullmatch(container)):
            raise _refused(text)
        return cls(f"https://{account}.{PUBLIC_CLOUD}", container, name)


def readings(text: str, stack_endpoint: str = "") -> tuple[BlobAddress, ...]:
    """Return what *text* may mean, most likely first: in `az://X/Y/…`, X is a container, or else an account.

    *stack_endpoint* is that of the account of the stack that is used; without a stack, what would be in
    its account is none of the readings.

    Raises:
        UsageError: It can mean nothing.
    """
    if not text.startswith(AZURE):
        return (_from_url(without_signature(text), stack_endpoint),)
    if text.encode("utf-8", "replace").decode() != text:  # stray bytes, which no blob's name has
        raise _refused(text)
    first, _, rest = text.removeprefix(AZURE).partition("/")
    second, _, name = rest.partition("/")
    found = []
    if stack_endpoint and _CONTAINER.fullmatch(first):
        found.append(BlobAddress(stack_endpoint, first, rest))
    if _ACCOUNT.fullmatch(first) and _CONTAINER.fullmatch(second):
        found.append(BlobAddress(endpoint_of(first, stack_endpoint), second, name))
    if found:
        return tuple(found)
    if _CONTAINER.fullmatch(first):
        raise UsageError(
            f"{printable(text)}: no stack is selected, so the account of container {first} is not known; "
            f"choose a stack with --stack or --outputs, or write az://ACCOUNT/{first}/…"
        )
    raise _refused(text)


def endpoint_of(account: str, stack_endpoint: str = "") -> str:
    """Return the blob endpoint of *account*, in the same cloud as *stack_endpoint*."""
    parts = urlsplit(stack_endpoint)
    if parts.path.strip("/"):  # Azurite's: accounts are folders
        return f"{parts.scheme}://{parts.netloc}/{account}"
    _, _, suffix = (parts.hostname or "").partition(".")
    # zones differ between the accounts of a subscription
    in_zone = re.match(r"z\d+\.", suffix)
    return f"https://{account}.{suffix if suffix and not in_zone else PUBLIC_CLOUD}"


def signature_of(text: str) -> str:
    """Return the signature (SAS) in the address *text*; empty if it has none."""
    _, _, query = text.partition("?")
    return query if text.startswith(("https://", "http://")) and "sig=" in query else ""


def signatures_of(texts: Iterable[str]) -> dict[BlobAddress, str]:
    """Return the signatures (SAS) of the addresses in *texts*, by the address that each was given for.

    Raises:
        UsageError: One is in what is no address.
    """
    return {readings(text)[0]: signature for text in texts if (signature := signature_of(text))}


def without_signature(text: str) -> str:
    """*text*, if it is an address, without its signature; any other as it is."""
    return text.partition("?")[0] if signature_of(text) else text


def _from_url(text: str, stack_endpoint: str = "") -> BlobAddress:
    parts = urlsplit(text)
    if parts.query or parts.fragment or "?" in text:
        raise UsageError(
            f"{printable(text.partition('?')[0])}: only a signature (SAS) may follow `?` in an address; a blob's "
            "own ? and # are written %3F and %23"
        )
    endpoint, path = _endpoint_in(text, parts, stack_endpoint)
    container, _, name = path.partition("/")
    if not _CONTAINER.fullmatch(container):
        raise _refused(text)
    try:
        return BlobAddress(endpoint, container, unquote(name, errors="strict"))
    except UnicodeDecodeError as error:
        raise _refused(text) from error


def _endpoint_in(text: str, parts: SplitResult, stack_endpoint: str) -> tuple[str, str]:
    """Return the endpoint in *text*, and the rest of its path."""
    if stack_endpoint and text.startswith(f"{stack_endpoint}/"):
        return stack_endpoint, text[len(stack_endpoint) + 1 :]
    path = parts.path.removeprefix("/")
    if _is_this_machine(parts.hostname or ""):  # Azurite's
        account, _, rest = path.partition("/")
        return f"{parts.scheme}://{parts.netloc}/{account}", rest
    if parts.scheme == "https" and _HOST.fullmatch(parts.netloc):
        return f"https://{parts.netloc.replace('.dfs.', '.blob.', 1)}", path
    raise _refused(text)


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _account_in_public_cloud(endpoint: str) -> str | None:
    account = endpoint.removeprefix("https://").removesuffix(f".{PUBLIC_CLOUD}")
    return account if endpoint == f"https://{account}.{PUBLIC_CLOUD}" else None


def _refused(text: str) -> UsageError:
    return UsageError(
        f"{printable(text)} is not the address of a blob or container: write {_FORMS}, with 3 to 24 lower-case "
        "letters and digits for an account, and 3 to 63 (also dashes) for a container"
    )
