"""Reports on a fleet, each one statement of reports.sql."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tenantplan.commands.status import fleet_view as inspection
from tenantplan.commands.status.databases import FleetDatabase, fleet_databases, newest_tables
from tenantplan.documents.suggest import did_you_mean
from tenantplan.errors import NotFound, TenantplanError
from tenantplan.fleet.opening import Fleet, open_fleet
from tenantplan.model.finding_rules import UNREACHABLE
from tenantplan.model.plan import Finding
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import blocks
from tenantplan.settings.settings import Settings

Cell = str | int | float | None
LOCK_TIMEOUT = "5s"


@dataclass(frozen=True)
class FleetReport:
    """What a report is about and what to say when it is empty. `everywhere`: every database is asked, not the main one alone.

    `most` is how many rows it has unless another limit is asked for; None: all.
    """

    about: str
    empty: str
    everywhere: bool = False
    most: int | None = None


REPORTS = {
    "active-tenants": FleetReport("Tenants that are active, in an active organization.", "No tenant is active."),
    "licenses-by-status": FleetReport("How many licenses are in each status.", "There are no licenses."),
    "licenses-expiring": FleetReport(
        "Active licenses within 30 days (--days) of their date, or past it.", "No license expires by then."
    ),
    "metrics-24h": FleetReport(
        "Metrics of the last 24 hours, by tenant.", "No tenant sent a metric in the last 24 hours."
    ),
    "top-tenants": FleetReport("The ten most active tenants, by metrics of 24 hours.", "No tenant is active.", most=10),
    "critical-errors": FleetReport("CRITICAL errors that are not resolved.", "No critical error is open."),
    "inactive-tenants": FleetReport(
        "Active tenants without a metric for an hour.", "Every active tenant sends metrics."
    ),
    "without-database": FleetReport(
        "Organizations in shared mode, with the YAML that would give each a database of its own.",
        "Every organization has a database of its own.",
    ),
    "unused-indexes": FleetReport("Indexes that no query has used.", "Every index is used.", everywhere=True),
    "stale-statistics": FleetReport(
        "Tables whose statistics look wrong, and why: maintain renews them.",
        "All statistics look right.",
        everywhere=True,
    ),
    "database-sizes": FleetReport("Size of each database, largest first.", "There are no databases.", everywhere=True),
}


@dataclass(frozen=True)
class Answer:
    """A report's columns and rows, and the databases that could not be asked."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    lost: tuple[Finding, ...] = ()


def known(name: str) -> FleetReport:
    """The report called `name`; NotFound with the nearest name."""
    if name not in REPORTS:
        near = did_you_mean(name, REPORTS)
        raise NotFound(f"there is no report called {name}", hint=near or "see them all: tenantplan report")
    return REPORTS[name]


def answer(settings: Settings, name: str, *, limit: int | None = None, days: int = 30) -> Answer:
    """The rows of a report, read-only. NotFound while nothing was applied, SchemaMismatch when the main database is behind."""
    report = known(name)
    most = limit or report.most
    block = name.replace("-", "_")
    if report.everywhere:
        with open_fleet(settings) as fleet:
            found = _everywhere(fleet, block)
        return replace(found, rows=found.rows[:most])
    with open_fleet(settings) as fleet, inspection.main_session(fleet) as connection, newest_tables(connection):
        return _read(connection, block, {"limit": most, "days": days})


def _read(connection: Connection, block: str, parameters: dict[str, int | None] | None = None) -> Answer:
    cursor = connection.execute(blocks("tenantplan.commands.upkeep", "reports.sql")[block], parameters)
    return Answer(tuple(column.name for column in cursor.description or ()), tuple(cursor.fetchall()))


def _everywhere(fleet: Fleet, block: str) -> Answer:
    """What every database answers, in parallel within the connection budget: the largest first."""
    scene = inspection.read_fleet(fleet)
    if not scene.applied:
        raise NotFound(
            "nothing has been applied yet", where=scene.main_url, hint="tenantplan apply makes the main database"
        )
    by_location = {place.location: place for place in fleet_databases(scene)}
    answers = inspection.each(scene, by_location, lambda connection: _inside(connection, block))
    asked = [(by_location[location], found) for location, found in answers.items()]
    good = [(place, found) for place, found in asked if isinstance(found, Answer)]
    lost = [_lost(place, found) for place, found in asked if isinstance(found, TenantplanError)]
    columns = ("holder", "server", "database", *(good[0][1].columns if good else ()))
    rows = [(place.holder, place.server, place.database, *row) for place, found in good for row in found.rows]
    return Answer(columns, _largest_first(columns, rows), tuple(sorted(lost, key=lambda finding: finding.address)))


def _inside(connection: Connection, block: str) -> Answer:
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])  # a size waits for ALTER TABLE
    return _read(connection, block)


def _largest_first(columns: tuple[str, ...], rows: Sequence[tuple[Cell, ...]]) -> tuple[tuple[Cell, ...], ...]:
    size = columns.index("size_bytes") if "size_bytes" in columns else 0

    def order(row: tuple[Cell, ...]) -> tuple[int, list[str]]:
        return (-int(row[size] or 0), [str(cell) for cell in row])

    return tuple(sorted(rows, key=order))


def _lost(place: FleetDatabase, error: TenantplanError) -> Finding:
    message = f"{error.where}: {error.message}" if error.where else error.message
    return Finding(f"{place.holder or 'database'} on {place.label}", UNREACHABLE, message)
