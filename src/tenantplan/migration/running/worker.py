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

from tenantplan.errors import UntrustedCode
from tenantplan.migration.compile.surroundings import environment, surroundings
from tenantplan.migration.tree import env_file
from tenantplan.migration.tree.revision import digest
from tenantplan.postgres import guard
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import patiently
from tenantplan.postgres.session import Session, answers


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
    connection.alive = partial(answers, job["params"])
    if os.getppid() != job["parent"]:  # only now: sessions that a dead run has left are ended by the next one
        connection.close()
        raise SystemExit("its run was interrupted")
    with connection.transaction():  # before SQLAlchemy asks for types by names of schema public
        _enter(connection, job)
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=sa.StaticPool)
    try:
        with engine.connect() as session, session.begin():
            transaction = _begin(session, job)
            _call(session, job)
            if _transaction(session) != transaction:
                raise RuntimeError("it ended its transaction itself, so that what it did cannot be taken back")
            for statement in [*job["version"], guard.LEAVE, *job["last"]]:
                _plain(session, statement)
    finally:
        connection.close()


def _begin(session: sa.Connection, job: dict[str, Any]) -> str:
    """Role, timeouts, and that the database is at the revision it is thought to be at; the id of the transaction."""
    _enter(_driver(session), job)
    table = sql.Identifier("public", job["table"])
    found: list[str] = []
    if session.execute(sa.text("SELECT to_regclass(:name)"), {"name": f"public.{job['table']}"}).scalar() is not None:
        asked = sql.SQL("SELECT version_num FROM {} FOR UPDATE").format(table)
        found = sorted(row[0] for row in session.exec_driver_sql(asked.as_string()).fetchall())
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


def _call(session: sa.Connection, job: dict[str, Any]) -> None:
    path = Path(job["file"])
    options: dict[str, Any] = {"shared": job["shared"], "version_table": job["table"]}
    if convention := env_file.read(path.parents[1]).naming_convention:
        options["target_metadata"] = sa.MetaData(naming_convention=convention)
    context = MigrationContext.configure(connection=session, opts=options)
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
