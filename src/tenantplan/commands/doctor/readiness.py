"""Whether a fleet is ready to be deployed: its keys, secrets, migrations, pools, log and runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tenantplan.commands.status.fleet_view import Activity, FleetView, rows
from tenantplan.commands.status.revisions import revisions
from tenantplan.desired.secrets import Findings, secrets_of
from tenantplan.errors import TenantplanError
from tenantplan.fleet.opening import Fleet
from tenantplan.journal import read
from tenantplan.live.credentials import read_keys
from tenantplan.migration.trees import edited
from tenantplan.model import stamp
from tenantplan.model.address import MAIN
from tenantplan.model.check import Check, passed
from tenantplan.model.desired import Desired
from tenantplan.model.resource import Row
from tenantplan.postgres.databases import temporary_databases
from tenantplan.postgres.queries import query
from tenantplan.secrets.box import Vault

_SHOWN = 5


def variables(fleet: Fleet, desired: Desired, found: Findings) -> Iterator[Check]:
    """What references of the YAML stand for. (Those of servers and keys have lines of their own.)"""
    url = fleet.settings.spec.packages.url
    if url is not None:
        try:
            fleet.secrets.resolve(url.text)
        except TenantplanError as error:
            yield Check("fleet file", "packages.url", "fail", error.message, error.hint)
    for finding in found.blockers:
        yield Check(finding.address, "secret", "fail", finding.message, "set it where tenantplan runs")
    for finding in found.notes:
        yield Check(
            finding.address, "secret", "warn", finding.message, "set it where apply runs, if it is to be compared"
        )
    if not found.blockers and not found.notes:
        count = len({s.reference for r in desired.state.values() for s in secrets_of(r).values()})
        yield passed(
            "manifest", "secrets", f"{count} reference{'s have' if count != 1 else ' has'} a value that can be used"
        )


def keys(scene: FleetView, vault: Vault | None) -> Iterator[Check]:
    """The key that credentials are encrypted with, and those before it."""
    used: Mapping[str, int] = {}
    if "tenantplan.credentials" in scene.live.main.columns:
        with scene.connector.connect(MAIN, scene.main_database, read_only=True) as connection:
            used = read_keys(connection)
    unknown = {key: n for key, n in used.items() if key not in (vault.key_ids if vault else ())}
    if unknown:
        what = (
            f"{sum(unknown.values())} credentials are encrypted under keys that are not available: {', '.join(unknown)}"
        )
        yield Check(
            "main",
            "encryption key",
            "fail",
            what,
            "set CREDENTIALS_ENCRYPTION_KEY, or name it in credentials.formerKeys",
        )
    elif vault is None:
        advice = (
            "tenantplan credentials key makes one; without it connection strings are not stored, secrets are refused"
        )
        yield Check("main", "encryption key", "warn", "none is set, and nothing is stored encrypted", advice)
    else:
        yield passed("main", "encryption key", f"set; {sum(used.values())} credentials are under it or a former one")
    former = vault.key_ids - {vault.key_id} if vault else frozenset()
    left = sum(n for key, n in used.items() if key in former)
    if left:
        yield Check(
            "main", "former keys", "warn", f"{left} credentials are still under one", "tenantplan credentials rekey"
        )
    elif former:
        yield Check("main", "former keys", "warn", "nothing is under them", "remove them from credentials.formerKeys")


def migrations(scene: FleetView) -> Iterator[Check]:
    """Files of applied revisions, revisions that nobody knows, and the way back from what is pending."""
    bad = [finding.message for finding in edited(scene.trees, scene.live.main.recorded)]
    found = revisions(scene)
    bad += [f"{r} of {', '.join(names[:_SHOWN])} is not in the tree" for t in found for r, names in t.unknown.items()]
    for message in bad:
        yield Check("migrations", "history", "fail", message, "use the checkout that they were applied from")
    if not bad:
        yield passed("migrations", "history", "every applied revision is unchanged")
    waiting = {r.id: r for t in found for start in t.behind for r in scene.trees.of(t.tree).path(start, t.head)}
    one_way = sorted(r.id for r in waiting.values() if not r.reversible)
    if one_way:
        advice = "write their downgrade; else a backup is the only way back"
        yield Check("migrations", "rollback path", "warn", f"no way back from {', '.join(one_way)}", advice)
    else:
        said = f"{len(waiting)} pending, each with a downgrade" if waiting else "nothing is pending"
        yield passed("migrations", "rollback path", said)


def pooling(scene: FleetView) -> Iterator[Check]:
    """Whether servers have room for tenantplan's own sessions, and for all pools of applications at once."""
    wanted: dict[str, int] = defaultdict(int)
    for row in rows(scene.live.state):
        if row.values["database_mode"] == "dedicated" and row.values.get("database_server") and row.retired_at is None:
            wanted[str(row.values["database_server"])] += _pool(row)
    for alias in scene.live.servers:
        subject, budget = f"server {alias}", scene.settings.servers[alias].max_connections
        with scene.connector.connect(alias, read_only=True) as connection:
            answer = connection.execute(query("room")).fetchone()
        room = int(answer[0]) if answer else 0
        if budget > room:
            advice = f"lower servers.{alias}.maxConnections, or raise max_connections there"
            yield Check(
                subject, "connections", "fail", f"tenantplan may open {budget}, the server accepts {room}", advice
            )
        elif wanted[alias] + budget > room:
            what = f"pools of organizations may open {wanted[alias]}, tenantplan {budget}, the server takes {room}"
            advice = (
                "lower their pools or connectionLimit, put a pooler before the applications, or raise max_connections"
            )
            yield Check(subject, "connections", "warn", what, advice)
        else:
            yield passed(subject, "connections", f"{wanted[alias]} for pools and {budget} for tenantplan, of {room}")


