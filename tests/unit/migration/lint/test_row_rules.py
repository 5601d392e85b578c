"""What makes a migration destructive, in code that it runs too, and what does not."""

from __future__ import annotations

import pytest

from tenantplan.migration.lint.lint import lint
from tenantplan.migration.lint.row_rules import destroys

F = "CREATE FUNCTION f() RETURNS void LANGUAGE"


def is_destructive(*statements: str) -> bool:
    return any(destroys(hazard.rule, hazard.level) for hazard in lint(statements))


@pytest.mark.parametrize(
    "statements",
    [
        ("DELETE FROM t WHERE a = 1",),
        ("UPDATE t SET a = 1",),
        ("UPDATE t SET a = 1 WHERE 1 = 1",),
        ("WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT count(*) FROM x",),
        ("TRUNCATE t",),
        ("DROP TABLE t",),
        ("ALTER TABLE t DROP COLUMN a",),
        ("DROP SCHEMA s CASCADE",),
        ("DROP DATABASE d",),
        ("ALTER TABLE t ADD a int", "UPDATE t SET a = 1, b = 2"),
        ("ALTER TABLE t ADD IF NOT EXISTS a int", "UPDATE t SET a = 1"),
        ("DO $$ BEGIN DELETE FROM t; END $$",),
        ("DO $$ BEGIN IF true THEN ALTER TABLE t DROP a; END IF; END $$",),
        ("DO $do$ BEGIN EXECUTE 'TRUNCATE t'; END $do$",),
        ("DO $$ DECLARE n text; BEGIN FOR n IN SELECT 'x' LOOP EXECUTE format('TRUNCATE %I', n); END LOOP; END $$",),
        ("DO $$ BEGIN EXECUTE 'DROP TABLE ' || quote_ident('t'); END $$",),
        ("DO $$ DECLARE r record; BEGIN FOR r IN EXECUTE 'DELETE FROM t RETURNING 1' LOOP NULL; END LOOP; END $$",),
        (f"{F} sql AS 'DELETE FROM t'", "SELECT f()"),
        (f"{F} plpgsql AS 'BEGIN TRUNCATE t; END'", "DO $$ BEGIN PERFORM f(); END $$"),
        ("CREATE PROCEDURE f() BEGIN ATOMIC DELETE FROM t; END", "CALL f()"),
        (f"{F} sql AS 'DELETE FROM t'", "CREATE FUNCTION g() RETURNS void LANGUAGE sql AS 'SELECT f()'", "SELECT g()"),
        ("ALTER TABLE t ALTER a TYPE text USING NULL",),
        ("ALTER TABLE t ALTER a TYPE text USING b",),
        ("ALTER TABLE t ALTER a TYPE int USING 1 + a::int",),
        ("ALTER TABLE t ALTER a TYPE text USING a::varchar(1)",),  # an explicit cast to a length cuts silently
        ("ALTER TABLE t ALTER a TYPE text USING a::varchar(1)::text",),
        ("UPDATE t SET a = 1 WHERE b IS NOT NULL",),
        ("UPDATE t SET a = 1 WHERE b IS NOT NULL AND true AND NOT c IS NULL",),
        ("UPDATE t SET a = 1 WHERE b IS NULL OR b IS NOT NULL",),
        ("UPDATE t SET a = 1 WHERE b >= b",),
        ("UPDATE t x SET a = 1 FROM t y WHERE x.id = y.id",),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN UPDATE SET a = 1",),
        ("MERGE INTO t USING (SELECT id FROM t) y ON t.id = y.id WHEN MATCHED THEN UPDATE SET a = 1",),
        ("MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE",),
        ("SELECT lo_unlink(o) FROM t",),
        ("DO $$ BEGIN PERFORM lo_unlink(o) FROM t; END $$",),
        ("CREATE TABLE only_a_run_knows_this_name ()", "DO $$ BEGIN EXECUTE 'TRUNCATE ' || current_user; END $$"),
    ],
)
def test_is(statements: tuple[str, ...]) -> None:
    assert is_destructive(*statements)


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE t ADD a int", "UPDATE t SET a = 1"),  # nothing was there to be overwritten
        ("UPDATE t SET a = 1 WHERE b IS NULL",),
        ("ALTER TABLE t ADD a int", "UPDATE t SET a = 1 WHERE b IS NOT NULL"),
        ("ALTER TABLE t ADD a int", "ALTER TABLE t ALTER a TYPE text USING NULL"),
        ("ALTER TABLE t ALTER a TYPE text",),
        ("ALTER TABLE t ALTER a TYPE text USING a",),
        ("ALTER TABLE t ALTER a TYPE mood USING t.a::text::mood",),
        ("UPDATE t SET a = 1 WHERE b IS NOT NULL AND c = 2",),
        ("UPDATE t SET a = p.a FROM t p WHERE t.parent = p.id",),
        ("UPDATE t SET a = u.a FROM u WHERE t.id = u.id",),
        ("MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET a = u.a",),
        ("MERGE INTO t USING u ON true WHEN NOT MATCHED THEN INSERT (a) VALUES (1)",),
        ("CREATE TABLE u (a int)", "DROP TABLE u"),
        ("CREATE TABLE u (a int)", "DO $$ BEGIN DELETE FROM u; END $$"),
        ("DROP INDEX i",),
        ("DROP FUNCTION f()",),
        ("DO $$ BEGIN RAISE NOTICE 'DROP TABLE t'; END $$",),
        ("DO $$ BEGIN PERFORM 'TRUNCATE t'; -- DROP TABLE t\n END $$",),
        (f"{F} sql AS 'DELETE FROM t'",),  # it is not called
        (f"{F} sql AS 'SELECT f()'", "SELECT f()"),  # calls itself
        ("INSERT INTO t VALUES ('DROP TABLE t')",),
    ],
)
def test_is_not(statements: tuple[str, ...]) -> None:
    assert not is_destructive(*statements)
