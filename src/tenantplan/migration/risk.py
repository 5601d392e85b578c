"""A risk of a statement, before it is known where in a migration it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tenantplan.migration.lint.locks import Name

DANGER, WARNING, INFO = "danger", "warning", "info"


@dataclass(frozen=True, slots=True)
class Risk:
    """A hazard that has no place yet: `table` (or view, index, sequence) is where it strikes, `about` a type it is about.

    `columns` are those whose values it overwrites: where all of them are new, there are none yet, and `level` is too high.
    """

    rule: str
    level: str
    message: str
    table: Name | None = None
    about: Name | None = None
    columns: tuple[str, ...] = ()


Risks = Iterator[Risk]
