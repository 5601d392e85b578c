"""The tables of the resource model in an applied main database, compared with what is required, written out here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from acceptance.harness import Fleet
from psycopg import sql
from servers import TestServer

from tenantplan.migration.compile.compile import compile_path, downgrade_path
from tenantplan.migration.tree.graph import load
from tenantplan.migration.tree.revision import Revision
from tenantplan.postgres.databases import drop_database
from tenantplan.postgres.queries import query
from tenantplan.schema.fingerprint import differences, objects
from tenantplan.tables import BUILTIN

MAIN = load(Path(__file__).parents[2] / "migrations" / "main", "main")
NEW = [revision for revision in MAIN.revisions if revision.down and revision.id != "4c83f7d9"]
Connection = psycopg.Connection[Any]

PERMISSIONS = (
    "PROJECT_READ PROJECT_WRITE FILE_READ FILE_WRITE FILE_DELETE FILE_LIST UPLOAD_CREATE UPLOAD_READ UPLOAD_CANCEL"
    " TRANSFORM_READ TRANSFORM_WRITE TRANSFORM_APPLY TENANT_READ TENANT_WRITE BUCKET_READ BUCKET_WRITE ANALYTICS_READ"
)
ENUMS = {
    "user_role": "SUPER_ADMIN AGENCY_ADMIN AGENCY_DEVELOPER CLIENT_EDITOR",
    "project_status": "CREATING BUILDING RUNNING STOPPED ERROR DELETED",
    "deployment_status": "PENDING BUILDING SUCCESS FAILED CANCELLED",
    "license_status": "ACTIVE EXPIRED REVOKED PENDING",
    "admin_role": "SUPERADMIN SUPPORT",
    "log_level": "INFO WARNING ERROR CRITICAL",
    "log_source": "NODE BACKEND SYSTEM",
    "bucket_access": "READ_ONLY READ_WRITE ADMIN",
    "api_permission": PERMISSIONS,  # 17 of them
    "team_role": "OWNER ADMIN MEMBER",
    "invitation_status": "PENDING ACCEPTED DECLINED EXPIRED REVOKED",
    "upload_status": "PENDING UPLOADING COMPLETED FAILED CANCELLED",
    "organization_state": "active suspended deleted",
    "database_mode": "inherit shared dedicated",
}
MANAGED = "id uuid!, managed_by text, created_at timestamptz!, updated_at timestamptz!"
# Every column; ! is NOT NULL. Tables that tenantplan reconciles have those of MANAGED, too.
COLUMNS = {
    "templates": "name text!, display_name text, description text, repository text, version text, active boolean!, settings jsonb!",
    "teams": "declared_as text, organization_id uuid!, slug text!, display_name text, description text",
    "team_members": "team_id uuid!, user_id uuid!, role team_role!",
    # the keys are bytes, since they are encrypted
    "buckets": "declared_as text, owner_id uuid!, provider text!, name text!, region text, endpoint text, access_key bytea,"
    " secret_key bytea",
    "bucket_team_access": "bucket_id uuid!, team_id uuid!, access bucket_access!",
    "projects": "declared_as text, organization_id uuid!, team_id uuid, template_id uuid, bucket_id uuid, slug text!,"
    " display_name text, domain text, status project_status!, protect boolean!, settings jsonb!, labels jsonb!,"
    " deleted_at timestamptz",
    # of a key only its hash
    "api_keys": "project_id uuid!, user_id uuid, name text!, key_hash text!, permissions api_permission[]!, active boolean!,"
    " expires_at timestamptz, last_used_at timestamptz",
    "transforms": "project_id uuid!, name text!, width integer, height integer, fit text, format text, quality integer,"
    " settings jsonb!",
    "project_tenants": "project_id uuid!, name text!, display_name text, active boolean!, settings jsonb!",
    "invitations": "declared_as text, organization_id uuid!, team_id uuid, invited_by_id uuid, email text!, role user_role!,"
    " status invitation_status!, expires_at timestamptz, accepted_at timestamptz",
    "updates_metadata": "declared_as text, version text!, changelog text, filename text!, file_size bigint!,"
    " file_reference text!, file_id text, checksum text!, active boolean!, metadata jsonb!, deleted_at timestamptz",
    "organization_secrets": "organization_id uuid!, name text!, value bytea, rotate_every_days integer!,"
    " rotated_at timestamptz!, value_delivered_to text",
}
# What applications write: no managed_by, since tenantplan never touches their rows.
RUNTIME = {
    "deployments": "id uuid!, project_id uuid!, status deployment_status!, commit_sha text, url text, log text, error text,"
    " created_at timestamptz!, started_at timestamptz, finished_at timestamptz",
    "uploads": "id uuid!, project_id uuid!, user_id uuid, status upload_status!, filename text!, size bigint, received bigint!,"
    " error text, created_at timestamptz!, completed_at timestamptz",
    "files": "id uuid!, project_id uuid!, upload_id uuid, tenant_id uuid, path text!, content_type text, size bigint!,"
    " checksum text, metadata jsonb!, created_at timestamptz!, deleted_at timestamptz",
    "tenant_metrics": "id uuid!, tenant_id uuid!, uptime bigint, active_users integer, exercises_completed_today integer,"
    " ai_latency double precision, version text, additional_data jsonb, timestamp timestamptz!",
    "error_logs": "id uuid!, tenant_id uuid, level log_level!, source log_source!, message text!, stack text, endpoint text,"
    " method text, status_code integer, user_id text, ip_address text, user_agent text, metadata jsonb, context jsonb,"
    " timestamp timestamptz!, resolved boolean!, resolved_at timestamptz, resolved_by text, resolution_notes text",
    # no foreign keys, so that it says what happened after whom it was about is gone
    "activity_log": "id uuid!, user_id uuid, organization_id uuid, team_id uuid, project_id uuid, action text!, subject text,"
    " metadata jsonb!, ip_address text, at timestamptz!",
}
# Keys of one table, columns in the order of the index.
UNIQUE = {
    "templates": ["name"],
    "teams": ["declared_as", "organization_id,slug"],  # team(org, slug)
    "team_members": ["team_id,user_id"],  # members(team, user)
    "buckets": ["declared_as", "owner_id,name,provider"],
    "bucket_team_access": ["bucket_id,team_id"],
    "projects": ["declared_as", "organization_id,slug"],
    "api_keys": ["key_hash", "project_id,name"],
    "transforms": ["project_id,name"],
    "project_tenants": ["project_id,name"],
    "invitations": ["declared_as", "organization_id,email"],
    "updates_metadata": ["declared_as", "version"],
    "organization_secrets": ["organization_id,name"],
}
INDEXES = {
    "organizations": ["owner_id"],
    "licenses": ["tenant_id", "status"],
    "teams": ["organization_id"],  # as all below that name no other row
    "team_members": ["team_id", "user_id"],
    "projects": ["team_id", "bucket_id"],
    "buckets": ["owner_id", "provider"],
    "bucket_team_access": ["bucket_id", "team_id"],
    "files": ["project_id", "upload_id", "tenant_id"],
    "uploads": ["project_id", "user_id", "status"],
    "api_keys": ["project_id", "user_id", "active"],
    "tenant_metrics": ["tenant_id,timestamp", "timestamp"],
    "error_logs": ["tenant_id,timestamp", "level,timestamp", "source,timestamp"],
    "activity_log": [
        *("user_id", "organization_id", "team_id", "project_id", "action", "subject", "metadata", "ip_address", "at"),
    ],
    "organization_members": ["organization_id", "user_id"],
    "tenantplan.audit_log": ["actor", "organization", "action", "at"],
}
# What becomes of a row when the row it refers to is deleted (what belongs to it goes; what only uses it stays).
FOREIGN_KEYS = {
    "organizations.owner_id": "users SET NULL",
    "organizations.tier_id": "tiers SET NULL",
    "teams.organization_id": "organizations CASCADE",
    "team_members.team_id": "teams CASCADE",
    "team_members.user_id": "users CASCADE",
    "buckets.owner_id": "teams CASCADE",
    "bucket_team_access.bucket_id": "buckets CASCADE",
    "bucket_team_access.team_id": "teams CASCADE",
    "projects.organization_id": "organizations CASCADE",
    "projects.team_id": "teams SET NULL",
    "projects.template_id": "templates SET NULL",
    "projects.bucket_id": "buckets SET NULL",
    "api_keys.project_id": "projects CASCADE",
    "api_keys.user_id": "users SET NULL",
    "transforms.project_id": "projects CASCADE",
    "project_tenants.project_id": "projects CASCADE",
    "invitations.organization_id": "organizations CASCADE",
    "invitations.team_id": "teams CASCADE",
    "invitations.invited_by_id": "users SET NULL",
    "organization_secrets.organization_id": "organizations CASCADE",
    "deployments.project_id": "projects CASCADE",
    "uploads.project_id": "projects CASCADE",
    "uploads.user_id": "users SET NULL",
    "files.project_id": "projects CASCADE",
    "files.upload_id": "uploads SET NULL",
    "files.tenant_id": "project_tenants SET NULL",
    "tenant_metrics.tenant_id": "tenants CASCADE",
    "error_logs.tenant_id": "tenants CASCADE",
}
TABLES = {**{name: f"{columns}, {MANAGED}" for name, columns in COLUMNS.items()}, **RUNTIME}


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory, server: TestServer) -> Iterator[Connection]:
    """The main database that an apply has made; a superuser's session, since the audit log refuses its owner."""
    fleet = Fleet(tmp_path_factory.mktemp("tables"), server)
    fleet.document("Tier", "basic", "displayName: Basic")
    fleet.apply()
    with fleet.connect() as connection:
        yield connection
    fleet.clean()


