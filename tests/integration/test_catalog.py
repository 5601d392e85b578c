"""The main database after its migrations, compared with what is required and with what tables declares."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from servers import TestServer

from tenantplan.migration.compile.compile import compile_path
from tenantplan.migration.tree.alembic_files import SHARED_VERSION_TABLE
from tenantplan.migration.tree.graph import load
from tenantplan.model.rowtype import RowType
from tenantplan.postgres.databases import drop_database
from tenantplan.tables import ROW_TYPES
from tenantplan.tables.control import TENANT_TABLES

TREES = Path(__file__).parents[2] / "migrations"
Connection = psycopg.Connection[Any]
ENUMS = {
    "organization_state": ["active", "suspended", "deleted"],
    "database_mode": ["inherit", "shared", "dedicated"],
    "user_role": ["SUPER_ADMIN", "AGENCY_ADMIN", "AGENCY_DEVELOPER", "CLIENT_EDITOR"],
    "admin_role": ["SUPERADMIN", "SUPPORT"],
    "license_status": ["ACTIVE", "EXPIRED", "REVOKED", "PENDING"],
}
TYPES = {"text": "text", "bool": "boolean", "json": "jsonb", "ref": "uuid", "bcrypt": "text", "sha256": "text",
         "encrypted": "bytea", "key": "text", "timestamp": "timestamp with time zone"}  # fmt: skip
# Written by hand: what a table must have whatever tables says. Those of the resource model: test_resource_tables.py
COLUMNS = {
    "tenants": "id name contact_email license_key active company_name address phone created_at updated_at",
    "licenses": "id key tenant_id expires_at status usage_count max_usage_count notes created_at updated_at",
    "admin_users": "id name email password_hash role active last_login_at",
    "organizations": "id slug display_name state branding feature_flags database_url pool_size pool_max_overflow "
    "connection_limit deleted_at managed_by",
    "users": "id email role organization_id",
    "sessions": "id user_id token_hash expires_at created_at ip_address user_agent",
    "organization_modules": "organization_id name enabled settings",
    "organization_members": "organization_id user_id role",
    "tenantplan.audit_log": "sequence at run_id actor commit plan_digest address action organization before after "
    "result detail previous_hash hash",
    "tenantplan.runs": "id started_at finished_at status actor commit plan_digest plan_seal tool_version epoch",
    "tenantplan.operations": "seq run_id op_id address action retire renamed_from status before after error started_at "
    "finished_at",
    "tenantplan.lease": "id epoch run_id actor host pid acquired_at",
    "tenantplan.applied_plans": "seal digest run_id applied_at",
    "tenantplan.revisions": "tree revision digest applied_at",
    "tenantplan.audit_head": "id sequence hash",
    "tenantplan.keys": "name value",
}
UNIQUE = {
    "tiers": ["name"],
    "organizations": ["slug"],
    "users": ["email"],
    "admin_users": ["email"],
    "tenants": ["name", "license_key"],
    "licenses": ["key", "tenant_id,name"],
    "organization_members": ["organization_id,user_id"],
    "organization_modules": ["organization_id,name"],
    "sessions": ["token_hash"],
}
CASCADES = {  # deleting the right removes the left
    ("users", "organizations"),
    ("organization_members", "organizations"),
    ("organization_members", "users"),
    ("organization_modules", "organizations"),
    ("tenants", "organizations"),
    ("licenses", "tenants"),
    ("sessions", "users"),
}
SHARED = {"shared": True, "version_table": SHARED_VERSION_TABLE}


@pytest.fixture(scope="module")
def main(server: TestServer) -> Iterator[Connection]:
    """A main database with both trees, owned by the role without superuser."""
    name = f"catalog_{os.getpid()}"
    with server.connect() as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with server.connect(dbname=name) as connection:
        for tree, options in (("main", {}), ("tenant", SHARED)):
            graph = load(TREES / tree, tree)
            assert graph.head
            with connection.transaction():
                for statement in compile_path(graph, None, graph.head, **options):
                    connection.execute(statement.encode())
        yield connection
    with server.connect() as admin:
        drop_database(admin, name)


@pytest.fixture
def db(main: Connection) -> Iterator[Connection]:
    """The same in a transaction that is rolled back."""
    with main.transaction(force_rollback=True):
        yield main


def columns(db: Connection, table: str) -> dict[str, tuple[str, bool]]:
    """Column -> (type, not null) in order."""
    rows = db.execute(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        [table],
    )
    return {name: (kind, required) for name, kind, required in rows}


def keys(db: Connection, table: str, *, unique: bool) -> list[str]:
    """The indexes of a table as their columns joined by commas; only whole-table ones."""
    rows = db.execute(
        """
        SELECT (SELECT string_agg(attname, ',' ORDER BY place)
                FROM unnest(indkey::int2[]) WITH ORDINALITY AS k (num, place)
                JOIN pg_attribute ON attrelid = indrelid AND attnum = num)
        FROM pg_index WHERE indrelid = %s::regclass AND indpred IS NULL AND (indisunique OR NOT %s)
        """,
        [table, unique],
    )
    return [found for (found,) in rows]


def foreign_keys(db: Connection) -> list[tuple[str, str, str, str]]:
    """(table, target, on delete, columns) of every foreign key."""
    return db.execute(
        """
        SELECT conrelid::regclass::text, confrelid::regclass::text, confdeltype::text,
               (SELECT string_agg(attname, ',' ORDER BY place) FROM unnest(conkey) WITH ORDINALITY AS k (num, place)
                JOIN pg_attribute ON attrelid = conrelid AND attnum = num)
        FROM pg_constraint WHERE contype = 'f'
        """
    ).fetchall()


@pytest.mark.parametrize("rowtype", ROW_TYPES, ids=lambda rowtype: rowtype.table)
def test_every_declared_column_exists_with_its_type(db: Connection, rowtype: RowType) -> None:
    found = columns(db, rowtype.table)
    for name, kind in rowtype.columns.items():
        assert found[name][0] in expected(rowtype, name, kind), name
    assert found["id"] == ("uuid", True)
    assert found["managed_by"] == ("text", False)
    assert found["created_at"] == found["updated_at"] == ("timestamp with time zone", True)
    assert ("deleted_at" in found) == bool(rowtype.retired)
    assert {*rowtype.observed, *rowtype.stamps.values()} <= found.keys()
    assert ("password_fingerprint" in found) == ("bcrypt" in rowtype.columns.values())
    assert "managed_by" in keys(db, rowtype.table, unique=False)
    # A row is found by what names it and by what makes it the declared one: neither may be two.
    named = (rowtype.parent, rowtype.name) if rowtype.parent else (rowtype.name,)
    assert {",".join(named), ",".join(rowtype.identity)} <= set(keys(db, rowtype.table, unique=True))


def expected(rowtype: RowType, name: str, kind: str) -> tuple[str, ...]:
    """The types that a declared column may have."""
    if kind == "int":
        return ("integer", "bigint")
    if kind == "list":
        return (f"{rowtype.enums.get(name, 'text')}[]",)
    return (rowtype.enums.get(name) or TYPES[kind],)


@pytest.mark.parametrize("rowtype", ROW_TYPES, ids=lambda rowtype: rowtype.table)
def test_references_point_where_they_are_declared_to(db: Connection, rowtype: RowType) -> None:
    found = {column: target for table, target, _, column in foreign_keys(db) if table == rowtype.table}
    assert found == dict(rowtype.refs)


def test_enums_have_the_labels_of_the_requirements(db: Connection) -> None:
    rows = db.execute(
        "SELECT t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) "
        "FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid GROUP BY 1"
    )
    found = dict(rows.fetchall())
    assert {name: found[name] for name in ENUMS} == ENUMS


@pytest.mark.parametrize("table", COLUMNS)
def test_columns_of_the_requirements(db: Connection, table: str) -> None:
    assert set(COLUMNS[table].split()) <= set(columns(db, table))


@pytest.mark.parametrize("table", UNIQUE)
def test_unique_keys_of_the_requirements(db: Connection, table: str) -> None:
    assert set(UNIQUE[table]) <= set(keys(db, table, unique=True))


def test_indexes_of_the_requirements(db: Connection) -> None:
    assert {"tenant_id", "status"} <= set(keys(db, "licenses", unique=False))
    searched = {"at", "actor", "address", "organization", "action", "run_id"}
    assert searched <= set(keys(db, "tenantplan.audit_log", unique=False))


def test_every_foreign_key_is_indexed(db: Connection) -> None:
    for table, _, _, found in foreign_keys(db):
        assert any(f"{index},".startswith(f"{found},") for index in keys(db, table, unique=False)), (table, found)


def test_cascades_of_the_requirements(db: Connection) -> None:
    found = {(table, target): action for table, target, action, _ in foreign_keys(db)}
    assert all(found[pair] == "c" for pair in CASCADES)
    assert found["organizations", "tiers"] == "n"  # one in its grace period does not keep its tier


def test_deleting_an_organization_removes_all_that_is_its_own(db: Connection) -> None:
    organization = an_organization(db, "gone")
    user = insert(db, "users", email="a@x.org", role="AGENCY_ADMIN", organization_id=organization)
    insert(db, "organization_members", organization_id=organization, user_id=user, role="AGENCY_ADMIN")
    insert(db, "organization_modules", organization_id=organization, name="donors")
    insert(db, "sessions", user_id=user, token_hash="h", expires_at="2030-01-01")
    tenant = insert(db, "tenants", name="t", organization_id=organization)
    insert(db, "licenses", tenant_id=tenant, name="main")
    act_as(db, organization)
    donor = insert(db, "donors", email="d@x.org")
    insert(db, "donations", donor_id=donor, amount=5)
    act_as(db, "")
    db.execute("DELETE FROM organizations WHERE id = %s", [organization])
    db.execute("ALTER TABLE donors NO FORCE ROW LEVEL SECURITY; ALTER TABLE donations NO FORCE ROW LEVEL SECURITY")
    for table in ("users", "organization_members", "organization_modules", "sessions", "tenants", "licenses"):
        assert count(db, table) == 0, table
    assert count(db, "donors") == count(db, "donations") == 0


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("organizations", {"slug": "x", "database_url": "postgresql://u:p@h/d"}),
        ("organizations", {"slug": "x", "database_mode": "inherit"}),
        ("organizations", {"slug": "x", "pool_size": -1}),
        ("licenses", {"name": "x", "usage_count": -1}),
    ],
)
def test_checks_refuse(db: Connection, table: str, values: dict[str, Any]) -> None:
    if table == "licenses":
        values = values | {"tenant_id": insert(db, "tenants", name="t", organization_id=an_organization(db, "y"))}
    with pytest.raises(psycopg.errors.CheckViolation), db.transaction():
        insert(db, table, **values)


def test_defaults(db: Connection) -> None:
    organization = an_organization(db, "fresh")
    row = db.execute(
        "SELECT state::text, database_mode::text, pool_size, pool_max_overflow, connection_limit, branding, managed_by "
        "FROM organizations WHERE id = %s",
        [organization],
    ).fetchone()
    assert row == ("active", "shared", 10, 20, -1, {}, None)
    for name in "ab":
        insert(db, "tenants", name=name, organization_id=organization)
    assert db.execute("SELECT count(DISTINCT license_key) FROM tenants").fetchone() == (2,)


def test_the_journal_starts_empty(db: Connection) -> None:
    assert db.execute("SELECT id, epoch, run_id FROM tenantplan.lease").fetchall() == [(1, 0, None)]
    assert db.execute("SELECT id, sequence, hash FROM tenantplan.audit_head").fetchall() == [(1, 0, "0" * 64)]
    ((name, value),) = db.execute("SELECT name, value FROM tenantplan.keys").fetchall()
    assert name == "hash" and len(value) == 72
    with pytest.raises(psycopg.errors.CheckViolation), db.transaction():
        db.execute("INSERT INTO tenantplan.lease (id) VALUES (2)")


def test_public_reaches_neither_schema(db: Connection) -> None:
    row = db.execute(
        "SELECT has_schema_privilege('public', 'tenantplan', 'USAGE'), "
        "has_schema_privilege('public', 'public', 'CREATE')"
    ).fetchone()
    assert row == (False, False)


@pytest.mark.parametrize("statement", ["UPDATE {} SET actor = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("who", ["owner", "owner who granted it back", "superuser", "replica"])
def test_the_audit_log_only_grows(server: TestServer, main: Connection, who: str, statement: str) -> None:
    superuser = who in ("superuser", "replica")
    dbname = main.info.dbname
    with (
        server.superuser_connect(dbname) if superuser else server.connect(dbname=dbname) as connection,
        connection.transaction(force_rollback=True),
    ):
        if who == "replica":
            connection.execute("SET LOCAL session_replication_role = replica")
        if who == "owner who granted it back":
            connection.execute("GRANT ALL ON tenantplan.audit_log TO CURRENT_USER")
        connection.execute(
            "INSERT INTO tenantplan.audit_log (sequence, at, address, action, result, previous_hash, hash) "
            "VALUES (1, now(), 'organization/x', 'create', 'done', '0', '1')"
        )
        said = "permission denied" if who == "owner" else "the audit log only grows"
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=said), connection.transaction():
            connection.execute(statement.format("tenantplan.audit_log").encode())


def test_tenant_tables_exist_and_lead_with_the_organization(db: Connection) -> None:
    for table in TENANT_TABLES:
        assert columns(db, table)["organization_id"] == ("uuid", True)
        assert all(index.startswith("organization_id,") for index in keys(db, table, unique=False)), table
    tenant_keys = [key for key in foreign_keys(db) if key[0] in TENANT_TABLES]
    assert all(column.startswith("organization_id") for _, _, _, column in tenant_keys)
    cascading = {table for table, target, action, _ in tenant_keys if target == "organizations" and action == "c"}
    assert cascading == set(TENANT_TABLES)


def test_every_shared_table_forces_row_level_security(db: Connection) -> None:
    rows = db.execute(
        "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity, count(p.oid) FROM pg_class c "
        "LEFT JOIN pg_policy p ON p.polrelid = c.oid WHERE c.oid = ANY (%s::regclass[]) GROUP BY 1, 2",
        [list(TENANT_TABLES)],
    )
    assert {name: (forced, policies) for name, forced, policies in rows} == dict.fromkeys(TENANT_TABLES, (True, 1))


@pytest.mark.parametrize("who", ["owner", "application"])
def test_an_organization_sees_and_writes_its_own_rows_only(db: Connection, who: str) -> None:
    one, two = an_organization(db, "one"), an_organization(db, "two")
    for organization in (one, two):
        act_as(db, organization)
        insert(db, "donors", email="same@x.org")
    if who == "application":
        role = sql.Identifier(f"reader_{os.getpid()}")
        db.execute(sql.SQL("CREATE ROLE {}").format(role))
        db.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
        db.execute(sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON donors, donations TO {}").format(role))
        db.execute(sql.SQL("SET LOCAL ROLE {}").format(role))
    act_as(db, one)
    seen = db.execute("SELECT DISTINCT organization_id FROM donors").fetchall()
    assert seen == [(one,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"), db.transaction():
        insert(db, "donors", email="z@x.org", organization_id=two)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"), db.transaction():
        db.execute("UPDATE donors SET organization_id = %s", [two])
    assert db.execute("DELETE FROM donors WHERE organization_id = %s", [two]).rowcount == 0
    act_as(db, "")
    assert count(db, "donors") == 0
    with pytest.raises(psycopg.Error), db.transaction():
        insert(db, "donors", email="nobody@x.org")


def test_an_unset_organization_sees_nothing(server: TestServer, main: Connection) -> None:
    with server.connect(dbname=main.info.dbname) as connection, connection.transaction(force_rollback=True):
        connection.execute("ALTER TABLE donors NO FORCE ROW LEVEL SECURITY")
        insert(connection, "donors", email="a@x.org", organization_id=an_organization(connection, "unset"))
        connection.execute("ALTER TABLE donors FORCE ROW LEVEL SECURITY")
        row = connection.execute("SELECT current_setting('tenantplan.organization_id', true)").fetchone()
        assert row == (None,)
        assert count(connection, "donors") == 0


def test_a_row_cannot_point_at_another_organizations_row(db: Connection) -> None:
    one, two = an_organization(db, "one"), an_organization(db, "two")
    act_as(db, one)
    donor = insert(db, "donors", email="a@x.org")
    act_as(db, two)
    with pytest.raises(psycopg.errors.ForeignKeyViolation), db.transaction():
        insert(db, "donations", donor_id=donor, amount=1)


def test_forgetting_a_donor_keeps_the_donation(db: Connection) -> None:
    act_as(db, an_organization(db, "one"))
    donation = insert(db, "donations", donor_id=insert(db, "donors", email="a@x.org"), amount=1)
    db.execute("DELETE FROM donors")
    assert db.execute("SELECT id, donor_id FROM donations").fetchall() == [(donation, None)]


def insert(db: Connection, table: str, **values: Any) -> uuid.UUID:
    """Insert a row; returns its id."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(sql.Placeholder() * len(values)),
    )
    row = db.execute(statement, list(values.values())).fetchone()
    assert row
    return uuid.UUID(str(row[0]))


def an_organization(db: Connection, slug: str) -> uuid.UUID:
    return insert(db, "organizations", slug=slug)


def act_as(db: Connection, organization: uuid.UUID | str) -> None:
    """Name the organization for the rest of the transaction."""
    db.execute("SELECT set_config('tenantplan.organization_id', %s, true)", [str(organization)])


def count(db: Connection, table: str) -> int:
    row = db.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row
    return int(row[0])
