"""Runs the steps of a migration in one database: each whole, with the version table and the stamp, or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import psycopg
from psycopg import sql

from tenantplan.errors import MigrationError, SchemaMismatch, TenantplanError
from tenantplan.failpoint import reach
from tenantplan.migration.running.fault import faults
from tenantplan.migration.running.sending import isolated, present_groups, run_statements
from tenantplan.migration.running.target import MigrationSession, MigrationTarget, Version
from tenantplan.migration.running.version import VersionTables
from tenantplan.migration.running.workers import Job, Programs
from tenantplan.model.resource import OWNER
from tenantplan.model.step import OUTSIDE, PROGRAM, Step
from tenantplan.postgres import guard
from tenantplan.postgres.connect import MIGRATING
from tenantplan.postgres.queries import query
from tenantplan.postgres.retry import retry, when

ATTEMPTS = 5
_SETTINGS = sql.SQL(
    "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {statement}"
)
# The last is "tuple concurrently updated": somebody else wrote into the same row of a shared catalog.
_IN_THE_WAY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.InternalError_)


@dataclass(frozen=True)
class Migrator:
    """What running steps takes. Table locks are waited for `lock_timeout` at a time, so that other sessions never queue longer
    behind it, ATTEMPTS times with jittered pauses. Timeouts are in ms; `files` are those of revisions, by tree and id,
    named from the fleet's `root`, and `digests` what they were when they were compiled."""

    tables: VersionTables
    programs: Programs
    files: Mapping[tuple[str, str], Path]
    digests: Mapping[tuple[str, str], str]
    groups: tuple[str, str]
    lock_timeout: int = guard.LOCK_TIMEOUT
    statement_timeout: int = guard.STATEMENT_TIMEOUT
    root: Path = Path()

    def run(self, place: MigrationTarget, steps: Sequence[Step], start: Version) -> None:
        """Runs `steps` from `start`. Raises psycopg.Error, ConnectError, SchemaMismatch when the database is at something else,
        or MigrationError; what was done until then is done, and marked."""
        at = start
        programs = itertools.count(1)
        for _, group in groupby(enumerate(steps), key=lambda item: next(programs) if item[1].kind == PROGRAM else 0):
            program: tuple[int, Step, list[sql.Composed]] | None = None
            before = at
            with place.connector.connect(place.server, place.database, options=MIGRATING) as connection:
                session = MigrationSession(connection, place)
                for number, step in group:
                    with faults(steps, number, session.label, self.file(place.tree)):
                        if step.kind == PROGRAM:
                            before, at = at, self._begun(session, step, at)
                            program = number, step, self._looked_up(session, step, at)
                        else:
                            self._step(session, step, at, resumed=number == 0 and start.mark is not None)
                            reach("step-committed")
                            at = Version(step.revision, step.mark)
            if program:  # its process takes the session's place in the budget
                number, step, last = program
                with faults(steps, number, place.label, self.file(place.tree)):
                    self._run_program(place, step, last, before, at)
                reach("step-committed")
                at = Version(step.revision, step.mark)

    def file(self, tree: str) -> Callable[[str], str]:
        """What names the file of a tree's revision in a message; "" when there is none."""

        def name(revision: str) -> str:
            path = self.files.get(("main" if tree == "main" else "tenant", revision))
            return "" if path is None else str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)

        return name

    def patiently(self, act: Callable[[], None]) -> None:
        """Does it, again after a pause when somebody else's lock is in the way."""
        retry(act, when(*_IN_THE_WAY, attempts=ATTEMPTS))

    def _step(self, session: MigrationSession, step: Step, at: Version, resumed: bool) -> None:
        if step.kind == OUTSIDE:
            return self._outside(session, step, at, resumed)
        self.patiently(partial(self._together, session, step, at, step.statements))
        reach("tenant-committed")

    def _together(self, session: MigrationSession, step: Step, at: Version, statements: Sequence[str] = ()) -> None:
        """Statements, mark, version table and stamp in one transaction, in as few messages as run_statements makes of them."""
        try:
            self._at_once(session, step, at, statements)
        except guard.Suspected:
            self._at_once(session, step, at, statements, careful=True)

    def _at_once(
        self, session: MigrationSession, step: Step, at: Version, statements: Sequence[str], careful: bool = False
    ) -> None:
        with isolated(session.connection, statements), session.connection.transaction():
            comment = self.expect(session, at, careful=careful)
            _refuse_other_start(session, step, at)
            run_statements(session.connection, statements, self._last(session, step, at, comment))
            reach("tenant-migrated")

    def expect(self, session: MigrationSession, at: Version, *, careful: bool = False) -> str | None:
        """Role and timeouts for this transaction, and that the database is at what it is thought to be at; returns its stamp.

        Raises guard.Suspected where code of others may be, CodeOfOthers if `careful`: only this finds out, by messages of its own.
        """
        table, place = self.tables.name(session.place.tree), session.place
        timeouts = (self.lock_timeout, self.statement_timeout)
        if place.trusting:
            first = _SETTINGS.format(lock=f"{self.lock_timeout}ms", statement=f"{self.statement_timeout}ms")
        elif careful:
            guard.enter(session.connection, table, *timeouts)
            first = sql.Composed([sql.SQL("SELECT")])
        else:
            first = guard.entering(session.connection, table, *timeouts)
        there = at.revision is not None
        with guard.suspecting():
            *version, comment = self.tables.read_locked(session.connection, place.tree, first, there)
        found = Version(*version)
        if found != at:
            raise SchemaMismatch(
                f"is at revision {found.text}, not at {at.text} as its stamp says",
                where=session.label,
                hint="tenantplan drift --repair --out plan.json plans the correction of its stamp; apply that, then plan again",
            )
        return comment

    def _last(self, session: MigrationSession, step: Step, at: Version, comment: str | None) -> list[sql.Composed]:
        """The last statements of a step's transaction: the mark, the version table kept from the application, the stamp."""
        table = sql.Identifier("public", self.tables.name(session.place.tree))
        found: list[sql.Composed] = []
        if step.mark != at.mark:
            marked = sql.SQL("COMMENT ON TABLE {} IS {}")
            found.append(marked.format(table, sql.Literal(step.mark) if step.mark else sql.SQL("NULL")))
        if at.revision is None:
            found += [
                sql.SQL("REVOKE ALL ON {} FROM {}").format(table, sql.Identifier(group))
                for group in present_groups(session.connection, self.groups)
            ]
        return found + session.place.stamp(session.connection.info.dbname, comment, step)

    def _looked_up(self, session: MigrationSession, step: Step, at: Version) -> list[sql.Composed]:
        """The last statements of a program's transaction, which is in a session of its own."""
        _refuse_other_start(session, step, at)
        with session.connection.transaction():  # a database's search_path may lead to functions that fit a call better
            guard.enter(session.connection, self.tables.name(session.place.tree), trusting=session.place.trusting)
            row = session.connection.execute(query("own_stamp")).fetchone()
            return self._last(session, step, at, row[0] if row else None)

    def _outside(self, session: MigrationSession, step: Step, at: Version, resumed: bool) -> None:
        """One statement outside a transaction. The mark that stands before it tells the next run to look whether it has run."""
        at = self._begun(session, step, at)
        owner = self._as_owner(session)
        reach("outside-begun")
        valid = self._index(session, step)
        if valid is False:
            raise MigrationError(_invalid(step), where=session.label, hint=_repair(step))
        if not (resumed and valid):
            self._alone(session, step, resumed, owner)
        reach("outside-done")
        self.patiently(partial(self._together, session, step, at))

    def _begun(self, session: MigrationSession, step: Step, at: Version) -> Version:
        """Where the database is when the mark is there that a step leaves before it begins, if it leaves one."""
        if step.begun is None or at.mark == step.begun:
            return at
        _refuse_other_start(session, step, at)
        self.patiently(partial(self._together, session, replace(step, revision=at.revision, mark=step.begun), at))
        return Version(at.revision, step.begun)

    def _as_owner(self, session: MigrationSession) -> bool:
        """Whether the owner of what migrations make is who executes here; that there is no code of others is looked at again."""
        if session.place.trusting:
            return False
        with session.connection.transaction():
            return guard.enter(session.connection, self.tables.name(session.place.tree), self.lock_timeout)

    def _alone(self, session: MigrationSession, step: Step, resumed: bool, owner: bool) -> None:
        """Such statements wait without standing in anybody's way, and one that is stopped leaves things half done: it may take as
        long as it does, and wait for one lock for twice as long as other statements may take."""
        connection = session.connection
        connection.execute(guard.unhurried(self.statement_timeout))
        if owner:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER)))
        try:
            connection.execute(step.statements[0].encode())
        except (psycopg.errors.UndefinedObject, psycopg.errors.UndefinedTable):
            gone = step.statements[0].lstrip().upper().startswith(("DROP", "ALTER"))
            if not (resumed and gone):  # DROP INDEX or DETACH PARTITION that had run already
                raise
        except psycopg.Error as error:
            with suppress(psycopg.Error):
                if self._index(session, step) is False:
                    error.add_note(f"{_invalid(step)}: {_repair(step)}")
            raise
        finally:
            if not connection.closed:
                connection.execute("RESET ROLE; RESET search_path; RESET lock_timeout; RESET statement_timeout")
        if step.index and not self._index(session, step):
            raise MigrationError(_invalid(step), where=session.label, hint=_repair(step))

    def _index(self, session: MigrationSession, step: Step) -> bool | None:
        """Whether the index that a step builds is valid; None when it is not there, or the step builds none."""
        if step.index is None:
            return None
        row = session.connection.execute(query("index_validity"), {"index": step.index}).fetchone()
        return None if row is None else row[0]

    def _run_program(
        self, place: MigrationTarget, step: Step, last: Sequence[sql.Composed], before: Version, at: Version
    ) -> None:
        """A program that may have committed something is not begun again, and leaves its mark; one that has not takes it off."""
        again = when(*_IN_THE_WAY, attempts=ATTEMPTS)
        try:
            retry(
                partial(self._program, place, step, last),
                lambda attempt, error: again(attempt, error) if _left_nothing(step, error) else None,
            )
        except (psycopg.Error, TenantplanError) as error:
            if before != at and _left_nothing(step, error):
                with (
                    suppress(psycopg.Error, TenantplanError),
                    place.connector.connect(place.server, place.database, options=MIGRATING) as connection,
                ):
                    back = replace(step, revision=before.revision, mark=before.mark)
                    self.patiently(partial(self._together, MigrationSession(connection, place), back, at))
            raise

    def _program(self, place: MigrationTarget, step: Step, last: Sequence[sql.Composed]) -> None:
        assert step.program is not None
        verb, revision = step.program.split(" ", 1)
        job = Job(
            params=place.connector.parameters(place.server, place.database),
            file=str(self.files["main" if place.tree == "main" else "tenant", revision]),
            verb=verb,
            revision=revision,
            shared=place.tree == "shared",
            digest=self.digests["main" if place.tree == "main" else "tenant", revision],
            table=self.tables.name(place.tree),
            start=step.start,
            timeouts=(self.lock_timeout, self.statement_timeout),
            trusting=place.trusting,
            version=list(step.statements[1:]),
            last=[statement.as_string() for statement in last],
            commits=step.begun is not None,
            models=None if place.tree == "main" else self.tables.tenant.models,
            root=str(self.tables.tenant.root),
        )
        with place.connector.slot(place.server):
            self.programs.run(job, place.label)


def _left_nothing(step: Step, error: Exception) -> bool:
    """Whether nothing of a program is there that failed: it is one transaction, or had not committed any."""
    return step.begun is None or bool(getattr(error, "untouched", False))


def _refuse_other_start(session: MigrationSession, step: Step, at: Version) -> None:
    """MigrationError when statements were compiled from another revision than the one that the database was just found at."""
    if step.start != at.revision:
        raise MigrationError(
            f"is at revision {at.revision or 'none'}, and what was to run begins at {step.start or 'none'}; nothing was run",
            where=session.label,
            hint="this is a fault of tenantplan: please report it, with the plan",
        )


def _invalid(step: Step) -> str:
    return f"index {step.index} is INVALID: its build failed, or is still running in another session"


def _repair(step: Step) -> str:
    return f"fix what stood in its way, DROP INDEX CONCURRENTLY {step.index}, and apply again"
