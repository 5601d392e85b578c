"""Planning over random fleets: nothing to do is nothing, an apply arrives, and the order never breaks a dependency."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.planning.builders import (
    a_dedicated,
    a_main,
    a_member,
    a_project,
    a_team,
    a_template,
    a_user,
    an_organization,
    carried_out,
    difference,
    planned,
    wanted,
)

from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.plan import Plan, parse
from tenantplan.model.resource import Ref, Resource, Row, Schema, State

NAMES = ("aa", "bb", "cc", "dd")
USERS = ("u1@x.org", "u2@x.org")


@st.composite
def states(draw: st.DrawFn) -> State:
    """A whole fleet: users that may belong to organizations, shared and dedicated ones with owners, members, teams with
    projects made from templates, the main database."""
    state: State = a_main(draw(st.sampled_from(["m1", "m2"])))
    chosen = draw(st.lists(st.sampled_from(NAMES), unique=True))
    for name in chosen:
        build = draw(st.sampled_from([an_organization, a_dedicated]))
        state |= build(
            name, display_name=draw(st.sampled_from("XYZ")), state=draw(st.sampled_from(["active", "suspended"]))
        )
        schema = state.get(f"schema/primary/o_{name}")
        if isinstance(schema, Schema):
            state[f"schema/primary/o_{name}"] = replace(schema, revision=draw(st.sampled_from(["r1", "r2"])))
    for user in draw(st.lists(st.sampled_from(USERS), unique=True)):
        home = draw(st.sampled_from([None, *chosen]))
        state |= a_user(user, organization_id=Ref(f"organization/{home}") if home else None)
        for name in draw(st.lists(st.sampled_from(chosen), unique=True)) if chosen else []:
            state |= a_member(user, name, role=draw(st.sampled_from(["AGENCY_ADMIN", "CLIENT_EDITOR"])))
    _own(draw, state, chosen)
    return state | _work(draw, chosen)


def _own(draw: st.DrawFn, state: State, organizations: list[str]) -> None:
    """Some organizations have an owner, who may belong to them."""
    users = [a for a in state if a.startswith("user/")]
    for name in organizations:
        row = state[f"organization/{name}"]
        owner = draw(st.sampled_from([None, *users]))
        assert isinstance(row, Row)
        state[f"organization/{name}"] = replace(row, values={**row.values, "owner_id": Ref(owner) if owner else None})


def _work(draw: st.DrawFn, organizations: list[str]) -> State:
    """Teams and projects, one of each to an organization at most, and a template."""
    state: State = a_template()
    for name in draw(st.lists(st.sampled_from(organizations), unique=True)) if organizations else []:
        team = draw(st.booleans())
        state |= a_team(f"t-{name}", name) if team else {}
        state |= a_project(
            f"p-{name}",
            name,
            team_id=Ref(f"team/t-{name}") if team and draw(st.booleans()) else None,
            template_id=draw(st.sampled_from([None, Ref("template/theme")])),
        )
    return state


@given(states())
def test_a_state_does_not_differ_from_itself(state: State) -> None:
    found = difference(wanted(state), state)
    assert (found.changes, found.orphans, found.conflicts) == ((), (), ())


@given(states(), states())
def test_a_simulated_apply_reaches_desired(before: State, after: State) -> None:
    desired = wanted(after)
    reached = carried_out(planned(desired, before), before)
    assert difference(desired, reached).changes == ()
    assert before.keys() <= reached.keys()  # nothing that was not declared is gone


@given(states(), states(), st.data())
def test_declared_deletions_are_retired_and_then_purged(before: State, after: State, data: st.DataObject) -> None:
    doomed = data.draw(st.sets(st.sampled_from([f"organization/{name}" for name in NAMES])))
    desired = wanted(_without(after, doomed), deleted=frozenset(doomed))
    reached = carried_out(planned(desired, before), before)
    assert difference(desired, reached).changes == ()


def _without(state: State, doomed: set[str]) -> State:
    """The state without some organizations and all that refers to them, at any distance; owners just end to be."""
    gone = set(doomed)
    while True:
        kept = {a: r for a, r in state.items() if addresses.owner(a, r) not in gone and not _refers(r, gone)}
        if state.keys() - kept.keys() <= gone:
            return {a: _disowned(r, gone) for a, r in kept.items()}
        gone |= state.keys() - kept.keys()


def _refers(resource: Resource, gone: set[str]) -> bool:
    values = resource.values.items() if isinstance(resource, Row) else ()
    return any(isinstance(v, Ref) and v.address in gone for column, v in values if column != "owner_id")


def _disowned(resource: Resource, gone: set[str]) -> Resource:
    owner = resource.values.get("owner_id") if isinstance(resource, Row) else None
    if not isinstance(resource, Row) or not isinstance(owner, Ref) or owner.address not in gone:
        return resource
    return replace(resource, values={**resource.values, "owner_id": None})


@given(states(), states())
def test_the_order_never_breaks_a_dependency(before: State, after: State) -> None:
    done: set[str] = set()
    operations = planned(wanted(after), before)
    ids = {o.id for o in operations}
    assert len(ids) == len(operations)
    for operation in operations:
        assert set(operation.depends_on) & ids <= done
        done.add(operation.id)
    made = {o.address: o.id for o in operations if o.action == "create"}
    for operation in operations:
        for value in getattr(operation.after, "values", {}).values():
            assert not isinstance(value, Ref) or made.get(value.address) in (None, *operation.depends_on)


@given(states(), states(), st.randoms(use_true_random=False))
def test_shuffled_input_gives_the_same_bytes(before: State, after: State, shuffle: random.Random) -> None:

    def mixed(state: State) -> State:
        items = list(state.items())
        shuffle.shuffle(items)
        return dict(items)

    plans = [_plan(wanted(after), before), _plan(wanted(mixed(after)), mixed(before))]
    assert plans[0].to_bytes() == plans[1].to_bytes()
    assert parse(plans[0].to_bytes(), "here").digest == plans[1].digest


def _plan(desired: Desired, state: State) -> Plan:
    orphans = difference(desired, state).orphans
    return Plan("f", "1", "2026-01-01T00:00:00Z", {}, {}, "c", planned(desired, state), orphans=orphans)


@given(states(), st.permutations(NAMES))
@settings(max_examples=50)
def test_a_rename_of_every_organization_keeps_all_rows(state: State, new: list[str]) -> None:
    """With fresh names, and whatever refers to them; nothing is created, nothing is left over."""
    shared = {a: r for a, r in state.items() if not a.startswith(("role/", "schema/primary/o_", "database/primary/o_"))}
    renames = {f"organization/{old}": f"organization/new-{name}" for old, name in zip(NAMES, new, strict=True)}
    after = {addresses.renamed(a, renames): _moved(a, r, renames) for a, r in shared.items()}
    desired = wanted(after, renames=renames)
    found = difference(desired, shared)
    assert all(c.before is not None for c in found.changes) and found.orphans == ()
    assert difference(desired, carried_out(planned(desired, shared), shared)).changes == ()


def _moved(address: str, resource: Resource, renames: dict[str, str]) -> Resource:
    if not isinstance(resource, Row):
        return resource
    values = resource.values.items()
    moved = {c: Ref(addresses.renamed(v.address, renames)) if isinstance(v, Ref) else v for c, v in values}
    if address in renames:
        moved["slug"] = renames[address].split("/")[1]
    return replace(resource, values=moved)


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.text("abc/-", max_size=6))
def test_an_address_is_renamed_with_what_it_is_in(old: str, new: str, rest: str) -> None:
    renames = {f"organization/{old}": f"organization/{new}"}
    assert addresses.renamed(f"organization/{old}/module/{rest}", renames) == f"organization/{new}/module/{rest}"
    assert addresses.renamed(f"organization/{old}x/module/{rest}", renames) == f"organization/{old}x/module/{rest}"
    assert addresses.renamed(f"tenant/{old}", renames) == f"tenant/{old}"
