"""VACUUM and ANALYZE of the tables that tenantplan made, database by database, in read-only sessions.

Table by table, because one that is locked or whose expression index fails would end a whole database's ANALYZE. Tables
of other roles are left to autovacuum: what runs for them is somebody else's code. (PostgreSQL runs the functions of an
expression index as the table's owner; VACUUM and ANALYZE are allowed where default_transaction_read_only is on.)
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import LiteralString

import psycopg
from psycopg import sql

from tenantplan.commands.status.databases import FleetDatabase
from tenantplan.commands.status.fleet_view import FleetView, each
from tenantplan.errors import TenantplanError
from tenantplan.live.fan_out import side_by_side
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import UNBOUNDED, Connection
from tenantplan.postgres.guard import enter
from tenantplan.postgres.queries import blocks

AT_ONCE = "200ms"
PATIENCE = "10s"  # the longest that one table's lock is waited for


@dataclass(frozen=True)
class Maintained:
    """What was done in one database: tables done, tables of other roles left alone, seconds.

    `waited` names tables whose lock somebody held at first, `failed` those that were not done, with the reason.
    """

    done: int
    left: int
    seconds: float
    waited: tuple[str, ...]
    failed: tuple[str, ...]


def verb(vacuum: bool, analyze: bool, full: bool = False) -> LiteralString:
    """The statement's beginning: VACUUM, ANALYZE (the default) or both; `full`: VACUUM FULL, and what that moves is analyzed."""
    if full:
        return "VACUUM (FULL, ANALYZE)"
    return ("VACUUM (ANALYZE)" if analyze else "VACUUM") if vacuum else "ANALYZE"


def maintain(
    scene: FleetView, places: Sequence[FleetDatabase], statement: LiteralString
) -> Iterator[tuple[FleetDatabase, Maintained | TenantplanError]]:
    """Runs `statement`, one of verb's, on the tables of every place, in parallel within the connection budget.

    Yields what was done, or why a database could not be reached, in the order of `places` and as early as it is known.
    """
    found = side_by_side(partial(_one, scene, statement), places, scene.settings.spec.max_connections)
    return zip(places, found, strict=True)


def _one(scene: FleetView, statement: LiteralString, place: FleetDatabase) -> Maintained | TenantplanError:
    def maintained(connection: Connection) -> Maintained:
        if place.location != scene.main and not place.location.is_brought:
            with connection.transaction():
                enter(connection)
        return _database(connection, statement)

    return each(scene, [place.location], maintained, UNBOUNDED)[place.location]


def _database(connection: Connection, statement: LiteralString) -> Maintained:
    started = time.monotonic()
    tables = connection.execute(blocks("tenantplan.commands.upkeep", "reports.sql")["maintained_tables"]).fetchall()
    waited: list[str] = []
    failed: list[str] = []
    mine = [(schema, name) for schema, name, own in tables if own]
    for schema, name in mine:
        whole = sql.SQL("{} {}").format(sql.SQL(statement), sql.Identifier(schema, name))
        try:
            if not _run(connection, whole, AT_ONCE):
                waited.append(f"{schema}.{name}")
                if not _run(connection, whole, PATIENCE):
                    failed.append(f"{schema}.{name}: still locked after {PATIENCE}")
        except psycopg.errors.UndefinedTable:
            continue  # dropped in the meantime
        except psycopg.Error as error:
            if connection.closed:
                raise
            failed.append(f"{schema}.{name}: {describe(error)}")
    seconds = time.monotonic() - started
    return Maintained(len(mine) - len(failed), len(tables) - len(mine), seconds, tuple(waited), tuple(failed))


def _run(connection: Connection, statement: sql.Composed, patience: str) -> bool:
    """Whether the table's lock was to be had in time; the statement ran then."""
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [patience])
    try:
        connection.execute(statement)
    except psycopg.errors.LockNotAvailable:
        return False
    return True
