"""The server refuses every change of the audit log by ordinary means, on each version of PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest
from acceptance.harness import Fleet

CHANGES = (
    "UPDATE tenantplan.audit_log SET actor = 'x' WHERE sequence = 1",
    "DELETE FROM tenantplan.audit_log WHERE sequence = 1",
    "TRUNCATE tenantplan.audit_log",
    "INSERT INTO tenantplan.audit_log SELECT * FROM tenantplan.audit_log ON CONFLICT (sequence) DO UPDATE SET actor = 'x'",
    "MERGE INTO tenantplan.audit_log l USING (SELECT 1) x ON l.sequence = 1 WHEN MATCHED THEN DELETE",
)
HIDDEN = ("SELECT * FROM tenantplan.audit_log", "SELECT * FROM tenantplan.keys", "SELECT * FROM tenantplan.audit_head")


def refused(session: psycopg.Connection[object], statement: str, said: str | None = None) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=said):
        session.execute(statement.encode())


def test_nobody_changes_the_log_by_ordinary_means(fleet: Fleet) -> None:
    """Not the role that runs tenantplan, with its rights back either, nor a superuser, in replica mode either."""
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    before = fleet.rows("SELECT * FROM tenantplan.audit_log ORDER BY sequence")
    with fleet.server.connect(dbname=fleet.main_database) as runner:
        for statement in CHANGES:
            refused(runner, statement)
        runner.execute("GRANT ALL ON tenantplan.audit_log TO tp_admin")  # an owner can give itself the right back
        for statement in CHANGES:
            refused(runner, statement, "only grows")
        refused(runner, "SET session_replication_role = replica")
    with fleet.connect() as superuser:
        superuser.execute("SET session_replication_role = replica")
        for role in ("tp_admin", "none"):
            superuser.execute(f"SET ROLE {role}".encode())
            for statement in CHANGES:
                refused(superuser, statement, "only grows")
        superuser.execute("SET session_replication_role = origin")
        database = fleet.database("msf")
        for role in (f"{database}_app", f"{database}_owner", "tenantplan_rw", "tenantplan_ro"):
            superuser.execute(f"SET ROLE {role}".encode())
            for statement in HIDDEN:
                refused(superuser, statement)
            superuser.execute("RESET ROLE")
    assert fleet.rows("SELECT * FROM tenantplan.audit_log ORDER BY sequence") == before
    fleet.run("audit", "verify")
