"""Attempts to leave objects where a role may connect, so that the role can never be dropped; undone afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import psycopg
from psycopg import sql

from tenantplan.commands.isolation.attempt import LEAK, OPEN, REFUSED, Attempt, Subject
from tenantplan.commands.isolation.probe_login import Ground, clear
from tenantplan.errors import ConnectError
from tenantplan.model.listing import some

_SHOWN = 5
_WAYS = {
    "large objects": (
        "SELECT lo_create(0)",
        "a superuser runs in each: REVOKE EXECUTE ON FUNCTION lo_create(oid), lo_creat(int), lo_from_bytea(oid, bytea) FROM PUBLIC",
    ),
    "temporary tables": (
        "CREATE TEMPORARY TABLE tp_probe ()",
        "they end with their session; a superuser runs: REVOKE TEMPORARY ON DATABASE {databases} FROM PUBLIC",
    ),
    "default privileges": (
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "about what it makes itself; where everybody may connect, a superuser runs: REVOKE CONNECT ON DATABASE … FROM PUBLIC",
    ),
}


def leave(stand: Subject, ground: Ground, alias: str, own: str | None) -> Iterator[Attempt]:
    """What the login leaves in databases that are not its organization's `own`, and whether it can be dropped all the same."""
    places = [name for (name,) in stand.rows("open_databases") if name != own]
    left = {way: [name for name in places if _leaves(stand, ground, name, way)] for way in _WAYS}
    for way, names in left.items():
        what = f"leave {way} behind"
        yield stand.line(what, OPEN, _how_to_close(way, names)) if names else stand.line(what, REFUSED)
    stays = clear(ground, alias, stand.session.info.user)
    what = "leave what its role cannot be dropped for"
    if stays:
        yield stand.line(
            what, LEAK, f"something stays in {some(stays, _SHOWN)}: as a superuser, in each: DROP OWNED BY its role"
        )
    else:
        yield stand.line(what, REFUSED, "what it left was dropped as a purge drops it")


def _how_to_close(way: str, names: Sequence[str]) -> str:
    databases = sql.SQL(", ").join(sql.Identifier(name) for name in names[:_SHOWN]).as_string()
    return f"in {some(names, _SHOWN)}: {_WAYS[way][1].replace('{databases}', databases)}"


def _leaves(stand: Subject, ground: Ground, database: str, way: str) -> bool:
    """As the login itself, and not as the role under trial: what a killed proof leaves goes with its login."""
    with suppress(ConnectError, psycopg.Error), ground.connector.connect(stand.session.info.user, database) as session:
        session.execute(_WAYS[way][0].encode())
        return True
    return False
