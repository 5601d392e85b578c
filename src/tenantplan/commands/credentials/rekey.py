"""Credentials under a new key: each value is decrypted with the key it has and encrypted with the current one.

Every value is a transaction of its own with its audit entry, so that an interrupted run leaves each value under one key
or the other, and the next run goes on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from tenantplan.apply.effects.stored_secrets import keep
from tenantplan.errors import Locked, NotFound
from tenantplan.fleet.opening import Fleet, open_fleet
from tenantplan.fleet.provenance import author
from tenantplan.journal import record
from tenantplan.journal.author import Author
from tenantplan.journal.facts import Fact
from tenantplan.live.credentials import read_keys, verified
from tenantplan.live.main import read_main
from tenantplan.live.rows import Wanted
from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.resource import Row, State, one
from tenantplan.model.rowtype import RowType, Tables
from tenantplan.postgres import lock
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.databases import has_database
from tenantplan.secrets.box import CredentialPlace, Refused, Vault, key_of
from tenantplan.secrets.fleet_keys import the_vault
from tenantplan.settings.settings import Settings
from tenantplan.tables import BUILTIN
from tenantplan.tables.control import DATABASE_LOGIN


@dataclass(frozen=True)
class Rekeyed:
    """How many values were encrypted anew; why others do not open, by address; how many are left under each key's id."""

    done: int
    refused: Mapping[str, str]
    keys: Mapping[str, int]


@dataclass(frozen=True)
class _Kept:
    """An encrypted value: the table and the place it is in, the address of its row, and the organization or tenant it serves."""

    rowtype: RowType
    place: CredentialPlace
    address: str
    holder: str | None

    def fact(self, result: str, detail: str) -> Fact:
        """What the audit log says of it."""
        told = f"{self.place.column}: {detail}"
        return Fact(self.address, "rekey", result, organization=self.holder, detail=told)


def rekey(settings: Settings) -> Rekeyed:
    """Encrypts every credential of the fleet under the current key.

    Locked while an apply is running; NotFound before the first; SettingsError without a key.
    """
    with open_fleet(settings) as fleet:
        return _rekeyed(fleet)


def _rekeyed(fleet: Fleet) -> Rekeyed:
    settings, connector = fleet.settings, fleet.connector
    vault = the_vault(fleet.vault)
    _refuse_nothing(connector, settings.spec.main.database)
    with (
        lock.held(connector, settings.fleet, settings.spec.main.database) as holding,
        connector.connect(MAIN, settings.spec.main.database) as control,
    ):
        lock.check_held(holding)
        facts = read_main(control, Wanted(settings.fleet, BUILTIN, {}))
        writer, hash_key = author(settings), facts.hash_key or ""
        lock.take_over(control, writer.id, writer.actor.name, writer.actor.host, os.getpid())
        names = {row_id: address for address, row_id in facts.ids.items()}
        names |= {login.id: addresses.role(login.server, login.role) for login in facts.issued}
        holders = {login.id: login.holder for login in facts.issued}
        tables = dict(facts.tables)
        if "public.database_logins" in facts.columns:
            tables[DATABASE_LOGIN.table] = DATABASE_LOGIN
        _forget_gone(control, tables)
        done, refused = 0, {}
        for relation, row_id, column in _places(control):
            rowtype = tables.get(relation)
            address = names.get(row_id)
            if rowtype is None or address is None:
                continue  # another fleet's
            holder = holders.get(row_id) or _holder(address, facts.state)
            kept = _Kept(rowtype, CredentialPlace(relation, row_id, column), address, holder)
            try:
                done += _renew(writer, hash_key, control, vault, kept)
            except Refused as error:
                refused[f"{address} {column}"] = error.message
                with control.transaction():
                    record.audit(writer, control, [kept.fact("refused", error.message)])
        return Rekeyed(done, refused, read_keys(control))


def _refuse_nothing(connector: Connector, name: str) -> None:
    nothing = NotFound("nothing has been applied yet: there are no credentials", hint="tenantplan apply makes them")
    with connector.connect(MAIN, read_only=True) as gate:
        if not has_database(gate, name):
            raise nothing
    with connector.connect(MAIN, name, read_only=True) as connection:
        found = connection.execute("SELECT to_regclass('tenantplan.credentials') IS NOT NULL").fetchone()
        if found is None or not found[0]:
            raise nothing


def _forget_gone(connection: Connection, tables: Tables) -> None:
    """Drops what is remembered of rows that went along with others, so that nothing seems to be left under a key."""
    for rowtype in tables.values():
        if "encrypted" in rowtype.columns.values():
            statement = sql.SQL(
                "DELETE FROM tenantplan.credentials c WHERE relation = %s AND NOT EXISTS (SELECT FROM {} WHERE {} = c.row_id)"
            )
            table, identifier = sql.Identifier(*rowtype.relation), sql.Identifier(rowtype.id)
            connection.execute(statement.format(table, identifier), [rowtype.table])


def _places(connection: Connection) -> list[tuple[str, str, str]]:
    """Where encrypted values are."""
    rows = connection.execute("SELECT relation, row_id::text, column_name FROM tenantplan.credentials ORDER BY 1, 2, 3")
    return [(relation, row_id, column) for relation, row_id, column in rows.fetchall()]


def _holder(address: str, state: State) -> str | None:
    """The organization or tenant that a row is nested in, through whatever it belongs to; None for what is nobody's."""
    held: str | None = address
    for _ in range(8):  # more than any row is nested
        held = addresses.document(held) if held else None
        if held is None or addresses.has_placement(held):
            return held
        row = one(state.get(held), Row)
        held = row.home if row is not None else None
    return None


def _renew(writer: Author, hash_key: str, control: Connection, vault: Vault, kept: _Kept) -> int:
    """1 when the value was encrypted anew, 0 when it has the current key already; Refused when it does not open."""
    rowtype, place = kept.rowtype, kept.place
    table, column, identifier = (
        sql.Identifier(*rowtype.relation),
        sql.Identifier(place.column),
        sql.Identifier(rowtype.id),
    )
    with control.transaction():
        if control.execute("SELECT FROM tenantplan.lease WHERE run_id = %s FOR SHARE", [writer.id]).fetchone() is None:
            raise Locked("another run took over this fleet", hint="see who: tenantplan status")
        row = control.execute(
            sql.SQL("SELECT {} FROM {} WHERE {} = %s FOR UPDATE").format(column, table, identifier), [place.row_id]
        ).fetchone()
        if row is None or row[0] is None:
            raise Refused("it was removed from its row, and not by tenantplan")
        stored = bytes(row[0])
        value_hash = verified(control, place, stored, hash_key)
        value = vault.open(place, stored)
        if key_of(stored) == vault.key_id:
            return 0
        sealed = vault.seal(place, value)
        statement = sql.SQL("UPDATE {} SET {} = %s WHERE {} = %s AND {} = %s")
        owned = statement.format(table, column, identifier, sql.Identifier(rowtype.owner))
        if control.execute(owned, [sealed, place.row_id, writer.fleet]).rowcount != 1:
            raise Refused("its row no longer belongs to this fleet")
        keep(control, place, value_hash, sealed, hash_key)
        record.audit(writer, control, [kept.fact("done", f"key {key_of(stored)} -> {vault.key_id}")])
        return 1
