"""Plan, apply, plan: the main job on a real server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from acceptance.harness import Fleet


def test_a_new_fleet_converges_in_one_apply(fleet: Fleet) -> None:
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN }")
    fleet.organization(
        "msf",
        """
        database: { mode: dedicated }
        featureFlags: { MAGIC_WAND: true }
        modules: { donors: { settings: { currency: EUR } } }
        members: [ { user: anna@x.example, role: AGENCY_ADMIN } ]
        """,
    )
    fleet.organization("acme")
    fleet.apply()
    assert fleet.operations() == []
    assert fleet.rows("SELECT slug, database_name FROM organizations ORDER BY 1") == [
        ("acme", None),
        ("msf", fleet.database("msf")),
    ]


def test_absence_is_an_orphan(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    fleet.remove("Organization", "msf")
    plan = fleet.plan()
    assert plan["operations"] == []
    assert "organization/msf" in [o["address"] for o in plan["orphans"]]


def test_rename_keeps_id_and_database(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    before = fleet.rows("SELECT id FROM organizations")
    fleet.remove("Organization", "msf")
    fleet.organization("doctors", "database: { mode: dedicated }", renamedFrom="msf")
    fleet.apply()
    assert fleet.operations() == []
    assert fleet.rows("SELECT id FROM organizations") == before
    assert fleet.databases() == sorted([fleet.main_database, fleet.database("doctors")])


def test_delete_takes_two_applies_and_a_word(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }\nprotect: true")
    fleet.apply()
    fleet.organization("msf", "database: { mode: dedicated }\nstate: deleted\nprotect: false")
    fleet.apply(code=3)
    fleet.apply("--allow-deletes", "1", code=3)
    fleet.organization("msf", "database: { mode: dedicated }\nprotect: false")
    fleet.apply()
    fleet.organization("msf", "database: { mode: dedicated }\nstate: deleted\nprotect: false")
    fleet.apply(code=3)
    fleet.apply("--allow-deletes", "1")
    assert fleet.operations() == []
    assert fleet.rows("SELECT state::text FROM organizations") == [("deleted",)]
    assert fleet.database("msf") not in fleet.databases()


def test_branding_reaches_the_database_and_follows_the_yaml(fleet: Fleet) -> None:
    fleet.organization("agency", "branding: { primaryColor: '#c8102e', settings: { footer: { links: [a, b] } } }")
    fleet.apply()
    assert fleet.rows("SELECT branding FROM organizations") == [
        ({"primaryColor": "#c8102e", "settings": {"footer": {"links": ["a", "b"]}}},)
    ]
    fleet.organization("agency", "branding: { customDomain: agency.example }")
    assert fleet.operations() == ["update organization/agency"]
    fleet.apply()
    assert fleet.rows("SELECT branding FROM organizations") == [({"customDomain": "agency.example"},)]
    fleet.converged()


@pytest.mark.parametrize("role", ["SUPER_ADMIN", "AGENCY_ADMIN", "AGENCY_DEVELOPER", "CLIENT_EDITOR"])
def test_a_user_has_one_of_four_roles(fleet: Fleet, role: str) -> None:
    fleet.document("User", "anna@x.example", f"{{ displayName: Anna, role: {role} }}")
    fleet.apply()
    assert fleet.rows("SELECT email, role::text FROM users") == [("anna@x.example", role)]


def test_another_role_is_refused(fleet: Fleet) -> None:
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMINS }")
    assert "AGENCY_ADMIN" in fleet.run("validate", code=1).err


def test_feature_flags_are_switched_one_by_one(fleet: Fleet) -> None:
    fleet.organization("msf", "featureFlags: { MAGIC_WAND: false, KEYSTATIC: true, ANY_OTHER_2: true }")
    fleet.apply()
    fleet.organization("msf", "featureFlags: { MAGIC_WAND: true, KEYSTATIC: true, ANY_OTHER_2: true }")
    (operation,) = fleet.plan()["operations"]
    before, after = (operation[side]["values"]["feature_flags"] for side in ("before", "after"))
    assert {name for name in after if after[name] != before[name]} == {"MAGIC_WAND"}
    assert "MAGIC_WAND" in fleet.run("plan").out
    fleet.apply()
    assert fleet.rows("SELECT feature_flags FROM organizations") == [
        ({"ANY_OTHER_2": True, "KEYSTATIC": True, "MAGIC_WAND": True},)
    ]


def test_tier_defaults_show_as_effective_values(fleet: Fleet) -> None:
    """Tier defaults: the plan shows what an organization gets, and a change of the tier reaches its organizations."""
    tier = "displayName: Pro\ndefaults:\n  database: {{ pool: {{ size: {} }} }}\n  featureFlags: {{ A: true, B: true }}"
    fleet.document("Tier", "pro", tier.format(3))
    fleet.organization("msf", "tier: pro\nfeatureFlags: { B: false }")
    fleet.organization("acme")
    (row,) = [o["after"]["values"] for o in fleet.plan()["operations"] if o["address"] == "organization/msf"]
    assert (row["pool_size"], row["pool_max_overflow"], row["feature_flags"]) == (3, 20, {"A": True, "B": False})
    fleet.apply()
    fleet.document("Tier", "pro", tier.format(4))
    assert fleet.operations() == ["update tier/pro", "update organization/msf"]
    fleet.apply()
    assert fleet.rows("SELECT slug, pool_size FROM organizations ORDER BY 1") == [("acme", 10), ("msf", 4)]


def test_tenants_and_licences(fleet: Fleet) -> None:
    fleet.organization("nodes")
    fleet.document(
        "Tenant",
        "paris",
        """
        organization: nodes
        displayName: Paris
        contact: { email: it@paris.example, company: Paris SA, phone: "+33 1", address: Rue 1 }
        licenses:
          - { name: main, expiresAt: 2027-01-31, maxUsage: 500, notes: first }
          - { name: trial, status: PENDING }
        """,
    )
    fleet.apply()
    assert fleet.rows("SELECT name, contact_email, company_name, address, phone, active FROM tenants") == [
        ("paris", "it@paris.example", "Paris SA", "Rue 1", "+33 1", True)
    ]
    shown = (
        "name, to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), status::text, usage_count, max_usage_count, notes"
    )
    assert fleet.rows(f"SELECT {shown} FROM licenses ORDER BY name") == [
        ("main", "2027-01-31", "ACTIVE", 0, 500, "first"),
        ("trial", None, "PENDING", 0, None, None),
    ]
    fleet.execute("UPDATE licenses SET usage_count = 7, key = 'K-' || name")  # the application's columns
    fleet.execute("UPDATE tenants SET license_key = 'K'")
    fleet.converged()


def test_the_tables_of_tenants_and_licences(fleet: Fleet) -> None:
    """Unique keys, indexes and labels."""
    fleet.organization("acme")
    fleet.apply()
    indexes = dict(fleet.rows("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"))
    unique = {
        "tenants_name_key": "(name)",
        "tenants_license_key_key": "(license_key)",
        "licenses_key_key": "(key)",
        "organization_modules_organization_id_name_key": "(organization_id, name)",
        "organization_members_organization_id_user_id_key": "(organization_id, user_id)",
    }
    for name, columns in unique.items():
        assert "UNIQUE" in indexes[name] and columns in indexes[name]
    assert "(tenant_id)" in indexes["licenses_tenant_id_idx"] and "(status)" in indexes["licenses_status_idx"]
    assert fleet.rows("SELECT enum_range(NULL::license_status)::text") == [("{ACTIVE,EXPIRED,REVOKED,PENDING}",)]
    types = dict(
        fleet.rows(
            "SELECT column_name::text, data_type::text FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name = 'tenants'"
        )
    )
    assert types["id"] == "uuid" and types["created_at"] == types["updated_at"] == "timestamp with time zone"


def test_modules_and_members(fleet: Fleet) -> None:
    for user in ("anna@x.example", "jean@x.example"):
        fleet.document("User", user, "{ displayName: A, role: CLIENT_EDITOR }")
    fleet.organization(
        "msf",
        """
        modules: { donors: { enabled: true, settings: { currency: EUR } }, forms: { enabled: false } }
        members: [ { user: anna@x.example, role: AGENCY_ADMIN }, { user: jean@x.example, role: CLIENT_EDITOR } ]
        """,
    )
    fleet.apply()
    assert fleet.rows("SELECT name, enabled, settings FROM organization_modules ORDER BY 1") == [
        ("donors", True, {"currency": "EUR"}),
        ("forms", False, {}),
    ]
    members = "SELECT u.email, m.role::text FROM organization_members m JOIN users u ON u.id = m.user_id ORDER BY 1"
    assert fleet.rows(members) == [("anna@x.example", "AGENCY_ADMIN"), ("jean@x.example", "CLIENT_EDITOR")]
    fleet.execute("DELETE FROM organizations")  # the application's own deletion cascades
    assert fleet.rows("SELECT count(*) FROM organization_modules") == [(0,)]
    assert fleet.rows("SELECT count(*) FROM organization_members") == [(0,)]


def test_rows_of_the_application_are_nobodys_business(fleet: Fleet) -> None:
    """managed_by NULL: neither changed, nor deleted, nor reported; one with a declared key is noted, and the rest goes on."""
    fleet.organization("msf")
    fleet.apply()
    fleet.execute("INSERT INTO organizations (slug, display_name) VALUES ('signed-up', 'Hers')")
    fleet.execute("INSERT INTO users (email, role) VALUES ('x@y.example', 'CLIENT_EDITOR')")
    plan = fleet.plan()
    assert (plan["operations"], plan["orphans"], plan["blockers"]) == ([], [], [])
    fleet.organization("signed-up")
    fleet.organization("new")
    plan = fleet.plan()
    assert plan["blockers"] == []
    assert [(n["address"], n["rule"]) for n in plan["notes"]] == [("organization/signed-up", "unmanaged")]
    assert [(o["action"], o["address"]) for o in plan["operations"]] == [("create", "organization/new")]
    assert "left alone" in fleet.run("plan").out
    fleet.apply()
    theirs = ("signed-up", "Hers", None)
    rows = "SELECT slug, display_name, managed_by FROM organizations ORDER BY 1"
    assert fleet.rows(rows) == [("msf", "Msf", fleet.name), ("new", "New", fleet.name), theirs]
    assert [n["address"] for n in fleet.plan()["notes"]] == ["organization/signed-up"]  # it stays to be said
    fleet.organization("signed-up", "protect: false\nstate: deleted")
    assert fleet.operations() == []
    fleet.converged()
    assert theirs in fleet.rows(rows)


def test_a_row_of_the_application_is_adopted_on_request(fleet: Fleet) -> None:
    """With its id and what is not declared; another fleet's is in the way whatever the document says."""
    fleet.organization("msf")
    fleet.apply()
    fleet.execute("INSERT INTO organizations (slug, display_name) VALUES ('signed-up', 'Hers')")
    ((identifier,),) = fleet.rows("SELECT id FROM organizations WHERE slug = 'signed-up'")
    fleet.organization("signed-up", "modules: { donors: {} }", adopt=True)
    (adoption,) = [o for o in fleet.plan()["operations"] if o["address"] == "organization/signed-up"]
    assert (adoption["action"], adoption["adopt"], adoption["class"]) == ("update", True, "risky")
    assert adoption["before"]["values"]["display_name"] == "Hers"
    row = "SELECT id, display_name, managed_by FROM organizations WHERE slug = 'signed-up'"
    fleet.execute("UPDATE organizations SET managed_by = 'their-fleet' WHERE slug = 'signed-up'")
    plan = fleet.plan()
    assert [(b["address"], b["rule"]) for b in plan["blockers"]] == [("organization/signed-up", "unmanaged")]
    assert "their-fleet" in fleet.apply(code=3).err
    assert fleet.rows(row) == [(identifier, "Hers", "their-fleet")]
    fleet.execute("UPDATE organizations SET managed_by = NULL WHERE slug = 'signed-up'")
    fleet.apply()
    assert fleet.rows(row) == [(identifier, "Signed-Up", fleet.name)]
    assert fleet.rows("SELECT name, managed_by FROM organization_modules") == [("donors", fleet.name)]
    fleet.converged()


