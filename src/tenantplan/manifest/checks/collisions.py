"""Databases and roles of different documents that would have one name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tenantplan.documents import Problem
from tenantplan.manifest.fleet_facts import FleetFacts
from tenantplan.manifest.placement import PlacedDocument
from tenantplan.manifest.server_objects import roles, second
from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.resource import OWNER

_NAME_PATH = ("spec", "database", "name")


def collisions(found: Sequence[PlacedDocument], facts: FleetFacts) -> Iterator[Problem]:
    """Databases or roles that two documents would share, and names that are the fleet's own."""
    claimed: dict[str, PlacedDocument] = {}
    for home in found:
        place = home.made or ((MAIN, home.bound) if home.bound else None)
        if place is None:
            continue
        server, name = place
        if home.made and name == facts.main_database:
            yield _clash(home, f"the database name `{name}` is the main database's")
        elif {OWNER, facts.group_rw, facts.group_ro, *facts.shared_groups} & set(roles(name)):
            yield _clash(home, f"a role of database `{name}` would be one of the fleet's group roles")
        databases = (addresses.database(server, name),) if home.made else ()
        for claim in (*databases, *(addresses.role(server, role) for role in (*roles(name), second(name)))):
            first = claimed.setdefault(claim, home)
            if first is not home:
                other = f"{first.document.kind} `{first.document.name}` at {_place(first)}"
                what = f"{addresses.kind(claim)} `{addresses.last_segment(claim)}`"
                yield _clash(home, f"the {what} on server {server} would also be that of {other}")
                break


def _clash(home: PlacedDocument, message: str) -> Problem:
    path = _NAME_PATH if home.document.has(*_NAME_PATH) else ("metadata", "name")
    return home.document.problem(message, *path, hint="give it another name with `database: { name: ... }`")


def _place(home: PlacedDocument) -> str:
    return str(home.document.at(*(_NAME_PATH if home.document.has(*_NAME_PATH) else ("metadata", "name"))))
