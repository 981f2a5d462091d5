"""Results that are blobs: their names, and what is known about them. Pure."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.addresses import BlobAddress
from runner.media.failures import ConversionError, Kind
from runner.media.target import OURS, check_name

if TYPE_CHECKING:
    from runner.media.made_from import MadeFrom

_LONGEST = 1024
"""Characters, as the service counts them."""
_MOST_PARTS = 254
# The service takes a \ for a /, and leaves out dots at the end of a part; what XML cannot say, no list of
# blobs has as it is; and a stray byte is no character.
_IMPOSSIBLE = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]|\.(?=/|\Z)")


@dataclass(frozen=True, slots=True)
class ResultBlob:
    """A blob that has a result's name."""

    etag: str
    size: int
    """Bytes."""
    mtime_ns: int
    md5: str
    """Its Content-MD5; empty if it has none."""
    made_from: "MadeFrom | None"
    """None if runner did not make it."""

    @property
    def is_as_made(self) -> bool:
        """Whether it is what runner stored: who writes over it may keep the metadata."""
        made = self.made_from
        return made is not None and (self.size, self.md5) == (made.size, made.md5)


def prefix_of(address: BlobAddress) -> str:
    """Return the prefix of all results at *address*, which is a folder or a whole container."""
    name = address.name.rstrip("/")
    return f"{name}/" if name else ""


def ours_in(address: BlobAddress) -> str:
    """Return the prefix of runner's own blobs at *address*."""
    return f"{prefix_of(address)}{OURS}/"


def result_blob(address: BlobAddress, target: str) -> BlobAddress:
    """Return the blob of the result *target* at *address*; %xx replaces what a blob's name cannot contain.

    Raises:
        ConversionError: It would be outside, among what is ours, or too long.
    """
    check_name(target)
    name = prefix_of(address) + _IMPOSSIBLE.sub(_encoded, target)
    if len(name.encode("utf-16-le")) > 2 * _LONGEST or name.count("/") >= _MOST_PARTS:
        message = "the result's name is too long for a blob; see --name"
        raise ConversionError(Kind.NAME, message)
    return address.named(name)


def shown_result(address: BlobAddress, target: str) -> str:
    """Return where the result *target* is, for people."""
    return str(address.named(prefix_of(address) + _IMPOSSIBLE.sub(_encoded, target)))


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape"))