@pytest.fixture
def db(applied: Connection) -> Iterator[Connection]:
    """The same in a transaction that is rolled back."""
    with applied.transaction(force_rollback=True):
        yield applied


@pytest.fixture
def scratch(server: TestServer) -> Iterator[Connection]:
    """An empty database of its own, and a session of the role without superuser."""
    name = sql.Identifier(f"resource_tables_{os.getpid()}")
    with server.connect() as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
        with server.connect(dbname=f"resource_tables_{os.getpid()}") as connection:
            yield connection
        drop_database(admin, name.as_string().strip('"'))


def columns(db: Connection, table: str) -> set[str]:
    """`name type`, with ! for NOT NULL, of every column."""
    rows = db.execute(
        "SELECT attname, format_type(atttypid, NULL), attnotnull FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        [table],
    )
    short = {"timestamp with time zone": "timestamptz"}
    return {f"{name} {short.get(kind, kind)}{'!' if required else ''}" for name, kind, required in rows}


def indexes(db: Connection, table: str, *, unique: bool) -> list[str]:
    """Columns of each whole, valid index of a table, in order; the primary key's left out."""
    rows = db.execute(
        "SELECT (SELECT string_agg(attname, ',' ORDER BY place) FROM unnest(indkey::int2[]) WITH ORDINALITY AS k (num, place)"
        " JOIN pg_attribute ON attrelid = indrelid AND attnum = num) FROM pg_index WHERE indrelid = %s::regclass"
        " AND indpred IS NULL AND indisvalid AND NOT indisprimary AND indisunique = %s AND 0 <> ALL(indkey::int2[])",
        [table, unique],
    )
    return sorted(found for (found,) in rows)


