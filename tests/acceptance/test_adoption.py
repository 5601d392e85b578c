"""Rows that the application made: noted and left alone, or taken over where the document says so."""

from __future__ import annotations

from typing import Any

import pytest
from acceptance.harness import ROOT, Fleet
from acceptance.test_projects import blockers, counts

from tenantplan.secrets.box import CredentialPlace, new_key, vault

pytestmark = pytest.mark.once

KEY = new_key()
USER = "{ displayName: Eve, role: AGENCY_ADMIN, organization: acme }"
TEAM = "organization: acme\ndisplayName: Core\nmembers: [ { user: eve@x.example, role: ADMIN } ]"
WEBHOOK = "{ organization: acme, url: https://new.example, retries: 5 }"
MEMBER = "members: [ { user: eve@x.example, role: AGENCY_ADMIN } ]"


@pytest.fixture
def lived_in(fleet: Fleet) -> Fleet:
    """An applied fleet in which the application has made rows of its own: user, memberships, team, project, a webhook."""
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = KEY
    fleet.settings("resourceTables: [webhooks]")
    fleet.organization("acme")
    fleet.apply()
    fleet.execute((ROOT / "examples" / "custom-kind" / "webhooks.sql").read_text())
    fleet.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks TO tp_admin")
    fleet.execute(
        "WITH o AS (SELECT id FROM organizations),"
        " u AS (INSERT INTO users (email, role, display_name, organization_id)"
        "   SELECT 'eve@x.example', 'CLIENT_EDITOR', 'Hers', id FROM o RETURNING id),"
        " m AS (INSERT INTO organization_members (organization_id, user_id, role)"
        "   SELECT o.id, u.id, 'CLIENT_EDITOR' FROM o, u),"
        " t AS (INSERT INTO teams (organization_id, slug, display_name) SELECT id, 'core', 'Hers' FROM o RETURNING id),"
        " tm AS (INSERT INTO team_members (team_id, user_id, role) SELECT t.id, u.id, 'OWNER' FROM t, u),"
        " b AS (INSERT INTO buckets (owner_id, provider, name, access_key) SELECT id, 's3', 'files', 'plain' FROM t),"
        " p AS (INSERT INTO projects (organization_id, slug, display_name, status, deleted_at)"
        "   SELECT id, 'shop', 'Hers', 'DELETED', now() FROM o)"
        " INSERT INTO webhooks (name, organization_id, target_url) SELECT 'hook', id, 'https://old.example' FROM o"
    )
    fleet.write("tenants/kinds.yaml", (ROOT / "examples" / "custom-kind" / "tenants" / "kinds.yaml").read_text())
    return fleet


TABLES = ("users", "organization_members", "teams", "team_members", "buckets", "projects", "webhooks")


def theirs(fleet: Fleet, *tables: str) -> list[Any]:
    """Every row of the application, whole."""
    chosen = tables or TABLES
    return [fleet.rows(f"SELECT to_jsonb(x) FROM {table} x WHERE managed_by IS NULL ORDER BY 1") for table in chosen]


def notes(fleet: Fleet) -> set[str]:
    found = fleet.plan()["notes"]
    assert {n["rule"] for n in found} <= {"unmanaged"}
    return {n["address"] for n in found}


def declare_all(fleet: Fleet, **metadata: object) -> None:
    """Declares what is there already; to be adopted, the project that the application deleted has to be restored."""
    fleet.document("User", "eve@x.example", USER, **metadata)
    fleet.document("Team", "core", TEAM, **metadata)
    fleet.document("Bucket", "files", "owner: core\nprovider: s3\naccessKey: { env: ACCESS_KEY }", **metadata)
    back = {"restore": fleet.rows("SELECT id::text FROM projects")[0][0]} if metadata.get("adopt") else {}
    fleet.document("Project", "shop", "organization: acme\ndisplayName: Shop\nteam: core", **metadata, **back)
    fleet.document("Webhook", "hook", WEBHOOK, **metadata)
    fleet.env["ACCESS_KEY"] = "access-7f3a9c2e"


