"""A session in which no answer is waited for without end.

The server's own timeouts do not help against a server that is stopped, or that is none: it takes a connection, and all that is
sent to it, and says nothing. Nor do keepalives, which its kernel answers. So each answer has a deadline here as well.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

MARGIN = 3.0  # seconds that a server has to say that its own timeout was over
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
    """A session whose answers are waited for `patience` seconds each; None: for as long as the connection lives."""

    patience: float | None = None

    def wait(self, gen: PQGen[R], *args: Any, **kwargs: Any) -> R:
        """As psycopg's, but for the deadline. Raises Unanswered."""
        if self.patience is None:
            return super().wait(gen, *args, **kwargs)
        try:
            return super().wait(_until(gen, time.monotonic() + self.patience, self.patience), *args, **kwargs)
        except Unanswered:
            self.pgconn.finish()  # what may still come is not the answer to the next question
            raise


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
