"""Brakes know databases that are migrated: how many, and whether what is run there destroys something."""

from __future__ import annotations

from typing import Any

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree

pytestmark = pytest.mark.once
TREE = "migrations/tenant"


def run(sql: str) -> str:
    return f"op.execute({sql!r})"


@pytest.fixture
def tree(fleet: Fleet) -> TenantTree:
    """A fleet of two organizations with databases of their own and ten in shared tables."""
    made = tenant_tree(fleet)
    for number in range(10):
        fleet.organization(f"org-{number}")
    for name in ("d1", "d2"):
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.apply()
    return made


def migrations(fleet: Fleet) -> list[dict[str, Any]]:
    return [o for o in fleet.plan()["operations"] if o["action"] == "migrate"]


def blockers(fleet: Fleet) -> list[str]:
    return [b["message"] for b in fleet.plan()["blockers"]]


def test_a_release_that_adds_is_not_stopped_by_the_share(fleet: Fleet, tree: TenantTree) -> None:
    tree.add("a0000001", run("ALTER TABLE donors ADD COLUMN nickname text"))
    assert [o["class"] for o in migrations(fleet)] == ["risky"] * 3
    assert blockers(fleet) == []
    fleet.apply()
    fleet.converged()


@pytest.mark.parametrize(
    "sql", ["DELETE FROM donors", "UPDATE donors SET last_name = 'x'", "TRUNCATE donors CASCADE", "DROP TABLE forms CASCADE",
            "DO $$ BEGIN EXECUTE 'TRUNCATE donors CASCADE'; END $$"]
)  # fmt: skip
def test_what_destroys_is_braked(fleet: Fleet, tree: TenantTree, sql: str) -> None:
    """The shared tables are those of all who share them. What the author allows is for lint: the brake is not his."""
    tree.add("a0000001", f"{run(sql)}\n# tenantplan: allow truncate we mean it\n# tenantplan: allow drop-table so\n")
    fleet.execute("INSERT INTO donors (kind, last_name) VALUES ('person', 'Ada')", database=fleet.database("d1"))
    assert [o["class"] for o in migrations(fleet)] == ["destructive"] * 3
    word, said = blockers(fleet)
    assert "--allow-destructive 1" in word
    assert "12 of 12 organizations and tenants would change, 12 of them by migrations that destroy data" in said
    assert "max-changes" in [b["rule"] for b in fleet.plan()["blockers"]]
    fleet.apply(code=3)
    assert fleet.rows("SELECT last_name FROM donors", database=fleet.database("d1")) == [("Ada",)]
    assert fleet.rows("SELECT to_regclass('forms') IS NOT NULL", database=fleet.database("d1")) == [(True,)]
    fleet.apply("--allow-destructive", "1", code=3)
    fleet.settings("guard: { maxChangedPercent: 100 }", migrations=TREE)
    fleet.apply("--allow-destructive", "1")
    fleet.converged()


def test_the_number_counts_every_migrated_organization(fleet: Fleet, tree: TenantTree) -> None:
    tree.add("a0000001", run("ALTER TABLE donors ADD COLUMN nickname text"))
    fleet.settings("guard: { maxChanged: 1 }", migrations=TREE)
    assert "2 organizations and tenants would change or be migrated, 1 allowed (guard.maxChanged)" in blockers(fleet)[0]
    fleet.apply(code=3)
    fleet.apply("--target", f"schema/primary/{fleet.database('d1')}")
    fleet.apply()
    fleet.converged()


def test_a_program_that_cannot_be_seen_is_said(fleet: Fleet, tree: TenantTree) -> None:
    body = "if op.get_bind().execute(sa.text('SELECT 1')).scalar() == 1:\n    op.execute('SELECT 2')"
    tree.add("a0000001", body)
    assert all("program" in [h["rule"] for h in o["hazards"]] for o in migrations(fleet))
