"""Sessions of other runs: how they are recognised and terminated."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from tenantplan.errors import TenantplanError
from tenantplan.postgres.connect import Connector
from tenantplan.postgres.queries import query

_TAG = "tp:"
_RUN = re.compile(rf"{_TAG}([0-9a-f-]{{36}})")


def tag(run_id: str) -> str:
    """The application_name of a run's sessions."""
    return _TAG + run_id


def untagged(name: str) -> str:
    """An application_name without the prefix: the id of a run, or any other name."""
    return name.removeprefix(_TAG)


def run_of(name: str) -> str | None:
    """The id of the run that an application_name belongs to; None when it is not a run's."""
    found = _RUN.fullmatch(name)
    return found.group(1) if found else None


PATIENCE = 30.0  # seconds an old session gets to end


def end_sessions(connector: Connector, aliases: Iterable[str], runs: list[str]) -> None:
    """Ends what is left of dead runs on every server: a CREATE DATABASE goes on after its client has died."""
    tags = {"tags": [tag(run) for run in runs]}
    for alias in aliases:
        with connector.connect(alias) as connection:
            deadline = time.monotonic() + PATIENCE
            while pids := [row[0] for row in connection.execute(query("sessions_of_runs"), tags).fetchall()]:
                if time.monotonic() > deadline:
                    raise TenantplanError(
                        f"sessions of an interrupted run do not end: server processes {pids}",
                        where=connector.servers[alias].place,
                        hint="end them by hand (pg_terminate_backend) and apply again",
                    )
                connection.execute(query("terminate"), {"pids": pids})
                time.sleep(0.05)
