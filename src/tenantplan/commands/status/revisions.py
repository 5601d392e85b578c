"""The revisions of every tree, and the databases at each of them, by their stamps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenantplan.commands.status.fleet_view import FleetView, rows
from tenantplan.migration.trees import edited
from tenantplan.model import address as addresses


@dataclass(frozen=True)
class TreeStatus:
    """One tree and the databases it is applied to. `at`, `behind` and `unknown` map revisions to database names.

    `unknown`: revisions that the tree does not have. `edited`: what is wrong with files of applied revisions. `pinned` maps
    organizations to the revision that their document keeps their database at.
    """

    tree: str
    head: str | None
    revisions: tuple[tuple[str, str], ...]
    at: Mapping[str | None, list[str]]
    behind: Mapping[str | None, list[str]]
    unknown: Mapping[str, list[str]]
    edited: tuple[str, ...]
    pinned: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """The tree as JSON."""
        return {
            "tree": self.tree,
            "head": self.head,
            "revisions": [
                {"revision": revision, "message": message, "databases": self.at.get(revision, [])}
                for revision, message in self.revisions
            ],
            "behind": {revision or "base": names for revision, names in self.behind.items()},
            "unknown": dict(self.unknown),
            "edited": list(self.edited),
            "pinned": dict(self.pinned),
        }


def revisions(scene: FleetView) -> list[TreeStatus]:
    """The trees main, shared (the tenant tree in the main database) and tenant, by the revisions databases are stamped with."""
    edits = edited(scene.trees, scene.live.main.recorded)
    found = []
    for tree in ("main", "shared", "tenant"):
        graph = scene.trees.of(tree)
        at: dict[str | None, list[str]] = {}
        for address, schema in sorted(scene.schemas.items()):
            if schema.tree == tree:
                at.setdefault(schema.revision, []).append(schema.database or addresses.name(address))
        changed = [f.message for f in edits if f.address.startswith(addresses.revision(graph.tree, ""))]
        found.append(
            TreeStatus(
                tree=tree,
                head=graph.head,
                revisions=tuple((revision.id, revision.message) for revision in graph.revisions),
                at=at,
                behind={r: names for r, names in at.items() if r != graph.head and graph.knows(r)},
                unknown={r: names for r, names in at.items() if r is not None and not graph.knows(r)},
                edited=tuple(changed) if tree != "shared" else (),
                pinned=_pins(scene) if tree == "tenant" else {},
            )
        )
    return found


def _pins(scene: FleetView) -> dict[str, str]:
    found = {str(row.values["slug"]): row.values.get("database_revision") for row in rows(scene.live.state)}
    return {name: str(revision) for name, revision in found.items() if revision}
