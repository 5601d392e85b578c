"""Compares two resources, as far as one of them declares the other."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from tenantplan.model.resource import Database, Package, Resource, Role, Row, Schema


def expires(have: Resource, want: Resource) -> bool:
    """Whether something has expired that a comparison does not show: a deletion of what is declared, whose grace period has not
    ended, the time of sessions that have a role's former password, or a role's login, while sessions of it go on."""
    if have.retired_at is not None:
        return True
    match have, want:
        case Role(), Role():
            return lingers(have, want) or (have.ends_before is not None and want.ends_before is None)
        case _:
            return False


def lingers(have: Resource, want: Resource) -> bool:
    """Whether a role is closed, and is to be, and has sessions all the same: those that an interrupted run left."""
    match have, want:
        case Role(), Role():
            return have.holder is not None and have.sessions > 0 and not have.login and not want.login
        case _:
            return False


def comparable(have: Resource, want: Resource) -> Resource:
    """The live resource reduced to what `want` declares, so that equal means nothing to do; mostly it is that already."""
    match have, want:
        case Row(), Row():
            return _row(have, want)
        case Role(), Role():
            return _role(have, want)
        case Database(), Database():
            return _database(have, want)
        case Schema(), Schema():
            return _schema(have, want)
        case _, Row() | Role() | Database() | Schema() | Package():
            return have
        case _:
            assert_never(want)


def _row(have: Row, want: Row) -> Row:
    if have.values.keys() == want.values.keys():
        return have
    return replace(have, values={column: have.values.get(column) for column in want.values})


def _role(have: Role, want: Role) -> Role:
    if want.holder is None and want.access is None:  # a group that other fleets use too: it has to exist
        return replace(want, login=have.login)
    return replace(have, password=None) if want.password is None and have.password is not None else have


def _database(have: Database, want: Database) -> Database:
    if want.holder is None:  # the main database: its settings are its owner's, but it is not for everybody
        public = tuple(name for name in have.connect or () if name == "PUBLIC")
        return replace(want, managed=have.managed, connect=public if want.connect is not None else None)
    return replace(have, connect=None) if want.connect is None and have.connect is not None else have


def _schema(have: Schema, want: Schema) -> Schema:
    same = (have.database, have.tree) == (want.database, want.tree)
    return have if same else replace(have, database=want.database, tree=want.tree)
