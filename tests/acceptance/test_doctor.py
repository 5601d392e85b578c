"""`doctor`: the checklist before a deployment; each line can fail, and says what to do then."""

from __future__ import annotations

import time

import pytest
from acceptance.harness import Fleet, Result
from acceptance.pooler import Pooler
from acceptance.tenant_tree import tenant_tree
from conftest import FreshServer

from tenantplan.secrets.box import new_key

ADD = "op.add_column('donors', sa.Column({!r}, sa.Text()))"
DROP = "op.drop_column('donors', {!r})"


def lines(result: Result) -> dict[tuple[str, str], tuple[str, str, str]]:
    """(subject, name) -> status, detail, advice."""
    found = {(c["subject"], c["name"]): (c["status"], c["detail"], c["advice"]) for c in result.json["checks"]}
    for status, _, advice in found.values():
        assert status == "pass" or advice, "a line that says nothing to do"
    assert result.json["ok"] is (result.code == 0) is not any(status == "fail" for status, _, _ in found.values())
    return found


def doctor(fleet: Fleet, *arguments: str, code: int = 0) -> dict[tuple[str, str], tuple[str, str, str]]:
    before = databases(fleet)
    found = lines(fleet.run("doctor", "--json", *arguments, code=code))
    assert databases(fleet) == before, "something was left behind"
    return found


def databases(fleet: Fleet) -> list[str]:
    return [row[0] for row in fleet.rows("SELECT datname::text FROM pg_database ORDER BY 1", database="postgres")]


def test_before_the_first_apply_and_when_all_is_well(fleet: Fleet) -> None:
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = new_key()
    fleet.organization("msf", "database: { mode: dedicated }")
    first = doctor(fleet)
    assert first["main", "rehearsal"][1].startswith(
        "the main database's migrations, from the beginning, works in an empty"
    )
    assert "base -> 9c1b04aa works in an empty database" in first["server primary", "rehearsal"][1]
    fleet.apply()
    found = doctor(fleet)
    expected = {
        ("main", "connect"), ("main", "version"), ("main", "no pooler"), ("main", "TLS"), ("main", "createdb"),
        ("main", "createrole"), ("main", "event triggers"), ("main", "pg_authid"), ("main", "pg_signal_backend"),
        ("main", "pg_read_all_stats"), ("main", "database"), ("main", "encryption key"), ("manifest", "secrets"),
        ("migrations", "history"), ("migrations", "rollback path"), ("migrations", "rehearsal"), ("main", "audit log"),
        ("server primary", "connections"), ("main", "runs"), ("server primary", "templates"), ("fleet", "backup"),
        ("fleet", "pooling"),
        ("databases", "schema"),
    }  # fmt: skip
    assert set(found) == expected
    assert {place for place, line in found.items() if line[0] != "pass"} <= {("fleet", "backup"), ("main", "version")}
    assert "no sentinel" in found["main", "event triggers"][1]
    shown = fleet.run("doctor")
    assert "nothing is pending" in shown.out and "Deploy in this order:" in shown.out
    order = [step["step"] for step in fleet.run("doctor", "--json").json["order"]]
    assert order == ["backup", "migrate", "verify", "watch"]
    fleet.converged()


def test_a_schema_that_differs_is_named_with_its_repair(fleet: Fleet) -> None:
    for name in ("msf", "acme"):
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.apply()
    assert "each of 2" in doctor(fleet)["databases", "schema"][1]
    fleet.execute("DROP INDEX donations_donor_id_idx", database=fleet.database("msf"))
    schema = f"schema/primary/{fleet.database('msf')}"
    status, detail, advice = doctor(fleet, code=1)[schema, "schema"]
    assert (status, "donations_donor_id_idx" in detail) == ("fail", True)
    assert "tenantplan drift --repair --out plan.json" in advice
    fleet.run("drift", "--repair", "--out", "plan.json", code=2)
    fleet.run("apply", "plan.json")
    assert "each of 2" in doctor(fleet)["databases", "schema"][1]
    fleet.execute("DROP INDEX donations_donor_id_idx", database=fleet.database("msf"))
    ignored = "{ address: 'schema/*', object: 'index *', reason: asked for, until: 2099-01-01 }"
    fleet.settings(f"drift: {{ ignore: [ {ignored} ] }}")
    assert "each of 2" in doctor(fleet)["databases", "schema"][1]


