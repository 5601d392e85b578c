"""Parts of a path, one for each revision, put together to steps: as few transactions as there can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from tenantplan.errors import MigrationError
from tenantplan.migration import sqltext
from tenantplan.migration.revision import Revision
from tenantplan.model.step import OUTSIDE, PROGRAM, TRANSACTION, Step


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
    asked: str = ""
    checks: Sequence[str] = ()


def assemble(
    parts: Sequence[Part], start: str | None, mark: str | None, first: Sequence[str], each_alone: bool = False
) -> tuple[Step, ...]:
    """The steps. `mark` was left by an interrupted migration; `first` are statements before everything else. `each_alone`: every
    revision has a transaction of its own."""
    steps: list[Step] = []
    pending: list[str] = list(first) if mark is None else []
    at = start
    for number, part in enumerate(parts):
        done = _done(part, mark) if number == 0 and mark else 0
        if not (number == 0 and mark):  # a resumed revision has been checked
            pending += [_guard(part.revision, check) for check in part.checks]
        if part.asked:
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


def _pieces(part: Part) -> list[tuple[list[str], bool]]:
    """Runs of statements that belong in one transaction, and those that stand alone; the last writes the version table."""
    pieces: list[tuple[list[str], bool]] = []
    for text, alone in part.entries:
        if alone or not pieces or pieces[-1][1]:
            pieces.append(([text], alone))
        else:
            pieces[-1][0].append(text)
    if not pieces or pieces[-1][1]:
        pieces.append(([], False))
    pieces[-1][0].extend(part.version)
    return pieces


def _transaction(statements: Sequence[str], at: str | None, mark: str | None = None) -> list[Step]:
    return [Step(TRANSACTION, tuple(statements), at, mark)] if statements else []


def _alone(part: Part, text: str, at: str | None, count: int) -> Step:
    """A statement that is committed by itself: in a transaction with its mark where PostgreSQL allows that."""
    if not sqltext.outside(text):
        return Step(TRANSACTION, (text,), at, _mark(part, count))
    built = sqltext.index_built(text)
    if built and not built[1]:
        raise MigrationError(
            "builds an index outside a transaction and gives it no name",
            where=str(part.revision.path),
            hint="name it: whether it was built is told by its name",
        )
    index = sql.Identifier(built[0] or "public", built[1]).as_string() if built and built[1] else None
    return Step(OUTSIDE, (text,), at, _mark(part, count), begun=_mark(part, count - 1), index=index)


def _program(part: Part) -> Step:
    verb = "upgrade" if part.up else "downgrade"
    said = f"-- Alembic itself runs {verb}() of {part.revision.path.name} here: it {part.asked}"
    return Step(PROGRAM, (said, *part.version), part.position, program=f"{verb} {part.revision.id}")


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