OURS = {
    "user/eve@x.example",
    "team/core",
    "team/core/member/eve@x.example",
    "bucket/files",
    "project/shop",
    "webhook/hook",
}


GIVEN = ("user/eve@x.example", "project/shop")  # a higher role, and what was deleted


def test_rows_of_the_application_are_noted_and_left_alone(lived_in: Fleet) -> None:
    before = theirs(lived_in)
    declare_all(lived_in)
    lived_in.organization("acme", MEMBER)
    lived_in.document("Team", "press", "organization: acme\ndisplayName: Press\nmembers: [ { user: eve@x.example } ]")
    lived_in.document("Template", "plain", "displayName: Plain")
    plan = lived_in.plan()
    assert plan["blockers"] == [] and plan["orphans"] == []
    assert notes(lived_in) == OURS | {"organization/acme/member/eve@x.example"}
    assert {o["address"] for o in plan["operations"]} == {
        "team/press",
        "team/press/member/eve@x.example",
        "template/plain",
    }
    said = lived_in.run("plan").out
    assert "left alone" in said and "metadata.adopt: true" in said
    lived_in.apply()  # exit 0: what is left alone is no failure
    assert theirs(lived_in) == before
    assert counts(lived_in, "teams", "team_members", "templates") == [2, 2, 1]
    lived_in.converged()
    assert notes(lived_in) == OURS | {"organization/acme/member/eve@x.example"}  # it stays to be said
    assert "No drift" in lived_in.run("drift").out


def test_what_is_managed_may_refer_to_what_is_not(lived_in: Fleet) -> None:
    lived_in.document("User", "eve@x.example", USER)
    lived_in.document("Team", "core", "organization: acme\ndisplayName: Core")
    lived_in.document("Project", "site", "organization: acme\ndisplayName: Site\nteam: core")
    lived_in.document("Team", "press", "organization: acme\ndisplayName: P\nmembers: [ { user: eve@x.example } ]")
    before = theirs(lived_in)
    lived_in.apply()
    row = "SELECT t.slug, t.managed_by FROM projects p JOIN teams t ON t.id = p.team_id WHERE p.slug = 'site'"
    assert lived_in.rows(row) == [("core", None)]
    member = "SELECT u.email FROM team_members m JOIN users u ON u.id = m.user_id WHERE m.managed_by = %s"
    assert lived_in.rows(member, lived_in.name) == [("eve@x.example",)]
    assert theirs(lived_in) == before
    lived_in.converged()


def test_rows_that_nobody_declares_are_nobodys_business(lived_in: Fleet) -> None:
    before = theirs(lived_in)
    lived_in.organization("acme", "contact: { phone: '1' }")
    plan = lived_in.plan()
    assert plan["orphans"] == [] and plan["notes"] == []
    lived_in.apply()
    assert theirs(lived_in) == before
    assert "No drift" in lived_in.run("drift").out


@pytest.mark.parametrize("adopt", [True, False])
def test_what_the_application_made_is_not_deleted(lived_in: Fleet, adopt: bool) -> None:
    """Who wants it deleted has to adopt it first."""
    before = theirs(lived_in)
    lived_in.document("User", "eve@x.example", USER[:-1] + ", state: deleted }", adopt=adopt)
    lived_in.document(
        "Project", "shop", "organization: acme\ndisplayName: S\nstate: deleted\nprotect: false", adopt=adopt
    )
    lived_in.document("Webhook", "hook", WEBHOOK[:-1] + ", state: deleted }", adopt=adopt)
    assert lived_in.operations() == []
    assert notes(lived_in) == {"user/eve@x.example", "project/shop", "webhook/hook"}
    lived_in.apply()
    assert theirs(lived_in) == before


