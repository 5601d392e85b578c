"""Whether a password logs in, without anything being done with the session."""

from __future__ import annotations

import re

import psycopg

from tenantplan.postgres.connect import Connector, session_params

_REFUSED = re.compile(r"password authentication failed|is not permitted to log in", re.I)
# What the server says to somebody whose password was right.
_AFTERWARDS = re.compile(
    r"too many connections for (role|database)|permission denied for database|does not exist", re.I
)


def logs_in(connector: Connector, alias: str, database: str, user: str, password: str) -> bool | str:
    """Whether the server takes the password, by SCRAM; a text says why that cannot be told."""
    server = connector.servers[alias]
    own = {
        "user": user,
        "password": password,
        "dbname": database,
        "require_auth": "scram-sha-256",
        "sslcertmode": "disable",
    }
    params = {k: v for k, v in session_params(server).items() if k not in ("sslcert", "sslkey", *own)}
    given = {**params, **own, "application_name": connector.tag}
    try:
        with connector.slot(alias):
            psycopg.connect("", **given).close()  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        if _REFUSED.search(said):
            return False
        return True if _AFTERWARDS.search(said) else f"logging in as it was not possible on {server.place}"
    return True
