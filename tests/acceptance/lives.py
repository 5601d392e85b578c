"""A fleet's life: what its documents say, what is live, and the way from one to the other as a person goes it.

The model keeps which organization each name is: an `Org` is an identity (its rows carry it as a marker), whatever it is
called. `Life.settle` applies until a plan is empty, killed on the way as often as it is told; what a plan refuses is split
or dropped, as its user would; what is no explained refusal is a `Broken` promise, with the seed and the steps so far.
lives_checks.py says what must hold after it.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from acceptance.harness import ROOT, Fleet, Result
from acceptance.lives_trees import AlembicTree, PrismaTree
from acceptance.test_login_passwords import KEY, kept
from acceptance.test_output_safety import shapes
from psycopg import sql
from servers import TestServer

from tenantplan.failpoint import POINTS

LOCK_KEY = 0x74656E616E747031  # the published key; another one follows from the name of the main database
LIMIT = (
    120.0  # seconds that a command may take, whatever an attacker does: five tries of a lock, and a very busy machine
)
# What goes on around an apply: applications that write, attackers that get into databases in the making and of others, take
# advisory locks, leave objects, and hold their own tables.
CROWD = tuple(os.environ.get("LIVES_CROWD", "writes,making,others,locks,leaves,holds").split(","))
PATIENCE = 20.0  # seconds after which nobody may be locked out any more
SPEC = """
guard: {{ maxChangedPercent: 100, graceDays: {grace} }}
rollout: {{ onFailure: continue, lockTimeoutSeconds: 0.3, statementTimeoutSeconds: 5 }}
servers: {{ {servers} }}
"""
NAMES = ("ash", "birch", "cedar", "elm", "fir", "hazel", "juniper", "larch", "maple", "oak", "pine", "rowan")
# Words of PostgreSQL that reach a person raw only when something was not expected.
_RAW = re.compile(
    r"Traceback|tuple concurrently|deadlock detected|(role|database|relation) \"\S+\" (does not exist|already exists)"
    r"|cannot be dropped because|InternalError|OperationalError|current transaction is aborted"
)
BRAKES = ("max-deletes", "destructive")  # what a word of whoever applies releases
_RESTORE = re.compile(r"restore: \"?([0-9a-f]{8}-[0-9a-f-]{27})")


def losing(plan: Mapping[str, Any]) -> int:
    """How many revisions of a plan take a word, since they destroy data."""
    said = (re.search(r"--allow-destructive (\d+)", blocker["message"]) for blocker in plan["blockers"])
    return next((int(found[1]) for found in said if found), 0)


class Broken(AssertionError):
    """A promise that did not hold."""


@dataclass(frozen=True)
class Org:
    """An organization, as its document says it; `ident` is who it is, whatever it is called."""

    ident: str
    name: str
    mode: str = "dedicated"  # or bound: shared with a login; or pooled: shared, by the application's login
    server: str = "primary"
    database: str | None = None
    read_only: bool = False
    generated: bool = False
    tenant: bool = False  # it has a tenant with a database of its own
    state: str = "active"
    protect: bool = True
    declared: bool = True
    renamed_from: str | None = None
    restore: Mapping[str, str] = field(default_factory=dict)  # kind -> id
    password: int = 1  # its generation
    occupied: bool = True  # its application writes
    gone: bool = False  # purged

    @property
    def dedicated(self) -> bool:
        return self.mode == "dedicated"

    @property
    def tenant_name(self) -> str:
        return f"{self.ident}t"

    def secret(self, generation: int = 0) -> str:
        """The password of its login, a canary."""
        return f"canary{self.ident}g{generation or self.password}z7f3a9Q!"


@dataclass
class Crowd:
    """lives_crowd.py, at work."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls) -> Crowd:
        paths = os.pathsep.join((str(ROOT / "tests"), str(ROOT / "src")))
        program = [sys.executable, str(Path(__file__).with_name("lives_crowd.py"))]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return cls(subprocess.Popen(program, env={**os.environ, "PYTHONPATH": paths}, **pipes))

    def tell(self, do: str, **more: object) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@dataclass
