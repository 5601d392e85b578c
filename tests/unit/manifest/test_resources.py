"""Teams, projects, buckets, invitations, releases and secrets: their rows, and what binds them to one organization."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from unit.manifest.documents import FACTS, a_document, a_team, a_user, an_organization, desired, firsts, problems, row

from tenantplan.model.resource import Package, Ref, Role, Secret

PROJECT = "organization: acme, displayName: X"
BUCKET = "owner: web, provider: s3"


def test_a_team_with_its_people(tmp_path: Path) -> None:
    members = "slug: web-team, members: [{ user: anna@x.org, role: OWNER }, { user: bob@x.org, state: deleted }]"
    found = desired(tmp_path, an_organization(), a_user(), a_team("web", members))
    team, member = row(found, "team/web"), row(found, "team/web/member/anna@x.org")
    assert (team.values["declared_as"], team.values["slug"], team.home) == ("web", "web-team", "organization/acme")
    assert member.values == {"team_id": Ref("team/web"), "user_id": Ref("user/anna@x.org"), "role": "OWNER"}
    assert member.home == "team/web" and found.deleted == {"team/web/member/bob@x.org"}


def test_a_project_with_what_is_in_it(tmp_path: Path) -> None:
    spec = (
        f"{PROJECT}, team: web, template: theme, bucket: media, status: RUNNING, apiKeys: [{{ name: ci, key: {{ env: CI_KEY }},"
        " permissions: [FILE_WRITE, FILE_READ, FILE_READ], user: anna@x.org, expiresAt: 2027-01-31 }], transforms:"
        " [{ name: thumb, width: 200 }, { name: old, state: deleted }], tenants: [{ name: shop }]"
    )
    found = desired(
        tmp_path,
        an_organization(),
        a_user(),
        a_team(),
        a_document("Template", "theme", "displayName: T"),
        a_document("Bucket", "media", BUCKET),
        a_document("Project", "site", spec),
    )
    project = row(found, "project/site")
    references = {
        column: project.values[column] for column in ("organization_id", "team_id", "template_id", "bucket_id")
    }
    assert references == {"organization_id": Ref("organization/acme"), "team_id": Ref("team/web"),
                          "template_id": Ref("template/theme"), "bucket_id": Ref("bucket/media")}  # fmt: skip
    assert "status" not in project.values  # the application's afterwards, as the settings that nobody wrote
    assert project.initial == {"status": "RUNNING", "settings": {}}
    key = row(found, "project/site/apikey/ci")
    assert (
        key.values["permissions"] == ["FILE_READ", "FILE_WRITE"] and key.values["expires_at"] == "2027-01-31T00:00:00Z"
    )
    assert isinstance(key.values["key_hash"], Secret) and key.values["key_hash"].reference == "env:CI_KEY"
    assert row(found, "project/site/transform/thumb").values["width"] == 200
    assert row(found, "project/site/tenant/shop").home == "project/site"
    assert found.deleted == {"project/site/transform/old"} and "project/site" in found.protected


@pytest.mark.parametrize(
    ("kind", "spec", "gone"),
    [
        ("Team", "organization: acme, displayName: X, members: [{ user: anna@x.org }], state: deleted", "team/one"),
        ("Project", f"{PROJECT}, tenants: [{{ name: shop }}], state: deleted", "project/one"),
        ("Bucket", f"{BUCKET}, shares: [{{ team: ops, access: ADMIN }}], state: deleted", "bucket/one"),
    ],
)
def test_of_what_is_deleted_only_itself_is_named(tmp_path: Path, kind: str, spec: str, gone: str) -> None:
    """What is in it goes along."""
    texts = an_organization(), a_user(), a_team(), a_team("ops"), a_document(kind, "one", spec)
    found = desired(tmp_path, *texts)
    assert found.deleted == {gone} and not any(address.startswith(gone) for address in found.state)


def test_a_bucket_and_its_shares(tmp_path: Path) -> None:
    spec = f"{BUCKET}, accessKey: {{ env: A }}, secretKey: {{ file: b }}, shares: [{{ team: ops, access: READ_ONLY }}]"
    found = desired(tmp_path, an_organization(), a_team(), a_team("ops"), a_document("Bucket", "media", spec))
    bucket = row(found, "bucket/media")
    assert (bucket.values["name"], bucket.home) == ("media", "team/web")
    assert [bucket.values[c].reference for c in ("access_key", "secret_key")] == ["env:A", "file:b"]
    assert row(found, "bucket/media/share/ops").values == {
        "bucket_id": Ref("bucket/media"),
        "team_id": Ref("team/ops"),
        "access": "READ_ONLY",
    }


def test_an_invitation(tmp_path: Path) -> None:
    spec = "organization: acme, email: new@x.org, role: CLIENT_EDITOR, team: web, invitedBy: anna@x.org"
    found = desired(tmp_path, an_organization(), a_user(), a_team(), a_document("Invitation", "new", spec))
    invitation = row(found, "invitation/new")
    assert "status" not in invitation.values and invitation.initial == {"status": "PENDING"}
    assert invitation.values["invited_by_id"] == Ref("user/anna@x.org") and invitation.home == "organization/acme"


def test_secrets_of_an_organization(tmp_path: Path) -> None:
    spec = "secrets: { jwt: { value: { env: JWT } }, session: { value: { file: s }, rotateEveryDays: 7 },"
    spec += " old: { value: { env: O }, state: deleted } }"
    found = desired(tmp_path, an_organization("acme", spec))
    jwt, session = (row(found, f"organization/acme/secret/{name}").values for name in ("jwt", "session"))
    assert (jwt["rotate_every_days"], session["rotate_every_days"]) == (90, 7)
    assert (jwt["value"].reference, session["value"].reference) == ("env:JWT", "file:s")
    assert found.deleted == {"organization/acme/secret/old"}


@pytest.mark.parametrize(
    ("typed", "milliseconds"), [("30s", 30_000), ("250ms", 250), ("2min", 120_000), ("1h", 3_600_000)]
)
def test_a_statement_timeout_of_the_organizations_logins(tmp_path: Path, typed: str, milliseconds: int) -> None:
    """Of its login roles and of those of its tenants, not of the owner's, which migrates."""
    found = desired(
        tmp_path,
        an_organization("acme", f"database: {{ mode: dedicated, readOnly: true, statementTimeout: {typed} }}"),
        a_document("Tenant", "node", "organization: acme, displayName: X, database: { mode: dedicated }"),
    )
    assert row(found, "organization/acme").values["statement_timeout"] == milliseconds
    limits = {a: r.statement_timeout for a, r in found.state.items() if isinstance(r, Role)}
    for database in ("tp_acme", "tp_node"):
        found_limits = {s: limits[f"role/primary/{database}_{s}"] for s in ("owner", "app", "ro")}
        assert found_limits == {"owner": 0, "app": milliseconds, "ro": milliseconds}


