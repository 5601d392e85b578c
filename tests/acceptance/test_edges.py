"""Errors at the edges are sentences: what happened, where, and what to do; never a traceback or the name of a class."""

from __future__ import annotations

import json
import os
import threading
import time
from hashlib import sha256
from typing import Any

import pytest
from acceptance.harness import Fleet, Result

from tenantplan.errors import PlanRefused
from tenantplan.model.encode import canonical
from tenantplan.model.plan import parse

BARE = ("TENANTPLAN_TRACEBACK", "Traceback", "TypeError", "KeyError", "AssertionError")


def plain(said: Result) -> str:
    """What a command said, which no person would take for a bug."""
    text = said.out + said.err
    assert not [word for word in BARE if word in text], text
    return text


@pytest.mark.once
def test_folders_nested_three_thousand_deep(fleet: Fleet) -> None:
    fleet.organization("acme")
    here = os.getcwd()
    os.chdir(fleet.root / "tenants")
    try:
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
        os.chdir(here)
        assert "nested deeper than 100 folders" in plain(fleet.run("validate", code=1))
        assert "nested deeper than 100 folders" in plain(fleet.run("plan", code=1))
    finally:
        os.chdir(fleet.root / "tenants")
        for _ in range(3000):  # shutil.rmtree is recursive in Python 3.11
            os.chdir("d")
        for _ in range(3000):
            os.chdir("..")
            os.rmdir("d")
        os.chdir(here)


def test_tables_that_cannot_be_read_before_a_move(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    fleet.execute("CREATE TABLE public.theirs ()", database=fleet.database("msf"))
    fleet.execute("REVOKE ALL ON public.theirs FROM PUBLIC", database=fleet.database("msf"))
    fleet.organization("msf")
    said = plain(fleet.run("plan", code=None))
    assert (
        "cannot tell whether it has rows: 42501 permission denied for table theirs" in said and "GRANT SELECT" in said
    )
    assert "theirs" in plain(fleet.apply(code=3))


def test_an_audit_log_without_its_head(fleet: Fleet) -> None:
    fleet.organization("wwf")
    fleet.apply()
    fleet.execute("ALTER TABLE tenantplan.audit_head DISABLE TRIGGER ALL")
    fleet.execute("DELETE FROM tenantplan.audit_head")
    fleet.organization("wwf", "contact: { phone: '1' }")
    said = plain(fleet.apply(code=None))
    assert "audit log has lost its head row" in said and "audit verify" in said
    assert "head" in plain(fleet.run("audit", "verify", code=1))


def ended_while_it_reads(fleet: Fleet, table: str, *command: str) -> Result:
    """What a command says, one of whose sessions on the main database is ended while it waits for a table."""

    def end_it() -> None:
        until = time.monotonic() + 20
        with fleet.connect("postgres") as watching:
            while time.monotonic() < until:
                ended = watching.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = %s AND wait_event_type = 'Lock' AND application_name LIKE ANY ('{tenantplan,tp:%%}')",
                    [fleet.main_database],
                ).fetchall()
                if ended:
                    return
                time.sleep(0.02)

    with fleet.connect() as holder, holder.transaction():
        holder.execute(f"LOCK TABLE {table}".encode())
        ending = threading.Thread(target=end_it)
        ending.start()
        said = fleet.run(*command, code=1)
        ending.join()
    return said


@pytest.mark.parametrize(
    ("table", "command"),
    [
        ("organizations", "plan"),
        ("organizations", "status"),
        ("organizations", "drift"),
        ("tenantplan.audit_log", "audit verify"),
        ("tenantplan.runs", "apply --auto-approve"),
    ],
)
def test_a_session_that_is_ended_while_it_reads(fleet: Fleet, table: str, command: str) -> None:
    fleet.organization("wwf")
    fleet.apply()
    fleet.organization("wwf", "contact: { phone: '1' }")
    said = plain(ended_while_it_reads(fleet, table, *command.split()))
    assert f"127.0.0.1:{fleet.server.port}" in said and "again" in said, said


FULL = (
    "CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
    " 'could not extend file \"base/1/2\": No space left on device' USING ERRCODE = '53100'; END $$;"
    " CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {} EXECUTE FUNCTION public.full_disk()"
)


