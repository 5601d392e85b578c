"""Servers that were to be chosen by tags or weight: where there is none to choose, and where one does not fit any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tenantplan.documents import Problem
from tenantplan.documents.suggest import listing
from tenantplan.manifest.fleet_facts import FleetFacts
from tenantplan.manifest.placement import PlacedDocument
from tenantplan.model.plan import Finding

_SERVER = ("spec", "database", "server")


def unplaced(found: Iterable[PlacedDocument], facts: FleetFacts) -> Iterator[Problem]:
    """Each document that no server can be chosen for, or whose database is on one that the fleet file has no more."""
    for home in found:
        server = home.placement.server
        if home.tags is None or server in facts.servers or (server is None and home.deleted):
            continue
        if server is None:
            yield _problem(home, f"{_none(home.tags, facts)}{_asker(home)}", _offered(facts))
        else:
            message = f"its database is on server `{server}`, which is no longer in the fleet file"
            yield _problem(home, message, "declare that server again, or name the one that the database is on now")


def misplaced(found: Iterable[PlacedDocument], facts: FleetFacts) -> tuple[Finding, ...]:
    """A note for each database that stays where it is, although its server has not the tags asked for; by address."""
    offered, notes = facts.offered, []
    for home in found:
        server = home.placement.server
        if home.tags and server in offered and not offered[server].fits(home.tags) and not home.deleted:
            message = f"stays on server {server}, which lacks the tags {_tags(home.tags)}: {_STAYS}"
            notes.append(Finding(home.placement.holder, "placement", message))
    return tuple(sorted(notes, key=lambda note: note.address))


_STAYS = "a database moves only when `server` names another one"


def _problem(home: PlacedDocument, message: str, hint: str) -> Problem:
    """At the place where the document asks for a server, else where it names the tier that does."""
    path = _SERVER if home.document.has(*_SERVER) else ("spec", "tier")
    return home.document.problem(message, *path, hint=hint)


def _none(tags: Mapping[str, str], facts: FleetFacts) -> str:
    fitting = [name for name, offer in facts.offered.items() if offer.fits(tags)]
    having = f" with the tags {_tags(tags)}" if tags else ""
    if not fitting:
        return f"there is no server{having}"
    return f"no server{having} takes new databases: weight 0 for {listing(fitting)}"


def _asker(home: PlacedDocument) -> str:
    tier = getattr(home.document.spec, "tier", None)
    return "" if home.document.has(*_SERVER) or tier is None else f"; tier `{tier}` asks for one"


def _offered(facts: FleetFacts) -> str:
    words = [
        f"{name} ({', '.join(filter(None, (_tags(offer.tags), f'weight {offer.weight}')))})"
        for name, offer in facts.offered.items()
    ]
    return f"servers of the fleet file: {listing(words)}"


def _tags(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in sorted(tags.items()))
