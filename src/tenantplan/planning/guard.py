"""Guards: protection, moves that would lose data, and brakes on deletions and mass changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from tenantplan.model import address as addresses
from tenantplan.model.address import has_placement
from tenantplan.model.desired import Desired
from tenantplan.model.finding_rules import CHANGES, DELETES, LOSSES, OCCUPIED
from tenantplan.model.listing import some
from tenantplan.model.losing import losing_revisions
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.resource import Database, Role, Row, State, afters, befores, of_type, one, sides, tree_of
from tenantplan.model.rowtype import Tables
from tenantplan.planning.lower import moves

_NAMED = 5
_SMALL_FLEET = 10  # a share of fewer organizations than this says nothing


@dataclass(frozen=True)
class Brakes:
    """Limits of one plan: deletions, and changed organizations as a share of the live ones and as a number."""

    max_deletes: int
    max_changed_percent: int
    max_changed: int | None = None


def protection(operations: Iterable[Operation]) -> list[Finding]:
    """A blocker for each deletion of what the live main database still protects: protection goes in an earlier apply."""
    return [
        Finding(
            o.address,
            "protected",
            "is protected: set protect: false, apply that, and only then set state: deleted",
        )
        for o, row in befores(operations, Row)
        if o.action == "delete" and o.retire and row.values.get("protect")
    ]


def dependents(operations: Iterable[Operation], live: State, tables: Tables) -> list[Finding]:
    """A blocker for each deletion of what something else still needs: an organization that has tenants of its own, which
    would go with its row, or a template that a project is made from."""
    listed = list(operations)
    deleted = {o.address for o in listed if o.action == "delete"}
    becoming = {o.address: after for o, after in afters(listed, Row)}
    found = []
    for address, row in of_type(live, Row).items():
        if not row.managed or _goes(address, live, deleted):
            continue
        rowtype = tables[row.table]
        after = becoming.get(address)  # which says only what is declared
        becomes = row if after is None else replace(row, values={**row.values, **after.values})
        for column, referred in becomes.references.items():
            if referred in deleted:
                if column in rowtype.uses:
                    message = f"is still used by {address}: point that at another one, or delete it too"
                elif rowtype.retired:
                    message = f"still has {address}: set state: deleted there, too"
                else:
                    continue
                found.append(Finding(referred, "dependents", message))
    return found


def taken_keys(operations: Iterable[Operation], live: State, tables: Tables) -> list[Finding]:
    """A blocker for each row that is to get a key, such as a slug, which a row has that the plan does not change: one that
    is deleted and kept for its grace period, or left out by --target."""
    listed = list(operations)
    changing = {o.address for o in listed} | {o.renamed_from for o in listed}
    holders = {
        _identity(row, tables): (address, row)
        for address, row in of_type(live, Row).items()
        if address not in changing and tables[row.table].key
    }
    found = []
    for operation, after in afters(listed, Row):
        if tables[after.table].key and _identity(after, tables) in holders:
            address, row = holders[_identity(after, tables)]
            why = "is deleted and kept until its grace period ends" if row.retired_at else "the plan does not change"
            key = ", ".join(tables[after.table].key)
            found.append(Finding(operation.address, "key", f"has the {key} of {address}, which {why}"))
    return found


def _identity(row: Row, tables: Tables) -> tuple[object, ...]:
    return (row.table, *(row.values.get(column) for column in tables[row.table].identity))


def _goes(address: str, live: State, deleted: Set[str]) -> bool:
    """Whether a row, or what it is nested in, is deleted already or by this plan."""
    either = {address, addresses.document(address)}
    rows = (one(live.get(each), Row) for each in either)
    return not either.isdisjoint(deleted) or any(row is not None and row.retired_at is not None for row in rows)


def lost_databases(
    operations: Iterable[Operation], live: State, renames: Mapping[str, str], targets: Iterable[str]
) -> list[Finding]:
    """A blocker for each database that is gone although its organization was applied, perhaps under another name: an empty
    one would hide the loss.

    Naming the database as a target says that an empty one is meant.
    """
    named = set(targets)
    found = []
    for operation, after in afters(operations, Database):
        if operation.action != "create" or after.holder is None:
            continue
        row = one(live.get(after.holder), Row)
        place = row.values if row is not None and row.retired_at is None else {}
        had = addresses.database(str(place.get("database_server")), str(place.get("database_name")))
        if addresses.renamed(had, renames) == operation.address:
            message = (
                f"is gone, though {after.holder} was applied with it: restore or rename it back."
                f" Only if an empty one is intended: --target {operation.address}"
            )
            found += [] if operation.address in named else [Finding(operation.address, "lost", message)]
    return found


def relocations(operations: Sequence[Operation], live: State) -> list[Operation]:
    """The operations that change where an organization's or tenant's data lives."""
    return [o for o in operations if _relocates(*sides(o, Row), live.keys())]


def _relocates(before: Row | None, after: Row | None, left: Set[str]) -> bool:
    if before is None or after is None:
        return False
    return moves(before, after) or _leaves(before, after, left)


def _leaves(before: Row, after: Row, left: Set[str]) -> bool:
    """Whether a row gets another database while the one it had stays, under its old name."""
    server, name = (str(before.values.get(column)) for column in ("database_server", "database_name"))
    return after.values.get("database_name", name) != name and addresses.database(server, name) in left


def restored_elsewhere(moving: Iterable[Operation]) -> list[Finding]:
    """A blocker for each organization or tenant that would come back from a deletion and live elsewhere by one plan."""
    return [
        Finding(
            o.address,
            "restore",
            "is restored, but declared elsewhere: restore it where it was"
            f" (database {row.values['database_name']} on {row.values['database_server']}), and change that later"
            if row.values.get("database_name")
            else "is restored, but declared elsewhere: restore it where it was, and change that later",
        )
        for o, row in befores(moving, Row)
        if o.restore
    ]


def occupied(operation: Operation, rows: Mapping[str, int]) -> Finding | None:
    """A blocker for a move of an organization that has tenant rows: they would be left behind."""
    if not rows:
        return None
    tables = ", ".join(sorted(rows))
    return Finding(
        operation.address,
        OCCUPIED,
        f"has rows in {tables}; changing where its data lives would leave them behind, and moving them is not supported yet."
        " Keep its database as it is, or empty those tables first",
    )


def brakes(
    operations: Sequence[Operation],
    deletes: int,
    live_organizations: int,
    limits: Brakes,
    sharing: Collection[str] = (),
) -> list[Finding]:
    """Blockers for too many deletions or too large a share of the fleet changed at once. Creations do not count.

    The share counts who is changed and where a migration destroys something, the number also who is migrated at all. `sharing`
    are the organizations and tenants in the shared tables: a migration that destroys something there is one of all of them.
    """
    return [
        *_deletions(deletes, limits.max_deletes),
        *_losses(operations),
        *_changed_at_once(operations, live_organizations, limits, sharing),
    ]


def _deletions(deletes: int, allowed: int) -> Iterator[Finding]:
    if deletes > allowed:
        message = (
            f"{deletes} deletion{'s' if deletes != 1 else ''} planned, {allowed} allowed:"
            f" apply with --allow-deletes {deletes} if that is intended"
        )
        yield Finding("fleet", DELETES, message)


def _changed_at_once(
    operations: Sequence[Operation], live_organizations: int, limits: Brakes, sharing: Collection[str]
) -> Iterator[Finding]:
    migrating = [o for o in operations if o.action == "migrate" and o.before is not None]
    lossy = [o for o in migrating if o.risk == "destructive"]
    changing = [o for o in operations if o.action in ("update", "move", "delete", "grant") and not _expires(o)]
    losing = {
        scope for o in lossy for scope in ([o.scope] if has_placement(o.scope) else sharing if _is_shared(o) else [])
    }
    changed = {o.scope for o in changing if has_placement(o.scope)} | losing
    counted = changed | {o.scope for o in migrating if has_placement(o.scope)}
    share = 100 * len(changed) / live_organizations if live_organizations else 0
    why = f", {len(losing)} of them by migrations that destroy data" if losing else ""
    if limits.max_changed is not None and len(counted) > limits.max_changed:
        also = f" or be migrated, {limits.max_changed}" if counted != changed else f"{why}, {limits.max_changed}"
        who = "1 organization or tenant" if len(counted) == 1 else f"{len(counted)} organizations and tenants"
        yield _mass(f"{who} would change{also} allowed (guard.maxChanged)")
    elif live_organizations >= _SMALL_FLEET and share > limits.max_changed_percent:
        percent = f"{len(changed)} of {live_organizations} organizations and tenants would change{why}"
        yield _mass(f"{percent}, {limits.max_changed_percent} % allowed (guard.maxChangedPercent)")


def _losses(operations: Sequence[Operation]) -> Iterator[Finding]:
    losing = losing_revisions(operations)
    if losing:
        which = f"{len(losing)} revisions destroy" if len(losing) > 1 else "1 revision destroys"
        message = (
            f"{which} data: {some(losing, _NAMED)}: apply with --allow-destructive {len(losing)} if that is intended"
        )
        yield Finding("fleet", LOSSES, message)


def _is_shared(operation: Operation) -> bool:
    return tree_of(operation.after) == "shared"


def sharing(live: State) -> frozenset[str]:
    """Addresses of the live organizations and tenants whose rows are in the shared tables."""
    return frozenset(
        address
        for address, row in of_type(live, Row).items()
        if row.managed and row.retired_at is None and row.values.get("database_mode") == "shared"
    )


def _expires(operation: Operation) -> bool:
    """Whether a role's former password, or the role that had it, is over: the end of a change that was made before."""
    before, after = sides(operation, Role)
    if before is None or after is None:
        return False
    return not (after.login and not before.login) and replace(before, login=after.login) == after


