"""A rename in one plan with whatever else becomes of the same organization: nothing runs twice, nothing is taken for another's."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree
from acceptance.test_prisma import Tree

from tenantplan.migration.trees import Trees
from tenantplan.model.step import Step

pytestmark = pytest.mark.once

DEDICATED = "database: { mode: dedicated }"


def rename(fleet: Fleet, old: str, new: str, body: str = DEDICATED, **metadata: object) -> None:
    """Declares that `old` is called `new` from now on."""
    fleet.remove("Organization", old)
    fleet.organization(new, body, renamedFrom=old, **metadata)


def migrated(fleet: Fleet) -> list[tuple[str, str]]:
    """Each migration of the plan: from where, and its statements."""
    return [
        (o["before"]["revision"], " ".join(o["statements"]))
        for o in fleet.plan()["operations"]
        if o["action"] == "migrate" and o["after"]["tree"] == "tenant"
    ]


@pytest.fixture
def prisma(fleet: Fleet) -> Tree:
    """A tree whose first migrations can run again without an error, which changes what customers have."""
    tree = Tree(fleet)
    tree.add("20260102000000_accounts", "CREATE TABLE IF NOT EXISTS accounts (id int, plan text);\n")
    tree.add("20260103000000_free", "UPDATE accounts SET plan = 'free';\n")
    return tree


def accounts(fleet: Fleet, name: str) -> list[tuple[object, ...]]:
    return fleet.rows("SELECT id, plan FROM accounts ORDER BY 1", database=fleet.database(name))


def noted(fleet: Fleet, name: str) -> list[tuple[str, int]]:
    counted = "SELECT migration_name, count(*) FROM _prisma_migrations GROUP BY 1 ORDER BY 1"
    return fleet.rows(counted, database=fleet.database(name))


def test_what_was_applied_does_not_run_again(fleet: Fleet, prisma: Tree) -> None:
    fleet.organization("beta", DEDICATED)
    fleet.organization("other", DEDICATED)
    fleet.apply()
    fleet.execute("INSERT INTO accounts VALUES (1, 'paid'), (2, 'gold')", database=fleet.database("beta"))
    prisma.add("20260104000000_note", "ALTER TABLE accounts ADD note text;\n")
    rename(fleet, "beta", "acme")
    assert {start for start, _ in migrated(fleet)} == {"20260103000000_free"}
    assert not any("UPDATE accounts" in statements for _, statements in migrated(fleet))
    fleet.apply()
    assert accounts(fleet, "acme") == [(1, "paid"), (2, "gold")]
    assert [count for _, count in noted(fleet, "acme")] == [1, 1, 1, 1]
    fleet.converged()


def test_what_was_applied_to_a_tenants_database_does_not_run_again(fleet: Fleet, prisma: Tree) -> None:
    body = "{ organization: msf, displayName: P, database: { mode: dedicated } }"
    fleet.organization("msf")
    fleet.document("Tenant", "paris", body)
    fleet.apply()
    fleet.execute("INSERT INTO accounts VALUES (1, 'paid')", database=fleet.database("paris"))
    prisma.add("20260104000000_note", "ALTER TABLE accounts ADD note text;\n")
    fleet.remove("Tenant", "paris")
    fleet.document("Tenant", "lyon", body, renamedFrom="paris")
    fleet.remove("Organization", "msf")
    fleet.organization("doctors", renamedFrom="msf")
    fleet.document("Tenant", "lyon", body.replace("msf", "doctors"), renamedFrom="paris")
    fleet.apply()
    assert accounts(fleet, "lyon") == [(1, "paid")]
    assert [count for _, count in noted(fleet, "lyon")] == [1, 1, 1, 1]
    fleet.converged()


@pytest.fixture
def tree(fleet: Fleet) -> TenantTree:
    return tenant_tree(fleet)


MARKED = """
op.execute("UPDATE donors SET phone = 'reset'")
with op.get_context().autocommit_block():
    op.create_index('donors_phone_more', 'donors', ['phone'], postgresql_concurrently=True, if_not_exists=True)
