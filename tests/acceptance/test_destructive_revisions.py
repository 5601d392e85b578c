"""Revisions that destroy data take a word of their own, by their number, as deletions do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree
from acceptance.test_plan_file import forged, saved

pytestmark = pytest.mark.once
DEDICATED = "protect: false\ndatabase: { mode: dedicated }"
DROP = 'op.drop_column("donors", "email")'
TREE = "migrations/tenant"


@pytest.fixture
def tree(fleet: Fleet) -> TenantTree:
    """Two organizations with databases of their own, one in shared tables."""
    made = tenant_tree(fleet)
    for name in ("a", "b"):
        fleet.organization(name, DEDICATED)
    fleet.organization("s")
    fleet.apply()
    return made


def rules(fleet: Fleet) -> list[str]:
    return [b["rule"] for b in fleet.plan()["blockers"]]


def columns(fleet: Fleet) -> list[tuple[object, ...]]:
    asked = "SELECT count(*) FROM information_schema.columns WHERE (table_name, column_name) = ('donors', 'email')"
    return fleet.rows(asked, database=fleet.database("a"))


def test_a_drop_takes_the_number_of_revisions_and_not_of_databases(fleet: Fleet, tree: TenantTree) -> None:
    tree.add("a0000001", DROP)
    tree.add("a0000002", 'op.add_column("donors", sa.Column("note", sa.Text()))')
    tree.add("a0000003", 'op.execute("DELETE FROM donors WHERE phone IS NULL")')
    shown = fleet.run("plan", code=3).out
    assert "2 revisions destroy data: a0000001, a0000003" in shown
    assert "needs --allow-destructive 2" in shown.splitlines()[0]
    for words in ([], ["--allow-destructive", "1"], ["--allow-destructive", "3"], ["--allow-deletes", "0"]):
        refused = fleet.apply(*words, code=3)
        assert "2" in refused.err and columns(fleet) == [(1,)]
    fleet.apply("--allow-destructive", "2")
    assert columns(fleet) == [(0,)]
    fleet.converged()


def test_a_plan_with_both_needs_both(fleet: Fleet, tree: TenantTree) -> None:
    tree.add("a0000001", DROP)
    fleet.organization("b", f"{DEDICATED}\nstate: deleted")
    assert rules(fleet) == ["destructive", "max-deletes"]
    fleet.apply("--allow-deletes", "1", code=3)
    fleet.apply("--allow-destructive", "1", code=3)
    assert columns(fleet) == [(1,)]
    fleet.apply("--allow-destructive", "1", "--allow-deletes", "1")
    assert columns(fleet) == [(0,)]


def test_the_comment_of_the_author_does_where_the_fleet_says_so(fleet: Fleet, tree: TenantTree) -> None:
    tree.add("a0000001", f"{DROP}  # tenantplan: allow drop-column it moved to contacts")
    tree.add("a0000002", 'op.drop_column("donors", "phone")')
    assert "2 revisions destroy data" in fleet.run("plan", code=3).out
    fleet.settings("guard: { destructiveComment: true }", migrations=TREE)
    plan = fleet.plan()
    assert [b["message"] for b in plan["blockers"]] == [
        "1 revision destroys data: a0000002: apply with --allow-destructive 1 if that is intended"
    ]
    (note,) = [n for n in plan["notes"] if n["rule"] == "destructive"]
    assert note["address"] == "migrations/tenant/a0000001"
    assert "drop-column: it moved to contacts" in note["message"]
    fleet.apply("--allow-destructive", "2", code=3)
    fleet.apply("--allow-destructive", "1")
    fleet.converged()


def test_a_comment_about_something_else_does_not(fleet: Fleet, tree: TenantTree) -> None:
    fleet.settings("guard: { destructiveComment: true }", migrations=TREE)
    tree.add("a0000001", f'{DROP}  # tenantplan: allow drop-column so\nop.execute("TRUNCATE forms CASCADE")')
    assert rules(fleet) == ["destructive"]
    fleet.apply(code=3)


def test_a_saved_plan_takes_it_too_and_a_forged_one_is_refused(fleet: Fleet, tree: TenantTree) -> None:
    tree.add("a0000001", DROP)
    path, plan = saved(fleet)
    lossy = [o for o in plan.operations if o.risk == "destructive"]
    assert [o.losing for o in lossy] == [("a0000001",)] * len(lossy)
    fleet.run("apply", str(path), code=3)
    forged(path, blockers=())
    assert "1 revision destroys data" in fleet.run("apply", str(path), code=3).err
    quiet = tuple(replace(o, losing=()) if o in lossy else o for o in plan.operations)
    forged(path, operations=quiet)
    assert "losing" in fleet.run("apply", str(path), code=4).err
    assert columns(fleet) == [(1,)]
    path, _ = saved(fleet)
    fleet.run("apply", str(path), "--allow-destructive", "1")
    assert columns(fleet) == [(0,)]


def test_what_destroys_nothing_carries_no_new_field(fleet: Fleet, tree: TenantTree) -> None:
    """Plan files without such a revision are byte for byte what they were."""
    tree.add("a0000001", 'op.add_column("donors", sa.Column("note", sa.Text()))')
    operations = fleet.plan()["operations"]
    assert operations and not [o for o in operations if "losing" in o]
    fleet.apply("--allow-destructive", "1", code=3)
    fleet.apply()
