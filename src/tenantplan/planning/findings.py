"""What a plan says besides its operations: notes, blockers, what is out of reach."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.desired import Desired
from tenantplan.model.finding_rules import KIND, LOSSES, RIGHTS, STILL_OPEN
from tenantplan.model.listing import some
from tenantplan.model.live import Survey
from tenantplan.model.losing import migration_tree
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.resource import Resource, Role, Row, Schema, State, afters, of_type, one, references_of
from tenantplan.model.step import Migration
from tenantplan.planning import guard
from tenantplan.planning.brakes import brakes
from tenantplan.planning.logins import findings as due_logins
from tenantplan.planning.logins import notes
from tenantplan.planning.rights import makes_on, missing_rights
from tenantplan.settings.sections import GuardSpec
from tenantplan.tables.fit import mismatches


def reviewer_notes(desired: Desired, known: State, live: Survey, now: datetime) -> list[Finding]:
    """What a reviewer should see although it changes nothing."""
    open_logins = [address for address, role in of_type(known, Role).items() if role.login]
    due = due_logins(desired, live.main.issued, now, open_logins)
    return [*desired.notes, *notes(desired.state, known, now), *due, *still_open(desired, known)]


def still_unreachable(live: Survey, blocked: list[Finding]) -> tuple[Finding, ...]:
    """What cannot be planned now, without what is told as a blocker."""
    told = {finding.address for finding in blocked}
    return tuple(finding for finding in live.unreachable if finding.address not in told)


def lacking_rights(plan: Plan, live: Survey) -> list[Finding]:
    """A note for each server on which the plan makes something that this role may not make: planning takes no such right."""
    made = makes_on(plan.operations)
    lacking = {
        alias: missing_rights(facts.role, facts.createdb, facts.createrole)
        for alias, facts in live.servers.items()
        if alias in made
    }
    return [
        Finding(addresses.server(alias), RIGHTS, f"{why}. It can plan this; another role has to apply it")
        for alias, why in lacking.items()
        if why
    ]


def mismatched_kinds(plan: Plan, live: Survey) -> list[Finding]:
    """Kinds that the plan has rows of, whose tables are not as declared, and kinds that left rows in another table."""
    left = [
        Finding(
            addresses.resource_kind(kind),
            KIND,
            f"stood for table {table}, where {count} rows are still managed: {_HOW_TO_FREE}",
        )
        for (kind, table), count in ((name.split(" ", 1), count) for name, count in live.main.left.items())
    ]
    used = {r.table for o in plan.operations if isinstance(r := o.subject, Row)}
    return left + mismatches([kind for kind in plan.kinds if kind.table in used], live.main.relations)


_HOW_TO_FREE = "delete them under a kind of another name, or set their ownership column to NULL"


def guard_findings(
    spec: GuardSpec, targets: Collection[str], plan: Plan, desired: Desired, known: State
) -> list[Finding]:
    """What protections, brakes and dependents have against the plan; `targets` are the addresses that it was made for, if any."""
    return [
        *guard.protection(plan.operations),
        *guard.protected_in_documents(desired, known),
        *guard.dependents(plan.operations, known, desired.tables),
        *guard.taken_keys(plan.operations, known, desired.tables),
        *guard.lost_databases(plan.operations, known, desired.renames, targets),
        *brakes(spec, plan, known),
    ]


def unmanaged_references(aside: Collection[str], operations: Iterable[Operation], desired: Desired) -> dict[str, Row]:
    """The rows of `aside` that operations refer to or are nested in, by address; of each its key and its name only."""
    found: dict[str, Row] = {}
    waiting = [address for operation in operations for address in _needs(operation.address, operation.after)]
    while waiting:
        address = waiting.pop()
        row = one(desired.state.get(address), Row)
        if address in aside and address not in found and row is not None:
            rowtype = desired.tables[row.table]
            columns = {*rowtype.identity, rowtype.name} & row.values.keys()
            found[address] = Row(row.table, {column: row.values[column] for column in sorted(columns)})
            waiting += _needs(address, found[address])
    return dict(sorted(found.items()))


def _needs(address: str, resource: Resource | None) -> Iterable[str]:
    above = addresses.document(address)
    return [*([above] if above != address else []), *references_of(resource).values()]


def allowed_losses(operations: Iterable[Operation], migrations: Mapping[str, Migration]) -> Iterator[Finding]:
    """A note for each such revision of the operations, once: what it destroys is never done without a line in the plan."""
    told: set[str] = set()
    for operation, schema in afters(operations, Schema):
        if operation.action != "migrate":
            continue
        for revision, why in migrations.get(operation.address, Migration()).allowed:
            address = addresses.revision(migration_tree(schema), revision)
            if address not in told:
                told.add(address)
                yield Finding(
                    address, LOSSES, f"destroys data, which its comment allows (guard.destructiveComment): {why}"
                )


_NAMED = 5


def with_foreign_tables(conflicts: Iterable[Finding], live: Survey, database: str) -> list[Finding]:
    """The conflicts; that of a main database which was never tenantplan's says whose tables are in the way."""
    where = addresses.database(MAIN, database)
    tables = sorted(table for table in live.main.columns if table.startswith("public."))
    if not tables or not live.main.foreign:
        return list(conflicts)
    facts = live.servers[MAIN]
    message = (
        f"the database {database} on {facts.host}:{facts.port} is not tenantplan's: it holds {some(tables, _NAMED)}."
        " Name a database that is not there yet, or an empty one, in tenantplan.yaml: main: { database: tenantplan_main }"
    )
    return [replace(found, message=message) if found.address == where else found for found in conflicts]


def still_open(desired: Desired, live: State) -> Iterator[Finding]:
    """A note for each organization that is suspended, or is to be deleted, and brought its database."""
    for address, want in of_type(desired.state, Row).items():
        if want.values.get("state") == "suspended":
            yield from _note(address, want)
    for address in sorted(desired.deleted):
        have = one(live.get(address), Row)
        if have is not None and have.managed and have.retired_at is None:
            yield from _note(address, have)


def _note(address: str, row: Row) -> Iterator[Finding]:
    reference = row.values.get("database_url")
    if row.table == "organizations" and reference:
        message = f"the login in {reference} stays open: the database is not tenantplan's. Close it there"
        yield Finding(address, STILL_OPEN, message)
