"""Scripts of Prisma's: one transaction for each migration, or those that the script itself says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantplan.errors import MigrationError
from tenantplan.migration.compile.compile import upgrade
from tenantplan.migration.tree.graph import Graph, load

INDEX = "CREATE INDEX CONCURRENTLY i ON t (c)"


def a_tree(root: Path, *scripts: str) -> Graph:
    """Migrations 1_step, 2_step, … of these scripts."""
    for number, script in enumerate(scripts, start=1):
        (root / f"{number}_step").mkdir()
        (root / f"{number}_step" / "migration.sql").write_text(script)
    return load(root, "tenant")


def transactions(graph: Graph) -> list[list[str]]:
    """The author's statements, step by step."""
    steps = upgrade(graph, None, graph.head)
    own = [[text for text in step.statements if "_prisma_migrations" not in text] for step in steps]
    return [texts for texts in own if texts]


def test_each_migration_has_a_transaction_of_its_own(tmp_path: Path) -> None:
    graph = a_tree(tmp_path, "ALTER TYPE mood ADD VALUE 'new'; SELECT 1", "INSERT INTO t VALUES ('new')")
    steps = upgrade(graph, None, graph.head)
    assert [step.revision for step in steps] == ["1_step", "2_step"]
    assert [step.start for step in steps] == [None, "1_step"]
    assert transactions(graph) == [["ALTER TYPE mood ADD VALUE 'new'", "SELECT 1"], ["INSERT INTO t VALUES ('new')"]]


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("BEGIN; SELECT 1; SELECT 2; COMMIT;", [["SELECT 1", "SELECT 2"]]),
        ("BEGIN; SELECT 1; COMMIT; SELECT 2", [["SELECT 1"], ["SELECT 2"]]),
        ("SELECT 0; BEGIN; SELECT 1; COMMIT; SELECT 2", [["SELECT 0", "SELECT 1"], ["SELECT 2"]]),
        ("SELECT 0; BEGIN; SELECT 1; END; BEGIN; SELECT 2; COMMIT", [["SELECT 0", "SELECT 1"], ["SELECT 2"]]),
        ("COMMIT; SELECT 1", [["SELECT 1"]]),
        ("BEGIN; SELECT 1", [["SELECT 1"]]),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1",
         [["SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SELECT 1"]]),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; COMMIT",
         [["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1"]]),
        ("SELECT 1; SAVEPOINT a; ROLLBACK TO a", [["SELECT 1", "SAVEPOINT a", "ROLLBACK TO a"]]),
    ],
)  # fmt: skip
def test_a_script_is_as_many_transactions_as_postgresql_makes_of_it(
    tmp_path: Path, script: str, wanted: list[list[str]]
) -> None:
    graph = a_tree(tmp_path, script)
    assert transactions(graph) == wanted
    steps = upgrade(graph, None, graph.head)
    assert [step.mark is None for step in steps] == [False] * (len(wanted) - 1) + [True]
    assert [step.revision for step in steps][-1] == "1_step"


def test_a_script_that_was_interrupted_goes_on_after_its_commit(tmp_path: Path) -> None:
    graph = a_tree(tmp_path, "BEGIN; SELECT 1; COMMIT; SELECT 2")
    first, second = upgrade(graph, None, graph.head)
    assert upgrade(graph, None, graph.head, mark=first.mark) == (second,)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("BEGIN; SELECT 1; ROLLBACK", "ends its transaction with ROLLBACK"),
        (f"SELECT 1; COMMIT; {INDEX}", "stands beside others"),
        (f"{INDEX}; SELECT 1", "stands beside others"),
    ],
)
def test_what_prisma_could_not_run_either_is_refused(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(MigrationError, match=said) as raised:
        upgrade(a_tree(tmp_path, script), None, "1_step")
    assert "migration.sql" in raised.value.where