def test_enum_labels_in_their_order(db: Connection) -> None:
    rows = db.execute(
        "SELECT t.typname, string_agg(e.enumlabel, ' ' ORDER BY e.enumsortorder)"
        " FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid GROUP BY 1"
    )
    assert dict(rows.fetchall()) == ENUMS
    assert len(PERMISSIONS.split()) == 17


@pytest.mark.parametrize("table", TABLES)
def test_every_column(db: Connection, table: str) -> None:
    assert columns(db, table) == set(TABLES[table].split(", "))


def test_columns_that_organizations_got(db: Connection) -> None:
    assert {"owner_id uuid", "statement_timeout integer", "database_connection bytea"} <= columns(db, "organizations")


def test_runtime_tables_are_not_reconciled(db: Connection) -> None:
    assert not RUNTIME.keys() & BUILTIN.keys()
    assert COLUMNS.keys() <= BUILTIN.keys()


@pytest.mark.parametrize("table", UNIQUE)
def test_every_unique_key(db: Connection, table: str) -> None:
    assert indexes(db, table, unique=True) == sorted(UNIQUE[table])


@pytest.mark.parametrize("table", INDEXES)
def test_indexes(db: Connection, table: str) -> None:
    assert set(INDEXES[table]) <= set(indexes(db, table, unique=False))


