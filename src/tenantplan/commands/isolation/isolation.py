"""The proof of isolation: sessions as the roles of sampled organizations try to reach other organizations' data.

Of each role a login is made for a few minutes that may do exactly what it may. What the attempts write is taken back with
their transactions, and the logins are dropped at the end; those of a proof that was killed, by the next one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from tenantplan.commands.doctor import rehearsal
from tenantplan.commands.isolation import (
    creation_attempts,
    leaving_attempts,
    row_attempts,
    server_attempts,
)
from tenantplan.commands.isolation.attempt import LEAK, NOTHING, OPEN, REFUSED, UNTRIED, Attempt, Subject
from tenantplan.commands.isolation.former_places import former_places
from tenantplan.commands.isolation.probe_login import Ground, collect, probe
from tenantplan.commands.status.fleet_view import FleetView, read_fleet
from tenantplan.desired.declare import facts
from tenantplan.errors import ConnectError, Locked, NotFound
from tenantplan.fleet.opening import open_fleet
from tenantplan.model.address import MAIN
from tenantplan.model.resource import Database, Resource, Role, Row, of_type, one
from tenantplan.postgres import lock
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.guard import show_rows_of
from tenantplan.postgres.lock_database import ensure_lock_database, lock_database
from tenantplan.postgres.queries import blocks
from tenantplan.settings.settings import Settings

_LOOKED_AT = 20  # other organizations whose rows are looked for, to know whether there is something to see


@dataclass(frozen=True)
class ProbedRole:
    """A role whose isolation is tried: `mine` is its organization's id in the shared tables, None in a database of its own."""

    name: str
    role: str
    server: str
    database: str
    mine: str | None = None


def isolation(settings: Settings, sample: int, on_tried: Callable[[Attempt], None]) -> list[Attempt]:
    """Every line of the proof, over `sample` organizations and tenants of each mode, and the pooled role; `on_tried` hears of each.

    Raises NotFound before the first apply, Locked while another proof is at work, ConnectError.
    """
    with open_fleet(settings) as fleet:
        return _proof(read_fleet(fleet), sample, on_tried)


def _proof(scene: FleetView, sample: int, on_tried: Callable[[Attempt], None]) -> list[Attempt]:
    settings = scene.settings
    if not scene.applied:
        raise NotFound(
            "nothing has been applied yet: there is nothing to isolate", hint="tenantplan apply makes the databases"
        )
    connector = scene.fleet.another_connector()  # which gets to know the probes
    ground = Ground(connector, scene.main_database, f"tenantplan probe of {settings.fleet} in {scene.main_database}")
    found: list[Attempt] = []

    def tell(lines: Iterator[Attempt]) -> None:
        for line in lines:
            found.append(line)
            on_tried(line)

    with connector.connect(MAIN) as outside:
        name = ensure_lock_database(outside, settings.fleet, scene.main_database)
    with lock.lock_session(connector, name) as holding:
        if not lock.try_lock(holding, lock.PROOF):
            raise Locked(
                "another isolation check is running", hint="wait for it: it takes seconds for each organization"
            )
        collect(ground, list(scene.live.servers))
        rehearsal.collect(scene)
        tell(_gaps(scene))
        tell(former_places(scene.live.state))
        tell(creation_attempts.templates(scene))
        begun: set[str] = set()
        for target in _targets(scene, sample):
            tell(_attempts(scene, ground, target, holding, first=target.server not in begun))
            begun.add(target.server)
    return found


def _gaps(scene: FleetView) -> Iterator[Attempt]:
    """What the catalog of the main database says: the same that a plan refuses, where anybody is in shared mode."""
    sharing = scene.live.main.sharing
    rows = [row for row in of_type(scene.live.state, Row).values() if row.retired_at is None]
    if not any(row.values.get("database_mode") == "shared" for row in rows):
        return
    for gap in sharing.gaps:
        harmless = gap.rule == "setting" and not sharing.bound
        yield Attempt("shared tables", "", f"{gap.thing} {gap.message}", OPEN if harmless else LEAK, gap.rule)
    if not sharing.gaps:
        yield Attempt(
            "shared tables", "", "forced row level security, and nothing that passes it by", NOTHING, "catalog"
        )


