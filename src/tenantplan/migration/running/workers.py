"""Processes in which Alembic runs the programs of revisions: `op` is one global of a process, so each runs one at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

import tenantplan
from tenantplan.errors import ConnectError, MigrationError, SchemaMismatch, UntrustedCode


@dataclass(frozen=True)
class Job:
    """One function of one revision, to be run in one database, in one transaction with the statements that write the `version`
    table and those that come `last`.

    `start` is the revision that the database has to be at, `table` its version table, `timeouts` are lock_timeout and
    statement_timeout in ms; `trusting`: code in it is not tenantplan's to judge. `file` is the revision's, `digest` its SHA-256
    as it was reviewed. `params` are libpq's, with the password: they go through a pipe. `commits`: the program may commit in its
    middle, since the database says that it has begun. `models`, package.module:attribute below `root`, name constraints
    that have no name.
    """

    params: dict[str, str]
    file: str
    verb: str
    revision: str
    shared: bool
    digest: str
    table: str
    start: str | None
    timeouts: tuple[int, int]
    trusting: bool
    version: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    commits: bool = False
    models: str | None = None
    root: str = ""


class Programs:
    """Worker processes, started when they are first needed and as many as jobs run at once; `close` ends them."""

    def __init__(self) -> None:
        self._idle: list[subprocess.Popen[str]] = []
        self._all: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Programs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, job: Job, label: str) -> None:
        """Runs one job. Raises what went wrong there: psycopg.Error, ConnectError, SchemaMismatch or MigrationError; `untouched` is
        true of it where nothing can have been committed."""
        with self._lock:
            alive = [worker for worker in self._idle if worker.poll() is None]
            process = alive.pop() if alive else None
            self._idle = alive
        if process is None:
            process = self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({**asdict(job), "parent": os.getpid()}) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            found = json.loads(answer) if answer else None
        except (OSError, ValueError):
            found = None
        if found is None:
            process.kill()
            raise MigrationError(
                "its program ended the process that it ran in",
                where=label,
                hint="a revision must not exit; a new plan shows which revision the database is at",
            )
        with self._lock:
            self._idle.append(process)
        _raise(found, job, label)

    def close(self) -> None:
        """Ends the processes."""
        for process in self._all:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
        self._all.clear()
        self._idle.clear()

    def _start(self) -> subprocess.Popen[str]:
        source = str(Path(tenantplan.__file__).parents[1])
        path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
        process = subprocess.Popen(
            [sys.executable, "-m", "tenantplan.migration.running.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        with self._lock:
            self._all.append(process)
        return process


def _raise(answer: dict[str, str], job: Job, label: str) -> None:
    kind, message = answer.get("kind"), answer.get("message", "")
    if kind is None:
        return
    if job.commits and "untouched" not in answer:
        message += "; what it had committed is there"
    error: Any  # with attributes of its own
    if kind == "connect":
        error = ConnectError(message, where=label)
    elif kind == "mismatch":
        hint = "tenantplan drift --repair plans the correction of its stamp"
        error = SchemaMismatch(message, where=label, hint=hint)
    elif kind == "code":
        error = UntrustedCode(message, where=label, hint=answer.get("hint", ""))
    else:
        error = MigrationError(f"its program failed: {message}", where=label)
        if answer.get("sqlstate"):
            error = _as_psycopg(answer["sqlstate"], message)
        error.line = answer.get("line")
    error.untouched = "untouched" in answer
    raise error


def _as_psycopg(sqlstate: str, message: str) -> psycopg.Error:
    """The exception of an SQLSTATE, so that whoever waits for a lock tries again here too."""
    try:
        found: type[psycopg.Error] = psycopg.errors.lookup(sqlstate)
    except KeyError:
        found = psycopg.DatabaseError
    error = found(message)
    error.sqlstate = sqlstate
    return error