def adopt_all(fleet: Fleet) -> None:
    declare_all(fleet, adopt=True)
    fleet.apply()


def test_adoption_takes_a_row_over_with_its_id(lived_in: Fleet) -> None:
    ids = {table: lived_in.rows(f"SELECT id::text FROM {table} WHERE managed_by IS NULL") for table in TABLES}
    declare_all(lived_in, adopt=True)
    plan = lived_in.plan()
    assert plan["blockers"] == []
    assert {(n["address"], n["rule"]) for n in plan["notes"]} == {(a, "re-enables") for a in GIVEN}
    operations = {o["address"]: o for o in plan["operations"]}
    assert operations.keys() == OURS
    assert all(o["action"] == "update" and o["adopt"] and o["class"] == "risky" for o in operations.values())
    assert all("adopt" in o["summary"] for o in operations.values())
    lived_in.apply()
    ids.pop("organization_members")
    for table, found in ids.items():
        assert lived_in.rows(f"SELECT id::text FROM {table} WHERE managed_by = %s", lived_in.name) == found, table
    assert lived_in.rows("SELECT display_name, role::text FROM users") == [("Eve", "AGENCY_ADMIN")]
    assert lived_in.rows("SELECT slug, declared_as, display_name FROM teams") == [("core", "core", "Core")]
    assert lived_in.rows("SELECT role::text FROM team_members") == [("ADMIN",)]
    assert lived_in.rows("SELECT target_url, retries, active FROM webhooks") == [("https://new.example", 5, True)]
    lived_in.converged()
    assert "No drift" in lived_in.run("drift").out


def test_an_adopted_secret_is_encrypted(lived_in: Fleet) -> None:
    adopt_all(lived_in)
    ((row_id, stored),) = lived_in.rows("SELECT id::text, access_key FROM buckets")
    assert vault(KEY).open(CredentialPlace("buckets", row_id, "access_key"), stored) == "access-7f3a9c2e"


def test_an_adopted_project_that_is_restored_is_there_again(lived_in: Fleet) -> None:
    adopt_all(lived_in)
    row = "SELECT display_name, status::text, deleted_at, t.slug FROM projects JOIN teams t ON t.id = team_id"
    assert lived_in.rows(row.replace("display_name", "projects.display_name")) == [("Shop", "STOPPED", None, "core")]
    lived_in.converged()


def test_an_adopted_project_keeps_the_status_it_has(lived_in: Fleet) -> None:
    lived_in.execute("UPDATE projects SET status = 'BUILDING', deleted_at = NULL")
    lived_in.document("Project", "shop", "organization: acme\ndisplayName: Shop\nstatus: RUNNING", adopt=True)
    lived_in.apply()
    assert lived_in.rows("SELECT display_name, status::text FROM projects") == [("Shop", "BUILDING")]
    lived_in.converged()


def test_a_row_that_is_as_declared_is_adopted_too(lived_in: Fleet) -> None:
    lived_in.document(
        "User", "eve@x.example", "{ displayName: Hers, role: CLIENT_EDITOR, organization: acme }", adopt=True
    )
    assert lived_in.operations() == ["update user/eve@x.example"]
    lived_in.apply()
    assert lived_in.rows("SELECT managed_by, display_name FROM users") == [(lived_in.name, "Hers")]
    lived_in.converged()


def test_what_is_nested_is_adopted_with_its_document(lived_in: Fleet) -> None:
    """A membership that the application made for a team that is managed already; and for an adopted one."""
    lived_in.document("User", "eve@x.example", USER)
    lived_in.organization("acme", MEMBER)
    assert notes(lived_in) == {"user/eve@x.example", "organization/acme/member/eve@x.example"}
    lived_in.organization("acme", MEMBER, adopt=True)
    assert lived_in.operations() == ["update organization/acme/member/eve@x.example"]
    lived_in.apply()
    assert lived_in.rows("SELECT role::text, managed_by FROM organization_members") == [("AGENCY_ADMIN", lived_in.name)]
    lived_in.document("Team", "core", TEAM, adopt=True)
    assert sorted(lived_in.operations()) == ["update team/core", "update team/core/member/eve@x.example"]
    lived_in.apply()
    lived_in.converged()
    assert theirs(lived_in, "organization_members", "teams", "team_members") == [[], [], []]


