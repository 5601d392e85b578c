"""The main database: its reconciled rows, its revisions and what interrupted runs left open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from psycopg import sql

from tenantplan.live.issued import read_logins
from tenantplan.live.rows import Wanted, read_rows
from tenantplan.migration.running.version import ALEMBIC_TABLES
from tenantplan.model import address
from tenantplan.model.live import Gap, MainFacts, Sharing
from tenantplan.model.resource import Package, Row, State, of_type
from tenantplan.model.rowtype import Attribute, Relation, RowType, Tables
from tenantplan.model.step import as_mark
from tenantplan.postgres import lock
from tenantplan.postgres.columns import timestamp
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query
from tenantplan.tables import BUILTIN
from tenantplan.tables.fit import mismatches, with_ids


def read_main(connection: Connection, wanted: Wanted) -> MainFacts:
    """One consistent snapshot of the main database."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        columns = {table: frozenset(names) for table, names in connection.execute(query("columns")).fetchall()}
        if is_foreign(columns):  # its users and tenants may be anything
            return MainFacts(columns=columns, foreign=True)
        key = _scalar(connection, columns, "tenantplan.keys", "SELECT value FROM tenantplan.keys WHERE name = 'hash'")
        recorded = _recorded_kinds(connection, columns, wanted.fleet)
        tables, former = _present(recorded, wanted.tables)
        relations = _relations(connection, [t for name, t in tables.items() if name not in BUILTIN])
        tables = with_ids(tables, relations)
        unfit = {t.table for name, t in tables.items() if name not in BUILTIN and mismatches([t], relations)}
        readable = {name: rowtype for name, rowtype in tables.items() if name not in unfit}
        state, ids = read_rows(connection, replace(wanted, tables=readable), columns, key)
        state |= read_packages(connection, wanted.fleet) if "tenantplan.packages" in columns else {}
        unfinished, at_work = _runs(connection, columns)
        at = {tree: _revision(connection, columns, ALEMBIC_TABLES[tree]) for tree in ("main", "shared")}
        return MainFacts(
            state=state,
            ids=ids,
            revisions={tree: found[0] for tree, found in at.items()},
            marks={tree: found[1] for tree, found in at.items()},
            recorded=_recorded(connection, columns),
            hash_key=key,
            unfinished=unfinished,
            at_work=at_work,
            columns=columns,
            tables=tables,
            relations=relations,
            left=_left(connection, former, columns, wanted.fleet),
            issued=read_logins(connection, wanted.fleet) if "public.database_logins" in columns else (),
            sharing=read_sharing(connection, columns, _shares(state) or _shares(wanted.declared)),
        )


def is_foreign(columns: Collection[str]) -> bool:
    """Whether a database with these tables has some in public, and none of tenantplan's own."""
    return "tenantplan.runs" not in columns and any(table.startswith("public.") for table in columns)


def _shares(state: State) -> bool:
    """Whether anybody in it is in shared mode."""
    return any(row.values.get("database_mode") == "shared" for row in of_type(state, Row).values())


_RUNNING = (
    "SELECT id::text, actor, to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM tenantplan.runs"
    " WHERE status = 'running' ORDER BY started_at DESC LIMIT 1"
)


def _runs(connection: Connection, columns: Mapping[str, Any]) -> tuple[str | None, tuple[str, str] | None]:
    """The run that was interrupted, or the one that is at work: a run that did not end is either."""
    row = connection.execute(_RUNNING.encode()).fetchone() if "tenantplan.runs" in columns else None
    if row is None:
        return None, None
    run, actor, since = row
    found = at_work(connection, connection.info.dbname)
    if found is not None and found[0] == run:
        return None, (run, f"since {since} UTC, by {actor.partition(' <')[0]}")
    return (None, found) if found else (run, None)


def at_work(connection: Connection, main_database: str) -> tuple[str, str] | None:
    """The run that holds a fleet, and since when; None when no session does. `connection` is one on any database of the server."""
    holder = lock.holder(connection, main_database)
    return None if holder is None else (holder.run, f"since {holder.since}")


def _scalar(connection: Connection, columns: Mapping[str, Any], table: str, statement: str) -> str | None:
    row = connection.execute(statement.encode()).fetchone() if table in columns else None
    return None if row is None else row[0]


