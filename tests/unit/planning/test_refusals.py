"""Documents whose name would lead to the data of somebody else."""

from __future__ import annotations

from unit.planning.builders import a_database, a_dedicated, a_user, an_organization, difference, live, retired, wanted

from tenantplan.planning.diff import Difference

ID = "id-msf"


def rules(found: Difference) -> set[tuple[str, str]]:
    return {(f.address, f.rule) for f in found.conflicts}


def test_a_tombstone_is_taken_up_by_its_id_only() -> None:
    gone = retired(live(a_dedicated()), 3) | {"role/primary/rw": a_database()["role/primary/rw"]}
    for restores in ({}, {"organization/msf": "another"}):
        found = difference(wanted(a_dedicated(), restores=restores), gone)
        assert rules(found) == {("organization/msf", "restore")} and found.changes == ()
    restored = difference(wanted(a_dedicated(), restores={"organization/msf": ID}), gone)
    assert restored.conflicts == () and all(c.restore for c in restored.changes)
    assert {c.address for c in restored.changes} >= {"organization/msf", "database/primary/o_msf"}


def test_an_id_has_no_effect_on_what_lives() -> None:
    state = live(a_dedicated())
    found = difference(wanted(a_dedicated(), restores={"organization/msf": ID}), state)
    assert (found.changes, found.conflicts) == ((), ())


def test_an_id_of_what_is_gone_makes_nothing_new() -> None:
    found = difference(wanted(an_organization(), restores={"organization/msf": ID}), {})
    assert rules(found) == {("organization/msf", "restore")} and found.changes == ()


def test_a_rename_onto_what_is_there_is_refused() -> None:
    for state in (live(a_dedicated(), a_dedicated("beta")), retired(live(a_dedicated()), 3) | a_dedicated("beta")):
        found = difference(wanted(a_dedicated(), renames={"organization/beta": "organization/msf"}), state)
        assert rules(found) == {("organization/msf", "renamed")} and found.changes == ()


def test_a_rename_of_a_user_onto_another_is_refused() -> None:
    renames = {"user/anna@x.org": "user/eva@x.org"}
    found = difference(wanted(a_user("eva@x.org"), renames=renames), live(a_user(), a_user("eva@x.org")))
    assert rules(found) == {("user/eva@x.org", "renamed")}


def test_a_renamed_document_is_not_deleted_at_once() -> None:
    deleted = frozenset({"organization/msf"})
    renames = {"organization/beta": "organization/msf", "role/primary/o_beta_app": "role/primary/o_msf_app"}
    found = difference(wanted(deleted=deleted, renames=renames), live(a_dedicated("beta")))
    assert rules(found) == {("organization/msf", "renamed")} and found.changes == ()


def test_objects_of_a_lost_row_are_nobodys() -> None:
    state = retired(live(a_database()), 3) | {"role/primary/rw": a_database()["role/primary/rw"]}
    found = difference(wanted(an_organization(), a_database()), state)
    assert rules(found) == {("organization/msf", "restore")} and found.changes == ()
