"""A tree is read without running it, and refused with its fix when it is not one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.migration.trees import a_revision, a_tree

from tenantplan.errors import MigrationError
from tenantplan.migration.tree.graph import edited, load


def test_revisions_come_base_first_whatever_their_files_are_called(tmp_path: Path) -> None:
    root = a_tree(tmp_path, zz="pass", aa="pass", mm="pass")
    graph = load(root, "tenant")
    assert [revision.id for revision in graph.revisions] == ["zz", "aa", "mm"]
    assert graph.head == "mm"
    assert graph.revisions[1].message == "step aa"
    assert [revision.id for revision in graph.path("zz", "mm")] == ["aa", "mm"]
    assert graph.path("mm", "mm") == ()


def test_an_annotated_revision_is_read(tmp_path: Path) -> None:
    root = a_tree(tmp_path)
    (root / "versions" / "x.py").write_text("revision: str = 'x1'\ndown_revision: str | None = None\n")
    assert load(root, "tenant").head == "x1"


def test_an_empty_tree_has_no_head(tmp_path: Path) -> None:
    assert load(a_tree(tmp_path), "tenant").head is None


def test_reading_runs_nothing_and_does_not_import_alembic(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="pass")
    a_revision(root, "a2", "a1", extra="import nowhere_at_all\nraise SystemExit('ran')")
    code = (
        "import sys; from pathlib import Path; from tenantplan.migration.tree.graph import load; "
        f"print(load(Path({str(root)!r}), 'tenant').head, 'alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["a2", "False"]


def _two_heads(root: Path) -> None:
    a_revision(root, "b1", "a1")
    a_revision(root, "b2", "a1")


def _circle(root: Path) -> None:
    a_revision(root, "c1", "c2")
    a_revision(root, "c2", "c1")


def _syntax(root: Path) -> None:
    (root / "versions" / "bad.py").write_text("revision = 'x'\ndef upgrade(:\n")


def _computed(root: Path) -> None:
    (root / "versions" / "bad.py").write_text("revision = 'x'.upper()\n")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_two_heads, ["several heads (b1, b2)", "b2_step.py", "set down_revision"]),
        (lambda root: a_revision(root, "b1", None), ["several heads (a1, b1)", "both follow the empty database"]),
        (_circle, ["c1, c2", "circle"]),
        (lambda root: a_revision(root, "b1", "gone"), ["down_revision gone is in no file", "b1_step.py"]),
        (lambda root: a_revision(root, "a1", None, file="copy.py"), ["a1 is in two files", "a1_step.py", "copy.py"]),
        (
            lambda root: a_revision(root, "b1", "a1", extra="depends_on = 'x@head'"),
            ["x@head is in no file", "depends_on"],
        ),
        (
            lambda root: a_revision(root, "b1", "a1", extra="preflight = 7"),
            ["preflight must be a string", "b1_step.py"],
        ),
        (_syntax, ["syntax error", "bad.py:2"]),
        (_computed, ["plain string", "bad.py:1"]),
        (lambda root: a_revision(root, "x" * 33, "a1"), ["at most 32"]),
        (lambda root: a_revision(root, "x'y", "a1", file="q.py"), ["at most 32", "q.py"]),
        (lambda root: (root / "versions" / "notes.py").write_text("x = 1\n"), ["notes.py", "beside env.py"]),
    ],
)
def test_refused(tmp_path: Path, spoil: Callable[[Path], object], said: list[str]) -> None:
    root = a_tree(tmp_path, a1="pass")
    spoil(root)
    with pytest.raises(MigrationError) as raised:
        load(root, "tenant")
    for part in said:
        assert part in str(raised.value)


def test_a_missing_folder_and_an_unknown_revision_are_named(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match=r"no tenant migration tree") as raised:
        load(tmp_path / "nowhere", "tenant")
    assert "nowhere" in raised.value.where
    graph = load(a_tree(tmp_path, a1="pass", a2="pass"), "tenant")
    with pytest.raises(MigrationError, match=r"no revision zz"):
        graph.path("zz", "a2")
    with pytest.raises(MigrationError, match=r"downgrade"):
        graph.path("a2", "a1")


def test_edited_and_vanished_revisions_are_found_whatever_the_newlines(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="pass", a2="pass")
    before = load(root, "tenant")
    recorded = {revision.id: revision.digest for revision in before.revisions}
    first = before.revisions[0].path
    first.write_bytes(first.read_bytes().replace(b"\n", b"\r\n"))
    assert edited(load(root, "tenant"), recorded) == ()
    a_revision(root, "a1", None, "op.execute('SELECT 2')")
    found = edited(load(root, "tenant"), recorded | {"a0": "00"})
    assert [(edit.revision, edit.path) for edit in found] == [("a0", None), ("a1", first)]
    assert "restore it" in found[0].message and "a1_step.py was edited" in found[1].message


@pytest.mark.parametrize("name", ["env.py", "tenancy.py", "scripts/seed.sql", "package/__init__.py"])
def test_the_digest_covers_what_revisions_import_and_read(tmp_path: Path, name: str) -> None:
    root = a_tree(tmp_path, a1="pass")
    digest = load(root, "tenant").digest
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("x = 1\n")
    assert load(root, "tenant").digest != digest


def test_bytecode_and_a_folder_that_is_called_versions_too_change_nothing(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="pass")
    digest = load(root, "tenant").digest
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "x.pyc").write_text("x")
    assert load(root, "tenant").digest == digest


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ("context.configure(on_version_apply=tell)", "calls a function for each version"),
        ("context.configure(version_table='v')", "renames the version table"),
        ("context.configure(**{'version_table': 'v'})", "renames the version table"),
        ("V = 'v'\ncontext.configure(version_table=V)", "renames the version table"),
        ("o = {'on_version_apply': tell}", "calls a function for each version"),
        ("connection.execute(text('SET ROLE x'))", "executes a statement itself"),
        ("listen(engine, 'commit', f)", "listens for events"),
        ("connection.execute(text(wanted))", "executes a statement itself"),
        ("connection.execute(text('SET x = 1; CREATE TABLE t ()'))", "executes a statement itself"),
        ("connection.execute(text('SET LOCAL ROLE x'))", "executes a statement itself"),
        ("connection.execute(text('SET SESSION AUTHORIZATION x'))", "executes a statement itself"),
        ("connection.execute(text(\"SELECT set_config('role', 'x', false)\"))", "executes a statement itself"),
        ("connection.execute(text('CREATE SCHEMA app'))", "executes a statement itself"),
        ("a = 'SET x = 1'\na = 'DROP TABLE t'\nconnection.execute(text(a))", "executes a statement itself"),
        ("context.configure(version_table_schema='s')", "another schema"),
        ("@event.listens_for(Table, 'after_create')\ndef f(*a): ...", "listens for events"),
        ("m = MetaData(naming_convention=made())", "naming convention is computed"),
    ],
)
def test_an_env_that_would_do_more_is_refused(tmp_path: Path, env: str, said: str) -> None:
    root = a_tree(tmp_path, a1="pass")
    (root / "env.py").write_text(env + "\n")
    with pytest.raises(MigrationError, match=said) as raised:
        load(root, "tenant")
    assert "env.py:" in raised.value.where


@pytest.mark.parametrize(
    "env",
    [
        "connection.execute(text('SET statement_timeout = 5000'))",
        "connection.execute(sa.text(\"SELECT pg_advisory_lock(hashtext('alembic'))\"))",
        "path = text(f'set search_path to \"{schema}\"')\nconnection.execute(path)",
        "connection.exec_driver_sql('COMMIT')",
        "connection.execute(text('SET lock_timeout = 1; SET statement_timeout = 2;'))",
        "connection.execute(text(\"SELECT set_config('search_path', 'x', false)\"))",
        "context.execute('PRAGMA foreign_keys=OFF')",
        "listen(engine, 'connect', f)",
        "@event.listens_for(engine, 'do_connect')\ndef f(*a): ...",
        "context.configure(version_table_schema='public')",
    ],
)
def test_what_tenantplan_does_in_its_own_way_is_ignored_and_said(tmp_path: Path, env: str) -> None:
    root = a_tree(tmp_path, a1="pass")
    (root / "env.py").write_text(env + "\n")
    ignored = load(root, "tenant").env.ignored
    assert all(each.startswith("env.py:") for each in ignored)
    assert len(ignored) == ("version_table" not in env)


def test_an_env_for_tenantplan_is_read_in_place_of_the_other(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="pass")
    (root / "env.py").write_text("context.configure(version_table='v')\n")
    (root / "env_tenantplan.py").write_text("context.configure(transaction_per_migration=True)\n")
    assert load(root, "tenant").env.each_alone


def test_what_an_env_says_about_transactions_and_names(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="pass")
    (root / "env.py").write_text(
        "NAMES = {'pk': 'pk_%(table_name)s'}\nm = MetaData(naming_convention=NAMES)\n"
        "context.configure(transaction_per_migration=True, version_table='alembic_version')\n"
    )
    env = load(root, "tenant").env
    assert env.each_alone and env.naming_convention == {"pk": "pk_%(table_name)s"}


def test_a_tree_with_branches_has_one_head_when_they_are_merged(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="pass")
    a_revision(root, "b1", "a1", extra="branch_labels = ('billing',)")
    a_revision(root, "c1", "a1")
    a_revision(root, "c2", "c1", extra="depends_on = 'b1'")
    graph = load(root, "tenant")
    assert graph.head == "c2"  # it needs b1, so that Alembic's version table holds c2 alone
    order = [revision.id for revision in graph.revisions]
    assert order[0] == "a1" and order[-1] == "c2"
    b1, c1 = graph.by_id["b1"], graph.by_id["c1"]
    assert graph.after("a1", b1) == "b1" and graph.after("b1", c1) == "b1,c1"
    assert graph.before("b1,c1", b1) == "c1"
    with pytest.raises(MigrationError, match="different branches"):
        graph.path("b1", "c1")


def test_the_way_back_is_known_without_running_it(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="pass")
    path = root / "versions" / "b1.py"
    path.write_text(
        "revision = 'b1'\ndown_revision = 'a1'\ndef upgrade(): pass\ndef downgrade():\n    raise Exception\n"
    )
    graph = load(root, "tenant")
    assert [revision.reversible for revision in graph.revisions] == [True, False]


def test_a_revision_in_a_subfolder_is_refused(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="pass")
    (root / "versions" / "2024").mkdir()
    (root / "versions" / "2024" / "b1.py").write_text("revision = 'b1'\ndown_revision = 'a1'\n")
    with pytest.raises(MigrationError, match="folder of its own"):
        load(root, "tenant")


def test_the_packages_own_env_is_one_of_those_that_can_be_used(tmp_path: Path) -> None:
    assert load(Path(__file__).parents[4] / "migrations" / "tenant", "tenant").head