def test_a_row_that_somebody_else_took_after_the_plan_is_not_adopted(fleet: Fleet) -> None:
    """The plan saw a row of the application, with a name."""
    fleet.organization("msf")
    fleet.apply()
    fleet.organization("signed-up", adopt=True)
    for change in ("managed_by = 'their-fleet'", "display_name = 'Else'", f"managed_by = '{fleet.name}'"):
        fleet.execute("DELETE FROM organizations WHERE slug = 'signed-up'")
        fleet.execute("INSERT INTO organizations (slug, display_name) VALUES ('signed-up', 'Hers')")
        fleet.run("plan", "--out", "plan.json")
        fleet.execute(f"UPDATE organizations SET {change} WHERE slug = 'signed-up'")
        row = fleet.rows("SELECT * FROM organizations WHERE slug = 'signed-up'")
        refused = fleet.apply("plan.json", code=4)
        assert "changed after the plan was made" in refused.out + refused.err
        assert fleet.rows("SELECT * FROM organizations WHERE slug = 'signed-up'") == row


def test_exit_codes_of_plan(fleet: Fleet) -> None:
    """2 only where it is asked for; 3 for a plan that apply refuses."""
    fleet.organization("msf", "protect: false")
    fleet.run("plan", code=0)
    fleet.run("plan", "--detailed-exitcode", code=2)
    fleet.apply()
    fleet.run("plan", "--detailed-exitcode", code=0)
    fleet.organization("msf", "protect: false\nstate: deleted")
    fleet.run("plan", code=3)
    fleet.run("plan", "--detailed-exitcode", code=3)


