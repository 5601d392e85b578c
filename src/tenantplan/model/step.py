"""A migration in steps: what happens, or does not happen, as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MARK = re.compile(r"[^,:]+:\d+:[0-9a-f]{12}(:down)?")
TRANSACTION, OUTSIDE, PROGRAM = "transaction", "outside", "program"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where `count` statements in a row come from: the author of a revision if `own`, else tenantplan, which puts checks before
    them and the version table's after them (revision "": it belongs to none)."""

    revision: str
    own: bool
    count: int


def parse_origins(listed: Iterable[Sequence[Any]]) -> tuple[Origin, ...]:
    """The origins that a document lists as [revision, own, count]."""
    return tuple(Origin(*item) for item in listed)


@dataclass(frozen=True, slots=True)
class Step:
    """`kind` says how `statements` run: together in one transaction; one by itself, because PostgreSQL allows it only outside
    of one; or as the revision's own program, run by Alembic in a transaction, since it looks at the database.

    `revision` is what the database is at when the step has ended (None: nothing applied). A revision that takes several
    steps leaves a mark on the way: `mark` is what the version table's comment says after the step, None where a
    revision has ended. `begun` is the mark that a statement outside a transaction leaves before it runs, and `index` the
    quoted name of the index that it builds, by which it can be told whether it has run. `program` says what Alembic runs:
    "upgrade 9c1b". `start` is the revision from which the step was compiled (None: nothing applied): a database at any other
    one refuses it. `origins` say which revision each statement is of, in order; empty: that is not known.
    """

    kind: str
    statements: tuple[str, ...]
    revision: str | None
    mark: str | None = None
    begun: str | None = None
    index: str | None = None
    program: str | None = None
    start: str | None = None
    origins: tuple[Origin, ...] = ()

    def document(self) -> dict[str, Any]:
        """The step as JSON; `origins` are there where they are known."""
        origins = {"origins": [[o.revision, o.own, o.count] for o in self.origins]} if self.origins else {}
        return origins | {
            "kind": self.kind,
            "statements": list(self.statements),
            "revision": self.revision,
            "mark": self.mark,
            "begun": self.begun,
            "index": self.index,
            "program": self.program,
            "start": self.start,
        }

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Step:
        """The step that `document` wrote."""
        origins = parse_origins(document.get("origins", ()))
        return Step(**{**document, "statements": tuple(document["statements"]), "origins": origins})


@dataclass(frozen=True, slots=True)
class PreflightCheck:
    """What has to hold before a revision: SQL that must return no row."""

    revision: str
    sql: str


@dataclass(frozen=True, slots=True)
class Hazard:
    """What a reviewer should know of a statement: `rule` is the machine's name of it, `level` danger, warning or info.

    `lock` is the table lock it takes, in PostgreSQL's words, on `table`.
    """

    rule: str
    level: str
    statement: int
    table: str | None
    lock: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Migration:
    """What it takes to bring a database from one revision to another.

    `revisions` are those on the way, `steps` what runs. `locks` are tables that writers wait for meanwhile, with the mode.
    `undo` is the way back, None where there is none. `back`: it takes `revisions` back itself. `destructive`: rows or values that
    are there now are gone when it has run; `losing` are the revisions that do that and need a person's word, `allowed` those that
    need none, with what their author wrote. `clones`: a new database is a copy of one in which the steps were run; `made_up` are
    the values that are the same in all of them for that.
    """

    revisions: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    checks: tuple[PreflightCheck, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    locks: tuple[tuple[str, str], ...] = ()
    undo: tuple[Step, ...] | None = None
    destructive: bool = False
    losing: tuple[str, ...] = ()
    allowed: tuple[tuple[str, str], ...] = ()
    back: bool = False
    clones: bool = True
    made_up: tuple[Hazard, ...] = ()

    @property
    def statements(self) -> tuple[str, ...]:
        """Every statement, in order."""
        return flat(self.steps)


def as_mark(comment: str | None) -> str | None:
    """The mark in a version table's comment; None when it is a comment of somebody else."""
    return comment if comment and _MARK.fullmatch(comment) else None


def flat(steps: Iterable[Step]) -> tuple[str, ...]:
    """The statements of steps, in order."""
    return tuple(statement for step in steps for statement in step.statements)


def all_origins(steps: Iterable[Step]) -> tuple[Origin, ...]:
    """The origins of the statements of steps, in order."""
    return tuple(origin for step in steps for origin in step.origins)


def one_transaction(steps: Iterable[Step]) -> bool:
    """Whether all of it happens together or not at all."""
    kinds = [step.kind for step in steps]
    return kinds in ([], [TRANSACTION])