def _mass(message: str) -> Finding:
    return Finding("fleet", CHANGES, f"{message}: split the change with --target or --selector, or raise the limit")


def live_organizations(live: State) -> int:
    """How many organizations and tenants exist and are not retired."""
    rows = (row for a, row in of_type(live, Row).items() if addresses.is_document(a) and has_placement(a))
    return sum(1 for row in rows if row.managed and row.retired_at is None)


@dataclass(frozen=True)
class Allowances:
    """What the person who applies has said: how many deletions are meant, and how many revisions that destroy data."""

    deletes: int | None = None
    destructive: int | None = None


def remaining_blockers(plan: Plan, words: Allowances) -> tuple[Finding, ...]:
    """The plan's blockers that still stand after these words, each of which counts only as the exact number."""
    wrong, lifted = [], set()
    for rule, flag, number, held in (
        (DELETES, "--allow-deletes", words.deletes, plan.summary["delete"]),
        (LOSSES, "--allow-destructive", words.destructive, len(plan.losing)),
    ):
        if number is not None:
            lifted.add(rule)
        if number is not None and number != held:
            what = f"{held or 'no'} deletion{'s' if held != 1 else ''}"
            if rule == LOSSES:
                what = f"{held or 'no'} revision{'s that destroy' if held != 1 else ' that destroys'} data"
            wrong.append(Finding("fleet", rule, f"{flag} {number} does not match the plan, which has {what}"))
    return (*wrong, *(blocker for blocker in plan.blockers if blocker.rule not in lifted))


def protected_in_documents(desired: Desired, live: State) -> list[Finding]:
    """A blocker where a document that is to be deleted, by itself or with its organization, says `protect: true` while its row
    is live."""
    return [
        Finding(a, "protected", "its document says protect: true beside state: deleted: set protect: false there")
        for a in sorted(desired.deleted & desired.protected)
        if a in live and addresses.document(a) == a
    ]
