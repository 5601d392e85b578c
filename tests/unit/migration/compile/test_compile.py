"""Compiling keeps SQL exactly as it was written, and refuses what SQL alone cannot say."""

from __future__ import annotations

import logging
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from unit.migration.trees import a_revision, a_tree

from tenantplan.errors import MigrationError
from tenantplan.migration.compile.compile import compile_path, downgrade_path, upgrade
from tenantplan.migration.tree.graph import load


def compiled(root: Path, **revisions: str) -> tuple[str, ...]:
    """The statements of a new tree's upgrade to head, without those for the version table."""
    graph = load(a_tree(root, **revisions), "tenant")
    assert graph.head
    return tuple(text for text in compile_path(graph, None, graph.head) if "alembic_version" not in text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT '100%', 'a%%b', '%(x)s', '%s'",
        "SELECT ':name', ' :name', 'a:b', '12:30:00'::time, x[1:n], '::'",
        "SELECT ';', 'it''s; done', $tag$ one; 'two' $tag$",
        "SELECT E'\\\\ \\' ;', '\\', 'tab\tkept', 'two  spaces\n  and a line'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN COMMIT; RETURN 1; END $$",
        "CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "SELECT 1 -- COMMIT; 'not a string",
        'SELECT 1 AS "a;b:c%d"',
    ],
)
def test_text_is_kept_as_written(tmp_path: Path, text: str) -> None:
    assert compiled(tmp_path, a1=f"op.execute({text!r})") == (text,)


def test_values_become_literals(tmp_path: Path) -> None:
    body = (
        "t = sa.table('t', sa.column('a', sa.Text()), sa.column('n', sa.Integer()))\n"
        "op.bulk_insert(t, [{'a': \"it's 100% C:\\\\\\\\x\\t:y\", 'n': 1}])\n"
        "op.execute(sa.text('UPDATE t SET a = :v').bindparams(v=\"q'; DROP\"))\n"
        "op.execute(t.update().values(n=2))"
    )
    assert compiled(tmp_path, a1=body) == (
        "INSERT INTO t (a, n) VALUES ('it''s 100% C:\\\\x\t:y', 1)",
        "UPDATE t SET a = 'q''; DROP'",
        "UPDATE t SET n=2",
    )


def test_the_version_table_moves_with_each_revision(tmp_path: Path) -> None:
    graph = load(a_tree(tmp_path, a1="op.execute('SELECT 1')", a2="op.execute('SELECT 2;')"), "tenant")
    assert compile_path(graph, "a1", "a2", version_table="v") == (
        "SELECT 2",
        "UPDATE v SET version_num='a2' WHERE v.version_num = 'a1'",
    )
    first, *rest = compile_path(graph, None, "a1", version_table="v")
    assert first.startswith("CREATE TABLE IF NOT EXISTS v (")
    assert rest == ["SELECT 1", "INSERT INTO v (version_num) VALUES ('a1')"]
    assert compile_path(graph, "a2", "a2") == ()
    assert downgrade_path(graph, "a2", None, version_table="v") == (
        "SELECT 0",
        "UPDATE v SET version_num='a1' WHERE v.version_num = 'a2'",
        "SELECT 0",
        "DELETE FROM v WHERE v.version_num = 'a1'",
    )


