"""Pins: organizations that say at which revision their database stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tenantplan.documents import Problem
from tenantplan.manifest.fleet_facts import FleetFacts
from tenantplan.manifest.placement import Home

PATH = ("spec", "database", "revision")


def misplaced_pins(found: Iterable[Home], facts: FleetFacts) -> Iterator[Problem]:
    """Each pin of an organization in the shared tables, which all have one revision.

    Where dedicated databases are switched off for the whole fleet, a pin waits for them as `server` and `name` do.
    """
    for home in found:
        if home.revision is not None and facts.dedicated and home.placement.mode == "shared" and not home.deleted:
            message = "`revision` is for a database of its own, and the data is in the shared tables"
            yield home.document.problem(message, *PATH, hint="remove it, or say `mode: dedicated`")
