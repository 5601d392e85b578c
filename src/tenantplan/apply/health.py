"""Between the waves of a rollout: a pause, and a health query in the databases that were changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import psycopg

from tenantplan.errors import ConnectError, UntrustedCode
from tenantplan.model.address import is_brought
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Schema, expect
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connector
from tenantplan.postgres.guard import TIMEOUT, returns_rows
from tenantplan.settings.rollout import RolloutSpec


def between_waves(
    pace: RolloutSpec,
    connector: Connector,
    attempted: Callable[[Sequence[tuple[Operation, str | None]]], None],
    done: Sequence[Operation],
) -> str:
    """Why the rollout must not go on, "" when it may: the health query returned a row in a database that the wave migrated.

    `attempted` hears of each connection that was made for it, and why it failed, if it did.
    """
    if not done:
        return ""
    time.sleep(pace.pause_seconds)
    migrated = [o for o in done if o.action == "migrate" and o.in_own_database]
    attempts: list[tuple[Operation, str | None]] = []
    found = ""
    for operation in migrated if pace.health else ():
        schema = expect(operation.after, Schema)
        why, lost = _unhealthy(connector, schema, str(pace.health))
        attempts.append((operation, lost))
        if why:
            found = f"after wave {done[-1].wave}, the health query {why} in database {schema.database or schema.server}"
            break
    attempted(attempts)
    return found


def _unhealthy(connector: Connector, schema: Schema, query: str) -> tuple[str, str | None]:
    """What is wrong, "" when nothing is; and why there was no connection, None when there was one."""
    try:
        with connector.connect(
            schema.server, schema.database or None, read_only=True, patience=TIMEOUT / 1000
        ) as connection:
            found = returns_rows(connection, query, trusting=is_brought(schema.server))
            return "returns rows" if found else "", None
    except UntrustedCode as error:
        return f"could not be run ({error.message})", None
    except ConnectError as error:
        return f"could not be run ({error.message})", f"{error.where}: {error.message}"
    except psycopg.Error as error:
        return f"could not be run ({describe(error)})", None
