"""A part of a plan."""

from __future__ import annotations

import pytest
from unit.planning.builders import a_dedicated, a_main, a_member, a_user, an_organization, planned, wanted

from tenantplan.errors import UsageError
from tenantplan.planning.select import EVERYTHING, Selection, parse_selector, select

DESIRED = wanted(a_main(), a_dedicated(), a_user(), a_member(), an_organization("acme"), a_user("jean@x.org"))
OPERATIONS = planned(DESIRED, {})
LABELS = {"organization/msf": {"region": "eu"}, "organization/acme": {"region": "us"}}


def chosen(selection: Selection) -> set[str]:
    found = select(OPERATIONS, selection, LABELS, frozenset(DESIRED.state))
    assert [o for o in OPERATIONS if o in found] == list(found)  # the order stays
    return {o.address for o in found if not o.address.startswith(("role/", "database/", "schema/"))}


def test_everything() -> None:
    assert select(OPERATIONS, EVERYTHING, LABELS, frozenset(DESIRED.state)) == OPERATIONS
    assert EVERYTHING.document() == {}


def test_a_target_with_what_it_depends_on() -> None:
    assert chosen(Selection(("organization/msf",))) == {
        "organization/msf",
        "organization/msf/member/anna@x.org",
        "user/anna@x.org",
    }
    assert chosen(Selection(("user/jean@x.org",))) == {"user/jean@x.org"}


@pytest.mark.parametrize("target", ["organization/acme", "organization/msf", "user/anna@x.org"])
def test_nothing_selected_lacks_what_it_depends_on(target: str) -> None:
    found = select(OPERATIONS, Selection((target,)), LABELS, frozenset(DESIRED.state))
    ids = {o.id for o in found}
    assert all(set(o.depends_on) <= ids for o in found)


def test_an_exclude_takes_its_followers_with_it() -> None:
    assert chosen(Selection(excludes=("user/anna@x.org",))) == {
        "organization/msf",
        "organization/acme",
        "user/jean@x.org",
    }
    left = select(OPERATIONS, Selection(excludes=("role/primary/o_msf_owner",)), LABELS, frozenset(DESIRED.state))
    assert "organization/msf" not in {o.address for o in left}


def test_a_selector_and_a_target_both_have_to_hold() -> None:
    assert chosen(Selection(labels={"region": "us"})) == {"organization/acme"}
    assert chosen(Selection(("organization/msf",), labels={"region": "us"})) == set()


@pytest.mark.parametrize("address", ["organization/ms", "organization", "", "msf", "organization/msf/member"])
def test_a_misspelt_address(address: str) -> None:
    for selection in (Selection((address,)), Selection(excludes=(address,))):
        if address in ("organization", "organization/msf/member"):
            continue  # whole kinds can be named
        with pytest.raises(UsageError, match="neither declared nor live"):
            chosen(selection)


def test_selectors() -> None:
    assert parse_selector(["region=eu", "a=b=c"]) == {"region": "eu", "a": "b=c"}
    for wrong in ("region", "=x", "x="):
        with pytest.raises(UsageError, match="key=value"):
            parse_selector([wrong])
