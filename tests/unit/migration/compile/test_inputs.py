"""What is kept is what compiling gives, and nothing is kept that may be something else tomorrow."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.migration.trees import a_revision, a_tree

from tenantplan.errors import MigrationError
from tenantplan.migration.compile import compile as compiling
from tenantplan.migration.compile.compile import downgrade, upgrade
from tenantplan.migration.kept import Kept
from tenantplan.migration.tree import graph as graphs
from tenantplan.model.step import Step

TREES = Path(__file__).parents[3] / "integration" / "trees"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    yield Kept(tmp_path / ".tenantplan" / "compiled")
    compiling._COMPILED.clear()


def compiled(tree: Path, kept: Kept | None, **options: Any) -> tuple[Step, ...]:
    """As a command that has just started does it."""
    compiling._COMPILED.clear()
    graph = graphs.load(tree, "tenant")
    return upgrade(graph, None, graph.head, kept=kept, **options)


def entries(kept: Kept) -> list[Path]:
    return sorted(file for file in kept._folder.iterdir() if len(file.name) == 64)


def is_kept(tree: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a second command compiles nothing."""
    first = compiled(tree, kept)
    with monkeypatch.context() as patch:
        made = counted(patch)
        assert compiled(tree, kept) == first
    return not made


def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A list that gets an item each time that something is compiled."""
    made: list[object] = []
    original = compiling._made

    def making(*given: Any) -> tuple[Step, ...]:
        made.append(given)
        return original(*given)

    monkeypatch.setattr(compiling, "_made", making)
    return made


def test_a_second_command_compiles_nothing(tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_kept(a_tree(tmp_path / "tree", aa="op.execute('SELECT 1')"), kept, monkeypatch)
    (entry,) = entries(kept)
    assert entry.stat().st_mode & 0o777 == 0o600
    assert (kept._folder / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("name", sorted(path.name for path in TREES.iterdir() if path.is_dir()))
def test_it_is_what_compiling_gives(name: str, tmp_path: Path, kept: Kept) -> None:
    tree = tmp_path / name
    shutil.copytree(TREES / name, tree, ignore=shutil.ignore_patterns("__pycache__"))
    graph = graphs.load(tree, "tenant")
    way: list[str | None] = [None]
    for revision in graph.revisions:
        way.append(graph.after(way[-1], revision))
    asked: list[tuple[Any, ...]] = [
        (upgrade, None, graph.head, False),
        (upgrade, None, graph.head, True),
        (upgrade, way[1], graph.head, False),
    ]
    if all(revision.reversible for revision in graph.revisions):
        asked.append((downgrade, graph.head, None, False))
    for direction, start, end, shared in asked:
        found: list[object] = []
        for where in (None, kept, kept):
            compiling._COMPILED.clear()
            try:
                found.append(direction(graph, start, end, shared=shared, kept=where))
            except MigrationError as error:
                found.append(str(error))
        assert found[0] == found[1] == found[2]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_what_was_changed_is_not_believed(tmp_path: Path, kept: Kept, data: st.DataObject) -> None:
    tree = tmp_path / "tree"
    if not tree.exists():
        a_tree(tree, aa="op.execute('SELECT 1')", bb="op.create_table('x', sa.Column('id', sa.Integer()))")
    right = compiled(tree, kept)
    (entry,) = entries(kept)
    whole = entry.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    match data.draw(st.sampled_from(["cut", "changed", "more", "readable", "link", "folder", "replaced"])):
        case "cut":
            entry.write_bytes(whole[:place])
        case "changed":
            entry.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        case "more":
            entry.write_bytes(whole + b" ")
        case "readable":
            entry.write_bytes(whole.replace(b"SELECT 1", b"SELECT 2"))
            entry.chmod(0o666)
        case "link":
            shutil.move(entry, tmp_path / "elsewhere")
            entry.symlink_to(tmp_path / "elsewhere")
        case "folder":
            kept._folder.chmod(0o777)
        case "replaced":
            entry.write_bytes(b"{}")
    assert compiled(tree, kept) == right
    kept._folder.chmod(0o700)
    assert compiled(tree, kept) == right
    assert entries(kept)[0].read_bytes() == whole and not entries(kept)[0].is_symlink()


def test_a_copy_of_the_folder_is_not_believed(tmp_path: Path, kept: Kept) -> None:
    """As a CI service restores it: whoever made it may have written anything."""
    kept.write(["a"], "found")
    assert kept.read(["a"]) == "found"
    copy = tmp_path / "copy"
    shutil.copytree(kept._folder, copy, copy_function=shutil.copy2)
    copy.chmod(0o700)
    assert Kept(copy).read(["a"]) is None


def test_what_a_tree_reads_beside_it_counts(tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = a_tree(tmp_path / "tree")
    helper = tree / "words.py"
    helper.write_text("from pathlib import Path\nSAID = (Path(__file__).parent / 'said.sql').read_text()\n")
    (tree / "said.sql").write_text("SELECT 'one'")
    a_revision(tree, "aa", None, "import words\nop.execute(words.SAID)")
    assert is_kept(tree, kept, monkeypatch)
    (tree / "said.sql").write_text("SELECT 'two'")
    assert "two" in compiled(tree, kept)[0].statements[1]
    (tree / "versions" / "third.sql").write_text("SELECT 'three'")
    a_revision(
        tree, "aa", None, "import pathlib\nop.execute((pathlib.Path(__file__).parent / 'third.sql').read_text())"
    )
    assert is_kept(tree, kept, monkeypatch)
    (tree / "versions" / "third.sql").write_text("SELECT 'four'")
    assert "four" in compiled(tree, kept)[0].statements[1]


@pytest.mark.parametrize(
    "body",
    [
        "import os\nop.execute(f\"SELECT '{os.environ.get('HOME')}'\")",
        "import datetime\nop.execute(f\"SELECT '{datetime.date.today()}'\")",
        "import time\nop.execute(f\"SELECT '{time.strftime('%Y')}'\")",
        "import app_of_the_fleet\nop.execute(app_of_the_fleet.SQL)",
        "import pathlib\nop.execute(pathlib.Path('/etc/passwd').read_text() and 'SELECT 1')",
    ],
)
def test_what_depends_on_more_is_not_kept(
    body: str, tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app_of_the_fleet.py").write_text("SQL = 'SELECT 1'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert not is_kept(a_tree(tmp_path / "tree", aa=body), kept, monkeypatch)


def test_a_package_counts_by_its_version(tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = a_tree(tmp_path / "tree", aa="import click\nop.execute('SELECT 1')")
    assert is_kept(tree, kept, monkeypatch)
    monkeypatch.setenv("APP_MODE", "other")  # which a package may read
    made = counted(monkeypatch)
    compiled(tree, kept)
    assert made


def test_names_of_the_models_count(tmp_path: Path, kept: Kept) -> None:
    tree = a_tree(tmp_path / "tree", aa="op.create_table('x', sa.Column('id', sa.Integer(), primary_key=True))")
    graph = replace(graphs.load(tree, "tenant"), models="shop_of_a_fleet:META", root=tmp_path)
    for name in ("pk_one", "pk_three"):
        said = f"import sqlalchemy as sa\nMETA = sa.MetaData(naming_convention={{'pk': '{name}'}})\n"
        (tmp_path / "shop_of_a_fleet.py").write_text(said)
        for _ in range(2):
            compiling._COMPILED.clear()
            assert name in str(upgrade(graph, None, graph.head, kept=kept))
    assert len(entries(kept)) == 2


def test_nothing_is_lost_where_nothing_can_be_written(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree", aa="op.execute('SELECT 1')")
    (tmp_path / ".tenantplan").write_text("a file")
    assert compiled(tree, Kept(tmp_path / ".tenantplan" / "compiled")) == compiled(tree, None)


def test_readers_see_whole_documents_while_others_write(kept: Kept) -> None:
    kept.write(["a"], ["x"] * 20000)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            kept.write(["a"], ["x"] * 20000)

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        assert all(kept.read(["a"]) == ["x"] * 20000 for _ in range(200))
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert not [name for name in os.listdir(kept._folder) if name.startswith(".new")]


def test_only_so_many_are_kept(kept: Kept) -> None:
    for number in range(80):
        kept.write([number], number)
    assert len(entries(kept)) == 64 and kept.read([79]) == 79
