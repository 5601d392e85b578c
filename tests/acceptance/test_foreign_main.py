"""A main database that somebody else made tables in is refused in words, before anything is written."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet


@pytest.mark.parametrize(
    "tables",
    ["users (id int, email text)", "tenants (name text)", "alembic_version (version_num text)", "invoices (id int)"],
)
def test_tables_of_somebody_else_are_named_with_a_way_on(fleet: Fleet, tables: str) -> None:
    fleet.execute(f"CREATE DATABASE {fleet.main_database} OWNER tp_admin", database="postgres")
    fleet.execute(f"CREATE TABLE {tables}")
    fleet.execute(f"ALTER TABLE {tables.split()[0]} OWNER TO tp_admin")
    fleet.organization("acme")
    fleet.document("User", "anna@acme.example", "displayName: Anna\nrole: AGENCY_ADMIN\norganization: acme")
    fleet.document("Tenant", "paris", "organization: acme\ndisplayName: Paris")
    made = fleet.run("plan", code=None)
    shown = made.out + made.err
    print(shown)
    assert "42703" not in shown and "managed_by" not in shown
    assert f"public.{tables.split()[0]}" in shown and "main: { database:" in shown
    refused = fleet.run("apply", "--auto-approve", code=None)
    assert refused.code in (1, 3), refused
    assert "42703" not in refused.err and f"public.{tables.split()[0]}" in refused.err
    assert fleet.rows("SELECT nspname FROM pg_namespace WHERE nspname = 'tenantplan'") == []
