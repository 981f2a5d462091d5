"""A result that stays in Blob storage: written under its final name once it is verified, or not at all."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from runner.media.blob_requests import Answer, BlobError, BlobRequests, Request
from runner.media.failures import ConversionError, Kind
from runner.media.made_from import MadeFrom
from runner.media.strict import read_as

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.media.work import ConversionResult

_BLOCK = 8 * 1024 * 1024
"""Bytes; the most held in memory, except for results of more than 400 GB."""
_MOST_BLOCKS = 50_000
_CHANGED = ("BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet")
_NO_RIGHT = (
    *("AuthorizationPermissionMismatch", "AuthorizationFailure", "AuthenticationFailed"),
    *(
        "AuthorizationServiceMismatch",
        "AuthorizationResourceTypeMismatch",
        "InsufficientAccountPermissions",
    ),
)


@dataclass(frozen=True, kw_only=True)
class BlobTarget:
    """Where a result is to stay, and on which condition; travels to the nodes as JSON."""

    address: str
    """Of the blob, percent-encoded, without a signature."""
    shown: str
    """The container, as it may be shown."""
    content_type: str
    made_from: MadeFrom
    replaces: str = ""
    """The ETag of the only blob that may be replaced; empty for none."""
    anything: bool = False
    """Whether any blob may be replaced."""

    def as_facts(self) -> dict[str, object]:
        """Return what `from_facts` reads, in JSON's types."""
        return asdict(self)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> BlobTarget:
        """Read what `as_facts` wrote."""
        return cls(**{**facts, "made_from": read_as(MadeFrom, facts["made_from"])})


