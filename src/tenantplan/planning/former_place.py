"""Where data is that moves elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from tenantplan.model.operation import Operation
from tenantplan.model.resource import Row, State, one


@dataclass(frozen=True)
class FormerPlace:
    """The place that data leaves: a database of a server, one that was brought (`url` is its reference), or the shared tables, as
    far as their rows belong to the organization of that id."""

    organization: str | None = None
    server: str | None = None
    database: str | None = None
    url: str | None = None


def former_place(operation: Operation, live: State) -> FormerPlace:
    """The place that a row's data leaves; `live` has the names that the operation has."""
    before = one(operation.before, Row)
    assert before is not None, "only rows have a place"
    home = one(live.get(before.references.get("organization_id", "")), Row)
    place = before.values if before.values["database_mode"] != "inherit" or home is None else home.values
    if place["database_mode"] != "dedicated":
        mine = one(live.get(operation.address), Row) if before.id is None else before  # a plan file has no ids
        organization = home or mine
        assert organization is not None, "its own row is live"
        return FormerPlace(organization=str(organization.id))
    if place.get("database_server"):
        return FormerPlace(server=place["database_server"], database=place.get("database_name"))
    return FormerPlace(url=str(place["database_url"]))
