"""A note on values that are the same in all new databases, because these are copies of one template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tenantplan.model import address as addresses
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database
from tenantplan.model.step import Hazard, Migration, all_origins

RULE = "made-up-value"
_SHOWN = 5


def made_up_values(operations: Iterable[Operation], migrations: Mapping[str, Migration]) -> list[Finding]:
    """One note, where a database is made as a copy and migrations write random values into rows; times are left to lint."""
    new = [o for o in operations if isinstance(o.after, Database) and o.before is None and o.clone and o.revisions]
    migration = migrations.get(new[0].address, Migration()) if new else Migration()
    named = [
        f"{hazard.table or 'what it writes'} (revision {_revision(migration, hazard)})"
        for hazard in migration.made_up
        if hazard.level != "info"
    ]
    named = list(dict.fromkeys(named))
    if not named:
        return []
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    said = (
        "new databases are copies of one in which the migrations ran, so that random values in their rows are the same in all: "
        f"{', '.join(named[:_SHOWN])}{more}. tenantplan migrations lint --from base says which;"
        " migrations: { clone: false } in the fleet file runs them in each"
    )
    return [Finding(addresses.revision("tenant", _revision(migration, migration.made_up[0])), RULE, said)]


def _revision(migration: Migration, hazard: Hazard) -> str:
    """The revision that a hazard's statement is of."""
    left = hazard.statement
    for origin in all_origins(migration.steps):
        if left < origin.count:
            return origin.revision
        left -= origin.count
    return migration.revisions[-1]
