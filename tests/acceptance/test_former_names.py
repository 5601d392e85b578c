"""A name that a rename has left may be given to somebody else, while the line that says the rename still stands."""

from __future__ import annotations

import re

import psycopg
import pytest
from acceptance.delivered import handed, with_targets
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

SETTINGS = """credentials: { targets: { files: { file: 'handed/{organization}.env' } } }
guard: { maxChangedPercent: 100 }"""
LOGIN = "database: { mode: dedicated, password: { generate: true }, deliver: files }"
READING = LOGIN.replace("files }", "files, readOnly: true, rotation: { roles: 2 } }")
NODE = "organization: acme\ndisplayName: N\ndatabase: { mode: dedicated }"


def connects(fleet: Fleet, role: str) -> list[str]:
    """The databases of the fleet that a login role may connect to."""
    found = fleet.rows(
        "SELECT datname FROM pg_database WHERE datname LIKE %s AND has_database_privilege(%s, oid, 'CONNECT')",
        f"o{fleet.id}%",
        role,
    )
    return [name for (name,) in found]


def opens(fleet: Fleet, name: str) -> None:
    url = re.search("DATABASE_URL=(.*)", handed(fleet)[f"{name}.env"])
    assert url is not None
    psycopg.connect(url[1]).close()


@pytest.mark.parametrize("after", [LOGIN, READING], ids=["as before", "more logins"])
def test_the_former_name_is_a_tenants_now(fleet: Fleet, after: str) -> None:
    """The renamed organization gets no right on the database of the tenant, and the tenant keeps its password."""
    with_targets(fleet, SETTINGS)
    fleet.organization("paris", LOGIN)
    fleet.organization("acme", READING)
    fleet.apply()
    fleet.remove("Organization", "paris")
    fleet.organization("group", LOGIN, renamedFrom="paris")
    fleet.apply()
    fleet.document("Tenant", "paris", NODE)
    fleet.apply()
    delivered = handed(fleet)
    fleet.converged()
    fleet.organization("group", after, renamedFrom="paris")
    fleet.apply()
    fleet.converged()
    assert handed(fleet).items() >= delivered.items()
    assert connects(fleet, f"{fleet.database('group')}_app") == [fleet.database("group")]
    assert connects(fleet, f"{fleet.database('paris')}_app") == [fleet.database("paris")]
    for name in ("group", "acme", "tenant.paris"):
        opens(fleet, name)