def test_every_foreign_key_and_what_a_deletion_does(db: Connection) -> None:
    rows = db.execute(
        "SELECT conrelid::regclass::text || '.' || attname, confrelid::regclass::text || ' ' || CASE confdeltype"
        " WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END"
        " FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ALL(conkey)"
        " WHERE contype = 'f' AND conrelid::regclass::text = ANY(%s)",
        [[*TABLES, "organizations"]],
    )
    assert dict(rows.fetchall()) == FOREIGN_KEYS


def test_every_foreign_key_is_led_by_an_index(db: Connection) -> None:
    for reference in FOREIGN_KEYS:
        table, column = reference.split(".")
        found = [*indexes(db, table, unique=False), *indexes(db, table, unique=True)]
        assert any(f"{index},".startswith(f"{column},") for index in found), reference


SEARCHES = {
    "document": "team/t77",
    "organization": "organization/o77",
    "action": "rekey77",
    "since": "2026-01-01T20:00:00Z",
}


@pytest.mark.parametrize("condition", SEARCHES)
def test_the_audit_log_is_searched_by_an_index(db: Connection, condition: str) -> None:
    db.execute(
        "INSERT INTO tenantplan.audit_log (sequence, at, actor, address, action, organization, result, previous_hash, hash)"
        " SELECT n + 1000, timestamptz '2026-01-01' + n * interval '1 s', 'a' || n % 500, 'team/t' || n % 500 || '/member/m',"
        " 'rekey' || n % 500, 'organization/o' || n % 500, 'done', 'x', 'y' FROM generate_series(1, 60000) n"
    )
    db.execute("ANALYZE tenantplan.audit_log")
    names = ["sequence", "organization", "address", "document", "user", "since", "until", "action", "run"]
    conditions = dict.fromkeys(names) | {condition: SEARCHES[condition], "limit": 100_000}
    plan = db.execute(b"EXPLAIN " + query("audit_found"), conditions).fetchall()
    column = {"since": "at"}.get(condition, condition)
    assert f"audit_log_{column}_idx" in str(plan)


FOUND = {
    "user": ("u77@x.example", "e0000000-0000-0000-0000-000000000077"),
    "organization": ("o77", "organization/o77"),
    "document": ("team/t77", "project/p77"),
    "address": ("project/p77", "project/p77/file"),
    "action": ("act77",),
    "since": ("2026-01-01T05:30:00Z",),
}


