"""The summary line of each operation."""

from __future__ import annotations

from typing import assert_never

from tenantplan.model import address as addresses
from tenantplan.model.change import Change
from tenantplan.model.moment import shown_day
from tenantplan.model.resource import Database, Package, Role, Row, Schema, one
from tenantplan.model.step import Migration
from tenantplan.planning.comparable import lingers


def summary(change: Change, action: str, migration: Migration) -> str:
    """What the operation of a change does, in a few words."""
    resource = change.after or change.before
    assert resource is not None, "a change is about something"
    verb = "purge" if action == "delete" else action
    match resource:
        case Schema():
            return _migrated(change, resource, migration)
        case Package() if action != "delete":
            return _stored(change, resource)
        case Role() if said := _session_or_password(change, resource):
            return said
        case Database() if action == "create" and migration.revisions:
            count = len(migration.revisions)
            how = "" if migration.clones else f", by running {count} revision{'s' if count != 1 else ''} in it"
            return f"create database {resource.name} on {resource.server} at revision {migration.revisions[-1]}{how}"
        case Row():
            return _changed("row", change, action)
        case Role():
            return _changed("role", change, verb)
        case Database():
            return _changed("database", change, verb)
        case Package():
            return _changed("package", change, verb)
        case _:
            assert_never(resource)


def _migrated(change: Change, schema: Schema, migration: Migration) -> str:
    before = one(change.before, Schema)
    start = before.revision if before is not None else None
    count = len(migration.revisions)
    counted = f"{count} revision{'s' if count != 1 else ''}"
    way = f"{start or 'empty'} -> {schema.revision}"
    return f"take back {way}: {counted}" if migration.back else f"migrate {way}: {counted}"


def _stored(change: Change, package: Package) -> str:
    before = one(change.before, Package) or package
    left = f"; its copy in {before.store} stays there" if before.store != package.store else ""
    return f"store package {package.version}, {package.size} bytes, in {package.store}{left}"


def _session_or_password(change: Change, role: Role) -> str | None:
    """What becomes of a role's password, or of the sessions that it has; None: something else changes."""
    before = one(change.before, Role)
    if before is None or change.renamed_from:
        return None
    if role.password is not None and role.password.target and role.password != before.password:
        return f"give role {role.name} a new password, delivered to {role.password.target}"
    if before.ends_before and not role.ends_before:
        return f"end sessions of role {role.name} that have its former password"
    if lingers(before, role) and before == role:
        return f"end sessions that role {role.name} has, although it is closed"
    return None


def _changed(what: str, change: Change, verb: str) -> str:
    name = addresses.label(change.address)
    if change.adopt:
        return f"adopt row {name}: the application created it, from now on this fleet manages it"
    if change.retire:
        return f"retire {what} {name}, restorable until its grace period ends"
    if change.after is None:
        return f"{verb} {what} {name}"
    if change.restore and change.before is not None:
        return f"restore {what} {name}, deleted on {shown_day(str(change.before.retired_at))}"
    if change.before == change.after:
        return f"bring back {what} {name}"
    if change.renamed_from:
        return f"rename {what} {addresses.last_segment(change.renamed_from)} to {name}"
    return f"{verb} {what} {name}"
