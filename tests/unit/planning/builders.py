"""Builders of planning values: each gives the plainest thing of its kind, and keywords change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tenantplan.model.change import Change
from tenantplan.model.desired import Desired
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, Package, Ref, Resource, Role, Row, Schema, State
from tenantplan.model.step import Migration, Step
from tenantplan.planning.diff import Difference, diff, under_new_names
from tenantplan.planning.lower import Context, lower
from tenantplan.planning.order import order
from tenantplan.tables import BUILTIN

NOW = datetime(2026, 6, 1, tzinfo=UTC)
GRACE = timedelta(days=30)
MAIN = "main_db"


def an_organization(name: str = "msf", **values: Any) -> State:
    """The row of a shared organization, by its address."""
    plain: dict[str, Any] = {
        "slug": name,
        "display_name": name.title(),
        "state": "active",
        "protect": True,
        "tier_id": None,
        "database_mode": "shared",
        "database_server": None,
        "database_name": None,
        "database_url": None,
    }
    return {f"organization/{name}": Row("organizations", plain | values, id=f"id-{name}")}


def a_database(name: str = "msf", server: str = "primary", **changes: Any) -> State:
    """The objects of an organization's database: three roles, the database and its schema at r1."""
    made, holder = f"o_{name}", f"organization/{name}"
    app = Role(server, f"{made}_app", True, -1, ("rw",), None, holder)
    found = Database(server, made, f"{made}_owner", -1, True, (f"{made}_app",), holder)
    return {
        f"role/{server}/{made}_owner": Role(server, f"{made}_owner", holder=holder),
        f"role/{server}/{made}_app": app,
        f"role/{server}/rw": Role(server, "rw"),
        f"database/{server}/{made}": replace(found, **changes),
        f"schema/{server}/{made}": Schema(server, made, "tenant", "r1", holder),
    }


def a_dedicated(name: str = "msf", server: str = "primary", **values: Any) -> State:
    """An organization with its database."""
    place = {"database_mode": "dedicated", "database_server": server, "database_name": f"o_{name}"}
    return an_organization(name, **(place | values)) | a_database(name, server)


def a_member(user: str = "anna@x.org", organization: str = "msf", **values: Any) -> State:
    """A membership."""
    plain = {
        "organization_id": Ref(f"organization/{organization}"),
        "user_id": Ref(f"user/{user}"),
        "role": "CLIENT_EDITOR",
    }
    return {f"organization/{organization}/member/{user}": Row("organization_members", plain | values)}


def a_user(name: str = "anna@x.org", **values: Any) -> State:
    """A user."""
    return {f"user/{name}": Row("users", {"email": name, "role": "CLIENT_EDITOR", "organization_id": None} | values)}


def a_team(name: str = "web", organization: str = "msf", **values: Any) -> State:
    """A team of an organization."""
    plain = {"declared_as": name, "organization_id": Ref(f"organization/{organization}"), "slug": name}
    return {f"team/{name}": Row("teams", plain | values, home=f"organization/{organization}")}


def a_template(name: str = "theme", **values: Any) -> State:
    """A template that projects are made from."""
    return {f"template/{name}": Row("templates", {"name": name, "active": True} | values)}


def a_project(name: str = "site", organization: str = "msf", **values: Any) -> State:
    """A project of an organization, made from no template."""
    plain = {"declared_as": name, "organization_id": Ref(f"organization/{organization}"), "slug": name}
    plain |= {"team_id": None, "template_id": None, "bucket_id": None}
    return {f"project/{name}": Row("projects", plain | values, home=f"organization/{organization}")}


def a_release(version: str = "2.4.0", **changes: Any) -> State:
    """A release with its package."""
    holder = f"release/node-{version}"
    row = Row("updates_metadata", {"declared_as": f"node-{version}", "version": version, "active": True})
    package = Package(version, "main:", f"{version}/key", 3, "aa" * 32, source="node.zip", holder=holder)
    return {holder: row, f"package/{version}": replace(package, **changes)}


