"""What is said of a statement's locks, and of transactions, is what a real server does with it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from typing import Any

import psycopg
import pytest
from psycopg import sql
from servers import TestServer

from tenantplan.migration.lint.alter_rules import STABLE, VOLATILE
from tenantplan.migration.lint.lint import lint
from tenantplan.migration.lint.locks import MODES, locks, strongest
from tenantplan.migration.sqltext import outside

Connection = psycopg.Connection[Any]
Relations = dict[int, tuple[str, str]]  # oid: name and kind
S, RS, RX, SUX, SH, SRX, X, AX = MODES

SCHEMA = """
    CREATE TABLE kinds (id int PRIMARY KEY, name text);
    CREATE TABLE donors (id int PRIMARY KEY, email text NOT NULL, kind int, CONSTRAINT positive CHECK (id > 0) NOT VALID);
    CREATE UNIQUE INDEX donors_email ON donors (email);
    CREATE TABLE gifts (id int PRIMARY KEY, donor int CONSTRAINT donor_fk REFERENCES donors);
    CREATE VIEW emails AS SELECT email FROM donors;
    CREATE MATERIALIZED VIEW stock AS SELECT 1 AS id;
    CREATE UNIQUE INDEX stock_id ON stock (id);
    CREATE SEQUENCE numbers;
    CREATE TABLE parted (id int) PARTITION BY LIST (id);
    CREATE TABLE part_1 PARTITION OF parted FOR VALUES IN (1);
    CREATE TABLE loose (id int);
    CREATE TABLE child () INHERITS (loose);
    CREATE TABLE plain (id int);
    CREATE SCHEMA other;
    CREATE TABLE other."Odd ""name" (id int);
    CREATE TYPE mood AS ENUM ('a');
    CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER noting AFTER INSERT ON donors EXECUTE FUNCTION noted();
    CREATE POLICY mine ON donors USING (true);
    CREATE STATISTICS counted ON id, email FROM donors;