@dataclass(frozen=True)
class TargetBlobClient:
    """The blob of one result, as *requests* may reach it."""

    target: BlobTarget
    requests: BlobRequests
    block_size: int = field(default=_BLOCK)

    def made(self) -> MadeFrom | None:
        """Return what an earlier attempt has already stored there; None if it has to be made.

        Asked before the work: what may not be replaced would else cost a whole conversion.

        Raises:
            ConversionError: Something is there that may not be replaced, or the place is unfit.
        """
        target = self.target
        answer = self._look()
        if answer is None:
            return None
        if (made := self._ours_in(answer)) is not None:
            return made
        if not (target.anything or _same(answer.headers.get("ETag") or "", target.replaces)):
            raise _changed(target)
        return None

    def put(self, path: str, made: MadeFrom, before_commit: Callable[[], None]) -> MadeFrom:
        """Store the file at *path*, which then is there as a whole; returns what is there.

        That is what an earlier try has stored whose answer was lost, where there is one.
        *before_commit* is called at the last moment, and may raise.

        Raises:
            ConversionError: It cannot be stored; what was there before is as it was.
            OSError: The file cannot be read.
        """
        try:
            with open(path, "rb") as file:
                self._put(file, os.fstat(file.fileno()).st_size, made, before_commit)
        except BlobError as error:
            if error.code in _CHANGED and (answer := self._look()) is not None:
                there = self._ours_in(answer)
                if there is not None:
                    return there
            raise self._failure(error) from None
        return made

    def _put(
        self, file: BinaryIO, size: int, made: MadeFrom, before_commit: Callable[[], None]
    ) -> None:
        target = self.target
        is_small = size <= self.block_size
        blocks = [] if is_small else self._put_blocks(file, size)
        before_commit()
        headers = {
            "x-ms-blob-content-type": target.content_type,
            "x-ms-blob-content-md5": made.md5,
            **made.as_headers(),
            **self._condition(),
        }
        if is_small:
            headers |= {"x-ms-blob-type": "BlockBlob", "Content-MD5": made.md5}
            self.requests.send(Request("PUT", target.address, headers, file.read()))
            return
        names = "".join(f"<Latest>{block}</Latest>" for block in blocks)
        listed = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{names}</BlockList>'
        address = f"{target.address}?comp=blocklist"
        self.requests.send(Request("PUT", address, headers, listed.encode()))

    def _condition(self) -> dict[str, str]:
        """Return the condition for storing the result, which the service itself checks."""
        target = self.target
        if target.anything:
            return {}
        if target.replaces and self._look() is not None:
            return {"If-Match": target.replaces}
        return {"If-None-Match": "*"}

    def _put_blocks(self, file: BinaryIO, size: int) -> list[str]:
        """Upload the file in parts, which are nothing until they are listed; returns their names."""
        length = max(self.block_size, -(-size // _MOST_BLOCKS))
        # of this attempt alone: another one that was cut off may have left others, of the same length
        start = os.urandom(8).hex()
        names: list[str] = []
        while part := file.read(length):
            name = base64.b64encode(f"{start}-{len(names):08}".encode()).decode()
            digest = hashlib.md5(part, usedforsecurity=False).digest()
            headers = {"Content-MD5": base64.b64encode(digest).decode()}
            address = f"{self.target.address}?comp=block&blockid={quote(name, safe='')}"
            self.requests.send(Request("PUT", address, headers, part))
            names.append(name)
        return names

    def _look(self) -> Answer | None:
        """Return the blob that is there now; None if there is none."""
        try:
            return self.requests.send(Request("HEAD", self.target.address))
        except BlobError as error:
            if error.status == 404 and error.code != "ContainerNotFound":
                return None
            raise self._failure(error) from None

    def _ours_in(self, answer: Answer) -> MadeFrom | None:
        """Return what this same conversion has stored there, in this attempt or another one."""
        made, ours = MadeFrom.from_headers(dict(answer.headers)), self.target.made_from
        is_same = made is not None and made.conversion == ours.conversion
        if made is None or not is_same or (self.target.anything and made.run != ours.run):
            return None
        is_as_made = answer.headers.get("Content-MD5", made.md5) == made.md5
        return made if is_as_made else None

    def _failure(self, error: BlobError) -> ConversionError:
        """Return what *error* means for the conversion whose result belongs there."""
        target = self.target
        if error.may_pass:
            return ConversionError(Kind.TRANSIENT, f"storage did not take the result: {error}")
        if error.code in _CHANGED:
            return _changed(target)
        if error.code.startswith("Lease"):
            message = "not replaced: another program holds a lease on the result"
            return ConversionError(Kind.INPUT, message)
        if error.status in (401, 403) and (error.code in _NO_RIGHT or error.status == 401):
            return ConversionError(Kind.ENVIRONMENT, _no_right(target, error))
        if error.code in ("ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"):
            message = f"the container of the results is gone: {target.shown}"
            return ConversionError(Kind.ENVIRONMENT, message)
        kind = Kind.INPUT if error.status in (409, 412) else Kind.ENVIRONMENT
        return ConversionError(kind, f"storage refuses the result: {error}")


def store_result(
    blob: TargetBlobClient,
    path: str,
    result: ConversionResult,
    before_commit: Callable[[], None] = lambda: None,
) -> MadeFrom:
    """Store the verified *result*, which is the file at *path*; see `TargetBlobClient.put`."""
    made = replace(
        blob.target.made_from,
        sha256=result.sha256,
        size=result.size,
        md5=_content_md5(path),
        media_seconds=result.media_seconds,
        notices="\n".join(result.notices),
    )
    return blob.put(path, made, before_commit)


def _content_md5(path: str) -> str:
    """Return the MD5 of the file at *path*, as storage encodes it."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return base64.b64encode(digest.digest()).decode()


def _changed(target: BlobTarget) -> ConversionError:
    # as of files: see target.check_target
    did = "changed" if target.replaces else "created"
    message = f"not replaced: another program {did} the result during the run"
    return ConversionError(Kind.INPUT, message)


def _no_right(target: BlobTarget, error: BlobError) -> str:
    return (
        f"no permission to write results to {target.shown} ({error.code}): whoever writes them needs the role "
        "Storage Blob Data Contributor there; name the container in `writeContainers` and run `pulumi up`; a "
        "new role can take several minutes to take effect"
    )


def _same(etag: str, other: str) -> bool:
    return bool(other) and etag.strip('"') == other.strip('"')
