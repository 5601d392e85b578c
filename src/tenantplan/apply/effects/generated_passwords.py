"""Generated passwords of login roles: journaled encrypted, set, delivered, and only then the current ones.

Where role and target are in the main database's own server all of it is one transaction. Elsewhere the new password is
committed as pending first, so that whenever the run dies, the current or the pending one logs in, and the next run goes on.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tenantplan.apply.context import Run
from tenantplan.apply.effects import stored_secrets
from tenantplan.failpoint import reach
from tenantplan.journal import record
from tenantplan.journal.facts import Fact
from tenantplan.live.credentials import verified
from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN, login_label
from tenantplan.model.login import MAIN_TARGET, PENDING, issued_to
from tenantplan.model.operation import Operation, generates
from tenantplan.model.resource import Role, Secret, afters, befores, expect, one
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.dialects import application, compose
from tenantplan.secrets.box import CredentialPlace, Refused
from tenantplan.secrets.delivery import Handover, deliver
from tenantplan.secrets.fleet_keys import the_vault
from tenantplan.secrets.keyed import keyed_hash
from tenantplan.secrets.passwords import new_password

TABLE, COLUMN = "database_logins", "password"


@dataclass(frozen=True, repr=False)
class Issue:
    """A password on its way: the id of its row, the password, and the keyed hash of its verifier once it is set.

    `others` are what else is known of the login when it was made: role and state of each.
    """

    id: str
    password: str
    others: tuple[tuple[str, str], ...] = ()
    verifier: str | None = None


@dataclass(frozen=True, repr=False)
class _Row:
    """A row of the table as it is stored."""

    id: str
    server: str
    holder: str
    role: str
    state: str
    password: bytes | None


def needs_two_commits(operation: Operation) -> bool:
    """Whether that takes more than one transaction of the main database."""
    after = one(operation.after, Role)
    if not generates(operation) or after is None or after.password is None:
        return False
    return after.server != MAIN or after.password.target != MAIN_TARGET


def issue(run: Run, main: Connection, operations: Sequence[Operation]) -> None:
    """Makes the passwords of operations and keeps them as pending, in the current transaction; one that is pending is used.

    What is known of roles that are renamed is found, and kept, under their new names.
    """
    follow_names(main, operations)
    wanted = [(o.address, role) for o, role in afters(operations, Role) if generates(o)]
    if not wanted:
        return
    there = _there(run, main, [role for _, role in wanted])
    fresh: list[tuple[Role, Issue]] = []
    for address, role in wanted:
        mine = [r for r in there if r.server == role.server and (r.holder == issued_to(role) or r.role == role.name)]
        pending = next((row for row in mine if (row.role, row.state) == (role.name, PENDING)), None)
        password = _opened(run, main, role, pending) if pending else None
        others = tuple((row.role, row.state) for row in mine if row is not pending)
        if pending is not None and password is not None:
            run.secrets.issued[address] = Issue(pending.id, password, others)
            continue
        if pending is not None:
            _remove(main, "id = %s", [pending.id])
        run.secrets.issued[address] = Issue(str(uuid.uuid4()), new_password(), others)
        fresh.append((role, run.secrets.issued[address]))
    _store(run, main, fresh)


def follow_names(main: Connection, operations: Iterable[Operation]) -> None:
    """What is known of the passwords of renamed roles follows their names: before anything new is written under one of these."""
    for operation, before in befores(operations, Role):
        after = one(operation.after, Role)
        if after is not None and before.name != after.name and after.holder:
            former = [before.server, before.name]
            known = main.execute("SELECT FROM public.database_logins WHERE server = %s AND role_name = %s", former)
            if known.rowcount:  # what is under the new name was left by a rename that was interrupted and taken back
                _remove(main, "server = %s AND role_name = %s", [after.server, after.name])
            main.execute(
                "UPDATE public.database_logins SET role_name = %s, holder = %s, database_name = %s"
                " WHERE server = %s AND role_name = %s",
                [after.name, issued_to(after), after.serves, *former],
            )


def _there(run: Run, main: Connection, roles: Sequence[Role]) -> list[_Row]:
    """What is known already of the logins of these roles."""
    rows = main.execute(
        "SELECT id::text, server, holder, role_name, state, password FROM public.database_logins"
        " WHERE managed_by = %s AND (holder = ANY(%s) OR role_name = ANY(%s)) FOR UPDATE",
        [run.author.fleet, [issued_to(role) for role in roles], [role.name for role in roles]],
    ).fetchall()
    return [_Row(*row) for row in rows]


def _opened(run: Run, main: Connection, role: Role, pending: _Row) -> str | None:
    """What an interrupted run has journaled; None where it does not open."""
    place = CredentialPlace(TABLE, pending.id, COLUMN)
    try:
        verified(main, place, bytes(pending.password or b""), run.secrets.hash_key)
        password = the_vault(run.secrets.vault).open(place, bytes(pending.password or b""))
    except Refused:
        return None
    assert role.password is not None
    main.execute("UPDATE public.database_logins SET target = %s WHERE id = %s", [role.password.target, pending.id])
    return password


def _store(run: Run, main: Connection, fresh: Sequence[tuple[Role, Issue]]) -> None:
    rows, kept = [], []
    for role, made in fresh:
        assert role.password is not None
        place = CredentialPlace(TABLE, made.id, COLUMN)
        sealed = the_vault(run.secrets.vault).seal(place, made.password)
        where = (issued_to(role), role.server, role.serves, role.name, *_address(run, role))
        rows.append((made.id, *where, role.password.target, sealed, run.author.fleet))
        kept.append((place, keyed_hash(run.secrets.hash_key, made.password), sealed))
    with main.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO public.database_logins (id, holder, server, database_name, role_name, host, port, target, password,"
            " managed_by, state) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'pending')",
            rows,
        )
    stored_secrets.keep_all(main, kept, run.secrets.hash_key)


def _address(run: Run, role: Role) -> tuple[str, int]:
    params = run.connector.servers[role.server].params
    return params.get("host") or params.get("hostaddr") or "localhost", int(params.get("port") or 5432)


def hand_over(run: Run, operation: Operation) -> None:
    """Delivers a password that is set; the target "main" needs none."""
    role, issued = expect(operation.after, Role), run.secrets.issued[operation.address]
    assert role.password is not None
    target = str(role.password.target)
    if target == MAIN_TARGET:
        return
    host, port = _address(run, role)
    params = application(run.connector.servers[role.server].params, role.name, issued.password, str(role.serves))
    url, modes = compose(params, "postgresql"), {n: params[n] for n in ("sslmode", "sslrootcert") if n in params}
    handover = Handover(
        login_label(issued_to(role)), role.name, host, port, str(role.serves), issued.password, url, **modes
    )
    deliver(target, run.secrets.targets[target], handover, run.root, run.secrets.hidden)
    reach("login-delivered")


def secret(run: Run, operation: Operation) -> str:
    """The password that the operation gives its role."""
    issued: Issue = run.secrets.issued[operation.address]
    return issued.password


def remember(run: Run, operation: Operation, verifier: str) -> None:
    """Keeps the keyed hash of the verifier that was set, for the row of the password."""
    run.secrets.issued[operation.address] = replace(
        run.secrets.issued[operation.address], verifier=keyed_hash(run.secrets.hash_key, verifier)
    )


def settle(run: Run, main: Connection, operations: Sequence[Operation]) -> list[Operation]:
    """Writes what became of logins, in the transaction that closes the operations; returns them with keyed hashes for the audit."""
    for operation, before in befores(operations, Role):
        if (one(operation.after, Role) or before).holder is not None:
            _follow(main, operation, before)
    _promote(run, main, [operation for operation in operations if generates(operation)])
    return [_marked(run, operation) for operation in operations]


def _marked(run: Run, operation: Operation) -> Operation:
    issued = run.secrets.issued.pop(operation.address, None) if generates(operation) else None
    role = one(operation.after, Role)
    if issued is None or role is None or role.password is None:
        return operation
    known = Secret(role.password.reference, keyed_hash(run.secrets.hash_key, issued.password))
    return replace(operation, after=replace(role, password=known))


def _promote(run: Run, main: Connection, operations: Sequence[Operation]) -> None:
    """Pending passwords become the current ones; what a role that takes turns has becomes the previous one."""
    rows, delivered = [], []
    for operation in operations:
        role, issued = expect(operation.after, Role), run.secrets.issued[operation.address]
        assert role.password is not None
        again = any(name == role.name for name, _ in issued.others)
        if issued.others:
            _step_back(main, role, issued)
        stored = role.password.target == MAIN_TARGET
        rows.append((again, issued.verifier, stored, issued.id))
        if not stored:
            detail = f"the password of role {role.name} to {role.password.target}"
            held = addresses.document(str(role.holder))
            delivered.append(Fact(operation.address, "deliver", "done", held, detail=detail))
    if rows:
        with main.cursor() as cursor:
            cursor.executemany(
                "UPDATE public.database_logins SET state = 'current', set_at = clock_timestamp(), sessions_left = %s,"
                " verifier_hash = %s, password = CASE WHEN %s THEN password END WHERE id = %s",
                rows,
            )
        _forget(main, [row_id for _, _, stored, row_id in rows if not stored])
        record.audit(run.author, main, delivered)


def _step_back(main: Connection, role: Role, issued: Issue) -> None:
    """What was there before a password becomes the current one: gone if it is the same role's, else the previous one."""
    _remove(main, "server = %s AND role_name = %s AND id <> %s", [role.server, role.name, issued.id])
    main.execute(
        "UPDATE public.database_logins SET state = 'previous', superseded_at = clock_timestamp()"
        " WHERE server = %s AND holder = %s AND state = 'current' AND id <> %s",
        [role.server, issued_to(role), issued.id],
    )


