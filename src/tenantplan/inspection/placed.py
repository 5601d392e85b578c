"""Where one organization's or tenant's data belongs: as declared, or, when nobody declares it any more, as it is live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tenantplan.errors import TenantplanError
from tenantplan.fleet import expected
from tenantplan.fleet import placed as placing
from tenantplan.fleet.servers import Servers, brought_server
from tenantplan.inspection.homes import placement
from tenantplan.inspection.scene import Scene, look, not_found, rows
from tenantplan.manifest.placement import roles
from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.desired import Desired, Placement
from tenantplan.model.login import CURRENT, Issued
from tenantplan.model.resource import GENERATED, Ref, Role, Row, Secret, State
from tenantplan.postgres.dialects import Pool
from tenantplan.postgres.url import Server
from tenantplan.settings import Settings


@dataclass(frozen=True)
class Placed:
    """A place with the server to reach it by, or the reason why there is none.

    `origin` is the file and line that declares it, "" when it is live only. `source` is the reference of its
    connection string. `applied`: the main database knows it in this very place. `login` is the role of its application, None
    where tenantplan makes none; `pool` how many connections that may have.
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
    pool: Pool = field(default_factory=Pool)

    @property
    def brought(self) -> bool:
        """Whether it is a database of its own that the organization brought."""
        return self.alias.startswith("url:")


def placed(settings: Settings, servers: Servers, name: str) -> Placed:
    """The place of an organization, or with `tenant/NAME` of a tenant; NotFound with the nearest name.

    The main database is asked whether it was applied there.
    """
    address = name if "/" in name else f"organization/{name}"
    documents = expected.load_documents(settings)
    desired = expected.declared(settings, documents, placing.placed(settings, documents))
    declared = desired.placements.get(address)
    scene = look(settings)
    row = scene.live.state.get(address)
    live = placement(scene, address, row) if isinstance(row, Row) and row.managed else None
    if declared is None and live is None:
        raise not_found(name, _known(desired, scene, address.split("/", 1)[0]))
    place = declared or live
    assert place is not None
    found = _placed(settings, servers, place, address, desired.origins.get(address, ""), live == place)
    both = {**scene.live.state, **desired.state}
    login = _login(found, both, scene.live.main.issued)
    return replace(found, login=login, pool=_pool(both, place.holder))


def _login(place: Placed, state: State, issued: Iterable[Issued]) -> Role | None:
    """The login role of a database of its own, of several that take turns the current one; one that nobody declares or has made
    is named as it would be."""
    if place.mode != "dedicated" or place.brought:
        return None
    here = (row for row in issued if (row.server, row.database, row.state) == (place.alias, place.database, CURRENT))
    current = next(here, None)
    name = current.role if current else roles(place.database)[1]
    known = state.get(addresses.role(place.alias, name))
    role = known if isinstance(known, Role) else Role(place.alias, name)
    return replace(role, password=Secret(f"{GENERATED}{current.target}")) if current else role


def _pool(state: State, holder: str) -> Pool:
    """How many connections an application may have: its pool's, and no more than its login may have."""
    row = state.get(holder)
    owner = row.values.get("organization_id") if isinstance(row, Row) else None
    row = state.get(owner.address) if isinstance(owner, Ref) else row
    if not isinstance(row, Row):
        return Pool()
    size, limit = (
        int(row.values["pool_size"]) + int(row.values["pool_max_overflow"]),
        int(row.values["connection_limit"]),
    )
    return Pool(size if limit < 0 else min(size, limit), row.values.get("pool_timeout"))


def _known(desired: Desired, scene: Scene, kind: str) -> set[str]:
    live = {str(r.values.get("slug") or r.values.get("name")) for r in rows(scene.live.state, f"{kind}s")}
    return live | {a.split("/", 1)[1] for a in desired.placements if a.startswith(f"{kind}/")}


def _placed(settings: Settings, servers: Servers, place: Placement, address: str, origin: str, applied: bool) -> Placed:
    if place.url:
        slug = place.holder.split("/", 1)[1]
        server: Server | TenantplanError
        try:
            server = brought_server(f"url:{slug}", place.url, settings, servers.usable)
        except TenantplanError as error:
            server = error
        database = "" if isinstance(server, TenantplanError) else server.params.get("dbname", "")
        return Placed(address, place.mode, f"url:{slug}", database, server, place.url, origin, applied)
    alias = place.server or MAIN
    database = place.database or settings.spec.main.database
    known = servers.usable.get(alias) or servers.unusable.get(alias)
    if known is None:
        known = TenantplanError(f"server {alias} is not in the fleet file", hint="add it to spec.servers")
    source = settings.url_reference(alias) if alias in settings.servers else ""
    return Placed(address, place.mode, alias, database, known, source, origin, applied)
