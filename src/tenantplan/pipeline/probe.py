"""Databases that differ from their stamps, as far as a plan inspects them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg

from tenantplan.errors import ConnectError, HostNotAllowed, TenantplanError
from tenantplan.fleet.opening import Fleet
from tenantplan.fleet.store import fleet_store, location
from tenantplan.live import occupancy
from tenantplan.live.brought import HOST, check_result, check_result_with_subject, left_server
from tenantplan.live.tenant_schemas import Inside, look_inside, tenant_schemas
from tenantplan.model.address import MAIN
from tenantplan.model.desired import Desired
from tenantplan.model.finding_rules import CHANGED, CONNECTION, OCCUPIED, UNREACHABLE
from tenantplan.model.listing import some
from tenantplan.model.live import Survey
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Package, Row, Schema, Secret, State, afters, befores, of_type, one
from tenantplan.model.step import OUTSIDE
from tenantplan.pipeline.comparison import Comparison
from tenantplan.planning import guard
from tenantplan.planning.former_place import FormerPlace, former_place
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connector
from tenantplan.postgres.queries import query
from tenantplan.secrets.keyed import keyed_hash
from tenantplan.stores.location import MAIN_STORE

_NAMED = 3
_NEXT = "tenantplan drift shows them, drift --repair plans the repair"


def changed(comparison: Comparison, known: State) -> Iterator[Finding]:
    """A note for each database whose schema somebody changed: those that the sentinel marked, or all with `deep`."""
    looked = [s for s in tenant_schemas(known) if comparison.deep or s.changed_by_others]
    if not looked:
        return
    seen, lost = look_inside(comparison.fleet, comparison.live, looked)
    yield from lost
    for inside in seen:
        if why := _why(inside):
            yield Finding(inside.address, CHANGED, why)


def _why(inside: Inside) -> str:
    schema = inside.schema
    if inside.revision != schema.revision:
        return (
            f"is at revision {inside.revision or 'none'}, and its stamp says {schema.revision or 'none'}: restored, or"
            " migrated by another tool; drift --repair corrects the stamp"
        )
    names = [name for name, _, _ in inside.differences if inside.mark is None]
    names.sort(key=lambda name: not name.startswith("table "))  # which says most
    if inside.wanted is None:
        return "was changed outside tenantplan, and cannot be compared: there is no template of its revision"
    if not names:
        return "was changed outside tenantplan, and matches its revision again" if schema.changed_by_others else ""
    return f"differs from revision {inside.revision or 'none'}: {some(names, _NAMED)}; {_NEXT}"


def unfit_connections(desired: Desired, live: Survey, fleet: Fleet) -> tuple[list[Finding], list[Finding]]:
    """Blockers for connection strings, new or changed, of databases that were reached and cannot be used; notes for those that
    can, less well than they might. One that is in use already and does not fit any more stops its organization only, but for
    one on a host that the fleet does not connect to."""
    blockers: list[Finding] = []
    notes: list[Finding] = []
    for holder, checks in sorted(live.unfit.items()):
        place = desired.placements.get(holder)
        if place is None or not place.url or holder not in desired.state:
            continue
        hosts = [Finding(holder, HOST, check_result(check)) for check in checks if check.name == HOST]
        blockers += hosts  # in use already or not: nothing is sent there
        if hosts or not _new(holder, place.url, live, fleet):
            continue
        failed = [check for check in checks if check.status == "fail"]
        if failed:
            blockers.append(
                Finding(holder, CONNECTION, "; ".join(check_result_with_subject(check) for check in failed))
            )
        else:
            notes += [
                Finding(holder, CONNECTION, check_result_with_subject(check)) for check in checks if check.name == "TLS"
            ]
    return blockers, notes


def _new(holder: str, reference: str, live: Survey, fleet: Fleet) -> bool:
    """Whether a connection string is not the one that is in use; where nothing is stored of it, its reference tells."""
    row = one(live.state.get(holder), Row)
    if row is None or row.values.get("database_url") != reference:
        return True
    stored = row.values.get("database_connection")
    if not isinstance(stored, Secret) or stored.keyed is None or live.main.hash_key is None:
        return False
    try:
        return keyed_hash(live.main.hash_key, fleet.secrets.resolve(reference)) != stored.keyed
    except TenantplanError:
        return False


def halfway(connector: Connector, operations: Sequence[Operation]) -> Iterator[tuple[Finding, bool]]:
    """A finding for each database whose next statement builds an index that is there and INVALID: its build failed, or goes on
    without its client; and whether an index is being built there now."""
    for operation, schema in befores(operations, Schema):
        steps = operation.in_steps
        if schema.halfway and steps and steps[0].kind == OUTSIDE and steps[0].index:
            why, building = _invalid(connector, schema.server, operation.found_in, steps[0].index)
            if why:
                revision = schema.halfway.partition(":")[0]
                message = f"stopped halfway through revision {revision}: {why}"
                yield Finding(operation.address, "halfway", message), building


def _invalid(connector: Connector, server: str, database: str | None, index: str) -> tuple[str, bool]:
    try:
        with connector.connect(server, database, read_only=True) as connection:
            row = connection.execute(query("index_validity"), {"index": index}).fetchone()
            building = connection.execute(query("builds_index")).rowcount > 0
    except ConnectError as error:
        return error.message, False
    except psycopg.Error as error:
        return describe(error), False
    if row is None or row[0]:
        return "", building
    message = (
        f"index {index} is INVALID: its build failed, or is still running in another session; mend what stood in its way,"
        f" DROP INDEX CONCURRENTLY {index}, and apply again"
    )
    return message, building


def unanswered(fleet: Fleet, operations: Sequence[Operation]) -> Iterator[Finding]:
    """A note when the store that packages are to go to does not answer here. Who plans need not have its credentials.

    The main database needs no asking: a plan reads it anyway.
    """
    stored = list(afters(operations, Package))
    if not stored:
        return
    operation, package = stored[0]
    try:
        if location(fleet) == MAIN_STORE:
            return
        with fleet.connector.connect(MAIN, read_only=True) as connection:
            store = fleet_store(fleet, connection)
        store.size(package.key)
    except TenantplanError as error:
        where = f"{error.where}: " if error.where else ""
        message = f"the store does not answer from here, and apply needs it: {where}{error.message}; {error.hint}"
        yield Finding(operation.address, "store", message)


def losses(fleet: Fleet, moving: Sequence[Operation], live: Survey) -> tuple[list[Finding], list[Finding]]:
    """A blocker for each organization whose data would be left behind by a change of where it lives; and a finding for each that
    has to wait, since its place does not answer: a lock on its own tables stops nobody else."""
    found: list[Finding] = []
    lost: list[Finding] = []
    for operation in moving:
        place = former_place(operation, live.state)
        try:
            blocker = guard.occupied(operation, _occupancy(fleet, place, live))
            found += [blocker] if blocker else []
        except HostNotAllowed as error:
            found.append(Finding(operation.address, HOST, f"{error.message}: {error.hint}"))
        except TenantplanError as error:
            lost.append(Finding(operation.address, UNREACHABLE, f"{_UNKNOWN}: {error.message} {error.hint}".strip()))
        except psycopg.Error as error:
            (lost if place.url else found).append(
                Finding(operation.address, OCCUPIED, f"{_UNKNOWN}: {_why_not_asked(error)}")
            )
    return found, lost


_UNKNOWN = "cannot tell whether it has rows"


def _why_not_asked(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"{describe(error)}; as its owner: GRANT SELECT on it to the role that connects there, or give it another owner"
    return f"{describe(error)}; see the server's log"


def _occupancy(fleet: Fleet, place: FormerPlace, live: Survey) -> dict[str, int]:
    connector = fleet.connector
    if place.organization is not None:
        with connector.connect(MAIN, str(_main(live)), read_only=True) as connection:
            return occupancy.shared_rows(connection, place.organization)
    alias = place.server or left_server(fleet.settings, connector, str(place.url), fleet.secrets)
    with connector.connect(alias, place.database, read_only=True) as connection:
        return occupancy.database_rows(connection, trusting=place.server is None)


def _main(live: Survey) -> str:
    """The name of the main database that was read."""
    return next(database.name for database in of_type(live.state, Database).values() if database.holder is None)
