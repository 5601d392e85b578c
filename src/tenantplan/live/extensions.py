"""Whether a server has extensions, and whether they can be made there by those who migrate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenantplan.model.resource import OWNER
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

_ELSEWHERE = "for this tree use a PostgreSQL of your own (main.url in the fleet file)"


@dataclass(frozen=True, slots=True)
class Supply:
    """What a server has of one extension. `embedded`: it is tenantplan's own server. `privileged`: only a superuser may make it.
    `installed`: the connected database has it. `entitled`: the connected role may make it all the same. `own`: what is in
    that database is that role's, and not OWNER's.
    """

    place: str
    embedded: bool
    available: bool
    privileged: bool
    installed: bool
    entitled: bool
    own: bool

    def obstacle(self, as_owner: bool, existing: bool) -> str:
        """Why CREATE EXTENSION IF NOT EXISTS fails, and what to do; "" when it does not. `as_owner`: OWNER runs it. `existing`:
        in the connected database, and not in a new one."""
        if existing and self.installed:
            return ""
        if not self.available:
            if self.embedded:
                return f"the embedded server does not have it: {_ELSEWHERE}"
            return (
                f"{self.place} does not have it: install it there (postgresql-contrib has those of PostgreSQL itself, others have"
                " packages of their own), or use a server that has it"
            )
        if not self.privileged or (self.entitled and (not as_owner or (existing and self.own))):
            return ""
        if self.embedded:
            return f"only a superuser may make it on the embedded server: {_ELSEWHERE}"
        if existing:
            return f"only a superuser may make it on {self.place}: as one, CREATE EXTENSION in that database, and plan again"
        return (
            f"only a superuser may make it on {self.place}, and new databases are {OWNER}'s: as an administrator of that server,"
            " write `trusted = true` into its .control file"
        )


def supplies(connection: Connection, names: Sequence[str], table: str, *, embedded: bool) -> dict[str, Supply]:
    """What the connected server has of each extension; `table` is the version table of the tree."""
    info, asked = connection.info, {"names": list(names), "table": table, "owner": OWNER}
    place = f"{info.host}:{info.port} (PostgreSQL {info.server_version // 10000}.{info.server_version % 10000})"
    return {
        row[0]: Supply(place, embedded, *row[1:]) for row in connection.execute(query("extensions"), asked).fetchall()
    }
