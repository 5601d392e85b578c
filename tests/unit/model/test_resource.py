"""Questions about a resource, whatever its type."""

from __future__ import annotations

import pytest

from tenantplan.model.address import organization_of
from tenantplan.model.change import Change
from tenantplan.model.resource import (
    TYPES,
    Database,
    Package,
    Ref,
    Resource,
    Role,
    Row,
    Schema,
    access_of,
    afters,
    befores,
    expect,
    of_type,
    one,
    references_of,
    server_object,
    sides,
    tree_of,
)

ROW = Row("tenants", {"name": "a", "organization_id": Ref("organization/msf")})
ROLE = Role("primary", "r", login=True, access="bound")
DATABASE = Database("primary", "d", connect=("r",))
SCHEMA = Schema("primary", "d", "tenant")
PACKAGE = Package("1.0", "main:", "k", 1, "aa")
ALL: tuple[Resource, ...] = (ROW, ROLE, DATABASE, SCHEMA, PACKAGE)


def test_each_question_is_answered_for_every_type() -> None:
    assert {type(resource) for resource in ALL} == set(TYPES.values())
    assert [server_object(resource) for resource in (*ALL, None)] == [None, ROLE, DATABASE, None, None, None]
    assert [access_of(resource) for resource in (*ALL, None)] == [None, "bound", None, None, None, None]
    assert [tree_of(resource) for resource in (*ALL, None)] == [None, None, None, "tenant", None, None]
    assert [bool(references_of(resource)) for resource in (*ALL, None)] == [True, *[False] * 5]


@pytest.mark.parametrize("resource", ALL, ids=lambda resource: type(resource).__name__)
def test_one_type_is_picked(resource: Resource) -> None:
    picked = {"a": resource} if resource is ROLE else {}
    made, gone = Change("a", None, resource), Change("a", resource, None)
    assert of_type({"a": resource, "b": None}, Role) == picked
    assert one(resource, Role) is picked.get("a")
    assert list(afters([made, gone], Role)) == [(made, role) for role in picked.values()]
    assert list(befores([made, gone], Role)) == [(gone, role) for role in picked.values()]
    assert sides(made, Role) == (None, picked.get("a"))


def test_what_is_shut_is_else_as_it_was() -> None:
    assert ROLE.shut() == Role("primary", "r", access="bound")
    assert DATABASE.shut() == Database("primary", "d", connect=())


def test_whose_a_tenant_is() -> None:
    state: dict[str, Resource] = {"tenant/a": ROW, "organization/msf": Row("organizations", {"slug": "msf"})}
    assert organization_of("tenant/a", state) == "organization/msf"
    assert organization_of("organization/msf", state) == "organization/msf"
    assert organization_of("fleet", state) == "fleet"


@pytest.mark.parametrize("resource", [resource for resource in (*ALL, None) if resource is not ROLE])
def test_nothing_else_passes_where_one_type_is_expected(resource: Resource | None) -> None:
    assert expect(ROLE, Role) is ROLE
    with pytest.raises(AssertionError, match="this takes a Role"):
        expect(resource, Role)
