"""Changes roles and databases of a server, with their stamps, in the current transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from psycopg import sql

from tenantplan.apply import groups
from tenantplan.apply.context import Run
from tenantplan.apply.effects import effect, generated_passwords, role_creators
from tenantplan.apply.effects.shared_tables import write_access
from tenantplan.ddl import statements
from tenantplan.errors import SettingsError
from tenantplan.journal.recover import Open
from tenantplan.model import stamp
from tenantplan.model.address import MAIN
from tenantplan.model.moment import iso_utc
from tenantplan.model.operation import Operation, generates
from tenantplan.model.resource import OWNER, Database, Resource, Role, Secret, afters, expect, one, sides
from tenantplan.postgres.connect import Connection
from tenantplan.secrets import scram
from tenantplan.secrets.keyed import keyed_hash
from tenantplan.secrets.references import resolve
from tenantplan.secrets.storage import secret_storage


def role_converged(want: Resource, have: Resource) -> bool:
    """Whether a role is what it was to be; a password that had no keyed hash yet counts as equal to any."""
    wanted, had = expect(want, Role), one(have, Role)
    if had is not None and wanted.password is not None and wanted.password.keyed is None:
        return replace(wanted, password=None) == replace(had, password=None)
    return wanted == had


def role_happened(item: Open, have: Resource | None) -> bool:
    """Whether a role is as an interrupted run was to leave it."""
    return effect.happened(item, have, role_converged)


def write_role(run: Run, connection: Connection, operation: Operation) -> None:
    """Runs a role's statements and stamps it; the caller holds the transaction."""
    before, after = sides(operation, Role)
    subject = expect(operation.subject, Role)
    if not groups.missing(connection, [operation]):
        return
    listed = statements.role(operation)
    if before is None and _owns(subject):
        listed = _with_membership(run.servers.versions[subject.server], [subject], listed)
    if operation.retire or (after is not None and not _only_ends(operation)):
        listed.append(_role_stamp(run, operation, subject))
    _execute(connection, listed)
    if subject.server == MAIN and not operation.retire:
        write_access(run, connection, before, after)
    _give_password(run, connection, operation)


def _only_ends(operation: Operation) -> bool:
    """Whether nothing changes: the sessions of a closed role are over, and its stamp stays what it is."""
    after = one(operation.after, Role)
    unchanged = after is not None and not after.login and operation.before == after and after.holder is not None
    return unchanged and not operation.restore


def make_together(run: Run, connection: Connection, operations: Sequence[Operation]) -> list[Operation]:
    """Makes the new roles and databases, where several organizations and nothing but new things are made; without those roles
    that need their organization's row first. Returns the operations that are left to do."""
    roles = [(o, role) for o, role in afters(operations, Role) if role.access is None]
    several = len({role.holder for _, role in roles}) > 1
    if not several or any(o.before is not None for o in operations):
        return list(operations)
    _make_roles(run, connection, roles)
    databases = list(afters(operations, Database))
    _execute(connection, [part for o, database in databases for part in _new_database(run, o, database)])
    made = {o.id for o, _ in (*roles, *databases)}
    return [o for o in operations if o.id not in made]


def _make_roles(run: Run, connection: Connection, new: Sequence[tuple[Operation, Role]]) -> None:
    """Makes new roles of one server; those of organizations as a creator, where that counts."""
    roles = [role for _, role in new]
    version = run.servers.versions[roles[0].server]
    common = [o for o, role in new if role.holder is None]
    theirs = [o for o, role in new if role.holder is not None]
    _execute(connection, _created(run, version, groups.missing(connection, common)))
    listed = _created(run, version, theirs)
    _execute(connection, role_creators.as_creator(connection, listed) if version >= role_creators.FROM else listed)
    wanted = sorted({group for role in roles for group in role.member_of})
    _execute(connection, [_granted(group, [r for r in roles if group in r.member_of]) for group in wanted])
    for operation, _ in new:
        _give_password(run, connection, operation)


def _created(run: Run, version: int, operations: Sequence[Operation]) -> statements.Statements:
    """Statements that make roles with their stamps, without their memberships; those who own are made first."""
    made = list(afters(operations, Role))
    roles = [role for _, role in made]
    owners = [role for role in roles if _owns(role)]
    others = [role for role in roles if not _owns(role)]
    return [
        *_with_membership(version, owners, [s for role in owners for s in statements.created_role(role)]),
        *(s for role in others for s in statements.created_role(role)),
        *(_role_stamp(run, operation, role) for operation, role in made),
    ]


def _granted(group: str, roles: Sequence[Role]) -> sql.Composed:
    named = sql.SQL(", ").join(sql.Identifier(role.name) for role in roles)
    return sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), named)