def test_statements_through_the_connection_are_recorded(tmp_path: Path) -> None:
    body = (
        "bind = op.get_bind()\n"
        "assert bind.dialect.name == 'postgresql'\n"
        "sa.Enum('a', 'b', name='mood').create(bind, checkfirst=False)\n"
        "bind.execute(sa.text('UPDATE t SET x = 1'))"
    )
    assert compiled(tmp_path, a1=body) == ("CREATE TYPE mood AS ENUM ('a', 'b')", "UPDATE t SET x = 1")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("rows = op.get_bind().execute(sa.text('SELECT 1')).fetchall()", "reads the result"),
        ("for row in op.get_bind().execute(sa.text('SELECT 1')): pass", "reads the result"),
        ("if op.get_bind().execute(sa.text('SELECT 1')): pass", "reads the result"),
        ("try:\n    op.get_bind().scalar(sa.text('SELECT 1'))\nexcept Exception: pass", "uses the connection (scalar)"),
        ("op.get_bind().execute(sa.text('UPDATE t SET a = :v'), {'v': 1})", "passes parameters"),
        ("sa.inspect(op.get_bind()).get_table_names()", "inspects the database"),
        ("op.execute('SELECT 1', execution_options={'isolation_level': 'AUTOCOMMIT'})", "execution options"),
        ("if not op.get_context().as_sql:\n    op.execute('SELECT 1')", "offline mode (as_sql)"),
        ("from alembic import context\nif context.is_offline_mode(): pass", "offline mode (is_offline_mode)"),
    ],
)
def test_a_revision_that_looks_at_the_database_is_left_to_alembic(tmp_path: Path, body: str, said: str) -> None:
    graph = load(a_tree(tmp_path, a1="op.execute('SELECT 1')", a2=body, a3="op.execute('SELECT 3')"), "tenant")
    steps = upgrade(graph, None, "a3")
    assert [(step.kind, step.revision) for step in steps] == [
        ("transaction", "a1"),
        ("program", "a2"),
        ("transaction", "a3"),
    ]
    assert steps[1].program == "upgrade a2"
    assert said in steps[1].statements[0] and "a2_step.py" in steps[1].statements[0]
    assert [s for s in steps[1].statements if "SELECT" in s] == []  # nothing of what it did while it was looked at


BLOCK = "with op.get_context().autocommit_block():\n    "
BUILT = f"{BLOCK}op.create_index('i', 't', ['c'], postgresql_concurrently=True)"


def test_an_autocommit_block_is_a_step_of_its_own(tmp_path: Path) -> None:
    body = f"op.execute('SELECT 2')\n{BUILT}\nop.execute('SELECT 4')"
    graph = load(a_tree(tmp_path, a1="op.execute('SELECT 1')", a2=body, a3="op.execute('SELECT 5')"), "tenant")
    first, built, last = upgrade(graph, "a1", "a3")
    assert (first.statements, first.revision) == (("SELECT 2",), "a1")
    assert built.statements == ("CREATE INDEX CONCURRENTLY i ON t (c)",) and built.kind == "outside"
    assert (built.index, built.revision) == ('"public"."i"', "a1")
    marks = [step.mark and step.mark.rsplit(":", 1)[0] for step in (first, built, last)]
    assert marks == ["a2:1", "a2:2", None]
    assert built.begun == first.mark
    assert (last.statements[0], last.revision) == ("SELECT 4", "a3")
    assert upgrade(graph, "a1", "a3", mark=first.mark) == (built, last)
    assert upgrade(graph, "a1", "a3", mark=built.mark) == (last,)


def test_a_block_at_the_beginning_begins_with_a_mark(tmp_path: Path) -> None:
    graph = load(a_tree(tmp_path, a1="op.execute('SELECT 1')", a2=BUILT), "tenant")
    before, built, after = upgrade(graph, None, "a2")
    assert (before.revision, before.mark) == ("a1", None)
    assert built.begun is not None and built.begun.startswith("a2:0:")
    assert after.revision == "a2"
    assert upgrade(graph, "a1", "a2", mark=built.begun) == (built, after)


def test_what_a_transaction_may_hold_is_committed_with_its_mark(tmp_path: Path) -> None:
    """ALTER TYPE … ADD VALUE stands in such blocks; a new value can be used once it is committed."""
    body = f"{BLOCK}op.execute(\"ALTER TYPE mood ADD VALUE 'c'\")\nop.execute(\"UPDATE t SET m = 'c'\")"
    graph = load(a_tree(tmp_path, a1=body), "tenant")
    steps = upgrade(graph, None, "a1")
    assert [step.kind for step in steps] == ["transaction"] * 3
    assert steps[1].statements == ("ALTER TYPE mood ADD VALUE 'c'",)


