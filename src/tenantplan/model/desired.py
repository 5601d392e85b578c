"""Desired state: a State, and what a State alone cannot express."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tenantplan.model.login import Login
from tenantplan.model.placement import Placement
from tenantplan.model.plan import Finding
from tenantplan.model.resource import State
from tenantplan.model.rowtype import Tables


@dataclass(frozen=True)
class Desired:
    """Desired resources by address.

    `deleted`: addresses that were declared `state: deleted`; `gone`: such rows, as far as their keys are known. `renames`: old
    address -> new address, for every resource that a `renamedFrom` touches. `labels`: address of a document -> its labels.
    `origins`: address -> "file:line". `tables`: every table that rows may be of. `adopted`: addresses of documents that take
    over what the application made. `restores`: address of a document -> the id of the deleted row that it brings back. `notes`:
    what a reviewer should see of it although it changes nothing. `logins`: holder -> how its login roles get passwords that
    tenantplan generates.
    """

    state: State = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()
    gone: State = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    placements: Mapping[str, Placement] = field(default_factory=dict)
    protected: frozenset[str] = frozenset()
    adopted: frozenset[str] = frozenset()
    restores: Mapping[str, str] = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)
    notes: tuple[Finding, ...] = ()
    logins: Mapping[str, Login] = field(default_factory=dict)
