"""Teams, templates and projects with everything that is nested in them."""

from __future__ import annotations

import hashlib
from typing import Any

import psycopg
import pytest
from acceptance.harness import Fleet
from psycopg import sql

pytestmark = pytest.mark.once

WEBSITE, IMPORTER = "website: 7f3a9c2e51b84d06", "importer: 51b84d067f3a9c2e"
NESTED = """
apiKeys:
  - name: website
    key: { env: WEBSITE_KEY }
    permissions: [FILE_LIST, FILE_READ, TRANSFORM_APPLY]
    user: anna@x.example
    expiresAt: 2027-12-31
  - { name: importer, key: { env: IMPORTER_KEY }, permissions: [UPLOAD_CREATE], active: false }
transforms:
  - { name: thumbnail, width: 320, height: 240, fit: cover, format: webp, quality: 80 }
  - { name: full, settings: { strip: true } }
tenants:
  - { name: museum, displayName: City museum, settings: { quota: 50 } }
  - { name: library, active: false }
"""
SHOP = "organization: studio\ndisplayName: Shop\nprotect: false\n"
FULL = SHOP + "template: portfolio\nteam: core\nbucket: originals\ndomain: shop.example\nsettings: { locale: fr }\n"
GONE = SHOP + "state: deleted\n"


def a_studio(fleet: Fleet, project: str = FULL + NESTED) -> None:
    """Documents of an organization with two users, a team, a template, a bucket and a project that uses all of them."""
    fleet.env |= {"WEBSITE_KEY": WEBSITE, "IMPORTER_KEY": IMPORTER}
    fleet.organization("studio", "protect: false\nowner: anna@x.example")
    for name in ("anna", "ben"):
        body = f"{{ displayName: {name.title()}, role: AGENCY_DEVELOPER, organization: studio }}"
        fleet.document("User", f"{name}@x.example", body)
    members = "members: [ { user: anna@x.example, role: OWNER }, { user: ben@x.example } ]"
    fleet.document("Team", "core", f"organization: studio\ndisplayName: Core\n{members}")
    fleet.document("Template", "portfolio", "displayName: Portfolio\nversion: '3.2'\nsettings: { sections: [hero] }")
    fleet.document("Bucket", "originals", "owner: core\nprovider: s3")
    fleet.document("Project", "shop", project)


def shop(fleet: Fleet, project: str, *arguments: str) -> None:
    """Declares the project anew and applies."""
    fleet.document("Project", "shop", project)
    fleet.apply(*arguments)


def purge(fleet: Fleet) -> None:
    """Applies when every grace period has ended, with as many deletions as that takes."""
    fleet.settings("guard: { graceDays: 0 }")
    fleet.apply("--allow-deletes", str(fleet.plan()["summary"]["delete"]))


def project(fleet: Fleet, columns: str = "status::text, deleted_at IS NULL") -> list[tuple[Any, ...]]:
    return fleet.rows(f"SELECT {columns} FROM projects")


def counts(fleet: Fleet, *tables: str) -> list[int]:
    return [fleet.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables]


def blockers(fleet: Fleet) -> dict[str, str]:
    return {b["address"]: b["message"] for b in fleet.plan()["blockers"]}


def refused(fleet: Fleet) -> str:
    """What `plan` says about YAML that cannot be."""
    return fleet.run("plan", code=1).err


@pytest.fixture
def studio(fleet: Fleet) -> Fleet:
    """The whole studio, applied."""
    a_studio(fleet)
    fleet.apply()
    return fleet


