"""What becomes of a source once its result is verified: the words of `--source`."""

from dataclasses import dataclass
from typing import Self

KEEP, TRASH, DELETE, MOVE = "keep", "trash", "delete", "move"
METAVAR = "keep|trash|delete|move:DIR"
DONE = {TRASH: "trashed", DELETE: "deleted", MOVE: "moved"}
"""What was done to a source, by what was asked for."""
KEPT = "kept"
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """What to do with the sources."""

    action: str = KEEP
    folder: str = ""
    """The absolute folder to move them to, in the tree that their results have."""

    @classmethod
    def parse(cls, words: str) -> Self:
        """Parse *words*, from the command line or the ledger.

        Raises:
            ValueError: Nothing.
        """
        action, _, folder = words.partition(":")
        is_move = action == MOVE and 0 < len(folder) <= _LONGEST and "\0" not in folder
        if not is_move and words not in (KEEP, TRASH, DELETE):
            raise ValueError(words)
        return cls(action, folder)

    @property
    def removes(self) -> bool:
        """Whether a source does not stay where it is."""
        return self.action != KEEP


def is_choice(value: object) -> bool:
    """Return whether `SourceChoice.parse` can read *value*."""
    try:
        SourceChoice.parse(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True
