"""The login roles that an organization's application uses: in a database of its own, and in the shared tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tenantplan.manifest.server_objects import roles as names
from tenantplan.model import address as addresses
from tenantplan.model.login import CURRENT, READER, Issued, reader_of
from tenantplan.model.resource import GENERATED, Role, Secret, State, of_type, one


def application_logins(
    holder: str, server: str, database: str | None, state: State, issued: Iterable[Issued]
) -> tuple[Role | None, Role | None]:
    """The role of the application, of several that take turns the current one, and the one that only reads; None for one that
    tenantplan does not make.

    `database` is the one that tenantplan makes for the holder, None in shared mode, where a login is made only when it is asked
    for. In a database of its own the application's role is named even before it is declared or made.
    """
    now = [row for row in issued if row.server == server and row.state == CURRENT]
    if database is None:
        bound = (role for role in of_type(state, Role).values() if role.access == "bound" and role.login)
        roles = [role for role in bound if role.holder == holder]
        turns = {row.holder: row for row in now}
        login = _first(roles, turns.get(holder), reads=False)
        return login, _first(roles, turns.get(reader_of(holder)), reads=True)
    here = [row for row in now if row.database == database]
    turn = next((row for row in here if not row.role.endswith(READER)), None)
    name = turn.role if turn else names(database)[1]
    login = one(state.get(addresses.role(server, name)), Role) or Role(server, name)
    reader = one(state.get(addresses.role(server, names(database)[2])), Role)
    readers = [reader] if reader is not None and reader.login else []
    issued_reader = next((row for row in here if row.role.endswith(READER)), None)
    return _known(login, turn), _first(readers, issued_reader, reads=True)


def _first(roles: Sequence[Role], turn: Issued | None, *, reads: bool) -> Role | None:
    """The role that has the current password, else the first that is open, of those that read only or of the others."""
    found = [role for role in roles if role.name.endswith(READER) == reads]
    role = next((role for role in found if turn and role.name == turn.role), found[0] if found else None)
    return role and _known(role, turn)


def _known(role: Role, issued: Issued | None) -> Role:
    """The role, knowing where its password is when tenantplan has generated that."""
    if issued is None or issued.role != role.name:
        return role
    return replace(role, password=Secret(f"{GENERATED}{issued.target}"))