class Life:
    """One fleet over time. `settled` is what was last live, `wanted` what the documents say."""

    fleet: Fleet
    servers: Mapping[str, TestServer]
    seed: int
    prisma: bool = False
    crowd: Crowd | None = None
    wanted: dict[str, Org] = field(default_factory=dict)
    settled: dict[str, Org] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    markers: dict[str, str] = field(default_factory=dict)  # text of a row -> whose it is
    after: list[list[Any]] = field(default_factory=list)  # acknowledged since the last apply ended
    known: dict[str, list[tuple[int, str, str, str]]] = field(default_factory=dict)
    closed_at: float = 0.0
    grace: int = 30
    holders: frozenset[str] = frozenset()
    log: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = KEY
        self.tree = PrismaTree(self.fleet) if self.prisma else AlembicTree(self.fleet)
        for alias, server in self.servers.items():
            self.fleet.env[f"URL_{alias.upper()}"] = server.url()

    # -- documents

    def new(self, name: str, **more: Any) -> Org:
        """Declares an organization that was never there."""
        self.count += 1
        org = Org(f"i{self.count}", name, **more)
        self.wanted[org.ident] = org
        return org

    def say(self, ident: str, step: str, **changes: Any) -> None:
        """Changes what a document says."""
        self.log.append(f"{step} {ident} ({self.wanted[ident].name}): {changes}")
        self.wanted[ident] = replace(self.wanted[ident], **changes)

    def free(self) -> str:
        """A name that no organization has or had of late."""
        taken = {org.name for kind in (self.wanted, self.settled) for org in kind.values() if not org.gone}
        return self.chance.choice([name for name in NAMES if name not in taken])

    def write(self) -> None:
        """The repository, as the model says it is."""
        others = ", ".join(f"{a}: {{ url: {{ env: URL_{a.upper()} }} }}" for a in self.servers if a != "primary")
        self.fleet.settings(SPEC.format(grace=self.grace, servers=others), migrations=self.tree.path)
        for path in (self.fleet.root / "tenants").glob("*.yaml"):
            path.unlink()
        self.fleet.document("Tier", "all", "displayName: All")  # a fleet without documents is refused
        for org in self.wanted.values():
            self.fleet.env[f"PW_{org.ident.upper()}"] = org.secret()
            if org.declared and not org.gone:
                self._document(org)

    def _document(self, org: Org) -> None:
        more: dict[str, Any] = {"renamedFrom": org.renamed_from, "restore": org.restore.get("organization")}
        said = {"displayName": org.ident, "state": org.state, "protect": org.protect, "database": self._database(org)}
        self.fleet.document("Organization", org.name, json.dumps(said), **_given(more))
        if org.tenant:
            state = "deleted" if org.state == "deleted" else "active"
            said = {"organization": org.name, "displayName": "T", "state": state, "protect": org.protect}
            said |= {"database": {"mode": "dedicated"}}
            more = _given({"restore": org.restore.get("tenant")})
            self.fleet.document("Tenant", org.tenant_name, json.dumps(said), **more)

    def _database(self, org: Org) -> dict[str, Any]:
        if org.mode == "pooled":
            return {"mode": "shared"}
        found: dict[str, Any] = {"readOnly": org.read_only, "password": {"env": f"PW_{org.ident.upper()}"}}
        if org.generated:
            found |= {"password": {"generate": True}, "rotation": {"roles": 2, "graceMinutes": 0}}
        if org.dedicated:
            return found | {"mode": "dedicated", "server": org.server} | _given({"name": org.database})
        return found | {"mode": "shared", "login": True}

    def base(self, org: Org) -> str:
        """The name that its database and roles derive from."""
        return org.database or self.fleet.database(org.name)

    # -- commands

    def command(self, *arguments: str, dies: Mapping[str, Any] | None = None) -> Result:
        """Runs a command, and looks at all that it says and how long it took."""
        began = time.monotonic()
        forks = self.crowd is not None
        result = self.fleet.process(*arguments, **(dies or {})) if forks else self.fleet.run(*arguments, code=None)
        took = time.monotonic() - began
        self.log.append(f"  {' '.join(arguments)} {dict(dies or {})} -> {result.code} in {took:.1f} s")
        if took > LIMIT:
            self.broken(f"{arguments[0]} took {took:.0f} s", result)
        if result.code not in (0, 2, 3, 5, 6, -9, 1):
            self.broken(f"exit {result.code}", result)
        if raw := _RAW.search(result.out + result.err):
            self.broken(f"a raw error: {raw.group()}", result)
        for secret in self._secrets():
            if any(shape in result.out + result.err for shape in shapes(secret)):
                self.broken(f"a secret in the output: {secret}", result)
        return result

    def broken(self, what: str, result: Result | None = None) -> None:
        """A promise that did not hold: the life ends here."""
        steps = "\n".join(self.log)
        said = f"\n-- stdout\n{result.out[-6000:]}\n-- stderr\n{result.err[-3000:]}" if result else ""
        raise Broken(f"SEED={self.seed} COUNT=1: {what}\n-- steps\n{steps}\n{self._yaml()}{said}")

    def _yaml(self) -> str:
        files = sorted((self.fleet.root / "tenants").glob("*.yaml"))
        return "\n".join(["-- documents", *(" ".join(f.read_text().split()[2:]) for f in files)])

    def _secrets(self) -> Iterator[str]:
        for org in self.wanted.values():
            for generation in range(1, org.password + 1):
                yield org.secret(generation)[:-2]

    def plan(self) -> dict[str, Any]:
        result = self.command("plan", "--format", "json")
        if result.code not in (0, 3):
            self.broken("a plan cannot be made", result)
        document: dict[str, Any] = result.json
        return document

    # -- the way to what is wanted

    def settle(self, kills: int = 0) -> None:
        """Applies, killed `kills` times, until a plan is empty; then reads what is live."""
        self.write()
        self.surround(fierce=True)
        tally = {5: 0, 3: 0, 1: 0}
        locked: float | None = None
        self._deletes = self._losing = 0
        for _ in range(40):
            result = self._apply(self._death() if kills > 0 else None)
            self.refresh(whole=result.code == 0)
            kills -= 1
            locked = (locked or time.monotonic()) if result.code == 6 else None
            if result.code == 0 and kills <= 0 and self._converged():
                break
            if result.code == 6:
                if locked and time.monotonic() - locked > PATIENCE:
                    self.broken("locked out", result)
                time.sleep(0.2)
            if result.code in tally:
                tally[result.code] += 1
                if tally[result.code] > 8:
                    self.broken(f"exit {result.code} again and again", result)
                {5: self._failed, 3: self._blocked, 1: self._refused}[result.code](result, tally[result.code])
        else:
            self.broken("never converges")
        self.settled = {ident: replace(org, renamed_from=None, restore={}) for ident, org in self.wanted.items()}
        self.wanted = dict(self.settled)

    def _apply(self, dies: Mapping[str, Any] | None) -> Result:
        more = ["--allow-deletes", str(self._deletes)] if self._deletes else []
        more += ["--allow-destructive", str(self._losing)] if self._losing else []
        arguments = ["apply", "--auto-approve", "--parallelism", str(self.chance.choice((1, 2, 4))), *more]
        result = self.command(*arguments, dies=dies)
        self.closed_at = time.monotonic()
        self._deletes = self._losing = 0
        return result

    def _death(self) -> dict[str, Any]:
        """How an apply is killed: at a failpoint, or at any instant."""
        if self.chance.random() < 0.5:
            point = self.chance.choice(POINTS[3:])
            return {"env": {"TENANTPLAN_FAILPOINT": f"{point}:{self.chance.choice((1, 1, 2, 3))}"}}
        return {"kill_after": round(self.chance.uniform(0.2, 1.2), 2)}

    def _converged(self) -> bool:
        """Whether a plan is empty but for what is due by itself: the end of a grace period, and what that leads to."""
        plan = self.plan()
        self._deletes = plan["summary"]["delete"]
        self._losing = losing(plan)
        if blockers := [b for b in plan["blockers"] if b["rule"] not in BRAKES]:
            self.broken(f"blocked after exit 0: {blockers}")
        for operation in plan["operations"]:
            due = operation["action"] == "delete" and self.grace == 0
            if not due and not operation["address"].startswith("role/"):
                self.broken(
                    f"a plan after exit 0 has {operation['action']} {operation['address']}: {operation['summary']}"
                )
        return not plan["operations"] and self._as_said()

    def _as_said(self) -> bool:
        """What is live is what the documents say, for the very organizations that they are about."""
        rows = {row["id"]: row for row in self.live()}
        for ident, org in self.wanted.items():
            if not org.declared or org.gone:
                continue
            row = rows.get(self.ids.get(ident, ""), {})
            mode = "dedicated" if org.dedicated else "shared"
            placed = org.state == "deleted" or row.get("mode") == mode
            if not placed or (row.get("slug"), row.get("state")) != (org.name, org.state):
                self.broken(f"done, but {ident} is {row.get('slug')}, {row.get('state')}, {row.get('mode')}, not {org}")
        return True

    def _failed(self, result: Result, times: int) -> None:
        """Exit 5: only who is held may have failed, and with nobody holding anything, nobody."""
        held = self.holders
        if not held:
            if times > 5 or self.crowd is None:
                self.broken("applied in part, and nobody holds anything", result)
            self.repair_indexes()
            return
        section = result.out.partition("failed: fix the cause")[2]
        failed = re.findall(r"^\s+! (?:\w+ )?([a-z]+/\S+)", section, re.MULTILINE)
        if others := [address for address in failed if not self.whose(address) & held]:
            self.broken(f"{others} failed, but only {set(held)} hold anything", result)
        if times > 1:
            self.surround(fierce=False)
            self.repair_indexes()

    def _refused(self, result: Result, times: int) -> None:
        """Exit 1: right where the documents contradict each other, which validate says; otherwise an unexplained error."""
        del times
        if self.command("validate").code != 1:
            self.broken("an unexplained error", result)
        self.log.append(f"  refused: {result.err.strip()[:300]}")
        self._drop({ident for ident, org in self.wanted.items() if org != self.settled.get(ident)}, result)

    def _blocked(self, result: Result, times: int) -> None:
        """Exit 3: says the number of deletions, follows the line that a blocker prints, or drops what is refused."""
        plan = self.plan()
        blockers = [blocker for blocker in plan["blockers"] if blocker["rule"] not in BRAKES]
        if not blockers:
            self._deletes, self._losing = plan["summary"]["delete"], losing(plan)
            if not plan["blockers"] and not self.holders:
                self.broken("blocked by nothing", result)
            if not plan["blockers"]:  # what somebody holds plan cannot see into, and apply could: hold it no more
                self.surround(fierce=False)
                time.sleep(1)
            return
        for blocker in blockers:
            self.log.append(f"  blocked: {blocker['address']} {blocker['rule']}: {blocker['message'][:400]}")
            if raw := _RAW.search(blocker["message"]):
                self.broken(f"a raw error in a blocker: {raw.group()}", result)
        if self.repair_indexes():
            return
        offending: set[str] = set()
        for blocker in blockers:
            if not self._restores(blocker):
                offending |= self.whose(blocker["address"])
        changed = {ident for ident, org in self.wanted.items() if org != self.settled.get(ident)}
        if offending or times > 2:
            self._drop(offending & changed or changed, result)
        self.write()
        self.surround()

    def _restores(self, blocker: Mapping[str, Any]) -> bool:
        """Adds the line that a blocker prints, where its document means the organization that was deleted."""
        line = _RESTORE.search(blocker["message"])
        kind, _, name = blocker["address"].partition("/")
        if line is None or kind not in ("organization", "tenant"):
            return False
        for ident, org in self.wanted.items():
            named = org.name if kind == "organization" else org.tenant_name
            if named == name and org.declared and not org.gone and org.renamed_from is None:
                return self._taken_up(ident, kind, line[1])
        return False

    def _taken_up(self, ident: str, kind: str, row_id: str) -> bool:
        owner = next((i for i, found in self.ids.items() if found == row_id and not self.wanted[i].gone), None)
        if owner is not None and owner != ident:  # a new document under a deleted name: the old one, or not at all
            if self.chance.random() < 0.5:
                return False
            new = self.wanted.pop(ident)
            ident = owner
            self.say(ident, "is meant by a new document", declared=True, state="active", name=new.name)
        self.say(ident, "restores", restore={**self.wanted[ident].restore, kind: row_id})
        return True

    def _drop(self, idents: set[str], result: Result) -> None:
        """Takes changes back to what is live."""
        if not idents:
            self.broken("refused, with nothing left to take back", result)
        for ident in sorted(idents):
            self.log.append(f"  dropped: what was wanted of {ident}")
            if ident in self.settled:
                self.wanted[ident] = self.settled[ident]
            else:
                del self.wanted[ident]
        self.write()
        self.surround()

    def whose(self, address: str) -> set[str]:
        """The organizations that an address is about, as they were or as they are to be."""
        found = set()
        for org in (*self.wanted.values(), *self.settled.values()):
            kind, _, rest = address.partition("/")
            rest = rest.partition("/")[2] if kind in ("database", "schema", "role") else rest
            own = {org.name, org.tenant_name} if kind in ("organization", "tenant") else set()
            bases = {self.base(org), self.fleet.database(org.tenant_name)}
            named = any(rest == base or re.fullmatch(rf"{base}_(app2?|ro|owner)", rest) for base in bases)
            if rest.partition("/")[0] in own or (named and kind in ("database", "schema", "role")):
                found.add(org.ident)
        return found

    def repair_indexes(self) -> bool:
        """Drops what a blocked CREATE INDEX CONCURRENTLY left, as the blocker asks; whether there was any."""
        found = False
        for alias, server in self.servers.items():
            for name in self.databases(alias):
                with server.superuser_connect(name) as session:
                    query = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
                    for (index,) in session.execute(query).fetchall():
                        session.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(index)))
                        found = True
        return found

    # -- what is live

    def databases(self, alias: str = "primary") -> dict[str, dict[str, Any]]:
        """The fleet's databases on a server that can be connected to, with their stamps."""
        return {name: stamp for name, (stamp, connects) in self.all_databases(alias).items() if connects}

    def all_databases(self, alias: str) -> dict[str, tuple[dict[str, Any], bool]]:
        """Every database of the fleet on a server: its stamp, and whether anybody may connect."""
        query = "SELECT datname::text, shobj_description(oid, 'pg_database'), datallowconn FROM pg_database"
        with self.servers[alias].superuser_connect() as session:
            rows = session.execute(query.encode()).fetchall()
        found = {}
        for name, comment, connects in rows:
            stamp: dict[str, Any] = {}
            with suppress(ValueError):
                stamp = json.loads((comment or "").removeprefix("tenantplan "))
            if stamp.get("fleet") == self.fleet.name or name.startswith(("tp_new_", f"o{self.fleet.id}")):
                found[name] = (stamp, connects)
        return found

    def live(self) -> list[dict[str, Any]]:
        """The rows of organizations."""
        columns = "id::text, slug, state::text, protect, database_mode::text AS mode, database_server AS server, database_name"
        with self.fleet.connect() as session:
            session.row_factory = psycopg.rows.dict_row
            return session.execute(f"SELECT {columns} FROM organizations".encode()).fetchall()

    def refresh(self, *, whole: bool) -> None:
        """Reads what is live; `whole`: what was wanted is."""
        try:
            rows = self.live()
        except psycopg.Error:
            return  # there is no main database yet
        by_id = {row["id"]: row for row in rows}
        for ident in [i for i, org in self.wanted.items() if i not in self.ids and org.declared]:
            org = self.wanted[ident]
            row = next((r for r in rows if r["slug"] == org.name), None)
            if row is None:
                continue
            owner = next((i for i, found in self.ids.items() if found == row["id"] and not self.wanted[i].gone), None)
            if owner and row["id"] in by_id and row["state"] != "deleted":
                self.broken(f"the new {ident} ({org.name}) was given what {owner} was, which was deleted")
            if owner is None:
                self.ids[ident] = row["id"]
        for ident, org in list(self.wanted.items()):
            if ident in self.ids and not org.gone:
                self._seen(ident, by_id.get(self.ids[ident]), whole)

    def _seen(self, ident: str, row: Mapping[str, Any] | None, whole: bool) -> None:
        org, before = self.wanted[ident], self.settled.get(ident)
        if row is None:
            if before is None or before.state != "deleted":
                self.broken(f"{ident} ({org.name}) is gone, and was not deleted")
            self.wanted[ident] = self.settled[ident] = replace(before or org, gone=True, declared=False)
            return
        if whole and org.declared:
            self.settled[ident] = replace(org, renamed_from=None, restore={})
        base = self.settled.get(ident) or org
        shared = org.mode if not org.dedicated else base.mode if not base.dedicated else "pooled"
        own = row["database_name"] if row["database_name"] != self.fleet.database(row["slug"]) else None
        self.settled[ident] = replace(
            base, name=row["slug"], state=row["state"], protect=row["protect"], renamed_from=None, restore={},
            mode=row["mode"] if row["mode"] == "dedicated" else shared, server=row["server"] or "primary",
            database=own if row["mode"] == "dedicated" else None,
        )  # fmt: skip

    # -- the crowd

    def surround(self, fierce: bool | None = None) -> None:
        """Says to applications and attackers who they are now; `fierce`: whether some hold what they may."""
        if self.crowd is None:
            return
        if fierce is not None:
            able = [i for i, org in self.settled.items() if org.dedicated and not org.gone]
            self.holders = frozenset(self.chance.sample(able, min(len(able), 1)) if fierce else ())
        tenants = []
        for ident, org in self.wanted.items():
            before = self.settled.get(ident, org)
            logins = self._logins(ident, (org, before))
            names = {f"organization/{o.name}" for o in (org, before)} | {f"tenant/{org.tenant_name}"}
            pooled = self.ids.get(ident) if before.mode == "pooled" else None
            tenants.append(
                {"ident": ident, "logins": logins, "names": sorted(names), "writes": org.occupied and bool(logins),
                 "pooled": pooled, "attacks": not pooled, "holds": ident in self.holders}
            )  # fmt: skip
        keys = [LOCK_KEY, LOCK_KEY ^ zlib.crc32(self.fleet.main_database.encode())]
        self.crowd.tell("set", tenants=tenants, keys=keys, main=self.fleet.main_database, seed=self.seed, does=CROWD)

    def _logins(self, ident: str, orgs: Sequence[Org]) -> list[tuple[int, str, str, str]]:
        """Every way in that a tenant knows, the newest first."""
        found: list[tuple[int, str, str, str]] = []
        for org in orgs:
            port = self.servers[org.server if org.dedicated else "primary"].port
            base, place = self.base(org), self.base(org) if org.dedicated else self.fleet.main_database
            if org.mode == "pooled":
                found.append((port, self.pool_login, "long-and-random-5Xq!", self.fleet.main_database))
            elif not org.generated:
                found += [(port, f"{base}_app", org.secret(g), place) for g in {org.password, max(1, org.password - 1)}]
        found += self._generated(ident, orgs)
        self.known[ident] = list(dict.fromkeys([*found, *self.known.get(ident, [])]))[:5]
        return self.known[ident]

    def _generated(self, ident: str, orgs: Sequence[Org]) -> Iterator[tuple[int, str, str, str]]:
        if not any(org.generated for org in orgs):
            return
        with suppress(psycopg.Error):
            for row in kept(self.fleet):
                if row["holder"] in {f"organization/{org.name}" for org in orgs if org.ident == ident}:
                    yield row["port"], row["role"], row["password"], row["database"]

    @property
    def pool_login(self) -> str:
        """The application's login of shared mode, which is its operator's to make."""
        return f"o{self.fleet.id}_application"

    def open_pool(self) -> None:
        """Makes it."""
        made = f"CREATE ROLE {self.pool_login} LOGIN PASSWORD 'long-and-random-5Xq!' IN ROLE {self.fleet.main_database}_pool"
        self.fleet.execute(made, database="postgres")

    def mark(self) -> None:
        """A row of its own, paid for, in the place of each organization that has none yet, put there by its operator."""
        for row in self.live():
            ident = next((i for i, found in self.ids.items() if found == row["id"] and not self.wanted[i].gone), None)
            text = f"{ident}.m1"
            if ident is None or not self.wanted[ident].occupied or text in self.markers or row["state"] == "deleted":
                continue
            if row["mode"] == "dedicated":
                statement, values = "INSERT INTO donors (email, plan) VALUES (%s, 'paid')", [text]
                place = self.servers[row["server"]].superuser_connect(row["database_name"])
            elif self.prisma:
                continue
            else:
                statement, values = (
                    "INSERT INTO donors (email, plan, organization_id) VALUES (%s, 'paid', %s)",
                    [text, row["id"]],
                )
                place = self.fleet.connect()
            with place as session:
                session.execute(statement.encode(), values)
            self.markers[text] = ident

    def listen(self) -> dict[str, Any]:
        """What the crowd did since the last time; each acknowledged write becomes a marker."""
        if self.crowd is None:
            return {"acks": [], "entered": [], "holds": []}
        told = self.crowd.tell("report")
        self.markers.update({text: ident for ident, text, *_ in told["acks"]})
        return told


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


Edit = Callable[[Life], bool]
