"""What a result that stays in storage was made from: kept in the metadata of its blob."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from runner.media.strict import read_as

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = "x-ms-meta-"
_LONGEST_PATH = 2000
"""Letters: all metadata of a blob together may have 8 KiB."""
_LONGEST_NOTICES = 1000
_PREFIX = "runner_"
_SHARED = {"run", "recipe", "version"}
"""What many results have alike: held once, where all results are listed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeFrom:
    """What a result was made from, and what it is: the metadata of its blob, each `runner_…`."""

    conversion: str
    """The id of the conversion: equal if the same source is made into the same target in the same way."""
    run: str
    source: str
    """The address of the source, for people; very long ones are cut off."""
    source_etag: str = ""
    """Of a source that is a blob."""
    source_size: int
    """Bytes; so is the next but three."""
    source_mtime_ns: int
    recipe: str
    """The recipe's fingerprint."""
    version: str
    """Of the runner."""
    sha256: str = ""
    size: int = 0
    md5: str = ""
    """The value of Content-MD5: a blob with another one was changed since."""
    media_seconds: float = 0.0
    notices: str = ""
    """What was noticed, a line each."""

    def as_headers(self) -> dict[str, str]:
        """Return the headers that store it: ASCII, because each value is percent-encoded."""
        texts = {name: str(value) for name, value in asdict(self).items() if value != ""}
        encoded = {name: _encoded(value) for name, value in texts.items()}
        encoded["source"] = _cut(encoded["source"], _LONGEST_PATH)
        if "notices" in encoded:
            encoded["notices"] = _cut(encoded["notices"], _LONGEST_NOTICES)
        return {f"{_HEADER}{_PREFIX}{name}": value for name, value in encoded.items()}

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> MadeFrom | None:
        """Read it from the *headers* of a blob; none where runner did not make it."""
        return cls.from_metadata(
            {
                name[len(_HEADER) :]: value
                for name, value in headers.items()
                if name.lower().startswith(_HEADER)
            }
        )

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> MadeFrom | None:
        """Read the *metadata* of a blob; none where runner did not make it."""
        texts = {
            name.lower()[len(_PREFIX) :]: unquote(value, errors="surrogateescape")
            for name, value in metadata.items()
            if name.lower().startswith(_PREFIX)
        }
        facts: dict[str, object] = dict(texts)
        for name in _SHARED & texts.keys():
            facts[name] = sys.intern(texts[name])
        try:
            for name in ("source_size", "source_mtime_ns", "size"):
                facts[name] = int(texts.get(name, "0"))
            facts["media_seconds"] = float(texts.get("media_seconds", "0"))
            made = read_as(cls, facts)
        except ValueError:  # also what is unreadable
            return None
        return made if made.sha256 else None


def _encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe="/")


def _cut(encoded: str, longest: int) -> str:
    """Return the beginning of *encoded*, without a partial escape at its end."""
    return encoded if len(encoded) <= longest else re.sub("%.?$", "", encoded[:longest])