@pytest.mark.parametrize("typed", ["0s", "30", "30 s", "-1s", "1d", "597h", "9999999999ms"])
def test_statement_timeouts_that_are_refused(tmp_path: Path, typed: str) -> None:
    (found,) = problems(tmp_path, an_organization("acme", f"database: {{ statementTimeout: {typed} }}"))
    assert "such as 30s" in found or "596h" in found


def test_a_connection_string_is_stored_where_there_is_a_key(tmp_path: Path) -> None:
    """Without a key the column is not compared, so that the fleet works as before."""
    own, shared = an_organization("own", "database: { url: { env: OWN } }"), an_organization("shared")
    encrypting = desired(tmp_path, own, shared, facts=replace(FACTS, encrypts=True))
    stored = row(encrypting, "organization/own").values["database_connection"]
    assert isinstance(stored, Secret) and stored.reference == "env:OWN"
    assert row(encrypting, "organization/shared").values["database_connection"] is None
    plain = desired(tmp_path, own, shared)
    assert "database_connection" not in row(plain, "organization/own").values
    assert row(plain, "organization/shared").values["database_connection"] is None


class TestReleases:
    def test_a_release_and_its_package(self, tmp_path: Path) -> None:
        found = desired(tmp_path, a_document("Release", "node", "version: 2.4.0, file: dist/node.zip"))
        made = row(found, "release/node")
        assert (made.values["version"], made.values["filename"]) == ("2.4.0", "node.zip")
        assert found.state["package/2.4.0"] == Package("2.4.0", "", "", 0, "", holder="release/node")
        package = found.state["package/2.4.0"]
        assert isinstance(package, Package) and package.source == "dist/node.zip"

    def test_it_is_deleted_with_its_package(self, tmp_path: Path) -> None:
        found = desired(tmp_path, a_document("Release", "node", "version: 2.4.0, file: a.zip, state: deleted"))
        assert found.deleted == {"release/node", "package/2.4.0"} and found.state == {}

    def test_two_of_one_version(self, tmp_path: Path) -> None:
        one, two = (a_document("Release", name, f"version: 1.0.0, file: {name}.zip") for name in ("one", "two"))
        found = problems(tmp_path, a=one, b=two, c=a_document("Release", "three", "version: 1.0.1, file: one.zip"))
        assert firsts(found) == ["b.yaml:5:18: version `1.0.0` is released twice; first at a.yaml:5:18"]

    @pytest.mark.parametrize(
        "file", ["/etc/passwd", "../node.zip", "a/../../b.zip", ".", ".env", ".tenantplan/secrets/key", "a/.git/config"]
    )
    def test_files_of_another_folder_and_hidden_ones(self, tmp_path: Path, file: str) -> None:
        (found,) = problems(tmp_path, a_document("Release", "node", f"version: 1.0.0, file: {file}"))
        assert "the path starts at the folder of tenantplan.yaml, stays in it, and nothing on it is hidden" in found

    @pytest.mark.parametrize("version", ["a/b", '".."', "-1", "x" * 65, '"1 0"', '""'])
    def test_versions_that_are_refused(self, tmp_path: Path, version: str) -> None:
        (found,) = problems(tmp_path, a_document("Release", "node", f"version: {version}, file: a.zip"))
        assert "a version is letters, digits and" in found


