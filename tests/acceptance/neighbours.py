"""Two organizations that share the tables of the main database, each with a donor, and the sessions that use them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from acceptance.harness import Fleet

PASSWORD = "long-and-random-5Xq!"
SHARED = "database: { login: true, readOnly: true, password: { env: TENANT_PASSWORD } }\n"
NAMES = ("acme", "zeta")


def neighbours(fleet: Fleet, spec: str = SHARED) -> Fleet:
    """The fleet with two shared organizations, applied, and one donor of each."""
    fleet.env["TENANT_PASSWORD"] = PASSWORD
    for name in NAMES:
        fleet.organization(name, spec)
    fleet.apply()
    for name, row_id in fleet.rows("SELECT slug, id FROM organizations"):
        fleet.execute("INSERT INTO donors (organization_id, email) VALUES (%s, %s)", row_id, f"{name}@secret.example")
    return fleet


def id_of(fleet: Fleet, name: str) -> str:
    """The id of an organization."""
    return str(fleet.rows("SELECT id FROM organizations WHERE slug = %s", name)[0][0])


def bound(fleet: Fleet, name: str, role: str = "app") -> psycopg.Connection[Any]:
    """A session of an organization's own login."""
    if role != "app":
        fleet.execute(f"ALTER ROLE {fleet.database(name)}_{role} PASSWORD '{PASSWORD}'", database="postgres")
    return fleet.server.connect(f"{fleet.database(name)}_{role}", fleet.main_database, PASSWORD)


@contextmanager
def pooled(fleet: Fleet) -> Iterator[psycopg.Connection[Any]]:
    """A session of the application's own login, a member of the pooled role."""
    login = f"o{fleet.id}_application"
    made = f"CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}' IN ROLE {fleet.main_database}_pool"
    fleet.execute(f"DO $$ BEGIN {made}; EXCEPTION WHEN duplicate_object THEN NULL; END $$", database="postgres")
    with fleet.server.connect(login, fleet.main_database, PASSWORD) as session:
        yield session


def emails(session: psycopg.Connection[Any], organization: str | None = None) -> list[str]:
    """The donors that a session sees, in a transaction that names an organization, if any."""
    with session.transaction():
        if organization is not None:
            session.execute("SELECT set_config('tenantplan.organization_id', %s, true)", [organization])
        return [email for (email,) in session.execute("SELECT email FROM donors ORDER BY 1").fetchall()]


def without_function(tenancy: str) -> str:
    """tenancy.py as it was before the server knew whose a session is: its policies read the setting themselves."""
    old = "NULLIF(current_setting('tenantplan.organization_id', true), '')::uuid"
    return tenancy.replace('CURRENT = "tenantplan.current_organization()"', f'CURRENT = "{old}"').replace(
        "(SELECT {CURRENT})", "{CURRENT}"
    )


def rebinding(revision: str) -> str:
    """A revision after the sample tree's head that binds its tables to the session's role."""
    tables = "donors", "donor_preferences", "campaigns", "donations", "forms", "analytics_events"
    return (
        f"from tenancy import rebind\n\nrevision = '{revision}'\ndown_revision = '9c1b04aa'\n"
        "branch_labels = None\ndepends_on = None\n\n\n"
        f"def upgrade() -> None:\n    rebind{tables!r}\n\n\ndef downgrade() -> None:\n    pass\n"
    )
