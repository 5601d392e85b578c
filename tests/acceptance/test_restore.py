"""A name alone gives a deleted organization's data to nobody: neither to who takes it, nor to a document that says it again."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from acceptance.test_lifecycle import DEDICATED, DELETED, roles, tombstones

pytestmark = pytest.mark.once

DATA = "SELECT email FROM donors"


def with_a_deleted_one(fleet: Fleet, body: str = DEDICATED) -> None:
    """msf was deleted, with a row of its own; beta lives."""
    fleet.organization("msf", body)
    fleet.organization("beta", body)
    fleet.apply()
    if body == DEDICATED:
        fleet.execute("INSERT INTO donors (email) VALUES ('d@x.example')", database=fleet.database("msf"))
    fleet.organization("msf", body + "\nstate: deleted")
    fleet.apply("--allow-deletes", "1")


def rules(fleet: Fleet) -> set[tuple[str, str]]:
    return {(b["address"], b["rule"]) for b in fleet.plan()["blockers"]}


def state(fleet: Fleet) -> list[object]:
    """What must not change while a plan is blocked."""
    return [
        fleet.rows("SELECT slug, id, state::text, deleted_at FROM organizations ORDER BY 1"),
        fleet.databases(),
        fleet.rows("SELECT count(*) FROM tenantplan.audit_log"),
    ]


@pytest.mark.parametrize("body", [DEDICATED, "protect: false"])
def test_a_name_in_its_grace_period_is_not_taken_by_a_rename(fleet: Fleet, body: str) -> None:
    with_a_deleted_one(fleet, body)
    before = state(fleet)
    fleet.remove("Organization", "msf")
    fleet.remove("Organization", "beta")
    fleet.organization("msf", body, renamedFrom="beta")
    assert rules(fleet) == {("organization/msf", "renamed")}
    assert "is kept until" in fleet.apply(code=3).err
    assert state(fleet) == before
    fleet.settings("guard: { graceDays: 0 }")
    fleet.remove("Organization", "msf")
    fleet.organization("beta", body)
    fleet.apply("--allow-deletes", "1")
    fleet.remove("Organization", "beta")
    fleet.organization("msf", body, renamedFrom="beta")
    fleet.apply()
    fleet.converged()
    assert fleet.rows("SELECT slug FROM organizations") == [("msf",)]


@pytest.mark.parametrize("body", [DEDICATED, "protect: false"])
def test_a_name_in_its_grace_period_is_not_taken_by_a_new_document(fleet: Fleet, body: str) -> None:
    with_a_deleted_one(fleet, body)
    before = state(fleet)
    fleet.organization("msf", body)
    assert rules(fleet) == {("organization/msf", "restore")}
    fleet.apply(code=3)
    assert state(fleet) == before


def test_the_name_of_another_does_not_restore_it(fleet: Fleet) -> None:
    """The id of one organization restores that one only."""
    with_a_deleted_one(fleet)
    other = fleet.rows("SELECT id::text FROM organizations WHERE slug = 'beta'")[0][0]
    fleet.organization("msf", DEDICATED, restore=other)
    assert rules(fleet) == {("organization/msf", "restore")}


def test_what_is_restored_has_to_be_there(fleet: Fleet) -> None:
    with_a_deleted_one(fleet)
    fleet.organization("msf", DEDICATED)
    restored = fleet.restorable()
    fleet.settings("guard: { graceDays: 0 }")
    fleet.remove("Organization", "msf")
    fleet.apply("--allow-deletes", "1")
    fleet.organization("msf", DEDICATED, restore=restored)
    assert rules(fleet) == {("organization/msf", "restore")}
    assert "there is no such row" in fleet.apply(code=3).err
    fleet.organization("msf", DEDICATED)
    fleet.apply()
    fleet.converged()
    assert fleet.rows(DATA, database=fleet.database("msf")) == []


def test_a_document_is_not_renamed_and_deleted_at_once(fleet: Fleet) -> None:
    fleet.organization("beta", DEDICATED)
    fleet.apply()
    before = state(fleet)
    fleet.remove("Organization", "beta")
    fleet.organization("msf", DELETED, renamedFrom="beta")
    assert rules(fleet) == {("organization/msf", "renamed")}
    assert "apply the rename, then set state: deleted" in fleet.apply("--allow-deletes", "0", code=3).err
    assert state(fleet) == before
    fleet.organization("msf", DEDICATED, renamedFrom="beta")
    fleet.apply()
    fleet.organization("msf", DELETED, renamedFrom="beta")  # left in the file, it has no effect any more
    fleet.apply("--allow-deletes", "1")
    fleet.converged()
    assert set(roles(fleet, "msf").values()) == {False} and len(tombstones(fleet)) == 1
    fleet.organization("msf", DEDICATED, renamedFrom="beta")
    fleet.organization("msf", DEDICATED, renamedFrom="beta", restore=fleet.restorable())
    fleet.apply()
    fleet.converged()
    assert fleet.rows("SELECT slug, state::text FROM organizations") == [("msf", "active")]


def test_an_organization_is_renamed_while_what_it_holds_is_deleted(fleet: Fleet) -> None:
    """Its tenant with a database of its own, its members and modules: each goes, and the rename is made."""
    inside = "modules: {{ donors: {{ {0} }} }}\nmembers: [ {{ user: anna@x.example, role: AGENCY_ADMIN{1} }} ]\n"
    body = DEDICATED.replace("{", "{{").replace("}", "}}") + inside
    tenant = "{{ organization: {}, displayName: P, protect: false, database: {{ mode: dedicated }}{} }}"
    fleet.document("User", "anna@x.example", "{ displayName: A, role: CLIENT_EDITOR }")
    fleet.organization("beta", body.format("enabled: true", ""))
    fleet.document("Tenant", "paris", tenant.format("beta", ""))
    fleet.apply()
    fleet.remove("Organization", "beta")
    fleet.organization("msf", body.format("state: deleted", ", state: deleted"), renamedFrom="beta")
    fleet.document("Tenant", "paris", tenant.format("msf", ", state: deleted"))
    deletes = fleet.plan()["summary"]["delete"]
    assert deletes == 3
    fleet.apply("--allow-deletes", str(deletes))
    fleet.converged()
    assert len(tombstones(fleet)) == 1
    assert fleet.rows("SELECT slug FROM organizations") == [("msf",)]
    assert set(roles(fleet, "paris").values()) == {False}


def test_what_was_deleted_is_renamed_and_restored(fleet: Fleet) -> None:
    """Somebody has its name by now, or it comes back under a better one: by its id, with its data."""
    with_a_deleted_one(fleet)
    fleet.remove("Organization", "msf")
    fleet.organization("doctors", DEDICATED, renamedFrom="msf")
    restored = fleet.restorable("organization/doctors")
    fleet.organization("doctors", DEDICATED, renamedFrom="msf", restore=restored)
    fleet.apply()
    fleet.converged()
    assert fleet.rows(DATA, database=fleet.database("doctors")) == [("d@x.example",)]
    assert roles(fleet, "doctors")[fleet.database("doctors") + "_app"] is True and roles(fleet, "msf") == {}
    assert tombstones(fleet) == []


def test_what_a_lost_row_left_is_not_given_to_a_new_one(fleet: Fleet) -> None:
    """Where the row of a deleted organization is gone, its name says nothing about whose its database is."""
    with_a_deleted_one(fleet)
    fleet.execute("DELETE FROM organizations WHERE slug = 'msf'")
    fleet.organization("msf", DEDICATED)
    assert rules(fleet) == {("organization/msf", "restore")}
    assert "was left by a deleted organization/msf, whose row is gone" in fleet.apply(code=3).err
    assert len(tombstones(fleet)) == 1


@pytest.mark.parametrize(("kind", "body", "flag"), [
    ("Tenant", "organization: beta\ndisplayName: T\nprotect: false\n", "active"),
    ("Project", "organization: beta\ndisplayName: T\nslug: t\nprotect: false\n", "deleted_at IS NULL"),
])  # fmt: skip
def test_tenants_and_projects_are_restored_by_their_id(fleet: Fleet, kind: str, body: str, flag: str) -> None:
    fleet.organization("beta")
    fleet.document(kind, "thing", body)
    fleet.apply()
    fleet.document(kind, "thing", body + "state: deleted")
    fleet.apply("--allow-deletes", "1")
    fleet.document(kind, "thing", body)
    restored = fleet.restorable(f"{kind.lower()}/thing")
    fleet.apply(code=3)
    fleet.document(kind, "thing", body, restore=restored)
    fleet.apply()
    fleet.converged()
    assert fleet.rows(f"SELECT {flag} FROM {kind.lower()}s") == [(True,)]


def test_an_id_that_is_none_is_refused(fleet: Fleet) -> None:
    fleet.organization("msf", restore="yes")
    assert "expected the id that the plan prints" in fleet.run("validate", code=1).err


@pytest.mark.parametrize("renamed", [False, True])
def test_whoever_takes_a_purged_name_gets_an_id_of_its_own(fleet: Fleet, renamed: bool) -> None:
    """What an application keeps elsewhere by the id of a customer is not found by the next customer of that name."""
    fleet.organization("msf", "protect: false")
    fleet.organization("other")
    fleet.apply()
    first = fleet.rows("SELECT id FROM organizations WHERE slug = 'msf'")
    last = "doctors" if renamed else "msf"
    if renamed:
        fleet.remove("Organization", "msf")
        fleet.organization("doctors", "protect: false", renamedFrom="msf")
        fleet.apply()
    fleet.settings("guard: { graceDays: 0 }")
    fleet.organization(last, "protect: false\nstate: deleted")
    fleet.apply("--allow-deletes", "1")
    fleet.apply("--allow-deletes", "1")
    fleet.remove("Organization", last)
    fleet.organization("msf")
    fleet.apply()
    fleet.converged()
    assert fleet.rows("SELECT id FROM organizations WHERE slug = 'msf'") not in ([], first)


@pytest.mark.parametrize("place", ["database: {{ mode: dedicated, name: x{}_else }}", "database: {{ mode: shared }}"])
def test_what_is_restored_comes_back_where_it_was(fleet: Fleet, place: str) -> None:
    """And goes elsewhere by a later plan, which asks for its rows."""
    with_a_deleted_one(fleet)
    body = place.format(fleet.id) + "\nprotect: false"
    fleet.organization("msf", body)
    fleet.organization("msf", body, restore=fleet.restorable())
    assert rules(fleet) == {("organization/msf", "restore")}
    assert "restore it where it was" in fleet.apply(code=3).err
    assert len(tombstones(fleet)) == 1
