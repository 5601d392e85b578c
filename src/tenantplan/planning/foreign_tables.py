"""A main database that holds tables of somebody else: they are named, with what to do instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.listing import some
from tenantplan.model.live import Survey
from tenantplan.model.plan import Finding

_NAMED = 5


def with_foreign_tables(conflicts: Iterable[Finding], live: Survey, database: str) -> list[Finding]:
    """The conflicts; that of a main database which was never tenantplan's says whose tables are in the way."""
    where = addresses.database(MAIN, database)
    tables = sorted(table for table in live.main.columns if table.startswith("public."))
    if not tables or not live.main.foreign:
        return list(conflicts)
    facts = live.servers[MAIN]
    message = (
        f"the database {database} on {facts.host}:{facts.port} is not tenantplan's: it holds {some(tables, _NAMED)}."
        " Name a database that is not there yet, or an empty one, in tenantplan.yaml: main: { database: tenantplan_main }"
    )
    return [replace(found, message=message) if found.address == where else found for found in conflicts]