def _pool(row: Row) -> int:
    size, limit = (
        int(row.values["pool_size"]) + int(row.values["pool_max_overflow"]),
        int(row.values["connection_limit"]),
    )
    return size if limit < 0 else min(size, limit)


def log(scene: FleetView) -> Iterator[Check]:
    """Whether the audit log is whole, as far as it can tell by itself."""
    if "tenantplan.audit_log" not in scene.live.main.columns:
        return
    with scene.connector.connect(MAIN, scene.main_database, read_only=True) as connection:
        found = read.verify(connection)
    if found.broken is None:
        yield passed("main", "audit log", f"whole: {found.entries} entries")
    else:
        what = f"broken at entry {found.broken[0]}: it was changed or cut"
        yield Check("main", "audit log", "fail", what, "see more: tenantplan audit verify")


def runs(scene: FleetView, activity: Activity) -> Iterator[Check]:
    """Applies that are at work or were interrupted, and what they left."""
    if activity.holder:
        yield Check("main", "runs", "warn", f"an apply is running: {activity.holder.tag}", "wait for it")
        return
    if activity.unfinished:
        what = f"run {activity.unfinished} was interrupted"
        yield Check("main", "runs", "warn", what, "tenantplan apply finishes what it began")
    else:
        yield passed("main", "runs", "none was interrupted")
    for alias in scene.live.servers:
        with scene.connector.connect(alias, read_only=True) as connection:
            found = temporary_databases(connection)
        yield from _templates(scene, alias, {name: stamp.decode(comment) for name, comment, used in found if not used})


def _templates(scene: FleetView, alias: str, found: Mapping[str, Mapping[str, str]]) -> Iterator[Check]:
    for name, facts in found.items():
        if reason := facts.get(stamp.ASIDE):
            advice = f"find out who changed it, compare the databases cloned from it, then DROP DATABASE {name}"
            yield Check(f"server {alias}", "templates", "warn", f"{name} was set aside: {reason}", advice)
    found = {name: facts for name, facts in found.items() if stamp.ASIDE not in facts}
    half = [n for n, facts in found.items() if n.startswith(stamp.TEMPLATE) and facts.get("ready") != "1"]
    left = [n for n in found if n.startswith(stamp.NEW)]
    if half or left:
        what = f"left by an interrupted run: {', '.join((half + left)[:_SHOWN])}"
        advice = "the next apply that changes something drops this fleet's; for another fleet's, DROP DATABASE"
        yield Check(f"server {alias}", "templates", "warn", what, advice)
        return
    fleet = (scene.settings.fleet, scene.main_database, scene.trees.tenant.head or "none")
    ready = any((f.get("fleet"), f.get("main"), f.get("revision")) == fleet for f in found.values())
    yield passed(
        f"server {alias}", "templates", "ready" if ready else "apply builds the one of the newest revision first"
    )


def backups() -> Iterator[Check]:
    """The newest backup that tenantplan knows of."""
    advice = "make one before you deploy (pg_dump of each database, or your provider's snapshot), and try to restore it"
    yield Check("fleet", "backup", "warn", "tenantplan knows of none: it does not make backups yet", advice)
