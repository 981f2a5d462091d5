"""The program on a node: convert one file, and write a record of the outcome.

runner packs `runner/media` as a zip application. Azure Batch puts the source in the working directory
before it starts, and uploads the result and the record when it ends.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from runner.media.environment import without_secrets
from runner.media.failures import ConversionError, Failure, Kind
from runner.media.ffmpeg import Limits
from runner.media.pieces import Cut, Piece, UnsplittableError
from runner.media.recipe import Recipe
from runner.media.splitting import encode_piece
from runner.media.strict import UnreadableError, parse_json, read_as
from runner.media.target import from_os
from runner.media.work import ConversionResult, Work
from runner.media.worker import convert

if TYPE_CHECKING:
    from runner.media.blob_source import SourceBlob
    from runner.media.blob_target import BlobTarget

ORDER = "RUNNER_ORDER"
"""The environment variable with the `Order`, as JSON."""
RECORD = "record.json"
RESULT = "result"
"""The result's name, without its suffix."""
PIECE = "piece.mp4"
"""The result of a task that encodes one piece of a film."""
_LONGEST_LOG = 32 * 1024
"""In characters, like the next two."""
_LONGEST_MESSAGE = 2000
_LONGEST_NOTICE = 1000
_MOST_NOTICES = 100
LONGEST_RECORD = 2 * 1024 * 1024
"""In bytes: JSON may need twelve per character."""
_LONGEST_MEDIA = 1e9
"""In seconds: about thirty years."""


_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a node is to do.

    The only name of the user's in it is that of a target in storage, percent-encoded: none ever
    reaches a shell.
    """

    source: str
    """The file's name in the working directory."""
    recipe: Recipe
    seconds: float | None = None
    """Time limit in seconds."""
    size: int = 0
    """Size of the whole source in bytes, of which only the audio may have been uploaded."""
    identity: str = ""
    """The ARM id of the identity that signs in to storage; empty where addresses are signed."""
    target: BlobTarget | None = None
    """Where the node itself stores the result; None if Batch does, in the run's own folder."""
    target_signature: str = ""
    source_blob: SourceBlob | None = None
    """The address of the source, if it is in storage and the node itself stores the result."""
    cut: Cut | None = None
    """How the film was cut: for the task that joins it all of it, and for that of a piece this piece."""
    is_piece: bool = False
    notice: str = ""
    """What the user is to be told besides."""

    def as_json(self) -> str:
        """Return one line of JSON for `from_json`."""
        facts: dict[str, object] = {
            "source": self.source,
            "recipe": self.recipe.as_json(),
            "seconds": self.seconds,
            "size": self.size,
        }
        if self.target is not None:
            facts["identity"] = self.identity
            facts["target"] = self.target.as_facts()
            facts["target_signature"] = self.target_signature
        if self.source_blob is not None:
            facts["source_blob"] = self.source_blob.as_facts()
        if self.cut is not None:
            facts["cut"] = self.cut.as_facts()
            facts["is_piece"] = self.is_piece
        if self.notice:
            facts["notice"] = self.notice
        return json.dumps(facts)

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Read what `as_json` wrote."""
        facts = json.loads(text)
        recipe = Recipe.from_json(facts["recipe"])
        target, source_blob = _in_storage(facts)
        return cls(
            source=facts["source"],
            recipe=recipe,
            seconds=facts["seconds"],
            size=facts.get("size", 0),
            identity=facts.get("identity", ""),
            target=target,
            target_signature=facts.get("target_signature", ""),
            source_blob=source_blob,
            cut=Cut.from_facts(facts["cut"]) if "cut" in facts else None,
            is_piece=facts.get("is_piece", False),
            notice=facts.get("notice", ""),
        )


def _in_storage(facts: dict[str, Any]) -> tuple[BlobTarget | None, SourceBlob | None]:
    """Return where an order's result and its source are in storage, if the node itself is to go there."""
    if "target" not in facts:
        return None, None
    # they load Python's client for HTTP, which takes a tenth of the time that a short task takes
    from runner.media.blob_source import SourceBlob  # noqa: PLC0415 - as said
    from runner.media.blob_target import BlobTarget  # noqa: PLC0415 - as said

    source = SourceBlob(**facts["source_blob"]) if "source_blob" in facts else None
    return BlobTarget.from_facts(facts["target"]), source


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


