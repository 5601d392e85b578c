"""What goes on around an apply: an application of each tenant that reconnects at once, and an attacker with its login.

Run as a program of its own, so that the machinery can fork: lines of JSON in (`set`, `report`, `end`), lines of JSON out.
Times are of the monotonic clock, which the processes of a machine share.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

Session = psycopg.AsyncConnection[tuple[Any, ...]]
_DATABASES = "SELECT datname::text, shobj_description(oid, 'pg_database') FROM pg_database WHERE datallowconn"
_ADVISORY = "SELECT DISTINCT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory'"
_LOCKED = "SELECT pg_try_advisory_lock(%s)"
# What a login leaves where it can: each is tried by itself.
_LEAVINGS = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS left_behind (id int)",
    "SELECT lo_create(0)",
    "CREATE TABLE IF NOT EXISTS public.left_behind (id int)",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
)
_MAKING = ("tp_new_", "tp_template_")
_TABLES = ("donors", "alembic_version", "_prisma_migrations")


@dataclass(frozen=True)
class Login:
    """One way in that a tenant knows."""

    port: int
    role: str
    password: str
    database: str


@dataclass
class Tenant:
    """What the machinery says about one tenant: its logins now and before, and what it is to do."""

    ident: str
    logins: list[Login]
    names: list[str]  # holders, as stamps name them, that are this tenant
    writes: bool
    pooled: str | None  # the organization's id, for the application that names it
    attacks: bool
    holds: bool


@dataclass
class Crowd:
    """All of them, and what happened."""

    settings: dict[str, Any] = field(default_factory=dict)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    events: dict[str, list[Any]] = field(default_factory=lambda: {"acks": [], "entered": [], "holds": []})
    tasks: dict[str, list[asyncio.Task[None]]] = field(default_factory=dict)
    written: int = 0
    chance: random.Random = field(default_factory=random.Random)
    tried: dict[tuple[str, str], float] = field(default_factory=dict)  # when a door may be tried again

    def set(self, given: dict[str, Any]) -> None:
        """Takes over what the machinery says now; who is new begins."""
        self.settings = given
        for each in given["tenants"]:
            logins = [Login(*login) for login in each.pop("logins")]
            tenant = Tenant(logins=logins, **each)
            self.tenants[tenant.ident] = tenant
            if tenant.ident not in self.tasks:
                self.tasks[tenant.ident] = [
                    asyncio.create_task(self._application(tenant.ident)),
                    asyncio.create_task(self._attacker(tenant.ident)),
                    asyncio.create_task(self._holder(tenant.ident)),
                ]

    def report(self) -> dict[str, list[Any]]:
        """What happened since the last report."""
        told, self.events = self.events, {name: [] for name in self.events}
        return told

    # -- the application

    async def _application(self, ident: str) -> None:
        """One login after the other; at once again where it was inside just now."""
        turn = 0
        while True:
            tenant = self.tenants[ident]
            began = time.monotonic()
            if tenant.writes and self._does("writes"):
                await self._writes(ident, tenant.logins[turn % len(tenant.logins)])
            inside = time.monotonic() - began > 0.3
            turn += not inside
            await asyncio.sleep(0 if inside else self.chance.uniform(0.05, 0.2))

    async def _writes(self, ident: str, login: Login) -> None:
        async with _session(login, self.tenants[ident].ident) as session:
            while session is not None:
                tenant = self.tenants[ident]
                if not tenant.writes or login not in tenant.logins:
                    return
                self.written += 1
                text = f"{ident}.w{self.written}"
                began = time.monotonic()
                if tenant.pooled:
                    async with session.transaction():
                        await session.execute(
                            "SELECT set_config('tenantplan.organization_id', %s, true)", [tenant.pooled]
                        )
                        await session.execute("INSERT INTO donors (email) VALUES (%s)", [text])
                else:
                    await session.execute("INSERT INTO donors (email) VALUES (%s)", [text])
                self.events["acks"].append([ident, text, login.role, login.database, began])
                await asyncio.sleep(self.chance.uniform(0.02, 0.1))

    # -- the attacker: gets into what it may, takes locks, leaves things

    async def _attacker(self, ident: str) -> None:
        turn = 0
        while True:
            tenant = self.tenants[ident]
            if tenant.attacks and tenant.logins:
                await self._lurks(ident, tenant.logins[turn % len(tenant.logins)])
            turn += 1
            await asyncio.sleep(self.chance.uniform(0.1, 0.3))

    async def _lurks(self, ident: str, login: Login) -> None:
        """A session in `postgres`, or in its own database where that is closed, that watches and tries."""
        for place in ("postgres", login.database):
            async with _session(login, ident, place) as session:
                if session is None:
                    continue
                await self._leaves(session)
                turns = 0
                while login in self.tenants[ident].logins and self.tenants[ident].attacks:
                    if turns % 16 == 0:
                        await self._locks(ident, session, own=place != "postgres")
                    await self._tries(ident, login, session, others=turns % 16 == 0)
                    turns += 1
                    await asyncio.sleep(self.chance.uniform(0.02, 0.06))
                return

    async def _locks(self, ident: str, session: Session, own: bool) -> None:
        """In its own database only while it holds that: a lock of Prisma's there keeps its organization from migrating."""
        if own and not self.tenants[ident].holds:
            await session.execute("SELECT pg_advisory_unlock_all()")
            return
        if not self._does("locks"):
            return
        seen = [key for (key,) in await (await session.execute(_ADVISORY)).fetchall()]
        for key in {*seen, *self.settings["keys"]}:
            await session.execute(_LOCKED, [key])

    async def _tries(self, ident: str, login: Login, session: Session, others: bool) -> None:
        """Connects to databases in the making always, and to everybody else's now and then."""
        found = await (await session.execute(_DATABASES)).fetchall()
        if others and self._does("others"):
            await self._enters(ident, login, *self.chance.choice(found))
        for name, comment in found if self._does("making") else ():
            fresh = time.monotonic() > self.tried.get((ident, name), 0)
            if fresh and name.startswith(_MAKING):
                self.tried[ident, name] = time.monotonic() + (0.1 if name.startswith("tp_new_") else 0.5)
                asyncio.create_task(self._enters(ident, login, name, comment)).add_done_callback(_quiet)

    def _does(self, what: str) -> bool:
        return what in self.settings["does"]

    def _own(self, ident: str, name: str, comment: str | None) -> bool:
        """Whether a database is one that this tenant may be in."""
        tenant, making = self.tenants[ident], name.startswith(_MAKING)
        shared = name == self.settings["main"] and any(login.database == name for login in tenant.logins)
        return name in ("postgres", "template1") or shared or (not making and _holder(comment) in tenant.names)

    async def _enters(self, ident: str, login: Login, name: str, comment: str | None) -> None:
        if self._own(ident, name, comment):
            return
        async with _session(login, ident, name) as session:
            if session is None:
                return
            self.tried[ident, name] = time.monotonic() + 5
            stamp = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
            ((now,),) = await (await session.execute(stamp)).fetchall()
            if self._own(ident, name, now):
                return
            self.events["entered"].append([ident, login.role, name, (now or "")[:200], time.monotonic()])
            for statement in (*_LEAVINGS, f"INSERT INTO donors (email) VALUES ('evil.{ident}')"):
                with contextlib.suppress(psycopg.Error):
                    await session.execute(statement.encode())
            await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
            await asyncio.sleep(5)

    async def _leaves(self, session: Session) -> None:
        for statement in _LEAVINGS if self._does("leaves") else ():
            with contextlib.suppress(psycopg.Error):
                await session.execute(statement.encode())

    # -- the holder: keeps its own database's tables locked, and its snapshot

    async def _holder(self, ident: str) -> None:
        turn = 0
        while True:
            tenant = self.tenants[ident]
            if tenant.holds and self._does("holds"):
                await self._holds(ident, tenant.logins[turn % len(tenant.logins)])
            turn += 1
            await asyncio.sleep(0.1)

    async def _holds(self, ident: str, login: Login) -> None:
        async with _session(login, ident) as session:
            if session is None:
                return
            await self._leaves(session)
            await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class LIMIT 1")
            for table in _TABLES:
                await session.execute("SAVEPOINT tried")
                try:
                    lock = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT").format(sql.Identifier(table))
                    await session.execute(lock)
                except psycopg.Error:
                    await session.execute("ROLLBACK TO tried")
            self.events["holds"].append([ident, login.database, time.monotonic()])
            until = time.monotonic() + self.chance.uniform(0.3, 4)
            while self.tenants[ident].holds and login in self.tenants[ident].logins and time.monotonic() < until:
                await session.execute("SELECT 1")
                await asyncio.sleep(0.05)


def _holder(comment: str | None) -> str:
    """Who a stamp says the database belongs to."""
    with contextlib.suppress(ValueError):
        return str(json.loads((comment or "").removeprefix("tenantplan ")).get("holder", ""))
    return ""


def _quiet(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


@contextlib.asynccontextmanager
async def _session(login: Login, ident: str, database: str | None = None) -> Any:
    """A session, or None where the server refuses it; an error within ends it without a word."""
    try:
        session = await psycopg.AsyncConnection.connect(
            host="127.0.0.1", port=login.port, user=login.role, password=login.password, autocommit=True,
            dbname=database or login.database, connect_timeout=3, application_name=f"crowd {ident}",
        )  # fmt: skip
    except psycopg.Error:
        yield None
        return
    try:
        yield session
    except psycopg.Error:
        pass
    finally:
        with contextlib.suppress(psycopg.Error):
            await session.close()


async def main() -> None:
    """Until `end`."""
    crowd = Crowd()
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        said = json.loads(line)
        if said["do"] == "set":
            crowd.chance = random.Random(said.pop("seed", 0))
            crowd.set(said)
        elif said["do"] == "end":
            break
        print(json.dumps(crowd.report() if said["do"] == "report" else {}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
