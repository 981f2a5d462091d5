"""Results in a folder: what has their names now, and what the ledger knows of it."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from runner.existing_target import ExistingTarget
from runner.ledger import Ledger
from runner.media.failures import ConversionError
from runner.media.paths import is_windows, mtime_ns_of
from runner.media.target import find_status, look_up, nearest_folder, target_path
from runner.models import Kind
from runner.records import StoredResult

_SHORT = 255
"""Characters of a path that every file system allows, whatever the limits of the names in it."""


class _Folder(NamedTuple):
    """A folder of results."""

    path: str
    exists: bool
    nearest: str
    """Itself, or the nearest one above it that exists: the limits of its file system hold in both."""


@dataclass(frozen=True)
class FolderTargets:
    """Results in *folder*, as they are while one plan is looked at.

    Of a folder it is found out once whether it exists: for a million new files, that is most of the work.
    """

    ledger: Ledger
    folder: Path
    can_be_opened: bool = True
    _folders: dict[str, _Folder] = field(default_factory=dict)
    _expected: list[str] = field(default_factory=list)
    _records: dict[str, StoredResult | None] = field(default_factory=dict)
    """Of those that were expected, once the first of them has been asked for."""

    def expect(self, targets: Sequence[str]) -> None:
        """See `Targets`."""
        self._records.clear()
        self._expected[:] = targets

    def _record_of(self, target: str) -> StoredResult | None:
        if self._expected:
            self._records.update(dict.fromkeys(self._expected))
            self._records.update(self.ledger.find_all(self._expected))
            self._expected.clear()
        return self._records[target] if target in self._records else self.ledger.find(target)

    def find(self, target: str) -> ExistingTarget | None:
        """See `Targets`."""
        try:
            status = self._status(target)
        except OSError:
            status = None
        if status is None:
            return None
        if stat.S_ISDIR(status.st_mode):
            raise ConversionError(Kind.INPUT, "a folder has the name of its result")
        now, record = (status.st_size, mtime_ns_of(status)), self._record_of(target)
        return ExistingTarget(
            now, now[1], record, record is not None and record.result.state == now
        )

    def _status(self, target: str) -> os.stat_result | None:
        """Return the status of what has the name of *target*; None if nothing has it.

        Raises:
            ConversionError: No result can have this name.
            OSError: It cannot be determined.
        """
        name = target.rpartition("/")[2]
        folder = self._folder_of(target[: len(target) - len(name)], target)
        path = f"{folder.path}{os.sep}{name}"
        if is_windows() or len(path) > _SHORT or "\0" in name:
            return look_up(target_path(self.folder, target))
        found = find_status(f"{folder.nearest}{os.sep}{name}")
        return found if folder.exists else None

    def _folder_of(self, name: str, target: str) -> _Folder:
        known = self._folders.get(name)
        if known is None:
            path = target_path(self.folder, target)
            look_up(path)  # are the names of its folders possible?
            nearest, parent = nearest_folder(path), os.path.dirname(path)
            known = self._folders[name] = _Folder(parent, nearest == parent, nearest)
        return known