def test_a_mark_of_another_version_of_the_file_is_refused(tmp_path: Path) -> None:
    body = f"op.execute('SELECT 2')\n{BUILT}"
    mark = upgrade(load(a_tree(tmp_path, a1=body), "tenant"), None, "a1")[0].mark
    a_revision(tmp_path, "a1", None, body + "\nop.execute('SELECT 9')")
    with pytest.raises(MigrationError, match="halfway through revision a1") as raised:
        upgrade(load(tmp_path, "tenant"), None, "a1", mark=mark)
    assert "check out" in raised.value.hint


@pytest.mark.parametrize("body", [f"op.get_bind().execute(sa.text('SELECT 1')).scalar()\n{BUILT}",
    "bind = op.get_bind()\nwhile bind.scalar(sa.text('SELECT 1')):\n    bind.commit()",
    "e = op.get_bind().engine\ne.connect().execution_options(isolation_level='AUTOCOMMIT')"])  # fmt: skip
def test_a_program_that_commits_in_its_middle_says_so_in_the_database(tmp_path: Path, body: str) -> None:
    graph = load(a_tree(tmp_path, a1=body), "tenant")
    step = upgrade(graph, None, "a1")[-1]
    assert step.kind == "program" and "and commits in its middle" in step.statements[0]
    mark = step.begun
    assert mark and mark.startswith("a1:0:") and step.mark is None
    with pytest.raises(MigrationError, match="commits in its middle, and was interrupted") as raised:
        upgrade(graph, None, "a1", mark=mark)
    assert "migrations.rerun: [a1]" in raised.value.hint
    assert upgrade(replace(graph, rerun=("a1",)), None, "a1", mark=mark) == (step,)


@pytest.mark.parametrize(
    "body", ["session = sa.orm.Session(op.get_bind())\nsession.commit()", "sa.inspect(op.get_bind())"]
)
def test_other_programs_are_one_transaction(tmp_path: Path, body: str) -> None:
    graph = load(a_tree(tmp_path, a1=f"op.get_bind().scalar(sa.text('SELECT 1'))\n{body}"), "tenant")
    assert upgrade(graph, None, "a1")[-1].begun is None


def test_a_commit_before_an_autocommit_block_ends_a_transaction(tmp_path: Path) -> None:
    body = "op.execute('SELECT 1')\nop.get_bind().commit()\nop.execute('SELECT 2')\nop.get_bind().commit()\n" + BUILT
    steps = upgrade(load(a_tree(tmp_path, a1="pass", a2=body), "tenant"), "a1", "a2")
    assert [step.statements[0] for step in steps][:3] == ["SELECT 1", "SELECT 2", upgrade_of_built()]
    assert [step.kind for step in steps] == ["transaction", "transaction", "outside", "transaction"]


def upgrade_of_built() -> str:
    return "CREATE INDEX CONCURRENTLY i ON t (c)"


def test_a_type_that_alembic_makes_once_is_made_once(tmp_path: Path) -> None:
    body = "mood = sa.Enum('sad', name='mood')\n" + "\n".join(
        f"op.create_table('{name}', sa.Column('m', mood))" for name in ("c", "d")
    )
    statements = compiled(tmp_path, a1=body)
    assert [text.split("(")[0].strip() for text in statements] == [
        "CREATE TYPE mood AS ENUM",
        "CREATE TABLE c",
        "CREATE TABLE d",
    ]


NAMED = (
    "import sqlalchemy as sa\nmetadata = sa.MetaData(naming_convention={'uq': 'uq_%(table_name)s_%(column_0_name)s'})\n"
)


def test_constraints_without_a_name_get_that_of_the_models(tmp_path: Path) -> None:
    root = a_tree(tmp_path / "tree", a1="op.create_unique_constraint(None, 't', ['a'])")
    (tmp_path / "app_models.py").write_text(NAMED)
    graph = load(root, "tenant")
    named = replace(graph, models="app_models:metadata", root=tmp_path)
    assert "ALTER TABLE t ADD CONSTRAINT uq_t_a UNIQUE (a)" in compile_path(named, None, "a1")
    assert "ALTER TABLE t ADD UNIQUE (a)" in compile_path(graph, None, "a1")
    assert "app_models" not in sys.modules
    with pytest.raises(MigrationError, match="cannot be imported"):
        compile_path(replace(graph, models="no_such_models:metadata", root=tmp_path), None, "a1")


