"""An attempt to break isolation, and its outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import blocks

REFUSED, NOTHING, LEAK, OPEN, UNTRIED = "refused", "saw nothing", "LEAK", "open", "not tried"


@dataclass(frozen=True)
class Attempt:
    """One line: whose session, as which role, what it tried, and the outcome: "refused", "saw nothing", "LEAK", "open" (the
    server keeps it from nobody, as docs/isolation.md says), or "not tried". `detail` is the SQLSTATE or the count."""

    target: str
    role: str
    what: str
    outcome: str
    detail: str = ""

    def document(self) -> dict[str, Any]:
        """The line as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Subject:
    """A session under trial. `others` are ids of other organizations, `mine` is that of its own (None in a dedicated database:
    there is no other in it). `filled` are tables in which another organization has rows."""

    session: Connection
    target: str
    role: str
    mine: str | None = None
    others: Sequence[str] = ()
    filled: Sequence[tuple[str, str]] = ()

    def line(self, what: str, outcome: str, detail: str = "") -> Attempt:
        """A line about this session."""
        return Attempt(self.target, self.role, what, outcome, detail)

    def rows(self, name: str, **parameters: object) -> list[tuple[Any, ...]]:
        """What a block of isolation.sql returns to this session."""
        return self.session.execute(
            blocks("tenantplan.commands.isolation", "isolation.sql")[name], parameters or None
        ).fetchall()

    def attempt(self, statement: Any, *parameters: object) -> list[tuple[Any, ...]]:
        """What a statement returns, in a transaction that is taken back and waits for nobody; raises psycopg.Error."""
        with self.session.transaction(force_rollback=True):
            self.session.execute("SET LOCAL lock_timeout = '200ms'; SET LOCAL statement_timeout = '20s'")
            cursor = self.session.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else [(cursor.rowcount,)]

    def refused(self, what: str, *statements: Any, unless: str = "it was let through") -> Attempt:
        """A line that is a leak where the server executes one of the statements, or fails for another reason than a right."""
        states = set()
        for statement in statements:
            try:
                self.attempt(statement)
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported) as error:
                states.add(str(error.sqlstate))
            except (psycopg.errors.UndefinedFile, psycopg.errors.UndefinedObject) as error:
                states.add(str(error.sqlstate))  # there is no such thing to be had
            except psycopg.Error as error:
                return self.line(what, LEAK, f"{unless}: {describe(error)}")
            else:
                return self.line(what, LEAK, unless)
        return self.line(what, REFUSED, ", ".join(sorted(states)))


Try = Callable[[Subject], Iterator[Attempt]]