@pytest.mark.parametrize(
    ("table", "code"), [("public.organizations", 5), ("tenantplan.runs", 1), ("tenantplan.audit_log", 1)]
)
def test_a_full_disk_while_it_writes(fleet: Fleet, table: str, code: int) -> None:
    fleet.organization("wwf")
    fleet.apply()
    fleet.execute(FULL.format(table))
    fleet.organization("wwf", "contact: { phone: '1' }")
    said = plain(fleet.apply(code=code))
    assert "No space left on device" in said and ("53100" in said or "again" in said), said
    fleet.execute(f"DROP TRIGGER full_disk ON {table}; DROP FUNCTION public.full_disk()")
    fleet.apply()
    fleet.converged()


OTHERS: tuple[Any, ...] = (None, True, 7, "x", [], {}, [1], {"a": 1}, 1.5)


def resealed(document: dict[str, Any]) -> bytes:
    """A plan file as its writer would have made it of this content."""
    content = {name: value for name, value in document.items() if name not in ("seal", "digest", "created_at")}
    target = content.get("target")
    known = {**target} if isinstance(target, dict) else target
    for name in ("host", "port"):
        if isinstance(known, dict):
            known.pop(name, None)  # how the server was reached is outside the plan's identity
    identity = sha256(canonical({**content, "target": known} if "target" in content else content)).hexdigest()
    made = {**content, "created_at": document["created_at"], "digest": identity}
    return canonical({**made, "seal": sha256(canonical(made)).hexdigest()}) + b"\n"


def places(value: Any, path: tuple[Any, ...] = (), known: set[Any] | None = None) -> Any:
    """Every place in a JSON document, of a list's items those of a kind that was not met before."""
    known = set() if known is None else known
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        below = (item.get("after") or item.get("before") or {}) if isinstance(item, dict) else {}
        kind = (
            (path, item["action"], below.get("type"))
            if "action" in (item if isinstance(item, dict) else ())
            else (path, key)
        )
        if kind not in known:
            known.add(kind)
            yield from places(item, (*path, key), known)


def confused(document: dict[str, Any]) -> Any:
    """The document with one value of another type, for every place and type; and what says where."""
    for path in places(document):
        if not path or path[0] in ("seal", "digest"):
            continue
        for other in OTHERS:
            copy = json_copy(document)
            holder = copy
            for key in path[:-1]:
                holder = holder[key]
            if type(holder[path[-1]]) is not type(other):
                holder[path[-1]] = other
                yield path, other, resealed(copy)


def json_copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


@pytest.mark.once
def test_a_sealed_plan_whose_types_are_confused(fleet: Fleet) -> None:
    """Whoever makes its seal anew gets exit 4, or what a plan of that content would be refused with."""
    fleet.organization("wwf", "contact: { phone: '1' }\nfeatureFlags: { A: true }")
    fleet.apply()
    fleet.organization("wwf", "contact: { phone: '2' }\nfeatureFlags: { A: true }")
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.run("plan", "--out", "plan.json")
    path = fleet.root / "plan.json"
    document = json.loads(path.read_bytes())
    assert resealed(document) == path.read_bytes()
    tried, accepted = 0, []
    for where, other, data in confused(document):
        tried += 1
        try:
            parse(data, "plan.json")
            accepted.append((where, other, data))
        except PlanRefused:
            pass
    assert tried > 500
    # What may be None may be text, and a list may be empty. These are JSON of any kind:
    free = ("base", "target", "selection", "values", "initial")
    assert not [
        (where, other) for where, other, _ in accepted if other not in (None, [], "x") and not set(free) & set(where)
    ]
    for where, other, data in accepted[:: max(1, len(accepted) // 40)]:
        (fleet.root / "forged.json").write_bytes(data)
        said = fleet.run("apply", "forged.json", code=None)
        assert said.code != 1, (where, other, said.err)
        plain(said)


def test_what_libpq_reads_from_the_environment_changes_no_session(fleet: Fleet) -> None:
    fleet.organization("acme", "database: { mode: dedicated }")
    fleet.apply()
    fleet.env |= {"PGTZ": "Asia/Tokyo", "PGDATESTYLE": "SQL, DMY"}
    fleet.organization("beta")
    fleet.apply()
    assert "Asia" not in fleet.run("audit", "list").out
    fleet.run("audit", "verify")
    fleet.converged()
