"""Attempts at databases that belong to no organization: in the making, templates, tombstones, and that of the fleet's lock.

A template can also be one that somebody else has changed: a copy of it is compared with what it held when it was built.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg import sql

from tenantplan.commands.doctor.rehearsal import PREFIX
from tenantplan.commands.isolation.attempt import LEAK, NOTHING, REFUSED, UNTRIED, Attempt, Subject
from tenantplan.commands.isolation.probe_login import refusal
from tenantplan.commands.status.fleet_view import FleetView
from tenantplan.ddl.statements import copied, opened
from tenantplan.errors import TenantplanError, UntrustedCode
from tenantplan.interruptible import interruptible
from tenantplan.migration.running.soundness import compared, is_ready
from tenantplan.migration.running.template import measured
from tenantplan.model import stamp
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connector
from tenantplan.postgres.databases import drop_database, temporary_databases
from tenantplan.postgres.run_sessions import end_sessions, tag
from tenantplan.schema import fingerprint

_SHOWN = 5


def templates(scene: FleetView) -> Iterator[Attempt]:
    """A line for each ready template of the fleet: whether new databases get more from it than its revision makes."""
    for alias, facts in sorted(scene.live.servers.items()):
        for name, its_stamp in _ready(scene, alias, facts.version_num):
            what = f"find something planted in template {name} on server {alias}"
            try:
                found = _difference(scene, alias, name, its_stamp)
            except UntrustedCode as error:
                found = error.message
            except (psycopg.Error, TenantplanError) as error:
                why = describe(error) if isinstance(error, psycopg.Error) else error.message
                yield Attempt("templates", "", what, UNTRIED, why)
                continue
            yield Attempt(
                "templates", "", what, LEAK if found else NOTHING, found or "it holds what it held when built"
            )


def _difference(scene: FleetView, alias: str, name: str, its_stamp: Mapping[str, str]) -> str:
    with _scratch_database(scene, alias, name) as (connector, copy, open_it):
        open_it()
        with connector.connect(alias, copy) as inside:
            return compared(inside, its_stamp, fingerprint.objects)


def connect(stand: Subject, connector: Connector) -> Attempt:
    """Every database that is nobody's yet, nobody's any more, or tenantplan's own: a session in one is a leak."""
    user = stand.session.info.user
    names = [name for (name,) in stand.rows("closed_databases", prefixes=list(stamp.DATABASES))]
    inside = [name for name in names if refusal(connector, user, name) is None]
    what = "connect to templates, tombstones, the lock's database and new ones"
    if inside:
        return stand.line(what, LEAK, f"got into {', '.join(inside[:_SHOWN])}")
    return stand.line(what, REFUSED, f"{len(names)} of them")


def in_the_making(stand: Subject, scene: FleetView, connector: Connector, alias: str) -> Attempt:
    """A database is made as those of organizations are, and connected to at each of its steps."""
    user, what = stand.session.info.user, "connect to a database while it is made"
    try:
        ready = _ready(scene, alias, scene.live.servers[alias].version_num)
        with _scratch_database(scene, alias, ready[0][0] if ready else None) as (_, name, open_it):
            at = ["before it is opened"] if refusal(connector, user, name) is None else []
            open_it()
            at += ["once it is opened"] if refusal(connector, user, name) is None else []
    except (psycopg.Error, TenantplanError) as error:
        why = describe(error) if isinstance(error, psycopg.Error) else error.message
        return stand.line(what, UNTRIED, why)
    return stand.line(what, LEAK if at else REFUSED, f"got in {' and '.join(at)}" if at else "at each of its two steps")


def _ready(scene: FleetView, alias: str, version: int) -> list[tuple[str, dict[str, str]]]:
    with scene.connector.connect(alias, read_only=True) as connection:
        rows = temporary_databases(connection)
    fleet = (scene.settings.fleet, scene.main_database)
    found = [(name, stamp.decode(comment)) for name, comment, _ in rows if name.startswith(stamp.TEMPLATE)]
    return [(n, f) for n, f in found if (f.get("fleet"), f.get("main")) == fleet and is_ready(f, version)]


@contextmanager
def _scratch_database(
    scene: FleetView, alias: str, template: str | None
) -> Iterator[tuple[Connector, str, Callable[[], object]]]:
    """A database that is gone afterwards, made as creation makes one: a connector for it, its name, and what opens it.

    The names are those of doctor's copies: the next doctor drops what a killed one left.
    """
    name = f"{PREFIX}{secrets.token_hex(6)}"
    connector = scene.fleet.another_connector(tag(name))
    with interruptible() as undisturbed:
        try:
            with connector.connect(alias) as guard:
                guard.execute(copied(sql.Identifier(name), measured(guard, template)))
                yield connector, name, lambda: guard.execute(opened(name))
        finally:
            undisturbed()
            end_sessions(connector, [alias], [name])
            with connector.connect(alias) as outside:
                drop_database(outside, name)
