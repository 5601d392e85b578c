"""The summary line of each operation."""

from __future__ import annotations

from tenantplan.model import address as addresses
from tenantplan.model.change import Change
from tenantplan.model.moment import shown_day
from tenantplan.model.resource import Database, Package, Role, Row, Schema
from tenantplan.model.step import Migration
from tenantplan.planning.comparable import lingers


def summary(change: Change, action: str, migration: Migration) -> str:
    """What the operation of a change does, in a few words."""
    resource = change.after or change.before
    if isinstance(resource, Schema):
        start = change.before.revision if isinstance(change.before, Schema) else None
        count = len(migration.revisions)
        counted = f"{count} revision{'s' if count != 1 else ''}"
        way = f"{start or 'empty'} -> {resource.revision}"
        return f"take back {way}: {counted}" if migration.back else f"migrate {way}: {counted}"
    if isinstance(resource, Package) and action != "delete":
        had = change.before.store if isinstance(change.before, Package) else resource.store
        left = f"; its copy in {had} stays there" if had != resource.store else ""
        return f"store package {resource.version}, {resource.size} bytes, in {resource.store}{left}"
    if isinstance(resource, Role) and isinstance(change.before, Role) and not change.renamed_from:
        if resource.password is not None and resource.password.target and resource.password != change.before.password:
            return f"give role {resource.name} a new password, delivered to {resource.password.target}"
        if change.before.ends_before and not resource.ends_before:
            return f"end sessions of role {resource.name} that have its former password"
        if lingers(change.before, resource) and change.before == resource:
            return f"end sessions that role {resource.name} has, although it is closed"
    what = {Row: "row", Role: "role", Database: "database", Package: "package"}[type(resource)]
    if change.adopt:
        return f"adopt row {_name(change)}: the application created it, from now on this fleet manages it"
    if change.retire:
        return f"retire {what} {_name(change)}, restorable until its grace period ends"
    if action == "delete":
        return f"{'purge' if not isinstance(resource, Row) else 'delete'} {what} {_name(change)}"
    if change.restore and not isinstance(change.before, Schema) and change.before is not None:
        return f"restore {what} {_name(change)}, deleted on {shown_day(str(change.before.retired_at))}"
    if change.before == change.after and change.before is not None:
        return f"bring back {what} {_name(change)}"
    if change.renamed_from:
        return f"rename {what} {addresses.last_segment(change.renamed_from)} to {_name(change)}"
    if isinstance(resource, Database) and action == "create" and migration.revisions:
        return f"create database {resource.name} on {resource.server} at revision {migration.revisions[-1]}"
    return f"{action} {what} {_name(change)}"


def _name(change: Change) -> str:
    return addresses.label(change.address)
