"""All differences of one database together: what else is there, what is missing, and what uses what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from tenantplan.schema.repair import names
from tenantplan.schema.repair.difference import ObjectDifference, index_of

_HOLDERS = ("table", "view", "function", "type", "sequence", "schema")


class SchemaComparison:
    """All differences of one database, and the objects as they should be: all, if it is `complete`, or those that differ.

    The differences in `kept` are to stay, for the reasons given: those objects should be what they are.
    """

    def __init__(
        self,
        differences: Iterable[ObjectDifference],
        expected: Mapping[str, str],
        kept: Mapping[str, str] | None = None,
    ) -> None:
        self.differences = {d.identity: d for d in differences}
        self.complete = bool(expected)
        self.kept = kept or {}
        asked = {i: d.actual if i in self.kept else d.expected for i, d in self.differences.items()}
        every: dict[str, str | None] = {**expected, **asked}
        self.expected = {identity: text for identity, text in every.items() if text is not None}

    @property
    def known(self) -> set[str]:
        """The names of all objects that should be, of functions without their arguments."""
        return {names.routine_name(ObjectDifference(identity, None, None).name) for identity in self.expected}

    def __iter__(self) -> Iterator[ObjectDifference]:
        return iter(self.differences.values())

    def extras(self, kind: str, home: str) -> list[ObjectDifference]:
        """What there is of a kind in a table and should not be."""
        return [d for d in self if d.kind == kind and d.expected is None and d.home == home]

    def renamed(self, kind: str, home: str) -> list[ObjectDifference]:
        """Those of them that may be what is missing, under another name, and that are not to stay."""
        return [d for d in self.extras(kind, home) if not {d.identity, *index_of(d)} & self.kept.keys()]

    def made_by_hand(self, home: str) -> ObjectDifference | None:
        """The table, view or other holder itself, when it should not be there."""
        found = (self.differences.get(f"{kind} {home}") for kind in _HOLDERS)
        return next((d for d in found if d and d.expected is None), None)

    def belonging(self, home: str) -> list[ObjectDifference]:
        """Everything that should be on a view or function, as if it were missing: what a DROP takes along."""
        found = (ObjectDifference(identity, text, None) for identity, text in self.expected.items())
        return [d for d in found if d.home == home]

    def marked(self, table: str, mark: str) -> tuple[str, ...]:
        """The table's indexes that differ and have a mark that only one can have: setting it elsewhere changes them."""
        return tuple(d.identity for d in self if d.kind == "index" and d.home == table and f" {mark}" in f"{d.actual}")

    def parents(self, table: str) -> list[str]:
        """The tables that a table is a partition or a child of, as it is."""
        differs = self.differences.get(f"table {table}")
        definition = differs.actual if differs else self.expected.get(f"table {table}")
        return re.findall(rf"inherits ({names.QUALIFIED})", definition or "")