def test_the_events_of_applications_are_searched_by_an_index(db: Connection) -> None:
    db.execute(
        "INSERT INTO organizations (slug) SELECT 'o' || n FROM generate_series(1, 500) n;"
        " INSERT INTO users (email, role) SELECT 'u' || n || '@x.example', 'CLIENT_EDITOR' FROM generate_series(1, 500) n;"
        " INSERT INTO teams (organization_id, slug, declared_as) SELECT id, replace(slug, 'o', 't'), replace(slug, 'o', 't')"
        "  FROM organizations WHERE slug ~ '^o[0-9]+$';"
        " INSERT INTO activity_log (at, action, user_id, organization_id, team_id, subject)"
        " SELECT timestamptz '2026-01-01' + n * interval '1 s', 'act' || n % 500, u.id, o.id, t.id,"
        "  'project/p' || n % 500 || '/file/f'"
        "  FROM generate_series(1, 20000) n JOIN users u ON u.email = 'u' || 1 + n % 500 || '@x.example'"
        "  JOIN organizations o ON o.slug = 'o' || 1 + n % 500 JOIN teams t ON t.slug = 't' || 1 + n % 500"
    )
    db.execute("ANALYZE activity_log, organizations, users, teams")
    names = ["organization", "address", "document", "user", "since", "until", "action"]
    for condition, values in FOUND.items():
        for value in values:
            conditions = dict.fromkeys(names) | {condition: value, "limit": 100_000}
            plan = db.execute(b"EXPLAIN " + query("activity_found"), conditions).fetchall()
            assert "Seq Scan on activity_log" not in str(plan), (condition, plan)


def test_addresses_are_kept_as_they_were_sent(db: Connection) -> None:
    assert "ip_address text" in columns(db, "sessions")
    for table, values in (
        ("error_logs", {"level": "ERROR", "source": "NODE", "message": "m"}),
        ("activity_log", {"action": "login"}),
    ):
        for sent in ("203.0.113.7, 10.0.0.1", "fe80::1%eth0", "[::ffff:10.0.0.1]:443", "unknown", "10.1.2.3"):
            identifier = insert(db, table, ip_address=sent, **values)
            statement = sql.SQL("SELECT ip_address FROM {} WHERE id = %s").format(sql.Identifier(table))
            assert db.execute(statement, [identifier]).fetchall() == [(sent,)]


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("api_keys", "key_hash", "a key that nobody hashed"),
        ("api_keys", "key_hash", "A" * 64),
        ("transforms", "width", 0),
        ("transforms", "quality", 101),
        ("transforms", "quality", 0),
        ("updates_metadata", "checksum", "b" * 63),
        ("updates_metadata", "file_size", -1),
        ("organization_secrets", "rotate_every_days", 0),
        ("organizations", "statement_timeout", 0),
    ],
)
def test_what_a_check_refuses(db: Connection, table: str, column: str, value: object) -> None:
    organization = insert(db, "organizations", slug="acme")
    project = insert(db, "projects", organization_id=organization, slug="shop")
    needed: dict[str, dict[str, object]] = {
        "api_keys": {"project_id": project, "name": "k", "key_hash": "0" * 64},
        "transforms": {"project_id": project, "name": "t"},
        "updates_metadata": {
            "version": "1",
            "filename": "f",
            "file_size": 0,
            "file_reference": "r",
            "checksum": "0" * 64,
        },
        "organization_secrets": {"organization_id": organization, "name": "s"},
        "organizations": {"slug": "b"},
    }
    with db.transaction(force_rollback=True):
        insert(db, table, **needed[table])
    with pytest.raises(psycopg.errors.CheckViolation), db.transaction():
        insert(db, table, **{**needed[table], column: value})


def test_defaults(db: Connection) -> None:
    organization = insert(db, "organizations", slug="acme")
    project = insert(db, "projects", organization_id=organization, slug="shop")
    given: dict[str, dict[str, object]] = {
        "deployments": {"project_id": project},
        "uploads": {"project_id": project, "filename": "f"},
        "invitations": {"organization_id": organization, "email": "e@x.example", "role": "CLIENT_EDITOR"},
        "organization_secrets": {"organization_id": organization, "name": "jwt"},
        "api_keys": {"project_id": project, "name": "k", "key_hash": "0" * 64},
    }
    for table, values in given.items():
        insert(db, table, **values)
    for table in ("projects", "deployments", "uploads", "invitations"):
        status = "CREATING" if table == "projects" else "PENDING"
        assert db.execute(f"SELECT status::text FROM {table}".encode()).fetchall() == [(status,)], table
    assert db.execute("SELECT rotate_every_days FROM organization_secrets").fetchall() == [(90,)]
    assert db.execute("SELECT active, permissions::text[] FROM api_keys").fetchall() == [(True, [])]