def _revision(connection: Connection, columns: Mapping[str, Any], table: str) -> tuple[str | None, str | None]:
    """Revision and mark of a tree; several newest revisions, in the middle of branches, with commas between them."""
    if f"public.{table}" not in columns:
        return None, None
    rows = connection.execute(sql.SQL("SELECT version_num FROM public.{}").format(sql.Identifier(table))).fetchall()
    mark = connection.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [f"public.{table}"]).fetchone()
    return ",".join(sorted(row[0] for row in rows)) or None, as_mark(mark[0] if mark else None)


def _recorded_kinds(connection: Connection, columns: Mapping[str, Any], fleet: str) -> dict[str, RowType]:
    """Tables of kinds that the fleet declared itself, as it last applied them."""
    if "tenantplan.resource_kinds" not in columns:
        return {}
    statement = "SELECT relation, definition FROM tenantplan.resource_kinds WHERE managed_by = %s"
    rows = connection.execute(statement, [fleet]).fetchall()
    return {relation: RowType.parse(definition) for relation, definition in rows}


def _relations(connection: Connection, kinds: Sequence[RowType]) -> dict[str, Relation]:
    if not kinds:
        return {}
    found: dict[str, dict[str, Attribute]] = {}
    whole: dict[str, tuple[bool, bool, bool]] = {}
    names = [".".join(rowtype.relation) for rowtype in kinds]
    for table, column, *facts in connection.execute(query("relations"), {"tables": names}).fetchall():
        found.setdefault(table, {})[column] = Attribute(*facts[:-3])
        whole[table] = (facts[-3], facts[-2], facts[-1])
    return {table: Relation(attributes, *whole[table]) for table, attributes in found.items()}


def _present(recorded: Tables, wanted: Tables) -> tuple[dict[str, RowType], list[RowType]]:
    """The tables to read, and those that kinds stood for before they were given another table."""
    kinds = {rowtype.kind for rowtype in wanted.values()}
    former = [rowtype for name, rowtype in recorded.items() if name not in wanted and rowtype.kind in kinds]
    kept = {name: rowtype for name, rowtype in recorded.items() if rowtype not in former}
    return {**kept, **wanted}, former


def _left(connection: Connection, former: Sequence[RowType], columns: Mapping[str, Any], fleet: str) -> dict[str, int]:
    found = {}
    for rowtype in former:
        if rowtype.owner in columns.get(".".join(rowtype.relation), ()):
            statement = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(
                sql.Identifier(*rowtype.relation), sql.Identifier(rowtype.owner)
            )
            row = connection.execute(statement, [fleet]).fetchone()
            found[f"{rowtype.kind} {rowtype.table}"] = row[0] if row else 0
    return {name: count for name, count in found.items() if count}


def _recorded(connection: Connection, columns: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    if "tenantplan.revisions" not in columns:
        return {}
    rows = connection.execute("SELECT tree, revision, digest FROM tenantplan.revisions").fetchall()
    return {(tree, revision): digest for tree, revision, digest in rows}


def read_packages(connection: Connection, fleet: str) -> State:
    """The packages of a fleet by address."""
    statement = sql.SQL(
        "SELECT holder, version, store, key, size, sha256, managed_by = %s, {} FROM tenantplan.packages"
    ).format(timestamp("retired_at"))
    rows = connection.execute(statement, [fleet]).fetchall()
    return {
        address.package(version): Package(
            version, store, key, size, sha256, holder=holder, managed=managed, retired_at=retired
        )
        for holder, version, store, key, size, sha256, managed, retired in rows
    }


def read_sharing(connection: Connection, tables: Collection[str], used: bool = True) -> Sharing:
    """What the catalog of the main database says; `tables` are those that it has ("schema.table"). Where the shared tables are
    not `used` by anybody, gaps are not looked for."""
    if "tenantplan.shared_roles" not in tables:
        return Sharing()
    divided = [row[0] for row in connection.execute(query("divided_tables")).fetchall()]
    found = connection.execute(query("shared_roles"), {"divided": divided}).fetchall()
    gaps = connection.execute(query("isolation_gaps"), {"divided": divided}).fetchall() if used else []
    return Sharing(
        {name: access if whole else f"{access}, in part" for name, access, _, whole in found},
        {name: organization for name, _, organization, _ in found if organization is not None},
        tuple(Gap(*row) for row in gaps),
    )
