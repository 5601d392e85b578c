"""What is wrong with a tree is said of all its revisions at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.migration.trees import a_revision, a_tree

from tenantplan.cli.failures import described
from tenantplan.errors import MigrationError, RevisionsRefused
from tenantplan.migration.compile.compile import upgrade
from tenantplan.migration.lint.review import review, review_each
from tenantplan.migration.tree import graph as graphs


def refused(tree: Path) -> list[tuple[str, str]]:
    graph = graphs.load(tree, "tenant")
    with pytest.raises(RevisionsRefused) as caught:
        upgrade(graph, None, graph.head)
    return [(Path(error.where).name, error.message) for error in caught.value.found]


def test_each_revision_with_its_file_its_line_and_why(tmp_path: Path) -> None:
    tree = a_tree(
        tmp_path,
        aa="op.execute('SELECT 1')\nraise ValueError('no such plan')",
        bb="op.execute('SELECT 1')",
        cc="op.execute('COMMIT')",
        dd="import no_such_module",
        ee="with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY ON x (y)')",
        ff="op.drop_column('x', 'y')",
    )
    assert refused(tree) == [
        ("aa_step.py:9", "cannot be compiled to SQL: ValueError: no such plan"),
        ("cc_step.py:8", "begins or ends a transaction itself (COMMIT)"),
        ("dd_step.py:8", "imports no_such_module, which is not installed here"),
    ]


def test_what_is_refused_between_revisions_too(tmp_path: Path) -> None:
    alone = "with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY ON x (y)')"
    found = refused(a_tree(tmp_path, aa=alone, bb="pass", cc=alone))
    assert [file for file, _ in found] == ["aa_step.py", "cc_step.py"]


def test_files_that_are_no_revisions_too(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, aa="pass")
    (tree / "versions" / "broken.py").write_text("def upgrade(:\n")
    (tree / "versions" / "other.py").write_text("x = 1\n")
    with pytest.raises(RevisionsRefused) as caught:
        graphs.load(tree, "tenant")
    assert [Path(error.where).name for error in caught.value.found] == ["broken.py:1", "other.py"]


def test_one_is_told_as_it_always_was(tmp_path: Path) -> None:
    graph = graphs.load(a_tree(tmp_path, aa="raise ValueError('no')", bb="pass"), "tenant")
    with pytest.raises(MigrationError) as caught:
        upgrade(graph, None, graph.head)
    assert not isinstance(caught.value, RevisionsRefused)


def test_a_text_has_the_first_twenty_and_a_document_all(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, **{f"r{number:03}": f"raise ValueError('no {number}')" for number in range(30)})
    graph = graphs.load(tree, "tenant")
    with pytest.raises(RevisionsRefused) as caught:
        upgrade(graph, None, graph.head)
    said = str(caught.value)
    assert said.startswith("30 revisions cannot be used:\n") and "no 19" in said and "no 20" not in said
    assert said.count("write it as plain SQL") == 1 and "and 10 more" in said
    assert [each["line"] for each in described(caught.value, said)] == [8] * 30


def test_lint_names_them_all(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, aa="raise ValueError('no')", bb="pass", cc="raise ValueError('nor this')")
    a_revision(tree, "dd", "cc", "op.execute('SELECT 1')", extra="# tenantplan: allow drop-table")
    graph = graphs.load(tree, "tenant")
    for every in (False, True):
        with pytest.raises(RevisionsRefused) as caught:
            review_each(graph) if every else review(graph, None, graph.head)
        files = {Path(error.where).name.split("_")[0] for error in caught.value.found}
        assert {"aa", "cc"} <= files


def test_a_prisma_tree_too(tmp_path: Path) -> None:
    (tmp_path / "migration_lock.toml").write_text('provider = "postgresql"\n')
    for name, text in (("1_a", "SELEC 1"), ("2_b", "SELECT 1"), ("3_c", "SELEC 3")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "migration.sql").write_text(text)
    assert len(refused(tmp_path)) == 2
