"""Databases in which a migration stopped between two of its steps: what stands in the way of going on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg

from tenantplan.errors import ConnectError
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Schema
from tenantplan.model.step import OUTSIDE
from tenantplan.postgres.connect import Connector, describe
from tenantplan.postgres.queries import query


def halfway(connector: Connector, operations: Sequence[Operation]) -> Iterator[tuple[Finding, bool]]:
    """A finding for each database whose next statement builds an index that is there and INVALID: its build failed, or goes on
    without its client; and whether an index is being built there now."""
    for operation in operations:
        schema, steps = operation.before, operation.in_steps
        if isinstance(schema, Schema) and schema.halfway and steps and steps[0].kind == OUTSIDE and steps[0].index:
            why, building = _invalid(connector, schema.server, operation.found_in, steps[0].index)
            if why:
                revision = schema.halfway.partition(":")[0]
                message = f"stopped halfway through revision {revision}: {why}"
                yield Finding(operation.address, "halfway", message), building


def _invalid(connector: Connector, server: str, database: str | None, index: str) -> tuple[str, bool]:
    try:
        with connector.connect(server, database, read_only=True) as connection:
            row = connection.execute(query("index_validity"), {"index": index}).fetchone()
            building = connection.execute(query("builds_index")).rowcount > 0
    except ConnectError as error:
        return error.message, False
    except psycopg.Error as error:
        return describe(error), False
    if row is None or row[0]:
        return "", building
    message = (
        f"index {index} is INVALID: building it failed, or goes on in another session; mend what stood in its way,"
        f" DROP INDEX CONCURRENTLY {index}, and apply again"
    )
    return message, building
