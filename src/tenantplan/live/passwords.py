"""Passwords of login roles that were changed outside tenantplan: found without storing any password.

Where tenantplan's role may read pg_authid, the verifier is recomputed with its own salt; else the password is tried. Passwords
are those that tenantplan can have: by reference, or generated and kept encrypted in the main database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import psycopg

from tenantplan.errors import SettingsError, TenantplanError
from tenantplan.fleet.opening import Fleet, lone_connector
from tenantplan.live.fan_out import side_by_side
from tenantplan.live.stored_secrets import login_password
from tenantplan.model import address as addresses
from tenantplan.model.live import Survey
from tenantplan.model.login import CURRENT, MAIN_TARGET, PENDING, Issued
from tenantplan.model.resource import CHANGED_OUTSIDE, GENERATED, Database, Role, Secret, State, of_type, one
from tenantplan.postgres.connect import Connection, Connector, session_params
from tenantplan.postgres.embedded import SUPERUSER
from tenantplan.postgres.queries import query
from tenantplan.secrets import scram
from tenantplan.secrets.box import Refused
from tenantplan.secrets.keyed import keyed_hash


@dataclass(frozen=True)
class Passwords:
    """By address of the role: what is not as it was set, and why others could not be compared."""

    changed: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class _Known:
    """A role that has a password, as far as tenantplan knows it: `password` None: it does not. `verifier`: a keyed hash."""

    role: Role
    database: str
    password: str | None = None
    verifier: str | None = None
    why: str = ""


def check_passwords(fleet: Fleet, live: Survey, references: State) -> Passwords:
    """Compares the password of every login role that has one. `references`: roles whose `password` names where it is found."""
    changed: dict[str, str] = {}
    unknown: dict[str, str] = {}
    known: dict[str, _Known] = {}
    connector = fleet.connector
    roles = _with_passwords(connector, live)
    if not roles:
        return Passwords()
    with fleet.main() as main:
        for address, role in roles.items():
            try:
                known[address] = _known(fleet, main, live, role, one(references.get(address), Role))
            except Refused as error:
                changed[address] = f"what is stored of it {error.message.removeprefix('it ')}"
    verifiers = _verifiers(connector, known.values())
    tried: dict[str, _Known] = {}
    for address, item in known.items():
        if item.role.server in verifiers:
            answer = _compared(item, verifiers[item.role.server].get(item.role.name), live.main.hash_key or "")
            _sort(address, answer, changed, unknown)
        elif item.password is None:
            unknown[address] = f"{item.why}, and pg_authid may not be read"
        else:
            tried[address] = item
    answers = side_by_side(partial(_logs_in, connector), tried.values(), fleet.settings.spec.max_connections)
    for address, answer in zip(tried, answers, strict=True):
        _sort(address, answer, changed, unknown)
    return Passwords(changed, unknown)


def with_changed(state: State, found: Passwords) -> State:
    """The live state, knowing which passwords somebody else has set."""
    roles = of_type({address: state.get(address) for address in found.changed}, Role)
    changed = {address: replace(role, password=Secret(None, CHANGED_OUTSIDE)) for address, role in roles.items()}
    return {**state, **changed} if changed else state


def _sort(address: str, answer: bool | str, changed: dict[str, str], unknown: dict[str, str]) -> None:
    if isinstance(answer, str):
        unknown[address] = answer
    elif not answer:
        changed[address] = "is not the one that was set"


def _with_passwords(connector: Connector, live: Survey) -> dict[str, Role]:
    """Roles that can log in and were given a password; one that is on its way, or about to go, is not looked at."""
    issued = live.main.issued
    current = {addresses.role(i.server, i.role) for i in issued if i.state == CURRENT}
    going = {addresses.role(i.server, i.role) for i in issued if i.state not in (CURRENT, PENDING)} - current
    going |= {addresses.role(i.server, i.role) for i in issued if i.state == PENDING}
    return {
        address: role
        for address, role in of_type(live.state, Role).items()
        if role.managed and role.login and role.password is not None
        if role.server in connector.servers and address not in going and role.retired_at is None
    }


def _known(fleet: Fleet, main: Connection, live: Survey, role: Role, declared: Role | None) -> _Known:
    """What tenantplan has of a password; Refused when what is stored is not what was stored."""
    issued = next((i for i in live.main.issued if (i.server, i.role) == (role.server, role.name)), None)
    if issued is not None:
        return _issued(fleet, main, live, role, issued)
    database = _database(live.state, role)
    secret = declared.password if declared is not None else None
    if secret is None or secret.reference is None or secret.target is not None:
        return _Known(role, database, why="no reference says where it is")
    try:
        value = fleet.secrets.resolve(secret.reference)
    except TenantplanError as error:
        return _Known(role, database, why=error.message)
    assert role.password is not None
    if keyed_hash(live.main.hash_key or "", value) != role.password.keyed:
        return _Known(role, database, why=f"{secret.reference} has a new value, which is not applied")
    return _Known(role, database, value)


def _issued(fleet: Fleet, main: Connection, live: Survey, role: Role, issued: Issued) -> _Known:
    if not issued.stored:
        why = f"it was delivered to {issued.target} and is not kept"
    elif fleet.vault is None:
        why = "it is stored encrypted, and there is no key"
    elif issued.state != CURRENT:
        why = "it is in its grace period"
    else:
        kept = replace(role, password=Secret(f"{GENERATED}{MAIN_TARGET}"))
        password = login_password(fleet, main, kept, live.main.hash_key or "")
        return _Known(role, issued.database, password, issued.verifier)
    return _Known(role, issued.database, None, issued.verifier, why)


def _database(state: State, role: Role) -> str:
    """A database that the role may connect to."""
    databases = (database for database in of_type(state, Database).values() if database.server == role.server)
    return next((d.name for d in databases if role.name in (d.connect or ())), "postgres")


def _verifiers(connector: Connector, known: Iterable[_Known]) -> dict[str, dict[str, str | None]]:
    """Server -> role -> what the server keeps of its password, for servers that let tenantplan's role see that."""
    names: dict[str, list[str]] = {}
    for item in known:
        names.setdefault(item.role.server, []).append(item.role.name)
    found: dict[str, dict[str, str | None]] = {}
    for alias, listed in names.items():
        with _verifier_connector(connector, alias).connect(alias, read_only=True) as connection:
            may = connection.execute("SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')").fetchone()
            if may is not None and may[0]:
                found[alias] = dict(connection.execute(query("verifiers"), {"names": listed}).fetchall())
    return found


