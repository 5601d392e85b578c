"""Whether servers, and databases that organizations brought, have the extensions that the tenants' migrations make."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from tenantplan.commands.status.fleet_view import FleetView
from tenantplan.errors import TenantplanError
from tenantplan.live.extensions import supplies
from tenantplan.migration.extensions import Need, needs
from tenantplan.model.address import MAIN, is_brought
from tenantplan.model.check import Check, passed
from tenantplan.model.resource import Schema

NAME = "extensions"
_ADVICE = "before the next apply: a plan whose migrations need it is blocked"


def extensions(scene: FleetView) -> Iterator[Check]:
    """A line for each server, and for each brought database that is to be migrated, where the tree makes any."""
    schemas = [each for each in scene.live.state.values() if isinstance(each, Schema) and each.tree == "tenant"]
    wanted = _needs(scene, None)
    for alias in scene.live.servers if wanted else ():
        used = any(each.server == alias for each in schemas)
        yield from _lines(scene, f"server {alias}", alias, wanted, "fail" if used else "warn")
    graph = scene.trees.tenant
    for each in schemas:
        if is_brought(each.server) and each.holder and each.revision != graph.head and graph.knows(each.revision):
            ahead = _needs(scene, each.revision)
            yield from _lines(scene, each.holder, each.server, ahead, "fail") if ahead else ()


def _needs(scene: FleetView, start: str | None) -> tuple[Need, ...]:
    files = {revision: path for (_, revision), path in scene.trees.files.items()}
    return needs(scene.trees.upgrade("tenant", start), files)


def _lines(scene: FleetView, subject: str, alias: str, wanted: tuple[Need, ...], status: str) -> Iterator[Check]:
    brought, embedded = is_brought(alias), scene.settings.embedded and alias == MAIN
    names = [need.name for need in wanted]
    try:
        with scene.connector.connect(alias, read_only=True) as connection:
            found = supplies(connection, names, scene.trees.versions.name("tenant"), embedded=embedded)
    except (TenantplanError, psycopg.Error):  # it has a line of its own
        return
    lacking = False
    for need in wanted:
        if why := found[need.name].obstacle(as_owner=not brought, existing=brought):
            lacking = True
            advice = f"{need.advice}; else {_ADVICE}" if need.advice else _ADVICE
            said = f"extension {need.name} of revision {need.revision}: {why}"
            yield Check(subject, NAME, status if need.certain else "warn", said, advice)
    if not lacking:
        yield passed(subject, NAME, f"has {', '.join(names)}")
