"""Rows that refer to each other: which comes first, what is still needed, and whose track a row runs in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from unit.planning.builders import (
    a_dedicated,
    a_project,
    a_team,
    a_template,
    a_user,
    an_organization,
    carried_out,
    difference,
    live,
    made_by,
    planned,
    retired,
    wanted,
)

from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Package, Ref, Row, Schema, State, Value
from tenantplan.planning import guard
from tenantplan.planning.cascades import cascade_notes
from tenantplan.tables import BUILTIN

MSF, ANNA, JEAN = "organization/msf", "user/anna@x.org", "user/jean@x.org"


def steps(operations: Sequence[Operation]) -> list[tuple[str, str]]:
    return [(o.action, o.address) for o in operations]


def an_owned(owner: str | None, **values: Value) -> State:
    return an_organization(owner_id=Ref(owner) if owner else None, **values)


def inside(name: str = "anna@x.org") -> State:
    return a_user(name, organization_id=Ref(MSF))


class TestLate:
    """An organization's owner may be a user of that same organization: neither could be made whole before the other."""

    def test_both_are_new(self) -> None:
        operations = planned(wanted(an_owned(ANNA), inside()), {})
        assert steps(operations) == [("create", MSF), ("create", ANNA), ("update", MSF)]
        made, _, owned = operations
        assert isinstance(made.after, Row) and isinstance(owned.after, Row)
        assert made.after.values == {**owned.after.values, "owner_id": None} and owned.before == made.after
        assert operations[1].depends_on == (made.id,)
        assert set(owned.depends_on) == {made.id, operations[1].id}

    def test_an_apply_arrives(self) -> None:
        desired = wanted(an_owned(ANNA), inside())
        reached = carried_out(planned(desired, {}), {})
        assert difference(desired, reached).changes == ()

    def test_a_user_that_exists_is_named_at_once(self) -> None:
        assert steps(planned(wanted(an_owned(ANNA), a_user()), live(a_user()))) == [("create", MSF)]

    def test_an_owner_who_is_new_and_belongs_nowhere(self) -> None:
        desired = wanted(an_owned(ANNA), a_user())
        operations = planned(desired, {})
        assert {o.address for o in operations} == {MSF, ANNA}
        assert difference(desired, carried_out(operations, {})).changes == ()

    def test_a_new_owner_of_an_organization_that_exists(self) -> None:
        for before in (an_owned(None), an_owned(None, display_name="Old")):
            desired = wanted(an_owned(ANNA), inside())
            operations = planned(desired, live(before))
            assert steps(operations)[-1] == ("update", MSF) and ("create", ANNA) in steps(operations)
            assert difference(desired, carried_out(operations, live(before))).changes == ()

    def test_one_owner_goes_and_another_comes(self) -> None:
        """The user who goes is deleted after the organization has let go of them."""
        before = live(an_owned(ANNA), inside())
        desired = wanted(an_owned(JEAN), inside("jean@x.org"), deleted=frozenset({ANNA}))
        operations = planned(desired, before)
        assert steps(operations)[-2:] == [("update", MSF), ("delete", ANNA)]

    def test_both_go_at_once(self) -> None:
        gone = wanted(deleted=frozenset({MSF, ANNA}))
        state = live(an_owned(ANNA), inside())
        operations = planned(gone, state)
        assert set(steps(operations)) == {("delete", MSF), ("delete", ANNA)}
        assert [o.depends_on for o in operations if o.retire] == [()]  # its row stays: nothing has to go before it

    def test_a_purge_takes_the_owner_along(self) -> None:
        state = retired(an_owned(ANNA), 99) | inside()
        assert steps(planned(wanted(), state)) == [("delete", ANNA), ("delete", MSF)]

    def test_a_reference_that_is_not_late_waits(self) -> None:
        desired = wanted(an_organization(), a_team(), a_project(team_id=Ref("team/web")))
        assert steps(planned(desired, {})) == [("create", MSF), ("create", "team/web"), ("create", "project/site")]


