"""The process that Programs starts: reads jobs, one JSON line each, and answers each with a line.

Alembic runs the revision as it would for `alembic upgrade`, but for env.py: the connection is tenantplan's, and the transaction
ends with the version table and the stamp. Importing this module imports Alembic.
"""

from __future__ import annotations

import json
import os
import re
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

from tenantplan.errors import UntrustedCode
from tenantplan.migration.compile.models import naming_convention
from tenantplan.migration.compile.surroundings import environment, surroundings
from tenantplan.migration.tree import env_file
from tenantplan.migration.tree.revision import digest
from tenantplan.model.resource import OWNER
from tenantplan.postgres import guard
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import patiently
from tenantplan.postgres.session import Session, answers

_ENDS = re.compile(
    r"\s*(COMMIT|END|ABORT|ROLLBACK(?!\s+(WORK\s+|TRANSACTION\s+)?TO\b)|PREPARE\s+TRANSACTION)\b", re.IGNORECASE
)


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
    answer = _attempt(job)
    return answer | {"committed": job.get("committed", "no")} if answer else answer


def _attempt(job: dict[str, Any]) -> dict[str, str]:
    try:
        _run(job)
    except _MismatchError as error:
        return {"kind": "mismatch", "message": str(error)}
    except UntrustedCode as error:
        return {"kind": "code", "message": error.message, "hint": error.hint}
    except _UnreachableError as error:
        return {"kind": "connect", "message": str(error)}
    except psycopg.Error as error:
        return {"kind": "database", "sqlstate": error.sqlstate or "", "message": describe(error)} | _line(job, error)
    except sa.exc.StatementError as error:  # whose own text shows parameters
        found = error.orig
        if isinstance(found, psycopg.Error):
            answer = {"kind": "database", "sqlstate": found.sqlstate or "", "message": describe(found)}
            return answer | _line(job, error)
        return {"kind": "program", "message": f"{type(error).__name__} ({type(found).__name__})"} | _line(job, error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a revision raises is an answer
        return {"kind": "program", "message": f"{type(error).__name__}: {error}"} | _line(job, error)
    return {}


def _line(job: dict[str, Any], error: BaseException) -> dict[str, str]:
    """The line of the revision's file at which it failed, if it is one."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == job["file"]]
    return {"line": str(lines[-1])} if lines else {}


def _run(job: dict[str, Any]) -> None:
    try:
        connection = patiently(lambda: Session.connect("", **job["params"]))
    except psycopg.OperationalError as error:
        raise _UnreachableError(" ".join(str(error).split())) from None
    connection.prepare_threshold = None
    connection.cursor_factory = psycopg.ClientCursor  # as psycopg2 does: parameters in DDL, too
    connection.alive = partial(answers, job["params"])
    _stop_without_parent(job, connection)  # only now: sessions that a dead run has left are ended by the next one
    with connection.transaction():  # before SQLAlchemy asks for types by names of schema public
        _enter(connection, job)
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=sa.StaticPool)
    try:
        if job["commits"]:
            _run_in_parts(engine, job)
        else:
            _run_whole(engine, job)
    finally:
        connection.close()


def _stop_without_parent(job: dict[str, Any], connection: psycopg.Connection[Any]) -> None:
    if os.getppid() != job["parent"]:
        connection.close()
        raise SystemExit("its run was interrupted")


def _run_whole(engine: sa.Engine, job: dict[str, Any]) -> None:
    """The program in one transaction: what would end it is refused before it does."""
    ends = _refuse_ends(engine)
    with engine.connect() as session, session.begin():
        transaction = _begin(session, job)
        _call(session, job)
        if _transaction(session) != transaction:
            raise RuntimeError("it ended its transaction itself, so that what it did cannot be taken back")
        for statement in [*job["version"], guard.LEAVE, *job["last"]]:
            _plain(session, statement)
        ends.clear()


def _refuse_ends(engine: sa.Engine) -> list[str]:
    """Makes the end of a transaction an error, while the list that is returned has anything in it."""
    watching = ["yes"]

    def refuse(what: str) -> None:
        if watching:
            raise RuntimeError(
                f"it {what} in its middle, which was not seen when it was planned; nothing of it was done"
            )

    def look(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if _ENDS.match(statement):
            refuse("ends its transaction")

    sa.event.listen(engine, "commit", lambda connection: refuse("commits"))
    sa.event.listen(engine, "before_cursor_execute", look)
    return watching


def _run_in_parts(engine: sa.Engine, job: dict[str, Any]) -> None:
    """The program as `alembic upgrade` runs it: it may commit, and use autocommit blocks. Each transaction begins as the first
    does: with the role, the timeouts, and a look at what the database is at."""
    sa.event.listen(engine, "begin", partial(_begin_part, job))
    sa.event.listen(engine, "commit", partial(_end_part, job))
    with engine.connect() as session:
        context = _context(session, job, transaction_per_migration=True)
        with context.begin_transaction(_per_migration=True):
            _call(session, job, context)
            if not session.in_transaction():
                session.begin()
            for statement in [*job["version"], guard.LEAVE, *job["last"]]:
                _plain(session, statement)
            session.commit()


def _begin_part(job: dict[str, Any], session: sa.Connection) -> None:
    driver = _driver(session)
    _stop_without_parent(job, driver)
    if not driver.autocommit:
        _begin(session, job)
        return
    with driver.transaction():
        owner = guard.enter(driver, job["table"], *job["timeouts"], trusting=job["trusting"])
    _, statement = job["timeouts"]
    # Statements that are committed one by one take as long as they take, as those do that tenantplan sends so.
    patience = sql.SQL("SET search_path = public, pg_temp; SET lock_timeout = {}; SET statement_timeout = 0")
    driver.execute(patience.format(sql.Literal(f"{2 * statement}ms")))
    if owner:
        driver.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER)))


def _end_part(job: dict[str, Any], session: sa.Connection) -> None:
    driver = _driver(session)
    _stop_without_parent(job, driver)
    job["committed"] = "yes"
    if driver.autocommit and not driver.closed:
        driver.execute("RESET ROLE; RESET search_path; RESET lock_timeout; RESET statement_timeout")


def _begin(session: sa.Connection, job: dict[str, Any]) -> str:
    """Role, timeouts, and that the database is at the revision it is thought to be at; the id of the transaction."""
    _enter(_driver(session), job)
    table = sql.Identifier("public", job["table"])
    found: list[str] = []
    driver = _driver(session)
    there = driver.execute("SELECT to_regclass(%s) IS NOT NULL", [f"public.{job['table']}"]).fetchone()
    if there and there[0]:
        asked = sql.SQL("SELECT version_num FROM {} FOR UPDATE").format(table)
        found = sorted(row[0] for row in driver.execute(asked).fetchall())
    if (",".join(found) or None) != job["start"]:
        raise _MismatchError(f"is at revision {','.join(found) or 'none'}, not at {job['start'] or 'none'}")
    return _transaction(session)


def _enter(connection: psycopg.Connection[Any], job: dict[str, Any]) -> None:
    lock, statement = job["timeouts"]
    guard.enter(connection, job["table"], lock, statement, trusting=job["trusting"])
    connection.execute("SET LOCAL search_path = public, pg_temp")


def _transaction(session: sa.Connection) -> str:
    return str(session.exec_driver_sql("SELECT txid_current()").scalar())


def _plain(session: sa.Connection, statement: str) -> None:
    """A statement as it is: without parameters, nothing in it is taken for one."""
    _driver(session).execute(statement.encode())


def _driver(session: sa.Connection) -> psycopg.Connection[Any]:
    driver = session.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
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
