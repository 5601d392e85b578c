"""A difference between live and desired: before and after, where None means absent."""

from __future__ import annotations

from dataclasses import dataclass

from tenantplan.model.resource import Resource


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that differs.

    `retire` marks the first step of a deletion, which keeps a way back; `after` None without it is the purge.
    `renamed_from` is the address the resource had before. `adopt`: the application made it, and it becomes the fleet's.
    `restore` marks the return of what was deleted and kept. Absence in the YAML never makes a Change.
    """

    address: str
    before: Resource | None
    after: Resource | None
    renamed_from: str | None = None
    retire: bool = False
    adopt: bool = False
    restore: bool = False
