"""Roles of shared mode: a login that the server binds to its organization, and a pooled one that names it."""

from __future__ import annotations

import shutil

import psycopg
import pytest
from acceptance.harness import ROOT, Fleet
from acceptance.neighbours import (
    NAMES,
    PASSWORD,
    SHARED,
    bound,
    emails,
    id_of,
    neighbours,
    pooled,
    rebinding,
    without_function,
)
from acceptance.test_login_passwords import KEY, kept
from psycopg import sql

MINE, THEIRS = ["acme@secret.example"], ["zeta@secret.example"]
_TENANT_TABLES = {"donors", "donor_preferences", "campaigns", "donations", "forms", "analytics_events"}
_SESSIONS = "SELECT rolname::text, rolcanlogin FROM pg_roles WHERE rolname LIKE %s ORDER BY 1"


def test_a_bound_login_is_its_organization_whatever_it_sends(fleet: Fleet) -> None:
    """By session_user; neither the setting nor SET ROLE nor another member of the group changes that."""
    neighbours(fleet)
    theirs = id_of(fleet, "zeta")
    with bound(fleet, "acme") as session:
        assert emails(session) == MINE
        assert emails(session, theirs) == MINE  # SET LOCAL
        session.execute(sql.SQL("SET tenantplan.organization_id = {}").format(theirs))
        assert emails(session) == MINE
        session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(f"{fleet.main_database}_rw")))
        assert emails(session) == MINE
        session.execute("RESET ROLE")
        for refused in (
            f"SET ROLE {fleet.database('zeta')}_app",
            f"SET ROLE {fleet.main_database}_pool",
            f"SET SESSION AUTHORIZATION {fleet.database('zeta')}_app",
            f"INSERT INTO donors (organization_id) VALUES ('{theirs}')",
            f"UPDATE donors SET organization_id = '{theirs}'",
            "COPY donors (email) FROM STDIN",
            "TRUNCATE donors",
            "SELECT tenantplan.current_organization()",
        ):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)):
                session.execute(refused.encode())
        assert session.execute("DELETE FROM donors WHERE organization_id = %s", [theirs]).rowcount == 0
        assert session.execute("UPDATE donors SET email = 'x@x.example' RETURNING email").fetchall() == [
            ("x@x.example",)
        ]
        session.execute("INSERT INTO donors (email) VALUES ('new@acme.example')")
    with bound(fleet, "zeta") as session:
        assert emails(session) == THEIRS
    with bound(fleet, "acme", "ro") as session:
        assert emails(session, theirs) == ["new@acme.example", "x@x.example"]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("DELETE FROM donors")


def test_the_pooled_role_names_its_organization_for_a_transaction(fleet: Fleet) -> None:
    """Unset shows nothing; what a transaction set does not outlive it, however it ends."""
    neighbours(fleet)
    ids = [id_of(fleet, name) for name in NAMES]
    with pooled(fleet) as session:
        assert emails(session) == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("INSERT INTO donors (email) VALUES ('nobody@x.example')")
        assert [emails(session, row_id) for row_id in ids] == [MINE, THEIRS]
        assert emails(session) == []
        session.execute(f"BEGIN; SET LOCAL tenantplan.organization_id = '{ids[0]}'; ROLLBACK".encode())
        assert emails(session) == []
        with session.transaction():
            with session.transaction(force_rollback=True):
                session.execute("SELECT set_config('tenantplan.organization_id', %s, true)", [ids[0]])
            assert emails(session) == []
        with session.transaction():
            session.execute("SELECT set_config('tenantplan.organization_id', %s, true)", [ids[0]])
            session.execute("INSERT INTO donors (email) VALUES ('new@acme.example')")
            with pytest.raises(psycopg.errors.InsufficientPrivilege), session.transaction():
                session.execute("INSERT INTO donors (organization_id) VALUES (%s)", [ids[1]])
    with bound(fleet, "acme") as session:
        assert emails(session) == [*MINE, "new@acme.example"]


