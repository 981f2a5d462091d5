"""Who has which role at which scope: principals, and the account's own owner."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.emulator.auth import PRINCIPAL
from tests.emulator.roles import Role, find_role

if TYPE_CHECKING:
    from tests.emulator.roles import Need

EVERYTHING = Role(name="everything", actions=("*",), data_actions=("*",))


class Rights:
    """The role assignments of one tenant. Safe to use from any thread.

    `PRINCIPAL`, as whom tests sign in that are not about rights, may do everything.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._assigned: dict[str, set[tuple[str, Role]]] = {PRINCIPAL: {("", EVERYTHING)}}

    def assign(self, principal: str, role: str, scope: str) -> None:
        """Give *principal*, an object id, a *role* at *scope*, the ARM id of it or of what it is in.

        Raises:
            UnknownRoleError: There is no such role.
        """
        known = find_role(role)
        with self._lock:
            self._assigned.setdefault(principal.lower(), set()).add((_normal(scope), known))

    def revoke(self, principal: str, role: str | None = None, scope: str = "") -> None:
        """Take *role* from *principal* at *scope* and below; without a role all that it has."""
        gone = find_role(role) if role else None
        with self._lock:
            had = self._assigned.pop(principal.lower(), set())
            self._assigned[principal.lower()] = {
                (where, each)
                for where, each in had
                if gone not in (None, each) or not where.startswith(_normal(scope))
            }

    def allows(self, principal: str, need: Need, resource: str) -> bool:
        """Return whether *principal* has the permission *need* on *resource*, an ARM id."""
        with self._lock:
            given = self._assigned.get(principal.lower(), set())
            return any(
                f"{_normal(resource)}/".startswith(f"{scope}/") and role.allows(need)
                for scope, role in given
            )


def _normal(scope: str) -> str:
    return scope.rstrip("/").lower()
