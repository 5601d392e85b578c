"""`db show`: the connection string of an application, masked, or with its password for somebody who says why."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from acceptance.harness import ROOT, Fleet

from tenantplan.secrets.box import new_key

pytestmark = pytest.mark.once

PASSWORD = "c0rrect: h@rse/9"
REASON = "incident 42: the importer is stuck"
REVEALS = (
    "SELECT organization, result, detail, actor FROM tenantplan.audit_log WHERE action = 'reveal' ORDER BY sequence"
)


@pytest.fixture
def applied(fleet: Fleet) -> Fleet:
    """acme, with a login; shared, in shared mode."""
    fleet.env["ACME_PASSWORD"] = PASSWORD
    pool = "pool: { size: 4, maxOverflow: 6, timeout: 2500ms }"
    fleet.organization("acme", f"database: {{ mode: dedicated, password: {{ env: ACME_PASSWORD }}, {pool} }}")
    fleet.organization("shared")
    fleet.apply()
    return fleet


@pytest.fixture
def brought(fleet: Fleet) -> Iterator[Fleet]:
    """acme, with a database of its own."""
    database = f"brought_{fleet.id}"
    fleet.execute(f"CREATE DATABASE {database} OWNER tp_admin", database="postgres")
    fleet.env |= {"ACME_URL": fleet.server.url(dbname=database), "CREDENTIALS_ENCRYPTION_KEY": new_key()}
    fleet.organization("acme", "database: { url: { env: ACME_URL } }")
    fleet.apply()
    yield fleet
    fleet.execute(f"DROP DATABASE {database} WITH (FORCE)", database="postgres")


def test_an_application_logs_in_with_what_is_shown(applied: Fleet) -> None:
    database = applied.database("acme")
    shown = applied.run("db", "show", "acme", "--json").json
    place = f"127.0.0.1:{applied.server.port}/{database}"
    assert (shown["login"], shown["url"]) == (f"{database}_app", f"postgresql://{database}_app:***@{place}")
    for driver, start in {"psycopg": "postgresql+psycopg://", "asyncpg": "postgresql+asyncpg://"}.items():
        assert applied.run("db", "show", "acme", "--driver", driver, "--json").json["url"].startswith(start)
    prisma = applied.run("db", "show", "acme", "--driver", "prisma").out
    assert f"{place}?connection_limit=10&pool_timeout=3" in prisma
    assert applied.rows(REVEALS) == []

    revealed = applied.run("db", "show", "acme", "--reveal", "--reason", REASON)
    url = revealed.out.strip()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == (f"{database}_app", database)
    for organization, result, detail, actor in applied.rows(REVEALS):
        assert (organization, result, detail) == ("organization/acme", "done", REASON) and actor
    applied.converged()
    listed = applied.run("audit", "list", "--action", "reveal", "--json")
    assert len(listed.json) == 1 and "h%40rse" not in listed.out and PASSWORD not in listed.out
    as_json = applied.run("db", "show", "acme", "--reveal", "--reason", REASON, "--driver", "prisma", "--json").json
    assert as_json["url"] == f"{url}?connection_limit=10&pool_timeout=3"


def test_the_limit_of_the_login_is_that_of_the_pool(fleet: Fleet) -> None:
    fleet.organization("acme", "database: { mode: dedicated, connectionLimit: 7 }")
    assert "?connection_limit=7" in fleet.run("db", "show", "acme", "--driver", "prisma").out


def test_nothing_is_shown_without_a_reason(applied: Fleet) -> None:
    for reason in ([], *(["--reason", text] for text in ("x", "  \n ", "y" * 501, "esc \x1b[31m"))):
        refused = applied.run("db", "show", "acme", "--reveal", *reason, code=1)
        assert refused.out == "" and "--reason" in refused.err
    assert applied.rows(REVEALS) == []
    assert "--reveal" in applied.run("db", "show", "acme", "--reason", REASON, code=1).err


def test_nothing_is_shown_that_cannot_be_audited(applied: Fleet) -> None:
    applied.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'refused by the test'; END$$;"
        " CREATE TRIGGER refuse BEFORE INSERT ON tenantplan.audit_log FOR EACH ROW EXECUTE FUNCTION public.refuse()"
    )
    refused = applied.run("db", "show", "acme", "--reveal", "--reason", REASON, code=1)
    assert refused.out == "" and "nothing is shown" in refused.err and "refused by the test" in refused.err
    applied.execute("DROP FUNCTION public.refuse() CASCADE")
    reader = f"o{applied.id}_reader"
    applied.execute(f"CREATE ROLE {reader} LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data", database="postgres")
    applied.execute(f"GRANT CONNECT ON DATABASE {applied.main_database} TO {reader}", database="postgres")
    env = {"TENANTPLAN_MAIN_URL": applied.server.url(reader, password=PASSWORD)}
    refused = applied.run("db", "show", "acme", "--reveal", "--reason", REASON, code=1, env=env)
    assert refused.out == "" and "permission denied" in refused.err and "the role that applies" in refused.err
    assert applied.rows(REVEALS) == []
    applied.run("audit", "verify")
    applied.execute(f"REVOKE CONNECT ON DATABASE {applied.main_database} FROM {reader}", database="postgres")


def test_what_tenantplan_does_not_know_is_not_audited(applied: Fleet) -> None:
    assert "no login of its own" in applied.run("db", "show", "shared", "--reveal", "--reason", REASON, code=1).err
    del applied.env["ACME_PASSWORD"]
    assert "ACME_PASSWORD" in applied.run("db", "show", "acme", "--reveal", "--reason", REASON, code=1).err
    applied.organization("acme", "database: { mode: dedicated }")
    missing = applied.run("db", "show", "acme", "--reveal", "--reason", REASON, code=1).err
    assert "does not know the password" in missing and "database: { password:" in missing
    applied.settings("servers: { eu: { url: { env: EU_URL } } }")
    applied.organization("far", "database: { mode: dedicated, server: eu, password: { env: ACME_PASSWORD } }")
    assert "EU_URL" in applied.run("db", "show", "far", "--reveal", "--reason", REASON, code=1).err
    assert applied.rows(REVEALS) == []


def test_a_brought_connection_string_comes_from_where_it_is_encrypted(brought: Fleet) -> None:
    url = brought.env.pop("ACME_URL")
    secret = url.partition("@")[0].rpartition(":")[2]
    for arguments in (
        ["db", "show", "acme"],
        ["db", "show", "acme", "--json"],
        ["db", "show", "acme", "--driver", "asyncpg"],
    ):
        assert secret not in brought.run(*arguments).out
    assert brought.run("db", "show", "acme", "--reveal", "--reason", REASON).out.strip() == url
    other = brought.run("db", "show", "acme", "--reveal", "--reason", REASON, "--driver", "psycopg").out.strip()
    assert other == url.replace("postgresql://", "postgresql+psycopg://")
    assert [row[:3] for row in brought.rows(REVEALS)] == [("organization/acme", "done", REASON)] * 2

    key = brought.env.pop("CREDENTIALS_ENCRYPTION_KEY")
    refused = brought.run("db", "show", "acme", "--reveal", "--reason", REASON, code=1)
    assert refused.out == "" and "CREDENTIALS_ENCRYPTION_KEY" in refused.err
    brought.env["CREDENTIALS_ENCRYPTION_KEY"] = new_key()
    refused = brought.run("db", "show", "acme", "--reveal", "--reason", REASON, code=1)
    assert refused.out == "" and "not available here" in refused.err
    brought.env["CREDENTIALS_ENCRYPTION_KEY"] = key
    brought.execute("UPDATE organizations SET database_connection = set_byte(database_connection, 60, 7)")
    refused = brought.run("db", "show", "acme", "--reveal", "--reason", REASON, code=1)
    assert refused.out == "" and "changed, moved or put back" in refused.err
    assert [row[1] for row in brought.rows(REVEALS)][2:] == ["refused"] * 3
    brought.run("audit", "verify")


def test_a_reason_with_a_password_in_it_is_audited_without(applied: Fleet) -> None:
    applied.run("db", "show", "acme", "--reveal", "--reason", f"postgresql://u:other-4711@h/d and {PASSWORD} fail")
    assert applied.rows(REVEALS)[0][2] == "postgresql://u:***@h/d and *** fail"


def test_on_a_terminal_the_reason_is_asked_for(applied: Fleet) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tenantplan", "db", "show", "acme", "--reveal"], cwd=applied.root, stdin=theirs,
        env={**applied.environment(), "PYTHONPATH": str(ROOT / "src")}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.write(ours, f"{REASON}\n".encode())
    out, err = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0 and b"Reason" in err
    assert out.startswith(b"postgresql://") and out.count(b"\n") == 1
    assert applied.rows(REVEALS)[0][2] == REASON