def test_a_role_that_nobody_wrote_down_sees_nothing(fleet: Fleet) -> None:
    """Rights alone show no rows: the server does not know whose session it is."""
    neighbours(fleet)
    fleet.execute(f"CREATE ROLE o{fleet.id}_stray LOGIN PASSWORD '{PASSWORD}' IN ROLE {fleet.main_database}_rw")
    with fleet.server.connect(f"o{fleet.id}_stray", fleet.main_database, PASSWORD) as session:
        assert emails(session, id_of(fleet, "acme")) == []
    fleet.execute("DELETE FROM tenantplan.shared_roles WHERE access = 'bound'")
    with bound(fleet, "acme") as session:
        assert emails(session, id_of(fleet, "zeta")) == emails(session) == []
    assert f"update role/primary/{fleet.database('acme')}_app" in fleet.operations()
    fleet.apply()
    with bound(fleet, "acme") as session:
        assert emails(session) == MINE
    fleet.execute(
        "UPDATE tenantplan.shared_roles SET organization_id = %s WHERE access = 'bound'", id_of(fleet, "zeta")
    )
    fleet.apply()
    with bound(fleet, "acme") as session:
        assert emails(session) == MINE
    fleet.converged()


def _rights(fleet: Fleet, role: str) -> dict[str, set[str]]:
    """The rights of a role on every table, view and sequence of the main database."""
    rows = fleet.rows(
        "SELECT c.relname::text, p FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,"
        " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p"
        " WHERE n.nspname IN ('public', 'tenantplan') AND c.relkind IN ('r', 'p', 'v', 'm')"
        " AND (has_table_privilege(%s, c.oid, p)"
        " OR p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(%s, c.oid, p))",
        role,
        role,
    )
    found: dict[str, set[str]] = {}
    for table, right in rows:
        found.setdefault(table, set()).add(right)
    return found


def test_the_rights_of_shared_roles_are_the_tenant_tables_and_no_more(fleet: Fleet) -> None:
    """Nothing of the control plane, no TRUNCATE, no CREATE anywhere, no other database; PUBLIC nowhere."""
    neighbours(fleet)
    write = {table: {"SELECT", "INSERT", "UPDATE", "DELETE"} for table in _TENANT_TABLES}
    read = {table: {"SELECT"} for table in _TENANT_TABLES}
    app, reader = f"{fleet.database('acme')}_app", f"{fleet.database('acme')}_ro"
    with pooled(fleet):
        roles = {app: write, f"o{fleet.id}_application": write, reader: read, "public": {}}
    for role, rights in roles.items():
        assert _rights(fleet, role) == rights, role
        creates = fleet.rows(
            "SELECT n.nspname FROM pg_namespace n WHERE has_schema_privilege(%s, n.oid, 'CREATE')"
            " OR n.nspname = 'tenantplan' AND has_schema_privilege(%s, n.oid, 'USAGE')",
            role,
            role,
        )
        assert creates == []
        database = "SELECT p, has_database_privilege(%s, %s, p) FROM unnest(ARRAY['CONNECT', 'CREATE', 'TEMPORARY']) p"
        connects = role != "public"
        assert fleet.rows(database, role, fleet.main_database) == [
            ("CONNECT", connects),
            ("CREATE", False),
            ("TEMPORARY", False),
        ]
    powers = "SELECT bool_or(rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication) FROM pg_roles"
    assert fleet.rows(f"{powers} WHERE rolname LIKE %s", f"%{fleet.id}%") == [(False,)]


