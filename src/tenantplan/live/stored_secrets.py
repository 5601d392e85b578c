"""The secrets that applications log in with: one place that knows where each is kept."""

from __future__ import annotations

from psycopg import sql

from tenantplan.errors import NotFound, SettingsError, TenantplanError
from tenantplan.fleet.opening import Fleet
from tenantplan.live.credentials import verified
from tenantplan.model.address import organization
from tenantplan.model.login import MAIN_TARGET
from tenantplan.model.resource import Role
from tenantplan.postgres.connect import Connection
from tenantplan.secrets.box import CredentialPlace, Refused
from tenantplan.tables.control import ORGANIZATION

CONNECTION = "database_connection"


def login_password(fleet: Fleet, main: Connection, role: Role, hash_key: str) -> str:
    """The password of a login role: from the reference in the YAML, or, generated, as it is kept encrypted.

    NotFound when tenantplan does not know it, SettingsError when it is empty, Refused when what is stored is not what tenantplan
    stored or does not open.
    """
    if role.password is None or role.password.reference is None:
        raise NotFound(
            f"tenantplan does not know the password of role {role.name}",
            hint="declare one, by reference: database: { password: { env: NAME } }",
        )
    if role.password.target is None:
        password = fleet.secrets.resolve(role.password.reference)
        if not password:
            raise SettingsError(f"the password in {role.password.reference} is empty", hint="give it its value")
        return password
    if role.password.target != MAIN_TARGET:
        raise NotFound(
            f"the password of role {role.name} was delivered to {role.password.target}, and is not kept",
            hint="find it there; tenantplan credentials rotate delivers a new one",
        )
    return _generated(fleet, main, role, hash_key)


def _generated(fleet: Fleet, main: Connection, role: Role, hash_key: str) -> str:
    row = main.execute(
        "SELECT id::text, password FROM public.database_logins"
        " WHERE managed_by = %s AND server = %s AND role_name = %s AND state = 'current' AND password IS NOT NULL",
        [fleet.settings.fleet, role.server, role.name],
    ).fetchone()
    if row is None:
        raise NotFound(
            f"role {role.name} has no password yet", hint="tenantplan apply, or credentials rotate, gives it one"
        )
    vault = fleet.vault
    if vault is None:
        raise Refused(
            "the password is stored encrypted, and there is no key",
            where=f"role {role.name}",
            hint="set CREDENTIALS_ENCRYPTION_KEY",
        )
    place, stored = CredentialPlace("database_logins", row[0], "password"), bytes(row[1])
    verified(main, place, stored, hash_key)
    return vault.open(place, stored)


def brought_connection(fleet: Fleet, main: Connection, slug: str, reference: str, hash_key: str) -> str:
    """The connection string of a database that an organization brought: what is stored encrypted, else its reference's value.

    Raises Refused when what is stored is not what tenantplan stored, or there is no key for it and no value either.
    """
    statement = sql.SQL("SELECT {id}::text, {column} FROM {table} WHERE {name} = %s").format(
        id=sql.Identifier(ORGANIZATION.id),
        column=sql.Identifier(CONNECTION),
        table=sql.Identifier(*ORGANIZATION.relation),
        name=sql.Identifier(ORGANIZATION.name),
    )
    row = main.execute(statement, [slug]).fetchone()
    vault = fleet.vault
    if row is not None and row[1] is not None and vault is not None:
        place, stored = CredentialPlace(ORGANIZATION.table, row[0], CONNECTION), bytes(row[1])
        verified(main, place, stored, hash_key)
        return vault.open(place, stored)
    try:
        return fleet.secrets.resolve(reference)
    except TenantplanError as error:
        if row is None or row[1] is None:
            raise
        raise Refused(
            "the connection string is stored encrypted, and there is no key",
            where=organization(slug),
            hint=f"set CREDENTIALS_ENCRYPTION_KEY; or the value itself: {error.message}",
        ) from None
