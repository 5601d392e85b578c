"""SIGKILL at every failpoint; the next apply leaves what an uncrashed run leaves.

Two histories of a fleet are told in chapters: its birth, and later a rollout, a deletion, a new server and a purge. Each is
told once undisturbed, which counts how often every failpoint is reached, and then once for each of those times, killed there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from acceptance.harness import ROOT, Fleet
from psycopg import sql
from servers import TestServer

from tenantplan import failpoint
from tenantplan.secrets.box import new_key

QUICK = (
    ("birth", "bootstrap-renamed"),
    ("birth", "database-created"),
    ("birth", "audit-written"),
    ("birth", "package-stored"),
    ("later", "remote-committed"),
)
REVISION = """
from alembic import op
revision = "a0000001"
down_revision = "9c1b04aa"
branch_labels = None
depends_on = None
def upgrade():
    op.execute("ALTER TABLE donors ADD COLUMN nickname text")
def downgrade():
    op.execute("ALTER TABLE donors DROP COLUMN nickname")
"""
SPEC = "guard: {{ maxChangedPercent: 100, graceDays: {} }}\nservers: {{ {} }}"
KEY = new_key()
SEALED = ("value", "access_key", "secret_key", "database_connection")  # columns that are never the same bytes twice
EU = "eu: { url: { env: TENANTPLAN_EU_URL } }"


@dataclass
class World:
    """A fleet, the second server it may use, and what a chapter adds to its story."""

    fleet: Fleet
    second: TestServer

    @property
    def abroad(self) -> Fleet:
        """The fleet as seen on the second server, to look at and to clean."""
        return replace(self.fleet, root=self.fleet.root.parent / "abroad", server=self.second)


def birth(world: World) -> None:
    """A first apply: main database, shared and dedicated organizations, people, a tenant with a licence, a team and a
    project, secrets, a release with its package. The owner of acme belongs to acme."""
    fleet = world.fleet
    shutil.copytree(
        ROOT / "migrations" / "tenant", fleet.root / "migrations", ignore=shutil.ignore_patterns("__pycache__")
    )
    fleet.env |= {"TENANTPLAN_EU_URL": world.second.url(), "CREDENTIALS_ENCRYPTION_KEY": KEY}
    fleet.env |= {"JWT": "a-secret-of-acme-k7Jd93xQ0zLm-4711", "SITE_KEY": "k7Jd93-xQ0z_Lm2vRt8e"}
    fleet.settings(SPEC.format(30, ""), migrations="migrations")
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN, organization: acme }")
    member = "members: [ { user: anna@x.example, role: AGENCY_ADMIN } ]\n"
    fleet.organization("acme", member + "owner: anna@x.example\nsecrets: { jwt: { value: { env: JWT } } }")
    fleet.organization("msf", member + "database: { mode: dedicated }\nmodules: { donors: { enabled: true } }")
    fleet.organization("unicef", "database: { mode: dedicated }\nprotect: false")
    licence = "licenses: [ { name: main, expiresAt: 2027-01-31, maxUsage: 5, status: ACTIVE } ]"
    fleet.document("Tenant", "paris", f"organization: msf\ndisplayName: Paris\n{licence}")
    fleet.document("Team", "web", "{ organization: acme, displayName: Web, members: [ { user: anna@x.example } ] }")
    site = "organization: acme\ndisplayName: Site\nteam: web\nprotect: false\nstatus: RUNNING\n"
    fleet.document(
        "Project", "site", f"{site}apiKeys: [ {{ name: ci, key: {{ env: SITE_KEY }}, permissions: [FILE_READ] }} ]"
    )
    fleet.write("node.zip", "a package")
    fleet.document("Release", "node", "{ version: 1.0.0, file: node.zip }")


def later(world: World) -> None:
    """A migration of every database, deletions, and an organization on a server that was not there."""
    fleet = world.fleet
    fleet.settings(SPEC.format(30, EU), migrations="migrations")
    fleet.write("migrations/versions/a0000001_nickname.py", REVISION)
    fleet.organization("unicef", "database: { mode: dedicated }\nprotect: false\nstate: deleted")
    fleet.organization("oxfam", "database: { mode: dedicated, server: eu }")
    fleet.document("Project", "site", "{ organization: acme, displayName: Site, protect: false, state: deleted }")
    fleet.document("Release", "node", "{ version: 1.0.0, file: node.zip, state: deleted }")


def purge(world: World) -> None:
    """The grace period of what was deleted is over."""
    world.fleet.settings(SPEC.format(0, EU), migrations="migrations")
    world.fleet.document("User", "ben@x.example", "{ displayName: Ben, role: CLIENT_EDITOR }")


CHAPTERS: dict[str, Callable[[World], None]] = {"birth": birth, "later": later, "purge": purge}


# Failpoints of migrations that leave transactions or are taken back, and of repairs: test_rollout and test_repair kill there,
# test_rotation and test_generated_secrets at those of passwords and secrets, and test_made_up_values at that of databases which
# are no copies.
ELSEWHERE = (
    "database-filled", "outside-begun", "outside-done", "rollback-journaled", "schema-repaired",
    "login-pending", "login-set", "login-delivered", "secret-delivered",
)  # fmt: skip
TOLD = tuple(point for point in failpoint.POINTS if point not in ELSEWHERE)
# The chapter that must reach a failpoint: a point that none reaches would prove nothing.
REACHED_IN = dict.fromkeys(TOLD, "birth") | {
    "intent-recorded": "later",
    "remote-committed": "later",
    "tenant-migrated": "later",
    "tenant-committed": "later",
    "database-shut": "later",
    "database-dropped": "purge",
    "package-deleted": "purge",
}


def tell(world: World, until: str) -> list[str]:
    """Everything that happens before a chapter, undisturbed; returns the command that applies the chapter itself."""
    for name, chapter in CHAPTERS.items():
        chapter(world)
        if name == until:
            return approved(world)
        world.fleet.run(*approved(world))
    raise AssertionError(until)


def approved(world: World) -> list[str]:
    """An apply, one track at a time, of what a plan says now, deletions included."""
    deletes = world.fleet.plan()["summary"]["delete"]
    return ["apply", "--auto-approve", "--parallelism", "1", *(["--allow-deletes", str(deletes)] if deletes else [])]


@dataclass(frozen=True)
class Told:
    """How an undisturbed chapter ended: how often each failpoint was reached, and what was there afterwards."""

    hits: Mapping[str, int]
    picture: Mapping[str, Counter[str]] = field(repr=False)


_told: dict[str, Told] = {}


@pytest.fixture(scope="module")
def servers(pg_version: int) -> Iterator[tuple[TestServer, TestServer]]:
    """Two servers of this module's own: what fleets of one server share, the group roles, is made anew each time."""
    started = (TestServer(pg_version), TestServer(pg_version))
    yield started
    for each in started:
        each.remove()


