"""Which groups are every fleet's, and what is left of a plan when another fleet has made them."""

from __future__ import annotations

from dataclasses import replace

from tenantplan.model.common_group import created_since, makes_common_group, without_created
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Role

GROUP = Role("primary", "tenantplan_rw")
LOGIN = Role("primary", "o_msf_app", True, -1, ("tenantplan_rw",), None, "organization/msf")


def _making(role: Role, *needs: str) -> Operation:
    address = f"role/primary/{role.name}"
    return Operation(role.name, address, "create", "safe", "fleet", True, "", None, role, "", needs)


def test_only_groups_that_no_fleet_owns_are_common() -> None:
    assert makes_common_group(_making(GROUP))
    assert not makes_common_group(_making(LOGIN))
    assert not makes_common_group(_making(replace(GROUP, access="write")))
    assert not makes_common_group(_making(replace(GROUP, member_of=("main_rw",))))


def test_what_another_fleet_made_in_the_same_way_is_not_planned_again() -> None:
    group, login = _making(GROUP), _making(LOGIN, "tenantplan_rw", "other")
    made = {group.address: GROUP}
    assert created_since(group, made)
    assert without_created([group, login], made) == [replace(login, depends_on=("other",))]
    for state in ({}, {group.address: replace(GROUP, login=True)}, {group.address: replace(GROUP, managed=False)}):
        assert without_created([group, login], state) == [group, login]
