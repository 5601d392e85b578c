"""A session in which no answer is waited for without end.

The server's own timeouts do not help against a server that is stopped, or that is none: it takes a connection, and all that is
sent to it, and says nothing. Nor do keepalives, which its kernel answers. So an answer to a question has a deadline here as well.
What may take long, as making a database or an index does, has none: there the server is asked for a sign of life instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

MARGIN = 3.0  # seconds that a server has to say that its own timeout was over
SILENCE = 30.0  # seconds without a word, after which a server is asked whether it is alive
SIGNS = 3  # times that it is asked, each for as long as a session may take to open
# A host that is gone is noticed: after half a minute without a sign of life, or without an answer from its kernel.
ALIVE = {
    "keepalives": "1",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
R = TypeVar("R")


class Unanswered(psycopg.OperationalError):
    """The server took what was sent to it and did not answer in time. The session is closed."""


class Session(psycopg.Connection[Any]):
    """A session whose answers are waited for `patience` seconds each; None: for as long as the server is `alive`."""

    patience: float | None = None
    alive: Callable[[], bool] | None = None

    def wait(self, gen: PQGen[R], *args: Any, **kwargs: Any) -> R:
        """As psycopg's, but for the end of patience. Raises Unanswered."""
        if self.patience is not None:
            gen = _until(gen, time.monotonic() + self.patience, self.patience)
        elif self.alive is not None:
            gen = _while_alive(gen, self.alive)
        try:
            return super().wait(gen, *args, **kwargs)
        except Unanswered:
            self.pgconn.finish()  # what may still come is not the answer to the next question
            raise


def answers(params: Mapping[str, str]) -> bool:
    """Whether a server says anything to somebody who wants a session, be it that he cannot have one."""
    try:
        psycopg.connect("", **params).close()  # type: ignore[arg-type]
    except psycopg.errors.ConnectionTimeout:
        return False
    except psycopg.Error:
        return True
    return True


def _until(gen: PQGen[R], deadline: float, patience: float) -> PQGen[R]:
    """The same generator, ended at the deadline. psycopg wakes it ten times a second while nothing comes."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if time.monotonic() > deadline:
                raise Unanswered(f"no answer within {patience:g} s")
            wanted = gen.send(ready)
    except StopIteration as end:
        found: R = end.value
        return found


def _while_alive(gen: PQGen[R], alive: Callable[[], bool]) -> PQGen[R]:
    """The same generator, ended when the server gives no sign of life any more."""
    heard = time.monotonic()
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if ready or time.monotonic() - heard > SILENCE:
                if not ready and not any(alive() for _ in range(SIGNS)):
                    raise Unanswered(f"no answer for {time.monotonic() - heard:.0f} s, and no sign of life")
                heard = time.monotonic()
            wanted = gen.send(ready)
    except StopIteration as end:
        found: R = end.value
        return found
