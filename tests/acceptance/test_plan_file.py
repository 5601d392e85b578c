"""The plan file: what was reviewed is what runs, once, on the target it was made for."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from acceptance.harness import ROOT, Fleet
from conftest import FreshServer
from servers import TestServer

from tenantplan.errors import PlanRefused
from tenantplan.model.plan import Plan, parse
from tenantplan.postgres.connect import Connector
from tenantplan.postgres.url import Server

pytestmark = pytest.mark.once


def dump(server: TestServer) -> str:
    """The whole cluster as SQL: roles with their passwords, databases with their rows, comments and rights."""
    program, folder = str(server.programs / "pg_dumpall"), str(server.socket_dir)
    command = [program, "-h", folder, "-p", str(server.port), "-U", "postgres"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": os.defpath})
    return re.sub(r"(?m)^\\(un)?restrict .*$", "", done.stdout)  # a random word since 2025


def saved(fleet: Fleet, *arguments: str) -> tuple[Path, Plan]:
    """A plan file in the fleet's folder, and what it says."""
    path = fleet.root / "plan.json"
    made = fleet.run("plan", "--out", str(path), *arguments, code=None)
    plan = parse(path.read_bytes(), "")
    assert made.code == (3 if plan.blockers else 0), made.err
    return path, plan


def an_edit(fleet: Fleet) -> None:
    """An applied fleet with an edit that touches a row, a role and a database."""
    fleet.organization("acme")
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    fleet.organization("msf", "state: suspended\ndatabase: { mode: dedicated, connectionLimit: 5 }")


def forged(path: Path, **changes: Any) -> None:
    """The file with other content and a seal that holds: what whoever can write the file can do."""
    path.write_bytes(replace(parse(path.read_bytes(), ""), **changes).to_bytes())


