"""Logins and databases that the catalogs show to be open though their organization no longer lives there."""

from __future__ import annotations

from collections.abc import Iterator

from tenantplan.commands.doctor.open_logins import open_logins
from tenantplan.commands.isolation.attempt import LEAK, REFUSED, Attempt
from tenantplan.model.resource import Database, Role, Row, State, expect, of_type, one


def former_places(live: State) -> Iterator[Attempt]:
    """A line for each open login and each open database of a former place, or one that there is none."""
    logins = [Attempt("former logins", expect(live[a], Role).name, "log in", LEAK, why) for a, why in open_logins(live)]
    count = sum(r.managed and r.login and r.holder is not None for r in of_type(live, Role).values())
    yield from logins or [
        Attempt("former logins", "", "log in", REFUSED, f"{count} open logins, each of a place in use")
    ]
    databases = [
        Attempt("former databases", role, "connect", LEAK, f"to {d.name} on server {d.server}, which {d.holder} left")
        for d in of_type(live, Database).values()
        if d.managed and d.holder and d.allow_connections and _is_former(d, live)
        for role in _strangers(d, live)
    ]
    yield from databases or [Attempt("former databases", "", "connect", REFUSED, "none is open")]


def _is_former(database: Database, live: State) -> bool:
    """Whether it is not the one that the row of its organization or tenant names."""
    row = one(live.get(str(database.holder)), Row)
    if database.retired_at is not None or row is None:
        return True
    values = row.values
    if values.get("database_mode") != "dedicated":
        return True
    return (values.get("database_server"), values.get("database_name")) != (database.server, database.name)


def _strangers(database: Database, live: State) -> Iterator[str]:
    """Who may connect to it, beside its owner: roles of organizations, and PUBLIC."""
    theirs = {r.name for r in of_type(live, Role).values() if r.server == database.server and r.holder}
    yield from (name for name in database.connect or () if name == "PUBLIC" or name in theirs - {database.owner})
