"""What runs the Python of a checkout, and how to keep it from running."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.harness import ROOT, Fleet
from acceptance.tenant_tree import tenant_tree

pytestmark = pytest.mark.once


@pytest.fixture
def traps(fleet: Fleet, tmp_path: Path) -> Path:
    """A file that appears when Python of the fleet has run: its env.py, a revision when it is imported, or a helper module."""
    fleet.env["TENANTPLAN_MAIN_URL"] = "postgresql://nobody:no-password-1@127.0.0.1:1/none"
    marker = tmp_path / "ran"
    fleet.organization("acme")
    tree = tenant_tree(fleet)
    path = tree.add("aa00aa00", 'op.add_column("donors", sa.Column("x", sa.Text()))')
    trap = f"\n__import__('pathlib').Path({str(marker)!r}).touch()\n"
    for file in (path, tree.folder / "env.py", tree.folder / "tenancy.py"):
        file.write_text(file.read_text() + trap)
    for name in ("sitecustomize.py", "models.py"):
        fleet.write(name, trap)
    return marker


def test_python_runs_unless_it_is_not_to(fleet: Fleet, traps: Path) -> None:
    said = fleet.run("validate", "--no-python")
    assert "tenant at aa00aa00" in said.out and "were not checked" in said.out
    assert fleet.run("validate", "--no-python", "--json").json["compiled"] is False
    assert "not known without running it" in fleet.run("migrations", "lint", "--no-python", code=1).err
    assert not traps.exists()
    assert "compiled" not in fleet.run("validate", "--json").json
    assert traps.exists()  # the traps work
    traps.unlink()
    fleet.run("migrations", "lint")
    assert traps.exists()


def test_ids_and_order_are_checked_without_it(fleet: Fleet, traps: Path) -> None:
    path = next((fleet.root / "migrations" / "tenant" / "versions").glob("aa00aa00*"))
    path.write_text(path.read_text().replace("down_revision = '9c1b04aa'", "down_revision = 'gone'"))
    assert "down_revision gone is in no file" in fleet.run("validate", "--no-python", code=1).err
    assert not traps.exists()


def test_a_tree_of_sql_is_checked_whole(fleet: Fleet) -> None:
    fleet.env["TENANTPLAN_MAIN_URL"] = "postgresql://nobody:no-password-1@127.0.0.1:1/none"
    fleet.write("prisma/20260101000000_init/migration.sql", "CREATE TABLE a (b int);\n")
    fleet.write("prisma/20260102000000_next/migration.sql", "TRUNCATE a;\n")
    fleet.write("prisma/migration_lock.toml", 'provider = "postgresql"\n')
    fleet.settings(migrations="prisma")
    fleet.organization("acme", "database: { mode: dedicated }")
    assert "not checked" not in fleet.run("validate", "--no-python").out
    assert "truncate" in fleet.run("migrations", "lint", "--no-python").out


@pytest.mark.parametrize("command", [("validate",), ("migrations", "lint")])
def test_the_help_says_so(fleet: Fleet, command: tuple[str, ...]) -> None:
    said = " ".join(fleet.run(*command, "--help").out.split())
    assert "--no-python" in said and "the Python of whoever wrote the checkout" in said
    assert "--no-python" in (ROOT / "README.md").read_text()