def _named_by_pool(resource: Resource | None) -> bool:
    """Whether it is an organization that the pooled role may name: an active one in shared mode."""
    row = one(resource, Row)
    if row is None or row.table != "organizations":
        return False
    return row.values.get("state") == "active" and row.values.get("database_mode") == "shared"


def _targets(scene: FleetView, sample: int) -> list[ProbedRole]:
    roles = [r for r in of_type(scene.live.state, Role).values() if r.login and r.holder and r.managed]
    databases, main, ids = _databases(scene), scene.main_database, scene.live.main.ids
    shared = [
        ProbedRole(str(r.holder), r.name, MAIN, main, ids.get(str(r.holder))) for r in roles if r.access == "bound"
    ]
    own = [
        ProbedRole(str(r.holder), r.name, r.server, database.name)
        for r in roles
        if r.access is None and (database := databases.get((r.server, r.holder)))
    ]
    pool = facts(scene.fleet).shared_groups[2]
    known = pool in scene.live.main.sharing.access
    organizations = sorted(i for a, i in ids.items() if _named_by_pool(scene.live.state.get(a)))
    pooled = [ProbedRole("pool", pool, MAIN, main, i) for i in organizations[:1] if known]
    return [*_sampled(shared, sample), *pooled, *_sampled(own, sample)]


def _sampled(targets: Sequence[ProbedRole], sample: int) -> list[ProbedRole]:
    """All roles of so many of them."""
    names = sorted({target.name for target in targets})
    chosen = set(random.sample(names, min(sample, len(names))))
    return sorted((t for t in targets if t.name in chosen), key=lambda t: (t.name, t.role))


def _databases(scene: FleetView) -> Mapping[tuple[str, str | None], Database]:
    return {
        (r.server, r.holder): r
        for r in of_type(scene.live.state, Database).values()
        if r.holder and r.managed and r.retired_at is None and r.allow_connections
    }


def _attempts(
    scene: FleetView, ground: Ground, target: ProbedRole, holding: Connection, *, first: bool
) -> Iterator[Attempt]:
    """Every attempt of one target; where its probe cannot log in, that is said. `first`: of its server."""
    try:
        with probe(ground, target.server, target.database, target.role) as session:
            stand = Subject(session, target.name, target.role, target.mine)
            if target.mine is not None:
                with ground.connector.connect(MAIN, scene.main_database) as control:
                    stand = _with_others(scene, control, stand)
                yield from _in_shared_tables(stand, target)
            yield from _everywhere(scene, ground, stand, target)
            yield from _fleet_objects(scene, ground, stand, target, holding, first)
    except ConnectError as error:
        yield Attempt(target.name, target.role, "log in", UNTRIED, error.message)
    except psycopg.Error as error:
        yield Attempt(target.name, target.role, "what comes after these", UNTRIED, describe(error))


def _in_shared_tables(stand: Subject, target: ProbedRole) -> Iterator[Attempt]:
    if not stand.others:
        yield stand.line("read rows of others", UNTRIED, "there is no other organization")
    elif target.name == "pool":
        yield from row_attempts.unset(stand)
        yield from row_attempts.named(stand)
    else:
        yield from row_attempts.foreign(stand)
        yield from row_attempts.other_statements(stand)
    yield from row_attempts.control_plane(stand)
    yield from row_attempts.large_objects(stand)


def _everywhere(scene: FleetView, ground: Ground, stand: Subject, target: ProbedRole) -> Iterator[Attempt]:
    roles = [r for r in of_type(scene.live.state, Role).values() if r.server == target.server and r.holder]
    strangers = [r.name for r in roles if r.holder != target.name]
    yield from server_attempts.become(stand, [scene.live.servers[target.server].role, *strangers])
    yield from server_attempts.truncate(stand)
    yield from server_attempts.make(stand)
    yield from server_attempts.read_server(stand)
    there = [d.name for (server, _), d in _databases(scene).items() if server == target.server]
    there += [scene.main_database, lock_database(scene.main_database)] if target.server == MAIN else []
    yield from server_attempts.connect(stand, ground.connector, [name for name in there if name != target.database])
    yield _notified(ground, stand, target)


