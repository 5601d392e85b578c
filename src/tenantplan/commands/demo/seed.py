"""Demo rows in the tables that applications fill, for a development fleet alone, put there and taken away whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from tenantplan.commands.demo.donors import organizations, replace_donors
from tenantplan.commands.demo.rows import FIRST, LAST, DemoTarget, Rows, demo_rows
from tenantplan.commands.status.databases import newest_tables
from tenantplan.commands.status.fleet_view import main_session
from tenantplan.errors import Blocked, NotFound
from tenantplan.fleet.opening import Fleet, open_fleet
from tenantplan.model.address import MAIN
from tenantplan.postgres.connect import ROW_PATIENCE, Connection
from tenantplan.settings.settings import Settings

TABLES = ("tenant_metrics", "error_logs", "deployments", "uploads", "files")  # parents before children
_LOCK = 0x7470_6465_6D6F  # "tpdemo": two at once would make the same rows
_TENANTS = """
    SELECT t.id, t.name FROM public.tenants t LEFT JOIN public.organizations o ON o.id = t.organization_id
     WHERE t.deleted_at IS NULL AND o.deleted_at IS NULL ORDER BY t.name LIMIT %s"""
_PROJECTS = """
    SELECT p.id, p.slug FROM public.projects p JOIN public.organizations o ON o.id = p.organization_id
     WHERE p.deleted_at IS NULL AND o.deleted_at IS NULL ORDER BY o.slug, p.slug"""


@dataclass(frozen=True)
class Seeded:
    """How many rows were written or taken away, by table, and why an organization has no demo donors, by its name."""

    rows: dict[str, int]
    without: dict[str, str]


def is_development(settings: Settings) -> bool:
    """Whether the fleet file says so, or that the main server is the embedded one."""
    return settings.spec.development or settings.embedded


def refuse_unless_development(settings: Settings) -> None:
    """Blocked when the fleet is not a development one."""
    if not is_development(settings):
        raise Blocked(
            f"fleet {settings.fleet} is not a development fleet: it gets no demo rows, and has none to remove",
            where="tenantplan.yaml",
            hint="a fleet on the embedded server is one, and one whose fleet file says `development: true` under spec",
        )


def seed(settings: Settings, number: int, tenants: int | None) -> Seeded:
    """Puts demo rows in the place of those that are there. `tenants`: at most so many get metrics.

    Raises Blocked for a fleet that is not a development one, NotFound when it has nothing to fill.
    """
    with open_fleet(settings) as fleet, _writing(fleet) as connection:
        now = connection.execute("SELECT now()").fetchall()[0][0]
        customers = _subjects(connection, _TENANTS, [tenants])
        projects = _subjects(connection, _PROJECTS, [])
        filled = organizations(connection, settings.fleet)
        if not customers and not projects and not filled:
            hint = "declare some, then tenantplan apply"
            raise NotFound("there are no organizations, no tenants and no projects to fill", hint=hint)
        _clear(connection)
        found = demo_rows(number, now, customers, projects)
        for table in TABLES:
            _copy(connection, table, found[table])
        donors, without = replace_donors(fleet, connection, filled, number, now)
    return Seeded({table: len(found[table]) for table in TABLES} | donors, without)


def remove(settings: Settings) -> Seeded:
    """Takes the demo rows away. Raises Blocked as `seed` does."""
    with open_fleet(settings) as fleet, _writing(fleet) as connection:
        filled = organizations(connection, settings.fleet)
        donors, without = replace_donors(fleet, connection, filled, None, datetime.now(UTC))
        return Seeded(_clear(connection) | donors, without)


@contextmanager
def _writing(fleet: Fleet) -> Iterator[Connection]:
    """A transaction in the main database of a development fleet; NotFound while there is none."""
    refuse_unless_development(fleet.settings)
    with main_session(fleet):
        pass
    with fleet.connector.connect(MAIN, fleet.main_database) as connection, connection.transaction():
        connection.execute(
            "SELECT set_config('lock_timeout', %s, true), pg_advisory_xact_lock(%s)", [ROW_PATIENCE, _LOCK]
        )
        with newest_tables(connection):
            yield connection


def _subjects(connection: Connection, statement: str, parameters: Sequence[object]) -> list[DemoTarget]:
    return [DemoTarget(*row) for row in connection.execute(statement.encode(), parameters).fetchall()]


def _clear(connection: Connection) -> dict[str, int]:
    found = {}
    for table in reversed(TABLES):
        statement = sql.SQL("DELETE FROM {} WHERE id BETWEEN %s AND %s").format(sql.Identifier("public", table))
        found[table] = connection.execute(statement, [FIRST, LAST]).rowcount
    return {table: found[table] for table in TABLES}


def _copy(connection: Connection, table: str, rows: Rows) -> None:
    if not rows:
        return
    columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier("public", table), columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([_adapted(value) for value in row.values()])


def _adapted(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, dict) else value
