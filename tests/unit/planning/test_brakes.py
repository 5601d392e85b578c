"""How much of one organization a plan may change."""

from __future__ import annotations

import pytest
from unit.planning.builders import (
    a_database,
    a_dedicated,
    a_member,
    a_project,
    a_team,
    a_user,
    an_organization,
    live,
    made_by,
    planned,
    retired,
    wanted,
)

from tenantplan.model.finding_rules import CHANGES
from tenantplan.model.resource import Ref, Row, State
from tenantplan.planning.brakes import OrganizationBrakes, organization_brakes


def members(number: int, role: str = "CLIENT_EDITOR", organization: str = "msf") -> State:
    made: State = {}
    for count in range(number):
        made |= a_member(f"u{count}@x.org", organization, role=role)
    return made


def a_tenant(name: str = "paris", **values: object) -> State:
    """A tenant of msf in shared tables."""
    plain = {"slug": name, "organization_id": Ref("organization/msf"), "database_mode": "shared", "active": True}
    return {f"tenant/{name}": Row("tenants", plain | values)}


def told(before: State, after: State, percent: int = 100, number: int | None = None) -> list[tuple[str, str]]:
    found = [*organization_brakes(planned(wanted(after), before), before, OrganizationBrakes(percent, number))]
    assert {finding.rule for finding in found} <= {CHANGES}
    return [(finding.address, finding.message.split(":")[0]) for finding in found]


@pytest.mark.parametrize(
    ("changed", "has", "percent", "number", "why"),
    [
        (10, 20, 50, None, ""),
        (11, 20, 50, None, "50 % allowed (guard.organization.maxChangedPercent)"),
        (19, 19, 0, None, ""),  # a share of nineteen says nothing
        (1, 20, 0, None, "0 % allowed (guard.organization.maxChangedPercent)"),
        (20, 20, 100, None, ""),
        (3, 20, 100, 3, ""),
        (4, 20, 100, 3, "3 allowed (guard.organization.maxChanged)"),
        (1, 2, 100, 0, "0 allowed (guard.organization.maxChanged)"),
    ],
)
def test_a_share_and_a_number(changed: int, has: int, percent: int, number: int | None, why: str) -> None:
    before = live(an_organization(), members(has))
    after = {**before, **members(changed, "AGENCY_ADMIN")}
    found = told(before, after, percent, number)
    assert found == ([("organization/msf", f"{changed} of its {has} objects would change, {why}")] if why else [])


def test_each_organization_by_itself() -> None:
    before = live(an_organization(), an_organization("wwf"), members(3), members(3, organization="wwf"))
    after = {**before, **members(2, "AGENCY_ADMIN"), **members(1, "AGENCY_ADMIN", "wwf")}
    assert [address for address, _ in told(before, after, number=1)] == ["organization/msf"]


def test_what_belongs_to_it_at_any_distance() -> None:
    before = live(an_organization(), a_project(), a_tenant(), members(1), a_user())
    after = live(
        an_organization(), a_project(slug="other"), a_tenant(active=False), members(1), a_user(role="SUPER_ADMIN")
    )
    assert told(before, after, number=1) == [
        ("organization/msf", "2 of its 3 objects would change, 1 allowed (guard.organization.maxChanged)")
    ]


def test_itself_and_what_is_made_are_no_changes() -> None:
    before = live(an_organization(), members(1))
    assert told(before, live(an_organization(state="suspended"), members(9)), number=0) == []


def test_who_is_deleted_is_counted_as_that() -> None:
    before = live(an_organization(), members(3))
    operations = planned(wanted(deleted=frozenset({"organization/msf"})), before)
    assert operations and list(organization_brakes(operations, before, OrganizationBrakes(100, 0))) == []
    gone = frozenset({f"organization/msf/member/u{count}@x.org" for count in range(2)})
    operations = planned(wanted(an_organization(), deleted=gone), before)
    assert len(list(organization_brakes(operations, before, OrganizationBrakes(100, 1)))) == 1


def test_only_what_the_fleet_manages_and_has_counts() -> None:
    more = made_by(None, a_member("theirs@x.org")), retired(a_project(), 1)
    before = live(an_organization(), members(2), *more)
    found = told(before, {**live(an_organization()), **members(2, "AGENCY_ADMIN")}, number=1)
    assert found[0][1].startswith("2 of its 2 objects")


def test_what_is_deleted_with_its_organization_is_not_counted_again() -> None:
    before = live(an_organization(), a_project(), members(1))
    operations = planned(wanted(deleted=frozenset(before)), before)
    assert {o.address for o in operations} == set(before)
    assert list(organization_brakes(operations, before, OrganizationBrakes(100, 0))) == []


def test_an_organization_that_changes_itself_is_no_exception() -> None:
    before = live(an_organization(), members(2))
    after = live(an_organization(state="suspended"), members(2, "AGENCY_ADMIN"))
    assert [address for address, _ in told(before, after, number=1)] == ["organization/msf"]


@pytest.mark.parametrize("what", ["adopt", "restore"])
def test_what_is_adopted_or_restored_is_no_change(what: str) -> None:
    theirs = made_by(None, a_project()) if what == "adopt" else retired(a_project(), 1)
    before = live(an_organization(), theirs)
    adopted = frozenset({"project/site"} if what == "adopt" else ())
    (operation,) = planned(wanted(an_organization(), a_project(), adopted=adopted), before)
    assert getattr(operation, what) is True
    assert list(organization_brakes([operation], before, OrganizationBrakes(0, 0))) == []


def test_its_roles_and_database_are_not_counted() -> None:
    before = live(a_dedicated())
    operations = planned(wanted(a_dedicated(), a_database(connection_limit=3)), before)
    assert [o.address for o in operations] == ["database/primary/o_msf"]
    assert list(organization_brakes(operations, before, OrganizationBrakes(0, 0))) == []


def test_a_bucket_belongs_to_the_organization_of_its_team() -> None:
    bucket = {"declared_as": "files", "owner_id": Ref("team/web"), "name": "files", "region": "eu"}
    before = live(an_organization(), a_team(), {"bucket/files": Row("buckets", bucket, home="team/web")})
    after = live(
        an_organization(), a_team(), {"bucket/files": Row("buckets", bucket | {"region": "us"}, home="team/web")}
    )
    assert [address for address, _ in told(before, after, number=0)] == ["organization/msf"]
