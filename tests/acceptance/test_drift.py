"""`drift`: changes made by hand are found, changes waiting in the YAML are not drift, and nothing is written."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet


@pytest.fixture
def applied(fleet: Fleet) -> Fleet:
    """A fleet of every kind, applied."""
    fleet.env |= {"APP_PASSWORD": "a-l0ng-app-passw0rd", "ADA_PASSWORD": "a-l0ng-ada-passw0rd"}
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN }")
    fleet.document("AdminUser", "ada@x.example", "{ displayName: Ada, role: SUPPORT, password: { env: ADA_PASSWORD } }")
    fleet.organization(
        "msf",
        """
        database: { mode: dedicated, connectionLimit: 5, readOnly: true, password: { env: APP_PASSWORD } }
        featureFlags: { MAGIC_WAND: true }
        modules: { donors: { settings: { currency: EUR } } }
        members: [ { user: anna@x.example, role: AGENCY_ADMIN } ]
        """,
    )
    fleet.organization("acme")
    fleet.document(
        "Tenant",
        "paris",
        "{ organization: acme, displayName: Paris, licenses: [ { name: main, expiresAt: 2031-01-31, maxUsage: 5 } ] }",
    )
    fleet.apply()
    return fleet


def _drift(fleet: Fleet, code: int = 2) -> dict[tuple[str, str], tuple[str, str]]:
    found = fleet.run("drift", "--json", code=code).json
    assert found["unreachable"] == []
    return {(i["address"], i["name"]): (i["expected"], i["actual"]) for i in found["items"]}


def _server(fleet: Fleet, *statements: str) -> None:
    for statement in statements:
        fleet.execute(statement, database="postgres")


def test_before_the_first_apply(fleet: Fleet) -> None:
    fleet.organization("acme")
    assert "nothing has been applied yet" in fleet.run("drift", code=1).err


def test_what_was_applied_is_no_drift_and_neither_is_waiting_yaml(applied: Fleet) -> None:
    assert _drift(applied, 0) == {}
    assert "No drift" in applied.run("drift").out
    applied.organization("acme", "featureFlags: { KEYSTATIC: true }")
    applied.organization("new", "database: { mode: dedicated }")
    applied.remove("User", "anna@x.example")
    applied.organization("msf", "database: { mode: dedicated }\nstate: suspended")
    assert applied.operations() != []
    assert _drift(applied, 0) == {}


def test_no_drift_after_updates_renames_suspension_and_deletion(applied: Fleet) -> None:
    applied.organization("acme", "featureFlags: { KEYSTATIC: true }")
    applied.organization("old", "database: { mode: dedicated }\nprotect: false")
    applied.apply()
    applied.remove("Organization", "msf")
    applied.organization(
        "doctors",
        """
        database: { mode: dedicated, connectionLimit: 5, readOnly: true, password: { env: APP_PASSWORD } }
        featureFlags: { MAGIC_WAND: true }
        modules: { donors: { settings: { currency: EUR } } }
        members: [ { user: anna@x.example, role: AGENCY_ADMIN } ]
        """,
        renamedFrom="msf",
    )
    applied.apply()
    assert _drift(applied, 0) == {}
    applied.organization("old", "database: { mode: dedicated }\nprotect: false\nstate: deleted")
    applied.apply("--allow-deletes", "1")
    assert _drift(applied, 0) == {}
    applied.organization("acme", "state: suspended")
    applied.apply()
    assert _drift(applied, 0) == {}
    applied.execute("UPDATE organization_modules SET settings = '{}'")
    assert ("organization/doctors/module/donors", "settings.currency") in _drift(applied)


def test_rows_changed_deleted_and_added_by_hand(applied: Fleet) -> None:
    applied.execute(
        """UPDATE organizations SET feature_flags = '{"MAGIC_WAND": false, "EXTRA": true}' WHERE slug = 'msf'"""
    )
    applied.execute("UPDATE licenses SET max_usage_count = 500")
    applied.execute("DELETE FROM organization_members")
    applied.execute("UPDATE users SET managed_by = NULL")
    applied.execute(
        "INSERT INTO users (email, role, managed_by) VALUES ('eve@x.example', 'SUPER_ADMIN', %s)", applied.name
    )
    assert _drift(applied) == {
        ("organization/msf", "featureFlags.MAGIC_WAND"): ("true", "false"),
        ("organization/msf", "featureFlags.EXTRA"): ("", "true"),
        ("tenant/paris/license/main", "maxUsage"): ("5", "500"),
        ("organization/msf/member/anna@x.example", "row"): ("as applied", ""),
        ("user/anna@x.example", "managed_by"): ("this fleet", "somebody else"),
        ("user/eve@x.example", "row"): ("", "made by hand, with this fleet's mark"),
    }
    text = applied.run("drift", code=2).out
    assert "featureFlags.MAGIC_WAND  expected true, found false" in text
    assert "Drift: 6 differences in 5 objects." in text


def test_rows_the_application_made_are_no_drift(applied: Fleet) -> None:
    applied.execute("INSERT INTO users (email, role) VALUES ('eve@x.example', 'CLIENT_EDITOR')")
    applied.execute("UPDATE licenses SET usage_count = 3")
    assert _drift(applied, 0) == {}


def test_a_password_hash_set_by_hand_is_found_without_showing_it(applied: Fleet) -> None:
    applied.execute("UPDATE admin_users SET password_hash = '$2b$12$handmadehandmadehandmade'")
    result = applied.run("drift", "--json", code=2)
    assert [(i["address"], i["name"], i["actual"]) for i in result.json["items"]] == [
        ("adminuser/ada@x.example", "password_hash", "changed by hand")
    ]
    assert "handmade" not in result.out
    applied.execute("UPDATE admin_users SET password_hash = NULL")
    assert ("adminuser/ada@x.example", "password_hash") in _drift(applied)


def test_roles_rights_and_limits_changed_by_hand(applied: Fleet) -> None:
    database = applied.database("msf")
    _server(
        applied,
        f"ALTER ROLE {database}_app CONNECTION LIMIT 99",
        f"ALTER ROLE {database}_app BYPASSRLS",
        f"ALTER ROLE {database}_owner LOGIN",
        f"GRANT tenantplan_rw TO {database}_ro",
        f"GRANT CONNECT ON DATABASE {database} TO PUBLIC",
        f"GRANT CREATE ON DATABASE {database} TO {database}_app",
        f"ALTER DATABASE {database} CONNECTION LIMIT 77",
    )
    found = _drift(applied)
    role, place = f"role/primary/{database}", f"database/primary/{database}"
    assert found[f"{role}_app", "connection_limit"] == ("5", "99")
    assert found[f"{role}_app", "bypassrls"] == ("false", "true")
    assert found[f"{role}_owner", "login"] == ("false", "true")
    assert found[f"{role}_ro", "member_of"][1] == "tenantplan_ro, tenantplan_rw"
    assert "PUBLIC" in found[place, "connect"][1]
    assert found[place, f"CREATE for {database}_app"] == ("", "granted")
    assert found[place, "connection_limit"][1] == "77"
    assert len(found) == 7


def test_a_database_or_role_dropped_by_hand(applied: Fleet) -> None:
    database = applied.database("msf")
    _server(applied, f"DROP DATABASE {database} WITH (FORCE)", f"DROP ROLE {database}_ro")
    found = _drift(applied)
    assert found[f"database/primary/{database}", "database"] == ("as applied", "")
    assert found[f"role/primary/{database}_ro", "role"] == ("as applied", "")


def test_what_was_deleted_and_is_there_again_or_gone_too_early(applied: Fleet) -> None:
    applied.organization("old", "database: { mode: dedicated }\nprotect: false")
    applied.apply()
    applied.organization("old", "database: { mode: dedicated }\nprotect: false\nstate: deleted")
    applied.apply("--allow-deletes", "1")
    applied.execute("UPDATE organizations SET deleted_at = NULL, state = 'active' WHERE slug = 'old'")
    [(tombstone,)] = applied.rows(
        "SELECT datname FROM pg_database WHERE datname LIKE 'tp_deleted%%' AND shobj_description(oid, 'pg_database') LIKE %s",
        f"%{applied.name}%",
        database="postgres",
    )
    _server(applied, f"DROP DATABASE {tombstone}", f"ALTER ROLE {applied.database('old')}_app LOGIN")
    found = _drift(applied)
    assert found["organization/old", "row"][1] == "in use again"
    assert found[f"database/primary/{applied.database('old')}", "database"][1] == ""
    assert found[f"role/primary/{applied.database('old')}_app", "login"] == ("false", "true")


def test_a_schema_changed_by_hand_is_named_object_by_object_even_alone(applied: Fleet) -> None:
    """The one dedicated database there is: what it should look like comes from the template."""
    database = applied.database("msf")
    for statement in (
        "ALTER TABLE public.donors ADD COLUMN hacked text",
        "GRANT SELECT ON public.donors TO PUBLIC",
        "CREATE TABLE public.extra (id int)",
        "DROP TABLE public.analytics_events",
    ):
        applied.execute(statement, database=database)
    found = _drift(applied)
    assert {address for address, _ in found} == {f"schema/primary/{database}"}
    names = {name for _, name in found}
    assert "column public.donors.hacked" in names
    assert "table public.extra" in names
    assert "table public.analytics_events" in names
    assert any("PUBLIC" in name for name in names)
    assert found[f"schema/primary/{database}", "table public.analytics_events"] == ("there", "")


def test_the_odd_one_among_databases_at_one_revision_without_a_template(applied: Fleet) -> None:
    for name in ("unicef", "care"):
        applied.organization(name, "database: { mode: dedicated }")
    applied.apply()
    templates = applied.rows(
        "SELECT datname FROM pg_database WHERE starts_with(datname, 'tp_template_')"
        " AND shobj_description(oid, 'pg_database') LIKE %s",
        f'%"{applied.name}"%',
        database="postgres",
    )
    for (name,) in templates:
        _server(applied, f"DROP DATABASE {name}")
    assert _drift(applied, 0) == {}
    applied.execute(
        "ALTER TABLE public.donors ALTER COLUMN email DROP NOT NULL, ALTER COLUMN email SET DEFAULT 'x'",
        database=applied.database("care"),
    )
    found = _drift(applied)
    assert {address for address, _ in found} == {f"schema/primary/{applied.database('care')}"}
    ((expected, actual),) = [found[key] for key in found if key[1] == "column public.donors.email"]
    assert expected
    assert "'x'" in actual


def test_a_revision_that_is_not_what_the_stamp_says(applied: Fleet) -> None:
    applied.execute("UPDATE public.alembic_version SET version_num = '3f2a7c10'", database=applied.database("msf"))
    found = _drift(applied)
    assert found[f"schema/primary/{applied.database('msf')}", "revision"] == ("9c1b04aa", "3f2a7c10")
    applied.execute("UPDATE public.alembic_version_tenant SET version_num = '3f2a7c10'")
    assert (f"schema/primary/{applied.main_database}/shared", "revision") in _drift(applied)


def test_one_database_out_of_reach_does_not_hide_the_others(applied: Fleet) -> None:
    applied.organization("unicef", "database: { mode: dedicated }")
    applied.apply()
    _server(applied, f"ALTER DATABASE {applied.database('unicef')} ALLOW_CONNECTIONS false")
    applied.execute("ALTER TABLE public.donors ADD COLUMN hacked text", database=applied.database("msf"))
    found = applied.run("drift", "--json", code=2).json
    assert any(f["address"].endswith("unicef") for f in found["unreachable"])
    assert "column public.donors.hacked" in {item["name"] for item in found["items"]}
    text = applied.run("drift", code=2).out
    assert "not compared" in text


def test_drift_writes_nothing_and_apply_sets_it_right(applied: Fleet) -> None:
    applied.execute("UPDATE organizations SET display_name = 'Hacked' WHERE slug = 'acme'")
    snapshot = "SELECT xmin::text, ctid::text FROM organizations UNION ALL SELECT xmin::text, ctid::text FROM tenantplan.operations"
    before = applied.rows(snapshot)
    _drift(applied)
    assert applied.rows(snapshot) == before
    applied.apply()
    assert _drift(applied, 0) == {}
    applied.converged()