def test_a_project_with_everything_nested(studio: Fleet) -> None:
    studio.converged()
    assert "No drift" in studio.run("drift").out
    assert studio.rows(
        "SELECT o.slug, p.declared_as, p.slug, p.display_name, p.domain, p.status::text, p.protect, p.settings, t.slug, b.name,"
        " m.name, u.email FROM projects p JOIN organizations o ON o.id = p.organization_id JOIN teams t ON t.id = p.team_id"
        " JOIN buckets b ON b.id = p.bucket_id JOIN templates m ON m.id = p.template_id JOIN users u ON u.id = o.owner_id"
    ) == [
        (
            "studio",
            "shop",
            "shop",
            "Shop",
            "shop.example",
            "CREATING",
            False,
            {"locale": "fr"},
            "core",
            "originals",
            "portfolio",
            "anna@x.example",
        )
    ]
    assert studio.rows("SELECT name, version, active, settings FROM templates") == [
        ("portfolio", "3.2", True, {"sections": ["hero"]})
    ]
    members = "SELECT email, m.role::text FROM team_members m JOIN users u ON u.id = user_id ORDER BY 1"
    assert studio.rows(members) == [("anna@x.example", "OWNER"), ("ben@x.example", "MEMBER")]
    assert studio.rows(
        "SELECT name, permissions::text[], k.active, to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), email"
        " FROM api_keys k LEFT JOIN users u ON u.id = user_id ORDER BY 1"
    ) == [
        ("importer", ["UPLOAD_CREATE"], False, None, None),
        ("website", ["FILE_LIST", "FILE_READ", "TRANSFORM_APPLY"], True, "2027-12-31 00:00", "anna@x.example"),
    ]
    assert studio.rows("SELECT name, width, height, fit, format, quality, settings FROM transforms ORDER BY 1") == [
        ("full", None, None, None, None, None, {"strip": True}),
        ("thumbnail", 320, 240, "cover", "webp", 80, {}),
    ]
    assert studio.rows("SELECT name, display_name, active, settings FROM project_tenants ORDER BY 1") == [
        ("library", None, False, {}),
        ("museum", "City museum", True, {"quota": 50}),
    ]


