"""Changes to operations, and the order they run in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.planning.builders import (
    MAIN,
    a_database,
    a_dedicated,
    a_main,
    a_member,
    a_user,
    an_organization,
    live,
    planned,
    retired,
    wanted,
)

from tenantplan.model.operation import Operation
from tenantplan.model.resource import Ref, Role, Row, Schema, State, Value
from tenantplan.planning.order import order


def positions(operations: tuple[Operation, ...]) -> dict[str, int]:
    return {operation.address: place for place, operation in enumerate(operations)}


def one(operations: tuple[Operation, ...], address: str) -> Operation:
    (found,) = [o for o in operations if o.address == address]
    return found


def test_everything_waits_for_the_main_database() -> None:
    operations = planned(wanted(a_main(), a_dedicated(), a_user()), {})
    at = positions(operations)
    main = [a for a in at if MAIN in a]
    assert max(at[a] for a in main) < min(at[a] for a in at if a not in main)
    assert at[f"schema/primary/{MAIN}"] < at[f"schema/primary/{MAIN}/shared"]
    assert {one(operations, a).scope for a in main} == {"main"}


def test_roles_then_database_then_row_then_members() -> None:
    at = positions(planned(wanted(a_dedicated(), a_user(), a_member()), {}))
    assert at["role/primary/rw"] < at["role/primary/o_msf_app"] < at["database/primary/o_msf"] < at["organization/msf"]
    assert max(at["organization/msf"], at["user/anna@x.org"]) < at["organization/msf/member/anna@x.org"]


def test_a_bound_login_waits_for_the_row_of_its_organization() -> None:
    """Which it refers to; any other role is ready before the row that sends the application to it."""
    role = Role("primary", "o_msf_app", True, -1, ("rw",), None, "organization/msf", access="bound")
    state = wanted(an_organization(), {"role/primary/o_msf_app": role, "role/primary/rw": Role("primary", "rw")})
    at = positions(planned(state, {}))
    assert at["role/primary/rw"] < at["role/primary/o_msf_app"] > at["organization/msf"]


def test_a_new_database_comes_with_its_schema() -> None:
    operations = planned(wanted(a_dedicated()), {})
    assert "schema/primary/o_msf" not in positions(operations)
    made = one(operations, "database/primary/o_msf")
    assert (made.revisions, made.transactional, made.action) == (("r1",), False, "create")


def test_a_database_that_is_behind_is_migrated() -> None:
    behind = a_dedicated()
    schema = behind["schema/primary/o_msf"]
    assert isinstance(schema, Schema)
    behind["schema/primary/o_msf"] = replace(schema, revision="r0")
    (operation,) = planned(wanted(a_dedicated()), behind)
    assert (operation.action, operation.risk, operation.scope) == ("migrate", "risky", "organization/msf")
    assert operation.statements == ("-- to r1",)


def test_what_a_deletion_does_first() -> None:
    """The application stops before its database goes; a purge drops roles after the database, the row last."""
    gone = wanted(deleted=frozenset({"organization/msf"}))
    at = positions(planned(gone, live(a_dedicated())))
    assert at["organization/msf"] < min(place for address, place in at.items() if address != "organization/msf")
    state = retired(a_dedicated(), 99)
    state["role/primary/rw"] = a_database()["role/primary/rw"]
    purge = planned(gone, state)
    at = positions(purge)
    assert at["database/primary/o_msf"] < at["role/primary/o_msf_owner"] < at["organization/msf"]
    assert {o.risk for o in purge} == {"destructive"}


def test_nested_rows_go_before_what_holds_them() -> None:
    state = retired(live(an_organization(), a_member()), 99) | a_user()
    at = positions(planned(wanted(a_user(), deleted=frozenset({"organization/msf"})), state))
    assert at["organization/msf/member/anna@x.org"] < at["organization/msf"]


@pytest.mark.parametrize(
    ("before", "after", "action", "risk"),
    [
        ({}, {"display_name": "X"}, "update", "safe"),
        ({}, {"state": "suspended"}, "update", "risky"),
        ({}, {"database_mode": "dedicated", "database_server": "primary", "database_name": "o_msf"}, "move", "risky"),
        ({"database_mode": "dedicated", "database_url": "env:A"}, {"database_mode": "shared"}, "move", "risky"),
    ],
)
def test_what_an_update_is_called(before: dict[str, Value], after: dict[str, Value], action: str, risk: str) -> None:
    (operation,) = planned(wanted(an_organization(**after)), live(an_organization(**before)))
    assert (operation.action, operation.risk) == (action, risk)


def test_who_may_connect_is_a_grant() -> None:
    state = a_dedicated() | {"database/primary/o_msf": a_database(connect=("PUBLIC",))["database/primary/o_msf"]}
    (operation,) = planned(wanted(a_dedicated()), state)
    assert operation.action == "grant"


def test_a_rename_says_from_what() -> None:
    desired = wanted(an_organization("doctors"), renames={"organization/msf": "organization/doctors"})
    (operation,) = planned(desired, live(an_organization()))
    assert (operation.renamed_from, operation.risk) == ("organization/msf", "risky")
    assert "msf" in operation.summary and "doctors" in operation.summary


def test_an_id_is_of_what_is_done() -> None:
    """The same change has the same id; another has another."""
    first, again = (planned(wanted(a_dedicated()), {}) for _ in range(2))
    assert [o.id for o in first] == [o.id for o in again]
    other = planned(wanted(a_dedicated(display_name="X")), {})
    assert {o.id for o in other} ^ {o.id for o in first} == {one(x, "organization/msf").id for x in (first, other)}
    elsewhere = live(an_organization())
    moved: State = {a: replace(r, id="another") for a, r in elsewhere.items() if isinstance(r, Row)}
    ids = [planned(wanted(an_organization(display_name="X")), s)[0].id for s in (elsewhere, moved)]
    assert ids[0] != ids[1]  # another row of the same name


def test_a_circle_is_said() -> None:
    a, b = (planned(wanted(a_user(name)), {})[0] for name in ("a@x.org", "b@x.org"))
    (c,) = planned(wanted(a_user("c@x.org")), {})
    ordered, circles = order([replace(a, depends_on=(b.id,)), replace(b, depends_on=(a.id,)), c])
    assert ordered == (c,)
    assert [(f.address, f.rule) for f in circles] == [("user/a@x.org", "circle"), ("user/b@x.org", "circle")]
    assert "user/a@x.org, user/b@x.org" in circles[0].message


def test_a_dependency_that_is_not_planned_is_met() -> None:
    (operation,) = planned(wanted(a_user(organization_id=Ref("organization/msf"))), live(an_organization()))
    assert order([replace(operation, depends_on=("done-earlier",))])[0]