def test_what_is_nested_in_a_row_that_is_left_alone_is_not_made(lived_in: Fleet) -> None:
    lived_in.document("User", "ben@x.example", "{ displayName: Ben, role: CLIENT_EDITOR }")
    lived_in.document("Team", "core", "organization: acme\ndisplayName: Core\nmembers: [ { user: ben@x.example } ]")
    assert lived_in.operations() == ["create user/ben@x.example"]
    assert notes(lived_in) == {"team/core", "team/core/member/ben@x.example"}
    lived_in.apply()
    assert counts(lived_in, "team_members") == [1]
    lived_in.converged()


def test_adoption_is_asked_for_document_by_document(lived_in: Fleet) -> None:
    others = ("users", "buckets", "projects", "webhooks")
    before = theirs(lived_in, *others)
    declare_all(lived_in)
    lived_in.document("Team", "core", TEAM, adopt=True)
    assert sorted(lived_in.operations()) == ["update team/core", "update team/core/member/eve@x.example"]
    assert notes(lived_in) == OURS - {"team/core", "team/core/member/eve@x.example"}
    lived_in.apply()
    assert theirs(lived_in, *others) == before
    lived_in.converged()


def test_after_an_adoption_the_word_is_not_needed_any_more(lived_in: Fleet) -> None:
    adopt_all(lived_in)
    declare_all(lived_in)
    lived_in.converged()
    lived_in.document("User", "eve@x.example", USER.replace("Eve", "Evelyn"))
    lived_in.document("Webhook", "hook", WEBHOOK.replace("5", "6"))
    lived_in.apply()
    assert lived_in.rows("SELECT display_name FROM users") == [("Evelyn",)]
    assert lived_in.rows("SELECT retries FROM webhooks") == [(6,)]
    lived_in.document("Webhook", "hook", WEBHOOK[:-1] + ", state: deleted }")
    lived_in.apply("--allow-deletes", "1")
    assert counts(lived_in, "webhooks") == [0]
    lived_in.converged()


def test_what_is_adopted_and_new_needs_no_existing_row(lived_in: Fleet) -> None:
    """`adopt: true` where there is nothing is a creation like any other."""
    lived_in.document("Team", "fresh", "organization: acme\ndisplayName: Fresh", adopt=True)
    assert lived_in.operations() == ["create team/fresh"]
    lived_in.apply()
    lived_in.converged()


@pytest.mark.parametrize(
    ("kind", "name", "table"),
    [("Team", "core", "teams"), ("Webhook", "hook", "webhooks"), ("User", "eve@x.example", "users")],
)
@pytest.mark.parametrize("adopt", [True, False])
def test_a_row_of_another_fleet_is_a_blocker(lived_in: Fleet, kind: str, name: str, table: str, adopt: bool) -> None:
    lived_in.execute(f"UPDATE {table} SET managed_by = 'their-fleet'")
    row = lived_in.rows(f"SELECT to_jsonb(x) FROM {table} x")
    body = {"Team": "organization: acme\ndisplayName: C", "Webhook": WEBHOOK, "User": USER}[kind]
    lived_in.document(kind, name, body, adopt=adopt)
    found = blockers(lived_in)
    assert set(found) == {f"{kind.lower()}/{name}"}
    # What stands in the owner's column of a table that is not tenantplan's is nobody's to see.
    assert ("their-fleet" in found[f"{kind.lower()}/{name}"]) == (kind != "Webhook")
    lived_in.apply(code=3)
    assert lived_in.rows(f"SELECT to_jsonb(x) FROM {table} x") == row