def main() -> int:
    """Do the conversion; the exit code is 0 for a verified result."""
    # taken out, as it may have signatures, and the programs that are started get the environment
    order = Order.from_json(os.environ.pop(ORDER))
    started = time.time()
    if order.is_piece:
        return _make_piece(order)
    try:
        record = _carried_out(order)
    except ConversionError as error:
        failure = _on_node(error.failure)
        sys.stderr.write(f"{failure.kind.value}: {failure.message}\n")
        record = Record(kind=failure.kind.value, message=failure.message, log=failure.log)
    notices = [*([order.notice] if order.notice else []), *record.notices]
    facts = asdict(record) | {
        "message": record.message[:_LONGEST_MESSAGE],
        "log": record.log[-_LONGEST_LOG:],
        "notices": [notice[:_LONGEST_NOTICE] for notice in notices[:_MOST_NOTICES]],
        "started": started,
        "ended": time.time(),
        "versions": _versions(),
    }
    with open(RECORD, "w", encoding="utf-8") as file:
        json.dump(facts, file)
    return 1 if record.kind else 0


def _make_piece(order: Order) -> int:
    """Encode one piece of a film; the exit code is 0 unless another attempt may help.

    If it cannot be encoded by itself, the result is an empty file: the task that joins the pieces then
    converts the film in one.
    """
    assert order.cut is not None
    (piece,) = order.cut.pieces
    try:
        os.replace(encode_piece(_work(order), piece), PIECE)
    except UnsplittableError as error:
        sys.stderr.write(f"{error}\n")
    except ConversionError as error:
        sys.stderr.write(f"{error.failure.kind.value}: {error.failure.message}\n")
        if error.failure.kind not in (Kind.INPUT, Kind.SETTINGS):
            return 1
    with open(PIECE, "ab"):
        return 0


def _carried_out(order: Order) -> Record:
    """Convert, and return the record of the success.

    Raises:
        ConversionError: There is none.
    """
    if order.target is None:
        return _success(convert(_work(order)))
    from runner.media.blob_requests import BlobRequests, Identity  # noqa: PLC0415 - see `_in_storage`
    from runner.media.blob_target import TargetBlob, store_result  # noqa: PLC0415 - as above

    token = Identity(order.identity) if order.identity else None
    blob = TargetBlob(order.target, BlobRequests(token, order.target_signature))
    if (made := blob.made()) is not None:
        # an attempt whose record was lost with its node has not worked in vain
        notices = tuple(made.notices.splitlines())
        seconds = made.media_seconds
        return Record(size=made.size, sha256=made.sha256, media_seconds=seconds, notices=notices)

    def check_source() -> None:
        if order.source_blob is not None:
            order.source_blob.check(token)

    check_source()  # else the work might be for nothing
    result = convert(_work(order))
    try:
        made = store_result(blob, _target(order), result, before_commit=check_source)
    except OSError as error:
        raise from_os(error) from error
    os.unlink(_target(order))
    return replace(_success(result), size=made.size, sha256=made.sha256)


def _on_node(failure: Failure) -> Failure:
    """Return *failure* with the hint that the problem is on the node, for readers elsewhere."""
    if failure.kind is not Kind.ENVIRONMENT:
        return failure
    message = f"on the node: {failure.message}"
    if shutil.which("ffmpeg") is None:
        message = (
            "the node has no ffmpeg; `runner doctor` shows why its start task did not put it there"
        )
    return Failure(failure.kind, message, failure.log)


def piece_file(piece: Piece) -> str:
    """Return the name that *piece* has in the working directory of the task that joins it."""
    return f"piece-{piece.number:04}.mp4"


def _work(order: Order) -> Work:
    is_join = order.cut is not None and not order.is_piece
    ready = order.cut.pieces if order.cut is not None and is_join else ()
    pieces = tuple(os.path.abspath(piece_file(piece)) for piece in ready)
    return Work(
        source=os.path.abspath(order.source),
        target=_target(order),
        scratch=os.path.abspath("scratch"),
        name=RESULT,
        recipe=order.recipe,
        limits=Limits(seconds=order.seconds),
        size=order.size,
        cut=None if order.is_piece else order.cut,
        pieces=pieces,
    )


def _target(order: Order) -> str:
    return os.path.abspath(RESULT + order.recipe.suffix)


def _success(made: ConversionResult) -> Record:
    return Record(
        size=made.size,
        sha256=made.sha256,
        media_seconds=made.media_seconds,
        encoded=made.encoded,
        log=made.log,
        notices=made.notices,
    )


def _versions() -> str:
    try:
        command = ["ffmpeg", "-version"]  # the one that the start task put on PATH
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=without_secrets()
        )
    except OSError as error:
        return f"Python {platform.python_version()}, no ffmpeg: {error.strerror}"
    return (
        f"Python {platform.python_version()}, {done.stdout.splitlines()[0] if done.stdout else '?'}"
    )


if __name__ == "__main__":
    sys.exit(main())
