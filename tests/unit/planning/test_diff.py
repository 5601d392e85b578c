"""Desired against live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from unit.planning.builders import (
    a_database,
    a_dedicated,
    a_member,
    a_project,
    a_release,
    a_user,
    an_organization,
    difference,
    live,
    retired,
    wanted,
)

from tenantplan.model.change import Change
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Ref, Row
from tenantplan.planning.diff import under_new_names


def addresses(found: Iterable[Change | Finding]) -> list[str]:
    return [item.address for item in found]


def test_equal_states_do_not_differ() -> None:
    state = live(a_dedicated(), a_user(), a_member())
    assert difference(wanted(state), state) == difference(wanted(state), dict(reversed(state.items())))
    assert difference(wanted(state), state).changes == ()


def test_what_is_missing_is_created() -> None:
    found = difference(wanted(a_dedicated()), {})
    assert set(addresses(found.changes)) == a_dedicated().keys()
    assert all(c.before is None for c in found.changes)


def test_only_declared_columns_are_compared() -> None:
    row = live(an_organization(usage_count=7, feature_flags={"A": True}))
    (want,) = an_organization().values()
    assert isinstance(want, Row)
    assert difference(wanted(an_organization()), row).changes == ()
    (change,) = difference(wanted(an_organization(display_name="Other")), row).changes
    assert isinstance(change.before, Row) and set(change.before.values) == set(want.values)


def test_absence_is_an_orphan_and_never_a_change() -> None:
    found = difference(wanted(), live(a_dedicated(), a_user(), a_member()))
    assert found.changes == ()
    assert addresses(found.orphans) == ["organization/msf", "user/anna@x.org"]  # what is in it goes without saying


def test_a_nested_item_that_is_gone_is_an_orphan_of_its_own() -> None:
    found = difference(wanted(an_organization(), a_user()), live(an_organization(), a_user(), a_member()))
    assert (found.changes, addresses(found.orphans)) == ((), ["organization/msf/member/anna@x.org"])


def test_a_database_that_is_gone_speaks_for_its_roles() -> None:
    found = difference(wanted(an_organization()), live(a_dedicated()))
    assert addresses(found.orphans) == ["database/primary/o_msf"]


def test_what_no_document_stands_for_is_not_removed_by_one() -> None:
    (database,) = difference(wanted(an_organization()), live(a_dedicated())).orphans
    assert database.message.endswith("left alone; DROP DATABASE removes it, once nothing in it is needed")
    state = {a: r for a, r in live(a_dedicated()).items() if not a.startswith(("database/", "schema/"))}
    roles = difference(wanted(), {a: r for a, r in state.items() if a.startswith("role/")}).orphans
    assert roles and all("; DROP ROLE removes it, once nothing" in role.message for role in roles)
    (organization,) = difference(wanted(), live(an_organization())).orphans
    assert organization.message.endswith("left alone (state: deleted would remove it)")


def test_a_declared_deletion_retires_the_organization_with_its_objects() -> None:
    state = live(a_dedicated())
    found = difference(wanted(deleted=frozenset({"organization/msf"})), state)
    expected = {a for a in state if not a.startswith("schema/") and a != "role/primary/rw"}
    assert {c.address for c in found.changes if c.retire} == expected == set(addresses(found.changes))
    assert found.orphans == ()


def test_a_declared_deletion_takes_nobody_elses_objects() -> None:
    """The name in a document, derived or explicit, does not say whose the database is."""
    state = live(a_dedicated())
    objects = frozenset(a for a in state if a.startswith(("role/primary/o_", "database/")))
    assert difference(wanted(deleted=frozenset({"organization/evil"}) | objects), state).changes == ()


def test_a_row_without_protection_is_deleted_at_once() -> None:
    (change,) = difference(wanted(deleted=frozenset({"user/anna@x.org"})), live(a_user())).changes
    assert change.after is None and not change.retire


@pytest.mark.parametrize(("days", "purged"), [(0, False), (29, False), (30, True), (31, True)])
def test_what_was_retired_is_purged_after_its_grace_period(days: int, purged: bool) -> None:
    """Exactly then, declared deleted or not."""
    state = retired(a_dedicated(), days)
    state["role/primary/rw"] = a_database()["role/primary/rw"]
    for desired in (wanted(), wanted(deleted=frozenset({"organization/msf"}))):
        changes = difference(desired, state).changes
        assert bool(changes) is purged
        assert all(c.after is None and not c.retire for c in changes)


def test_a_purge_waits_for_the_row_that_says_when() -> None:
    state = live(a_dedicated(), retired({"database/primary/o_msf": a_database()["database/primary/o_msf"]}, 99))
    assert difference(wanted(deleted=frozenset()), state, timedelta(0)).changes == ()


def test_a_row_is_not_purged_before_its_database_went_the_first_step() -> None:
    """On another server that step can have failed, for as long as the grace period."""
    state = live(a_dedicated(server="west"), retired(an_organization(), 99))
    desired = wanted(deleted=frozenset({"organization/msf"}))
    changes = difference(desired, state).changes
    assert {c.address for c in changes} == {a for a in state if a.startswith(("role/west/o_", "database/"))}
    assert all(c.retire for c in changes)


def test_a_tombstone_that_is_declared_again_is_an_update() -> None:
    database = a_database()["database/primary/o_msf"]
    assert isinstance(database, Database)
    tomb = replace(database, name="tp_deleted_1", allow_connections=False, connect=())
    state = live(retired(a_dedicated(state="deleted"), 3), retired({"database/primary/o_msf": tomb}, 3))
    state["role/primary/rw"] = a_database()["role/primary/rw"]
    restored = wanted(a_dedicated(), restores={"organization/msf": "id-msf"})
    changes = {c.address: c for c in difference(restored, state).changes}
    assert set(changes) >= {"organization/msf", "database/primary/o_msf"}
    back = changes["database/primary/o_msf"].after
    assert isinstance(back, Database) and back.name == "o_msf"


def test_what_comes_back_with_equal_values_is_a_change_all_the_same() -> None:
    """Its values may never have changed, since those that its deletion set need not be declared ones."""
    state = live(an_organization(), retired(live(a_project(), a_release()), 3))
    found = difference(wanted(an_organization(), a_project(), a_release()), state).changes
    assert set(addresses(found)) == {"project/site", "release/node-2.4.0", "package/2.4.0"}
    assert all(c.before is not None and c.before == c.after and not c.retire for c in found)


def test_what_is_kept_by_a_retired_row_waits_for_it() -> None:
    """A project in its grace period is not purged with the team it belongs to, nor is its organization."""
    state = retired(live(an_organization()), 99) | retired(live(a_project()), 3)
    assert difference(wanted(), state).changes == ()
    gone = difference(wanted(), retired(live(an_organization(), a_project()), 99)).changes
    assert set(addresses(gone)) == {"organization/msf", "project/site"}


class TestPackages:
    """What has a version never changes."""

    def test_another_file_under_a_published_version(self) -> None:
        published = live(a_release())
        found = difference(wanted(a_release(sha256="bb" * 32)), published)
        assert found.changes == ()
        (conflict,) = found.conflicts
        assert (conflict.address, conflict.rule) == ("package/2.4.0", "changed-package")
        assert "aaaaaaaaaaaa…" in conflict.message and "bbbbbbbbbbbb…" in conflict.message

    def test_a_release_keeps_its_version(self) -> None:
        """Nodes have installed it under that number."""
        other = {"release/node-2.4.0": a_release("9.9.9")["release/node-9.9.9"]}
        found = difference(wanted(other), live(a_release()))
        assert [(c.address, c.rule) for c in found.conflicts] == [("release/node-2.4.0", "fixed")]
        assert "version 2.4.0" in found.conflicts[0].message and "9.9.9" in found.conflicts[0].message
        assert "release/node-2.4.0" not in addresses(found.changes)
        assert difference(wanted(other), {}).conflicts == ()

    def test_the_same_file_elsewhere(self) -> None:
        (change,) = difference(wanted(a_release(store="s3://b")), live(a_release())).changes
        assert change.address == "package/2.4.0"
        assert difference(wanted(a_release(source="renamed.zip")), live(a_release())).changes == ()

    def test_it_is_deleted_with_its_release_and_purged_after_the_grace_period(self) -> None:
        gone = wanted(deleted=frozenset({"release/node-2.4.0", "package/2.4.0"}))
        first = difference(gone, live(a_release())).changes
        assert {c.address: c.retire for c in first} == {"release/node-2.4.0": True, "package/2.4.0": True}
        assert difference(gone, retired(a_release(), 29)).changes == ()
        assert {c.address: c.retire for c in difference(gone, retired(a_release(), 30)).changes} == {
            "release/node-2.4.0": False,
            "package/2.4.0": False,
        }


class TestRenames:
    def test_a_rename_is_one_update(self) -> None:
        state = live(an_organization(), a_user(), a_member())
        desired = wanted(
            an_organization("doctors"),
            a_user(),
            a_member(organization="doctors"),
            renames={"organization/msf": "organization/doctors"},
        )
        found = difference(desired, state)
        (change,) = found.changes
        assert (change.address, change.renamed_from) == ("organization/doctors", "organization/msf")
        assert found.orphans == ()

    def test_left_in_place_it_is_harmless(self) -> None:
        state = live(an_organization("doctors"))
        desired = wanted(an_organization("doctors"), renames={"organization/msf": "organization/doctors"})
        assert difference(desired, state).changes == ()

    def test_where_both_names_live_nothing_moves(self) -> None:
        state = live(an_organization("doctors"), an_organization("msf"))
        desired = wanted(an_organization("doctors"), renames={"organization/msf": "organization/doctors"})
        found = difference(desired, state)
        assert (found.changes, addresses(found.orphans)) == ((), ["organization/msf"])
        assert addresses(found.conflicts) == ["organization/doctors"]

    def test_references_follow(self) -> None:
        state = live(an_organization(tier_id=Ref("tier/a")), a_user(organization_id=Ref("organization/msf")))
        moved, sources = under_new_names(state, {"organization/msf": "organization/x", "tier/a": "tier/b"})
        user = moved["user/anna@x.org"]
        assert isinstance(user, Row) and user.values["organization_id"] == Ref("organization/x")
        assert sources == {"organization/x": "organization/msf"}

    def test_a_prefix_is_not_a_name(self) -> None:
        state = live(an_organization("msf"), an_organization("msf-france"), a_member(organization="msf-france"))
        moved, _ = under_new_names(state, {"organization/msf": "organization/doctors"})
        assert set(moved) == {
            "organization/doctors",
            "organization/msf-france",
            "organization/msf-france/member/anna@x.org",
        }