@pytest.fixture
def worlds(tmp_path: Path, servers: tuple[TestServer, TestServer]) -> Iterator[Callable[[], World]]:
    """A factory of worlds in which nothing has happened; the one before ends."""
    made: list[World] = []

    def make() -> World:
        forget(made)
        made.append(World(Fleet(tmp_path / uuid4().hex, servers[0]), servers[1]))
        return made[-1]

    yield make
    forget(made)


def forget(made: list[World]) -> None:
    """Removes all that a world has left on its servers."""
    for world in made:
        for seen in (world.abroad, world.fleet):
            seen.clean()
            seen.execute("DROP ROLE IF EXISTS tenantplan_rw, tenantplan_ro, tenantplan_owner", database="postgres")
    made.clear()


def undisturbed(worlds: Callable[[], World], chapter: str) -> Told:
    """The chapter as it goes when nobody dies, told once for this process."""
    if chapter not in _told:
        world = worlds()
        arguments = tell(world, chapter)
        failpoint._hits.clear()
        world.fleet.run(*arguments, env={"TENANTPLAN_FAILPOINT": "none"})
        _told[chapter] = Told(dict(failpoint._hits), picture(world))
    return _told[chapter]


def picture(world: World) -> dict[str, Counter[str]]:
    """Everything there is of a fleet, without what differs from fleet to fleet and from run to run."""
    fleet = world.fleet
    audited = fleet.rows(
        "SELECT address, action, replace(result, 'recovered', 'done'), before::text, after::text"
        " FROM tenantplan.audit_log WHERE action <> 'connect'"
    )
    parts = {
        "here": _catalogs(fleet),
        "abroad": _catalogs(world.abroad),
        "rows": _rows(fleet),
        "audit": [(*entry[:3], *(_bare(entry[1], text) for text in entry[3:])) for entry in audited],
        "revisions": fleet.rows("SELECT tree, revision FROM tenantplan.revisions"),
        "credentials": fleet.rows("SELECT relation, column_name FROM tenantplan.credentials"),
        "packages": fleet.rows("SELECT version, key, sha256, retired_at IS NULL FROM tenantplan.packages"),
        "files": fleet.rows("SELECT key, size, sha256 FROM tenantplan.stored_files"),
        "objects": fleet.rows("SELECT count(*) FROM pg_largeobject_metadata"),
        "open": fleet.rows("SELECT address FROM tenantplan.operations WHERE status IN ('pending', 'running')"),
        "running": fleet.rows("SELECT id FROM tenantplan.runs WHERE status = 'running'"),
    }
    assert not parts["open"] and not parts["running"]
    return {name: Counter(_neutral(fleet, repr(line)) for line in part) for name, part in parts.items()}