class TestSameOrganization:
    """What belongs to two organizations at once would mix their data."""

    ELSEWHERE = an_organization("acme") + an_organization("other") + a_team("web", organization="other")

    def two(self, folder: Path, kind: str, spec: str) -> str:
        """The one mistake of a document in b.yaml beside a team of another organization."""
        (found,) = firsts(problems(folder, self.ELSEWHERE, b=a_document(kind, "one", spec)))
        return found

    def test_a_projects_team(self, tmp_path: Path) -> None:
        assert self.two(tmp_path, "Project", f"{PROJECT}, team: web") == (
            "b.yaml:5:51: Team `web` belongs to organization `other`, this Project to `acme`; see a.yaml:15:23"
        )

    def test_an_invitations_team(self, tmp_path: Path) -> None:
        spec = "organization: acme, email: a@x.org, role: CLIENT_EDITOR, team: web"
        found = self.two(tmp_path, "Invitation", spec)
        assert "Team `web` belongs to organization `other`, this Invitation to `acme`; see a.yaml:15:23" in found

    def test_a_projects_bucket_belongs_through_its_team(self, tmp_path: Path) -> None:
        bucket = a_document("Bucket", "media", BUCKET)
        (found,) = firsts(
            problems(tmp_path, self.ELSEWHERE, bucket, b=a_document("Project", "one", f"{PROJECT}, bucket: media"))
        )
        assert found == (
            "b.yaml:5:53: Bucket `media` belongs to organization `other`, this Project to `acme`; see a.yaml:20:16"
        )

    def test_a_share(self, tmp_path: Path) -> None:
        texts = (
            self.ELSEWHERE,
            a_team("ops"),
            a_document("Bucket", "one", f"{BUCKET}, shares: [{{ team: ops, access: ADMIN }}]"),
        )
        (found,) = firsts(problems(tmp_path, *texts))
        assert "Team `ops` belongs to organization `acme`, this Bucket to `other`; see a.yaml:20:23" in found

    def test_one_organization_is_right(self, tmp_path: Path) -> None:
        texts = (
            an_organization(),
            a_team(),
            a_team("ops"),
            a_document("Bucket", "media", f"{BUCKET}, shares: [{{ team: ops, access: ADMIN }}]"),
        )
        assert (
            "project/one"
            in desired(tmp_path, *texts, a_document("Project", "one", f"{PROJECT}, team: web, bucket: media")).state
        )
