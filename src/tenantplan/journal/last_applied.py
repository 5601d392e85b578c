"""What the journal says was last applied to a few rows, under whatever names they had then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.audit import parsed
from tenantplan.model.encode import from_json
from tenantplan.model.live import Survey
from tenantplan.model.resource import Ref, Row, one
from tenantplan.planning.undeclared import Last
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.queries import query
from tenantplan.settings.settings import Settings


def last_applied(
    settings: Settings, connector: Connector, live: Survey, asked: Collection[str], pending: Mapping[str, str]
) -> dict[str, Last]:
    """The last successful operation on each of the addresses asked for. `pending` are renames (old address -> new) that are not
    applied yet, under which the addresses are asked for. No connection where nothing is asked."""
    if not asked or "tenantplan.operations" not in live.main.columns:
        return {}
    with connector.connect(MAIN, settings.spec.main.database, read_only=True) as connection:
        return _read(connection, asked, pending)


def _read(connection: Connection, asked: Collection[str], pending: Mapping[str, str]) -> dict[str, Last]:
    done = connection.execute(query("renames_applied")).fetchall()
    renames = [*((old, new) for _, old, new in done), *pending.items()]
    before = {new: old for old, new in pending.items()}
    newest = [*reversed(done)]
    times = [(address, *time) for address in asked for time in _times(addresses.renamed(address, before), newest)]
    named = dict(zip(("asked", "names", "since", "until"), map(list, zip(*times, strict=True)), strict=True))
    rows = connection.execute(query("last_applied_to"), named).fetchall()
    return {  # the newest comes last
        address: Last(_row(after, renames), at or "", _row(before, renames)) for address, after, before, at in rows
    }


def _times(name: str, renames: Iterable[tuple[int, str, str]]) -> Iterator[tuple[str, int, int | None]]:
    """The names that a row has had, newest first: since which operation, and until which. `renames`: the newest first."""
    until: int | None = None
    for seq, old, new in renames:
        former = addresses.renamed(name, {new: old})
        if former != name:
            yield name, seq, until
            name, until = former, seq
        elif addresses.renamed(name, {old: new}) != name:  # what had the name before has left it
            yield name, seq, until
            return
    yield name, 0, until


def _row(after: str | None, renames: Collection[tuple[str, str]]) -> Row | None:
    """A row as the journal has it, its references under their present names."""
    document = parsed(after)
    row = one(from_json(document), Row) if isinstance(document, dict) else None
    if row is None:
        return None
    values = {c: Ref(_present(v.address, renames)) if isinstance(v, Ref) else v for c, v in row.values.items()}
    return Row(row.table, values)


def _present(address: str, renames: Collection[tuple[str, str]]) -> str:
    for old, new in renames:
        address = addresses.renamed(address, {old: new})
    return address
