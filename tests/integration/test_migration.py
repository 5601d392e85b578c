"""Compiled SQL makes the same schema as Alembic itself, from every revision, and goes back to nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from servers import TestServer
from unit.migration.trees import a_tree

from tenantplan.migration.compile.compile import compile_path, downgrade_path
from tenantplan.migration.tree.alembic_files import SHARED_VERSION_TABLE
from tenantplan.migration.tree.graph import Graph, load
from tenantplan.postgres.databases import drop_database
from tenantplan.schema.fingerprint import differences, fingerprint, objects

TREES = Path(__file__).parents[2] / "migrations"
MAIN, TENANT = load(TREES / "main", "main"), load(TREES / "tenant", "tenant")
_NUMBERS = count(1)
Connection = psycopg.Connection[Any]
Database = Callable[..., Connection]


@pytest.fixture
def database(server: TestServer) -> Iterator[Database]:
    """Makes a database, empty or cloned from `template`, and connects to it as the role without superuser."""
    made: dict[str, Connection] = {}

    def make(template: str = "template0") -> Connection:
        name = f"tree_{os.getpid()}_{next(_NUMBERS)}"
        with server.connect() as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        made[name] = server.connect(dbname=name)
        return made[name]

    yield make
    for connection in made.values():
        connection.close()
    with server.connect() as admin:
        for name in made:
            drop_database(admin, name)


def run(connection: Connection, statements: tuple[str, ...]) -> None:
    with connection.transaction():
        for statement in statements:
            connection.execute(statement.encode())


def alembic(server: TestServer, connection: Connection, tree: Path, *arguments: str, shared: bool = False) -> None:
    command = [sys.executable, "-m", "alembic", "-c", str(tree / "alembic.ini")]
    options = ["-x", f"url={server.url(dbname=connection.info.dbname)}", "-x", f"shared={str(shared).lower()}"]
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([*command, *options, *arguments], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr


def same(expected: Connection, actual: Connection) -> None:
    assert differences(objects(expected), objects(actual)) == []
    assert fingerprint(expected) == fingerprint(actual)


def up(graph: Graph, start: str | None = None, end: str | None = None, **options: Any) -> tuple[str, ...]:
    assert graph.head
    return compile_path(graph, start, end or graph.head, **options)


@pytest.mark.parametrize("graph", [MAIN, TENANT], ids=["main", "tenant"])
def test_compiled_equals_alembic(server: TestServer, database: Database, graph: Graph) -> None:
    compiled, by_hand = database(), database()
    run(compiled, up(graph))
    alembic(server, by_hand, graph.directory, "upgrade", "head")
    same(by_hand, compiled)
    row = compiled.execute("SELECT array_agg(version_num) FROM alembic_version").fetchone()
    assert row == ([graph.head],)


def test_compiled_equals_alembic_in_shared_mode(server: TestServer, database: Database) -> None:
    compiled, by_hand = database(), database()
    run(compiled, up(MAIN) + up(TENANT, shared=True, version_table=SHARED_VERSION_TABLE))
    alembic(server, by_hand, MAIN.directory, "upgrade", "head")
    alembic(server, by_hand, TENANT.directory, "upgrade", "head", shared=True)
    same(by_hand, compiled)


@pytest.mark.parametrize("shared", [False, True], ids=["dedicated", "shared"])
@pytest.mark.parametrize("middle", [revision.id for revision in TENANT.revisions[:-1]])
def test_every_start_leads_to_the_same_schema_and_back(database: Database, middle: str, shared: bool) -> None:
    straight, stepwise = database(), database()
    for connection in (straight, stepwise):
        if shared:
            run(connection, up(MAIN))
    version: dict[str, Any] = {"shared": shared, "version_table": SHARED_VERSION_TABLE if shared else "alembic_version"}
    run(straight, up(TENANT, **version))
    run(stepwise, up(TENANT, None, middle, **version))
    at_middle = fingerprint(stepwise)
    run(stepwise, up(TENANT, middle, **version))
    same(straight, stepwise)
    run(stepwise, downgrade_path(TENANT, str(TENANT.head), middle, **version))
    assert fingerprint(stepwise) == at_middle != fingerprint(straight)


def test_downgrade_to_the_base_leaves_only_the_version_tables(database: Database) -> None:
    connection = database()
    empty = objects(connection)
    shared: dict[str, Any] = {"shared": True, "version_table": SHARED_VERSION_TABLE}
    run(connection, up(MAIN) + up(TENANT, **shared))
    run(connection, downgrade_path(TENANT, str(TENANT.head), None, **shared))
    run(connection, downgrade_path(MAIN, str(MAIN.head), None))
    left = {identity for identity, _, _ in differences(empty, objects(connection))}
    assert all("alembic_version" in identity for identity in left), left
    run(connection, up(MAIN) + up(TENANT, **shared))  # and up again


def test_a_clone_has_the_fingerprint_of_its_template(server: TestServer, database: Database) -> None:
    template = database()
    run(template, up(TENANT))
    expected, name = fingerprint(template), template.info.dbname
    template.close()
    clone = database(name)
    assert fingerprint(clone) == expected


@pytest.mark.parametrize(
    ("ddl", "named"),
    [
        ("ALTER TABLE donors ADD COLUMN extra int", "column public.donors.extra"),
        ("ALTER TABLE donors ALTER COLUMN email SET NOT NULL", "column public.donors.email"),
        ("ALTER TABLE donors ALTER COLUMN kind SET DEFAULT 'company'", "column public.donors.kind"),
        ("DROP INDEX donations_donated_at_idx", "index public.donations_donated_at_idx"),
        ("ALTER TABLE donors DROP CONSTRAINT donors_kind_check", "constraint public.donors.donors_kind_check"),
        ("ALTER TABLE donors ENABLE ROW LEVEL SECURITY", "table public.donors"),
        ("ALTER TABLE donors SET (fillfactor = 50)", "table public.donors"),
        ("CREATE POLICY p ON donors USING (true)", "policy public.donors.p"),
        ("CREATE VIEW v AS SELECT email FROM donors", "view public.v"),
        ("CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'", "function public.f(a integer)"),
        (
            "CREATE TRIGGER t BEFORE UPDATE ON donors FOR EACH ROW "
            "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "trigger public.donors.t",
        ),
        ("CREATE SEQUENCE s START 5", "sequence public.s"),
        ("CREATE TYPE mood AS ENUM ('a')", "type public.mood"),
        ("CREATE DOMAIN d AS int CHECK (VALUE > 0)", "constraint public.d.d_check"),
        ("GRANT SELECT ON donors TO PUBLIC", "grant table public.donors to PUBLIC"),
        ("GRANT UPDATE (email) ON donors TO PUBLIC", "grant column public.donors.email to PUBLIC"),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "grant schema public to PUBLIC"),
        ("REVOKE DELETE ON donors FROM CURRENT_USER", "grant table public.donors to owner"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC", "grant default privileges r to PUBLIC"),
        ("CREATE SCHEMA other", "schema other"),
        ("CREATE RULE r AS ON DELETE TO donors DO INSTEAD NOTHING", "rule public.donors.r"),
        ("CREATE STATISTICS st ON kind, email FROM donors", "statistics public.st"),
    ],
)
def test_foreign_ddl_is_found_and_named(database: Database, ddl: str, named: str) -> None:
    connection = database()
    run(connection, up(TENANT))
    before, known = objects(connection), fingerprint(connection)
    with connection.transaction(force_rollback=True):
        connection.execute(ddl.encode())
        found = {identity for identity, _, _ in differences(before, objects(connection))}
        assert named in found
        assert fingerprint(connection) != known
    assert fingerprint(connection) == known


def test_what_changes_nothing_changes_no_fingerprint(database: Database) -> None:
    connection = database()
    run(connection, up(TENANT))
    before = fingerprint(connection)
    connection.execute("GRANT SELECT ON donors TO CURRENT_USER")  # an explicit list of what an owner has anyway
    connection.execute("INSERT INTO donors (email) VALUES ('a@x.org')")
    connection.execute("SET search_path = nowhere; SET DateStyle = 'German'; SET quote_all_identifiers = on")
    assert fingerprint(connection) == before
    setting = connection.execute("SHOW search_path").fetchone()
    assert setting == ("nowhere",)
    connection.execute("SET default_transaction_read_only = on")
    assert fingerprint(connection) == before


def test_an_invalid_index_is_named(database: Database) -> None:
    connection = database()
    run(connection, up(TENANT))
    connection.execute("INSERT INTO campaigns (slug, name) VALUES ('a', 'x'), ('b', 'x')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("CREATE UNIQUE INDEX CONCURRENTLY by_name ON campaigns (name)")
    assert objects(connection)["index public.by_name"].endswith(" INVALID")


HOSTILE = r"""op.execute("CREATE TABLE kept (id int, said text)")
op.execute("INSERT INTO kept VALUES (1, '100% of %s %(x)s %%'), (2, 'a:b ::c 12:30'), (3, 'tab\there; \\ back')")
op.execute("INSERT INTO kept VALUES (4, $t$ 'one'; $$ two -- three $t$), (5, E'\\x41 it''s /* no comment')")
op.execute("INSERT INTO kept VALUES (6, '\\:bound') -- COMMIT; 'x")
op.execute(sa.text("INSERT INTO kept VALUES (7, :v)").bindparams(v="q'; DROP TABLE kept; -- %\\ :z \t"))
op.bulk_insert(sa.table("kept", sa.column("id", sa.Integer()), sa.column("said", sa.Text())),
               [{"id": 8, "said": "50% \\ 'x' :y"}])
op.execute("DO $$ BEGIN INSERT INTO kept SELECT 9, format('%s: %I', 'a', 'B'); END $$")
"""


def test_hostile_text_arrives_as_it_does_through_alembic(
    server: TestServer, database: Database, tmp_path: Path
) -> None:
    root = a_tree(tmp_path, h1=HOSTILE)
    for file in ("env.py", "alembic.ini"):
        shutil.copy(MAIN.directory / file, root / file)
    compiled, by_hand = database(), database()
    run(compiled, up(load(root, "tenant")))
    alembic(server, by_hand, root, "upgrade", "head")
    rows = [connection.execute("SELECT * FROM kept ORDER BY id").fetchall() for connection in (compiled, by_hand)]
    assert len(rows[0]) == 9
    assert rows[0] == rows[1]