def made_by(manager: str | None, *states: State) -> State:
    """The same rows, made by the application (None) or managed by another fleet."""
    found = live(*states)
    return {a: replace(r, managed=False, manager=manager) if isinstance(r, Row) else r for a, r in found.items()}


def a_main(revision: str | None = "m1") -> State:
    """The main database with its schemas."""
    where = f"schema/primary/{MAIN}"
    return {
        f"database/primary/{MAIN}": Database("primary", MAIN),
        where: Schema("primary", MAIN, "main", revision),
        f"{where}/shared": Schema("primary", MAIN, "shared", revision),
    }


def wanted(*states: Mapping[str, Resource], **facts: Any) -> Desired:
    """What a manifest of these states asks for."""
    return Desired(**{"state": {a: r for state in states for a, r in state.items()}, "tables": BUILTIN, **facts})


def live(*states: Mapping[str, Resource]) -> State:
    """Live state of these."""
    return {a: r for state in states for a, r in state.items()}


def retired(state: State, days: int) -> State:
    """The same, deleted so many days ago."""
    stamp = (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {a: r if isinstance(r, Schema) else replace(r, retired_at=stamp) for a, r in state.items()}


def difference(desired: Desired, state: State, grace: timedelta = GRACE) -> Difference:
    """diff at NOW."""
    moved, sources = under_new_names(state, desired.renames)
    return diff(desired, moved, sources, now=NOW, grace=grace)


def planned(desired: Desired, state: State, grace: timedelta = GRACE) -> tuple[Operation, ...]:
    """The ordered operations from `state` to `desired`."""
    return order(lowered(difference(desired, state, grace).changes, desired, state))[0]


def a_migration(revision: str) -> Migration:
    """A migration of one revision and one statement."""
    return Migration((revision,), (Step("transaction", (f"-- to {revision}",), revision),))


def lowered(changes: Sequence[Change], desired: Desired, state: State) -> list[Operation]:
    """Operations for changes between two states; every migration is one statement."""
    found: dict[str, Migration] = {}
    for change in changes:
        after = change.after
        if isinstance(after, Schema):
            found[change.address] = a_migration(str(after.revision))
            if change.before is None:
                found[f"database/{after.server}/{after.database}"] = found[change.address]
    return lower(changes, Context(found, desired.state, state, desired.tables, MAIN))


def carried_out(operations: Sequence[Operation], state: State) -> State:
    """A simulated apply: what `state` would be afterwards, each effect only when its operation's turn comes."""
    renames = {o.renamed_from: o.address for o in operations if o.renamed_from}
    result: State = {_new(a, renames): _following(r, renames) for a, r in state.items()}
    for operation in operations:
        _carry_out(operation, result)
    return result


def _new(address: str, renames: Mapping[str, str]) -> str:
    for old, new in renames.items():
        if address == old or address.startswith(old + "/"):
            return new + address[len(old) :]
    return address


def _following(resource: Resource, renames: Mapping[str, str]) -> Resource:
    if not isinstance(resource, Row):
        return resource
    values = {c: Ref(_new(v.address, renames)) if isinstance(v, Ref) else v for c, v in resource.values.items()}
    return replace(resource, values=values)


def _carry_out(operation: Operation, state: State) -> None:
    before, after = operation.before, operation.after
    if after is None:
        if operation.retire:
            assert not isinstance(before, Schema)
            state[operation.address] = retired({operation.address: state[operation.address]}, 0)[operation.address]
            return
        del state[operation.address]
        state.pop(operation.address.replace("database/", "schema/", 1), None)
        return
    have = state.get(operation.address)
    if isinstance(after, Row):
        missing = [v.address for v in after.values.values() if isinstance(v, Ref) and v.address not in state]
        assert not missing, f"{operation.address} is written before {missing}"
    if isinstance(after, Row) and isinstance(have, Row):
        state[operation.address] = replace(after, values={**have.values, **after.values}, id=have.id)
        return
    state[operation.address] = after
    if isinstance(after, Database) and before is None and operation.revisions:  # a clone comes with its schema
        schema = Schema(after.server, after.name, "tenant", operation.revisions[-1], after.holder)
        state[f"schema/{after.server}/{after.name}"] = schema
