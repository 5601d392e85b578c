"""Passwords that tenantplan generates: what is declared of a database's login roles, and what the main database knows of each."""

from __future__ import annotations

from dataclasses import dataclass

from tenantplan.model.resource import Role

MAIN_TARGET = "main"
PENDING, CURRENT, PREVIOUS = "pending", "current", "previous"

READER = "_ro"  # how the name ends of a login role that only reads; it takes no turns with the application's


def reader_of(holder: str) -> str:
    """What the login that only reads is issued to, of an organization or tenant."""
    return f"{holder}/login/read-only"


def issued_to(role: Role) -> str:
    """What the passwords of a login role are issued to: its organization or tenant, or that one's login that only reads."""
    return reader_of(str(role.holder)) if role.name.endswith(READER) else str(role.holder)


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
