"""The process that Programs starts: reads jobs, one JSON line each, and answers each with a line.

Alembic runs the revision as it would for `alembic upgrade`, but for env.py: the connection is tenantplan's, and the transaction
ends with the version table and the stamp. Importing this module imports Alembic.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
import types
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from psycopg import sql
from psycopg.pq import TransactionStatus

from tenantplan.errors import UntrustedCode
from tenantplan.migration.compile.models import naming_convention
from tenantplan.migration.compile.surroundings import environment, surroundings
from tenantplan.migration.running.driver import Driver, Watched, WatchedServerCursor, ends_transaction
from tenantplan.migration.tree import env_file
from tenantplan.migration.tree.revision import digest
from tenantplan.model.resource import OWNER
from tenantplan.postgres import guard
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import patiently
from tenantplan.postgres.session import answers


class _MismatchError(Exception):
    pass


class _UnreachableError(Exception):
    pass


def main() -> None:
    """Answers jobs until there are no more. What revisions print goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it decides
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a revision's own processes print is no answer
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()


def _answer(job: dict[str, Any]) -> dict[str, str]:
    """What came of a job; of one that failed, whether nothing of it can have been committed."""
    touched: list[bool] = []
    try:
        _run(job, touched)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a revision raises is an answer
        return _said(job, error) | ({} if any(touched) else {"untouched": "yes"})
    return {}


def _said(job: dict[str, Any], error: BaseException) -> dict[str, str]:
    if isinstance(error, _MismatchError):
        return {"kind": "mismatch", "message": str(error)}
    if isinstance(error, UntrustedCode):
        return {"kind": "code", "message": error.message, "hint": error.hint}
    if isinstance(error, _UnreachableError):
        return {"kind": "connect", "message": str(error)}
    found = error.orig if isinstance(error, sa.exc.StatementError) else error  # whose own text shows parameters
    if isinstance(found, psycopg.Error):
        answer = {"kind": "database", "sqlstate": found.sqlstate or "", "message": describe(found)}
    elif isinstance(error, sa.exc.StatementError):
        answer = {"kind": "program", "message": f"{type(error).__name__} ({type(found).__name__})"}
    else:
        answer = {"kind": "program", "message": f"{type(error).__name__}: {error}"}
    return answer | _line(job, error)


