"""What the fleet file tells the manifest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FleetFacts:
    """Names that derived resources depend on; `dedicated` False puts every organization into the shared tables.

    `reserved`: references of the fleet's own secrets. `tables`: those that ResourceKind documents may stand for ("crm.*":
    all of a schema). `encrypts`: there is a key, so that connection strings can be stored.
    """

    fleet: str
    main_database: str
    database_prefix: str
    servers: frozenset[str]
    default_server: str = "primary"
    dedicated: bool = True
    group_rw: str = "tenantplan_rw"
    group_ro: str = "tenantplan_ro"
    encrypts: bool = False
    tables: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()