def test_logins_of_shared_organizations_follow_their_organization(fleet: Fleet) -> None:
    """Suspended closes, renamed follows, not asked for closes, another mode unbinds, deleted and purged takes along."""
    neighbours(fleet)
    fleet.organization("acme", SHARED + "protect: false\nstate: suspended")
    fleet.apply()
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        bound(fleet, "acme")
    fleet.remove("Organization", "acme")
    fleet.organization("apex", SHARED + "protect: false", renamedFrom="acme")
    fleet.apply()
    fleet.converged()
    with bound(fleet, "apex") as session:
        assert emails(session) == MINE
    named = "SELECT role_name FROM tenantplan.shared_roles WHERE access = 'bound' ORDER BY 1"
    assert [row[0] for row in fleet.rows(named)] == sorted(
        f"{fleet.database(o)}_{r}" for o in ("apex", "zeta") for r in ("app", "ro")
    )
    fleet.organization("apex", "protect: false")
    fleet.apply()
    fleet.converged()
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        bound(fleet, "apex")
    fleet.execute("DELETE FROM donors")
    fleet.organization("apex", "protect: false\ndatabase: { mode: dedicated, password: { env: TENANT_PASSWORD } }")
    fleet.apply()
    fleet.converged()
    assert f"{fleet.database('apex')}_app" not in [row[0] for row in fleet.rows(named)]
    with fleet.server.connect(f"{fleet.database('apex')}_app", fleet.database("apex"), PASSWORD) as session:
        assert emails(session) == []
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        bound(fleet, "apex")
    fleet.organization("apex", SHARED + "protect: false")
    fleet.apply()
    fleet.converged()
    with bound(fleet, "apex") as session:
        assert emails(session) == []
    fleet.organization("apex", SHARED + "protect: false\nstate: deleted")
    fleet.settings("guard: { graceDays: 0 }")
    fleet.apply("--allow-deletes", "1")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        bound(fleet, "apex")
    fleet.apply("--allow-deletes", "1")
    fleet.converged()
    assert fleet.rows("SELECT count(*) FROM tenantplan.shared_roles WHERE access = 'bound'") == [(2,)]


def test_new_tables_are_given_to_the_groups_by_the_migration_that_makes_them(fleet: Fleet) -> None:
    """A right taken away, or one too many, is put right."""
    tree = fleet.root / "tree"
    shutil.copytree(ROOT / "migrations" / "tenant", tree)
    fleet.settings(migrations=str(tree))
    neighbours(fleet)
    (tree / "versions" / "aa00_pledges.py").write_text(
        "from tenancy import create_table\nimport sqlalchemy as sa\nfrom alembic import op\n"
        "revision = 'aa00'\ndown_revision = '9c1b04aa'\nbranch_labels = None\ndepends_on = None\n\n\n"
        "def upgrade() -> None:\n    create_table('pledges', sa.Column('number', sa.Integer(), sa.Identity()))\n\n\n"
        "def downgrade() -> None:\n    op.drop_table('pledges')\n"
    )
    fleet.apply()
    fleet.converged()
    with bound(fleet, "acme") as session:
        session.execute("INSERT INTO pledges DEFAULT VALUES")
        assert session.execute("SELECT count(*) FROM pledges").fetchall() == [(1,)]
    fleet.execute(f"GRANT TRUNCATE ON pledges TO {fleet.main_database}_rw")
    fleet.execute(f"REVOKE SELECT ON donors FROM {fleet.main_database}_ro")
    fleet.apply()
    fleet.converged()
    assert _rights(fleet, f"{fleet.main_database}_rw")["pledges"] == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert _rights(fleet, f"{fleet.main_database}_ro")["donors"] == {"SELECT"}