EDITS = {
    "fields": (("domain: shop.example", "domain: other.example"), "update project/shop"),
    "settings": (("locale: fr", "locale: fr, tags: [a, b]"), "update project/shop"),
    "slug": (("displayName: Shop", "displayName: Shop\nslug: store"), "update project/shop"),
    "no template": (("template: portfolio\n", ""), "update project/shop"),
    "no team": (("team: core\n", ""), "update project/shop"),
    "no bucket": (("bucket: originals\n", ""), "update project/shop"),
    "permissions": (("[FILE_LIST, FILE_READ,", "[FILE_WRITE,"), "update project/shop/apikey/website"),
    "key off": (("2027-12-31", "2027-12-31\n    active: false"), "update project/shop/apikey/website"),
    "expiry": (("2027-12-31", "2028-01-01T12:00:00+01:00"), "update project/shop/apikey/website"),
    "no expiry": (("2027-12-31", "null"), "update project/shop/apikey/website"),
    "key of another": (("user: anna@x.example", "user: ben@x.example"), "update project/shop/apikey/website"),
    "transform": (("width: 320, height: 240, ", ""), "update project/shop/transform/thumbnail"),
    "new transform": (("transforms:", "transforms:\n  - { name: mini }"), "create project/shop/transform/mini"),
    "tenant": (("settings: { quota: 50 }", "active: false"), "update project/shop/tenant/museum"),
    "new tenant": (("tenants:", "tenants:\n  - { name: zoo }"), "create project/shop/tenant/zoo"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_one_operation_and_converges(studio: Fleet, edit: str) -> None:
    (old, new), operation = EDITS[edit]
    assert old in FULL + NESTED
    before = studio.rows("SELECT id FROM projects")
    studio.document("Project", "shop", (FULL + NESTED).replace(old, new, 1))
    assert studio.operations() == [operation]
    studio.apply()
    studio.converged()
    assert "No drift" in studio.run("drift").out
    assert studio.rows("SELECT id FROM projects") == before


def test_an_order_that_means_nothing_is_no_change(studio: Fleet) -> None:
    again = "[TRANSFORM_APPLY, FILE_READ, FILE_LIST, FILE_READ]"
    studio.document("Project", "shop", FULL + NESTED.replace("[FILE_LIST, FILE_READ, TRANSFORM_APPLY]", again))
    assert studio.operations() == []


def test_edits_of_teams_and_templates_converge(studio: Fleet) -> None:
    studio.document("Template", "portfolio", "displayName: Portfolio\nversion: '4.0'\nactive: false\nrepository: r")
    members = "members: [ { user: anna@x.example }, { user: ben@x.example, state: deleted } ]"
    studio.document("Team", "core", f"organization: studio\ndisplayName: The core\nslug: nucleus\n{members}")
    assert sorted(studio.operations()) == [
        "delete team/core/member/ben@x.example",
        "update team/core",
        "update team/core/member/anna@x.example",
        "update template/portfolio",
    ]
    studio.apply("--allow-deletes", "1")
    studio.converged()
    assert studio.rows("SELECT slug, display_name FROM teams") == [("nucleus", "The core")]
    assert studio.rows("SELECT role::text FROM team_members") == [("MEMBER",)]
    assert studio.rows("SELECT version, active, repository, settings FROM templates") == [("4.0", False, "r", {})]


def test_what_leaves_the_list_is_an_orphan_and_deleted_by_word(studio: Fleet) -> None:
    studio.document("Project", "shop", FULL)
    plan = studio.plan()
    assert plan["operations"] == []
    nested = [
        "apikey/importer",
        "apikey/website",
        "tenant/library",
        "tenant/museum",
        "transform/full",
        "transform/thumbnail",
    ]
    assert [o["address"] for o in plan["orphans"]] == [f"project/shop/{name}" for name in nested]
    gone = NESTED.replace(", active: false }", ", state: deleted }").replace(
        "settings: {", "state: deleted, settings: {"
    )
    studio.document("Project", "shop", FULL + gone)
    studio.apply("--allow-deletes", "4")
    assert counts(studio, "api_keys", "transforms", "project_tenants") == [1, 1, 0]
    studio.converged()


def test_the_status_is_the_applications_after_the_first_moment(studio: Fleet) -> None:
    studio.document("Project", "blog", "organization: studio\ndisplayName: Blog\nstatus: RUNNING")
    studio.apply()
    assert studio.rows("SELECT slug, status::text FROM projects ORDER BY 1") == [
        ("blog", "RUNNING"),
        ("shop", "CREATING"),
    ]
    for status in ("BUILDING", "RUNNING", "STOPPED", "ERROR"):
        studio.execute("UPDATE projects SET status = %s", status)
        studio.converged()
        assert "No drift" in studio.run("drift").out
    studio.document("Project", "blog", "organization: studio\ndisplayName: The blog\nstatus: BUILDING")
    studio.apply()
    assert studio.rows("SELECT slug, status::text FROM projects ORDER BY 1") == [("blog", "ERROR"), ("shop", "ERROR")]
    studio.converged()


def test_a_status_that_only_a_deletion_sets_cannot_be_declared(studio: Fleet) -> None:
    studio.document("Project", "shop", SHOP + "status: DELETED")
    assert "project-shop.yaml" in refused(studio)


def a_deployment(fleet: Fleet) -> None:
    """Rows of the application: a build, an upload and the file it left for a sub-client."""
    fleet.execute(
        "WITH d AS (INSERT INTO deployments (project_id, status, commit_sha) SELECT id, 'SUCCESS', 'c0ffee' FROM projects),"
        " u AS (INSERT INTO uploads (project_id, filename) SELECT id, 'a.png' FROM projects RETURNING id, project_id)"
        " INSERT INTO files (project_id, upload_id, tenant_id, path, size) SELECT u.project_id, u.id, t.id, '/a', 1"
        " FROM u JOIN project_tenants t USING (project_id) WHERE t.name = 'museum'"
    )


def runtime(fleet: Fleet) -> list[Any]:
    return [fleet.rows(f"SELECT to_jsonb(x) FROM {table} x") for table in ("deployments", "uploads", "files")]


def test_rows_of_the_application_survive_all_but_the_purge(studio: Fleet) -> None:
    a_deployment(studio)
    kept = runtime(studio)
    assert [len(rows) for rows in kept] == [1, 1, 1]
    shop(studio, (FULL + NESTED).replace("domain: shop.example", "domain: other.example"))
    assert runtime(studio) == kept
    shop(studio, GONE, "--allow-deletes", "1")
    assert runtime(studio) == kept
    studio.restore("Project", "shop", FULL + NESTED)
    studio.apply()
    studio.converged()
    assert runtime(studio) == kept
    shop(studio, GONE, "--allow-deletes", "1")
    purge(studio)
    assert counts(studio, "projects", "deployments", "uploads", "files", "api_keys", "transforms") == [0] * 6
    assert counts(studio, "teams", "buckets", "templates", "users") == [1, 1, 1, 2]
    studio.converged()


def test_a_deleted_project_is_marked_and_comes_back(studio: Fleet) -> None:
    before = studio.rows("SELECT id FROM projects")
    studio.execute("UPDATE projects SET status = 'RUNNING'")
    studio.document("Project", "shop", GONE)
    studio.apply(code=3)
    assert project(studio) == [("RUNNING", True)]
    studio.apply("--allow-deletes", "1")
    assert project(studio) == [("DELETED", False)]
    assert counts(studio, "api_keys", "transforms", "project_tenants") == [2, 2, 2]
    studio.converged()
    assert "No drift" in studio.run("drift").out
    studio.restore("Project", "shop", FULL + NESTED)
    studio.apply()
    assert project(studio) == [("STOPPED", True)]  # nothing serves it: the application starts it again
    assert studio.rows("SELECT id FROM projects") == before
    studio.converged()


def test_a_project_comes_back_with_the_status_that_is_declared(studio: Fleet) -> None:
    shop(studio, GONE, "--allow-deletes", "1")
    studio.restore("Project", "shop", FULL + "status: BUILDING\n" + NESTED)
    studio.apply()
    assert project(studio) == [("BUILDING", True)]
    studio.converged()


def test_a_project_whose_deletion_somebody_undid_by_hand_is_deleted_again(studio: Fleet) -> None:
    shop(studio, GONE, "--allow-deletes", "1")
    studio.execute("UPDATE projects SET deleted_at = NULL, status = 'RUNNING'")
    drift = studio.run("drift", "--json", code=2).json["items"]
    assert [(i["address"], i["actual"]) for i in drift] == [("project/shop", "in use again")]
    assert studio.operations() == ["delete project/shop"]


def test_protection_is_lifted_in_an_apply_before(studio: Fleet) -> None:
    shop(studio, SHOP.replace("protect: false", "protect: true"))
    for body in (GONE, GONE.replace("protect: false\n", "")):
        studio.document("Project", "shop", body)
        assert "protect" in blockers(studio)["project/shop"]
        studio.apply("--allow-deletes", "1", code=3)
    shop(studio, SHOP)
    shop(studio, GONE, "--allow-deletes", "1")
    assert project(studio) == [("DELETED", False)]


def test_protection_is_the_default(fleet: Fleet) -> None:
    a_studio(fleet, "organization: studio\ndisplayName: Shop")
    fleet.apply()
    assert project(fleet, "protect") == [(True,)]


def test_the_purge_comes_after_the_grace_period(studio: Fleet) -> None:
    shop(studio, GONE, "--allow-deletes", "1")
    assert studio.operations() == []
    studio.settings("guard: { graceDays: 3 }")
    assert studio.operations() == []
    studio.execute("UPDATE projects SET deleted_at = now() - interval '3 days 1 minute'")
    assert "delete project/shop" in studio.operations()
    studio.apply(code=3)
    studio.remove("Project", "shop")  # its file is not needed
    purge(studio)
    assert counts(studio, "projects", "api_keys") == [0, 0]
    studio.converged()
    shop(studio, FULL + NESTED)  # the name is free
    assert project(studio) == [("CREATING", True)]
    studio.converged()


def test_a_renamed_project_keeps_its_rows(studio: Fleet) -> None:
    a_deployment(studio)
    kept, before = runtime(studio), studio.rows("SELECT id FROM projects")
    studio.remove("Project", "shop")
    studio.document("Project", "store", FULL + NESTED, renamedFrom="shop")
    studio.apply()
    studio.converged()
    assert studio.rows("SELECT id FROM projects") == before and runtime(studio) == kept
    assert project(studio, "declared_as, slug") == [("store", "store")]
    assert "No drift" in studio.run("drift").out


def test_a_template_that_a_project_uses_cannot_be_deleted(studio: Fleet) -> None:
    studio.document("Template", "portfolio", "displayName: P\nstate: deleted")
    message = refused(studio)
    assert "project-shop.yaml" in message and "Template `portfolio` is declared `state: deleted`" in message
    studio.remove("Project", "shop")  # gone from the YAML, it is still there
    assert "is still used by project/shop" in blockers(studio)["template/portfolio"]
    studio.apply("--allow-deletes", "1", code=3)
    assert counts(studio, "templates") == [1]
    shop(studio, FULL.replace("template: portfolio\n", ""), "--allow-deletes", "1")
    assert counts(studio, "templates", "projects") == [0, 1]
    studio.converged()


def test_a_template_goes_although_a_deleted_project_used_it(studio: Fleet) -> None:
    """A project in its grace period does not hold it; when it comes back it names another, or none."""
    shop(studio, GONE, "--allow-deletes", "1")
    studio.document("Template", "portfolio", "displayName: P\nstate: deleted")
    studio.apply("--allow-deletes", "1")
    assert counts(studio, "templates") == [0]
    studio.converged()
    studio.restore("Project", "shop", FULL.replace("template: portfolio\n", ""))
    studio.apply()
    studio.converged()


USED = [("Team", "core", "team: core\n"), ("Bucket", "originals", "bucket: originals\n")]


@pytest.mark.parametrize(("kind", "name", "line"), USED)
def test_teams_and_buckets_that_are_used_cannot_be_deleted(studio: Fleet, kind: str, name: str, line: str) -> None:
    body = "organization: studio\ndisplayName: C" if kind == "Team" else "owner: core\nprovider: s3"
    studio.document(kind, name, f"{body}\nstate: deleted")
    if kind == "Team":
        studio.document("Bucket", "originals", "owner: core\nprovider: s3\nstate: deleted")
    assert f"{kind} `{name}` is declared `state: deleted`" in refused(studio)
    studio.remove("Project", "shop")
    assert f"{kind.lower()}/{name}" in blockers(studio)
    kept = FULL.replace("bucket: originals\n", "").replace(line, "")
    studio.document("Project", "shop", kept)
    studio.apply("--allow-deletes", str(studio.plan()["summary"]["delete"]))
    assert project(studio, "team_id IS NULL, bucket_id IS NULL") == [(kind == "Team", True)]
    studio.converged()


def test_an_organization_goes_with_all_it_had(studio: Fleet) -> None:
    """Its projects go along, whether a document names them or not; the purge takes everything else, and says so beforehand."""
    a_deployment(studio)
    studio.document("Project", "other", "organization: studio\ndisplayName: O\nprotect: false")
    studio.document("Invitation", "nora", "{ organization: studio, email: n@x.example, role: CLIENT_EDITOR }")
    studio.document("Tier", "basic", "displayName: Basic")  # an empty manifest is refused
    studio.apply()
    for kind, names in {"User": ["anna@x.example", "ben@x.example"], "Team": ["core"], "Bucket": ["originals"]}.items():
        for name in names:
            studio.remove(kind, name)
    studio.remove("Invitation", "nora")
    studio.organization("studio", "protect: false\nstate: deleted")
    studio.remove("Project", "other")  # the document of the other one still says that it is wanted
    plan = studio.plan()
    deleted = {o["address"]: o["class"] for o in plan["operations"] if o["address"].startswith(("org", "project"))}
    assert deleted == dict.fromkeys(["organization/studio", "project/other", "project/shop"], "destructive")
    assert plan["summary"]["delete"] == 3
    notes = {n["address"]: n["message"] for n in plan["notes"] if n["rule"] == "taken-along"}
    assert notes == dict.fromkeys(
        ["project/other", "project/shop"], "goes with organization/studio, which says state: deleted"
    )
    assert [b["rule"] for b in plan["blockers"]] == ["max-deletes"]
    studio.apply("--allow-deletes", "1", code=3)
    studio.apply("--allow-deletes", "3")
    assert studio.rows("SELECT count(*) FROM projects WHERE deleted_at IS NULL") == [(0,)]
    studio.converged()
    studio.settings("guard: { graceDays: 0 }")
    purged = {o["address"] for o in studio.plan()["operations"]}
    nested = {"project/shop/apikey/website", "team/core", "team/core/member/ben@x.example", "bucket/originals"}
    assert {"organization/studio", "project/shop", "project/other", "invitation/nora", "user/anna@x.example"} <= purged
    assert nested <= purged
    purge(studio)
    gone = [
        "organizations",
        "projects",
        "teams",
        "team_members",
        "buckets",
        "api_keys",
        "transforms",
        "project_tenants",
        "invitations",
        "users",
    ]
    assert counts(studio, *gone, "deployments", "uploads", "files") == [0] * (len(gone) + 3)
    assert counts(studio, "templates") == [1]
    studio.converged()


def test_a_protected_project_keeps_its_organization(studio: Fleet) -> None:
    shop(studio, FULL.replace("protect: false\n", ""))
    studio.organization("studio", "protect: false\nstate: deleted")
    for kind, names in {"User": ["anna@x.example", "ben@x.example"], "Team": ["core"], "Bucket": ["originals"]}.items():
        for name in names:
            studio.remove(kind, name)
    assert "set protect: false" in blockers(studio)["project/shop"]
    studio.apply("--allow-deletes", "2", code=3)
    studio.remove("Project", "shop")
    assert "is protected" in blockers(studio)["project/shop"]
    studio.apply("--allow-deletes", "2", code=3)
    assert studio.rows("SELECT state::text FROM organizations") == [("active",)]


def everything(fleet: Fleet) -> str:
    """Every row of every table of the main database, as text."""
    with fleet.connect() as connection:
        tables = connection.execute(
            "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND n.nspname IN ('public', 'tenantplan')"
        ).fetchall()
        rows = (connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(*t))) for t in tables)
        return "\n".join(line for found in rows for (line,) in found)


