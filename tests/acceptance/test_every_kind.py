"""The sample fleet of the repository, every kind in it: applied, edited, interrupted, and converging each time."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from acceptance.harness import ROOT, Fleet
from conftest import FreshServer
from psycopg import sql

from tenantplan.manifest.kinds import KINDS
from tenantplan.tables import ROW_TYPES

pytestmark = pytest.mark.once

# An edit of each kind and of each thing that is nested in one: file, what stands there, what shall, and what that changes.
EDITS = (
    ("tiers.yaml", "displayName: Starter", "displayName: Starters", "tier/starter"),
    ("charities.yaml", "displayName: UNICEF", "displayName: Unicef", "organization/unicef"),
    ("charities.yaml", "campaigns: { enabled: true", "campaigns: { enabled: false", "organization/croix-rouge/module/campaigns"),
    (
        "agencies.yaml",
        "hugo@studio-lumiere.example, role: AGENCY_DEVELOPER }",
        "hugo@studio-lumiere.example, role: CLIENT_EDITOR }",
        "organization/studio-lumiere/member/hugo@studio-lumiere.example",
    ),
    ("agencies.yaml", "rotateEveryDays: 30", "rotateEveryDays: 60", "organization/studio-lumiere/secret/session"),
    ("agencies.yaml", "displayName: Mina Sato", "displayName: M. Sato", "user/mina@pixel-forge.example"),
    ("agencies.yaml", "version: 3.2.0", "version: 3.3.0", "template/portfolio"),
    ("agencies.yaml", "settings: { locale: fr }", "settings: { locale: de }", "project/boulangerie-martin"),
    ("agencies.yaml", "expiresAt: 2027-03-31", "expiresAt: 2027-04-30", "invitation/lumiere-nora"),
    ("nodes.yaml", "displayName: Geneva Clinic", "displayName: Clinic of Geneva", "tenant/geneva-clinic"),
    ("nodes.yaml", "maxUsage: 500", "maxUsage: 600", "tenant/paris-sante/license/main"),
    ("nodes.yaml", "Faster start.", "A faster start.", "release/node-2-4-0"),
    ("platform.yaml", "displayName: Support desk", "displayName: Support", "adminuser/support@platform.example"),
    ("storage.yaml", "displayName: Press office", "displayName: Press", "team/archive-press"),
    (
        "storage.yaml",
        "{ user: omar@blue-archive.example }",
        "{ user: omar@blue-archive.example, role: ADMIN }",
        "team/archive-core/member/omar@blue-archive.example",
    ),
    ("storage.yaml", "region: eu-central-1", "region: eu-west-1", "bucket/archive-originals"),
    ("storage.yaml", "access: READ_ONLY", "access: READ_WRITE", "bucket/archive-originals/share/archive-press"),
    ("storage.yaml", "[UPLOAD_CREATE]", "[UPLOAD_CREATE, UPLOAD_CANCEL]", "project/photo-archive/apikey/importer"),
    ("storage.yaml", "quality: 80", "quality: 85", "project/photo-archive/transform/thumbnail"),
    ("storage.yaml", "quotaGigabytes: 50", "quotaGigabytes: 60", "project/photo-archive/tenant/museum"),
)  # fmt: skip
KILLED = ("database-created:2", "package-stored:1", "audit-written:6")


@pytest.fixture
def sample(tmp_path: Path, fresh_server: FreshServer) -> Fleet:
    """The sample fleet, under a name of its own, on a server of its own: it names one of its databases itself."""
    fleet = Fleet(tmp_path / "fleet", fresh_server())
    shutil.copytree(ROOT / "tenants", fleet.root / "tenants")
    text = (ROOT / "tenantplan.yaml").read_text()
    for old, new in (
        ("embedded: true", "url: { env: TENANTPLAN_MAIN_URL }"),
        ("metadata: { name: demo }", f"metadata: {{ name: {fleet.name} }}"),
        ("database: tenantplan_main", f"database: {fleet.main_database}"),
        ("databasePrefix: tenantplan_org_", f"databasePrefix: o{fleet.id}_"),
        ("main: migrations/main, tenant: migrations/tenant", f"tenant: {ROOT / 'migrations' / 'tenant'}"),
        ("maxChangedPercent: 50", "maxChangedPercent: 100"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    fleet.write("tenantplan.yaml", text)
    return fleet


def edit_everything(fleet: Fleet) -> None:
    for name, old, new, _ in EDITS:
        path = fleet.root / "tenants" / name
        text = path.read_text()
        assert text.count(old) >= 1, old
        path.write_text(text.replace(old, new, 1))


def sizes(fleet: Fleet) -> dict[str, int]:
    """Rows of each reconciled table, packages and stored files."""
    tables = [*(rowtype.relation for rowtype in ROW_TYPES), ("tenantplan", "packages"), ("tenantplan", "stored_files")]
    with fleet.connect() as connection:
        found = {}
        for table in tables:
            row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table))).fetchone()
            assert row is not None
            found[table[1]] = row[0]
    return found


def effects(fleet: Fleet) -> Counter[tuple[str, str]]:
    """How often each effect is in the audit log, by action and address."""
    rows = fleet.rows(
        "SELECT action, address FROM tenantplan.audit_log WHERE result IN ('done', 'recovered') AND action <> 'connect'"
    )
    return Counter((action, address) for action, address in rows)


def at_rest(fleet: Fleet) -> None:
    """Nothing to do, nothing changed by hand, nothing left open."""
    fleet.converged()
    drift = fleet.run("drift", "--json").json
    assert drift["items"] == [] and drift["unreachable"] == [] and drift["unfinishedRun"] is None
    assert fleet.rows("SELECT address FROM tenantplan.operations WHERE status IN ('pending', 'running')") == []


def documents(fleet: Fleet) -> Counter[str]:
    found = fleet.run("validate", "--json").json["documents"]
    return Counter(found)


def test_the_edits_are_of_every_kind_and_table() -> None:
    heads = {address.split("/")[0] for *_, address in EDITS}
    assert heads == {kind.rowtype.kind for kind in KINDS.values()}
    nested = {tuple(address.split("/")[::2]) for *_, address in EDITS}
    assert len(nested) == len(ROW_TYPES)


def test_the_sample_fleet_is_applied_edited_and_at_rest(sample: Fleet) -> None:
    declared = documents(sample)
    assert set(declared) == set(KINDS)
    sample.apply()
    at_rest(sample)
    found = sizes(sample)
    for kind, number in declared.items():
        assert found[KINDS[kind].rowtype.relation[1]] == number, kind
    assert min(found.values()) > 0  # something of every table
    edit_everything(sample)
    expected = {address for *_, address in EDITS}
    assert {o["address"] for o in sample.plan()["operations"]} == expected
    for form in ("text", "markdown", "html", "json"):
        sample.run("plan", "--format", form)
    sample.apply()
    at_rest(sample)
    assert sizes(sample) == found
    assert all(number == 1 for number in effects(sample).values())
    for address in expected:
        assert effects(sample)["update", address] == 1


@pytest.mark.parametrize("point", KILLED)
def test_killed_in_its_first_apply_the_next_one_finishes(sample: Fleet, point: str) -> None:
    died = sample.process("apply", "--auto-approve", "--parallelism", "2", env={"TENANTPLAN_FAILPOINT": point})
    assert died.code == -9, died.out + died.err
    assert sample.operations() != []
    sample.apply()
    at_rest(sample)
    declared = documents(sample)
    found = sizes(sample)
    assert all(found[KINDS[kind].rowtype.relation[1]] == number for kind, number in declared.items())
    assert {key: number for key, number in effects(sample).items() if number > 1} == {}
    leftovers = "SELECT datname FROM pg_database WHERE starts_with(datname, 'tp_new')"
    assert sample.rows(leftovers, database="postgres") == []


@pytest.mark.parametrize("point", ["audit-written:2", "committed:4"])
def test_killed_among_the_edits_the_next_one_finishes(sample: Fleet, point: str) -> None:
    sample.apply()
    edit_everything(sample)
    died = sample.process("apply", "--auto-approve", "--parallelism", "2", env={"TENANTPLAN_FAILPOINT": point})
    assert died.code == -9, died.out + died.err
    left = {o["address"] for o in sample.plan()["operations"]}
    expected = {address for *_, address in EDITS}
    assert left < expected or (left == expected and point.startswith("audit-written"))
    sample.apply()
    at_rest(sample)
    assert {key: number for key, number in effects(sample).items() if number > 1} == {}


def test_the_made_up_secrets_stay_in_their_folder(sample: Fleet) -> None:
    sample.apply()
    folder = sample.root / ".tenantplan" / "secrets"
    secrets = [path.read_text().strip() for path in folder.iterdir()]
    assert len(secrets) >= 6 and all(len(secret) > 20 for secret in secrets)
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder, *folder.iterdir()))
    said = "".join(sample.run(*line.split()).out for line in ("plan -v", "drift", "audit list --json --limit 1000"))
    with sample.connect() as connection:
        rows = connection.execute("SELECT after::text FROM tenantplan.operations").fetchall()
    assert not [secret for secret in secrets if secret in said + str(rows)]
    assert re.search(r"\$secret", str(rows))
