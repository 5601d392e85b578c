"""Roles and databases of a server, changed in the current transaction together with their stamps."""

from __future__ import annotations

from datetime import UTC, datetime

from psycopg import sql

from tenantplan.errors import SettingsError
from tenantplan.execution import statements
from tenantplan.execution.context import Run
from tenantplan.model import stamp
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, Role, Secret
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query
from tenantplan.secrets.keyed import keyed_hash
from tenantplan.secrets.references import resolve
from tenantplan.secrets.strength import weakness

SELF_GRANT = 160000  # from PostgreSQL 16 a creator can have SET and INHERIT on the roles it makes, by a setting


def write(run: Run, connection: Connection, operation: Operation) -> None:
    """Runs a role's or database's statements and stamps it; the caller holds the transaction."""
    if isinstance(operation.after or operation.before, Role):
        _write_role(run, connection, operation)
    else:
        _write_database(run, connection, operation)


def _write_role(run: Run, connection: Connection, operation: Operation) -> None:
    before, after = operation.before, operation.after
    subject = after or before
    assert isinstance(subject, Role)
    version = run.versions[subject.server]
    if version >= SELF_GRANT:
        connection.execute("SET LOCAL createrole_self_grant = 'set, inherit'")
    for statement in statements.role(operation):
        connection.execute(statement)
    if after is None and not operation.retire:
        return
    if before is None and version < SELF_GRANT:
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(subject.name)))
    _stamp_role(run, connection, operation, subject)
    was_open = isinstance(before, Role) and before.login
    if was_open and (after is None or (isinstance(after, Role) and not after.login)):
        connection.execute(query("terminate_role_sessions"), {"role": subject.name})


def _stamp_role(run: Run, connection: Connection, operation: Operation, subject: Role) -> None:
    name = sql.Identifier(subject.name)
    if subject.holder is None:
        comment = stamp.encode({"kind": "group"})
    else:
        keyed = _keyed(run, subject.password) if subject.password else None
        retired = _now() if operation.retire else None
        comment = run.comment(holder=subject.holder, password=keyed, retired=retired)
    connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(comment)))
    before = operation.before.password if isinstance(operation.before, Role) else None
    if operation.after is not None and subject.password is not None and subject.password != before:
        set_password(run, connection, subject)


def _keyed(run: Run, password: Secret) -> str | None:
    """The keyed hash to remember: the first plan of a fleet could not make it, since the key is made with the main database."""
    if password.keyed is None and password.reference is not None:
        return keyed_hash(run.hash_key, resolve(password.reference, run.root))
    return password.keyed


def set_password(run: Run, connection: Connection, role: Role) -> None:
    """Gives a role its password as a SCRAM verifier made by libpq: the plaintext never leaves this process."""
    assert role.password is not None
    assert role.password.reference is not None
    password = resolve(role.password.reference, run.root)
    reason = weakness(password, role.name)
    if reason:
        raise SettingsError(f"the password in {role.password.reference} {reason}", hint="choose a longer, random one")
    verifier = connection.pgconn.encrypt_password(password.encode(), role.name.encode(), b"scram-sha-256")
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role.name), sql.Literal(verifier.decode()))
    )


def _write_database(run: Run, connection: Connection, operation: Operation) -> None:
    before, after = operation.before, operation.after
    if isinstance(before, Database) and (
        operation.retire or (isinstance(after, Database) and before.name != after.name)
    ):
        connection.execute(query("terminate_sessions"), {"database": before.name})
    for statement in statements.database(operation):
        connection.execute(statement)
    if isinstance(after, Database):
        facts: dict[str, str | None] = {"holder": after.holder, "retired": None, "name": None}
        if before is None and operation.revisions:
            facts["revision"] = operation.revisions[-1]
        restamp(run, connection, after.name, facts)
    elif isinstance(before, Database):
        retired = {"retired": _now(), "name": before.name, "holder": before.holder}
        restamp(run, connection, statements.tombstone(operation), retired)


def restamp(run: Run, connection: Connection, database: str, facts: dict[str, str | None]) -> None:
    """Writes `facts` into a database's stamp and keeps the others it has; a None removes one."""
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [database]
    ).fetchone()
    kept: dict[str, str | None] = {**stamp.decode(row[0] if row else None)}
    comment = run.comment(**{k: v for k, v in {**kept, **facts}.items() if k not in ("fleet", "main", "kind", "ready")})
    connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(database), sql.Literal(comment)))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