def stamp(age: timedelta) -> str:
    return (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_saved_plan_applies_exactly_what_it_lists(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN }")
    path, plan = saved(fleet)
    fleet.organization("later")  # not in the plan
    report = fleet.run("apply", str(path), "--json").json
    listed = [operation.id for operation in plan.operations]
    assert listed
    journal = [row[0] for row in fleet.rows("SELECT op_id FROM tenantplan.operations WHERE status = 'done'")]
    assert sorted(journal) == sorted(listed)
    audited = fleet.rows("SELECT address, plan_digest FROM tenantplan.audit_log WHERE action <> 'connect'")
    assert sorted(audited) == sorted((operation.address, plan.digest) for operation in plan.operations)
    assert report["digest"] == plan.digest
    assert fleet.rows("SELECT slug FROM organizations") == [("msf",)]
    assert fleet.operations() == ["create organization/later"]


def test_settings_that_look_like_a_reference_are_applied_from_a_file(fleet: Fleet) -> None:
    fleet.organization("acme", "modules: { forms: { settings: { $ref: tier/x } } }")
    path, _ = saved(fleet)
    fleet.run("apply", str(path))
    assert fleet.operations() == []
    assert fleet.rows("SELECT settings FROM organization_modules") == [({"$ref": "tier/x"},)]


def test_what_stdout_and_the_file_hold_is_the_same_plan(fleet: Fleet) -> None:
    fleet.organization("acme")
    path = fleet.root / "plan.json"
    printed = fleet.run("plan", "--format", "json", "--out", str(path)).out
    assert printed.encode() == path.read_bytes()
    document = json.loads(printed)
    assert document["format_version"] == "1.0"
    assert {"tool_version", "fleet", "created_at", "base", "target", "config_digest", "digest", "seal"} <= set(document)
    operation = next(o for o in document["operations"] if o["address"] == "organization/acme")
    assert {"id", "action", "class", "scope", "transactional", "depends_on", "summary", "before", "after"} <= set(
        operation
    )


@pytest.mark.parametrize(
    ("database", "change"),
    [
        ("main", "UPDATE organizations SET connection_limit = 7 WHERE slug = 'msf'"),
        ("main", "UPDATE organizations SET managed_by = NULL WHERE slug = 'msf'"),
        ("main", "DELETE FROM organizations WHERE slug = 'msf'"),
        ("postgres", "ALTER ROLE {database}_app CONNECTION LIMIT 3"),
        ("postgres", "ALTER ROLE {database}_app NOLOGIN"),
        ("postgres", "GRANT CONNECT ON DATABASE {database} TO tp_admin"),
        ("postgres", "ALTER DATABASE {database} CONNECTION LIMIT 3"),
    ],
)
def test_a_live_change_makes_the_plan_stale(fleet: Fleet, database: str, change: str) -> None:
    an_edit(fleet)
    path, _ = saved(fleet)
    where = fleet.main_database if database == "main" else database
    fleet.execute(change.format(database=fleet.database("msf")), database=where)
    before = dump(fleet.server)
    refused = fleet.run("apply", str(path), code=4)
    assert "msf" in refused.err and "new plan" in refused.err
    assert dump(fleet.server) == before


def test_a_revision_changed_since_makes_the_plan_stale(fleet: Fleet) -> None:
    tree = fleet.root / "migrations"
    shutil.copytree(ROOT / "migrations" / "tenant", tree, ignore=shutil.ignore_patterns("__pycache__"))
    fleet.settings(migrations=str(tree))
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    head = fleet.rows("SELECT version_num FROM alembic_version", database=fleet.database("msf"))[0][0]
    (tree / "versions" / "a1_note.py").write_text(
        f'"""note"""\n\nfrom alembic import op\n\nrevision = "a1"\ndown_revision = "{head}"\n'
        "branch_labels = None\ndepends_on = None\n\n\ndef upgrade() -> None:\n"
        '    op.execute("ALTER TABLE donors ADD COLUMN note text")\n\n\ndef downgrade() -> None:\n'
        '    op.execute("ALTER TABLE donors DROP COLUMN note")\n'
    )
    path, plan = saved(fleet)
    assert [o.address for o in plan.operations if o.action == "migrate" and "msf" in o.address]
    # The stamp still says `head`: somebody migrated the database behind tenantplan's back.
    fleet.execute("UPDATE alembic_version SET version_num = '3f2a7c10'", database=fleet.database("msf"))
    late = fleet.run("apply", str(path), code=None)
    assert late.code in (4, 5) and "3f2a7c10" in late.out + late.err
    columns = fleet.rows(
        "SELECT 1 FROM pg_attribute WHERE attrelid = 'donors'::regclass AND attname = 'note'",
        database=fleet.database("msf"),
    )
    assert columns == []  # that database is as it was


def test_a_plan_for_another_server_is_refused(fleet: Fleet, fresh_server: FreshServer) -> None:
    other = fresh_server()
    fleet.organization("msf", "database: { mode: dedicated }")
    path, _ = saved(fleet)
    before = dump(other)
    elsewhere = {"TENANTPLAN_MAIN_URL": other.url()}
    assert "another PostgreSQL server" in fleet.run("apply", str(path), code=4, env=elsewhere).err
    assert dump(other) == before
    fleet.run("apply", "--auto-approve", env=elsewhere)
    fleet.apply()
    fleet.organization("msf", "contact: { phone: '1' }\ndatabase: { mode: dedicated }")
    path, _ = saved(fleet)
    before = dump(other)
    fleet.run("apply", str(path), code=4, env=elsewhere)
    assert dump(other) == before


def test_a_plan_of_another_fleet_is_refused(fleet: Fleet, tmp_path: Path, server: TestServer) -> None:
    other = Fleet(tmp_path / "other", server)
    try:
        other.organization("acme")
        path, _ = saved(other)
        fleet.organization("acme")
        before = dump(server)
        assert other.name in fleet.run("apply", str(path), code=4).err
        assert dump(server) == before
    finally:
        other.clean()


def test_every_flipped_byte_is_noticed(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.apply()
    fleet.organization("acme", "contact: { company: Ácme }")
    path, _ = saved(fleet)
    data = path.read_bytes()
    assert 1000 < len(data) < 10_000
    for position in range(len(data)):
        for mask in (0x01, 0x20, 0x80):
            broken = bytearray(data)
            broken[position] ^= mask
            with pytest.raises(PlanRefused):
                parse(bytes(broken), "plan.json")


def test_a_cut_or_lengthened_file_is_noticed(fleet: Fleet) -> None:
    fleet.organization("acme")
    path, _ = saved(fleet)
    data = path.read_bytes()
    pretty = json.dumps(json.loads(data), indent=1).encode()
    twice = data.replace(b'"address":', b'"address":"x","address":', 1)
    for other in (data[:-1], data[:-2], data[: len(data) // 2], b"", data + b"\n", data + b" ", b" " + data, data * 2, pretty,
                  twice, b"\xef\xbb\xbf" + data, b"null\n", b"[]\n", b'{"format_version":"2.0"}', b"[" * 100_000):  # fmt: skip
        with pytest.raises(PlanRefused):
            parse(other, "plan.json")


def test_the_command_refuses_a_damaged_file_before_it_connects(fleet: Fleet) -> None:
    an_edit(fleet)
    path, _ = saved(fleet)
    data = path.read_bytes()
    before = dump(fleet.server)
    for position in random.Random(23).sample(range(len(data)), 12):
        broken = bytearray(data)
        broken[position] ^= 0x01
        path.write_bytes(broken)
        fleet.run("apply", str(path), code=4)
    path.write_bytes(data[:-20])
    refused = fleet.run("apply", str(path), code=4, env={"TENANTPLAN_MAIN_URL": "postgresql://u:p@127.0.0.1:1/x"})
    assert "plan --out" in refused.err
    assert dump(fleet.server) == before


def test_age(fleet: Fleet) -> None:
    an_edit(fleet)
    fleet.settings("guard: { planMaxAgeHours: 2 }")
    path, plan = saved(fleet)
    before = dump(fleet.server)
    for created in (stamp(timedelta(hours=2, minutes=1)), stamp(timedelta(minutes=-30)), "2026-01-01T00:00:00", "soon"):
        forged(path, created_at=created)
        fleet.run("apply", str(path), code=4)
    assert dump(fleet.server) == before
    forged(path, created_at=stamp(timedelta(hours=1, minutes=50)))
    assert parse(path.read_bytes(), "").digest == plan.digest
    fleet.run("apply", str(path))


def test_a_plan_is_applied_once(fleet: Fleet) -> None:
    an_edit(fleet)
    path, _ = saved(fleet)
    fleet.run("apply", str(path))
    before = dump(fleet.server)
    assert "already applied" in fleet.run("apply", str(path), code=4).err
    fleet.organization("msf", "state: active\ndatabase: { mode: dedicated }")
    assert dump(fleet.server) == before


def test_the_first_plan_is_applied_once(fleet: Fleet) -> None:
    fleet.organization("acme")
    path, _ = saved(fleet)
    fleet.run("apply", str(path))
    before = dump(fleet.server)
    fleet.run("apply", str(path), code=4)
    assert dump(fleet.server) == before


def _edit_settings(fleet: Fleet, tree: Path) -> None:
    fleet.settings("guard: { graceDays: 1 }", migrations=str(tree))


def _edit_migration(fleet: Fleet, tree: Path) -> None:
    file = next((tree / "versions").glob("9c1b*.py"))
    file.write_text(file.read_text() + "\n# a word more\n")


@pytest.mark.parametrize("edit", [_edit_settings, _edit_migration])
def test_a_plan_holds_for_its_settings_and_migrations_only(fleet: Fleet, edit: Callable[[Fleet, Path], None]) -> None:
    """What the plan means depends on them."""
    tree = fleet.root / "migrations"
    shutil.copytree(ROOT / "migrations" / "tenant", tree, ignore=shutil.ignore_patterns("__pycache__"))
    fleet.settings(migrations=str(tree))
    fleet.organization("acme")
    path, _ = saved(fleet)
    edit(fleet, tree)
    before = dump(fleet.server)
    fleet.run("apply", str(path), code=4)
    assert dump(fleet.server) == before


def test_the_same_input_gives_the_same_plan(fleet: Fleet) -> None:
    names = ["acme", "msf", "unicef", "wwf"]
    for name in names:
        fleet.organization(name, f"database: {{ mode: {'dedicated' if name == 'msf' else 'shared'} }}")
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN }")
    first = fleet.plan()
    texts = [path.read_text() for path in sorted((fleet.root / "tenants").glob("*.yaml"))]
    for path in (fleet.root / "tenants").glob("*.yaml"):
        path.unlink()
    fleet.write("tenants/deep/all.yaml", "\n---\n".join(reversed(texts[1:])))
    fleet.write("tenants/z.yml", texts[0])
    second = fleet.plan()
    assert second["digest"] == first["digest"]
    for moment in ("created_at", "seal"):
        first.pop(moment), second.pop(moment)
    assert json.dumps(first) == json.dumps(second)


def test_another_input_gives_another_digest(fleet: Fleet) -> None:
    fleet.organization("acme")
    first = fleet.plan()["digest"]
    fleet.organization("acme", "contact: { phone: '1' }")
    assert fleet.plan()["digest"] != first


def test_planning_writes_nothing(fleet: Fleet) -> None:
    """A first plan, and later ones with every sort of change: the cluster's dump is the same before and after."""
    fleet.organization("acme")
    fleet.organization("msf", "database: { mode: dedicated }\nprotect: false")
    before = dump(fleet.server)
    fleet.plan()
    assert dump(fleet.server) == before
    fleet.apply()
    fleet.organization("acme", "database: { mode: dedicated }")
    fleet.organization("msf", "database: { mode: dedicated }\nprotect: false\nstate: deleted")
    fleet.organization("new", "database: { mode: dedicated }")
    before = dump(fleet.server)
    for form in ("text", "json", "markdown", "html"):
        fleet.run("plan", "--format", form, "--out", str(fleet.root / "plan.json"), code=3)
    assert dump(fleet.server) == before


def test_the_sessions_of_a_plan_cannot_write(server: TestServer) -> None:
    connector = Connector({"primary": Server("primary", server.params(), 4)}, 4)
    with connector.connect("primary", read_only=True) as session:
        for statement in ("CREATE TABLE public.x ()", "CREATE ROLE o_x", "COMMENT ON DATABASE postgres IS 'x'"):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                session.execute(statement.encode())
    with connector.connect("primary") as session:
        assert session.execute("SHOW transaction_read_only").fetchone() == ("off",)