class TestDependents:
    """A deletion of something that is still used is blocked, and names who uses it."""

    USED = live(an_organization(), a_template(), a_project(template_id=Ref("template/theme")))
    GONE = frozenset({"template/theme"})

    def blocked(self, desired: Desired, state: State) -> dict[str, str]:
        found = guard.dependents(planned(desired, state), state, BUILTIN)
        assert {f.rule for f in found} <= {"dependents"}
        return {f.address: f.message for f in found}

    def test_it_is_still_used(self) -> None:
        state = self.USED
        desired = wanted({a: r for a, r in state.items() if a not in self.GONE}, deleted=self.GONE)
        assert self.blocked(desired, state) == {
            "template/theme": "is still used by project/site: point that at another one, or delete it too"
        }

    def test_also_by_what_is_declared_no_more(self) -> None:
        """An orphan lives on, and so does what it refers to."""
        assert set(self.blocked(wanted(an_organization(), deleted=self.GONE), self.USED)) == self.GONE

    @pytest.mark.parametrize("template", [None, "template/other"])
    def test_it_is_let_go_in_the_same_plan(self, template: str | None) -> None:
        value = Ref(template) if template else None
        desired = wanted(an_organization(), a_template("other"), a_project(template_id=value), deleted=self.GONE)
        assert self.blocked(desired, self.USED) == {}
        operations = planned(desired, self.USED)
        assert steps(operations).index(("update", "project/site")) < steps(operations).index(
            ("delete", "template/theme")
        )

    def test_both_are_deleted(self) -> None:
        desired = wanted(an_organization(), deleted=self.GONE | {"project/site"})
        assert self.blocked(desired, self.USED) == {}

    def test_what_keeps_a_grace_period_of_its_own(self) -> None:
        """An organization takes its projects along; a tenant, which may have a database of its own, has to be named."""
        state = live(an_organization(protect=False), a_project(), a_user(organization_id=Ref(MSF)))
        desired = wanted(deleted=frozenset({MSF}))
        assert self.blocked(desired, state) == {}
        gone = {c.address: c.retire for c in difference(desired, state).changes}
        assert gone == {MSF: True, "project/site": True}
        assert [f.address for f in cascade_notes(planned(desired, state))] == ["project/site"]
        state |= {
            "tenant/t": Row("tenants", {"name": "t", "organization_id": Ref(MSF), "database_mode": "inherit"}, home=MSF)
        }
        assert self.blocked(desired, state) == {MSF: "still has tenant/t: set state: deleted there, too"}

    def test_what_only_uses_it_does_not_go_along(self) -> None:
        """With a team goes what is the team's, and not the projects that it works on."""
        media = {"bucket/media": Row("buckets", {"owner_id": Ref("team/web"), "name": "media"}, home="team/web")}
        state = live(an_organization(), a_team(), media, a_project(team_id=Ref("team/web")))
        gone = difference(wanted(an_organization(), deleted=frozenset({"team/web"})), state).changes
        assert {c.address for c in gone} == {"team/web", "bucket/media"}
        key = {"project/site/apikey/ci": Row("api_keys", {"project_id": Ref("project/site"), "user_id": Ref(ANNA)})}
        state = live(an_organization(), a_project(), a_user(), key)
        gone = difference(wanted(an_organization(), a_project(), deleted=frozenset({ANNA})), state).changes
        assert [c.address for c in gone] == [ANNA]  # the key is the project's, whoever it was given to

    def test_a_row_of_the_application_is_not_asked_nor_one_in_its_grace_period(self) -> None:
        project = {"project/site": self.USED["project/site"]}
        for changed in (made_by(None, project), retired(project, 3)):
            assert self.blocked(wanted(an_organization(), deleted=self.GONE), {**self.USED, **changed}) == {}


