"""Whether a template still is what it was when it was built, before anything is cloned from it; what becomes of one that is not.

Nobody can connect to a ready template. It takes connections while it is compared, from tenantplan's role alone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from psycopg import sql

from tenantplan.ddl import statements
from tenantplan.errors import UntrustedCode
from tenantplan.model import stamp
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.contents import changed, contents
from tenantplan.postgres.queries import query

Describe = Callable[[Connection], Mapping[str, str]]
_SHOWN = 3
_LOOKS, _PAUSE = 50, 0.002  # for the end of a session that has just been closed


def recorded(connection: Connection, describe: Describe) -> dict[str, str]:
    """The facts of a template's stamp by which it is known again; `connection` is a session in it."""
    return {
        "objects": stamp.packed(describe(connection)),
        "contents": stamp.packed(contents(connection)),
        "server": str(connection.info.server_version),
    }


def is_ready(facts: Mapping[str, str] | None, server_version: int) -> bool:
    """Whether a stamp is that of a whole template that can be compared: another PostgreSQL may print definitions differently."""
    return facts is not None and facts.get("ready") == "1" and facts.get("server") == str(server_version)


def difference(connector: Connector, alias: str, name: str, facts: Mapping[str, str], describe: Describe) -> str:
    """What a ready template that was opened by let_in holds that it did not hold when it was built, "" where there is nothing."""
    with _entered(connector, alias, name) as inside:
        try:
            return compared(inside, facts, describe)
        except UntrustedCode as error:
            return error.message


def let_in(connection: Connection, name: str) -> None:
    """Opens a ready template to tenantplan's role, and to no other, to be compared."""
    with connection.transaction():
        connection.execute(statements.opened(name))


def close(connection: Connection, name: str, pid: int) -> None:
    """Closes a template to everybody, and waits until the session `pid` in it is gone: CREATE DATABASE looks for sessions only ten
    times a second."""
    connection.execute(statements.closed(name))
    for _ in range(_LOOKS):
        if not connection.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).rowcount:
            return
        time.sleep(_PAUSE)
    connection.execute(query("await_end"), {"pid": pid})


def compared(inside: Connection, facts: Mapping[str, str], describe: Describe) -> str:
    """The same, of a session in the template or in a copy of it. Raises CodeOfOthers."""
    found = changed(stamp.unpacked(facts.get("contents", "")), contents(inside))
    was, now = stamp.unpacked(facts.get("objects", "")), describe(inside)
    found += [
        f"{each} differs from its revision"
        for each in sorted(was.keys() | now.keys())
        if was.get(each) != now.get(each)
    ]
    more = [f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return "; ".join(found[:_SHOWN] + more)


@contextmanager
def _entered(connector: Connector, alias: str, name: str) -> Iterator[Connection]:
    """A session in the template. One at a time, since there may be no more than one left in the budget."""
    pid = 0
    try:
        with connector.connect(alias, name) as inside:
            pid = inside.info.backend_pid
            yield inside
    finally:
        with connector.connect(alias) as connection:
            close(connection, name, pid)


def set_aside(connector: Connector, alias: str, name: str, facts: Mapping[str, str], reason: str) -> str:
    """Keeps a template for a person to look at, under another name, which is returned; nothing is cloned from it any more."""
    aside = f"{name}_{stamp.ASIDE}_{secrets.token_hex(3)}"
    kept = {key: value for key, value in facts.items() if key not in ("ready", "objects", "contents")}
    comment = stamp.encode({**kept, stamp.ASIDE: reason})
    with connector.connect(alias) as connection, connection.transaction():
        connection.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(aside))
        )
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(aside), sql.Literal(comment)))
    return aside