def _follow(main: Connection, operation: Operation, before: Role) -> None:
    """What is known of a role's passwords follows its end and a password by reference."""
    after = one(operation.after, Role)
    if operation.purges:
        _remove(main, "server = %s AND role_name = %s", [before.server, before.name])
    if after is None:
        return
    if after.password is not None and after.password.target is None and after.password != before.password:
        _remove(main, "server = %s AND role_name = %s", [after.server, after.name])
    if before.login and not after.login:
        _remove(main, "server = %s AND role_name = %s AND state = 'previous'", [after.server, after.name])
    if before.ends_before and not after.ends_before:
        main.execute(
            "UPDATE public.database_logins SET sessions_left = false WHERE server = %s AND role_name = %s",
            [after.server, after.name],
        )


def _remove(main: Connection, which: str, values: Sequence[object]) -> None:
    statement = f"DELETE FROM public.database_logins WHERE {which} RETURNING id::text"  # noqa: S608  # ours, above
    _forget(main, [row[0] for row in main.execute(statement.encode(), values).fetchall()])


def _forget(main: Connection, ids: Sequence[str]) -> None:
    if ids:
        main.execute(
            "DELETE FROM tenantplan.credentials WHERE relation = %s AND row_id = ANY(%s::uuid[])", [TABLE, list(ids)]
        )