def test_only_the_hash_of_a_key_is_kept(studio: Fleet) -> None:
    hashes = studio.rows("SELECT name, key_hash FROM api_keys ORDER BY 1")
    assert hashes == [
        (n, hashlib.sha256(k.encode()).hexdigest()) for n, k in (("importer", IMPORTER), ("website", WEBSITE))
    ]
    found = everything(studio)
    assert hashes[0][1] in found
    for key in (WEBSITE, IMPORTER):
        assert key not in found and key.encode().hex() not in found and key.rpartition(" ")[2] not in found


def test_a_new_key_by_reference_is_an_update(studio: Fleet) -> None:
    studio.env["WEBSITE_KEY"] = "website: d00d9c2e51b84d06"
    assert studio.operations() == ["update project/shop/apikey/website"]
    studio.apply()
    hashed = hashlib.sha256(studio.env["WEBSITE_KEY"].encode()).hexdigest()
    assert studio.rows("SELECT key_hash FROM api_keys WHERE name = 'website'") == [(hashed,)]
    studio.converged()
    assert "No drift" in studio.run("drift").out


@pytest.mark.parametrize("first", [True, False])
def test_a_hash_changed_by_hand_is_drift_and_brought_back(studio: Fleet, first: bool) -> None:
    """Of a key that the first apply stored, whose plan was made before there were keyed hashes, and of a later one."""
    if not first:
        studio.env["WEBSITE_KEY"] = "website: d00d9c2e51b84d06"
        studio.apply()
    before = studio.rows("SELECT key_hash FROM api_keys ORDER BY 1")
    studio.execute("UPDATE api_keys SET key_hash = repeat('a', 64) WHERE name = 'website'")
    items = studio.run("drift", "--json", code=2).json["items"]
    assert [(i["address"], i["actual"]) for i in items] == [("project/shop/apikey/website", "changed by hand")]
    assert studio.operations() == ["update project/shop/apikey/website"]
    studio.apply()
    assert studio.rows("SELECT key_hash FROM api_keys ORDER BY 1") == before
    studio.converged()
    assert "No drift" in studio.run("drift").out


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "shorter"),
        ("short but varied 1!", "shorter"),
        ("ab" * 20, "not random enough"),
        ("abcabcabc" * 4, "not random enough"),
        ("with a nul\0 in the middle", "NUL"),
        ("md5" + "0123456789abcdef" * 2, "hash"),
    ],
)
def test_a_weak_key_is_refused(fleet: Fleet, key: str, reason: str) -> None:
    a_studio(fleet, SHOP + "apiKeys: [ { name: website, key: { file: key } } ]")
    fleet.write("key", key)
    (message,) = (b["message"] for b in fleet.plan()["blockers"])
    assert "the key in file:key" in message and reason in message
    assert not key or key not in message
    fleet.apply(code=3)
    assert fleet.main_database not in fleet.databases()


