"""Logins that are open although their organization or tenant does not live where they lead, is suspended or is deleted.

That is told from the live side alone: also of logins that no apply of this version has made or closed.
"""

from __future__ import annotations

from collections.abc import Iterator

from tenantplan.manifest.server_objects import roles, second
from tenantplan.model.address import MAIN, organization_of
from tenantplan.model.resource import Role, Row, State, of_type, one


def open_logins(live: State) -> Iterator[tuple[str, str]]:
    """Address of each such login role, and why it should be closed."""
    for address, role in sorted(of_type(live, Role).items()):
        if role.managed and role.login and role.holder is not None:
            row = one(live.get(role.holder), Row)
            why = _why(role, row, live) if row is not None else ""
            if why:
                yield address, f"{role.holder} {why}"


def _why(role: Role, row: Row, live: State) -> str:
    if row.retired_at is not None:
        return "is deleted"
    home = one(live.get(organization_of(str(role.holder), live)), Row)
    if home is not None and home.values.get("state") == "suspended":
        return "is suspended"
    return "" if _leads_home(role, row) else "does not live there"


def _leads_home(role: Role, row: Row) -> bool:
    """Whether a login is one of the place in which the row says that its data lives."""
    mode, database = row.values.get("database_mode"), row.values.get("database_name")
    if mode == "shared":
        return role.server == MAIN and role.access is not None
    if mode != "dedicated" or database is None:
        return False
    return role.server == row.values.get("database_server") and role.name in (*roles(database), second(database))
