"""What must hold after every apply of a life, looked at in the databases themselves, as a superuser."""

from __future__ import annotations

import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from acceptance.lives import Life, Org
from acceptance.lives_trees import NOTES
from psycopg import sql

# Effects of operations against entries of the audit log, by what they were done to: an entry may call an update by a better name.
_JOURNAL = "SELECT address, count(*) FROM tenantplan.operations WHERE status IN ('done', 'recovered') GROUP BY 1"
_AUDIT = (
    "SELECT address, count(*) FROM tenantplan.audit_log WHERE result IN ('done', 'recovered')"
    " AND action NOT IN ('connect', 'reveal') GROUP BY 1"
)
_SESSIONS = "SELECT DISTINCT usename::text FROM pg_stat_activity WHERE usename = ANY(%s)"
# To look for the next thing while one is known: lines of what does not hold that are passed over.
_IGNORED = re.compile(os.environ.get("LIVES_IGNORE") or r"\b\B")


def check(life: Life, *, deep: bool = False) -> None:
    """Raises Broken, with everything that does not hold. `deep`: also in what is closed, which is opened for it."""
    time.sleep(0.15 if life.crowd else 0)  # applications have time to write where they may not
    told = life.listen()
    found = [*_entered(life, told), *_late(life, told), *_logins(life), *_making(life), *_trail(life)]
    with _opened(life, deep) as opened:
        found += [*_rows(life, opened), *_revisions(life, opened)]
    found = [line for line in found if not _IGNORED.search(line)]
    if found:
        life.broken("\n  ".join(["does not hold:", *found]))


def _entered(life: Life, told: Mapping[str, Any]) -> Iterator[str]:
    for ident, role, database, comment, _ in told["entered"]:
        yield f"{ident} got into {database} as {role}, which is {comment}"


def _late(life: Life, told: Mapping[str, Any]) -> Iterator[str]:
    """Writes that were begun after the apply that closed their organization had ended."""
    closed = {ident for ident, org in life.settled.items() if org.state in ("suspended", "deleted") or org.gone}
    late = Counter(i for i, _, _, _, began in told["acks"] if i in closed and began > life.closed_at)
    for ident, count in late.items():
        org = life.settled[ident]
        yield f"{count} writes were acknowledged to {ident}, {org.mode}, after it was {org.state}"


def _logins(life: Life) -> Iterator[str]:
    """Who can log in, on every server, and whether anybody is in who cannot."""
    for alias, server in life.servers.items():
        must, may = _open(life, alias)
        with server.superuser_connect() as session:
            rows = dict(
                session.execute(
                    "SELECT rolname::text, rolcanlogin FROM pg_roles WHERE starts_with(rolname, %s)",
                    [f"o{life.fleet.id}_"],
                ).fetchall()
            )
            closed = [name for name, login in rows.items() if not login]
            for name, login in rows.items():
                if login and name not in may:
                    yield f"role {name} on {alias} can log in, and nobody should as it"
            for names in must:
                if not any(rows.get(name) for name in names):
                    yield f"none of the roles {sorted(names)} on {alias} can log in"
            inside = [name for (name,) in session.execute(_SESSIONS, [closed]).fetchall()]
            if inside:
                time.sleep(0.3)  # a backend that is ending
                inside = [name for (name,) in session.execute(_SESSIONS, [closed]).fetchall()]
            yield from (f"role {name} on {alias} is closed and has a session" for name in inside)


def _open(life: Life, alias: str) -> tuple[list[set[str]], set[str]]:
    """Sets of roles on a server of which one must be open, and all that may be."""
    must, may = [], {life.pool_login}
    for org in life.settled.values():
        if org.state != "active" or org.gone or org.mode == "pooled":
            continue
        if alias == (org.server if org.dedicated else "primary"):
            base = life.base(org)
            turns = {f"{base}_app", f"{base}_app2"} if org.generated else {f"{base}_app"}
            must.append(turns)
            may |= turns | ({f"{base}_ro"} if org.read_only else set())
        if org.tenant and alias == "primary":
            own = {f"{life.fleet.database(org.tenant_name)}_app"}
            must.append(own)
            may |= own
    return must, may


def _making(life: Life) -> Iterator[str]:
    for alias in life.servers:
        yield from (f"{name} is left on {alias}" for name in life.all_databases(alias) if name.startswith("tp_new_"))


def _trail(life: Life) -> Iterator[str]:
    """The chain verifies, and what the journal calls done has one entry each."""
    result = life.fleet.run("audit", "verify", code=None)
    if result.code:
        yield f"audit verify: {result.out} {result.err}"
    done, entries = dict(life.fleet.rows(_JOURNAL)), dict(life.fleet.rows(_AUDIT))
    for address, count in done.items():
        if entries.get(address, 0) != count:
            yield f"{address}: {count} effects, {entries.get(address, 0)} audit entries"
    for table in ("audit_log", "operations"):
        if life.fleet.rows(f"SELECT FROM tenantplan.{table} t WHERE t::text LIKE '%canary%' LIMIT 1"):
            yield f"a secret stands in {table}"
    for table, states in (("operations", "('pending', 'running')"), ("runs", "('running')")):
        left = life.fleet.rows(f"SELECT count(*) FROM tenantplan.{table} WHERE status IN {states}")[0][0]
        if left:
            yield f"{left} of {table} are still open"


