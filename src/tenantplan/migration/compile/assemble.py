"""Parts of a path, one for each revision, put together to steps: as few transactions as there can be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from psycopg import sql

from tenantplan.errors import MigrationError
from tenantplan.migration import sqltext
from tenantplan.migration.tree.refusals import Refusals
from tenantplan.migration.tree.revision import Revision
from tenantplan.model.step import OUTSIDE, PROGRAM, TRANSACTION, Origin, Step

DIFFERS = "produces different SQL each time"


class Entry(NamedTuple):
    """One statement of a revision. `alone`: it is committed by itself; `anew`: what stands before it is committed first."""

    text: str
    alone: bool = False
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What one revision does: its statements, and those that write the `version` table, after which the database is at `position`.

    `inspects` says how it looks at the database, so that it cannot be said in statements; "" when it does not. `checks` are queries
    that must return no row before it. `commits`: it is a program that commits in its middle.
    """

    revision: Revision
    position: str | None
    entries: Sequence[Entry]
    version: Sequence[str]
    up: bool = True
    inspects: str = ""
    checks: Sequence[str] = ()
    commits: bool = False


class _Line(NamedTuple):
    """A statement, the revision it belongs to ("": none), and whether the author of that wrote it."""

    text: str
    revision: str
    own: bool


def assemble(
    parts: Sequence[Part],
    start: str | None,
    mark: str | None,
    first: Sequence[str],
    each_alone: bool = False,
    rerun: Collection[str] = (),
) -> tuple[Step, ...]:
    """The steps. `mark` was left by an interrupted migration; `first` are statements before everything else. `each_alone`: every
    revision has a transaction of its own. `rerun` are revisions that may begin again where they were interrupted."""
    found = _Assembly(start)
    if mark is None:
        found.add([_Line(text, "", False) for text in first])
    refusals = Refusals()
    for number, part in enumerate(parts):
        resumed = mark if number == 0 else None
        if not resumed:  # a resumed revision has been checked
            found.add([_Line(_guard(part.revision, check), part.revision.id, False) for check in part.checks])
        again = part.commits and part.revision.id in rerun
        done = _done(part, resumed, again) if resumed else 0
        if resumed and part.commits and not again:
            raise _interrupted(part)
        with refusals.of_one():
            found.add_part(part, done)
            if each_alone:
                found.commit(part)
    if parts:
        with refusals.of_one():
            found.commit(parts[-1])
    refusals.tell()
    return tuple(_with_starts(found.steps, start))


class _Assembly:
    """Steps, and statements that wait for others to share a transaction with."""

    def __init__(self, start: str | None) -> None:
        self.steps: list[Step] = []
        self._waiting: list[_Line] = []
        self._settings = _Settings()
        self._at = start

    def add(self, lines: Sequence[_Line]) -> None:
        """More statements for the present transaction."""
        self._waiting += lines

    def add_part(self, part: Part, done: int) -> None:
        """What a revision does, but for its pieces that are `done`."""
        if part.inspects:
            self.commit(part)
            self._settings.refuse_for(part)
            self.steps.append(_program(part))
        else:
            pieces = _pieces(part)
            for count, (lines, alone) in enumerate(pieces, start=1):
                if count <= done:
                    continue
                if alone:
                    self.commit(part)
                    self._settings.note(lines)
                    self._settings.refuse_for(part)
                    self.steps.append(_alone(part, lines[0], self._at, count))
                else:
                    self.add(lines)
                    if count < len(pieces):
                        self.commit(part, _mark(part, count))
        self._at = part.position

    def commit(self, part: Part, mark: str | None = None) -> None:
        """End the present transaction, if there is one."""
        if self._waiting:
            lines = [*self._settings.again(part), *self._waiting]
            statements = tuple(line.text for line in lines)
            self.steps.append(Step(TRANSACTION, statements, self._at, mark, origins=_origins(lines)))
            self._settings.note(self._waiting)
            self._waiting = []


def _with_starts(steps: Sequence[Step], start: str | None) -> Iterator[Step]:
    """The steps, each with the revision at which the one before it ends."""
    for step in steps:
        yield replace(step, start=start)
        start = step.revision


class _Settings:
    """What revisions have set for the session, which lasts until the end for the tool whose tree it is. Here each transaction is
    complete by itself: it is set again in those that follow."""

    def __init__(self) -> None:
        self._lasting: dict[str, _Line] = {}

    def note(self, lines: Iterable[_Line]) -> None:
        """Remember what these statements leave set."""
        for line in lines:
            for name, is_set in sqltext.session_settings(line.text) if _may_set(line) else ():
                if is_set:
                    self._lasting[name] = line._replace(own=False)
                elif name:
                    self._lasting.pop(name, None)
                else:
                    self._lasting.clear()

    def again(self, part: Part) -> list[_Line]:
        """The statements that set them, for a transaction of `part`. MigrationError for a role: each step takes its own."""
        for name in ("role", "session_authorization"):
            if name in self._lasting:
                self._refuse(name, part)
        return list(self._lasting.values())

    def refuse_for(self, part: Part) -> None:
        """MigrationError if anything is set for a step that is no transaction of statements."""
        for name in self._lasting:
            self._refuse(name, part)

    def _refuse(self, name: str, part: Part) -> None:
        raise MigrationError(
            f"revision {self._lasting[name].revision} sets {name} for the session, and this takes a session of its own",
            where=str(part.revision.path),
            hint="SET LOCAL, and again in each revision that needs it; or name the schema",
        )