"""


def test_an_autocommit_block_does_not_run_again(fleet: Fleet, tree: TenantTree) -> None:
    tree.add("a0000001", MARKED)
    fleet.organization("beta", DEDICATED)
    fleet.organization("other", DEDICATED)
    fleet.apply()
    fleet.execute("INSERT INTO donors (phone) VALUES ('555')", database=fleet.database("beta"))
    tree.add("a0000002", "op.add_column('donors', sa.Column('nick', sa.Text()))")
    rename(fleet, "beta", "acme")
    fleet.apply()
    there = fleet.rows("SELECT phone, version_num FROM donors, alembic_version", database=fleet.database("acme"))
    assert there == [("555", "a0000002")]
    fleet.converged()


def test_a_rename_and_a_program_in_one_plan(fleet: Fleet, tree: TenantTree) -> None:
    """What Alembic itself runs begins where the database is."""
    fleet.organization("beta", DEDICATED)
    fleet.apply()
    tree.add("a0000001", "op.get_bind().execute(sa.text('ALTER TABLE donors ADD nick text'))")
    rename(fleet, "beta", "acme")
    fleet.apply()
    assert fleet.rows("SELECT version_num FROM alembic_version", database=fleet.database("acme")) == [("a0000001",)]
    fleet.converged()


def test_the_way_back_of_a_renamed_database(fleet: Fleet, tree: TenantTree) -> None:
    """A rollout that is taken back leaves a renamed organization at the revision that it had."""
    fleet.settings("rollout: { onFailure: rollback, canary: { tier: internal } }", migrations="migrations/tenant")
    head = tree.head
    fleet.document("Tier", "internal", "displayName: I")
    fleet.organization("beta", DEDICATED + "\ntier: internal")
    fleet.organization("other", DEDICATED)
    fleet.apply()
    fleet.execute("INSERT INTO donors (phone) VALUES ('5'), ('5')", database=fleet.database("other"))
    column = "op.create_unique_constraint('once', 'donors', ['phone'])"
    tree.add("a0000001", column, back="op.drop_constraint('once', 'donors')")
    rename(fleet, "beta", "acme", DEDICATED + "\ntier: internal")
    fleet.apply(code=5)
    assert fleet.rows("SELECT version_num FROM alembic_version", database=fleet.database("acme")) == [(head,)]


def test_a_closed_database_holds_its_organization_out_under_the_new_name_too(fleet: Fleet) -> None:
    fleet.organization("beta", DEDICATED)
    fleet.organization("other", DEDICATED)
    fleet.apply()
    name = fleet.database("beta")
    fleet.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", database="postgres")
    rename(fleet, "beta", "acme")
    plan = fleet.plan()
    assert [o["address"] for o in plan["operations"]] == []
    assert "organization/acme" in {f["address"] for f in plan["unreachable"]}
    fleet.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true", database="postgres")
    fleet.apply()
    assert fleet.rows("SELECT slug FROM organizations ORDER BY 1") == [("acme",), ("other",)]
    fleet.converged()


def test_a_database_that_is_gone_is_not_replaced_when_its_organization_is_renamed(fleet: Fleet) -> None:
    fleet.organization("beta", DEDICATED)
    fleet.apply()
    name = fleet.database("beta")
    fleet.execute(f"ALTER DATABASE {name} RENAME TO {name}_by_hand", database="postgres")
    fleet.execute(f"COMMENT ON DATABASE {name}_by_hand IS NULL", database="postgres")
    rename(fleet, "beta", "acme")
    assert {b["rule"] for b in fleet.plan()["blockers"]} == {"lost"}
    fleet.apply(code=3)
    fleet.execute(f"DROP DATABASE {name}_by_hand", database="postgres")


def test_a_tenants_organization_is_renamed_and_its_rows_are_not_left_behind(fleet: Fleet) -> None:
    """Whether a tenant has rows is asked of its organization, whatever that is called now."""
    fleet.organization("beta", DEDICATED)
    fleet.organization("other", DEDICATED)
    fleet.document("Tenant", "t", "{ organization: beta, displayName: T }")
    fleet.apply()
    fleet.execute("INSERT INTO donors (email) VALUES ('d@x.example')", database=fleet.database("beta"))
    rename(fleet, "beta", "acme")
    fleet.document("Tenant", "t", "{ organization: other, displayName: T }")
    blockers = [b for b in fleet.plan()["blockers"] if b["rule"] == "occupied"]
    assert [b["address"] for b in blockers] == ["tenant/t"] and "donors" in blockers[0]["message"]


BODIES = {
    "one transaction": "op.add_column('donors', sa.Column('nick', sa.Text()))",
    "steps": MARKED,
    "program": "op.get_bind().execute(sa.text('ALTER TABLE donors ADD nick text'))",
}


@pytest.mark.parametrize("first", BODIES)
def test_statements_from_another_start_are_refused_by_what_runs_them(
    fleet: Fleet, tree: TenantTree, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Whatever a plan says: statements that were compiled from another revision than the database is at do not run."""
    tree.add("a0000001", "op.execute(\"UPDATE donors SET phone = 'reset'\")\n" + BODIES[first])
    fleet.organization("beta", DEDICATED)
    fleet.apply()
    database = fleet.database("beta")
    fleet.execute("INSERT INTO donors (phone) VALUES ('555')", database=database)
    tree.add("a0000002", "op.add_column('donors', sa.Column('other', sa.Text()))")
    upgrade = Trees.upgrade

    def from_before(
        self: Trees, kind: str, start: str | None, mark: str | None = None, end: str | None = None
    ) -> tuple[Step, ...]:
        return upgrade(self, kind, "9c1b04aa" if kind == "tenant" and start == "a0000001" else start, mark, end)

    monkeypatch.setattr(Trees, "upgrade", from_before)
    said = fleet.apply("--allow-destructive", "1", code=5).out
    assert "is at revision a0000001, and what was to run begins at 9c1b04aa" in said
    monkeypatch.undo()
    at = fleet.rows("SELECT phone, version_num FROM donors, alembic_version", database=database)
    assert at == [("555", "a0000001")]
    fleet.apply()
    fleet.converged()


def test_prismas_own_table_is_no_data(fleet: Fleet, prisma: Tree) -> None:
    """What Prisma notes of its migrations does not keep an organization where it is."""
    fleet.organization("beta", DEDICATED)
    fleet.apply()
    fleet.organization("beta", f"database: {{ mode: dedicated, name: x{fleet.id}_else }}")
    fleet.apply()
    fleet.converged()
    fleet.execute("INSERT INTO accounts VALUES (1, 'paid')", database=f"x{fleet.id}_else")
    fleet.organization("beta", DEDICATED)
    assert [b["rule"] for b in fleet.plan()["blockers"]] == ["occupied"]
