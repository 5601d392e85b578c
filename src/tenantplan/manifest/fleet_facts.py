"""What the fleet file tells the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tenantplan.manifest.names import derive
from tenantplan.model.login import MAIN_TARGET
from tenantplan.model.resource import GROUPS


@dataclass(frozen=True)
class Offer:
    """What a server offers to databases that do not name theirs: its share of new ones (0: none), and its tags."""

    weight: int = 1
    tags: Mapping[str, str] = field(default_factory=dict)

    def fits(self, tags: Mapping[str, str]) -> bool:
        """Whether it has all of these tags."""
        return tags.items() <= self.tags.items()


@dataclass(frozen=True)
class FleetFacts:
    """Names that derived resources depend on; `dedicated` False puts every organization into the shared tables.

    `reserved`: references of the fleet's own secrets; `root`: where paths in references start. `tables`: those that
    ResourceKind documents may stand for ("crm.*": all of a schema). `encrypts`: there is a key, so that connection strings
    can be stored. `offers`: of servers that offer more than their name. `placed`: address of each organization and tenant that
    has a database of its own -> the server that it is on; None: not known. `targets`: where generated passwords can go, and
    the path of the files of a target that writes files. `pool`: size and overflow of pools that nobody declared.
    """

    fleet: str
    main_database: str
    database_prefix: str
    servers: frozenset[str]
    dedicated: bool = True
    group_rw: str = GROUPS[0]
    group_ro: str = GROUPS[1]
    encrypts: bool = False
    tables: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()
    root: str = ""
    offers: Mapping[str, Offer] = field(default_factory=dict)
    placed: Mapping[str, str] | None = None
    targets: Mapping[str, str | None] = field(default_factory=lambda: {MAIN_TARGET: None})
    pool: tuple[int, int] = (10, 20)

    @property
    def shared_groups(self) -> tuple[str, str, str]:
        """Roles of the main database's tenant tables: who writes them, who reads them, and who names an organization."""
        return tuple(derive("", self.main_database, suffix) for suffix in ("_rw", "_ro", "_pool"))  # type: ignore[return-value]

    @property
    def offered(self) -> dict[str, Offer]:
        """What each server offers, by name."""
        return {name: self.offers.get(name, Offer()) for name in sorted(self.servers)}
