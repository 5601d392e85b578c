"""Whether a session is fit for its purpose: PostgreSQL itself, new enough, encrypted, with the rights it needs.

`plan` asks it of a database that an organization brings before anybody saves its connection string, `apply` again right before
that, `db test` and `doctor` of every server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from tenantplan.model.check import Check, passed
from tenantplan.postgres import pooler
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query
from tenantplan.postgres.tls import ENFORCED, VERIFIED, is_local
from tenantplan.postgres.url import Server

ODD = (TypeError, ValueError, AttributeError, AssertionError)  # what comes of answers that no PostgreSQL gives
# Who brought a server is its superuser, and may put functions over the catalog's own.
ODD_SAID = (
    "the server answers questions about itself with values that no PostgreSQL gives: its system catalog or functions were replaced,"
    " or it is another product"
)
ODD_ADVICE = (
    "as its superuser, look for functions of schema pg_catalog that are not PostgreSQL's own; or give another server"
)
OLDEST = 150000  # server_version_num of PostgreSQL 15
Facts = Mapping[str, Any]


def read_facts(connection: Connection) -> Facts:
    """What the session is like, and what its role may do."""
    cursor = connection.execute(query("connection_facts"))
    row = cursor.fetchone()
    assert row is not None
    return dict(zip([column.name for column in cursor.description or ()], row, strict=True))


def session_checks(connection: Connection, server: Server, subject: str, facts: Facts) -> Iterator[Check]:
    """What every session has to be."""
    version = f"PostgreSQL {str(facts['version']).split(' ')[0]}"
    open_holes = holes(facts["version_num"])
    if facts["version_num"] < OLDEST:
        yield Check(subject, "version", "fail", version, "PostgreSQL 15 or newer is needed")
    elif open_holes:
        yield Check(subject, "version", "warn", f"{version}: {open_holes}", "take the newest minor release")
    else:
        yield passed(subject, "version", version)
    if facts["pid"] != connection.info.backend_pid:  # libpq's idea of the backend is not the server's own
        yield Check(subject, "no pooler", "fail", pooler.FOUND, pooler.ADVICE)
    else:
        yield passed(subject, "no pooler", "PostgreSQL itself answers")
    yield _tls(server, subject, facts)


def brought_checks(connection: Connection, server: Server, subject: str) -> Iterator[Check]:
    """What a database needs that tenantplan did not make: everything but the rights to make others."""
    facts = read_facts(connection)
    yield passed(subject, "connect", f"{server.place}, database {connection.info.dbname}, role {facts['role']}")
    yield from session_checks(connection, server, subject, facts)
    granted = f"as its owner: GRANT CREATE ON SCHEMA public TO {facts['role']}"
    yield right(subject, "create tables", facts["create_in_public"], "CREATE on schema public", granted)
    if not facts["owner"]:
        advice = "only needed to mark the database with a comment; everything else works"
        yield Check(subject, "owner", "warn", f"{facts['role']} does not own the database", advice)


def right(subject: str, name: str, has: bool, what: str, advice: str) -> Check:
    """Whether the role has a right that it needs."""
    return passed(subject, name, what) if has else Check(subject, name, "fail", f"the role lacks {what}", advice)


def _tls(server: Server, subject: str, facts: Facts) -> Check:
    mode = server.params.get("sslmode", "prefer")
    bound = server.params.get("channel_binding") == "require"
    if facts["tls"] and mode in VERIFIED:
        said = [facts["tls_version"], f"certificate verified ({mode})"]
        said += ["channel binding"] if bound else []
        said += ["client certificate"] if facts["client_certificate"] else []
        if bound or not server.params.get("password") or is_local(server.params):
            return passed(subject, "TLS", ", ".join(said))
        advice = "leave channel_binding out of the connection string, so that it is required, unless the server cannot"
        return Check(subject, "TLS", "warn", f"{', '.join(said)}, channel binding not required", advice)
    if facts["tls"]:
        advice = "sslmode=verify-full with sslrootcert also verifies the identity of the server"
        return Check(subject, "TLS", "warn", f"{facts['tls_version']}, certificate not verified ({mode})", advice)
    if facts["local"]:
        return passed(subject, "TLS", "not needed: a local socket")
    if mode in ENFORCED:
        return Check(subject, "TLS", "fail", f"not encrypted, against sslmode={mode}", "see the server's pg_hba.conf")
    if is_local(server.params):
        return passed(subject, "TLS", "not encrypted: this machine only")
    advice = "leave sslmode out of URL and fleet file, so that it is verify-full, and set sslrootcert"
    return Check(subject, "TLS", "warn", f"not encrypted (sslmode={mode})", advice)


@cache
def _table() -> dict[str, Any]:
    text = files(__package__).joinpath("releases.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def holes(version_num: int) -> str | None:
    """What is known to be open in a server_version_num, and the release that mends it; None for one that is not in the table."""
    table = _table()
    major, minor = divmod(version_num, 10_000)
    oldest = table["oldest"].get(str(major))
    if oldest is None or minor >= oldest:
        return None
    return f"{table['named']} and others are open, fixed in {major}.{oldest} (known on {table['made']})"