def test_nobody_may_connect_to_a_main_database_that_was_there_before(fleet: Fleet) -> None:
    """PUBLIC may connect to a database by default; to the main one it may not, also where somebody else made it."""
    connect = "SELECT has_database_privilege('public', %s, 'CONNECT')"
    fleet.execute(f"CREATE DATABASE {fleet.main_database} OWNER tp_admin", database="postgres")
    assert fleet.rows(connect, fleet.main_database) == [(True,)]
    fleet.organization("acme")
    fleet.apply()
    assert fleet.rows(connect, fleet.main_database) == [(False,)]
    fleet.converged()
    fleet.execute(f"GRANT CONNECT ON DATABASE {fleet.main_database} TO PUBLIC", database="postgres")
    fleet.execute(f"GRANT CONNECT ON DATABASE {fleet.main_database} TO pg_monitor", database="postgres")
    assert fleet.operations() == [f"grant database/primary/{fleet.main_database}"]
    fleet.apply()
    assert fleet.rows(connect, fleet.main_database) == [(False,)]
    assert fleet.rows("SELECT has_database_privilege('pg_monitor', %s, 'CONNECT')", fleet.main_database) == [(True,)]
    fleet.converged()


def test_a_fleet_from_before_the_roles_of_shared_mode(fleet: Fleet) -> None:
    """One plan brings function and groups, binds the policies of an older tree to them, and makes the logins."""
    main, tenant = fleet.root / "main", fleet.root / "tenant"
    shutil.copytree(ROOT / "migrations" / "main", main)
    shutil.copytree(ROOT / "migrations" / "tenant", tenant)
    new_revision, text = main / "versions" / "c3a7f0d5_shared_roles.py", (tenant / "tenancy.py").read_text()
    revision = new_revision.read_text()
    new_revision.unlink()
    (main / "versions" / "f4b9d2c6_closed_organizations.py").unlink()
    after = (
        main / "versions" / "a91d3e57_activity_log.py"
    )  # what follows has nothing to do with the roles: it comes before them
    after.write_text(after.read_text().replace('down_revision = "f4b9d2c6"', 'down_revision = "d07e4b15"'))
    revision = revision.replace('down_revision = "d07e4b15"', 'down_revision = "b4e07a1c"')
    (tenant / "tenancy.py").write_text(without_function(text))
    fleet.settings("manifests: [tenants]")
    settings = (fleet.root / "tenantplan.yaml").read_text()
    tree = ROOT / "migrations" / "tenant"
    fleet.write("tenantplan.yaml", settings.replace(f"tenant: {tree}", f"tenant: {tenant}, main: {main}"))
    for name in NAMES:
        fleet.organization(name)
    fleet.apply()
    fleet.converged()
    assert fleet.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", f"{fleet.main_database}%") == []

    new_revision.write_text(revision)
    (tenant / "tenancy.py").write_text(text)
    (tenant / "versions" / "aa00_rebind.py").write_text(rebinding("aa00"))
    neighbours(fleet)
    fleet.converged()
    assert fleet.plan()["notes"] == []
    with bound(fleet, "acme") as session:
        assert emails(session, id_of(fleet, "zeta")) == MINE
    with pooled(fleet) as session:
        assert emails(session) == []
        assert emails(session, id_of(fleet, "zeta")) == THEIRS


def test_bound_logins_take_turns_with_generated_passwords(fleet: Fleet) -> None:
    """In shared mode as in a database of its own; both roles are their organization."""
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = KEY
    spec = "database: { login: true, password: { generate: true }, rotation: { roles: 2, graceMinutes: 60 } }"
    neighbours(fleet, spec)
    fleet.converged()
    (first, _) = kept(fleet)
    assert first["role"] == f"{fleet.database('acme')}_app" and first["database"] == fleet.main_database
    fleet.run("credentials", "rotate", "acme")
    (second, _) = kept(fleet)
    assert second["role"] == f"{fleet.database('acme')}_app2"
    for login in (first, second):
        with fleet.server.connect(login["role"], login["database"], login["password"]) as session:
            assert emails(session, id_of(fleet, "zeta")) == MINE
    fleet.converged()
    for name in NAMES:
        fleet.organization(name)
    fleet.apply()
    fleet.converged()
    open_ones = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname LIKE %s"
    assert fleet.rows(open_ones, f"o{fleet.id}%") == []