def test_what_is_not_installed_is_said(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="imports nowhere_at_all, which is not installed here") as raised:
        compile_path(load(a_tree(tmp_path, a1="import nowhere_at_all"), "tenant"), None, "a1")
    assert "a1_step.py:8" in raised.value.where
    assert raised.value.hint.startswith("install")


def test_what_env_tenantplan_imports_is_imported(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="import xml\nxml.dom.minidom")
    (root / "env.py").write_text("import nowhere_at_all\n")
    (root / "env_tenantplan.py").write_text("import xml.dom.minidom\n")
    assert compile_path(load(root, "tenant"), None, "a1")


def test_a_plugin_of_alembic_that_env_imports_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = tmp_path / "site"
    (plugins / "alembic_extra_test").mkdir(parents=True)
    (plugins / "alembic_extra_test" / "__init__.py").write_text(
        "from alembic.operations import MigrateOperation, Operations\n"
        "@Operations.register_operation('greet')\n"
        "class Greet(MigrateOperation):\n"
        "    @classmethod\n"
        "    def greet(cls, operations):\n"
        "        operations.execute('SELECT 7')\n"
    )
    monkeypatch.syspath_prepend(str(plugins))
    root = a_tree(tmp_path / "tree", a1="op.greet()")
    (root / "env.py").write_text("import alembic_extra_test\nimport nowhere_at_all\n")
    graph = load(root, "tenant")
    assert "SELECT 7" in compile_path(graph, None, "a1")


def test_a_preflight_comes_before_its_revision(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="op.execute('SELECT 1')")
    a_revision(root, "a2", "a1", "op.execute('SELECT 2')", extra="preflight = 'SELECT FROM t WHERE a IS NULL'")
    statements = compile_path(load(root, "tenant"), "a1", "a2")
    assert "SELECT FROM t WHERE a IS NULL" in statements[0] and statements[0].startswith("DO ")
    assert statements[1] == "SELECT 2"


def test_branches_are_put_in_one_line_and_their_rows_follow(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="op.execute('SELECT 1')")
    a_revision(root, "b1", "a1", "op.execute('SELECT 2')")
    a_revision(root, "c1", "a1", "op.execute('SELECT 3')")
    a_revision(root, "m1", ("b1", "c1"), "op.execute('SELECT 4')")
    graph = load(root, "tenant")
    assert graph.head == "m1"
    whole = compile_path(graph, None, "m1", version_table="v")
    assert next(s for s in whole if s.startswith("SELECT")) == "SELECT 1" and whole[-3] == "SELECT 4"
    assert {s for s in whole if s.startswith("SELECT")} == {f"SELECT {n}" for n in range(1, 5)}
    assert whole[-2:] == (
        "UPDATE v SET version_num='m1' WHERE v.version_num = 'b1'",
        "DELETE FROM v WHERE v.version_num = 'c1'",
    )
    assert compile_path(graph, "b1", "m1", version_table="v")[1] == "INSERT INTO v (version_num) VALUES ('c1')"
    assert [r.id for r in graph.path("b1,c1", "m1")] == ["m1"]
    back = downgrade_path(graph, "m1", "b1", version_table="v")
    assert [s for s in back if s.startswith("SELECT")] == ["SELECT 0", "SELECT 0"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("op.execute(sa.text('SELECT :v'))", "leaves :v without a value"),
        ("op.create_index('i', 't', ['c'], postgresql_concurrently=True)", "only outside a transaction"),
        ("op.execute('VACUUM t')", "only outside a transaction"),
        ("op.execute('SELECT 1; /* x */ commit')", "ends a transaction itself (COMMIT)"),
        ("raise SystemExit(3)", "SystemExit"),
        ("1 / 0", "division by zero"),
    ],
)
def test_refused_with_its_file(tmp_path: Path, body: str, said: str) -> None:
    graph = load(a_tree(tmp_path, a1="pass", a2=body), "tenant")
    with pytest.raises(MigrationError) as raised:
        compile_path(graph, None, "a2")
    assert said in raised.value.message
    assert "a2_step.py" in raised.value.where
    assert "plain SQL" in raised.value.hint
    assert compile_path(graph, None, "a1")  # nothing of it is left


