"""Whose sessions are over once an operation has committed, and whose are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tenantplan.apply.closing import _any, _closes_organization, _endings, _leaves_name
from tenantplan.apply.sessions import NOW, Ending
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, Resource, Role, Row, Secret

pytestmark = pytest.mark.once
HELD = Role("eu", "o_app", True, holder="organization/a")
HOME = Database("eu", "o_a", connect=("PUBLIC", "o_app", "o_app2"), holder="organization/a")


def changed(before: Resource | None, after: Resource | None, *, retire: bool = False) -> Operation:
    action = "create" if before is None else "delete" if after is None else "update"
    return Operation("id", "a", action, "safe", "s", True, "", before, after, "", retire=retire)


def over(before: Resource | None, after: Resource | None, *, retire: bool = False) -> list[Ending]:
    return _endings([changed(before, after, retire=retire)])


def test_a_login_that_is_closed_or_retired_has_no_sessions() -> None:
    assert over(HELD, replace(HELD, login=False)) == [Ending("id", role="o_app")]
    assert over(HELD, None, retire=True) == [Ending("id", role="o_app")]
    assert over(HELD, replace(HELD, name="z_app", login=False), retire=True) == [Ending("id", role="z_app")]
    closed = replace(HELD, login=False)
    assert over(closed, closed) == [Ending("id", role="o_app")]  # one that was closed, and whose sessions go on


def test_a_login_that_stays_keeps_its_sessions() -> None:
    assert over(HELD, replace(HELD, connection_limit=5)) == []
    assert over(replace(HELD, login=False), HELD) == []
    assert over(None, HELD) == []
    assert over(HELD, None) == []  # dropped: its sessions are ended before that
    assert over(replace(HELD, holder=None), replace(HELD, login=False)) == []  # nobody's role


def test_a_new_name_ends_what_began_before_it() -> None:
    for name in ("z_app", "a_app"):
        assert over(HELD, replace(HELD, name=name)) == [Ending("id", role=name, before=NOW)]


def by_reference(keyed: str) -> Role:
    return replace(HELD, password=Secret("env:A", keyed))


def test_another_password_by_reference_ends_what_began_before_it() -> None:
    assert over(by_reference("1"), by_reference("2")) == [Ending("id", role="o_app", before=NOW)]
    assert over(by_reference("1"), by_reference("1")) == []
    assert over(HELD, by_reference("1")) == []  # its first one
    assert over(by_reference("1"), HELD) == []
    opened = replace(by_reference("1"), login=False)
    assert over(opened, by_reference("2")) == []  # nobody could log in


def test_a_generated_one_has_its_grace_period() -> None:
    generated = [replace(HELD, password=Secret("generate:main", keyed)) for keyed in "12"]
    assert over(*generated) == []
    waiting = replace(generated[0], ends_before="2026-01-01T00:00:00Z")
    assert over(waiting, replace(waiting, ends_before=None)) == [
        Ending("id", role="o_app", before="2026-01-01T00:00:00Z")
    ]
    assert over(waiting, waiting) == []
    assert over(generated[0], waiting) == []


def test_a_database_that_is_shut_ends_those_who_could_connect() -> None:
    shut = replace(HOME, connect=())
    assert over(HOME, shut) == [Ending("id", name, "o_a", if_permitted=True) for name in ("o_app", "o_app2")]
    assert over(HOME, replace(HOME, connect=("o_app",))) == []
    assert over(HOME, replace(HOME, connect=None)) == []
    assert over(replace(HOME, connect=None), shut) == []
    assert over(None, shut) == []


def an_organization(**values: object) -> Row:
    return Row("organizations", {"state": "active", "database_mode": "shared"} | values)


@pytest.mark.parametrize(
    ("before", "after", "closes"),
    [
        (an_organization(), an_organization(state="suspended"), True),
        (an_organization(state="suspended"), an_organization(), False),
        (an_organization(state="suspended"), an_organization(state="deleted"), True),
        (an_organization(state="suspended"), an_organization(state="suspended", phone="1"), False),
        (an_organization(), an_organization(phone="1"), False),
        (an_organization(), an_organization(database_mode="dedicated"), True),
        (an_organization(database_mode="dedicated"), an_organization(), False),
        (an_organization(), None, True),
        (None, an_organization(), False),
        (Row("tenants", {"state": "active"}), Row("tenants", {"state": "suspended"}), False),
        (Row("tenants", {}), None, False),
        (HOME, None, False),
        (an_organization(), HOME, False),
    ],
)
def test_an_organization_that_may_not_write_any_more(
    before: Resource | None, after: Resource | None, closes: bool
) -> None:
    operation = changed(before, after)
    assert _closes_organization(operation) is closes
    assert _any(operation) is closes


def test_either_is_something_to_end() -> None:
    assert _any(changed(HELD, replace(HELD, login=False)))
    assert not _any(changed(HELD, replace(HELD, connection_limit=5)))


@pytest.mark.parametrize(
    ("before", "after", "retire", "leaves"),
    [
        (HOME, replace(HOME, name="o_b"), False, True),
        (HOME, replace(HOME, name="a_a"), False, True),
        (HOME, replace(HOME, connection_limit=5), False, False),
        (HOME, None, True, True),
        (HOME, None, False, False),
        (None, HOME, False, False),
        (HELD, replace(HELD, name="x"), False, False),
        (HELD, None, True, False),
    ],
)
def test_a_database_that_gives_up_its_name(
    before: Resource | None, after: Resource | None, retire: bool, leaves: bool
) -> None:
    assert _leaves_name(changed(before, after, retire=retire)) is leaves


def test_where_it_happens() -> None:
    assert [changed(each, None).server for each in (HELD, HOME, an_organization())] == ["eu", "eu", "primary"]