def _execute(connection: Connection, listed: statements.Statements) -> None:
    """Runs statements without parameters in one round trip."""
    if listed:
        connection.execute(sql.SQL("; ").join(listed))


def _owns(role: Role) -> bool:
    """Whether the role is one that owns a database (no login, in no group, and serving somebody), or what is in databases."""
    return role.name == OWNER or (role.holder is not None and not role.login and not role.member_of)


def _with_membership(version: int, owners: Sequence[Role], listed: statements.Statements) -> statements.Statements:
    """CREATE ROLE in such a way that tenantplan's role is a member of these: it must give them databases."""
    if not owners:
        return listed
    if version >= role_creators.FROM:
        return role_creators.with_membership(listed)
    named = sql.SQL(", ").join(sql.Identifier(owner.name) for owner in owners)
    return [*listed, sql.SQL("GRANT {} TO CURRENT_USER").format(named)]


def _role_stamp(run: Run, operation: Operation, subject: Role) -> sql.Composed:
    if subject.holder is None:
        comment = stamp.encode({"kind": "group"})
    else:
        keyed = _keyed(run, operation, subject.password) if subject.password else None
        retired = _now(run) if operation.retire else None
        comment = run.comment(holder=subject.holder, password=keyed, retired=retired)
    return sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(subject.name), sql.Literal(comment))


def _give_password(run: Run, connection: Connection, operation: Operation) -> None:
    before, after = sides(operation, Role)
    had = before.password if before is not None else None
    if after is not None and after.password is not None and after.password != had:
        generated = generates(operation)
        verifier = set_password(
            connection, after, generated_passwords.secret(run, operation) if generated else _value(run, after)
        )
        if generated:
            generated_passwords.remember(run, operation, verifier)


def _keyed(run: Run, operation: Operation, password: Secret) -> str | None:
    """The keyed hash to remember: the first plan of a fleet could not make it, since the key is made with the main database."""
    if generates(operation):
        return keyed_hash(run.secrets.hash_key, generated_passwords.secret(run, operation))
    if password.keyed is None and password.reference is not None:
        return keyed_hash(run.secrets.hash_key, resolve(password.reference, run.root))
    return password.keyed


def _value(run: Run, role: Role) -> str:
    """The password that is set by reference; SettingsError when it is one that an attacker tries first."""
    assert role.password is not None
    assert role.password.reference is not None
    password = resolve(role.password.reference, run.root)
    reason = secret_storage("password", run.secrets.context, user=role.name).weakness(password)
    if reason:
        raise SettingsError(f"the password in {role.password.reference} {reason}", hint="choose a longer, random one")
    return password


def set_password(connection: Connection, role: Role, password: str) -> str:
    """Gives a role its password as a SCRAM verifier made by libpq, and returns that: the plaintext never leaves this process."""
    made = connection.pgconn.encrypt_password(password.encode(), role.name.encode(), b"scram-sha-256")
    verifier = scram.checked(made.decode(), password)
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role.name), sql.Literal(verifier)))
    return verifier


def write_database(run: Run, connection: Connection, operation: Operation) -> None:
    """Runs a database's statements and stamps it, but for CREATE and DROP DATABASE; the caller holds the transaction."""
    before, after = sides(operation, Database)
    if before is None:
        return _execute(connection, _new_database(run, operation, expect(operation.after, Database)))
    _execute(connection, statements.database(operation))
    if after is not None:
        restamp(run, connection, after.name, {"holder": after.holder, "retired": None, "name": None})
    else:
        retired = {"retired": _now(run), "name": before.name, "holder": before.holder}
        restamp(run, connection, statements.tombstone(operation), retired)


def _new_database(run: Run, operation: Operation, after: Database) -> statements.Statements:
    revision = operation.revisions[-1] if operation.revisions else None  # a clone has no stamp yet
    comment = run.comment(holder=after.holder, revision=revision)
    return [*statements.database(operation), _comment(after.name, comment)]


def restamp(run: Run, connection: Connection, database: str, facts: dict[str, str | None]) -> None:
    """Writes `facts` into a database's stamp and keeps the others it has; a None removes one."""
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [database]
    ).fetchone()
    _execute(connection, [stamping(run, database, row[0] if row else None, facts)])


def stamping(run: Run, database: str, comment: str | None, facts: dict[str, str | None]) -> sql.Composed:
    """The statement that writes `facts` into a database's stamp and keeps the others that its `comment` has."""
    kept: dict[str, str | None] = {**stamp.decode(comment), **facts}
    known = {k: v for k, v in kept.items() if k not in ("fleet", "main", "id", "kind", "ready")}
    return _comment(database, run.comment(**known))


def _comment(database: str, comment: str) -> sql.Composed:
    return sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(database), sql.Literal(comment))


def _now(run: Run) -> str:
    return iso_utc(run.now())