def test_the_line_is_named(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="pass\n1 / 0")
    with pytest.raises(MigrationError) as raised:
        compile_path(load(root, "tenant"), None, "a1")
    line = int(raised.value.where.rpartition(":")[2])
    assert (root / "versions" / "a1_step.py").read_text().splitlines()[line - 1].strip() == "1 / 0"


def test_a_file_that_changed_since_it_was_read_is_refused(tmp_path: Path) -> None:
    graph = load(a_tree(tmp_path, a1="pass"), "tenant")
    a_revision(tmp_path, "a1", None, "op.execute('SELECT 9')")
    with pytest.raises(MigrationError, match="changed while"):
        compile_path(graph, None, "a1")


def test_nothing_is_left_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (("one", 1), ("two", 2)):
        root = a_tree(tmp_path / name, a1="import beside\nprint('noise')\nop.execute(f'SELECT {beside.VALUE}')")
        (root / "beside.py").write_text(f"VALUE = {value}\n")
        path, level = list(sys.path), logging.getLogger("alembic").level
        assert f"SELECT {value}" in compile_path(load(root, "tenant"), None, "a1")
        assert sys.path == path and "beside" not in sys.modules and logging.getLogger("alembic").level == level
        assert not list(root.rglob("__pycache__"))
    assert capsys.readouterr().out == ""