def _line(job: dict[str, Any], error: BaseException) -> dict[str, str]:
    """The line of the revision's file at which it failed, if it is one."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == job["file"]]
    return {"line": str(lines[-1])} if lines else {}


def _run(job: dict[str, Any], touched: list[bool]) -> None:
    try:
        connection = patiently(lambda: Driver.connect("", **job["params"]))
    except psycopg.OperationalError as error:
        raise _UnreachableError(" ".join(str(error).split())) from None
    connection.prepare_threshold = None
    connection.cursor_factory = Watched  # of a client's: parameters in DDL, too, as psycopg2 does
    connection.server_cursor_factory = WatchedServerCursor
    connection.alive = partial(answers, job["params"])
    _stop_without_parent(job, connection)  # only now: sessions that a dead run has left are ended by the next one
    with connection.transaction():  # before SQLAlchemy asks for types by names of schema public
        _settle(connection, job)
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=sa.StaticPool)
    sa.event.listen(engine, "begin", _refuse_second)
    try:
        if job["commits"]:
            _run_in_parts(engine, connection, job)
        else:
            _run_whole(engine, connection, job)
    finally:
        touched.append(connection.touched)
        connection.close()


def _settle(connection: Driver, job: dict[str, Any]) -> None:
    """What holds for a transaction that nobody here sees begin, and for a statement outside of one, which takes as long as it
    does, as those do that tenantplan sends so."""
    owner = _enter(connection, job)
    connection.execute(guard.unhurried(job["timeouts"][1]))
    if owner:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER)))


def _stop_without_parent(job: dict[str, Any], connection: psycopg.Connection[Any]) -> None:
    if os.getppid() != job["parent"]:
        connection.close()
        raise SystemExit("its run was interrupted")


def _refuse_second(session: sa.Connection) -> None:
    """There is one session: what ends a second connection's transaction would end the first one's."""
    driver = _driver(session)
    if not driver.autocommit and driver.info.transaction_status != TransactionStatus.IDLE:
        raise RuntimeError("it opens a second connection before it has committed what it did in the first")


def _run_whole(engine: sa.Engine, driver: Driver, job: dict[str, Any]) -> None:
    """The program in one transaction: what would end it is refused before it does."""
    with engine.connect() as session, session.begin():
        transaction = _begin(driver, job)
        driver.watch = _refuse_ends
        _call(session, job)
        if _transaction(driver) != transaction:
            raise RuntimeError("it ended its transaction itself, so that what it did cannot be taken back")
        for statement in [*job["version"], guard.LEAVE, *job["last"]]:
            driver.execute(statement.encode())
        driver.watch = None


def _refuse_ends(driver: Driver, statement: str) -> None:
    if ends_transaction(statement):
        raise RuntimeError(
            "it ends its transaction in its middle, which was not seen when it was planned; nothing of it was done"
        )


def _run_in_parts(engine: sa.Engine, driver: Driver, job: dict[str, Any]) -> None:
    """The program as `alembic upgrade` runs it: it may commit, and use autocommit blocks. Each transaction begins as the first
    does, however the one before it ended: with the role, the timeouts, and a look at what the database is at."""
    with engine.connect() as session:
        driver.watch = partial(_begin_part, job)
        context = _context(session, job, transaction_per_migration=True)
        with context.begin_transaction(_per_migration=True):
            _call(session, job, context)
            if driver.autocommit:  # the end is one transaction
                session.commit()
                driver.autocommit = False
            if not session.in_transaction():
                session.begin()
            for statement in [*job["version"], guard.LEAVE, *job["last"]]:
                driver.execute(statement.encode())
            session.commit()


def _begin_part(job: dict[str, Any], driver: Driver, statement: str) -> None:
    """What comes before each statement of a program that commits."""
    _stop_without_parent(job, driver)
    if driver.autocommit:
        with driver.transaction():
            _enter(driver, job)
        driver.touched = True
    elif driver.info.transaction_status == TransactionStatus.IDLE and not ends_transaction(statement):
        _begin(driver, job)
    driver.touched = driver.touched or ends_transaction(statement)


def _begin(driver: Driver, job: dict[str, Any]) -> str:
    """Role, timeouts, and that the database is at the revision it is thought to be at; the id of the transaction."""
    _enter(driver, job)
    table = sql.Identifier("public", job["table"])
    found: list[str] = []
    there = driver.execute("SELECT to_regclass(%s) IS NOT NULL", [f"public.{job['table']}"]).fetchone()
    if there and there[0]:
        asked = sql.SQL("SELECT version_num FROM {} FOR UPDATE").format(table)
        found = sorted(row[0] for row in driver.execute(asked).fetchall())
    if (",".join(found) or None) != job["start"]:
        raise _MismatchError(f"is at revision {','.join(found) or 'none'}, not at {job['start'] or 'none'}")
    return _transaction(driver)


def _enter(connection: Driver, job: dict[str, Any]) -> bool:
    lock, statement = job["timeouts"]
    owner = guard.enter(connection, job["table"], lock, statement, trusting=job["trusting"])
    connection.execute("SET LOCAL search_path = public, pg_temp")
    return owner


def _transaction(driver: Driver) -> str:
    row = driver.execute("SELECT pg_catalog.txid_current()").fetchone()
    assert row is not None
    return str(row[0])


def _driver(session: sa.Connection) -> Driver:
    driver = session.connection.driver_connection
    assert isinstance(driver, Driver)
    return driver


def _context(session: sa.Connection, job: dict[str, Any], **more: Any) -> MigrationContext:
    options: dict[str, Any] = {"shared": job["shared"], "version_table": job["table"], **more}
    written = env_file.read(Path(job["file"]).parents[1]).naming_convention
    if convention := naming_convention(written, job["models"], Path(job["root"])):
        options["target_metadata"] = sa.MetaData(naming_convention=convention)
    return MigrationContext.configure(connection=session, opts=options)


def _call(session: sa.Connection, job: dict[str, Any], context: MigrationContext | None = None) -> None:
    path = Path(job["file"])
    context = context or _context(session, job)
    module = types.ModuleType(f"revision_{job['revision']}")
    module.__file__ = str(path)
    source = path.read_bytes()
    if digest(source) != job["digest"]:
        raise _MismatchError(f"cannot be migrated by {path.name}: the file changed after it was planned")
    code = compile(source, str(path), "exec", dont_inherit=True)
    with surroundings(path.parents[1]), environment(path.parents[1], as_sql=False), Operations.context(context):
        exec(code, module.__dict__)  # noqa: S102 - as Alembic does: a revision is a program
        getattr(module, job["verb"])()


if __name__ == "__main__":
    main()
