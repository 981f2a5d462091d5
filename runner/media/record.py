"""The record that a node leaves of a conversion, as JSON: its outcome."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from runner.media.failures import Failure, Kind
from runner.media.strict import UnreadableError, parse_json, read_as

RECORD = "record.json"
LONGEST_RECORD = 2 * 1024 * 1024
"""In bytes: JSON may need twelve per character."""
_LONGEST_LOG = 32 * 1024
"""In characters, like the next two."""
_LONGEST_MESSAGE = 2000
_LONGEST_NOTICE = 1000
_MOST_NOTICES = 100
_LONGEST_MEDIA = 1e9
"""In seconds: about thirty years."""
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Record:
    """The outcome of a conversion on a node, stored as JSON."""

    size: int = 0
    """Size of the result in bytes."""
    sha256: str = ""
    media_seconds: float = 0.0
    kind: str = ""
    """The kind of the failure; empty for a success."""
    message: str = ""
    log: str = ""
    """ffmpeg's log, or the end of a very long one."""
    notices: tuple[str, ...] = ()
    """Problems that did not harm the result, one sentence each."""
    started: float = 0.0
    """In seconds since the epoch, by the node's clock, like the next."""
    ended: float = 0.0
    encoded: float = 0.0
    """When ffmpeg was done and the checks began; 0 where it did not come so far."""
    versions: str = ""
    """The versions of Python and ffmpeg."""

    @property
    def failure(self) -> Failure | None:
        """What went wrong."""
        return Failure(Kind(self.kind), self.message, self.log) if self.kind else None

    def as_json(self) -> str:
        """Return what `from_json` reads; what is too long is cut off."""
        facts = asdict(self) | {
            "message": self.message[:_LONGEST_MESSAGE],
            "log": self.log[-_LONGEST_LOG:],
            "notices": [notice[:_LONGEST_NOTICE] for notice in self.notices[:_MOST_NOTICES]],
        }
        return json.dumps(facts)

    @classmethod
    def from_json(cls, data: bytes) -> Record:
        """Read and check the record that a node left.

        Raises:
            UnreadableError: It is not a valid record.
        """
        record = read_as(cls, parse_json(data, LONGEST_RECORD))
        record.check()
        return record

    def check(self) -> None:
        """Raise `UnreadableError` if no worker can have written this."""
        if self.kind:
            if self.kind not in {kind.value for kind in Kind}:
                raise UnreadableError("kind: there is no such kind")
        elif self.size <= 0 or not _SHA256.fullmatch(self.sha256):
            raise UnreadableError("neither a result nor a failure")
        if not 0 <= self.media_seconds <= _LONGEST_MEDIA:
            raise UnreadableError("media_seconds: out of range")
        if (
            len(self.log) > _LONGEST_LOG
            or len(self.message) > _LONGEST_MESSAGE
            or len(self.notices) > _MOST_NOTICES
            or len(self.versions) > _LONGEST_NOTICE
            or any(len(notice) > _LONGEST_NOTICE for notice in self.notices)
        ):
            raise UnreadableError("too many words")