def test_threads_do_not_mix(tmp_path: Path) -> None:
    graphs = [
        load(
            a_tree(
                tmp_path / str(n),
                **{f"r{n}": f"import time\nfor i in range(5): op.execute('SELECT {n}'); time.sleep(0.01)"},
            ),
            "tenant",
        )
        for n in range(4)
    ]
    found: dict[int, tuple[str, ...]] = {}

    def work(n: int) -> None:
        found[n] = compile_path(graphs[n], None, f"r{n}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[n].count(f"SELECT {n}") == 5 and len(found[n]) == 7 for n in range(4))


def test_a_resumed_revision_is_not_checked_again(tmp_path: Path) -> None:
    """What it checked may be what its first half has changed; and a step before the marked one would clear the mark."""
    root = a_tree(tmp_path, a1="op.execute('SELECT 1')")
    a_revision(root, "a2", "a1", BUILT, extra="preflight = 'SELECT 1 WHERE false'")
    graph = load(root, "tenant")
    guard, built, last = upgrade(graph, "a1", "a2")
    assert guard.statements[0].startswith("DO ") and built.begun is not None
    assert upgrade(graph, "a1", "a2", mark=built.begun) == (built, last)


def test_a_mark_that_no_way_begins_with_is_refused(tmp_path: Path) -> None:
    graph = load(a_tree(tmp_path, a1="op.execute('SELECT 1')"), "tenant")
    with pytest.raises(MigrationError, match="halfway through revision a2"):
        upgrade(graph, "a1", "a1", mark="a2:1:0123456789ab")


def test_a_rollback_that_was_stopped_is_said(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1=f"op.execute('SELECT 1')\n{BUILT}")
    graph = load(root, "tenant")
    with pytest.raises(MigrationError, match="halfway back from revision a1") as raised:
        upgrade(graph, None, "a1", mark="a1:1:0123456789ab:down")
    assert "by hand" in raised.value.hint


def test_an_index_without_a_name_is_not_built_outside_a_transaction(tmp_path: Path) -> None:
    body = f"{BLOCK}op.execute('CREATE INDEX CONCURRENTLY ON t (c)')"
    with pytest.raises(MigrationError, match="gives it no name"):
        upgrade(load(a_tree(tmp_path, a1=body), "tenant"), None, "a1")


@pytest.mark.parametrize(
    "body",
    [
        "import uuid\nop.execute(f\"INSERT INTO t VALUES ('{uuid.uuid4()}')\")",
        "op.bulk_insert(sa.table('t', sa.column('b', sa.LargeBinary)), [{'b': b'x'}])",
        "import datetime\nop.bulk_insert(sa.table('t', sa.column('b', sa.Interval)), [{'b': datetime.timedelta(days=1)}])",
        "op.bulk_insert(sa.table('t', sa.column('b', sa.JSON)), [{'b': None}])",
        "op.bulk_insert(sa.table('t', sa.column('b', sa.Integer)), [{'b': 2.7}])",
        "op.bulk_insert(sa.table('t', sa.column('a'), sa.column('b')), [{'a': 'x'}, {'a': 'y', 'b': 'z'}])",
        "op.add_column('t', sa.Column('b', sa.Integer, sa.Computed('a + 1')))",
        "t = sa.table('t', sa.column('a'))\nt.c.a.default = None\n"
        "u = sa.Table('u', sa.MetaData(), sa.Column('a', sa.Integer), sa.Column('b', sa.Integer, default=7))\n"
        "op.get_bind().execute(u.insert().values(a=1))",
        "sa.Enum('a', name='mood').create(op.get_bind(), checkfirst=True)",
        "try:\n    sa.inspect(op.get_bind())\nexcept Exception:\n    op.execute('SELECT 1')",
        "op.get_bind().execution_options(schema_translate_map={None: 'x'})",
    ],
)
def test_what_sql_would_say_differently_is_left_to_alembic(tmp_path: Path, body: str) -> None:
    (step,) = upgrade(load(a_tree(tmp_path, a1=body), "tenant"), None, "a1")[1:]
    assert step.kind == "program"


def test_a_module_of_the_tree_that_asks_makes_its_revisions_ask(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="import beside\nbeside.act()")
    (root / "beside.py").write_text("from alembic import op\ndef act():\n    return op.get_context().as_sql\n")
    assert upgrade(load(root, "tenant"), None, "a1")[-1].kind == "program"


@pytest.mark.parametrize(("first", "refused"), [("SET search_path = x", True), ("SET LOCAL search_path = x", False),
                                                ("SET search_path = x; RESET search_path", False)])  # fmt: skip
def test_what_is_set_for_the_session_is_not_lost_outside_a_transaction(
    tmp_path: Path, first: str, refused: bool
) -> None:
    graph = load(a_tree(tmp_path, a1=f"op.execute('{first}')", a2=BUILT), "tenant")
    if refused:
        with pytest.raises(MigrationError, match="sets search_path for the session"):
            upgrade(graph, None, "a2")
    else:
        assert upgrade(graph, None, "a2")
    assert upgrade(graph, None, "a1")  # one transaction is one session's


def test_what_is_set_for_the_session_is_set_again_in_later_transactions(tmp_path: Path) -> None:
    root = a_tree(tmp_path, a1="op.execute('SET search_path = x')", a2="op.execute('SELECT 2')", a3="op.execute('RESET ALL')",
                  a4="op.execute('SELECT 4')", a5="op.execute('SET ROLE x')", a6="op.execute('SELECT 6')")  # fmt: skip
    (root / "env.py").write_text("context.configure(transaction_per_migration=True)\n")
    graph = load(root, "tenant")
    steps = upgrade(graph, "a1", "a4")
    assert [step.statements[0] for step in steps] == ["SELECT 2", "RESET ALL", "SELECT 4"]
    steps = upgrade(graph, None, "a4")
    assert [step.statements[0] for step in steps][1:] == ["SET search_path = x", "SET search_path = x", "SELECT 4"]
    assert steps[1].origins[0].own is False
    with pytest.raises(MigrationError, match="sets role for the session"):
        upgrade(graph, "a4", "a6")


def test_a_revision_that_is_not_written_yet_is_no_program(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="NotImplementedError"):
        upgrade(load(a_tree(tmp_path, a1="raise NotImplementedError('fill in')"), "tenant"), None, "a1")
