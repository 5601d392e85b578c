"""Logins that are closed stay closed while their organization stays suspended, until the document says `state: active`."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

ROOMY = "guard: { maxChangedPercent: 100, organization: { maxChangedPercent: 100 } }"
LOGIN = "protect: false\ndatabase: { mode: dedicated, readOnly: true }"
SHARED = "protect: false\ndatabase: { login: true }"
NODE = "organization: a\ndisplayName: N\nprotect: false\ndatabase: { mode: dedicated }"


def logins(fleet: Fleet) -> list[bool]:
    """Whether each login role is open, and may connect where it has a database of its own."""
    found = fleet.rows(
        "SELECT rolcanlogin, has_database_privilege(r.oid, d.oid, 'CONNECT') FROM pg_roles r"
        " LEFT JOIN pg_database d ON rolname IN (datname || '_app', datname || '_ro')"
        " WHERE rolname LIKE %s AND rolname NOT LIKE %s ORDER BY rolname",
        f"o{fleet.id}%",
        "%owner",
    )
    assert all(connects in (opened, None) for opened, connects in found)
    return [opened for opened, _ in found]


def suspended(fleet: Fleet, body: str) -> None:
    fleet.settings(ROOMY)
    fleet.organization("a", body)
    if body == LOGIN:
        fleet.document("Tenant", "n", NODE)
    fleet.apply()
    assert all(logins(fleet))
    fleet.organization("a", f"{body}\nstate: suspended")
    fleet.apply()
    assert not any(logins(fleet))


def opened(fleet: Fleet, body: str, **metadata: object) -> None:
    """They stay closed through later applies; the value itself opens them."""
    fleet.apply()
    assert fleet.rows("SELECT state FROM organizations") == [("suspended",)]
    assert not any(logins(fleet))
    fleet.converged()
    fleet.organization("a", f"{body}\nstate: active", **metadata)
    fleet.apply()
    assert fleet.rows("SELECT state FROM organizations") == [("active",)]
    assert all(logins(fleet))
    fleet.converged()


@pytest.mark.parametrize("body", [LOGIN, SHARED], ids=["dedicated", "shared"])
def test_a_restore(fleet: Fleet, body: str) -> None:
    suspended(fleet, body)
    if body == LOGIN:
        fleet.document("Tenant", "n", f"{NODE}\nstate: deleted")
    fleet.organization("a", f"{body}\nstate: deleted")
    fleet.apply("--allow-deletes", str(fleet.plan()["summary"]["delete"]))
    ids = dict(fleet.rows("SELECT slug, id::text FROM organizations UNION ALL SELECT name, id::text FROM tenants"))
    fleet.organization("a", body, restore=ids["a"])
    if body == LOGIN:
        fleet.document("Tenant", "n", NODE, restore=ids["n"])
    opened(fleet, body, restore=ids["a"])


@pytest.mark.parametrize("body", [LOGIN, SHARED], ids=["dedicated", "shared"])
def test_a_suspension_that_the_application_repeated(fleet: Fleet, body: str) -> None:
    suspended(fleet, body)
    fleet.execute("UPDATE organizations SET state = 'active'")
    fleet.execute("UPDATE organizations SET state = 'suspended', updated_at = now() + interval '2 s'")
    fleet.organization("a", body)
    opened(fleet, body)


def test_the_applications_own_suspension_closes_none(fleet: Fleet) -> None:
    fleet.settings(ROOMY)
    fleet.organization("a", LOGIN)
    fleet.apply()
    fleet.execute("UPDATE organizations SET state = 'suspended', updated_at = now()")
    fleet.converged()
    fleet.apply()
    assert all(logins(fleet))
