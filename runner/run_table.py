"""What the ledger tells of runs, and of the nodes that they had."""

import time

from runner.database import Rows, Write
from runner.errors import ExitCode, UsageError
from runner.followup import FollowUp
from runner.models import NodeUse
from runner.prices import Prices
from runner.recording import record_node
from runner.records import RunRecord, node_use

_HERE = FollowUp()


class RunTable:
    """The runs in one destination."""

    def __init__(self, rows: Rows, write: Write) -> None:
        self._rows = rows
        self._write = write

    def all(self) -> list[RunRecord]:
        """Return all runs, newest first."""
        return self._rows(
            RunRecord.from_row,
            "SELECT id, backend, command, started, ended, exit_code, files, converted, up_to_date,"
            " failed, unfinished, options, runner, vm_size, prices FROM runs ORDER BY started DESC",
        )

    def find(self, name: str | None, follow_up: FollowUp = _HERE) -> RunRecord:
        """Return the run called *name*, or whose name starts with it; without a name, the newest.

        *follow_up* makes the command in the error message.

        Raises:
            UsageError: There is none, or there are several.
        """
        found = [run for run in self.all() if name is None or run.id.startswith(name)]
        if not found:
            raise UsageError(
                f"no run '{name}' here; list them with `{follow_up.runs}`"
                if name
                else "no runs yet"
            )
        if name and len(found) > 1 and found[0].id != name:
            raise UsageError(f"'{name}' could be {', '.join(run.id for run in found[:5])}")
        return found[0]

    def abandon(self, run: str) -> None:
        """Record that *run* will not be resumed."""
        facts = (int(ExitCode.INTERRUPTED), time.time(), run)
        self._write(
            lambda db: db.execute(
                "UPDATE runs SET unfinished = 0, exit_code = ?, ended = coalesce(ended, ?)"
                " WHERE id = ? AND unfinished",
                facts,
            )
        )

    def resumable(self, backend: str) -> list[str]:
        """Return the interrupted or detached runs on *backend* that can be resumed; newest first."""
        return [run.id for run in self.all() if run.backend == backend and run.unfinished]

    def record_node(self, run: str, use: NodeUse) -> None:
        """Write down how long a node was there for *run*."""
        self._write(lambda db: record_node(db, run, use))

    def record_prices(self, run: str, vm_size: str, prices: Prices | None) -> None:
        """Write down on which nodes *run* was done, and what they cost; prices found earlier stay if there are none now."""
        found = prices.as_json() if prices else None
        change = "UPDATE runs SET vm_size = ?, prices = coalesce(?, prices) WHERE id = ?"
        self._write(lambda db: db.execute(change, (vm_size, found, run)))

    def node_uses(self, run: str) -> list[NodeUse]:
        """Return the nodes seen while *run* was followed."""
        return self._rows(
            node_use,
            "SELECT node, spot, since, until, allocated, ready FROM node_uses WHERE run = ?"
            " ORDER BY since",
            run,
        )