def test_pending_migrations_are_rehearsed_there_and_back(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    for name in ("a", "b"):
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.apply()
    head = tree.head
    tree.add("aa01", ADD.format("x"), back=DROP.format("x"))
    found = doctor(fleet)
    assert found["server primary", "rehearsal"][1].startswith(
        f"{head} -> aa01 works on a copy of its template and back"
    )
    assert found["migrations", "rollback path"] == ("pass", "1 pending, each with a downgrade", "")
    tree.add("aa02", "op.get_bind().execute(sa.text('SELECT 1'))\n" + ADD.format("y"), back="raise NotImplementedError")
    found = doctor(fleet)  # a program of Alembic's
    assert f"{head} -> aa02 works on a copy of its template, in" in found["server primary", "rehearsal"][1]
    assert found["migrations", "rollback path"][:2] == ("warn", "no way back from aa02")
    assert doctor(fleet, "--skip-rehearsal")["migrations", "rehearsal"][0] == "warn"
    tree.add("aa03", "op.execute('ALTER TABLE nowhere ADD x int')")
    found = doctor(fleet, code=1)
    status, detail, advice = found["server primary", "rehearsal"]
    assert status == "fail" and '42P01 relation "nowhere" does not exist' in detail and "fix the revision" in advice
    assert fleet.rows("SELECT version_num FROM alembic_version", database=fleet.database("a")) == [(head,)]


@pytest.mark.once
def test_a_killed_rehearsal_is_cleared_by_the_next(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.organization("a", "database: { mode: dedicated }")
    fleet.apply()
    head = tree.head
    slow = tree.add("aa01", "op.execute('SELECT pg_sleep(60)')")
    process = fleet.start("doctor")
    at_work = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'tp_new_doctor%' AND query LIKE '%pg_sleep(60)%'"
    )
    deadline = time.monotonic() + 60
    while fleet.rows(at_work, database="postgres") == [(0,)] and time.monotonic() < deadline:
        time.sleep(0.05)
    slow.unlink()
    tree.head = head
    tree.add("aa02", ADD.format("x"))
    assert "doctor had left" not in fleet.run("doctor").out  # it is in use
    left = [name for name in databases(fleet) if name.startswith("tp_new_doctor")]
    assert len(left) == 1
    process.kill()
    process.communicate()
    ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s"
    fleet.execute(ended, f"tp:{left[0]}", database="postgres")
    assert f"had left: {left[0]}" in fleet.run("doctor").out
    assert left[0] not in databases(fleet)


@pytest.mark.once
def test_keys_and_secrets(fleet: Fleet) -> None:
    fleet.env |= {"JWT": "a-secret-of-msf-4711-k7Jd93xQ0zLm", "CREDENTIALS_ENCRYPTION_KEY": new_key()}
    fleet.organization("msf", "secrets: { jwt: { value: { env: JWT } } }")
    fleet.apply()
    assert doctor(fleet)["main", "encryption key"][1] == "set; 1 credentials are under it or a former one"
    old = fleet.env.pop("CREDENTIALS_ENCRYPTION_KEY")
    found = doctor(fleet, code=1)
    assert found["main", "encryption key"][0] == "fail"
    fleet.settings("credentials: { formerKeys: [ { env: OLD_KEY } ] }")
    fleet.env |= {"OLD_KEY": old, "CREDENTIALS_ENCRYPTION_KEY": new_key()}
    assert doctor(fleet)["main", "former keys"][1:] == (
        "1 credentials are still under one",
        "tenantplan credentials rekey",
    )
    fleet.run("credentials", "rekey")
    assert "remove them" in doctor(fleet)["main", "former keys"][2]
    secret = fleet.env.pop("JWT")
    found = doctor(fleet)
    assert found["organization/msf/secret/jwt", "secret"][0] == "warn"  # as stored
    fleet.organization("msf", "secrets: { jwt: { value: { env: JWT } }, other: { value: { env: OTHER } } }")
    found = doctor(fleet, code=1)
    assert found["organization/msf/secret/other", "secret"][0] == "fail"
    assert "OTHER" in found["organization/msf/secret/other", "secret"][1] and secret not in str(found)
    fleet.settings("packages: { url: { env: STORE_URL } }")
    assert "STORE_URL" in doctor(fleet, code=1)["fleet file", "packages.url"][1]


@pytest.mark.once
def test_servers_pools_and_databases_of_their_own(fleet: Fleet) -> None:
    fleet.settings("servers: { primary: { maxConnections: 200 }, eu: { url: { env: EU_URL } } }")
    fleet.env |= {"ACME_URL": "postgresql://u:other-4711@127.0.0.1:1/x"}
    fleet.organization("acme", "database: { url: { env: ACME_URL } }")
    fleet.organization("msf", "database: { mode: dedicated }")
    found = doctor(fleet, code=1)
    assert found["server eu", "connect"][0] == "fail" and "EU_URL" in found["server eu", "connect"][1]
    assert found["server primary", "connections"][0] == "fail"
    assert (
        found["organization/acme", "database"][0] == "fail"
        and "127.0.0.1:1" in found["organization/acme", "database"][1]
    )
    fleet.settings("servers: { primary: { maxConnections: 4 } }")
    fleet.remove("Organization", "acme")
    fleet.organization("msf", "database: { mode: dedicated, pool: { size: 90, maxOverflow: 10 } }")
    fleet.apply()
    assert doctor(fleet)["server primary", "connections"][:2] == (
        "warn", "pools of organizations may open 100, tenantplan 4, the server takes 97"
    )  # fmt: skip
    fleet.organization("msf", "database: { mode: dedicated, connectionLimit: 9, pool: { size: 90, maxOverflow: 10 } }")
    fleet.apply()
    assert doctor(fleet)["server primary", "connections"][:2] == ("pass", "9 for pools and 4 for tenantplan, of 97")


@pytest.mark.once
def test_a_migration_is_rehearsed_on_each_server_that_it_is_for(fleet: Fleet, fresh_server: FreshServer) -> None:
    other = fresh_server()
    tree = tenant_tree(fleet)
    fleet.settings("servers: { eu: { url: { env: EU_URL } } }", migrations="migrations/tenant")
    fleet.env["EU_URL"] = other.url()
    fleet.organization("far", "database: { mode: dedicated, server: eu }")
    fleet.apply()
    tree.add("aa01", ADD.format("x"), back=DROP.format("x"))
    found = doctor(fleet)
    assert " -> aa01 works on a copy of its template and back" in found["server eu", "rehearsal"][1]
    assert "in an empty database" in found["main", "rehearsal"][1]  # the tables of shared mode
    assert ("server primary", "rehearsal") not in found
    with other.superuser_connect() as connection:
        assert connection.execute("SELECT FROM pg_database WHERE datname LIKE 'tp_new_%'").fetchall() == []


@pytest.mark.once
def test_history_log_and_runs(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    path = tree.folder / "versions" / f"{tree.head}_donor_consent_and_keys.py"
    text = path.read_text()
    path.write_text(text + "\n# edited\n")
    assert doctor(fleet, code=1)["migrations", "history"][0] == "fail"
    path.write_text(text)
    fleet.execute(
        "ALTER TABLE tenantplan.audit_log DISABLE TRIGGER ALL; UPDATE tenantplan.audit_log SET actor = 'x' WHERE sequence = 2"
    )
    assert doctor(fleet, code=1)["main", "audit log"][0] == "fail"
    fleet.execute("UPDATE tenantplan.runs SET status = 'running'")
    run = fleet.rows("SELECT id::text FROM tenantplan.runs")[0][0]
    status, detail, advice = doctor(fleet, code=1)["main", "runs"]
    assert status == "warn" and run in detail and "apply" in advice
    fleet.execute("UPDATE tenantplan.runs SET status = 'done'")
    fleet.execute("CREATE DATABASE tp_new_abandoned", database="postgres")
    try:
        assert "tp_new_abandoned" in doctor(fleet, code=1)["server primary", "templates"][1]
    finally:
        fleet.execute("DROP DATABASE tp_new_abandoned", database="postgres")


@pytest.mark.once
def test_what_keeps_everything_else_from_being_known(fleet: Fleet) -> None:
    fleet.organization("msf")
    found = lines(
        fleet.run("doctor", "--json", code=1, env={"TENANTPLAN_MAIN_URL": fleet.server.url(password="wrong-4711")})
    )
    assert found["main", "connect"][0] == "fail" and "wrong-4711" not in str(found)
    with Pooler(fleet.server, ignore_options=True) as pooler:
        found = lines(fleet.run("doctor", "--json", code=1, env={"TENANTPLAN_MAIN_URL": pooler.url}))
        assert found["main", "no pooler"][0] == "fail"
    fleet.organization("msf", "nonsense: 1")
    assert doctor(fleet, code=1)["manifest", "YAML"][2] == "tenantplan validate shows them"
    role = f"o{fleet.id}_poor"
    fleet.execute(f"CREATE ROLE {role} LOGIN PASSWORD 's0me-l0ng-passw0rd'", database="postgres")
    poor = fleet.server.url(role, password="s0me-l0ng-passw0rd")
    found = lines(fleet.run("doctor", "--json", code=1, env={"TENANTPLAN_MAIN_URL": poor}))
    for right in ("createdb", "createrole"):
        assert found["main", right][0] == "fail" and f"ALTER ROLE {role} {right.upper()}" in found["main", right][2]


@pytest.mark.once
def test_a_superuser_has_everything_and_is_told_so(fleet: Fleet) -> None:
    fleet.organization("msf")
    env = {"TENANTPLAN_MAIN_URL": fleet.server.url("postgres")}
    found = lines(fleet.run("doctor", "--json", "--skip-rehearsal", code=None, env=env))
    assert found["main", "least privilege"][0] == "warn"
    assert all(found["main", name][1] == "has it" for name in ("event triggers", "pg_authid", "pg_signal_backend"))