def test_two_keys_of_one_value_are_refused(studio: Fleet) -> None:  # a key opens one project
    blog = "organization: studio\ndisplayName: B\napiKeys: [ {{ name: k, key: {{ env: {} }} }} ]"
    studio.document("Project", "blog", blog.format("WEBSITE_KEY"))
    message = refused(studio)
    assert "project-blog.yaml" in message and "project-shop.yaml" in message and "1 problem;" in message
    studio.document("Project", "blog", blog.format("THE_SAME"))
    studio.env["THE_SAME"] = WEBSITE
    failed = studio.apply(code=5)  # only the database knows all values
    assert "project/blog/apikey/k" in failed.out + failed.err and WEBSITE not in failed.out + failed.err
    studio.env["THE_SAME"] = "another: 9c2e51b84d067f3a"
    studio.apply()
    studio.converged()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("FILE_LIST", "FILE_LISTS", "FILE_LIST"),
        ("TRANSFORM_APPLY", "TRANSFORM_APLY", "TRANSFORM_APPLY"),
        ("quality: 80", "quality: 101", "100"),
        ("width: 320", "width: 0", "1"),
        ("fit: cover", "fit: covr", "cover"),
        ("format: webp", "format: weBp", "webp"),
        ("name: website", "name: importer", "API key `importer` is listed twice"),
        ("name: full", "name: thumbnail", "transform `thumbnail` is listed twice"),
        ("name: library", "name: museum", "tenant `museum` is listed twice"),
        ("key: { env: IMPORTER_KEY }", "key: a literal", "reference"),
    ],
)
def test_what_a_project_cannot_say(fleet: Fleet, old: str, new: str, said: str) -> None:
    assert old in NESTED
    a_studio(fleet, FULL + NESTED.replace(old, new, 1))
    message = refused(fleet)
    assert "project-shop.yaml" in message and said in message
    assert message.count("1 problem;") == 1


