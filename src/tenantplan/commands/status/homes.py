"""Where every organization and tenant lives, at which revision, and whether its database can be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tenantplan.commands.status.deleted import Deleted, deleted
from tenantplan.commands.status.fleet_view import FleetView, each, not_found, rows
from tenantplan.errors import TenantplanError
from tenantplan.migration.running.version import VersionTables
from tenantplan.migration.tree.graph import Graph
from tenantplan.model import address as addresses
from tenantplan.model.address import Location
from tenantplan.model.placement import Placement
from tenantplan.model.resource import Row, State, one
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.url import masked


@dataclass(frozen=True)
class Home:
    """One organization or tenant and the place of its data.

    `behind` counts revisions up to the head, None when the revision is not of the tree or not known. `reachable` is None
    where there is nothing to reach any more; `reason` says why a database is not reachable or not at the head. `gone`: what is
    left of one that is deleted; `database` is then the tombstone. `pinned` is the revision that its organization's document keeps
    it at.
    """

    kind: str
    id: str
    name: str
    display_name: str
    state: str
    mode: str
    dedicated: bool
    server: str
    database: str
    url: str
    revision: str | None
    behind: int | None
    reachable: bool | None
    reason: str
    gone: Deleted | None = None
    pinned: str | None = None

    def document(self) -> dict[str, Any]:
        """The home as JSON."""
        return {
            "kind": self.kind,
            "id": self.id,
            "name": self.name,
            "displayName": self.display_name,
            "state": self.state,
            "mode": self.mode,
            "hasDedicatedDatabase": self.dedicated,
            "server": self.server,
            "database": self.database,
            "url": self.url,
            "revision": self.revision,
            "behind": self.behind,
            "pinned": self.pinned,
            "reachable": self.reachable,
            "reason": self.reason,
            "tombstone": (self.gone.tombstone or None) if self.gone else None,
            "purgedFrom": self.gone.purged if self.gone else None,
        }


def homes(scene: FleetView) -> list[Home]:
    """Every organization, then every tenant; each database is connected to once, in parallel within the budget."""
    state = scene.live.state
    found = [(kind, row) for kind in ("organization", "tenant") for row in rows(state, f"{kind}s")]
    places = {id(row): _location(scene, kind, row) for kind, row in found}
    answers = each(
        scene,
        {places[id(row)] for _, row in found if row.retired_at is None and not nowhere(row)},
        partial(_revision, scene.trees.versions),
    )
    return [_home(scene, kind, row, places[id(row)], answers) for kind, row in found]


def home(scene: FleetView, name: str) -> Home:
    """One organization, or with `tenant/NAME` one tenant; NotFound, with the nearest name, when there is none."""
    address = addresses.from_name(name)
    kind, short = addresses.kind(address), addresses.name(address)
    known = (
        {str(_name(row)): row for row in rows(scene.live.state, f"{kind}s")} if addresses.is_document(address) else {}
    )
    if short not in known:
        raise not_found(name, known)
    location = _location(scene, kind, known[short])
    answers = each(
        scene,
        {location} if known[short].retired_at is None and not nowhere(known[short]) else set(),
        partial(_revision, scene.trees.versions),
    )
    return _home(scene, kind, known[short], location, answers)


def _revision(versions: VersionTables, connection: Connection) -> tuple[str | None, str | None]:
    """Revisions by the database's own tables: as a tenant database, and as a main database with shared tables."""
    with connection.transaction():
        return versions.read(connection, "tenant")[0], versions.read(connection, "shared")[0]


def _location(scene: FleetView, kind: str, row: Row) -> Location:
    return placement(scene, f"{kind}/{_name(row)}", row).location(scene.main)


def placement(scene: FleetView, address: str, row: Row) -> Placement:
    """Where a live organization or tenant is, in the words of the manifest."""
    place, slug = _placed(row, scene.live.state)
    if nowhere(row):
        return Placement(address, "none")
    if place.values["database_mode"] != "dedicated":
        return Placement(address, "shared")
    if place.values.get("database_url"):
        holder = address if place is row else addresses.organization(slug)
        return Placement(holder, "dedicated", url=str(place.values["database_url"]))
    values = place.values
    return Placement(address, "dedicated", str(values["database_server"]), str(values["database_name"]))


def nowhere(row: Row) -> bool:
    """Whether it is a tenant without an organization that has its rows in the control plane alone."""
    return row.values["database_mode"] is None


def _placed(row: Row, state: State) -> tuple[Row, str]:
    """The row that says where the data is, and its name: an organization's for a tenant that inherits."""
    owner = row.references.get("organization_id", "")
    above = one(state.get(owner), Row) if row.values["database_mode"] == "inherit" else None
    return above or row, str(_name(above or row))


def _name(row: Row) -> Any:
    return row.values.get("slug") or row.values.get("name")


_Answer = tuple[str | None, str | None] | TenantplanError  # revisions as a database of its own and as the shared tables


def _answered(answer: _Answer | None, dedicated: bool) -> tuple[bool | None, str | None, str]:
    """Whether a database answered (None: it was not asked), at which revision it is, and why it did not."""
    if isinstance(answer, TenantplanError):
        return False, None, f"{answer.where}: {answer.message}" if answer.where else answer.message
    if answer is None:
        return None, None, ""
    return True, answer[0] if dedicated else answer[1], ""


def _home(
    scene: FleetView,
    kind: str,
    row: Row,
    location: Location,
    answers: Mapping[Location, _Answer],
) -> Home:
    database, dedicated = location.database, location != scene.main
    reachable, revision, lost = _answered(None if nowhere(row) else answers.get(location), dedicated)
    gone = deleted(f"{kind}/{_name(row)}", row, scene.live.state, scene.settings.spec.guard.grace_days)
    if gone and gone.tombstone:
        database = gone.tombstone
    behind, why = behind_head(scene.trees.tenant, revision) if reachable else (None, "")
    if reachable and not dedicated and not scene.trees.shares:
        behind = 0  # it has rows of the main database, and no tables of the tree
    pin = _placed(row, scene.live.state)[0].values.get("database_revision") if reachable and dedicated else None
    if pin and behind:
        why = f"stays at {pin}: database.revision"
    server = scene.connector.servers.get(location.server)
    return Home(
        kind=kind,
        id=str(row.id),
        name=str(_name(row)),
        display_name=str(row.values.get("display_name") or ""),
        state=_state(row),
        mode=str(row.values["database_mode"] or "none"),
        dedicated=dedicated,
        server="" if nowhere(row) else location.server_label,
        database="" if nowhere(row) else database or (server.params.get("dbname", "") if server else ""),
        url=masked(server.params, database) if server and not nowhere(row) else "",
        revision=revision,
        behind=behind,
        reachable=reachable,
        reason=lost or (gone.reason if gone else "") or why,
        gone=gone,
        pinned=pin,
    )


def _state(row: Row) -> str:
    if row.retired_at:
        return "deleted"
    return str(row.values.get("state") or ("active" if row.values.get("active") else "inactive"))


def behind_head(graph: Graph, revision: str | None) -> tuple[int | None, str]:
    """How many revisions are missing up to the head, and what to say when that cannot be told."""
    if not graph.knows(revision):
        return None, f"revision {revision} is not in {graph.directory.name}: is a newer checkout needed?"
    return len(graph.path(revision, graph.head)), ""
