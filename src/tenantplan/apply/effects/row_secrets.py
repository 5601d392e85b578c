"""Generated secrets of rows: made up when they are stored, and handed over before the transaction that stores them commits.

Nothing is handed over that is not stored but by a run that dies in between, or fails at another target. The next one makes
another and hands that over; where a value was there before, that one is handed over again: the row says so from before the first
is replaced. A target gets the value again when it is another one: what an application signs with outlives where it is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from psycopg import sql

from tenantplan.apply.blame import blame
from tenantplan.apply.context import Run
from tenantplan.errors import TenantplanError
from tenantplan.failpoint import reach
from tenantplan.journal import record
from tenantplan.journal.facts import Fact
from tenantplan.live.credentials import verified
from tenantplan.model import address as addresses
from tenantplan.model.address import login_label
from tenantplan.model.login import MAIN_TARGET
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Row, Secret, afters, befores, expect, one, sides
from tenantplan.model.rowtype import DELIVERED, ON_ITS_WAY, RowType
from tenantplan.postgres.connect import Connection
from tenantplan.secrets.box import CredentialPlace
from tenantplan.secrets.delivery import Given, deliver
from tenantplan.secrets.fleet_keys import the_vault
from tenantplan.secrets.storage import secret_storage
from tenantplan.settings.targets import delivered_as
from tenantplan.tables import BUILTIN


def hand_over(run: Run, main: Connection, operations: Sequence[Operation]) -> None:
    """Delivers what the operations have generated, or what is to go elsewhere now, in the transaction that stores it."""
    delivered = []
    for operation in operations:
        for column, secret in _leaving(operation):
            try:
                delivered.append(_deliver(run, main, operation, column, str(secret.target)))
            except TenantplanError as error:
                blame(error, operation)
                raise
    if delivered:
        reach("secret-delivered")
        record.audit(run.author, main, delivered)


def announce(run: Run, main: Connection, operations: Sequence[Operation]) -> None:
    """Commits of each delivered value that is about to be replaced that its target may have another one than is stored."""
    replaced = [(o, column, f"{ON_ITS_WAY}{secret.target}") for o, column, secret in _replaced(operations)]
    if replaced:
        with main.transaction():
            record.check_epoch(main, run.author.epoch)
            _say(run, main, replaced)


def take_back(run: Run, main: Connection, operations: Sequence[Operation]) -> None:
    """Undoes that in the transaction that stores the new values: what was announced stands unless that one commits."""
    replaced = [(o, c, expect(o.before, Row).values[c + DELIVERED]) for o, c, _ in _replaced(operations)]
    _say(run, main, replaced)


def move(run: Run, main: Connection, operations: Sequence[Operation]) -> None:
    """Says of what is nested in renamed rows, in the transaction of the rename, that its targets are to get it under the new name:
    whenever the run dies then, the next plan delivers it."""
    for operation, after in afters(operations, Row):
        if operation.renamed_from is not None and after.table in BUILTIN:
            for rowtype in BUILTIN.values():
                nested = rowtype.parent if rowtype.parent and rowtype.refs[rowtype.parent] == after.table else None
                which = rowtype.id if rowtype.table == after.table else nested
                for column in rowtype.columns if which is not None else ():
                    if column.endswith(DELIVERED):
                        _move(run, main, rowtype, column, (str(which), run.ids.get(operation.address)))


def _move(run: Run, main: Connection, rowtype: RowType, column: str, which: tuple[str, str | None]) -> None:
    statement = sql.SQL(
        "UPDATE {table} SET {column} = {way} || {column} WHERE {which} = %s AND {owner} = %s"
        " AND {column} <> {main} AND NOT starts_with({column}, {way})"
    ).format(
        table=sql.Identifier(*rowtype.relation),
        column=sql.Identifier(column),
        way=sql.Literal(ON_ITS_WAY),
        which=sql.Identifier(which[0]),
        owner=sql.Identifier(rowtype.owner),
        main=sql.Literal(MAIN_TARGET),
    )
    main.execute(statement, [which[1], run.author.fleet])


def _replaced(operations: Sequence[Operation]) -> Iterator[tuple[Operation, str, Secret]]:
    """Values that are made anew although the one that is there could stay."""
    for operation, before in befores(operations, Row):
        for column, secret in _leaving(operation):
            if before.values.get(column + DELIVERED) is not None and before.values.get(column) != secret:
                yield operation, column, secret


def _say(run: Run, main: Connection, said: Sequence[tuple[Operation, str, str]]) -> None:
    for operation, column, value in said:
        rowtype = run.tables[expect(operation.after, Row).table]
        statement = sql.SQL("UPDATE {} SET {} = %s WHERE {} = %s AND {} = %s").format(
            sql.Identifier(*rowtype.relation),
            sql.Identifier(column + DELIVERED),
            sql.Identifier(rowtype.id),
            sql.Identifier(rowtype.owner),
        )
        main.execute(statement, [value, run.ids.get(operation.address), run.author.fleet])


def settled(run: Run, operations: Sequence[Operation]) -> list[Operation]:
    """The operations with keyed hashes of what they have generated, for the audit log."""
    return [_marked(run, operation) for operation in operations]


def _leaving(operation: Operation) -> Iterator[tuple[str, Secret]]:
    before, after = sides(operation, Row)
    for column, value in after.values.items() if after is not None else ():
        if not isinstance(value, Secret) or value.target in (None, MAIN_TARGET):
            continue
        had = before.values if before is not None else {}
        if had.get(column) != value or had.get(column + DELIVERED) != value.target:
            yield column, value


def _deliver(run: Run, main: Connection, operation: Operation, column: str, target: str) -> Fact:
    after = expect(operation.after, Row)
    row_id = run.ids[operation.address]
    made = run.secrets.made.get((after.table, row_id, column))
    value = made if made is not None else _stored(run, main, after.table, row_id, column)
    held = addresses.document(operation.address)
    place = delivered_as(operation.address, column)
    deliver(
        target,
        run.secrets.targets[target],
        Given(login_label(held), place, place.rpartition(".")[2], value),
        run.root,
        run.secrets.hidden,
    )
    return Fact(operation.address, "deliver", "done", held, detail=f"its {column} to {target}")


def _stored(run: Run, main: Connection, table: str, row_id: str, column: str) -> str:
    """What is stored already, and is to go elsewhere; Refused when it is not what tenantplan stored."""
    rowtype = run.tables[table]
    statement = sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(
        sql.Identifier(column), sql.Identifier(*rowtype.relation), sql.Identifier(rowtype.id)
    )
    row = main.execute(statement, [row_id]).fetchone()
    assert row is not None
    if rowtype.columns[column] != "encrypted":
        return str(row[0])
    place, stored = CredentialPlace(table, row_id, column), bytes(row[0])
    verified(main, place, stored, run.secrets.hash_key)
    return the_vault(run.secrets.vault).open(place, stored)


def _marked(run: Run, operation: Operation) -> Operation:
    after = one(operation.after, Row)
    if after is None:
        return operation
    found = {}
    for column, value in after.values.items():
        made = run.secrets.made.pop((after.table, run.ids.get(operation.address, ""), column), None)
        if made is not None and isinstance(value, Secret):
            mark = secret_storage(run.tables[after.table].columns[column]).mark(run.secrets.hash_key, made)
            found[column] = Secret(value.reference, mark)
    return replace(operation, after=replace(after, values={**after.values, **found})) if found else operation
