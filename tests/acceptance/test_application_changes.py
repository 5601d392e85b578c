"""What the application changes stays changed: only fields that documents say are compared, and access is never given back by
default (design: only declared fields are compared)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from acceptance.harness import Fleet
from servers import TestServer

pytestmark = pytest.mark.once

KEYS = {"WEBSITE_KEY": "website: 7f3a9c2e51b84d06", "IMPORTER_KEY": "importer: 51b84d067f3a9c2e"}
SHOP = """
organization: studio
displayName: Shop
apiKeys:
  - { name: website, key: { env: WEBSITE_KEY }, permissions: [FILE_READ] }
  - { name: importer, key: { env: IMPORTER_KEY }, active: true, expiresAt: 2031-01-31 }
transforms: [ { name: thumbnail, width: 320 } ]
tenants: [ { name: museum } ]
"""
PARIS = "organization: studio\ndisplayName: Paris\nlicenses:\n  - { name: main }\n  - { name: trial, maxUsage: 5 }\n"
MINE = "{ displayName: Anna, role: AGENCY_ADMIN }"

# What the application does to the rows, by table; `updated_at` as its ORM does.
DONE = {
    "users": "active = false, organization_id = (SELECT id FROM organizations)",
    "admin_users": "active = false, password_hash = '$2b$12$chosenbythepersonherself'",
    "tenants": "active = false, phone = '+33 1', contact_email = 'it@paris.example'",
    "licenses": "status = 'REVOKED', expires_at = '2026-01-01', notes = 'unpaid'",
    "organizations": "phone = '+33 2', branding = '{\"logoUrl\": \"l\"}', feature_flags = '{\"EXTRA\": true}'",
    "organization_modules": 'enabled = false, settings = \'{"currency": "EUR"}\'',
    "projects": "domain = 'shop.example', settings = '{\"locale\": \"fr\"}', template_id = (SELECT id FROM templates)",
    "transforms": "quality = 80",
    "project_tenants": "active = false, display_name = 'Museum'",
    "templates": "active = false, version = '4'",
    "teams": "description = 'ours'",
    "team_members": "role = 'OWNER'",
    "buckets": "region = 'eu-3', access_key = 'sealed by the application'",
}


def a_studio(fleet: Fleet) -> None:
    """Documents of every kind that say no more than they must."""
    fleet.env |= KEYS
    fleet.organization("studio", "modules: { donors: {} }\nprotect: false")
    fleet.document("User", "anna@x.example", MINE)
    fleet.document("AdminUser", "ada@x.example", "{ displayName: Ada, role: SUPPORT }")
    fleet.document("Tenant", "paris", PARIS)
    fleet.document("Template", "portfolio", "displayName: Portfolio")
    fleet.document("Team", "core", "organization: studio\ndisplayName: Core\nmembers: [ { user: anna@x.example } ]")
    fleet.document("Bucket", "files", "owner: core\nprovider: s3")
    fleet.document("Project", "shop", SHOP)


def applied(root: Any, server: TestServer) -> Fleet:
    fleet = Fleet(root, server)
    a_studio(fleet)
    fleet.apply()
    return fleet


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory, server: TestServer) -> Iterator[Fleet]:
    """The studio after its application has changed all that is not declared. Tests look, and leave it as it was."""
    fleet = applied(tmp_path_factory.mktemp("studio") / "fleet", server)
    for table, done in DONE.items():
        fleet.execute(f"UPDATE {table} SET {done}, updated_at = now()")
    fleet.execute("UPDATE api_keys SET active = false, expires_at = '2026-01-01' WHERE name = 'website'")
    yield fleet
    fleet.clean()


@pytest.fixture
def studio(fleet: Fleet) -> Fleet:
    """The studio, applied."""
    a_studio(fleet)
    fleet.apply()
    return fleet


def test_what_documents_do_not_say_is_the_applications(lived_in: Fleet) -> None:
    assert lived_in.operations() == []
    assert lived_in.run("plan", "--detailed-exitcode").code == 0


def test_it_is_no_drift_either(lived_in: Fleet) -> None:
    assert "No drift" in lived_in.run("drift").out


def test_another_change_takes_nothing_of_it_back(lived_in: Fleet) -> None:
    before = lived_in.rows("SELECT active, organization_id FROM users")
    lived_in.document("User", "anna@x.example", MINE.replace("Anna", "Anna B."))
    lived_in.apply()
    assert lived_in.rows("SELECT active, organization_id FROM users") == before
    assert before[0][0] is False
    lived_in.converged()


def notes(fleet: Fleet, rule: str) -> dict[str, str]:
    return {n["address"]: n["message"] for n in fleet.plan()["notes"] if n["rule"] == rule}


def test_the_explicit_value_gives_access_back_and_the_plan_says_so(studio: Fleet) -> None:
    studio.execute("UPDATE users SET active = false, updated_at = '2027-03-04 05:06:07Z'")
    studio.execute("UPDATE licenses SET status = 'REVOKED' WHERE name = 'main'")
    studio.execute("UPDATE api_keys SET active = false, expires_at = '2026-01-01', updated_at = '2027-03-04 05:06Z'")
    studio.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN, active: true }")
    studio.document("Tenant", "paris", PARIS.replace("name: main", "name: main, status: ACTIVE"))
    plan = studio.plan()
    assert {o["address"]: o["class"] for o in plan["operations"]} == dict.fromkeys(
        ["user/anna@x.example", "tenant/paris/license/main", "project/shop/apikey/importer"], "risky"
    )
    found = notes(studio, "re-enables")
    assert found["user/anna@x.example"] == (
        "re-enables what the application disabled at 2027-03-04T05:06:07Z: active false -> true"
    )
    assert "re-enables what the application disabled after " in found["tenant/paris/license/main"]
    assert "expiresAt 2026-01-01T00:00:00Z -> 2031-01-31T00:00:00Z" in found["project/shop/apikey/importer"]
    assert "disabled at 2027-03-04T05:06:07Z" in studio.run("plan").out
    studio.apply()
    assert studio.rows("SELECT active FROM users") == [(True,)]
    assert studio.rows("SELECT name, active FROM api_keys ORDER BY 1") == [("importer", True), ("website", False)]
    studio.converged()
    assert notes(studio, "re-enables") == {}


def test_roles_and_permissions_that_the_application_took_away_are_given_back_with_a_note(studio: Fleet) -> None:
    studio.organization("studio", "modules: { donors: {} }\nmembers: [ { user: anna@x.example, role: AGENCY_ADMIN } ]")
    studio.apply()
    studio.execute("UPDATE users SET role = 'CLIENT_EDITOR', updated_at = '2027-03-04 05:06:07Z'")
    studio.execute("UPDATE organization_members SET role = 'CLIENT_EDITOR'")
    studio.execute("UPDATE api_keys SET permissions = '{}' WHERE name = 'website'")
    plan = studio.plan()
    addresses = ["user/anna@x.example", "organization/studio/member/anna@x.example", "project/shop/apikey/website"]
    assert {o["address"]: o["class"] for o in plan["operations"]} == dict.fromkeys(addresses, "risky")
    found = notes(studio, "re-enables")
    assert found[addresses[0]] == (
        "re-enables what the application disabled at 2027-03-04T05:06:07Z: role CLIENT_EDITOR -> AGENCY_ADMIN"
    )
    assert found[addresses[1]].endswith(": role CLIENT_EDITOR -> AGENCY_ADMIN")
    assert found[addresses[2]].endswith(": permissions none -> FILE_READ")
    studio.apply()
    studio.converged()


def test_what_the_application_raised_is_lowered_without_a_note(studio: Fleet) -> None:
    studio.execute("UPDATE users SET role = 'SUPER_ADMIN'")
    assert [o["class"] for o in studio.plan()["operations"]] == ["safe"]
    assert notes(studio, "re-enables") == {}


def test_a_value_that_the_yaml_itself_had_is_no_re_enabling_of_the_applications(studio: Fleet) -> None:
    studio.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN, active: false }")
    studio.apply()
    studio.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN, active: true }")
    assert studio.operations() == ["update user/anna@x.example"]
    assert notes(studio, "re-enables") == {}


def test_a_line_that_goes_sets_back_what_it_set(studio: Fleet) -> None:
    studio.document("Tenant", "paris", PARIS + "contact: { phone: '+33 1', company: Paris SA }\n")
    studio.apply()
    studio.execute("UPDATE tenants SET company_name = 'the application says so'")
    studio.document("Tenant", "paris", PARIS)
    assert studio.operations() == ["update tenant/paris"]
    studio.apply()
    assert studio.rows("SELECT phone, company_name FROM tenants") == [(None, "the application says so")]
    studio.converged()


def test_a_line_that_goes_gives_no_access_back(studio: Fleet) -> None:
    studio.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN, active: false }")
    studio.apply()
    studio.document("User", "anna@x.example", MINE)
    assert studio.operations() == []
    assert notes(studio, "stays-disabled") == {
        "user/anna@x.example": "is no longer declared and stays as applied: active false."
        " Only an explicit value in the document gives access back: active true"
    }
    assert studio.rows("SELECT active FROM users") == [(False,)]


def suspended(fleet: Fleet, since: str) -> None:
    """A suspension of the YAML, and then one of the application, which looks the same."""
    fleet.settings("guard: { maxChangedPercent: 100 }")
    fleet.organization("studio", "modules: { donors: {} }\nprotect: false\nstate: suspended")
    fleet.apply()
    fleet.execute("UPDATE organizations SET state = 'active'")
    fleet.execute(f"UPDATE organizations SET state = 'suspended', updated_at = {since}")
    fleet.organization("studio", "modules: { donors: {} }\nprotect: false")


def test_a_suspension_that_the_application_repeated_stays(studio: Fleet) -> None:
    suspended(studio, "'2027-03-04 05:06:07Z'")
    assert studio.operations() == []
    assert notes(studio, "stays-disabled") == {
        "organization/studio": "state is no longer declared and stays suspended: the application changed the row at"
        " 2027-03-04T05:06:07Z, after it was applied. Only state: active in the document opens it"
    }
    studio.organization("studio", "modules: { donors: {} }\nprotect: false\nstate: active")
    assert notes(studio, "re-enables") == {
        "organization/studio": "re-enables what the application disabled at 2027-03-04T05:06:07Z:"
        " state suspended -> active"
    }


def test_a_suspension_of_the_yaml_alone_ends_with_its_line(studio: Fleet) -> None:
    suspended(studio, "updated_at")
    assert studio.operations() == ["update organization/studio"]
    assert notes(studio, "stays-disabled") == {}


def test_the_line_of_a_renamed_organizations_module_sets_back_too(studio: Fleet) -> None:
    studio.organization("studio", "modules: { donors: { settings: { currency: EUR } } }\nprotect: false")
    studio.apply()
    studio.remove("Organization", "studio")
    body = "modules: { donors: {} }\nprotect: false"
    studio.organization("atelier", body, renamedFrom="studio")
    for path in ("tenant-paris", "team-core", "project-shop"):
        document = studio.root / "tenants" / f"{path}.yaml"
        document.write_text(document.read_text().replace("organization: studio", "organization: atelier"))
    assert "update organization/atelier/module/donors" in studio.operations()
    studio.apply()
    assert studio.rows("SELECT settings FROM organization_modules") == [({},)]
    studio.converged()


def test_a_project_that_the_application_deleted_stays_deleted(studio: Fleet) -> None:
    studio.execute("UPDATE projects SET status = 'DELETED', deleted_at = '2027-03-04 05:06:07Z'")
    studio.document("Project", "shop", SHOP.replace("displayName: Shop", "displayName: The shop"))
    plan = studio.plan()
    assert (plan["operations"], plan["blockers"]) == ([], [])
    (identifier,) = studio.rows("SELECT id::text FROM projects")[0]
    assert notes(studio, "deleted-by-the-application") == {
        "project/shop": "the application deleted it at 2027-03-04T05:06:07Z: left alone."
        f" metadata.restore: {identifier} would bring it back, state: deleted keeps it deleted"
    }
    studio.apply()
    assert studio.rows("SELECT status::text, deleted_at IS NULL FROM projects") == [("DELETED", False)]
    studio.document("Project", "shop", SHOP, restore=identifier)
    assert (
        "re-enables what the application deleted at 2027-03-04T05:06:07Z" in notes(studio, "re-enables")["project/shop"]
    )
    studio.apply()
    assert studio.rows("SELECT status::text, deleted_at IS NULL FROM projects") == [("STOPPED", True)]
    assert "it has taken effect" in notes(studio, "restore")["project/shop"]
    studio.converged()


def test_rows_that_the_application_removed_are_made_again_with_a_note(studio: Fleet) -> None:
    studio.execute("DELETE FROM organization_modules")
    studio.execute("DELETE FROM licenses WHERE name = 'trial'")
    plan = studio.plan()
    addresses = ["organization/studio/module/donors", "tenant/paris/license/trial"]
    assert {o["address"]: (o["action"], o["class"]) for o in plan["operations"]} == dict.fromkeys(
        addresses, ("create", "risky")
    )
    found = notes(studio, "makes-again")
    assert found.keys() == {*addresses}
    assert all(m.startswith("recreates what the application removed after 20") for m in found.values())
    studio.apply()
    studio.converged()
    assert notes(studio, "makes-again") == {}


def test_what_tenantplan_deleted_itself_or_renamed_is_made_as_new(studio: Fleet) -> None:
    studio.document("Tenant", "paris", PARIS.replace("maxUsage: 5", "state: deleted"))
    studio.apply("--allow-deletes", "1")
    studio.document("Tenant", "paris", PARIS)
    studio.remove("Template", "portfolio")
    studio.document("Template", "folio", "displayName: Portfolio", renamedFrom="portfolio")
    studio.apply()
    studio.document("Template", "folio", "displayName: Portfolio")
    studio.document("Template", "portfolio", "displayName: Another")
    made = {o["address"]: (o["action"], o["class"]) for o in studio.plan()["operations"]}
    assert made == {"template/portfolio": ("create", "safe")}
    assert notes(studio, "makes-again") == {}


def test_a_deletion_between_plan_and_apply_is_not_undone(studio: Fleet) -> None:
    studio.document("Project", "shop", SHOP.replace("displayName: Shop", "displayName: The shop"))
    studio.run("plan", "--out", "plan.json")
    studio.execute("UPDATE projects SET status = 'DELETED', deleted_at = now()")
    studio.run("apply", "plan.json", "--auto-approve", code=4)
    assert studio.rows("SELECT status::text, deleted_at IS NULL FROM projects") == [("DELETED", False)]