def _bare(action: str, text: str | None) -> str | None:
    """A resource of the audit log without what a row is made with, of which a plan has nothing for one that is there already. A run
    that was killed after it shut a database leaves one that nobody may connect to."""
    if text is None:
        return None
    left_out = ("initial", "connect") if action == "retire" else ("initial",)
    document = {name: value for name, value in json.loads(text).items() if name not in left_out}
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def unlike(expected: Mapping[str, Counter[str]], found: Mapping[str, Counter[str]]) -> list[str]:
    """What one picture has and the other has not."""
    missing = [f"missing {part}: {line}" for part in expected for line in (expected[part] - found[part])]
    return missing + [f"too much {part}: {line}" for part in expected for line in (found[part] - expected[part])]


def _neutral(fleet: Fleet, text: str) -> str:
    text = text.replace(fleet.id, "FLEET").replace(str(fleet.server.port), "PORT")
    text = re.sub(r"tp_deleted_\w+", "tp_deleted_X", text)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r'"id":"[0-9a-f]{12}"', '"id":"FLEET"', text)
    text = re.sub(r'"keyed":(null|"[0-9a-f]{24}")', '"keyed":"HASH"', text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", "WHEN", text)


def _catalogs(fleet: Fleet) -> list[tuple[Any, ...]]:
    """Databases with owner, limits, rights, stamp and schema; roles with attributes and memberships; templates."""
    mine = f"%{fleet.id}%"
    databases = fleet.rows(
        "SELECT datname, pg_get_userbyid(datdba), datconnlimit, datallowconn, datacl::text,"
        " shobj_description(oid, 'pg_database') FROM pg_database"
        " WHERE (datname LIKE %s OR shobj_description(oid, 'pg_database') LIKE %s)"
        " AND NOT starts_with(datname, 'tp_template') AND NOT starts_with(datname, 'tp_lock') OR starts_with(datname, 'tp_new')",
        mine,
        mine,
        database="postgres",
    )
    roles = fleet.rows(
        "SELECT rolname, rolcanlogin, rolconnlimit, rolsuper, rolcreatedb, shobj_description(oid, 'pg_authid'),"
        " ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = r.oid ORDER BY 1)"
        " FROM pg_roles r WHERE rolname LIKE %s",
        mine,
        database="postgres",
    )
    templates = fleet.rows(
        "SELECT 'template', count(*) FROM pg_database WHERE starts_with(datname, 'tp_template') AND"
        " shobj_description(oid, 'pg_database') LIKE %s",
        mine,
        database="postgres",
    )
    schemas = [(row[0], *line) for row in databases if row[3] for line in _schema(fleet, row[0])]
    return databases + roles + templates + schemas


def _schema(fleet: Fleet, database: str) -> list[tuple[Any, ...]]:
    return fleet.rows(
        "SELECT c.oid::regclass::text, c.relkind, c.relacl::text, pg_get_userbyid(c.relowner),"
        " ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 ORDER BY attnum)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'tenantplan')",
        database=database,
    ) + fleet.rows("SELECT version_num FROM public.alembic_version", database=database)


def _rows(fleet: Fleet) -> list[tuple[str, str]]:
    """Rows of the control plane without their ids, keys and times."""
    found = []
    with closing(fleet.connect()) as connection:
        tables = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind = 'r'"
        ).fetchall()
        for (table,) in tables:
            query = sql.SQL("SELECT to_jsonb(t) FROM public.{} t").format(sql.Identifier(table))
            found += [(table, repr(_lasting(row[0]))) for row in connection.execute(query).fetchall()]
    return found


def _lasting(row: dict[str, Any]) -> dict[str, Any]:
    def kept(name: str, value: object) -> object:
        if name.endswith("_at") and name != "expires_at":
            return value is not None
        return name if name in ("id", "key") or name.endswith("_id") or (name in SEALED and value) else value

    return {name: kept(name, value) for name, value in sorted(row.items())}


def killed_and_finished(worlds: Callable[[], World], chapter: str, point: str, count: int) -> None:
    """Kills the chapter's apply at a failpoint, applies again at once, and compares with an undisturbed telling."""
    told = undisturbed(worlds, chapter)
    world = worlds()
    died = world.fleet.process(*tell(world, chapter), env={"TENANTPLAN_FAILPOINT": f"{point}:{count}"})
    assert died.code == -9, f"{point}:{count} was not reached\n{died.out}\n{died.err}"
    world.fleet.run(*approved(world))
    world.fleet.converged()
    differences = unlike(told.picture, picture(world))
    assert not differences, f"after {point}:{count}: {differences}"