# -- rows and revisions


def homes(life: Life) -> dict[tuple[str, str], str]:
    """Whose each database is: server and name to identity; a tenant's is its organization's with a t."""
    found = {}
    by_id = {row_id: ident for ident, row_id in life.ids.items() if not life.settled[ident].gone}
    for row in life.live():
        ident = by_id.get(row["id"])
        if ident and row["mode"] == "dedicated":
            found[row["server"], row["database_name"]] = ident
    for name, organization, server, database in life.fleet.rows(
        "SELECT t.name, t.organization_id::text, t.database_server, t.database_name FROM tenants t"
        " WHERE database_mode = 'dedicated'"
    ):
        if organization in by_id and name == f"{by_id[organization]}t":
            found[server, database] = name
    return found


@contextmanager
def _opened(life: Life, deep: bool) -> Iterator[dict[tuple[str, str], str]]:
    """Databases that can be looked into, under the names by which `homes` knows them: server and name to name now."""
    found, opened = {}, []
    for alias, server in life.servers.items():
        for name, (stamp, connects) in life.all_databases(alias).items():
            if not connects and not deep:
                continue
            if not connects:
                opened.append((server, name))
                _allow(server, name, True)
            found[alias, stamp.get("name", name) if name.startswith("tp_deleted_") else name] = name
    try:
        yield found
    finally:
        for server, name in opened:
            _allow(server, name, False)


def _allow(server: Any, name: str, allowed: bool) -> None:
    with server.superuser_connect() as session:
        statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        session.execute(statement.format(sql.Identifier(name), sql.Literal(allowed)))


def _rows(life: Life, opened: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """Every row is in its owner's place, once, and nowhere else; what was paid for is not free."""
    owners = homes(life)
    by_id = {row_id: ident for ident, row_id in life.ids.items()}
    seen: dict[str, list[str]] = defaultdict(list)
    for (alias, name), now in opened.items():
        for text, plan, organization in _donors(life, alias, now):
            owner = by_id.get(organization or "") if now == life.fleet.main_database else owners.get((alias, name))
            ident = life.markers.get(text, text.partition(".")[0])
            where = f"{now} on {alias}" + (f", of {owner}" if owner else ", which is nobody's")
            if text.startswith("evil"):
                yield f"{text} was left in {where}"
            elif owner != ident:
                yield f"row {text} of {ident} is in {where}"
            elif text.endswith(".m1") and plan != "paid":
                yield f"row {text} in {where} was made {plan}: a revision ran again"
            seen[text].append(owner or "nobody")
    closed = {ident for ident, org in life.settled.items() if org.gone or not _reached(life, org, owners, opened)}
    lost = Counter(ident for text, ident in life.markers.items() if ident not in closed and len(seen[text]) != 1)
    for ident, count in lost.items():
        texts = [text for text, i in life.markers.items() if i == ident and len(seen[text]) != 1][:5]
        yield f"{count} rows of {ident} are not there exactly once, such as {texts}: {[seen[t] for t in texts]}"


def _reached(
    life: Life, org: Org, owners: Mapping[tuple[str, str], str], opened: Mapping[tuple[str, str], str]
) -> bool:
    """Whether the place of an organization can be looked into now."""
    own = [place for place, ident in owners.items() if ident == org.ident]
    return all(place in opened for place in own) if own else not org.dedicated


def _donors(life: Life, alias: str, database: str) -> list[tuple[str, str, str | None]]:
    shared = database == life.fleet.main_database
    columns = "email, plan, organization_id::text" if shared else "email, plan, NULL"
    with suppress(psycopg.errors.UndefinedTable), life.servers[alias].superuser_connect(database) as session:
        rows: list[tuple[str, str, str | None]] = session.execute(f"SELECT {columns} FROM donors".encode()).fetchall()
        return rows
    return []


def _revisions(life: Life, opened: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """Each revision ran once on each database, and the version table says so."""
    owners = homes(life)
    query, head = life.tree.versions
    for (alias, name), now in opened.items():
        if now == life.fleet.main_database or re.match("tp_(template|lock)_", now):
            continue
        with life.servers[alias].superuser_connect(now) as session:
            try:
                noted = sorted(session.execute(NOTES.encode()).fetchall()[0][0].split())
                versions = [version for (version,) in session.execute(query.encode()).fetchall()]
            except psycopg.errors.UndefinedTable as error:
                yield f"{now} on {alias}: {error}"
                continue
        org = life.settled.get((owners.get((alias, name)) or "").removesuffix("t"))
        followed = org is not None and org.declared and org.state != "deleted"
        if len(noted) != len(set(noted)) or len(versions) != len(set(versions)):
            yield f"revisions ran again in {now} on {alias}: {noted}, {versions}"
        elif followed and (noted != life.tree.noted() or versions != head):
            yield f"{now} on {alias} is not at the head: {noted}, {versions}"
    if not life.prisma:
        said = life.fleet.rows("SELECT version_num::text FROM alembic_version_tenant")
        if said != [(life.tree.revisions[-1],)]:
            yield f"the shared tables are at {said}"