def test_an_adoption_is_audited_with_what_was_there(lived_in: Fleet) -> None:
    adopt_all(lived_in)
    for address, before in (("team/core", "Hers"), ("user/eve@x.example", "Hers")):
        (entry,) = lived_in.run("audit", "list", "--address", address, "--json", "--limit", "100").json[-1:]
        assert entry["address"] == address and entry["result"] == "done"
        assert "adopt" in f"{entry['action']} {entry['detail']}"
        assert entry["before"]["values"]["display_name"] == before
    (entry,) = lived_in.run("audit", "list", "--address", "webhook/hook", "--json").json
    assert entry["before"]["values"]["target_url"] == "https://old.example"
    assert entry["after"]["values"]["target_url"] == "https://new.example"
    lived_in.run("audit", "verify")


CHANGES = {
    "another fleet took it": "managed_by = 'their-fleet'",
    "this fleet has it already": "managed_by = %s",
    "its values changed": "{} = 'https://else.example'",
}


@pytest.mark.parametrize("change", [*CHANGES, "it is gone", "another has its key"])
@pytest.mark.parametrize(("kind", "table"), [("Team", "teams"), ("Webhook", "webhooks")])
def test_a_plan_to_adopt_is_stale_when_the_row_changed(lived_in: Fleet, kind: str, table: str, change: str) -> None:
    body = "organization: acme\ndisplayName: Core" if kind == "Team" else WEBHOOK
    lived_in.document(kind, "core" if kind == "Team" else "hook", body, adopt=True)
    lived_in.document("Template", "plain", "displayName: Plain")
    lived_in.run("plan", "--out", "plan.json")
    if change in CHANGES:
        statement = CHANGES[change].format("display_name" if kind == "Team" else "target_url")
        lived_in.execute(f"UPDATE {table} SET {statement}", *([lived_in.name] if "%s" in statement else []))
    else:
        lived_in.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {table}; DELETE FROM {table}")
    if change == "another has its key":
        columns = "organization_id, slug, display_name" if kind == "Team" else "organization_id, name, target_url"
        same = "'core', 'Hers'" if kind == "Team" else "'hook', 'https://old.example'"
        lived_in.execute(f"INSERT INTO {table} ({columns}) SELECT id, {same} FROM organizations")
    before = lived_in.rows(f"SELECT to_jsonb(x) FROM {table} x")
    refused = lived_in.run("apply", "plan.json", "--auto-approve", code=4)
    assert "changed after the plan was made" in refused.err and f"{kind.lower()}/" in refused.err
    assert lived_in.rows(f"SELECT to_jsonb(x) FROM {table} x") == before
    assert counts(lived_in, "templates") == [0]  # nothing of the plan was done


def test_a_plan_to_leave_alone_is_not_stale_when_the_row_changes(lived_in: Fleet) -> None:
    declare_all(lived_in)
    lived_in.document("Template", "plain", "displayName: Plain")
    lived_in.run("plan", "--out", "plan.json")
    lived_in.execute("UPDATE users SET display_name = 'Else'")
    lived_in.run("apply", "plan.json", "--auto-approve")
    assert counts(lived_in, "templates") == [1]


def test_rows_inserted_while_an_apply_is_under_way_are_not_overwritten(lived_in: Fleet) -> None:
    lived_in.document("Team", "late", "organization: acme\ndisplayName: Late")
    lived_in.run("plan", "--out", "plan.json")
    lived_in.execute(
        "INSERT INTO teams (organization_id, slug, display_name) SELECT id, 'late', 'Theirs' FROM organizations"
    )
    lived_in.run("apply", "plan.json", "--auto-approve", code=4)
    assert lived_in.rows("SELECT display_name, managed_by FROM teams WHERE slug = 'late'") == [("Theirs", None)]