"""

SAMPLES = [
    "SELECT email FROM donors",
    "SELECT 1 FROM donors d JOIN kinds ON true FOR UPDATE OF d",
    "SELECT 1 FROM (SELECT * FROM kinds) k, gifts FOR SHARE",
    "WITH donors AS (SELECT * FROM donors), k AS (SELECT 1) SELECT 1 FROM donors, k",
    "WITH RECURSIVE loose AS (SELECT 1 UNION SELECT 1 FROM loose) SELECT 1 FROM loose",
    "WITH gone AS (DELETE FROM kinds WHERE id = 0 RETURNING id) SELECT id FROM gone",
    "INSERT INTO kinds SELECT id, email FROM donors",
    "UPDATE donors SET email = name FROM kinds WHERE kinds.id = donors.kind",
    "DELETE FROM plain WHERE id IN (SELECT id FROM kinds)",
    "MERGE INTO plain l USING kinds k ON l.id = k.id WHEN MATCHED THEN DELETE",
    "EXPLAIN UPDATE kinds SET name = 'x' WHERE id = 1",
    "DECLARE c CURSOR FOR SELECT 1 FROM kinds",
    "LOCK TABLE kinds, donors IN SHARE MODE",
    "LOCK kinds",
    'TRUNCATE plain, kinds, other."Odd ""name"',
    "DROP TABLE kinds",
    "DROP VIEW emails",
    "DROP MATERIALIZED VIEW stock",
    "DROP SEQUENCE numbers",
    "DROP TRIGGER noting ON donors",
    "DROP POLICY mine ON donors",
    "CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES kinds, c int REFERENCES t, LIKE plain)",
    "CREATE TABLE t (b int, FOREIGN KEY (b) REFERENCES kinds)",
    "CREATE TABLE t () INHERITS (plain)",
    "CREATE TABLE part_2 PARTITION OF parted FOR VALUES IN (2)",
    "CREATE TABLE t AS SELECT * FROM kinds",
    "SELECT * INTO t FROM kinds",
    "CREATE VIEW v AS SELECT * FROM kinds",
    "CREATE OR REPLACE VIEW emails AS SELECT email, 1 AS one FROM donors",
    "CREATE MATERIALIZED VIEW v AS SELECT * FROM kinds",
    "CREATE SCHEMA s CREATE TABLE t (b int REFERENCES public.kinds)",
    "CREATE INDEX ON donors (kind)",
    'CREATE UNIQUE INDEX i ON other."Odd ""name" (id)',
    "CREATE TRIGGER t BEFORE UPDATE ON donors FOR EACH ROW EXECUTE FUNCTION noted()",
    "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON donors FROM kinds FOR EACH ROW EXECUTE FUNCTION noted()",
    "CREATE RULE r AS ON INSERT TO donors DO ALSO DELETE FROM kinds",
    "CREATE POLICY p ON donors USING (EXISTS (SELECT 1 FROM kinds))",
    "ALTER POLICY mine ON donors USING (false)",
    "ALTER POLICY mine ON donors RENAME TO ours",
    "CREATE STATISTICS s ON id, name FROM kinds",
    "CREATE FUNCTION f() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM donors; END",
    "CREATE PUBLICATION p FOR TABLE donors, kinds (name)",
    "COMMENT ON TABLE donors IS 'x'",
    "COMMENT ON COLUMN donors.email IS 'x'",
    "COMMENT ON CONSTRAINT positive ON donors IS 'x'",
    "COMMENT ON INDEX donors_email IS 'x'",
    "REFRESH MATERIALIZED VIEW stock",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY stock",
    "ANALYZE donors, kinds",
    "CLUSTER donors USING donors_email",
    "REINDEX TABLE donors",
    "ALTER SEQUENCE numbers RESTART",
    "ALTER TYPE mood ADD VALUE 'b'",
    "ALTER TABLE donors ADD COLUMN x int",
    "ALTER TABLE donors ADD COLUMN x int REFERENCES kinds",
    "ALTER TABLE donors ADD FOREIGN KEY (kind) REFERENCES kinds",
    "ALTER TABLE donors ADD FOREIGN KEY (kind) REFERENCES kinds NOT VALID",
    "ALTER TABLE donors ADD FOREIGN KEY (kind) REFERENCES donors",
    "ALTER TABLE donors ADD CHECK (id > 1) NOT VALID",
    "ALTER TABLE donors ADD UNIQUE (kind)",
    "ALTER TABLE donors ADD UNIQUE USING INDEX donors_email",
    "ALTER TABLE donors VALIDATE CONSTRAINT positive",
    "ALTER TABLE gifts ALTER CONSTRAINT donor_fk DEFERRABLE",
    "ALTER TABLE donors DROP CONSTRAINT positive",
    "ALTER TABLE donors DROP COLUMN kind",
    "ALTER TABLE donors ALTER COLUMN kind TYPE bigint",
    "ALTER TABLE donors ALTER COLUMN kind SET NOT NULL",
    "ALTER TABLE donors ALTER COLUMN kind SET DEFAULT 1",
    "ALTER TABLE donors ALTER COLUMN kind SET STATISTICS 10",
    "ALTER TABLE donors ALTER COLUMN kind SET (n_distinct = 5)",
    "ALTER TABLE donors ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE donors SET (fillfactor = 50)",
    "ALTER TABLE donors RESET (parallel_workers)",
    "ALTER TABLE donors SET (autovacuum_enabled = off, toast.vacuum_truncate = off, toast_tuple_target = 200)",
    "ALTER TABLE donors SET (user_catalog_table = true)",
    "ALTER TABLE donors SET (fillfactor = 50), ADD COLUMN x int",
    "ALTER TABLE donors DISABLE TRIGGER noting",
    "ALTER TABLE donors ENABLE ALWAYS TRIGGER noting",
    "ALTER TABLE donors DISABLE TRIGGER USER",
    "ALTER TABLE donors ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE donors CLUSTER ON donors_email",
    "ALTER TABLE donors SET WITHOUT CLUSTER",
    "ALTER TABLE donors REPLICA IDENTITY FULL",
    "ALTER TABLE plain SET UNLOGGED",
    "ALTER TABLE donors OWNER TO CURRENT_USER",
    "ALTER TABLE donors SET SCHEMA other",
    "ALTER TABLE donors RENAME TO givers",
    "ALTER TABLE donors RENAME email TO mail",
    "ALTER TABLE donors RENAME CONSTRAINT positive TO p",
    "ALTER TRIGGER noting ON donors RENAME TO n",
    "ALTER INDEX donors_email RENAME TO i",
    "ALTER INDEX donors_email SET (fillfactor = 50)",
    "ALTER TABLE plain INHERIT loose",
    "ALTER TABLE child NO INHERIT loose",
    "ALTER TABLE parted ATTACH PARTITION plain FOR VALUES IN (5)",
    "ALTER TABLE parted DETACH PARTITION part_1",
    "ALTER VIEW emails SET (security_barrier = true)",
    "ALTER VIEW emails RENAME TO e",
    "DO $$ BEGIN END $$",
]  # fmt: skip

# What the text does not name, and `locks` leaves out.
UNNAMED = {
    "DROP TABLE gifts": {"public.donors": AX},
    "ALTER TABLE gifts DROP CONSTRAINT donor_fk": {"public.donors": AX},
    "DROP INDEX donors_email": {"public.donors": AX},
    "REINDEX INDEX donors_email": {"public.donors": SH},
    "DELETE FROM loose": {"public.child": RX},
    "TRUNCATE donors CASCADE": {"public.gifts": AX},
    "ALTER TABLE parted ALTER COLUMN id SET NOT NULL": {"public.part_1": AX},
    "SELECT 1 FROM emails": {"public.donors": S},
}

ALONE = {
    "CREATE INDEX CONCURRENTLY ON donors (kind)": "donors",
    "REINDEX TABLE CONCURRENTLY donors": "donors",
    "REINDEX (CONCURRENTLY) TABLE donors": "donors",
    "VACUUM donors": "donors",
    "VACUUM (FULL) donors": "donors",
    "ALTER TABLE parted DETACH PARTITION part_1 CONCURRENTLY": "parted",
}

# Refused in a transaction block before anything else is looked at, or after the object has been found.
OUTSIDE = [
    *ALONE,
    "DROP INDEX CONCURRENTLY donors_email",
    "REINDEX INDEX CONCURRENTLY donors_email",
    "REINDEX SCHEMA public",
    "VACUUM",
    "VACUUM (ANALYZE)",
    "CLUSTER",
    "CREATE DATABASE another",
    "DROP DATABASE IF EXISTS another",
    "ALTER DATABASE postgres SET TABLESPACE pg_default",
    "CREATE TABLESPACE a LOCATION '/nowhere'",
    "DROP TABLESPACE IF EXISTS a",
    "ALTER SYSTEM SET work_mem = '5MB'",
    "DISCARD ALL",
    "COMMIT PREPARED 'x'",
    "ROLLBACK PREPARED 'x'",
    "CREATE SUBSCRIPTION s CONNECTION 'dbname=x' PUBLICATION p",
]


@pytest.fixture(scope="module")
def place(server: TestServer) -> Iterator[str]:
    """A database with SCHEMA, which every test leaves as it was."""
    name = f"lint_{os.getpid()}"
    with server.superuser_connect() as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with server.superuser_connect(name) as made:
        made.execute(SCHEMA)
    yield name
    with server.superuser_connect() as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def connection(server: TestServer, place: str) -> Iterator[Connection]:
    with server.superuser_connect(place) as made:
        yield made


def relations(connection: Connection) -> Relations:
    """The names and kinds of what was there before."""
    rows = connection.execute(
        "SELECT oid::int, format('%I.%I', relnamespace::regnamespace, relname), relkind::text FROM pg_class"
        " WHERE relnamespace IN ('public'::regnamespace, 'other'::regnamespace)"
    )
    return {oid: (name, kind) for oid, name, kind in rows}


def held(connection: Connection, pid: int, before: Relations, statement: str, granted: bool = True) -> dict[str, str]:
    """The strongest lock on each table, view and sequence; of an index, only where it is one that is named."""
    rows = connection.execute(
        "SELECT relation::int, mode FROM pg_locks WHERE pid = %s AND locktype = 'relation' AND granted = %s",
        [pid, granted],
    ).fetchall()
    named = {name for name, _ in locks(statement)}
    spelled = {mode.title().replace(" ", "") + "Lock": mode for mode in MODES}
    found = ((*before[oid], spelled[mode]) for oid, mode in rows if oid in before)
    return strongest((name, mode) for name, kind, mode in found if kind not in "iI" or name in named)


def taken(connection: Connection, statement: str) -> dict[str, str]:
    """What a statement that runs inside a transaction locks."""
    before = relations(connection)
    with connection.transaction(force_rollback=True):
        connection.execute(statement.encode())
        return held(connection, connection.info.backend_pid, before, statement)


@pytest.mark.parametrize("statement", SAMPLES)
def test_locks_are_those_of_the_server(connection: Connection, statement: str) -> None:
    assert dict(locks(statement)) == taken(connection, statement)
    assert not outside(statement)


@pytest.mark.parametrize("statement", UNNAMED)
def test_locks_leave_out_what_the_text_does_not_name(connection: Connection, statement: str) -> None:
    assert dict(locks(statement)) | UNNAMED[statement] == taken(connection, statement)


@pytest.mark.parametrize("statement", ALONE)
def test_locks_outside_a_transaction(server: TestServer, connection: Connection, statement: str) -> None:
    """The statement waits for a table that another session has locked, and shows the lock it wants."""
    with connection.transaction(), server.superuser_connect(connection.info.dbname) as other:
        connection.execute(
            sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(sql.Identifier(ALONE[statement]))
        )
        pid, before = other.info.backend_pid, relations(connection)
        waiting = Thread(target=_until_cancelled, args=(other, statement))
        waiting.start()
        try:
            wanted = locks(statement)[:1]
            assert wanted and dict(wanted) == _soon(connection, pid, before, statement)
        finally:
            connection.execute("SELECT pg_cancel_backend(%s)", [pid])
            waiting.join()


def _until_cancelled(connection: Connection, statement: str) -> None:
    with suppress(psycopg.errors.QueryCanceled):
        connection.execute(statement.encode())


def _soon(connection: Connection, pid: int, before: Relations, statement: str) -> dict[str, str]:
    end = time.monotonic() + 20
    while not (found := held(connection, pid, before, statement, granted=False)) and time.monotonic() < end:
        time.sleep(0.01)
    return found


@pytest.mark.parametrize("statement", OUTSIDE)
def test_outside_is_refused_by_the_server_inside(connection: Connection, statement: str) -> None:
    assert outside(statement)
    with pytest.raises(psycopg.errors.ActiveSqlTransaction), connection.transaction(force_rollback=True):
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("action", "rewritten"),
    [
        ("ADD x serial", True),
        ("ADD x int GENERATED ALWAYS AS IDENTITY", True),
        ("ADD x int GENERATED ALWAYS AS (id + 1) STORED", True),
        ("ADD x uuid DEFAULT gen_random_uuid()", True),
        ("ADD x timestamptz DEFAULT now() + random() * interval '1 day'", True),
        ("ADD x timestamptz NOT NULL DEFAULT now()", False),
        ("ADD x date DEFAULT (timezone('utc', CURRENT_TIMESTAMP))::date", False),
        ("ADD x jsonb NOT NULL DEFAULT jsonb_build_object('a', ARRAY[1])", False),
        ("ALTER kind TYPE bigint", True),
        ("ALTER kind SET NOT NULL", False),
        ("ALTER kind SET DEFAULT nextval('numbers')", False),
        ("ADD CHECK (id > 0)", False),
    ],
)
def test_a_table_is_rewritten_where_it_is_said(connection: Connection, action: str, rewritten: bool) -> None:
    statement = f"ALTER TABLE donors {action}"
    file = "SELECT pg_relation_filenode('donors')"
    with connection.transaction(force_rollback=True):
        connection.execute("INSERT INTO donors VALUES (1, 'a', 1), (2, 'b', 2)")
        before = connection.execute(file).fetchone()
        connection.execute(statement.encode())
        assert (connection.execute(file).fetchone() != before) is rewritten
    assert ("table-rewrite" in [hazard.rule for hazard in lint([statement])]) is rewritten


def test_functions_are_as_volatile_as_the_server_has_them(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT proname::text, bool_or(provolatile = 'v') FROM pg_proc"
        " WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY (%s) GROUP BY 1",
        [[*STABLE, *VOLATILE]],
    ).fetchall()
    volatile = dict(rows)
    assert {name for name, each in rows if each != (name in VOLATILE)} == set()
    assert volatile.keys() >= STABLE
    assert {"nextval", "random", "gen_random_uuid"} <= volatile.keys()
