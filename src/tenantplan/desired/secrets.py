"""Secrets of the desired state: their keyed hashes, and findings for those that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from tenantplan.errors import TenantplanError
from tenantplan.fleet.opening import Fleet
from tenantplan.model.desired import Desired
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import (
    CHANGED_OUTSIDE,
    Database,
    Package,
    Resource,
    Role,
    Row,
    Schema,
    Secret,
    State,
)
from tenantplan.model.rowtype import DELIVERED, Tables
from tenantplan.secrets.development import create_missing
from tenantplan.secrets.references import Secrets, resolve
from tenantplan.secrets.storage import SecretContext, SecretStorage, purpose, secret_storage
from tenantplan.settings.settings import Settings


@dataclass(frozen=True)
class Findings:
    """What there is to say of secrets: what keeps a plan from being applied, and what could not be looked at."""

    blockers: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)


def with_secrets(desired: Desired, live: State, key: str | None, fleet: Fleet) -> tuple[State, Findings]:
    """The desired state with keyed hashes of its secrets.

    One that is missing, too weak, or to be encrypted while there is no key, is a blocker. But whoever only reviews a plan
    need not hold the secrets: one that is stored already and not at hand is not compared, which a note says.
    """
    result = dict(desired.state)
    findings = Findings()
    settings, vault = fleet.settings, fleet.vault
    create_missing(settings, (str(s.reference) for r in desired.state.values() for s in secrets_of(r).values()))
    for address, resource in desired.state.items():
        wanted = secrets_of(resource)
        if not wanted:
            continue
        stored = secrets_of(live.get(address))
        known: dict[str, Secret] = {}
        for name, secret in wanted.items():
            if secret.target is not None:
                known[name] = _generated(secret, name, resource, live.get(address))
                takes_key = not isinstance(resource, Row) or desired.tables[resource.table].columns[name] == "encrypted"
                if vault is None and takes_key and known[name].keyed is None:
                    findings.blockers.append(Finding(address, "secret", _NO_KEY))
                continue
            how = _storage(resource, name, desired.tables, secret_context(settings))
            known[name], missing, unfit = _known(secret, key, fleet.secrets, how)
            had = stored.get(name)
            if how.encrypted and vault is None and not (unfit or missing) and known[name] != had:
                unfit = _NO_KEY  # a new value, and nothing to encrypt it with
            if missing and not unfit and had is not None and had.keyed not in (None, CHANGED_OUTSIDE):
                known[name] = Secret(secret.reference, had.keyed)
                findings.notes.append(
                    Finding(address, "secret-unseen", f"{name} is kept as stored, and not compared: {missing}")
                )
            elif unfit or missing:
                findings.blockers.append(Finding(address, "secret", unfit or missing))
        result[address] = _with(resource, known)
    return result, findings


_NO_KEY = (
    "is to be stored encrypted, and there is no key: make one (tenantplan credentials key)"
    " and set CREDENTIALS_ENCRYPTION_KEY to it"
)


def _generated(secret: Secret, name: str, resource: Resource, have: Resource | None) -> Secret:
    """A generated secret of a row is the one that is there, unless that was by reference, or somebody else has changed it."""
    match resource, have:
        case Row(), Row() if have.values.get(name + DELIVERED) is not None:
            stored = have.values.get(name)
            if isinstance(stored, Secret) and stored.keyed != CHANGED_OUTSIDE:
                return Secret(secret.reference, stored.keyed)
    return secret


def _with(resource: Resource, known: dict[str, Secret]) -> Resource:
    """The resource with its secrets as far as they are known."""
    match resource:
        case Row():
            return replace(resource, values={**resource.values, **known})
        case Role():
            return replace(resource, password=known["password"])
        case Database() | Schema() | Package():
            return resource
        case _:
            assert_never(resource)


def secret_context(settings: Settings) -> SecretContext:
    """What every secret of a fleet is checked against."""
    return SecretContext((settings.fleet, settings.spec.main.database), settings.spec.development)


def _storage(resource: Resource, name: str, tables: Tables, context: SecretContext) -> SecretStorage:
    match resource:
        case Role():
            return secret_storage("password", context, user=resource.name)
        case Row():
            kind, called = tables[resource.table].columns[name], str(resource.values.get("name") or "")
            return secret_storage(kind, context, purpose=purpose(resource.table, name, called))
        case Database() | Schema() | Package():
            raise AssertionError(f"a {type(resource).__name__} has no secrets")
        case _:
            assert_never(resource)


def _known(secret: Secret, key: str | None, secrets: Secrets, how: SecretStorage) -> tuple[Secret, str, str]:
    """The secret with its keyed hash, or why it is missing, or why it cannot be used."""
    assert secret.reference is not None
    try:
        value = secrets.resolve(secret.reference)
    except TenantplanError as error:
        return secret, f"{error.message}: {error.hint}", ""
    reason = how.weakness(value)
    if reason:
        return secret, "", f"the {how.what} in {secret.reference} {reason}: choose a longer, random one"
    return Secret(secret.reference, how.mark(key, value) if key else None), "", ""


def replaced_secrets(operations: Iterable[Operation], key: str | None, root: Path, tables: Tables) -> list[str]:
    """The references that an operation is to set and that do not hold the value the plan was made with; SettingsError
    when one holds none. A plan made before the main database existed knows no values, so it accepts any.

    They are read anew, since each step that sets one reads it anew: what is compared here is what is there now.
    """
    found = []
    for operation in operations:
        had = secrets_of(operation.before)
        for name, secret in secrets_of(operation.after).items():
            if (
                key is None
                or secret.keyed is None
                or secret.reference is None
                or had.get(name) == secret
                or secret.target
            ):
                continue
            assert operation.after is not None
            mark = _storage(operation.after, name, tables, SecretContext()).mark(key, resolve(secret.reference, root))
            if mark != secret.keyed:
                found.append(secret.reference)
    return sorted(set(found))


def secrets_of(resource: Resource | None) -> dict[str, Secret]:
    """The secrets of a resource, by column or as its `password`."""
    match resource:
        case Row():
            return {column: value for column, value in resource.values.items() if isinstance(value, Secret)}
        case Role():
            return {"password": resource.password} if resource.password is not None else {}
        case Database() | Schema() | Package() | None:
            return {}
        case _:
            assert_never(resource)
