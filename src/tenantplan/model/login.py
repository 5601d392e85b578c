"""Passwords that tenantplan generates: what is declared of a database's login roles, and what the main database knows of each."""

from __future__ import annotations

from dataclasses import dataclass

MAIN_TARGET = "main"
PENDING, CURRENT, PREVIOUS = "pending", "current", "previous"


@dataclass(frozen=True, slots=True)
class Login:
    """How the login roles of one database get their passwords: `roles` is one name, or two that take turns.

    `target` names where a new password goes: "main", encrypted in the main database, or a target of the fleet file. It is due
    to be replaced after `every_days`; what it replaces works, and sessions begun with it live, for `grace_minutes` more.
    """

    holder: str
    server: str
    database: str
    roles: tuple[str, ...]
    target: str
    every_days: int
    grace_minutes: int


@dataclass(frozen=True, slots=True)
class Issued:
    """One generated password, as the main database knows it; never the password itself.

    `state`: "pending" (journaled, perhaps set, not yet delivered), "current" or "previous" (of a role that another took turns
    with). `set_at` and `superseded_at` are ISO 8601 in UTC. `sessions_left`: sessions that began before `set_at`, with the
    password before, may still live. `stored`: it is kept encrypted in the main database. `verifier` is the keyed hash of what
    the server was given.
    """

    id: str
    holder: str
    server: str
    database: str
    role: str
    state: str
    target: str
    set_at: str
    superseded_at: str | None = None
    sessions_left: bool = False
    stored: bool = True
    verifier: str | None = None
