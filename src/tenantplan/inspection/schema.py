"""The real schema of every tenant database, object by object, against the template or the others at the same revision."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from tenantplan.errors import TenantplanError
from tenantplan.execution.template import unpacked
from tenantplan.inspection.scene import Scene, Target, each
from tenantplan.migration import fingerprint
from tenantplan.migration.version import VersionTables
from tenantplan.model import address as addresses
from tenantplan.model import stamp
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Schema
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query
from tenantplan.rendering.parts import clipped
from tenantplan.rendering.view import DriftItem

_DEFINITION = 300


@dataclass(frozen=True)
class Look:
    """One database: its own revision, the digest of its schema, and the server's major version, which words definitions."""

    revision: str | None
    digest: str
    major: int


def schema_drift(scene: Scene) -> tuple[list[DriftItem], list[Finding]]:
    """Differences inside databases, and the databases that could not be looked into."""
    stamped: dict[Target, Schema] = {(s.server, s.database): s for s in _schemas(scene)}
    answers = each(scene, stamped, partial(_look, scene.trees.versions))
    lost = [
        Finding(addresses.database(alias, str(name)), "unreachable", answer.message)
        for (alias, name), answer in answers.items()
        if isinstance(answer, TenantplanError)
    ]
    seen = {target: answer for target, answer in answers.items() if isinstance(answer, Look)}
    items = [
        DriftItem(_address(target), "revision", stamped[target].revision or "", look.revision or "")
        for target, look in seen.items()
        if look.revision != stamped[target].revision
    ]
    return items + list(_odd(scene, seen)), lost


def _schemas(scene: Scene) -> Iterator[Schema]:
    """Schemas of databases that tenantplan made and that are in use; what an organization brought has its own rights and owner."""
    for resource in scene.live.state.values():
        if isinstance(resource, Schema) and resource.tree == "tenant" and not resource.server.startswith("url:"):
            database = scene.live.state.get(addresses.database(resource.server, resource.database))
            if isinstance(database, Database) and database.retired_at is None:
                yield resource


def _look(versions: VersionTables, connection: Connection) -> Look:
    with connection.transaction():
        revision, _ = versions.read(connection, "tenant")
        return Look(revision, fingerprint.fingerprint(connection), connection.info.server_version // 10000)


def _odd(scene: Scene, seen: Mapping[Target, Look]) -> Iterator[DriftItem]:
    groups: dict[tuple[str | None, int], dict[Target, str]] = defaultdict(dict)
    for target, look in sorted(seen.items(), key=lambda item: str(item[0])):
        groups[look.revision, look.major][target] = look.digest
    templates = _templates(scene)
    for (revision, _), digests in groups.items():
        servers = {alias for alias, _ in digests}
        known = next((templates[a, revision] for a in sorted(servers) if (a, revision) in templates), None)
        yield from _against(scene, digests, known)


def _against(scene: Scene, digests: Mapping[Target, str], known: Mapping[str, str] | None) -> Iterator[DriftItem]:
    """Databases of one revision. One of each kind is read: all of a kind are the same."""
    kinds: dict[str, list[Target]] = defaultdict(list)
    for target, digest in digests.items():
        kinds[digest].append(target)
    if known is not None:
        kinds.pop(fingerprint.digest(known), None)
    elif len(kinds) == 1:
        return
    read = each(scene, [targets[0] for targets in kinds.values()], fingerprint.objects)
    objects = {d: o for d, t in kinds.items() if not isinstance(o := read[t[0]], TenantplanError)}
    wanted = known if known is not None else _most(kinds, objects)
    for digest, found in objects.items():
        for name, right, wrong in fingerprint.differences(wanted, found):
            for target in kinds[digest]:
                yield DriftItem(_address(target), name, _worded(right), _worded(wrong))


def _worded(definition: str | None) -> str:
    """Some objects are no more than their name."""
    return "" if definition is None else clipped(definition or "there", _DEFINITION)


def _most(kinds: Mapping[str, list[Target]], objects: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """The objects of the kind that most databases are of."""
    counted = Counter({digest: len(kinds[digest]) for digest in objects})
    return objects[counted.most_common(1)[0][0]] if counted else {}


def _templates(scene: Scene) -> dict[tuple[str, str | None], Mapping[str, str]]:
    """(server, revision) -> what a database at this revision looks like, from the stamps of this fleet's templates."""
    found: dict[tuple[str, str | None], Mapping[str, str]] = {}
    for alias in scene.live.servers:
        with scene.connector.connect(alias, read_only=True) as connection:
            comments = [row[0] for row in connection.execute(query("templates")).fetchall()]
        for facts in map(stamp.decode, comments):
            mine = (facts.get("fleet"), facts.get("main")) == (scene.settings.fleet, scene.main_database)
            if mine and facts.get("kind") == "template" and (objects := unpacked(facts.get("objects", ""))):
                found[alias, facts.get("revision")] = objects
    return found


def _address(target: Target) -> str:
    return addresses.schema(target[0], str(target[1]))