def test_all_seventeen_permissions_can_be_given(fleet: Fleet) -> None:
    from integration.test_resource_tables import PERMISSIONS

    names = PERMISSIONS.split()
    keys = f"apiKeys: [ {{ name: all, key: {{ env: WEBSITE_KEY }}, permissions: [{', '.join(names)}] }} ]"
    a_studio(fleet, SHOP + keys)
    fleet.apply()
    assert fleet.rows("SELECT permissions::text[] FROM api_keys") == [(sorted(names),)]
    fleet.converged()


def test_one_slug_serves_one_project_of_an_organization(studio: Fleet) -> None:
    studio.document("Project", "blog", "organization: studio\ndisplayName: B\nslug: shop")
    message = refused(studio)
    assert "project-blog.yaml" in message and "project-shop.yaml" in message and "1 problem;" in message
    studio.organization("second")
    studio.document("Project", "blog", "organization: second\ndisplayName: B\nslug: shop")
    studio.apply()
    assert counts(studio, "projects") == [2]
    studio.converged()


def test_two_projects_and_two_teams_swap_their_slugs(studio: Fleet) -> None:
    for first, second in (("one", "two"), ("two", "one")):
        for kind, own in (("Project", "protect: false"), ("Team", "description: d")):
            for name, slug in (("a", first), ("b", second)):
                studio.document(kind, name, f"organization: studio\ndisplayName: {name}\nslug: {slug}\n{own}")
        studio.apply()
        studio.converged()
    for table in ("projects", "teams"):
        assert studio.rows(f"SELECT display_name, slug FROM {table} WHERE slug IN ('one', 'two') ORDER BY 1") == [
            ("a", "two"),
            ("b", "one"),
        ]


