"""Attempts at everything but rows: roles, other databases, files, catalogs, objects of the database itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg import sql

from tenantplan.commands.isolation.attempt import LEAK, NOTHING, OPEN, REFUSED, Attempt, Subject
from tenantplan.commands.isolation.probe_login import refusal
from tenantplan.postgres.connect import Connector

_TRIED = 5  # of what all are asked about in the catalog, so many are tried


def become(stand: Subject, strangers: Sequence[str]) -> Iterator[Attempt]:
    """SET ROLE and SET SESSION AUTHORIZATION to roles of others."""
    powerful = [name for name, power in stand.rows("may_become") if power or name in strangers]
    if powerful:
        yield stand.line("SET ROLE to others", LEAK, f"may become {', '.join(powerful[:5])}")
    else:
        wanted = [sql.SQL("SET ROLE {}").format(sql.Identifier(name)) for name in strangers[:_TRIED]]
        yield stand.refused("SET ROLE to others", *wanted, unless="became another role")
    user = [sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(name)) for name in strangers[:1]]
    yield stand.refused("SET SESSION AUTHORIZATION", *user)


def read_server(stand: Subject) -> Iterator[Attempt]:
    """Passwords, files and settings of the server, and statements of other sessions."""
    yield stand.refused("read pg_authid", "SELECT rolpassword FROM pg_catalog.pg_authid")
    yield stand.refused(
        "read settings of the server", "SHOW data_directory", "SELECT * FROM pg_catalog.pg_hba_file_rules"
    )
    yield stand.refused(
        "read and write files of the server",
        "SELECT pg_catalog.pg_read_file('PG_VERSION')",
        "COPY (SELECT 1) TO '/dev/null'",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_catalog.lo_import('/etc/hostname')",
    )
    seen = stand.rows("other_statements")[0][0]
    yield stand.line("read statements of other sessions", LEAK if seen else NOTHING, f"{seen} sessions")


def make(stand: Subject) -> Iterator[Attempt]:
    """Objects of its own, by which others could be tricked, and ways out of the database."""
    yield stand.refused(
        "CREATE in schemas",
        "CREATE TABLE public.tp_probe ()",
        "CREATE FUNCTION public.tp_probe() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA tp_probe",
    )
    yield stand.refused(
        "CREATE ROLE, FOREIGN DATA WRAPPER, EVENT TRIGGER",
        "CREATE ROLE tp_probe_made",
        "CREATE FOREIGN DATA WRAPPER tp_probe",
        "CREATE EVENT TRIGGER tp_probe ON ddl_command_end EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
    )


def truncate(stand: Subject) -> Iterator[Attempt]:
    """TRUNCATE, which no row level security stops: by right, since trying it would lock the table."""
    may = [name for (name,) in stand.rows("may_truncate")]
    yield stand.line(
        "TRUNCATE", LEAK if may else REFUSED, f"may, on {', '.join(may[:5])}" if may else "no right on any table"
    )


def connect(stand: Subject, connector: Connector, closed: Sequence[str]) -> Iterator[Attempt]:
    """Other databases of the server; `closed` are those that it must not get into."""
    may = [name for name, allowed in stand.rows("databases") if allowed]
    inside = sorted(set(may) & set(closed))
    if inside:
        yield stand.line("connect to other databases", LEAK, f"may, to {', '.join(inside[:5])}")
    else:
        for name in closed[:1]:
            yield _dialled(stand, connector, name, len(closed))
    others = sorted(set(may) - set(closed))
    if others:
        detail = f"{', '.join(others[:5])}: REVOKE CONNECT ON DATABASE … FROM PUBLIC, as their owner"
        yield stand.line("connect to databases that are not the fleet's", OPEN, detail)


def _dialled(stand: Subject, connector: Connector, name: str, count: int) -> Attempt:
    what = "connect to other databases"
    why = refusal(connector, stand.session.info.user, name)
    if why is None:
        return stand.line(what, LEAK, f"got into {name}")
    return stand.line(what, REFUSED, f"{count} of them; {why}")