def _verifier_connector(connector: Connector, alias: str) -> Connector:
    """What connects to look at verifiers: to the embedded server as its superuser, whom it lets in as everybody on this machine,
    without a password, so that logging in says nothing about one."""
    server = connector.servers[alias]
    if not server.embedded:
        return connector
    return lone_connector(replace(server, params={**server.params, "user": SUPERUSER}), 1)


def _compared(item: _Known, verifier: str | None, key: str) -> bool | str:
    if verifier is None:
        return False
    if item.password is not None:
        try:
            return scram.matches(scram.parse(verifier), item.password)
        except SettingsError:
            return False  # an md5 hash, say
    if item.verifier is None:
        return item.why
    return keyed_hash(key, verifier) == item.verifier


_REFUSED = re.compile(r"password authentication failed|is not permitted to log in", re.I)


# What the server says to somebody whose password was right.
_AFTERWARDS = re.compile(
    r"too many connections for (role|database)|permission denied for database|does not exist", re.I
)


def _logs_in(connector: Connector, item: _Known) -> bool | str:
    assert item.password is not None
    return logs_in(connector, item.role.server, item.database, item.role.name, item.password)


def logs_in(connector: Connector, alias: str, database: str, user: str, password: str) -> bool | str:
    """Whether the server takes the password, by SCRAM; a text says why that cannot be told."""
    server = connector.servers[alias]
    own = {
        "user": user,
        "password": password,
        "dbname": database,
        "require_auth": "scram-sha-256",
        "sslcertmode": "disable",
    }
    params = {k: v for k, v in session_params(server).items() if k not in ("sslcert", "sslkey", *own)}
    given = {**params, **own, "application_name": connector.tag}
    try:
        with connector.slot(alias):
            psycopg.connect("", **given).close()  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        if _REFUSED.search(said):
            return False
        return True if _AFTERWARDS.search(said) else f"could not log in as this role on {server.place}"
    return True