def test_two_keys_swap_their_values(studio: Fleet) -> None:
    before = dict(studio.rows("SELECT name, key_hash FROM api_keys"))
    studio.env |= {"WEBSITE_KEY": IMPORTER, "IMPORTER_KEY": WEBSITE}
    studio.apply()
    after = dict(studio.rows("SELECT name, key_hash FROM api_keys"))
    assert after == {"website": before["importer"], "importer": before["website"]}
    studio.converged()


def test_what_the_application_accepted_stays_accepted(studio: Fleet) -> None:
    invitation = (
        "organization: studio\nemail: nora@x.example\nrole: CLIENT_EDITOR\nteam: core\ninvitedBy: anna@x.example"
    )
    studio.document("Invitation", "nora", invitation)
    studio.apply()
    studio.execute("UPDATE invitations SET status = 'ACCEPTED', accepted_at = '2026-01-01'")
    studio.document("Invitation", "nora", f"{invitation}\nexpiresAt: 2027-01-31\nstatus: PENDING")
    studio.apply()
    assert studio.rows("SELECT status::text, accepted_at::date::text, expires_at IS NULL FROM invitations") == [
        ("ACCEPTED", "2026-01-01", False)
    ]
    studio.converged()
    assert "No drift" in studio.run("drift").out


def test_the_database_itself_refuses_a_plain_key(studio: Fleet) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        studio.execute("UPDATE api_keys SET key_hash = %s WHERE name = 'website'", WEBSITE)
