"""Attempts at rows of other organizations in the shared tables: every route that a session can take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import psycopg
from psycopg import sql

from tenantplan.commands.isolation.attempt import LEAK, NOTHING, OPEN, REFUSED, UNTRIED, Attempt, Subject
from tenantplan.postgres.advice import describe

_KINDS = {"r": "tables", "p": "tables", "v": "views", "m": "materialized views", "f": "foreign tables"}
_ENOUGH = 1000  # rows are counted up to here


def unset(stand: Subject) -> Iterator[Attempt]:
    """What a member of the pool sees before it names an organization, and after its transaction has ended."""
    yield from _seen(stand, "read without naming an organization", None)
    for ending in ("COMMIT", "ROLLBACK"):
        _run(stand, f"BEGIN; SET LOCAL tenantplan.organization_id = '{stand.others[0]}'; {ending}")
        yield from _seen(stand, f"read with what SET LOCAL left behind after {ending}", None)
    _run(stand, f"SET tenantplan.organization_id = '{stand.others[0]}'; RESET ALL")
    _again(stand)
    yield from _seen(stand, "read with what SET left behind after RESET ALL", None)
    yield stand.line(
        "SET without LOCAL", OPEN, "stays until the session ends or is reset: name organizations by SET LOCAL only"
    )


def foreign(stand: Subject) -> Iterator[Attempt]:
    """Rows of others, as what one is, with the setting of another, and as each role that one may become."""
    yield from _seen(stand, "read rows of others", stand.mine)
    for how in ("SET", "SET LOCAL"):
        yield from _seen(stand, f"the same after {how} tenantplan.organization_id to theirs", stand.mine, how)
    for name, _ in stand.rows("may_become"):
        with suppress(psycopg.errors.InsufficientPrivilege):  # it may have been granted without SET
            _run(stand, sql.SQL("SET ROLE {}").format(sql.Identifier(name)).as_string())
            yield from _seen(stand, f"the same after SET ROLE {name}", stand.mine)
    _again(stand)


def named(stand: Subject) -> Iterator[Attempt]:
    """What a member of the pool sees of others when it has named an organization."""
    _run(stand, f"SET tenantplan.organization_id = '{stand.mine}'")
    yield from _seen(stand, "read rows of others than the one it named", stand.mine)
    yield from other_statements(stand)
    _run(stand, "RESET tenantplan.organization_id")


def other_statements(stand: Subject) -> Iterator[Attempt]:
    """Other statements that touch rows: COPY, row_security, errors that tell, statistics, writing."""
    if not stand.filled:
        yield stand.line("COPY, DELETE, INSERT and errors", UNTRIED, "no other organization has rows")
        return
    table = sql.Identifier(*stand.filled[0])
    other, mine = sql.Literal(stand.others[0]), sql.Literal(stand.mine or stand.others[0])
    yield _copied(stand, table, mine)
    yield _copied_in(stand, table)
    yield stand.refused(
        "SET row_security = off",
        sql.SQL("SET LOCAL row_security = off; SELECT count(*) FROM {}").format(table),
    )
    error = (
        "SELECT count(*) FROM {} WHERE 1 / (CASE WHEN organization_id IS DISTINCT FROM {}::uuid THEN 0 ELSE 1 END) = 1"
    )
    yield _revealed_by_condition(stand, sql.SQL(error).format(table, mine))
    yield stand.refused(
        "INSERT for others", sql.SQL("INSERT INTO {} (organization_id) VALUES ({})").format(table, other)
    )
    delete = sql.SQL("DELETE FROM {} WHERE organization_id IS DISTINCT FROM {}::uuid").format(table, mine)
    yield _touched(stand, "DELETE of rows of others", delete)
    yield stand.refused(
        "ALTER TABLE and policies",
        sql.SQL("ALTER TABLE {} DISABLE ROW LEVEL SECURITY").format(table),
        sql.SQL("CREATE POLICY tp_probe ON {} USING (true)").format(table),
    )
    schemas, tables = zip(*stand.filled, strict=True)
    values = stand.rows("statistics", schemas=list(schemas), tables=list(tables))[0][0]
    yield stand.line("read frequent values in pg_stats", LEAK if values else NOTHING, f"{values} columns")


def control_plane(stand: Subject) -> Iterator[Attempt]:
    """Tables of tenantplan and of the application, which are nobody's of the shared organizations."""
    closed = [sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(*name)) for name in stand.rows("unreadable")]
    line = stand.refused("read the control plane", *closed)
    names = (
        "organizations",
        "users",
        "admin_users",
        "organization_secrets",
        "audit_log",
        "shared_roles",
        "keys",
        "operations",
    )
    have = {name for _, name in stand.rows("unreadable")}
    missing = sorted(set(names) - have)
    yield (
        stand.line(line.what, LEAK, f"may read {', '.join(missing)}")
        if missing
        else stand.line(
            line.what,
            line.outcome,
            f"{line.detail} on {len(closed)} tables" if line.outcome == REFUSED else line.detail,
        )
    )