def _fleet_objects(
    scene: FleetView, ground: Ground, stand: Subject, target: ProbedRole, holding: Connection, first: bool
) -> Iterator[Attempt]:
    """What is tenantplan's own: databases of no organization, the fleet's lock, and the roles that it drops."""
    yield creation_attempts.connect(stand, ground.connector)
    if first:  # each takes as long as making a database
        yield creation_attempts.in_the_making(stand, scene, ground.connector, target.server)
    if target.server == MAIN:
        name = lock_database(scene.main_database)
        yield lock_out(stand, ground.connector, holding, scene.main_database, name)
    yield from leaving_attempts.leave(stand, ground, target.server, None if target.mine else target.database)


def _notified(ground: Ground, stand: Subject, target: ProbedRole) -> Attempt:
    """Whether a notification reaches who listens elsewhere: it goes to all sessions of the database, and to no other."""
    what = "notifications reach others"
    with ground.connector.connect(target.server, ground.database(target.server)) as listener:
        listener.execute("LISTEN tp_probe")
        stand.session.execute("NOTIFY tp_probe, 'tp_probe'")
        heard = list(listener.notifies(timeout=0.2, stop_after=1))
    if heard and target.mine is not None:
        return stand.line(what, OPEN, "in the main database every session receives them: no data in their payload")
    return stand.line(what, LEAK if heard else NOTHING)


def _with_others(scene: FleetView, control: Connection, stand: Subject) -> Subject:
    """The stand with the ids of other organizations, one that has rows first, and the tables in which they have some."""
    ids = scene.live.main.ids
    rows = {a: r for a, r in of_type(scene.live.state, Row).items() if r.table == "organizations" and a in ids}
    shared = [ids[a] for a, row in rows.items() if row.values.get("database_mode") == "shared"]
    others = [i for i in shared if i != stand.mine] or [ids[a] for a in rows if ids[a] != stand.mine]
    filled: set[tuple[str, str]] = set()
    having: list[str] = []
    for other in others[:_LOOKED_AT]:
        tables = _rows_of(control, other)
        filled |= tables
        having += [other] if tables else []
    return replace(stand, others=[*having, *(i for i in others if i not in having)], filled=sorted(filled))


def _rows_of(control: Connection, organization: str) -> set[tuple[str, str]]:
    """The tenant tables in which an organization has rows: their owner may name it."""
    found = set()
    with control.transaction(force_rollback=True):
        show_rows_of(control, organization)
        for schema, table in control.execute(
            blocks("tenantplan.commands.isolation", "isolation.sql")["tenant_tables"]
        ).fetchall():
            text = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE organization_id = %s)").format(
                sql.Identifier(schema, table)
            )
            if control.execute(text, [organization]).fetchall()[0][0]:
                found.add((schema, table))
    return found


_TRIED = 10  # databases; the lock is in one


def lock_out(stand: Subject, connector: Connector, holding: Connection, main_database: str, lock_name: str) -> Attempt:
    """The keys are taken in each database that lets the role in, and the fleet's lock, by `holding`, all the same."""
    what = "lock the fleet out"
    taken: list[str] = []
    names = [name for (name,) in stand.rows("open_databases")]
    for name in sorted(names, key=lambda name: (name != lock_name, name))[:_TRIED]:
        with suppress(ConnectError), connector.connect(stand.session.info.user, name) as session:
            lock.try_lock(session, lock.KEY)
            lock.try_lock(session, lock.PROOF)
            taken.append(name)
            mine = session.info.backend_pid
            try:
                lock.acquire(connector, holding, main_database)
            except Locked:
                found = lock.holder(holding, main_database)
                if found is None or found.pid == mine:
                    return stand.line(what, LEAK, f"took it in database {name}")
                return stand.line(what, UNTRIED, "an apply holds the lock")
            holding.execute("SELECT pg_advisory_unlock(%s)", [lock.KEY])
    return stand.line(what, REFUSED, f"took its keys in {', '.join(taken[:5])}; the lock was free all the same")