def _may_set(line: _Line) -> bool:
    text = line.text.upper()
    return line.own and ("SET" in text or "DISCARD" in text)


def _pieces(part: Part) -> list[tuple[list[_Line], bool]]:
    """Runs of statements that belong in one transaction, and those that stand alone; the last writes the version table."""
    pieces: list[tuple[list[_Line], bool]] = []
    for entry in part.entries:
        line = _Line(entry.text, part.revision.id, True)
        if entry.alone or entry.anew or not pieces or pieces[-1][1]:
            pieces.append(([line], entry.alone))
        else:
            pieces[-1][0].append(line)
    if not pieces or pieces[-1][1]:
        pieces.append(([], False))
    pieces[-1][0].extend(_Line(text, part.revision.id, False) for text in part.version)
    return pieces


def _origins(lines: Sequence[_Line]) -> tuple[Origin, ...]:
    runs = groupby(lines, key=lambda line: (line.revision, line.own))
    return tuple(Origin(revision, own, len(list(group))) for (revision, own), group in runs)


def _alone(part: Part, line: _Line, at: str | None, count: int) -> Step:
    """A statement that is committed by itself: in a transaction with its mark where PostgreSQL allows that."""
    text, origins = line.text, _origins([line])
    if not sqltext.outside(text):
        return Step(TRANSACTION, (text,), at, _mark(part, count), origins=origins)
    built = sqltext.index_built(text)
    if built and not built[1]:
        raise MigrationError(
            "builds an index outside a transaction and gives it no name",
            where=str(part.revision.path),
            hint="name it: its name tells whether it was built",
        )
    index = sql.Identifier(built[0] or "public", built[1]).as_string() if built and built[1] else None
    return Step(OUTSIDE, (text,), at, _mark(part, count), begun=_mark(part, count - 1), index=index, origins=origins)


def _program(part: Part) -> Step:
    verb = "upgrade" if part.up else "downgrade"
    commits = ", and commits in its middle" if part.commits else ""
    said = f"-- Alembic itself runs {verb}() of {part.revision.path.name} here: it {part.inspects}{commits}"
    lines = [_Line(said, part.revision.id, True), *(_Line(text, part.revision.id, False) for text in part.version)]
    statements = tuple(line.text for line in lines)
    program = f"{verb} {part.revision.id}"
    begun = _mark(part, 0) if part.commits else None
    return Step(PROGRAM, statements, part.position, begun=begun, program=program, origins=_origins(lines))


def _interrupted(part: Part) -> MigrationError:
    return MigrationError(
        f"revision {part.revision.id} commits in its middle, and was interrupted: what it had committed is there",
        where=str(part.revision.path),
        hint="read it: if it may run again from its beginning, say so in the fleet file with migrations.rerun:"
        f" [{part.revision.id}]; else finish it by hand, with the version table, take the comment from that table, and"
        " tenantplan drift --repair plans the correction of its stamp",
    )


def _mark(part: Part, count: int) -> str:
    """How far a revision has come: its id, how many of its pieces are done, and which file they were of."""
    return f"{part.revision.id}:{count}:{part.revision.digest[:12]}{'' if part.up else ':down'}"


BACK_BY_HAND = (
    "run the rest of its downgrade by hand, with its version table, and take the comment from that table;"
    " tenantplan drift --repair then plans the correction of its stamp"
)


def _done(part: Part, mark: str, again: bool) -> int:
    """How many pieces are done. `again`: it begins at its beginning, in whatever version of its file."""
    revision, count, digest, *down = [*mark.split(":"), "", ""]
    if "down" in down:
        raise MigrationError(
            f"the database is halfway back from revision {revision}: a rollback was stopped there",
            where=str(part.revision.path),
            hint=BACK_BY_HAND,
        )
    same = digest == part.revision.digest[:12] or (again and count == "0")
    if revision != part.revision.id or not count.isdigit() or not same or not part.up:
        raise MigrationError(
            f"the database is halfway through revision {revision}, as it was in another version of its file",
            where=str(part.revision.path),
            hint="check out the version that was applied, finish it, and put what is new into a new revision",
        )
    return int(count)


_TAG = "tp"


def is_own(statement: str) -> bool:
    """Whether a statement is the author's, and not one that tenantplan put before it."""
    return not statement.startswith(f"DO ${_TAG}")


def _guard(revision: Revision, check: str) -> str:
    """A check as a statement that fails when its query returns a row."""
    body = (
        f"BEGIN IF EXISTS ({check.strip().rstrip(';')}\n) THEN RAISE EXCEPTION USING ERRCODE = 'check_violation',"
        f" MESSAGE = {sql.Literal(f'preflight of revision {revision.id} found rows').as_string()}; END IF; END"
    )
    tag = _TAG
    while f"${tag}$" in body:
        tag += "p"
    return f"DO ${tag}$ {body} ${tag}$"