@pytest.mark.parametrize(("chapter", "point"), QUICK)
def test_killed_at_a_failpoint_the_next_apply_finishes(worlds: Callable[[], World], chapter: str, point: str) -> None:
    killed_and_finished(worlds, chapter, point, 1)


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS)
@pytest.mark.parametrize("point", TOLD)
def test_killed_at_every_failpoint_every_time_it_is_reached(
    worlds: Callable[[], World], chapter: str, point: str
) -> None:
    times = undisturbed(worlds, chapter).hits.get(point, 0)
    assert times or REACHED_IN[point] != chapter, "no chapter reaches this failpoint"
    for count in range(1, times + 1):
        killed_and_finished(worlds, chapter, point, count)


@pytest.mark.once
def test_a_saved_plan_is_finished_by_the_same_file_and_then_spent(worlds: Callable[[], World]) -> None:
    told = undisturbed(worlds, "birth")
    world = worlds()
    birth(world)
    fleet = world.fleet
    fleet.run("plan", "--out", "plan.json")
    died = fleet.process("apply", "plan.json", "--parallelism", "1", env={"TENANTPLAN_FAILPOINT": "committed:2"})
    assert died.code == -9
    fleet.run("apply", "plan.json")
    fleet.converged()
    differences = unlike(told.picture, picture(world))
    assert not differences
    again = fleet.run("apply", "plan.json", code=4)
    assert "already applied" in again.err


def test_killed_while_the_server_makes_a_database(worlds: Callable[[], World]) -> None:
    """Fault 1, its first half: CREATE DATABASE goes on without its client; the next apply ends it and begins again."""
    world = worlds()
    birth(world)
    fleet = world.fleet
    fleet.apply()
    making = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE DATABASE%%tp_new%%'"
    ((template,),) = fleet.rows(
        "SELECT datname FROM pg_database WHERE starts_with(datname, 'tp_template')", database="postgres"
    )
    fleet.execute(f"ALTER DATABASE {template} ALLOW_CONNECTIONS true", database="postgres")
    fleet.organization("oxfam", "database: { mode: dedicated }")
    with closing(fleet.connect(template)):  # CREATE DATABASE waits five seconds for the last user of its template
        apply = fleet.start("apply", "--auto-approve")
        deadline = time.monotonic() + 30
        while not (found := fleet.rows(making, database="postgres")):
            assert time.monotonic() < deadline and apply.poll() is None
        os.kill(found[0][0], signal.SIGSTOP)  # so that its five seconds do not pass before it is told to end
        apply.kill()
        apply.communicate()
        again = fleet.start("apply", "--auto-approve")
        told = "SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE 'SELECT pg_terminate_backend(pid)%%'"
        while not fleet.rows(told, database="postgres"):
            assert time.monotonic() < deadline and again.poll() is None
            time.sleep(0.02)
        os.kill(found[0][0], signal.SIGCONT)
        alive = "SELECT FROM pg_stat_activity WHERE pid = %s"
        while fleet.rows(alive, found[0][0], database="postgres") and again.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, out + err
    assert "is being accessed by other users" not in fleet.server.log_text()  # ended, not left to run into its limit
    fleet.converged()
    database = fleet.database("oxfam")
    assert [name for name in fleet.databases() if "oxfam" in name or name.startswith("tp_new")] == [database]
    audited = "SELECT count(*) FROM tenantplan.audit_log WHERE address = %s AND action = 'create'"
    assert fleet.rows(audited, f"database/primary/{database}") == [(1,)]


def test_what_a_dead_run_was_making_goes_even_when_nobody_wants_it_any_more(fleet: Fleet) -> None:
    """The declaration is withdrawn after the crash, so no operation meets the half-made database again."""
    fleet.organization("acme")
    fleet.apply()
    fleet.organization("oxfam", "database: { mode: dedicated }")
    died = fleet.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "database-created"})
    assert died.code == -9
    fleet.remove("Organization", "oxfam")
    made = "SELECT datname FROM pg_database WHERE starts_with(datname, 'tp_new') AND datname = ANY(%s)"
    ids = [f"tp_new_{row[0]}" for row in fleet.rows("SELECT op_id FROM tenantplan.operations")]
    assert fleet.rows(made, ids, database="postgres") != []
    fleet.apply()
    assert fleet.rows(made, ids, database="postgres") == []
    assert fleet.rows("SELECT id FROM tenantplan.runs WHERE status = 'running'") == []
    fleet.converged()
