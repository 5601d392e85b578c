"""Canaries in every place a secret can come from, every command in every situation, and nothing of them comes out.

On servers that log every statement. Looked at: stdout, stderr, plans, reports, every file that was written, the audit log and all
else that is in the databases, the servers' logs, and the command lines of all processes; plain, URL-encoded, in base64, in hex.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from acceptance.canary import (
    COMMANDS,
    SERVER,
    Line,
    World,
    commands,
    core,
    elsewhere,
    environment,
    key,
    leaks,
    secret,
    settings,
    world,
)
from acceptance.harness import Fleet
from acceptance.test_output_safety import watched_processes
from conftest import FreshServer

pytestmark = pytest.mark.once

APPLY = Line("apply --auto-approve")


def test_every_command_and_every_option_is_in_the_table() -> None:
    """Whoever adds one adds its line to COMMANDS in canary.py."""
    known = commands()
    missing = [f"{name}: no line" for name in known if name not in COMMANDS]
    for name, options in known.items():
        said = {word for line in COMMANDS.get(name, ()) for word in line.text.split()}
        missing += [f"{name}: {option} in no line" for option in sorted(options - said) if name in COMMANDS]
    assert missing == []
    assert COMMANDS.keys() <= known.keys()


def test_the_search_finds_every_shape() -> None:
    for prefix in ("", "u:", "user:x"):
        given = prefix + secret("org")
        for text in (
            given,
            quote(given, safe=""),
            base64.b64encode(given.encode()).decode(),
            base64.urlsafe_b64encode(given.encode()).decode(),
            given.encode().hex(),
            "\\x" + given.encode().hex().upper(),
        ):
            assert leaks(f"and {text} so on") == ["org 1"]
    assert leaks(key("key", 2)) == ["key 2"] and leaks("nothing") == []


@pytest.fixture
def fresh(tmp_path: Path, fresh_server: FreshServer) -> World:
    return world(tmp_path, fresh_server(SERVER), fresh_server(SERVER))


@pytest.fixture
def applied(fresh: World) -> World:
    fresh.run(APPLY, code=0)
    for server, database in ((fresh.fleet.server, "msf"), (fresh.abroad, "far")):
        with server.superuser_connect(fresh.fleet.database(database)) as session:
            session.execute("INSERT INTO donors (last_name) VALUES (%s), (%s)", [core("row"), core("row")])
    return fresh


def test_where_everything_goes_well(fresh: World) -> None:
    """From nothing to an applied fleet, to one whose secrets are all changed."""
    fresh.everything()
    fresh.run(APPLY, code=0)
    fresh.fleet.env |= environment(fresh, 2)
    changed = json.loads(fresh.run(Line("plan --json"), code=0).out)
    assert len(changed["operations"]) >= 6
    fresh.everything()
    works = ("seed", "selftest", "maintain", "credentials rekey", "credentials rotate", "db show", "audit anchor")
    lost = [line.text for name in works for line in COMMANDS[name] if f"{line.text} -> 0" not in fresh.heard]
    assert lost == [] and "audit export -> 0" in fresh.heard and fresh.generated()
    fresh.run(APPLY, code=0)
    assert fresh.fleet.operations() == []
    fresh.fleet.execute("DROP INDEX donations_donated_at_idx", database=fresh.fleet.database("msf"))
    fresh.run(Line("drift --repair --out repair.json"), code=2)
    fresh.run(Line("apply repair.json"), code=0)
    fresh.left()
    for server in fresh.servers:
        log = server.log_text()
        assert "connection authorized" in log and "PASSWORD 'SCRAM-SHA-256$" in log and "duration:" in log


@pytest.mark.slow
def test_the_embedded_server(fleet: Fleet) -> None:
    """`dev` where it works; its server has no password, and the environment is full of them."""
    there = World(fleet, fleet.server)
    fleet.env |= environment(there)
    fleet.embed()
    fleet.organization("msf", "database: { mode: dedicated, password: { env: MSF_PASSWORD } }")
    try:
        there.run(Line("dev up"), code=0)
        there.run(APPLY, code=0)
        with watched_processes() as seen:
            done = fleet.process("dev", "psql", "msf", "-XAtc", "SELECT current_user")
        assert done.code == 0 and leaks(done.out + done.err + "\n".join(seen)) == []
        for name in ("status", "db show", "plan", "apply"):
            for line in COMMANDS[name]:
                there.run(line)
    finally:
        there.run(Line("dev down"), code=0)


@pytest.mark.slow
def test_no_secret_in_the_process_list(fresh: World) -> None:
    """Every command once, as a process of its own."""
    with watched_processes() as seen:
        for name, listed in COMMANDS.items():
            line = listed[-1] if name != "migrations new" else listed[0]
            done = fresh.fleet.program(*line.text.format(n=name.replace(" ", "-")).split())
            assert leaks(done.out, line.shows) == [] and leaks(done.err) == [], line.text
    assert any("-m tenantplan" in line for line in seen)
    assert leaks("\n".join(line for line in seen if "pytest" not in line)) == []
    fresh.left()


# Situations that are set up, in which every command is run, and that are taken back: what apply's exit code is there.
Situation = Callable[[World], Iterator[int]]


def _environment(change: Callable[[World], dict[str, str]], code: int) -> Situation:
    def situation(there: World) -> Iterator[int]:
        kept = dict(there.fleet.env)
        there.fleet.env |= change(there)
        yield code
        there.fleet.env = kept

    return situation


def _main(there: World) -> dict[str, str]:
    return {"TENANTPLAN_MAIN_URL": elsewhere(there.fleet.env["TENANTPLAN_MAIN_URL"], there.fleet.server.port)}


def _others(there: World) -> dict[str, str]:
    main, abroad = there.servers
    return {
        "EU1_URL": elsewhere(there.fleet.env["EU1_URL"], abroad.port),
        "ACME_URL": elsewhere(there.fleet.env["ACME_URL"], main.port),
    }


def _wrong(there: World) -> dict[str, str]:
    main, abroad = there.servers
    return {
        "EU1_URL": abroad.url(password=secret("unused")),
        "ACME_URL": main.url("guest", "guest", secret("unused")),
    }


def _unreadable(there: World) -> dict[str, str]:
    return {
        "EU1_URL": f"postgresql://tp_admin:{secret('eu')}@127.0.0.1/x",
        "ACME_URL": there.fleet.env["ACME_URL"] + f"?options={core('brought')}",
        "CREDENTIALS_ENCRYPTION_KEY": f"base64:{secret('key')}",
    }


def _weak(there: World) -> dict[str, str]:
    verifier = "SCRAM-SHA-256$4096:" + core("org")
    return {"MSF_PASSWORD": verifier, "FAR_PASSWORD": "md5" + core("far"), "ADA_PASSWORD": secret("admin") * 4}


def _unset(there: World) -> dict[str, str]:
    return dict.fromkeys(("MSF_PASSWORD", "FAR_PASSWORD", "ADA_PASSWORD", "JWT", "API_KEY", "BUCKET"), "")


def _revision(body: str, more: str = "") -> Situation:
    def situation(there: World) -> Iterator[int]:
        path = there.fleet.root / "migrations" / "versions" / "ffff0001_bad.py"
        path.write_text(
            'import sqlalchemy as sa\nfrom alembic import op\nrevision = "ffff0001"\ndown_revision = "9c1b04aa"\n' + more +
            f"\ndef upgrade():\n    {body}\ndef downgrade():\n    pass\n"
        )  # fmt: skip
        yield 3 if more else 5
        path.unlink()

    return situation


def _loud(there: World) -> Iterator[int]:
    """Rows that cannot be written, by errors that repeat them."""
    fleet = there.fleet
    kept = dict(fleet.env)
    fleet.env |= environment(there, 2) | {"CREDENTIALS_ENCRYPTION_KEY": key("key"), "FORMER_KEY": key("former")}
    fleet.execute(
        "CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no: % %', OLD, NEW; END $$"
    )
    tables = ("admin_users", "organization_secrets", "buckets", "api_keys")
    for table in tables:
        fleet.execute(f"CREATE TRIGGER loud BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION loud()")
    yield 5
    fleet.execute("DROP FUNCTION loud() CASCADE")
    fleet.env = kept


def _store(there: World) -> Iterator[int]:
    """A store of packages that nobody answers for."""
    there.fleet.env["PACKAGES_URL"] = f"ftp://tp:{quote(secret('store'), safe='')}@127.0.0.1:1/releases"
    settings(there.fleet, "packages: { url: { env: PACKAGES_URL } }")
    there.fleet.document("Release", "next", "{ version: '1.1', file: releases/node.zip }")
    yield 5
    there.fleet.remove("Release", "next")
    settings(there.fleet)


def _health(there: World) -> Iterator[int]:
    """A question between waves whose failure repeats a row."""
    settings(
        there.fleet, 'rollout: { onFailure: stop, health: "SELECT FROM donors WHERE last_name::int > 0", batch: 1 }'
    )
    path = there.fleet.root / "migrations" / "versions" / "ffff0001_good.py"
    path.write_text(
        'from alembic import op\nrevision = "ffff0001"\ndown_revision = "9c1b04aa"\n'
        "def upgrade():\n    op.execute('ALTER TABLE donors ADD COLUMN x int')\n"
        "def downgrade():\n    op.execute('ALTER TABLE donors DROP COLUMN x')\n"
    )
    yield 5


def _locked(there: World) -> Iterator[int]:
    there.fleet.document("User", "zoe@x.example", "{ displayName: Zoe, role: CLIENT_EDITOR }")
    holder = there.fleet.start("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "run-opened:1:stop"})
    _wait_until_stopped(holder.pid)
    yield 6
    holder.kill()
    holder.communicate()


def _killed(point: str) -> Situation:
    """An apply of changed secrets that dies; the next one finishes it."""

    def situation(there: World) -> Iterator[int]:
        there.fleet.env |= environment(there, 2)
        died = there.fleet.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": point})
        assert died.code < 0 and leaks(died.out + died.err) == []
        yield 0

    return situation


def _plan_files(there: World) -> Iterator[int]:
    """Files that are refused: of another key, a byte changed, none at all, and one that is stale."""
    there.fleet.env |= environment(there, 2)
    for name, changed in (("plan.json", b'"format_version":"1.0"'), ("sealed.json", b'"')):
        there.run(Line(f"plan --out {name}" + (" --encrypt" if name == "sealed.json" else "")), code=0)
        path = there.fleet.root / name
        good = path.read_bytes()
        for bad in (good.replace(changed, changed.swapcase(), 1)[:-2], good[: len(good) // 2], b"{}", b""):
            path.write_bytes(bad)
            assert there.run(Line(f"apply {name}")).code in (1, 4)
        path.write_bytes(good)
    there.fleet.env["PLAN_KEY"] = key("unused")
    there.run(Line("apply plan.json"), code=4)
    there.fleet.env |= environment(there, 2)
    there.fleet.execute("UPDATE admin_users SET name = 'else'")
    there.run(Line("apply plan.json"))
    yield 0


def _wait_until_stopped(pid: int) -> None:
    import time

    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
        assert time.monotonic() < deadline
        time.sleep(0.05)


SITUATIONS: dict[str, Situation] = {
    "main unreachable": _environment(_main, 1),
    "main with another password": _environment(
        lambda there: {"TENANTPLAN_MAIN_URL": there.fleet.server.url(password=secret("unused"))}, 1
    ),
    "servers unreachable": _environment(_others, 5),
    "servers with other passwords": _environment(_wrong, 5),
    "unreadable": _environment(_unreadable, 1),
    "weak": _environment(_weak, 3),
    "unset": _environment(_unset, 3),
    "key lost": _environment(
        lambda there: {"CREDENTIALS_ENCRYPTION_KEY": key("unused"), "FORMER_KEY": key("store")}, 0
    ),
    "rows refused": _loud,
    "store unreachable": _store,
    "migration refused by rows": _revision("op.execute('CREATE UNIQUE INDEX u ON donors (last_name)')"),
    "program refused by rows": _revision(
        "op.get_bind().execute(sa.text('INSERT INTO donors (id, email) SELECT id, :e FROM donors LIMIT 1'),"
        f" {{'e': {core('row')!r}}})"
    ),
    "preflight refused by rows": _revision(
        "op.execute('SELECT 1')", 'preflight = ("SELECT FROM donors WHERE last_name::int > 0",)'
    ),
    "plan files": _plan_files,
    "killed before the commit": _killed("audit-written"),
    "killed after the commit": _killed("remote-committed"),
    "locked": _locked,
    "health refused by rows": _health,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SITUATIONS)
def test_where_something_fails(applied: World, name: str) -> None:
    with contextmanager(SITUATIONS[name])(applied) as code:
        applied.run(APPLY, code=code)
        applied.each()
    applied.run(APPLY)
    applied.left()
