"""`selftest`: what works is shown, what does not is named, and nothing is left behind."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from acceptance.harness import ROOT, Fleet
from servers import TestServer

STEPS = ["connect", "create database", "log in", "migrate", "create rows", "read with relations"]
STEPS += ["cascade of a project", "cascade of an organization", "clean up"]


@pytest.fixture
def alone(fleet: Fleet, fresh_server: Any) -> Iterator[Fleet]:
    """A fleet on a server of its own, so that its databases and roles can be compared; both are as before at the end."""
    shared, fleet.server = fleet.server, fresh_server()
    before = there(fleet.server)
    yield fleet
    assert there(fleet.server) == before
    fleet.server = shared


def there(server: TestServer) -> list[Any]:
    with server.superuser_connect() as connection:
        return connection.execute(
            "SELECT 'database', datname::text FROM pg_database UNION SELECT 'role', rolname FROM pg_roles ORDER BY 1, 2"
        ).fetchall()


def statuses(result: Any) -> dict[str, str]:
    return {step["name"]: step["status"] for step in result.json["steps"]}


def own_tree(fleet: Fleet, old: str, new: str) -> None:
    """Gives the fleet a main tree of its own, changed in one place."""
    tree = fleet.root / "own"
    shutil.copytree(ROOT / "migrations" / "main", tree, ignore=shutil.ignore_patterns("__pycache__"))
    changed = 0
    for file in (tree / "versions").glob("*.py"):
        text = file.read_text()
        changed += text.count(old)
        file.write_text(text.replace(old, new))
    assert changed == 1
    text = (fleet.root / "tenantplan.yaml").read_text().replace("migrations: {", "migrations: { main: own,")
    fleet.write("tenantplan.yaml", text)


def test_every_step_passes(alone: Fleet) -> None:
    result = alone.run("selftest")
    lines = result.out.splitlines()[1:-1]
    assert [line.startswith(f"  ok    {name} ") for line, name in zip(lines, STEPS, strict=True)] == [True] * 9
    assert all(" ms  " in line for line in lines)
    found = alone.run("selftest", "--json")
    assert found.json["ok"] is True
    assert statuses(found) == dict.fromkeys(STEPS, "pass")
    details = {step["name"]: step["detail"] for step in found.json["steps"]}
    assert details["log in"].startswith("SCRAM-SHA-256")


def test_by_reference_without_a_fleet(alone: Fleet) -> None:
    (alone.root / "tenantplan.yaml").unlink()
    alone.env["OTHER"] = alone.server.url()
    assert "Everything works" in alone.run("selftest", "--url", "env:OTHER").out
    alone.write("where", alone.server.url())
    alone.run("selftest", "--url", "file:where")
    assert "reference" in alone.run("selftest", "--url", alone.server.url(), code=1).err
    assert "NOT_SET" in alone.run("selftest", "--url", "env:NOT_SET", code=1).err
    alone.env["OTHER"] = "postgresql://tp:Zq7-kT9wLx2m@127.0.0.1:1/postgres"
    closed = alone.run("selftest", "--url", "env:OTHER", "--json", code=1)
    assert statuses(closed) == dict.fromkeys(STEPS, "skip") | {"connect": "fail"}
    assert "127.0.0.1:1" in closed.json["steps"][0]["detail"]
    assert "firewall" in closed.json["steps"][0]["advice"]


def test_a_cascade_that_does_not_work_is_found(alone: Fleet) -> None:
    text = "project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,\n        status deployment_status"
    own_tree(alone, text, text.replace(" REFERENCES projects (id) ON DELETE CASCADE", ""))
    result = alone.run("selftest", "--json", code=1)
    assert result.json["ok"] is False
    found = {step["name"]: step for step in result.json["steps"]}
    assert found["cascade of a project"]["status"] == "fail"
    assert "deployments: 8 rows, not 6" in found["cascade of a project"]["detail"]
    assert "spec.migrations.main" in found["cascade of a project"]["advice"]
    assert found["cascade of an organization"]["status"] == "skip"
    assert found["clean up"]["status"] == "pass"


def test_a_cascade_that_takes_too_much_is_found(alone: Fleet) -> None:
    old = "template_id uuid REFERENCES templates (id) ON DELETE SET NULL,"
    own_tree(alone, old, old.replace("REFERENCES templates (id) ON DELETE SET NULL", "REFERENCES templates (id)"))
    assert alone.run("selftest", "--json").json["ok"] is True
    trigger = (
        '\n    op.execute("CREATE FUNCTION too_much() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN'
        ' DELETE FROM public.templates; RETURN OLD; END $$")'
        '\n    op.execute("CREATE TRIGGER too_much AFTER DELETE ON organizations'
        ' FOR EACH ROW EXECUTE FUNCTION too_much()")\n'
    )
    file = next((alone.root / "own" / "versions").glob("8e21b6f3*"))
    text = file.read_text().replace("template_id uuid REFERENCES templates (id),", "template_id uuid,")
    file.write_text(text.replace("\n\n\ndef downgrade", f"{trigger}\n\ndef downgrade"))
    result = alone.run("selftest", code=1)
    assert "FAIL  cascade of an organization" in result.out
    assert "templates: 0 rows, not 1" in result.out


def test_a_migration_that_fails(alone: Fleet) -> None:
    own_tree(alone, '"REVOKE ALL ON SCHEMA tenantplan FROM PUBLIC"', '"SELECT 1 / 0"')
    result = alone.run("selftest", code=1)
    assert "FAIL  migrate" in result.out
    assert "22012" in result.out


def test_a_role_that_may_not(alone: Fleet) -> None:
    with alone.server.superuser_connect() as connection:
        connection.execute("ALTER ROLE tp_admin NOCREATEROLE")
    found = alone.run("selftest", "--json")
    assert statuses(found) == dict.fromkeys(STEPS, "pass") | {"log in": "skip"}
    with alone.server.superuser_connect() as connection:
        connection.execute("ALTER ROLE tp_admin NOCREATEDB")
    result = alone.run("selftest", code=1)
    assert 'ALTER ROLE "tp_admin" CREATEDB' in result.out


@pytest.mark.parametrize(
    ("method", "said"),
    [("reject", "FAIL  log in"), ("password", "SCRAM-SHA-256"), ("trust", "asks for no password")],
)
def test_what_pg_hba_says_of_new_roles(alone: Fleet, method: str, said: str) -> None:
    hba = alone.server.data / "pg_hba.conf"
    rules = "host all tp_admin 127.0.0.1/32 scram-sha-256\nlocal all postgres trust\n"
    hba.write_text(f"{rules}host all all 127.0.0.1/32 {method}\n")
    with alone.server.superuser_connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
    time.sleep(0.3)
    result = alone.run("selftest", code=0 if method == "trust" else 1)
    assert said in result.out
    if method != "trust":
        assert "pg_hba.conf" in result.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_cleans_up(alone: Fleet, number: signal.Signals) -> None:
    own_tree(alone, '"REVOKE ALL ON SCHEMA tenantplan FROM PUBLIC"', '"SELECT pg_sleep(60)"')
    before = there(alone.server)
    process = alone.start("selftest")
    sleeping = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    with alone.server.superuser_connect() as connection:
        deadline = time.monotonic() + 30
        while not connection.execute(sleeping).fetchall() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert connection.execute(sleeping).fetchall()
        assert len(there(alone.server)) == len(before) + 2  # its database, and its role
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "ok    clean up" in out
    assert "interrupted" in err
    assert there(alone.server) == before


def test_a_database_that_somebody_is_in_goes_all_the_same(alone: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    from tenantplan.commands.selftest import selftest, steps
    from tenantplan.errors import SchemaMismatch

    opened = []

    def looked_into(bench: steps.Bench) -> str:
        opened.append(alone.server.connect(dbname=bench.name))  # as the same role: a monitor, say
        raise SchemaMismatch("on purpose")

    monkeypatch.setattr(selftest, "STEPS", [*steps.STEPS[:3], ("look", looked_into, "")])
    result = alone.run("selftest", code=1)
    opened[0].close()
    assert "on purpose" in result.out
    assert "ok    clean up" in result.out
