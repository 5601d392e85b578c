"""Roles that create roles: from PostgreSQL 16 on a role is a member of every role it created, and each change of roles walks
through all its memberships. Shared out, a change takes as long in a fleet of thousands as in one of a hundred.

tenantplan's role can be each of its creators, and nobody else can: it administers what they made as if it had made it.
"""

from __future__ import annotations

import secrets

from psycopg import sql

from tenantplan.ddl import statements
from tenantplan.model.resource import CREATOR
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

FROM = 160000  # the version of PostgreSQL
FULL = 250  # memberships of a creator that takes no more: of about 80 organizations


def as_creator(connection: Connection, listed: statements.Statements) -> statements.Statements:
    """The statements as one of the creators executes them, which is made if there is none with room, in this transaction.

    A superuser is a member of nothing that it makes, and executes them itself.
    """
    row = connection.execute(query("creator"), {"prefix": CREATOR, "full": FULL}).fetchone()
    superuser, found = row if row else (False, None)
    if superuser or not listed:
        return listed
    name = sql.Identifier(found or CREATOR + secrets.token_hex(4))
    made = [] if found else with_membership([sql.SQL("CREATE ROLE {} NOLOGIN CREATEROLE").format(name)])
    return [*made, sql.SQL("SET LOCAL ROLE {}").format(name), *listed, sql.SQL("RESET ROLE").format()]


def with_membership(listed: statements.Statements) -> statements.Statements:
    """CREATE ROLE in such a way that whoever executes it can be the new roles, and has their rights."""
    setting = sql.SQL("SET LOCAL createrole_self_grant = {}")
    return [setting.format(sql.Literal("set, inherit")), *listed, setting.format(sql.Literal(""))]
