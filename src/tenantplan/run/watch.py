"""Between the waves of a rollout: a pause, and a question to the databases that were changed."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psycopg

from tenantplan.errors import ConnectError
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Schema
from tenantplan.postgres.ask import asked
from tenantplan.postgres.connect import Connector, describe
from tenantplan.settings import RolloutSpec


def between_waves(pace: RolloutSpec, connector: Connector, done: Sequence[Operation]) -> str:
    """Why the rollout must not go on, "" when it may: the health query returned a row in a database that the wave migrated."""
    if not done:
        return ""
    time.sleep(pace.pause_seconds)
    migrated = [o.after for o in done if isinstance(o.after, Schema) and o.after.tree == "tenant"]
    for schema in migrated if pace.health else ():
        if why := _unhealthy(connector, schema, str(pace.health)):
            return f"after wave {done[-1].wave}, the health query {why} in database {schema.database or schema.server}"
    return ""


def _unhealthy(connector: Connector, schema: Schema, query: str) -> str:
    try:
        with connector.connect(schema.server, schema.database or None, read_only=True) as connection:
            return "finds rows" if asked(connection, query) else ""
    except ConnectError as error:
        return f"cannot be asked ({error.message})"
    except psycopg.Error as error:
        return f"cannot be asked ({describe(error)})"
