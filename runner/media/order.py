"""What a task has its node do: JSON in the task's environment; and the names of the files that go with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.media.pieces import Cut, Piece
from runner.media.recipe import Recipe

if TYPE_CHECKING:
    from runner.media.blob_source import SourceBlob
    from runner.media.blob_target import BlobTarget

ORDER = "RUNNER_ORDER"
"""The environment variable with the `Order`, as JSON."""
RESULT = "result"
"""The result's name, without its suffix."""
PIECE = "piece.mp4"
"""The result of a task that encodes one piece of a film."""


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


def piece_file(piece: Piece) -> str:
    """Return the name that *piece* has in the working directory of the task that joins it."""
    return f"piece-{piece.number:04}.mp4"
