"""Connections that hold what their own connection string says, and nothing of the machine's.

libpq fills in what a connection string leaves open from PG* variables, a service file, ~/.pgpass, ~/.postgresql and the user's
Kerberos tickets. For the fleet's own servers that is what its operator set up. A document names a host of its author's choice,
which would be sent all of it. So each of libpq's options is said, with the value that libpq was compiled with.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

NOWHERE = "/dev/null/none"  # a path that cannot be: with an empty one libpq looks in the home folder
_PINNED = {
    "port": "5432",
    "connect_timeout": "10",
    "passfile": NOWHERE,
    "gssencmode": "disable",
    "client_encoding": "UTF8",
    "sslmode": "prefer",
}


def sealed(params: Mapping[str, str]) -> dict[str, str]:
    """libpq's parameters with every option said that the environment could have a say in; those given stay as they are."""
    own = {key: value for key, value in params.items() if value}
    found = {**_compiled(), **_PINNED, **own}
    if "sslcert" not in own:
        found |= {"sslcertmode": "disable", "sslcert": NOWHERE, "sslkey": NOWHERE}
    if not own.get("require_auth"):
        found["require_auth"] = "!gss,!sspi"  # a ticket is the user's own, and any server may ask for one
    return found


def default_hosts() -> list[str]:
    """The hosts that libpq takes where a connection string names none."""
    from psycopg import pq

    said = {o.keyword: o.val for o in pq.Conninfo.get_defaults() if o.keyword in (b"host", b"hostaddr") and o.val}
    return [value.decode() for value in said.values()] or ["localhost"]


def default_host() -> str:
    """The host, or the folder of a socket, that libpq takes where a connection string names none."""
    return default_hosts()[0]


def default_port() -> str:
    """The port that libpq takes where a connection string names none."""
    from psycopg import pq

    return next((o.val.decode() for o in pq.Conninfo.get_defaults() if o.keyword == b"port" and o.val), "5432")


# What stays the machine's: whom it trusts, which is sent to nobody. And a service: an empty name is one that is not found, and
# its file fills in only what nobody says.
_KEPT = {"service", "servicefile", "sslrootcert", "sslcrl", "sslcrldir", "min_protocol_version", "max_protocol_version"}


@cache
def _compiled() -> dict[str, str]:
    """Each option of libpq that an environment variable can set, with its own default: empty where it has none."""
    from psycopg import pq

    known = {o.keyword.decode(): (o.compiled or b"").decode() for o in pq.Conninfo.get_defaults() if o.envvar}
    return {name: value for name, value in known.items() if name not in _KEPT}
