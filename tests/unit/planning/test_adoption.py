"""What exists already: rows of the application are left alone or adopted, and another fleet's are in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from unit.planning.builders import (
    a_database,
    a_dedicated,
    a_member,
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

from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Role, Row, State

ADOPTED = frozenset({"organization/msf"})
MEMBER = "organization/msf/member/anna@x.org"


def rules(found: Iterable[Finding]) -> dict[str, str]:
    return {finding.address: finding.rule for finding in found}


@pytest.mark.parametrize("values", [{}, {"display_name": "X"}], ids=["equal", "other values"])
def test_a_row_of_the_application_is_noted_and_left_alone(values: dict[str, str]) -> None:
    state = made_by(None, an_organization())
    found = difference(wanted(an_organization(**values)), state)
    assert (found.changes, found.conflicts, found.orphans) == ((), (), ())
    assert rules(found.unadopted) == {"organization/msf": "unmanaged"}
    assert "metadata.adopt: true" in found.unadopted[0].message


def test_the_rest_is_planned() -> None:
    found = difference(wanted(an_organization(), a_user(), an_organization("acme")), made_by(None, an_organization()))
    assert {c.address for c in found.changes} == {"user/anna@x.org", "organization/acme"}


def test_what_belongs_to_it_is_left_alone_too() -> None:
    """A database, roles and members of an organization that is not the fleet's would be half of one."""
    desired = wanted(a_dedicated(), a_user(), a_member())
    found = difference(desired, made_by(None, an_organization()))
    assert {c.address for c in found.changes} == {"user/anna@x.org", "role/primary/rw"}
    assert rules(found.unadopted) == {"organization/msf": "unmanaged", MEMBER: "unmanaged"}
    assert "organization/msf is the application's" in found.unadopted[1].message


def test_a_nested_row_of_the_application_under_one_of_the_fleet() -> None:
    state = live(an_organization(), a_user()) | made_by(None, a_member(role="AGENCY_ADMIN"))
    found = difference(wanted(an_organization(display_name="X"), a_user(), a_member()), state)
    assert [c.address for c in found.changes] == ["organization/msf"]
    assert rules(found.unadopted) == {MEMBER: "unmanaged"}


def test_nothing_is_said_of_what_nobody_declares() -> None:
    state = made_by(None, an_organization(), a_user(), a_member())
    assert difference(wanted(), state) == difference(wanted(), {})
    deleted = difference(wanted(deleted=frozenset(state)), state)
    assert deleted.changes == ()


@pytest.mark.parametrize("values", [{}, {"display_name": "X"}], ids=["equal", "other values"])
def test_adopting(values: dict[str, str]) -> None:
    state = made_by(None, an_organization())
    desired = wanted(an_organization(**values), adopted=ADOPTED)
    found = difference(desired, state)
    (change,) = found.changes
    assert (change.adopt, change.before is not None, found.unadopted) == (True, True, ())
    (operation,) = planned(desired, state)
    assert (operation.action, operation.risk, operation.adopt) == ("update", "risky", True)
    assert operation.summary.startswith("adopt row msf: the application created it")


def test_an_adopted_row_is_the_fleets_afterwards() -> None:
    state = made_by(None, an_organization(usage_count=7))
    desired = wanted(an_organization(display_name="X"), adopted=ADOPTED)
    reached = carried_out(planned(desired, state), state)
    row = reached["organization/msf"]
    assert isinstance(row, Row) and row.managed and row.id == "id-msf" and row.values["usage_count"] == 7
    assert difference(desired, reached).changes == ()  # also while the document goes on saying adopt
    assert difference(wanted(an_organization(display_name="X")), reached).unadopted == ()


def test_what_is_nested_is_adopted_with_its_document() -> None:
    state = made_by(None, an_organization(), a_member(role="AGENCY_ADMIN")) | live(a_user())
    desired = wanted(an_organization(), a_user(), a_member(), adopted=ADOPTED)
    assert {c.address: c.adopt for c in difference(desired, state).changes} == {"organization/msf": True, MEMBER: True}


def test_adoption_ends_at_its_document() -> None:
    state = made_by(None, an_organization(), a_user()) | made_by(None, an_organization("msf-france"))
    desired = wanted(an_organization(), a_user(), an_organization("msf-france"), adopted=ADOPTED)
    found = difference(desired, state)
    assert [c.address for c in found.changes] == ["organization/msf"]
    assert set(rules(found.unadopted)) == {"user/anna@x.org", "organization/msf-france"}


def test_what_is_new_in_an_adopted_document_is_made() -> None:
    desired = wanted(a_dedicated(), a_user(), a_member(), adopted=ADOPTED)
    found = {c.address: c for c in difference(desired, made_by(None, an_organization())).changes}
    assert found.keys() == desired.state.keys()
    assert {a for a, c in found.items() if c.adopt} == {"organization/msf"}


def test_adopting_what_is_not_there_makes_it() -> None:
    (change,) = difference(wanted(an_organization(), adopted=ADOPTED), {}).changes
    assert (change.before, change.adopt) == (None, False)


@pytest.mark.parametrize("adopted", [frozenset(), ADOPTED], ids=["as it is", "adopt"])
def test_a_row_of_another_fleet_is_in_the_way(adopted: frozenset[str]) -> None:
    """Two fleets must never change one row in turns, whatever a document says."""
    desired = wanted(an_organization(display_name="X"), adopted=adopted)
    found = difference(desired, made_by("their-fleet", an_organization()))
    assert (found.changes, found.unadopted) == ((), ())
    assert rules(found.conflicts) == {"organization/msf": "unmanaged"}
    assert "their-fleet" in found.conflicts[0].message


@pytest.mark.parametrize("address", ["database/primary/o_msf", "role/primary/o_msf_app"])
@pytest.mark.parametrize("adopted", [frozenset(), ADOPTED], ids=["as it is", "adopt"])
def test_databases_and_roles_of_others_are_in_the_way(address: str, adopted: frozenset[str]) -> None:
    """Nobody says so in a document: what is in a database belongs to somebody."""
    other = a_database()[address]
    assert isinstance(other, Database | Role)
    state: State = {address: replace(other, managed=False, holder=None)}
    found = difference(wanted(a_dedicated(), adopted=adopted), state)
    assert rules(found.conflicts) == {address: "unmanaged"}
    assert address not in {c.address for c in found.changes}


def test_the_operation_tells_adoption_from_an_update() -> None:
    """The same values of a row that became the fleet's in between are another operation."""
    desired = wanted(an_organization(display_name="X"), adopted=ADOPTED)
    adopting, updating = (planned(desired, s)[0] for s in (made_by(None, an_organization()), live(an_organization())))
    assert (adopting.adopt, updating.adopt) == (True, False)
    assert adopting.id != updating.id


def test_a_retired_row_of_the_fleet_is_not_adopted_but_comes_back() -> None:
    state = retired(an_organization(), 3)
    desired = wanted(an_organization(), adopted=ADOPTED, restores={"organization/msf": "id-msf"})
    (change,) = difference(desired, state).changes
    assert not change.adopt
