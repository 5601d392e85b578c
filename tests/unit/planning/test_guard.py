"""What must not happen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.planning.builders import (
    a_dedicated,
    a_main,
    a_project,
    a_team,
    a_template,
    a_user,
    an_organization,
    live,
    made_by,
    planned,
    retired,
    wanted,
)

from tenantplan.model.desired import Desired
from tenantplan.model.finding_rules import CHANGES, DELETES, LOSSES
from tenantplan.model.losing import losing_revisions
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Plan
from tenantplan.model.resource import Ref, Role, Row, Schema, State, Value
from tenantplan.planning import guard
from tenantplan.planning.diff import under_new_names
from tenantplan.planning.guard import Allowances, Brakes
from tenantplan.tables import BUILTIN


def deleting(*names: str, protect: bool = False) -> tuple[Desired, State]:
    state = live(*(an_organization(name, protect=protect) for name in names))
    return wanted(deleted=frozenset(state)), state


def test_protection_is_what_lives_not_what_is_written() -> None:
    assert [f.address for f in guard.protection(planned(*deleting("msf", protect=True)))] == ["organization/msf"]
    assert guard.protection(planned(*deleting("msf"))) == []
    assert guard.protection(planned(wanted(an_organization(display_name="X")), live(an_organization()))) == []
    desired, state = deleting("msf")
    protected = Desired(deleted=desired.deleted, protected=desired.deleted)
    assert [f.rule for f in guard.protected_in_documents(protected, state)] == ["protected"]
    assert guard.protected_in_documents(protected, {}) == []


@pytest.mark.parametrize(("deletes", "limit", "found"), [(0, 0, False), (1, 0, True), (2, 2, False), (3, 2, True)])
def test_deletions(deletes: int, limit: int, found: bool) -> None:
    rules = [f.rule for f in guard.brakes([], deletes, 0, Brakes(limit, 100))]
    assert rules == ([DELETES] if found else [])


@pytest.mark.parametrize(
    ("changed", "alive", "percent", "absolute", "found"),
    [
        (5, 10, 50, None, False),
        (6, 10, 50, None, True),
        (9, 9, 50, None, False),  # a share of nine says nothing
        (1, 10, 0, None, True),
        (10, 10, 100, None, False),
        (3, 100, 100, 2, True),
        (2, 100, 100, 2, False),
        (1, 3, 100, 0, True),
    ],
)
def test_mass_changes(changed: int, alive: int, percent: int, absolute: int | None, found: bool) -> None:
    before = live(*(an_organization(f"o{n}") for n in range(changed)))
    after = wanted(*(an_organization(f"o{n}", display_name="X") for n in range(changed)))
    rules = [f.rule for f in guard.brakes(planned(after, before), 0, alive, Brakes(0, percent, absolute))]
    assert rules == ([CHANGES] if found else [])


def test_an_organization_counts_once_and_users_do_not() -> None:
    before = live(a_dedicated(), a_user())
    after = wanted(a_dedicated(display_name="X", state="suspended"), a_user(role="SUPER_ADMIN"))
    assert guard.brakes(planned(after, before), 0, 100, Brakes(0, 100, 1)) == []


def test_creations_do_not_count() -> None:
    operations = planned(wanted(*(a_dedicated(f"o{n}") for n in range(20))), {})
    assert guard.brakes(operations, 0, 10, Brakes(0, 0, 0)) == []


def test_who_is_alive() -> None:
    state = live(an_organization("a"), retired(an_organization("b"), 1), a_user())
    assert guard.live_organizations(state) == 1


@pytest.mark.parametrize(("allowed", "stands"), [(None, True), (1, True), (3, True), (0, True), (2, False)])
def test_only_the_exact_number_lifts_the_brake(allowed: int | None, stands: bool) -> None:
    operations = planned(*deleting("a", "b"))
    blockers = tuple(guard.brakes(operations, 2, 2, Brakes(0, 100)))
    plan = Plan("f", "1", "2026-01-01T00:00:00Z", {}, {}, "c", operations, blockers)
    assert plan.summary["delete"] == 2
    assert bool(guard.remaining_blockers(plan, Allowances(deletes=allowed))) is stands


@pytest.mark.parametrize(("said", "stands"), [(None, False), (1, True), (2, False), (3, True)])
def test_a_number_that_is_wrong_stops_a_plan_that_no_brake_holds(said: int | None, stands: bool) -> None:
    """guard.maxDeletes lets two go; who says three has seen another plan."""
    plan = Plan("f", "1", "2026-01-01T00:00:00Z", {}, {}, "c", planned(*deleting("a", "b")))
    assert [f.rule for f in guard.remaining_blockers(plan, Allowances(deletes=said))] == ([DELETES] if stands else [])


def dropping(*databases: str, losing: tuple[str, ...] | None = ("r1", "r3"), tree: str = "tenant") -> list[Operation]:
    """Migrations of databases over three revisions, of which the first and the last destroy something."""
    return [
        Operation(
            id=name, address=f"schema/primary/{name}", action="migrate", risk="destructive", scope=f"organization/{name}",
            transactional=False, summary="", before=Schema("primary", name, tree, "r0"),
            after=Schema("primary", name, tree, "r3"), fingerprint="", revisions=("r1", "r2", "r3"), losing=losing,
        )
        for name in databases
    ]  # fmt: skip


class TestDestructiveRevisions:
    def test_revisions_count_and_not_databases(self) -> None:
        assert losing_revisions(dropping("a", "b", "c")) == ("r1", "r3")
        (found,) = guard.brakes(dropping("a", "b", "c"), 0, 3, Brakes(0, 100))
        assert (found.rule, found.address) == ("destructive", "fleet")
        assert "2 revisions destroy data: r1, r3: apply with --allow-destructive 2" in found.message

    def test_the_first_five_are_named(self) -> None:
        names = tuple(f"r{number}" for number in range(7))
        (found,) = guard.brakes(dropping("a", losing=names), 0, 3, Brakes(0, 100))
        assert "7 revisions destroy data: r0, r1, r2, r3, r4 and 2 more: apply" in found.message
        (found,) = guard.brakes(dropping("a", losing=names[:1]), 0, 3, Brakes(0, 100))
        assert "1 revision destroys data: r0: apply" in found.message

    def test_one_of_each_tree_is_two(self) -> None:
        both = [*dropping("a", losing=("r1",)), *dropping("s", losing=("r1",), tree="shared")]
        assert losing_revisions(both) == ("r1",)  # the shared tables are made by the tenants' tree
        assert losing_revisions([*both, *dropping("main", losing=("r1",), tree="main")]) == ("r1", "r1")

    def test_a_file_that_does_not_say_which_counts_all(self) -> None:
        assert losing_revisions(dropping("a", losing=None)) == ("r1", "r2", "r3")
        assert losing_revisions([replace(o, risk="risky") for o in dropping("a", losing=None)]) == ()
        assert losing_revisions(dropping("a", losing=())) == ()

    @pytest.mark.parametrize(("said", "stands"), [(None, True), (0, True), (1, True), (2, False), (3, True)])
    def test_only_the_exact_number_is_the_word(self, said: int | None, stands: bool) -> None:
        operations = dropping("a", "b", "c")
        blockers = tuple(guard.brakes(operations, 0, 3, Brakes(0, 100)))
        plan = Plan("f", "1", "2026-01-01T00:00:00Z", {}, {}, "c", tuple(operations), blockers)
        assert bool(guard.remaining_blockers(plan, Allowances(destructive=said))) is stands
        assert bool(guard.remaining_blockers(replace(plan, blockers=()), Allowances(destructive=said))) is (
            said not in (None, 2)
        )

    def test_neither_word_does_for_the_other(self) -> None:
        operations = (*planned(*deleting("x")), *dropping("a", losing=("r1",)))
        blockers = tuple(guard.brakes(operations, 1, 3, Brakes(0, 100)))
        plan = Plan("f", "1", "2026-01-01T00:00:00Z", {}, {}, "c", operations, blockers)
        wrong = [f.message for f in guard.remaining_blockers(plan, Allowances(deletes=2, destructive=3))]
        assert wrong == [
            "--allow-deletes 2 does not match the plan, which has 1 deletion",
            "--allow-destructive 3 does not match the plan, which has 1 revision that destroys data",
        ]
        assert [f.rule for f in guard.remaining_blockers(plan, Allowances(deletes=1))] == ["destructive"]
        assert [f.rule for f in guard.remaining_blockers(plan, Allowances(destructive=1))] == ["max-deletes"]
        assert guard.remaining_blockers(plan, Allowances(deletes=1, destructive=1)) == ()


class TestRelocations:
    def test_between_modes_and_servers(self) -> None:
        for after in (an_organization(), a_dedicated(server="west")):
            state = live(a_dedicated())
            assert [o.address for o in guard.relocations(planned(wanted(after), state), state)] == ["organization/msf"]

    def test_another_database_leaves_the_first_behind(self) -> None:
        state = live(a_dedicated())
        found = guard.relocations(planned(wanted(an_organization(**_at("else"))), state), state)
        assert [o.address for o in found] == ["organization/msf"]
        after = an_organization(**_at("z_else"))
        assert [o.address for o in guard.relocations(planned(wanted(after), state), state)] == ["organization/msf"]

    def test_a_database_that_is_renamed_with_it_stays(self) -> None:
        state = live(a_dedicated())
        renames = {
            "organization/msf": "organization/doctors",
            "database/primary/o_msf": "database/primary/o_doctors",
            "schema/primary/o_msf": "schema/primary/o_doctors",
        }
        operations = planned(wanted(a_dedicated("doctors"), renames=renames), state)
        moved, _ = under_new_names(state, renames)
        assert guard.relocations(operations, moved) == []

    def test_a_rename_finished_by_an_earlier_run_is_no_move(self) -> None:
        state = live(
            an_organization(**_at("o_old")), {k: v for k, v in a_dedicated().items() if "organization" not in k}
        )
        assert guard.relocations(planned(wanted(a_dedicated()), state), state) == []

    def test_rows_make_a_blocker(self) -> None:
        state = live(a_dedicated())
        (operation,) = guard.relocations(planned(wanted(an_organization()), state), state)
        assert guard.occupied(operation, {}) is None
        found = guard.occupied(operation, {"donors": 1, "campaigns": 1})
        assert found is not None and found.rule == "occupied" and "campaigns, donors" in found.message


def _at(database: str) -> dict[str, Value]:
    return {"database_mode": "dedicated", "database_server": "primary", "database_name": database}


class TestWhatBrakesCount:
    def test_the_end_of_a_grace_period_is_no_change(self) -> None:
        role = Role("primary", "o_a_app", True, holder="organization/a", ends_before="2026-01-01T00:00:00Z")
        over = [replace(role, login=False), replace(role, ends_before=None)]
        opened, limited = replace(role, login=True), replace(role, connection_limit=5)
        before = [role, role, replace(role, login=False), role]
        operations = [
            Operation(str(n), f"role/primary/{n}", "update", "safe", f"organization/{n}", True, "", have, want, "")
            for n, (have, want) in enumerate(zip(before, [*over, opened, limited], strict=True))
        ]
        rules = [[f.rule for f in guard.brakes([o], 0, 1, Brakes(0, 100, 0))] for o in operations]
        assert rules == [[], [], [CHANGES], [CHANGES]]  # a login that opens, and a limit, are changes
        dropped = replace(operations[0], action="delete", after=None)
        assert [f.rule for f in guard.brakes([dropped], 0, 1, Brakes(0, 100, 0))] == [CHANGES]

    def test_what_is_destroyed_in_the_shared_tables_is_everybodys_there(self) -> None:
        (operation,) = dropping("main_db", tree="shared")
        shared = replace(operation, scope="main")
        sharing = [f"organization/o{n}" for n in range(6)]
        rules = [f.rule for f in guard.brakes([shared], 0, 10, Brakes(0, 50), sharing)]
        assert rules == [LOSSES, CHANGES]
        (message,) = [f.message for f in guard.brakes([shared], 0, 10, Brakes(0, 50), sharing) if f.rule != LOSSES]
        assert message.startswith(
            "6 of 10 organizations and tenants would change, 6 of them by migrations that destroy data"
        )
        assert [f.rule for f in guard.brakes([shared], 0, 10, Brakes(0, 50), sharing[:5])] == [LOSSES]
        assert [f.rule for f in guard.brakes([replace(shared, risk="risky")], 0, 10, Brakes(0, 0), sharing)] == []
        own = replace(shared, after=Schema("primary", "main_db", "main", "r3"))
        assert [f.rule for f in guard.brakes([own], 0, 10, Brakes(0, 0), sharing)] == [LOSSES]

    def test_a_migration_that_adds_counts_for_the_number_only(self) -> None:
        adding = [replace(o, risk="risky") for o in dropping("a", "b")]
        assert guard.brakes(adding, 0, 10, Brakes(0, 0, 2)) == []
        (found,) = guard.brakes(adding, 0, 10, Brakes(0, 100, 1))
        assert "2 organizations and tenants would change or be migrated, 1 allowed (guard.maxChanged)" in found.message
        assert guard.brakes([replace(o, before=None) for o in adding], 0, 10, Brakes(0, 0, 0)) == []

    def test_the_number_is_named_before_the_share(self) -> None:
        before = live(*(an_organization(f"o{n}") for n in range(9)))
        after = wanted(*(an_organization(f"o{n}", display_name="X") for n in range(9)))
        (found,) = guard.brakes(planned(after, before), 0, 10, Brakes(0, 50, 8))
        assert found.message.startswith("9 organizations and tenants would change, 8 allowed (guard.maxChanged)")

    def test_how_many_are_to_be_deleted_is_said(self) -> None:
        said = [guard.brakes([], number, 0, Brakes(0, 100))[0].message for number in (1, 2)]
        assert said == [
            f"{what} planned, 0 allowed: apply with --allow-deletes {number} if that is intended"
            for number, what in ((1, "1 deletion"), (2, "2 deletions"))
        ]

    def test_who_shares_the_tables(self) -> None:
        state = live(
            an_organization("a"),
            a_dedicated("b"),
            retired(an_organization("c"), 1),
            {a: replace(r, managed=False) for a, r in an_organization("d").items() if isinstance(r, Row)},
        )
        assert guard.sharing(state) == {"organization/a"}
        assert guard.live_organizations(state) == 2


class TestDependents:
    def test_what_is_used_stays(self) -> None:
        state = live(an_organization(), a_template(), a_project(template_id=Ref("template/theme")))
        gone = frozenset({"template/theme"})
        desired = wanted(an_organization(), a_project(template_id=Ref("template/theme")), deleted=gone)
        deleted = planned(desired, state)
        (found,) = guard.dependents(deleted, state, BUILTIN)
        assert (found.address, found.rule) == ("template/theme", "dependents")
        assert "is still used by project/site" in found.message

    def test_unless_it_goes_too_or_has_gone(self) -> None:
        project = a_project(template_id=Ref("template/theme"))
        for state, gone in (
            (live(an_organization(), a_template(), project), {"template/theme", "project/site"}),
            (live(an_organization(), a_template(), retired(project, 1)), {"template/theme"}),
        ):
            operations = planned(wanted(an_organization(), deleted=frozenset(gone)), state)
            assert guard.dependents(operations, state, BUILTIN) == []

    def test_nor_by_what_the_application_made(self) -> None:
        state = live(an_organization(), a_template(), made_by(None, a_project(template_id=Ref("template/theme"))))
        operations = planned(wanted(an_organization(), deleted=frozenset({"template/theme"})), state)
        assert guard.dependents(operations, state, BUILTIN) == []


class TestLost:
    def plan(self) -> tuple[Operation, ...]:
        state = live(an_organization(**_at("o_msf")))
        return planned(wanted(a_dedicated()), state)

    def test_a_database_that_was_applied_and_is_gone(self) -> None:
        state = live(an_organization(**_at("o_msf")))
        (found,) = guard.lost_databases(self.plan(), state, {}, ())
        assert (found.address, found.rule) == ("database/primary/o_msf", "lost")
        assert guard.lost_databases(self.plan(), state, {}, ["database/primary/o_msf"]) == []
        others = planned(wanted(a_user(), a_main(), deleted=frozenset({"organization/msf"})), live(a_dedicated()))
        assert {o.action for o in others} >= {"create", "delete"} and guard.lost_databases(others, state, {}, ()) == []

    def test_one_that_never_was_or_was_given_up(self) -> None:
        for state in ({}, live(an_organization()), live(retired(an_organization(**_at("o_msf")), 1))):
            assert guard.lost_databases(self.plan(), state, {}, ()) == []

    def test_one_that_is_renamed_is_looked_for_under_its_old_name(self) -> None:
        state = live(an_organization(**_at("o_old")))
        renames = {"database/primary/o_old": "database/primary/o_msf"}
        assert [f.rule for f in guard.lost_databases(self.plan(), state, renames, ())] == ["lost"]


def test_a_restored_organization_stays_where_it_was() -> None:
    row = retired(an_organization(**_at("o_msf")), 1)["organization/msf"]
    moving = Operation(
        "1", "organization/msf", "move", "risky", "organization/msf", True, "", row, row, "", restore=True
    )
    (found,) = guard.restored_elsewhere([moving])
    assert "database o_msf on primary" in found.message
    (found,) = guard.restored_elsewhere([replace(moving, before=an_organization()["organization/msf"])])
    assert "restore it where it was, and change that later" in found.message
    assert guard.restored_elsewhere([replace(moving, restore=False)]) == []


class TestHeldKeys:
    def test_a_slug_of_somebody_who_keeps_it(self) -> None:
        state = live(an_organization(), retired(a_team("old", slug="web"), 1))
        operations = planned(wanted(an_organization(), a_team("web")), state)
        (found,) = guard.taken_keys(operations, state, BUILTIN)
        assert found.address == "team/web" and "has the" in found.message
        assert "of team/old, which is deleted and kept until its grace period ends" in found.message
        other = planned(wanted(an_organization(), a_team("new")), state)
        assert guard.taken_keys(other, state, BUILTIN) == []

    def test_one_that_the_plan_leaves_as_it_is_or_gives_up(self) -> None:
        state = live(an_organization(), a_team("old", slug="web"))
        both = wanted(an_organization(), a_team("web"), a_team("old", slug="other"))
        assert guard.taken_keys(planned(both, state), state, BUILTIN) == []
        only = [o for o in planned(both, state) if o.address == "team/web"]
        (found,) = guard.taken_keys(only, state, BUILTIN)
        assert "of team/old, which the plan does not change" in found.message
