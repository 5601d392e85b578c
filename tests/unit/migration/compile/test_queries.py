"""TypeORM's migrations: a transaction for each, or as its queries say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantplan.errors import MigrationError
from tenantplan.migration.compile.compile import downgrade, upgrade
from tenantplan.migration.tree.graph import Graph, load

INDEX = "CREATE INDEX CONCURRENTLY i ON t (c)"


def a_tree(root: Path, *queries: str, members: str = "") -> Graph:
    """One migration of these queries, in TypeScript."""
    up = "\n".join(f"await q.query({each if each[0] in '`' else repr(each)})" for each in queries)
    (root / "1700000000001-A.ts").write_text(
        f"export class A1700000000001 implements MigrationInterface {{ {members}\nasync up(q) {{\n{up}\n}} async down(q) {{}} }}"
    )
    return load(root, "tenant")


def an_export(root: Path, *scripts: str) -> Graph:
    for number, script in enumerate(scripts, start=1):
        (root / f"{1700000000000 + number}-A.sql").write_text(script)
    return load(root, "tenant")


def transactions(graph: Graph) -> list[list[str]]:
    steps = upgrade(graph, None, graph.head)
    own = [[text for text in step.statements if "migrations" not in text] for step in steps]
    return [texts for texts in own if texts]


def test_each_migration_has_a_transaction_with_its_row(tmp_path: Path) -> None:
    graph = an_export(tmp_path, "ALTER TYPE mood ADD VALUE 'new'; SELECT 1", "INSERT INTO t VALUES ('new')")
    first, second = upgrade(graph, None, graph.head)
    assert first.statements[0].startswith('CREATE TABLE IF NOT EXISTS "migrations"')
    assert first.statements[-1] == (
        """INSERT INTO public.migrations ("timestamp", "name") VALUES (1700000000001, 'A1700000000001')"""
    )
    assert second.statements[0] == "INSERT INTO t VALUES ('new')"
    (tmp_path / "1700000000002-A.down.sql").write_text("DELETE FROM t")
    (back,) = downgrade(load(tmp_path, "tenant"), "A1700000000002", "A1700000000001")
    assert back.statements == (
        "DELETE FROM t",
        """DELETE FROM public.migrations WHERE "timestamp" = 1700000000002 AND "name" = 'A1700000000002'""",
    )
    with pytest.raises(MigrationError, match="no way back") as refused:
        downgrade(load(tmp_path, "tenant"), "A1700000000001", None)
    assert "1700000000001-A.down.sql" in refused.value.hint


@pytest.mark.parametrize(
    ("queries", "members", "wanted"),
    [
        (("SELECT 1; SELECT 2", "SELECT 3"), "", [["SELECT 1", "SELECT 2", "SELECT 3"]]),
        (("SELECT 1; SELECT 2", "SELECT 3"), "transaction = false", [["SELECT 1", "SELECT 2"], ["SELECT 3"]]),
        ((INDEX, "SELECT 3"), "transaction = false", [[INDEX], ["SELECT 3"]]),
        (("SELECT 1", "COMMIT", INDEX, "SELECT 2", "BEGIN", "SELECT 3", "SELECT 4"), "",
         [["SELECT 1"], [INDEX], ["SELECT 2"], ["SELECT 3", "SELECT 4"]]),
        (("SELECT 1", "BEGIN", "SELECT 2"), "", [["SELECT 1", "SELECT 2"]]),
        (("SELECT 1", "COMMIT", "SELECT 2", "SELECT 3"), "", [["SELECT 1"], ["SELECT 2"], ["SELECT 3"]]),
    ],
)  # fmt: skip
def test_transactions_are_those_that_typeorm_makes(
    tmp_path: Path, queries: tuple[str, ...], members: str, wanted: list[list[str]]
) -> None:
    assert transactions(a_tree(tmp_path, *queries, members=members)) == wanted


def test_an_export_says_by_its_statements_that_it_has_no_transaction(tmp_path: Path) -> None:
    assert transactions(an_export(tmp_path, f"SELECT 1; {INDEX}; SELECT 2")) == [["SELECT 1"], [INDEX], ["SELECT 2"]]


def test_parameters_are_literals(tmp_path: Path) -> None:
    text = "`INSERT INTO t VALUES ($1, 'é $2', $2::text, $3, $1)`, ['it\\'s', null, 5]"
    assert transactions(a_tree(tmp_path, text)) == [
        ["INSERT INTO t VALUES ( 'it''s' , 'é $2',  NULL ::text,  '5' ,  'it''s' )"]
    ]


def test_the_table_of_views_and_generated_columns_is_there(tmp_path: Path) -> None:
    (texts,) = transactions(a_tree(tmp_path, "SELECT 1", 'DELETE FROM "typeorm_metadata"'))
    assert texts[0].startswith('CREATE TABLE IF NOT EXISTS "typeorm_metadata"')


def test_the_extension_of_uuids_is_there_as_when_typeorm_connects(tmp_path: Path) -> None:
    uses, makes = "CREATE TABLE {} (id uuid DEFAULT uuid_generate_v4())", 'CREATE EXTENSION IF NOT EXISTS "uuid-ossp"'
    assert transactions(an_export(tmp_path, "SELECT 1", uses.format("a"), uses.format("b"))) == [
        ["SELECT 1"],
        [makes, uses.format("a")],
        [uses.format("b")],
    ]
    own = "CREATE FUNCTION public.uuid_generate_v4() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()'"
    for first in (own, 'CREATE EXTENSION "uuid-ossp" SCHEMA public'):
        assert transactions(an_export(tmp_path, first, uses.format("a"), "SELECT 1"))[:2] == [
            [first],
            [uses.format("a")],
        ]


@pytest.mark.parametrize(
    ("queries", "line", "said"),
    [
        (("SELECT 1", INDEX), ":4", "only outside a transaction"),
        (("SELECT 1", "ROLLBACK"), ":4", "ends its transaction with ROLLBACK"),
        (("SELEC 1",), ":3", "parser refuses it"),
        (("`SELECT $2`, ['a']",), ":3", "has no parameter"),
        (("`SELECT 1`, ['a']",), ":3", "has 1 parameters, and names 0"),
        (("`SELECT $1; SELECT 2`, ['a']",), ":3", "has to be one statement"),
    ],
)
def test_what_typeorm_could_not_run_either_is_refused(
    tmp_path: Path, queries: tuple[str, ...], line: str, said: str
) -> None:
    with pytest.raises(MigrationError, match=said) as refused:
        upgrade(a_tree(tmp_path, *queries), None, "A1700000000001")
    assert refused.value.where == f"{tmp_path}/1700000000001-A.ts{line}"
