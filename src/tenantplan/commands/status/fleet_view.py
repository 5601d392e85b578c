"""What the read-only commands share: the live side of a fleet, each of its databases, and its runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from tenantplan.documents.suggest import did_you_mean
from tenantplan.errors import NotFound, TenantplanError
from tenantplan.fleet.opening import Fleet, OfFleet
from tenantplan.live import fan_out as databases
from tenantplan.live.survey import SurveyRequest, survey
from tenantplan.model import address
from tenantplan.model.address import MAIN, Location
from tenantplan.model.live import Survey
from tenantplan.model.resource import Row, Schema, State, of_type
from tenantplan.postgres import lock
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.databases import has_database
from tenantplan.postgres.queries import query
from tenantplan.postgres.url import masked

T = TypeVar("T")


@dataclass(frozen=True)
class FleetView(OfFleet):
    """A fleet and its live state, as the read-only commands need it."""

    fleet: Fleet
    live: Survey

    @property
    def main(self) -> Location:
        """The location of the main database."""
        return Location(MAIN, self.main_database)

    @property
    def applied(self) -> bool:
        """Whether a first apply has made the main database."""
        return "tenantplan.runs" in self.live.main.columns

    @property
    def schemas(self) -> dict[str, Schema]:
        """The schemas, by address, without those of deleted databases that are kept for their grace period."""
        state = self.live.state
        kept = {a for a, resource in state.items() if resource.retired_at is not None}
        return {a: s for a, s in of_type(state, Schema).items() if address.database_of_schema(a) not in kept}

    @property
    def place(self) -> str:
        """The main database and its server, for headers: in words where that is the embedded one."""
        return f"{self.main_url} (EMBEDDED)" if self.settings.embedded else self.main_url

    @property
    def main_url(self) -> str:
        """The main database's connection string without its password."""
        return _where(self.fleet)


def read_fleet(fleet: Fleet, addresses: Iterable[str] = (), declared: State | None = None) -> FleetView:
    """The live side of a fleet, in read-only sessions.

    `addresses`, and `declared` rows by their keys, are looked for beside what carries the fleet's stamp.

    Raises ConnectError when the main server is out of reach; other servers that are, the Survey names.
    """
    return FleetView(fleet, survey(fleet, SurveyRequest(list(addresses), declared or {}, follow=True)))


def rows(state: State, table: str = "organizations") -> list[Row]:
    """The rows of one table, by address."""
    return [row for _, row in sorted(of_type(state, Row).items()) if row.table == table and row.managed]


def not_found(name: str, known: Iterable[str], more: str = "") -> NotFound:
    """The error for an organization that nobody declared or applied, with the nearest name."""
    names = list(known)
    near = did_you_mean(address.last_segment(name), names)
    return NotFound(f"Organization not found: {name}", hint=near or more or "see them all: tenantplan status")


def each(
    scene: FleetView, locations: Iterable[Location], read: Callable[[Connection], T], patience: float | None = None
) -> dict[Location, T | TenantplanError]:
    """What `read` finds in each database, or why there is no answer; side by side, within the budget.

    What was found out of reach is not asked again. `patience` is that of Connector.connect.
    """
    known: dict[Location, T | TenantplanError] = {}
    wanted = sorted(set(locations), key=str)
    for location in wanted:
        if why := _out_of_reach(scene, location.server):
            known[location] = why
    open_ones = [location for location in wanted if location not in known]
    return known | databases.each(scene.connector, open_ones, read, scene.settings.spec.max_connections, patience)


def _out_of_reach(scene: FleetView, alias: str) -> TenantplanError | None:
    slug = address.brought_slug(alias) if address.is_brought(alias) else None
    why = scene.live.unplannable.get(address.organization(slug)) if slug else None
    server = next((f.message for f in scene.live.unreachable if f.address == address.server(alias)), None)
    if alias in scene.connector.servers and not (why or server):
        return None
    return scene.servers.unusable.get(alias) or TenantplanError(
        why or server or f"server {alias} is not in the fleet file"
    )


@dataclass(frozen=True)
class Activity:
    """What the main database says of runs: the newest, one that was interrupted, and who holds the fleet now."""

    last_run: Mapping[str, Any] | None
    unfinished: str | None
    holder: lock.Holder | None


def activity(scene: FleetView) -> Activity:
    """The runs of a fleet; all None while nothing was applied, but for a first apply at work."""
    with scene.connector.connect(MAIN, read_only=True) as gate:
        holder = lock.holder(gate, scene.main_database)
    if not scene.applied:
        return Activity(None, None, holder)
    with scene.fleet.main() as connection:
        cursor = connection.execute(query("last_run"))
        names = [column.name for column in cursor.description or ()]
        row = cursor.fetchone()
    unfinished = None if holder else scene.live.main.unfinished
    return Activity(dict(zip(names, row, strict=True)) if row else None, unfinished, holder)


@contextmanager
def main_session(fleet: Fleet) -> Iterator[Connection]:
    """The read-only session on the main database; NotFound, with the next step, while there is none."""
    hint = "tenantplan apply makes it"
    with fleet.connector.connect(MAIN, read_only=True) as gate:
        if not has_database(gate, fleet.main_database):
            raise NotFound(
                "nothing has been applied yet: the main database does not exist", where=_where(fleet), hint=hint
            )
    with fleet.main() as connection:
        found = connection.execute("SELECT to_regclass('tenantplan.audit_log') IS NOT NULL").fetchone()
        if found is None or not found[0]:
            raise NotFound("nothing has been applied yet: the main database is empty", where=_where(fleet), hint=hint)
        yield connection


def _where(fleet: Fleet) -> str:
    """The main database's connection string without its password."""
    return masked(fleet.main_server.located, fleet.main_database)
