"""What the engine has to know of a kind of effect: how it is brought about, and how to see whether it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import eq

from tenantplan.apply.context import Run
from tenantplan.journal.recover import Open
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Resource
from tenantplan.planning.comparable import comparable
from tenantplan.postgres.connect import Connection

Converged = Callable[[Resource, Resource], bool]


@dataclass(frozen=True)
class Performed:
    """What came of an effect outside the main database: whether a session on a database was opened for it, and what is to be
    written in the transaction that records it."""

    connected: bool = False
    write: Callable[[Connection], None] = lambda main: None


def happened(item: Open, have: Resource | None, converged: Converged = eq) -> bool:
    """Whether the effect of an operation that an interrupted run left open is there; `have` is what is live."""
    if item.retire:
        return have is not None and have.retired_at is not None
    if item.after is None or have is None:
        return item.after is None and have is None
    return converged(item.after, comparable(have, item.after))


@dataclass(frozen=True)
class Effect:
    """`converged(want, have)` says whether what is live is what was to be, `happened(open, have)` whether the effect of an
    operation that an interrupted run left open is there. `catalog`: it changes what all databases of a server share."""

    converged: Converged = eq
    happened: Callable[[Open, Resource | None], bool] = happened
    catalog: bool = True


@dataclass(frozen=True, kw_only=True)
class Together(Effect):
    """Written in one transaction with others of its server; on the main server that is the transaction of its audit entry."""

    write: Callable[[Run, Connection, Operation], None]


@dataclass(frozen=True, kw_only=True)
class TwoCommits(Together):
    """Written in a transaction of its server, between two of the main database: the first keeps what must not be lost."""


@dataclass(frozen=True, kw_only=True)
class Alone(Effect):
    """Brought about by itself, after its intent is journaled; what came of it is recorded afterwards."""

    perform: Callable[[Run, Connection, Operation], Performed]
