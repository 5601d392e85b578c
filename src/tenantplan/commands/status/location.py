"""Where one organization's or tenant's data belongs: as declared, or, when no longer declared, as it is live."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tenantplan.commands.status.application_logins import application_logins
from tenantplan.commands.status.deleted import Deleted, deleted
from tenantplan.commands.status.fleet_view import FleetView, not_found, read_fleet, rows
from tenantplan.commands.status.homes import placement
from tenantplan.desired import declare
from tenantplan.errors import NotFound, TenantplanError
from tenantplan.fleet.opening import Fleet
from tenantplan.fleet.servers import Servers, brought_server
from tenantplan.live import current_servers as placing
from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.desired import Desired
from tenantplan.model.placement import Placement
from tenantplan.model.resource import Role, Row, State, one
from tenantplan.postgres.dialects import PoolSize
from tenantplan.postgres.queries import query
from tenantplan.postgres.url import Server


@dataclass(frozen=True)
class Placed:
    """A place with the server to reach it by, or the reason why there is none.

    `origin` is the file and line that declares it, "" when it is live only. `source` is the reference of its
    connection string. `applied`: the main database knows it in this very place. `login` is the role of its application, and
    `reader` the one that only reads, None where tenantplan makes none; `pool` how many connections that may have. `pooled` are
    the logins that organizations in the shared tables use together, members of `pool_group`. `deleted`: what is left of it.
    """

    address: str
    mode: str
    alias: str
    database: str
    server: Server | TenantplanError
    source: str
    origin: str
    applied: bool
    login: Role | None = None
    pool: PoolSize = field(default_factory=PoolSize)
    reader: Role | None = None
    pooled: tuple[str, ...] = ()
    pool_group: str = ""
    deleted: Deleted | None = None

    @property
    def brought(self) -> bool:
        """Whether it is a database of its own that the organization brought."""
        return addresses.is_brought(self.alias)


def placed(fleet: Fleet, name: str) -> Placed:
    """The place of an organization, or with `tenant/NAME` of a tenant; NotFound with the nearest name.

    The main database is asked whether it was applied there.
    """
    settings, servers = fleet.settings, fleet.servers
    address = addresses.from_name(name)
    documents = declare.load_documents(fleet)
    desired = declare.declared(fleet, documents, placing.placed(fleet, documents))
    declared = desired.placements.get(address)
    scene = read_fleet(fleet)
    row = one(scene.live.state.get(address), Row)
    live = placement(scene, address, row) if row is not None and row.managed else None
    if declared is None and live is None:
        raise not_found(name, _known(desired, scene, addresses.kind(address)))
    place = declared or live
    assert place is not None
    found = _placed(fleet, servers, place, address, desired.origins.get(address, ""), live == place)
    both = {**scene.live.state, **desired.state}
    if declared is None and row is not None:
        gone = deleted(address, row, scene.live.state, settings.spec.guard.grace_days)
        if gone is not None:
            return replace(found, server=gone.error(address), database=gone.tombstone, applied=False, deleted=gone)
    found = _with_logins(found, place.holder if place.mode == "dedicated" else address, scene, both)
    if found.mode == "shared" and found.login is None:
        found = _pooled(found, scene)
    return replace(found, pool=_pool(both, place.holder))


def _with_logins(place: Placed, holder: str, scene: FleetView, state: State) -> Placed:
    """The place with the logins that applications use there; those of a tenant in shared mode are its organization's."""
    if place.brought or place.mode == "none":
        return place
    made = place.database if place.mode == "dedicated" else None
    used = addresses.organization_of(holder, state) if made is None else holder
    login, reader = application_logins(used, place.alias, made, state, scene.live.main.issued)
    return replace(place, login=login, reader=reader)


def _pooled(place: Placed, scene: FleetView) -> Placed:
    """A place in the shared tables, with the logins that name an organization for each transaction: those are the fleet's."""
    group = declare.facts(scene.fleet).shared_groups[2]
    with scene.connector.connect(MAIN, read_only=True) as connection:
        found = connection.execute(query("members_that_log_in"), {"group": group}).fetchall()
    return replace(place, pooled=tuple(str(row[0]) for row in found), pool_group=group)


def _pool(state: State, holder: str) -> PoolSize:
    """How many connections an application may have: its pool's, and no more than its login may have."""
    row = one(state.get(addresses.organization_of(holder, state)), Row)
    if row is None or "pool_size" not in row.values:  # a tenant that belongs to no organization
        return PoolSize()
    size, limit = (
        int(row.values["pool_size"]) + int(row.values["pool_max_overflow"]),
        int(row.values["connection_limit"]),
    )
    return PoolSize(size if limit < 0 else min(size, limit), row.values.get("pool_timeout"))


def _known(desired: Desired, scene: FleetView, kind: str) -> set[str]:
    live = {str(r.values.get("slug") or r.values.get("name")) for r in rows(scene.live.state, f"{kind}s")}
    return live | {addresses.name(a) for a in desired.placements if addresses.kind(a) == kind}


def _placed(fleet: Fleet, servers: Servers, place: Placement, address: str, origin: str, applied: bool) -> Placed:
    settings = fleet.settings
    if place.url:
        alias = addresses.brought_alias(place.holder)
        server: Server | TenantplanError
        try:
            server = brought_server(alias, place.url, settings, fleet.secrets, servers.usable)
        except TenantplanError as error:
            server = error
        database = "" if isinstance(server, TenantplanError) else server.params.get("dbname", "")
        return Placed(address, place.mode, alias, database, server, place.url, origin, applied)
    if place.mode == "none":
        nothing = NotFound(
            f"{address} has no database: its rows are in the control plane alone",
            hint="`database: { mode: dedicated }` gives it one of its own",
        )
        return Placed(address, place.mode, MAIN, "", nothing, "", origin, applied)
    alias = place.server or MAIN
    database = place.database or settings.spec.main.database
    known = servers.usable.get(alias) or servers.unusable.get(alias)
    if known is None:
        known = TenantplanError(f"server {alias} is not in the fleet file", hint="add it to spec.servers")
    source = ""
    if alias in settings.servers:
        on_embedded = settings.embedded and settings.servers[alias].url is None
        source = "embedded" if on_embedded else settings.url_reference(alias)
    return Placed(address, place.mode, alias, database, known, source, origin, applied)
