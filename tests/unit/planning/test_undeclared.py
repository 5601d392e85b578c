"""Fields that documents do not say, and what gives access back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.planning.builders import a_user, an_organization, live, planned, retired, wanted

from tenantplan.model.resource import Row, State
from tenantplan.planning.access import gives_more
from tenantplan.planning.undeclared import Last, Settled, needing_the_journal, restored_access, settled
from tenantplan.tables import BUILTIN

WHO = "user/anna@x.org"
NOW = "2026-05-01T00:00:00Z"


@pytest.mark.parametrize(
    ("had", "gets"),
    [
        (False, True),
        ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", None),
        ("2026-01-01T00:00:00Z", "infinity"),
        ("-infinity", "2026-01-01T00:00:00Z"),
        ("-infinity", None),
        ("0044-03-15 00:00:00 BC", "2026-01-01T00:00:00Z"),
        ("9999-01-01T00:00:00Z", "20260-03-15 00:00:00"),
        (5, 6),
        (0, None),
        ("REVOKED", "ACTIVE"),
        ("suspended", "active"),
        ("CLIENT_EDITOR", "SUPER_ADMIN"),
        ("SUPPORT", "SUPERADMIN"),
        ("MEMBER", "ADMIN"),
        ("READ_WRITE", "ADMIN"),
        (["FILE_READ"], ["FILE_DELETE", "FILE_READ"]),
        ([], ["FILE_READ"]),
    ],
)
def test_what_gives_access(had: Any, gets: Any) -> None:
    assert gives_more(had, gets)
    assert not gives_more(gets, had)
    assert not gives_more(had, had)


def test_one_permission_for_another_gives_access_both_ways() -> None:
    assert gives_more(["FILE_READ"], ["FILE_DELETE"]) and gives_more(["FILE_DELETE"], ["FILE_READ"])


def test_no_end_and_infinity_are_the_same() -> None:
    assert not gives_more("infinity", None) and not gives_more(None, "infinity")


def test_one_closed_status_for_another_gives_nothing() -> None:
    assert not gives_more("REVOKED", "EXPIRED")


def undeclared(**initial: Any) -> State:
    """The user, as a document declares it that leaves `initial` out."""
    return {a: replace(r, initial=initial) for a, r in a_user().items() if isinstance(r, Row)}


def last(**values: Any) -> dict[str, Last]:
    row = next(iter(a_user(**values).values()))
    assert isinstance(row, Row)
    return {WHO: Last(row, NOW)}


def settle(state: State, known: dict[str, Last]) -> Settled:
    return settled(wanted(undeclared(active=True)), state, known)


def test_a_value_that_is_the_default_is_not_in_question() -> None:
    assert needing_the_journal(wanted(undeclared(active=True)), live(a_user(active=True))) == []
    assert needing_the_journal(wanted(undeclared(active=True)), live(a_user(active=False))) == [WHO]
    assert needing_the_journal(wanted(a_user(active=True)), live(a_user(active=False))) == [WHO]  # who closed it?


@pytest.mark.parametrize("known", [last(), last(active=True), {}])
def test_what_the_application_closed_is_its_own(known: dict[str, Last]) -> None:
    found = settle(live(a_user(active=False)), known)
    assert (found.desired.state, found.notes) == (undeclared(active=True), ())


def test_what_a_document_closed_stays_closed_with_a_note() -> None:
    found = settle(live(a_user(active=False)), last(active=False))
    assert found.desired.state == undeclared(active=True)
    assert [note.rule for note in found.notes] == ["stays-disabled"]


def test_a_suspension_that_a_document_said_ends_with_its_line() -> None:
    address = "organization/msf"
    have = live(an_organization(state="suspended"))
    row = have[address]
    assert isinstance(row, Row)
    want = replace(row, values={c: v for c, v in row.values.items() if c != "state"}, initial={"state": "active"})
    desired = wanted({address: want})
    for known in ({address: Last(row, NOW)}, {}):
        found = settled(desired, have, known).desired.state[address]
        assert isinstance(found, Row) and found.values["state"] == "active"
    theirs = Last(replace(row, values={**row.values, "state": "active"}), NOW)
    assert settled(desired, have, {address: theirs}).desired.state == desired.state


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (last(active=True), True),
        (last(), True),
        (last(active=False), False),
    ],
)
def test_who_closed_it_decides_what_the_plan_says(known: dict[str, Last], said: bool) -> None:
    have = live(a_user(active=False))
    operations = planned(wanted(a_user(active=True)), have)
    assert [o.risk for o in operations] == ["risky"]
    notes = [*restored_access(operations, have, known, BUILTIN)]
    assert [note.rule for note in notes] == (["re-enables"] if said else [])
    assert all(f"after {NOW}" in note.message for note in notes)


def test_closing_says_nothing() -> None:
    have = live(a_user(active=True))
    operations = planned(wanted(a_user(active=False)), have)
    assert [o.risk for o in operations] == ["safe"]
    assert [*restored_access(operations, have, last(active=True), BUILTIN)] == []


def test_an_organizations_deletion_is_never_the_applications() -> None:
    state = {a: r for a, r in retired(an_organization(), 1).items() if isinstance(r, Row)}
    row = state["organization/msf"]
    assert settled(wanted(an_organization()), {**state}, {"organization/msf": Last(row, NOW)}).left == {}
