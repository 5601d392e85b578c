"""What has to hold before a rollout: the preflight queries of revisions, run in every database before the first DDL in any."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial

import psycopg

from tenantplan.apply.work import Work
from tenantplan.errors import Blocked, ConnectError, UntrustedCode
from tenantplan.journal import record
from tenantplan.live.fan_out import side_by_side
from tenantplan.model import address as addresses
from tenantplan.model.address import is_brought
from tenantplan.model.live import Survey
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Schema, expect
from tenantplan.model.step import PreflightCheck
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.guard import TIMEOUT, returns_rows

_SHOWN = 50
_HELD_UP = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)
# What a query of a later revision fails with when an earlier one of the same path makes what it is about.
_NOT_YET = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction)


def check_data(work: Work, control: Connection, done: Collection[str], live: Survey) -> None:
    """Blocked, with every database that fails, when a query that a revision declares as preflight returns a row somewhere.

    A database that cannot be reached is left to its migration, which fails alone. Each attempt is audited; `control` is a
    session on the main database that holds the fleet's lock.
    """
    operations = [o for o in work.plan.operations if o.checks and o.before is not None and o.id not in done]
    if not operations:
        return
    ids = [(a, i) for a, i in live.main.ids.items() if addresses.kind(a) == "organization" and addresses.is_document(a)]
    problems_of = partial(_problems, work.connector, dict(ids))
    found = list(side_by_side(problems_of, operations, work.settings.spec.max_connections, held=2))
    problems = [problem for listed, _ in found for problem in listed]
    asked_alone = [(o, lost) for o, (_, lost) in zip(operations, found, strict=True) if _tree(o) == "tenant"]
    record.attempted(work.author(0), control, asked_alone)
    if problems:
        places = "1 place" if len(problems) == 1 else f"{len(problems)} places"
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise Blocked(
            "\n".join([f"preflight failed in {places}:", *problems[:_SHOWN], *more]),
            hint="fix the data there, and apply again; nothing was changed",
        )


def _tree(operation: Operation) -> str:
    return expect(operation.after, Schema).tree


def _problems(connector: Connector, ids: Mapping[str, str], operation: Operation) -> tuple[list[str], str | None]:
    """What stands in the way of an operation; and why its database was out of reach, None when it was not."""
    schema = expect(operation.after, Schema)
    try:
        with connector.connect(
            schema.server, operation.found_in, read_only=True, patience=TIMEOUT / 1000
        ) as connection:
            if schema.tree == "shared":
                return list(_shared(connection, ids, operation)), None
            held = addresses.owner(operation.address, schema)
            found = [f"{held}: {why}" for check in operation.checks for why in _failed(connection, check, operation)]
            return found, None
    except ConnectError as error:
        return [], f"{error.where}: {error.message}"
    except _HELD_UP as error:  # its migration asks again, and fails alone
        return [], describe(error)


def _failed(
    connection: Connection, check: PreflightCheck, operation: Operation, organization: str | None = None
) -> Iterator[str]:
    """Why a check does not hold, at most once."""
    try:
        trusting = organization is not None or is_brought(operation.server)
        if returns_rows(connection, check.sql, organization, trusting=trusting):
            yield f"the preflight of revision {check.revision} returns rows: {' '.join(check.sql.split())}"
    except _NOT_YET as error:
        if check.revision == operation.revisions[0]:
            yield f"the preflight of revision {check.revision} could not be run: {describe(error)}"
    except UntrustedCode as error:
        yield f"the preflight of revision {check.revision} was not run: the database {error.message}: {error.hint}"
    except _HELD_UP:
        raise
    except psycopg.Error as error:
        yield f"the preflight of revision {check.revision} could not be run: {describe(error)}"


def _shared(connection: Connection, ids: Mapping[str, str], operation: Operation) -> Iterator[str]:
    """Forced row level security shows an owner nothing: each organization is asked by itself."""
    for check in operation.checks:
        for address, identifier in ids.items():
            for why in _failed(connection, check, operation, identifier):
                yield f"{address} (shared): {why}"
