"""How a run on Azure moves: the rates of its transfers, and its nodes, in one line."""

from collections import deque

from runner.formatting import bytes_text
from runner.models import CloudStatus

_RECENT = 30.0
"""Seconds over which rates are taken."""


class CloudProgress:
    """A summary of what was last seen on Azure."""

    def __init__(self) -> None:
        self._looks: deque[CloudStatus] = deque()

    def observe(self, look: CloudStatus) -> None:
        """Take the newest *look* into account."""
        self._looks.append(look)
        while len(self._looks) > 2 and look.at - self._looks[1].at > _RECENT:
            self._looks.popleft()

    @property
    def line(self) -> str:
        """As in "up 12.3 MB/s  down 800 kB/s  nodes: 2 running, 1 starting"; empty before the first look."""
        if not self._looks:
            return ""
        first, last = self._looks[0], self._looks[-1]
        seconds = last.at - first.at
        parts = []
        if seconds > 0:
            sent, received = last.sent - first.sent, last.received - first.received
            rates = (("up", sent / seconds), ("down", received / seconds))
            parts = [f"{way} {bytes_text(rate)}/s" for way, rate in rates if rate > 0]
        if last.nodes is not None:
            nodes = ", ".join(f"{count} {state}" for state, count in last.nodes)
            parts.append(f"nodes: {nodes or 'none yet'}")
        return "  ".join(parts)
