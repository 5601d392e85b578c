"""The message of a migration that failed: revision, file, which of how many statements, and the server's
words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psycopg

from tenantplan.errors import MigrationError
from tenantplan.migration.running.sending import failed_at
from tenantplan.model.site import Site, site
from tenantplan.model.step import OUTSIDE, PROGRAM, Step
from tenantplan.postgres.advice import describe


@contextmanager
def faults(steps: Sequence[Step], number: int, where: str, file: Callable[[str], str]) -> Iterator[None]:
    """Runs step `number` of a migration in the database `where`; `file` names a revision's file.

    A failure leaves as MigrationError that says all of it; what says nothing about the statements, such as a database at
    another revision, leaves as it is.
    """
    try:
        yield
    except psycopg.Error as error:
        message = "; ".join([describe(error), *getattr(error, "__notes__", ())])
        raise MigrationError(f"{_place(steps, number, error, file)}{message}", where=where) from error
    except MigrationError as error:
        error.message = f"{_place(steps, number, error, file)}{error.message}"
        raise


def _place(steps: Sequence[Step], number: int, error: Exception, file: Callable[[str], str]) -> str:
    step = steps[number]
    at = 0 if step.kind in (OUTSIDE, PROGRAM) else failed_at(error)
    found = None if at is None else site(steps, number, at)
    if found is None:
        return _path(steps, number, file)
    name = file(found.revision)
    if step.kind == PROGRAM:  # its statements are what it makes of the database it sees
        line = getattr(error, "line", None)
        return Site(found.revision, 0, 0, "").of(f"{name}:{line}" if line else name) + ": "
    return found.of(name) + ": "


def _path(steps: Sequence[Step], number: int, file: Callable[[str], str]) -> str:
    """The revisions of a step, where nobody knows at which of them it failed."""
    revisions = list(dict.fromkeys(origin.revision for origin in steps[number].origins if origin.revision))
    if not revisions:
        return f"on the way to revision {steps[number].revision}: " if steps[number].revision else ""
    if len(revisions) == 1:
        return Site(revisions[0], 0, 0, "").of(file(revisions[0])) + ": "
    return f"revisions {revisions[0]} to {revisions[-1]}: "