ACTIVITY, BEFORE_IT = "a91d3e57", "f4b9d2c6"


def test_addresses_and_stored_files_of_older_rows(scratch: Connection) -> None:
    run(scratch, compile_path(MAIN, None, BEFORE_IT))
    sent = ("10.1.2.3", "2001:db8::1", "10.0.0.0/8")
    for address in sent:
        insert(scratch, "error_logs", level="INFO", source="NODE", message="m", ip_address=address)
    for version, store in (("1", "main:"), ("2", "mongodb://h/d"), ("3", "file:packages")):
        scratch.execute(
            "INSERT INTO tenantplan.packages (version, holder, store, key, size, sha256, managed_by)"
            " VALUES (%s, 'release/r', %s, 'k', 1, 'x', 'f')",
            [version, store],
        )
        given = {"filename": "f", "file_size": 1, "file_reference": "k", "checksum": "0" * 64, "managed_by": "f"}
        insert(scratch, "updates_metadata", version=version, **given)
    scratch.execute("INSERT INTO tenantplan.stored_files (key, object, size, sha256) VALUES ('k', 4711, 1, 'x')")
    run(scratch, compile_path(MAIN, BEFORE_IT, ACTIVITY))
    addresses = "SELECT ip_address::text FROM error_logs ORDER BY ip_address::text"
    assert scratch.execute(addresses).fetchall() == [("10.0.0.0/8",), ("10.1.2.3",), ("2001:db8::1",)]
    ids = scratch.execute("SELECT file_id FROM updates_metadata ORDER BY version").fetchall()
    assert ids == [("4711",), (hashlib.sha256(b"k").hexdigest()[:24],), (None,)]
    scratch.execute("UPDATE error_logs SET ip_address = 'unknown' WHERE ip_address = '10.1.2.3'")
    run(scratch, downgrade_path(MAIN, ACTIVITY, BEFORE_IT))
    assert scratch.execute("SELECT count(*), count(ip_address) FROM error_logs").fetchall() == [(3, 2)]


@pytest.mark.parametrize("revision", NEW, ids=lambda revision: revision.id)
def test_back_and_forth_with_rows_in_older_tables(scratch: Connection, revision: Revision) -> None:
    """A revision's downgrade leaves what its predecessor made; its upgrade makes what it made the first time."""
    assert revision.down
    (down,) = revision.down
    run(scratch, compile_path(MAIN, None, down))
    before = objects(scratch)
    organization = insert(scratch, "organizations", slug="acme")
    insert(scratch, "users", email="a@x.example", role="CLIENT_EDITOR", organization_id=organization)
    run(scratch, compile_path(MAIN, down, revision.id))
    upgraded = objects(scratch)
    assert differences(before, upgraded) != []
    run(scratch, downgrade_path(MAIN, revision.id, down))
    assert differences(before, objects(scratch)) == []
    run(scratch, compile_path(MAIN, down, revision.id))
    assert differences(upgraded, objects(scratch)) == []
    assert scratch.execute("SELECT slug FROM organizations").fetchall() == [("acme",)]
    assert scratch.execute("SELECT version_num FROM alembic_version").fetchall() == [(revision.id,)]


def run(connection: Connection, statements: tuple[str, ...]) -> None:
    assert statements
    with connection.transaction():
        for statement in statements:
            connection.execute(statement.encode())


def insert(db: Connection, table: str, **values: object) -> object:
    """Insert a row; returns its id."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(sql.Placeholder() * len(values)),
    )
    row = db.execute(statement, list(values.values())).fetchone()
    assert row
    return row[0]
