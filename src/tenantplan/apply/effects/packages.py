"""Update packages: first the file is stored, then the main database records it."""

from __future__ import annotations

from collections.abc import Sequence

from tenantplan.apply.context import Run
from tenantplan.apply.effects import effect
from tenantplan.apply.effects.effect import Performed
from tenantplan.errors import SettingsError, Stale
from tenantplan.failpoint import reach
from tenantplan.journal.recover import Open
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Package, Resource, expect, one, sides
from tenantplan.postgres.connect import Connection
from tenantplan.stores import Stored, upload


def happened(item: Open, have: Resource | None) -> bool:
    """Whether the package is as an interrupted run was to leave it."""
    package = one(have, Package)
    if package is not None and not (package.managed and package.retired_at is None):
        return item.retire and package.retired_at is not None
    return effect.happened(item, have)


def performed(run: Run, main: Connection, operation: Operation) -> Performed:
    """The file into its store; its record follows in the transaction of its audit entry."""
    file_id = carry(run, main, operation)
    return Performed(write=lambda main: write(run, main, operation, file_id))


def carry(run: Run, main: Connection, operation: Operation) -> str | None:
    """Stores or deletes the file, outside any transaction; what the store calls it. Doing it again after a crash is harmless."""
    before, after = sides(operation, Package)
    if after is not None:
        if after.source is None:
            raise SettingsError(f"version {after.version} has no file", hint="make a new plan")
        store = run.open_store(main, None)
        upload(store, after.key, run.root / after.source, Stored(after.size, after.sha256))
        reach("package-stored")
        return store.file_id(after.key)
    if before is not None and operation.purges:
        run.open_store(main, before.store).delete(before.key)
        reach("package-deleted")
    return None


def name_files(connection: Connection, versions: Sequence[object]) -> None:
    """Copies what the store calls the files of these versions into the rows of their releases, for nodes to fetch them by."""
    connection.execute(
        "UPDATE public.updates_metadata r SET file_id = p.file_id FROM tenantplan.packages p"
        " WHERE r.version = ANY(%s) AND p.version = r.version AND p.managed_by = r.managed_by"
        " AND r.file_id IS DISTINCT FROM p.file_id",
        [list(versions)],
    )


def write(run: Run, connection: Connection, operation: Operation, file_id: str | None) -> None:
    """Records what became of a package, in the current transaction; Stale when somebody else did in between."""
    after = one(operation.after, Package)
    if after is not None:
        parameters = [
            after.version,
            after.holder,
            after.store,
            after.key,
            after.size,
            after.sha256,
            file_id,
            run.author.fleet,
        ]
        done = connection.execute(
            "INSERT INTO tenantplan.packages (version, holder, store, key, size, sha256, file_id, managed_by)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (version) DO UPDATE SET holder = excluded.holder,"
            " store = excluded.store, key = excluded.key, file_id = excluded.file_id, retired_at = NULL"
            " WHERE packages.managed_by = excluded.managed_by AND packages.sha256 = excluded.sha256",
            parameters,
        )
    else:
        before = expect(operation.before, Package)
        statement = (
            "UPDATE tenantplan.packages SET retired_at = now() WHERE version = %s AND managed_by = %s"
            if operation.retire
            else "DELETE FROM tenantplan.packages WHERE version = %s AND managed_by = %s"
        )
        done = connection.execute(statement, [before.version, run.author.fleet])
    if done.rowcount != 1:
        raise Stale("the package changed after the plan was made")
    if after is not None:
        name_files(connection, [after.version])