def test_exit_codes_of_wrong_usage(fleet: Fleet) -> None:
    """1, with a message on stderr and nothing on stdout."""
    fleet.organization("msf")
    for arguments in (["plan", "--nonsense"], ["plans"], ["apply", "missing.json"], ["--fleet", "nowhere", "plan"]):
        failed = fleet.run(*arguments, code=1)
        assert failed.err and not failed.out
    asked = fleet.process("apply")  # nobody to ask
    assert asked.code == 1 and "--auto-approve" in asked.err


def test_the_sample_fleet_of_a_pipe_is_json_only(fleet: Fleet) -> None:
    """stdout carries the result and nothing else."""
    fleet.organization("msf", "database: { mode: dedicated }")
    made = fleet.process("plan", "--format", "json", "--out", "plan.json")
    assert json.loads(made.out) == json.loads((fleet.root / "plan.json").read_text())
    applied = fleet.process("apply", "plan.json", "--json")
    assert json.loads(applied.out)["counts"]["failed"] == 0


class TestIncompleteInput:
    """Refused before anything is compared, the live fleet untouched."""

    @pytest.fixture
    def live(self, fleet: Fleet) -> Fleet:
        fleet.organization("msf")
        fleet.organization("acme")
        fleet.apply()
        return fleet

    def refused(self, fleet: Fleet) -> str:
        errors = [fleet.run(command, *more, code=1).err for command, *more in (["plan"], ["apply", "--auto-approve"])]
        assert fleet.rows("SELECT count(*) FROM organizations WHERE state = 'active'") == [(2,)]
        assert all("orphan" not in error for error in errors)
        return errors[0]

    def test_an_empty_folder(self, live: Fleet) -> None:
        live.remove("Organization", "msf")
        live.remove("Organization", "acme")
        assert "tenants" in self.refused(live)

    def test_a_missing_folder(self, live: Fleet) -> None:
        (live.root / "tenants").rename(live.root / "elsewhere")
        assert "tenants" in self.refused(live)

    def test_one_broken_file(self, live: Fleet) -> None:
        live.remove("Organization", "acme")
        live.write("tenants/organization-acme.yaml", "apiVersion: tenantplan/v1\nkind: Organization\nmetadata: [")
        assert "organization-acme.yaml:3" in self.refused(live)

    def test_a_file_that_cannot_be_read(self, live: Fleet) -> None:
        (live.root / "tenants" / "organization-acme.yaml").unlink()
        (live.root / "tenants" / "organization-acme.yaml").symlink_to("nowhere.yaml")
        assert "organization-acme.yaml" in self.refused(live)


def test_the_actor_is_the_git_author(fleet: Fleet) -> None:
    """Who changed what, at which commit."""
    fleet.organization("msf")
    commit = _commit(fleet.root)
    fleet.apply()
    assert fleet.rows("SELECT DISTINCT actor, commit FROM tenantplan.audit_log") == [("Ann <ann@x.example>", commit)]


def _commit(folder: Path) -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    git("config", "user.name", "Ann")
    git("config", "user.email", "ann@x.example")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return git("rev-parse", "HEAD").strip()
