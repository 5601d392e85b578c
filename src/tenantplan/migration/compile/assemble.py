"""Parts of a path, one for each revision, put together to steps: as few transactions as there can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from psycopg import sql

from tenantplan.errors import MigrationError
from tenantplan.migration import sqltext
from tenantplan.migration.tree.revision import Revision
from tenantplan.model.step import OUTSIDE, PROGRAM, TRANSACTION, Origin, Step


@dataclass(frozen=True, slots=True)
class Part:
    """What one revision does: `entries` are statements, and whether each is committed by itself; `version` are those that
    write the version table, after which the database is at `position`. `asked` says how it looks at the database, so
    that it cannot be said in statements; "" when it does not. `checks` are queries that must return no row before it.
    """

    revision: Revision
    position: str | None
    entries: Sequence[tuple[str, bool]]
    version: Sequence[str]
    up: bool = True
    inspects: str = ""
    checks: Sequence[str] = ()


class _Line(NamedTuple):
    """A statement, the revision it belongs to ("": none), and whether the author of that wrote it."""

    text: str
    revision: str
    own: bool


def assemble(
    parts: Sequence[Part], start: str | None, mark: str | None, first: Sequence[str], each_alone: bool = False
) -> tuple[Step, ...]:
    """The steps. `mark` was left by an interrupted migration; `first` are statements before everything else. `each_alone`: every
    revision has a transaction of its own."""
    steps: list[Step] = []
    pending = [_Line(text, "", False) for text in first] if mark is None else []
    at = start
    for number, part in enumerate(parts):
        done = _done(part, mark) if number == 0 and mark else 0
        if not (number == 0 and mark):  # a resumed revision has been checked
            pending += [_Line(_guard(part.revision, check), part.revision.id, False) for check in part.checks]
        if part.inspects:
            steps += _transaction(pending, at)
            pending = []
            steps.append(_program(part))
        else:
            pieces = _pieces(part)
            for count, (texts, alone) in enumerate(pieces, start=1):
                if count <= done:
                    continue
                if alone:
                    steps += _transaction(pending, at)
                    pending = []
                    steps.append(_alone(part, texts[0], at, count))
                elif count < len(pieces):
                    steps += _transaction(pending + texts, at, _mark(part, count))
                    pending = []
                else:
                    pending += texts
        at = part.position
        if each_alone:
            steps += _transaction(pending, at)
            pending = []
    steps += _transaction(pending, at)
    if len(steps) > 1:
        _refuse_session_settings(parts)
    return tuple(_with_starts(steps, start))


def _with_starts(steps: Sequence[Step], start: str | None) -> Iterator[Step]:
    """The steps, each with the revision at which the one before it ends."""
    for step in steps:
        yield replace(step, start=start)
        start = step.revision


def _refuse_session_settings(parts: Sequence[Part]) -> None:
    """What a revision sets for the session would last until the end for Alembic; here every step has settings of its own."""
    for part in parts:
        lasting: set[str] = set()
        for text, _ in part.entries:
            for name, is_set in sqltext.session_settings(text):
                if is_set:
                    lasting.add(name)
                else:
                    lasting.difference_update({name} if name else set(lasting))
        left = lasting if part is not parts[-1] or len(_pieces(part)) > 1 else set()
        if left:
            raise MigrationError(
                f"sets {sorted(left)[0]} for the session, and the migration takes several transactions",
                where=str(part.revision.path),
                hint="SET LOCAL, and again in each revision that needs it; or name the schema",
            )


def _pieces(part: Part) -> list[tuple[list[_Line], bool]]:
    """Runs of statements that belong in one transaction, and those that stand alone; the last writes the version table."""
    pieces: list[tuple[list[_Line], bool]] = []
    for text, alone in part.entries:
        line = _Line(text, part.revision.id, True)
        if alone or not pieces or pieces[-1][1]:
            pieces.append(([line], alone))
        else:
            pieces[-1][0].append(line)
    if not pieces or pieces[-1][1]:
        pieces.append(([], False))
    pieces[-1][0].extend(_Line(text, part.revision.id, False) for text in part.version)
    return pieces


def _transaction(lines: Sequence[_Line], at: str | None, mark: str | None = None) -> list[Step]:
    statements = tuple(line.text for line in lines)
    return [Step(TRANSACTION, statements, at, mark, origins=_origins(lines))] if lines else []


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
    said = f"-- Alembic itself runs {verb}() of {part.revision.path.name} here: it {part.inspects}"
    lines = [_Line(said, part.revision.id, True), *(_Line(text, part.revision.id, False) for text in part.version)]
    statements = tuple(line.text for line in lines)
    program = f"{verb} {part.revision.id}"
    return Step(PROGRAM, statements, part.position, program=program, origins=_origins(lines))


def _mark(part: Part, count: int) -> str:
    """How far a revision has come: its id, how many of its pieces are done, and which file they were of."""
    return f"{part.revision.id}:{count}:{part.revision.digest[:12]}{'' if part.up else ':down'}"


def _done(part: Part, mark: str) -> int:
    revision, count, digest, *down = [*mark.split(":"), "", ""]
    if "down" in down:
        raise MigrationError(
            f"the database is halfway back from revision {revision}: a rollback was stopped there",
            where=str(part.revision.path),
            hint="run the rest of its downgrade by hand, with its version table, and take the comment from that table",
        )
    if revision != part.revision.id or not count.isdigit() or digest != part.revision.digest[:12] or not part.up:
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