def large_objects(stand: Subject) -> Iterator[Attempt]:
    """Large objects, among them update packages."""
    oids = [row[0] for row in stand.rows("large_objects")]
    if not oids:
        yield stand.line("read large objects", NOTHING, "there are none")
        return
    yield stand.refused("read large objects", *(sql.SQL("SELECT lo_get({})").format(sql.Literal(oid)) for oid in oids))


def _seen(stand: Subject, what: str, mine: str | None, how: str = "") -> Iterator[Attempt]:
    """Counts rows of others in all that may be read; a line for each kind of relation that shows some, or one that none does."""
    shown: dict[str, list[str]] = {}
    read = 0
    for schema, name, kind in stand.rows("relations"):
        count = _count(stand, sql.Identifier(schema, name), mine, how)
        read += 1
        if count:
            shown.setdefault(_KINDS[kind], []).append(f"{schema}.{name} {count}")
    for kind, tables in shown.items():
        yield stand.line(f"{what}: {kind}", LEAK, f"rows in {', '.join(tables[:5])}")
    if shown:
        return
    if not stand.filled:
        yield stand.line(what, UNTRIED, "no other organization has rows")
    else:
        yield stand.line(what, NOTHING, f"0 rows in {read} relations; {len(stand.filled)} have some of others")


def _count(stand: Subject, relation: sql.Identifier, mine: str | None, how: str) -> int:
    setting = sql.SQL("{} tenantplan.organization_id = {}").format(sql.SQL(how), sql.Literal(stand.others[0]))
    text = "SELECT count(*) FROM (SELECT FROM {} WHERE organization_id IS DISTINCT FROM {} LIMIT {}) x"
    count = sql.SQL(text).format(relation, sql.Literal(mine) if mine else sql.SQL("NULL"), sql.Literal(_ENOUGH))
    try:
        with stand.session.transaction(force_rollback=True):
            if how:
                stand.session.execute(setting)
            return int(stand.session.execute(count).fetchall()[0][0])
    except psycopg.errors.InsufficientPrivilege:  # a view over what its reader may not read
        return 0


def _copied(stand: Subject, table: sql.Identifier, mine: sql.Literal) -> Attempt:
    text = sql.SQL("COPY (SELECT FROM {} WHERE organization_id IS DISTINCT FROM {}::uuid LIMIT 5) TO STDOUT").format(
        table, mine
    )
    with stand.session.transaction(force_rollback=True), stand.session.cursor() as cursor, cursor.copy(text) as copy:
        lines = sum(bytes(block).count(b"\n") for block in copy)
    return stand.line("COPY TO", LEAK if lines else NOTHING, f"{lines} rows of others")


def _copied_in(stand: Subject, table: sql.Identifier) -> Attempt:
    """COPY FROM, which PostgreSQL refuses where row level security is at work."""
    try:
        text = sql.SQL("COPY {} (organization_id) FROM STDIN").format(table)
        with stand.session.transaction(force_rollback=True), stand.session.cursor() as cursor, cursor.copy(text):
            pass
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported) as error:
        return stand.line("COPY FROM", REFUSED, str(error.sqlstate))
    return stand.line("COPY FROM", LEAK, "it was let through: row level security is not in effect")


def _revealed_by_condition(stand: Subject, statement: sql.Composed) -> Attempt:
    """Whether a condition of the session's own is evaluated for rows that it must not see."""
    what = "errors that tell of rows of others"
    try:
        stand.attempt(statement)
    except psycopg.errors.DivisionByZero:
        return stand.line(what, LEAK, "22012: a condition met a row of another")
    return stand.line(what, NOTHING)


def _touched(stand: Subject, what: str, statement: sql.Composed) -> Attempt:
    try:
        count = stand.attempt(statement)[0][0]
    except psycopg.errors.InsufficientPrivilege as error:
        return stand.line(what, REFUSED, str(error.sqlstate))
    except psycopg.Error as error:
        return stand.line(what, LEAK, describe(error))
    return stand.line(what, LEAK if count else NOTHING, f"{count} rows")


def _run(stand: Subject, statements: str) -> None:
    stand.session.execute(statements.encode())


def _again(stand: Subject) -> None:
    """The role under trial, as at the beginning."""
    _run(stand, sql.SQL("SET ROLE {}").format(sql.Identifier(stand.role)).as_string())
