"""What makes a migration destructive, in code that it runs too, and what does not."""

from __future__ import annotations

import pytest

from tenantplan.migration.lint import lint
from tenantplan.migration.row_rules import destroys

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
