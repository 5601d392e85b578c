"""Schemas of tenant databases, compared with the template of their server and revision."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tenantplan.errors import TenantplanError
from tenantplan.fleet.opening import Fleet
from tenantplan.live.fan_out import each
from tenantplan.live.server import FleetIdentity
from tenantplan.model import address as addresses
from tenantplan.model import stamp
from tenantplan.model.address import Location
from tenantplan.model.finding_rules import UNREACHABLE
from tenantplan.model.live import Survey
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Schema, State, of_type, one
from tenantplan.postgres.connect import Connector
from tenantplan.postgres.queries import query
from tenantplan.schema import fingerprint
from tenantplan.secrets.keyed import fleet_id


@dataclass(frozen=True)
class Inside:
    """One database, looked into: its stamp's Schema, the revision and mark it is really at, and its fingerprint.

    `wanted` are the objects that its revision makes, None where nothing tells: no template, and no majority to compare with.
    `objects` are its own where they differ.
    """

    schema: Schema
    revision: str | None
    mark: str | None
    fingerprint: str
    wanted: Mapping[str, str] | None = None
    objects: Mapping[str, str] | None = None

    @property
    def address(self) -> str:
        """The address of its schema."""
        return addresses.schema(self.schema.server, self.schema.database)

    @property
    def differences(self) -> list[tuple[str, str | None, str | None]]:
        """(identity, expected, actual) of each object; empty when it is as its revision makes it."""
        if self.wanted is None or self.objects is None:
            return []
        return fingerprint.differences(self.wanted, self.objects)


def tenant_schemas(state: State) -> list[Schema]:
    """Schemas of databases that tenantplan made and that are in use; what an organization brought has its own rights and owner."""
    found = []
    for schema in of_type(state, Schema).values():
        if schema.tree == "tenant" and not addresses.is_brought(schema.server):
            database = one(state.get(addresses.database(schema.server, schema.database)), Database)
            if database is not None and database.retired_at is None:
                found.append(schema)
    return found


def look_inside(fleet: Fleet, live: Survey, schemas: Iterable[Schema]) -> tuple[list[Inside], list[Finding]]:
    """Each database, looked into, and a finding for each that could not be."""
    settings, connector = fleet.settings, fleet.connector
    budget = settings.spec.max_connections
    stamped = {Location(s.server, s.database): s for s in schemas}
    answers = each(connector, stamped, fleet.trees.versions.read_with_fingerprint, budget)
    lost = [
        Finding(addresses.database(alias, str(name)), UNREACHABLE, answer.message)
        for (alias, name), answer in answers.items()
        if isinstance(answer, TenantplanError)
    ]
    seen = [Inside(stamped[t], *a) for t, a in answers.items() if not isinstance(a, TenantplanError)]
    groups: dict[tuple[str, str | None], list[Inside]] = defaultdict(list)
    for inside in seen:
        groups[inside.schema.server, inside.revision].append(inside)
    whose = FleetIdentity(settings.fleet, settings.spec.main.database, (), fleet_id(live.main.hash_key, settings.fleet))
    templates = _templates(connector, whose, {alias for alias, _ in groups})
    found = [i for key, group in groups.items() for i in _compared(connector, group, templates.get(key), budget)]
    return sorted(found, key=lambda inside: inside.address), lost


def _compared(
    connector: Connector, group: Sequence[Inside], wanted: Mapping[str, str] | None, budget: int
) -> list[Inside]:
    """Databases of one server and revision. One of each kind is read: all of a kind are the same."""
    kinds: dict[str, list[Inside]] = defaultdict(list)
    for inside in group:
        kinds[inside.fingerprint].append(inside)
    right = fingerprint.digest(wanted) if wanted is not None else None
    odd = {digest: k[0].schema for digest, k in kinds.items() if digest != right}
    if wanted is None and len(kinds) == 1:
        return list(group)
    read = each(connector, [Location(s.server, s.database) for s in odd.values()], fingerprint.objects, budget)
    objects = {
        d: o for d, s in odd.items() if not isinstance(o := read[Location(s.server, s.database)], TenantplanError)
    }
    if wanted is None:
        counted = Counter({digest: len(kinds[digest]) for digest in objects})
        wanted = objects[counted.most_common(1)[0][0]] if counted else {}
    return [
        Inside(i.schema, i.revision, i.mark, i.fingerprint, wanted, objects.get(i.fingerprint, wanted)) for i in group
    ]


def _templates(
    connector: Connector, whose: FleetIdentity, aliases: Iterable[str]
) -> dict[tuple[str, str | None], Mapping[str, str]]:
    """(server, revision) -> what a database at this revision looks like, from the stamps of this fleet's templates."""
    found: dict[tuple[str, str | None], Mapping[str, str]] = {}
    for alias in aliases:
        with connector.connect(alias, read_only=True) as connection:
            named = {"template": stamp.TEMPLATE, "stamp": stamp.PREFIX}
            comments = [row[0] for row in connection.execute(query("templates"), named).fetchall()]
        for facts in map(stamp.decode, comments):
            mine = whose.owns(facts) and facts.get("kind") == "template"
            if mine and (objects := stamp.unpacked(facts.get("objects", ""))):
                found[alias, facts.get("revision")] = objects
    return found
