"""Secrets of rows as they are stored: hashed or encrypted, and remembered by keyed hashes so that a change of either is seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, assert_never

import bcrypt

from tenantplan.apply.context import Run
from tenantplan.errors import SettingsError
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, Package, Role, Row, Schema, Secret
from tenantplan.model.rowtype import RowType
from tenantplan.postgres.connect import Connection
from tenantplan.secrets.box import CredentialPlace, key_of
from tenantplan.secrets.fleet_keys import the_vault
from tenantplan.secrets.keyed import keyed_hash
from tenantplan.secrets.passwords import generated_value
from tenantplan.secrets.references import resolve
from tenantplan.secrets.storage import purpose, secret_storage


def stored(
    run: Run, rowtype: RowType, row_id: str | None, column: str, secret: Secret | None, called: str = ""
) -> dict[str, Any]:
    """Column -> what is stored for a secret of the row `called` so. SettingsError when its value is missing or unfit, or
    there is no key to encrypt it."""
    kind = rowtype.columns[column]
    if secret is None or secret.reference is None:
        return {column: None, "password_fingerprint": None} if kind == "bcrypt" else {column: None}
    value = generated_value(secret.bytes, kind) if secret.target else resolve(secret.reference, run.root)
    if secret.target:
        run.secrets.made[rowtype.table, str(row_id), column] = value
    how = secret_storage(kind, run.secrets.context, purpose=purpose(rowtype.table, column, called))
    reason = how.weakness(value)
    if reason:
        raise SettingsError(f"the {how.what} in {secret.reference} {reason}", hint="choose a longer, random one")
    if kind == "bcrypt":
        return _bcrypt(run, column, value)
    if kind == "key":
        return {column: value}
    if kind == "sha256":
        return {column: hashlib.sha256(value.encode()).hexdigest()}
    assert row_id is not None
    sealed = the_vault(run.secrets.vault).seal(CredentialPlace(rowtype.table, row_id, column), value)
    run.secrets.sealed[rowtype.table, row_id, column] = sealed
    return {column: sealed}


def remember(run: Run, connection: Connection, rowtype: RowType, row_id: str, values: Mapping[str, Any]) -> None:
    """Keeps the keyed hashes of what was just encrypted, in the transaction that stored it."""
    for column, secret in values.items():
        if rowtype.columns[column] != "encrypted":
            continue
        if secret is None:
            forget(connection, rowtype, row_id, column)
            continue
        sealed = run.secrets.sealed.pop((rowtype.table, row_id, column))
        made = run.secrets.made.get((rowtype.table, row_id, column)) if secret.target else None
        value = keyed_hash(run.secrets.hash_key, resolve(secret.reference, run.root) if made is None else made)
        keep(connection, CredentialPlace(rowtype.table, row_id, column), value, sealed, run.secrets.hash_key)


def keep(connection: Connection, place: CredentialPlace, value_hash: str, sealed: bytes, hash_key: str) -> None:
    """Records what is stored in a place, and under which key."""
    keep_all(connection, [(place, value_hash, sealed)], hash_key)


def keep_all(connection: Connection, kept: Iterable[tuple[CredentialPlace, str, bytes]], hash_key: str) -> None:
    """The same of several places: each with the keyed hash of its value, and what is stored."""
    rows = [
        [*(place.relation, place.row_id, place.column), key_of(sealed), value_hash, keyed_hash(hash_key, sealed.hex())]
        for place, value_hash, sealed in kept
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tenantplan.credentials (relation, row_id, column_name, key_id, value_hash, stored_hash)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (relation, row_id, column_name) DO UPDATE"
            " SET key_id = excluded.key_id, value_hash = excluded.value_hash, stored_hash = excluded.stored_hash,"
            " stored_at = now()",
            rows,
        )


def forget(connection: Connection, rowtype: RowType, row_id: str, column: str | None = None) -> None:
    """Drops what is remembered of a row's encrypted values, or of one of them."""
    if "encrypted" in rowtype.columns.values():
        connection.execute(
            "DELETE FROM tenantplan.credentials WHERE relation = %s AND row_id = %s AND coalesce(column_name = %s, true)",
            [rowtype.table, row_id, column],
        )


def marked(run: Run, operation: Operation) -> Operation:
    """The operation with the keyed hashes of its secrets: those of a first plan have none, since there was no key yet."""
    after = operation.after
    match after:
        case Row():
            rowtype = run.tables[after.table]
            found = {c: _mark(run, rowtype.columns[c], v) for c, v in after.values.items() if _unmarked(v)}
            return replace(operation, after=replace(after, values={**after.values, **found})) if found else operation
        case Role(password=Secret() as password) if _unmarked(password):
            return replace(operation, after=replace(after, password=_mark(run, "password", password)))
        case Role() | Database() | Schema() | Package() | None:
            return operation
        case _:
            assert_never(after)


def _unmarked(value: Any) -> bool:
    return isinstance(value, Secret) and value.keyed is None and value.reference is not None and value.target is None


def _mark(run: Run, kind: str, secret: Secret) -> Secret:
    return Secret(
        secret.reference, secret_storage(kind).mark(run.secrets.hash_key, resolve(str(secret.reference), run.root))
    )


def _bcrypt(run: Run, column: str, password: str) -> dict[str, str]:
    """The bcrypt hash of a password, and the keyed hashes by which a later plan knows both."""
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode()
    marks = f"{keyed_hash(run.secrets.hash_key, password)}:{keyed_hash(run.secrets.hash_key, hashed)}"
    return {column: hashed, "password_fingerprint": marks}