class TestScope:
    """A row runs in the track of the organization or tenant that it leads to by its `home`."""

    STATE = live(a_dedicated(), a_team(), a_project(), a_user(organization_id=Ref(MSF)), a_template())

    @pytest.mark.parametrize(
        ("address", "row", "scope"),
        [
            (MSF, STATE[MSF], MSF),
            ("team/web", STATE["team/web"], MSF),
            ("team/web/member/anna@x.org", Row("team_members", {}, home="team/web"), MSF),
            ("bucket/media", Row("buckets", {"owner_id": Ref("team/web")}, home="team/web"), MSF),
            ("project/site/apikey/deploy", Row("api_keys", {}, home="project/site"), MSF),
            ("organization/msf/member/anna@x.org", Row("organization_members", {}, home=MSF), MSF),
            ("template/theme", STATE["template/theme"], "fleet"),
            (ANNA, STATE[ANNA], "fleet"),  # a user may belong to several
            ("team/lost", Row("teams", {}, home="organization/unknown"), "organization/unknown"),
            ("team/lost", Row("teams", {}, home="team/unknown"), "fleet"),
            ("database/primary/o_msf", STATE["database/primary/o_msf"], MSF),
            ("schema/primary/o_msf", Schema("primary", "o_msf", "tenant", "r1", MSF), MSF),
            ("package/1", Package("1", "main:", "k", 1, "aa", holder="release/one"), "fleet"),
        ],
    )
    def test_where_a_resource_runs(self, address: str, row: Row, scope: str) -> None:
        assert addresses.scope(address, row, self.STATE) == scope

    def test_either_state_may_know_the_way(self) -> None:
        bucket = Row("buckets", {}, home="team/web")
        assert addresses.scope("bucket/media", bucket, {}, self.STATE) == MSF
        assert addresses.scope("bucket/media", bucket, self.STATE, {}) == MSF
        assert addresses.scope("bucket/media", bucket, {}, {}) == "fleet"

    def test_homes_in_a_circle_end(self) -> None:
        state: State = {"node/a": Row("nodes", {}, home="node/b"), "node/b": Row("nodes", {}, home="node/a")}
        assert addresses.scope("node/a", state["node/a"], state) == "fleet"

    def test_operations_run_there(self) -> None:
        desired = wanted(an_organization(), a_team(), a_template(), a_project(template_id=Ref("template/theme")))
        scopes = {o.address: o.scope for o in planned(desired, {})}
        assert scopes == {MSF: MSF, "team/web": MSF, "project/site": MSF, "template/theme": "fleet"}
        gone = planned(wanted(an_organization(), deleted=frozenset({"team/web"})), live(an_organization(), a_team()))
        assert [o.scope for o in gone] == [MSF]


class TestHeldKeys:
    """What is unique is not given to a row while another one keeps it."""

    @staticmethod
    def found(retired_at: str | None) -> list[tuple[str, str]]:
        row = Row("projects", {"organization_id": Ref("organization/msf"), "slug": "site"}, retired_at=retired_at)
        made = Operation("1", "project/new", "create", "safe", "organization/msf", True, "", None, row, "")
        found = guard.taken_keys([made], {"project/old": row}, BUILTIN)
        return [(f.address, f.rule) for f in found if "project/old" in f.message and "slug" in f.message]

    def test_by_a_deleted_row_in_its_grace_period(self) -> None:
        assert self.found("2026-01-01T00:00:00Z") == [("project/new", "key")]

    def test_by_a_row_that_the_plan_leaves_alone(self) -> None:
        assert self.found(None) == [("project/new", "key")]

    def test_but_not_where_the_other_row_changes_too(self) -> None:
        row = Row("projects", {"organization_id": Ref("organization/msf"), "slug": "site"})
        other = Row("projects", {"organization_id": Ref("organization/msf"), "slug": "else"})
        made = Operation("1", "project/new", "create", "safe", "organization/msf", True, "", None, row, "")
        moved = Operation("2", "project/old", "update", "safe", "organization/msf", True, "", row, other, "")
        assert guard.taken_keys([made, moved], {"project/old": row}, BUILTIN) == []

    def test_nor_where_it_is_the_row_itself_under_another_name(self) -> None:
        row = Row("projects", {"organization_id": Ref("organization/msf"), "slug": "site"})
        renamed = Operation(
            "1",
            "project/new",
            "update",
            "risky",
            "organization/msf",
            True,
            "",
            row,
            row,
            "",
            renamed_from="project/old",
        )
        assert guard.taken_keys([renamed], {"project/old": row}, BUILTIN) == []
