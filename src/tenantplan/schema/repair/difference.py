"""Differences and their repairs. Values only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from psycopg import sql

from tenantplan.schema.repair import names

_KIND = re.compile(r"(?P<kind>event trigger|\S+) (?P<name>.*)", re.DOTALL)
_GRANT = re.compile(
    r"grant (?P<on>schema|table|view|sequence|column|function|type|default privileges) (?P<name>.*)"
    rf" to (?P<grantee>PUBLIC|owner|{names.IDENTIFIER})",
    re.DOTALL,
)
_HOMES = {
    "index": re.compile(rf" ON (?:ONLY )?(?P<home>{names.QUALIFIED}) USING "),
    "statistics": re.compile(rf" FROM (?:ONLY )?(?P<home>{names.QUALIFIED})$"),
    "sequence": re.compile(rf" of (?P<home>{names.QUALIFIED})\.{names.IDENTIFIER}$"),
}
_INSIDE = ("column", "attribute", "constraint", "policy", "trigger", "rule")
KEYS = ("PRIMARY KEY", "UNIQUE", "EXCLUDE")
_USED = ("table", "type", "sequence", "function", "view")


@dataclass(frozen=True)
class ObjectDifference:
    """An object that differs: its identity, and its definitions as it should be and as it is; None means not there."""

    identity: str
    expected: str | None
    actual: str | None

    @property
    def kind(self) -> str:
        """The identity's first word: "column"."""
        return self._read["kind"]

    @property
    def name(self) -> str:
        """What follows the kind: "public.donors.email"."""
        return self._read["name"]

    @property
    def wanted(self) -> str:
        """The definition as it should be, "" for an object that should not be."""
        return self.expected or ""

    @cached_property
    def grant(self) -> re.Match[str] | None:
        """Of a grant: `on` (the kind), `name` and `grantee`; None when it cannot be read."""
        return _GRANT.fullmatch(self.identity)

    @cached_property
    def home(self) -> str:
        """The table, view, function, type or schema that it is in or on, and goes with; "" when it stands alone."""
        if self.kind in _HOMES:
            found = _HOMES[self.kind].search(self.wanted or self.actual or "")
            return found["home"] if found else ""
        if self.kind in _INSIDE:
            return _parent(self.name)
        if self.kind == "grant" and self.grant:
            return _granted(self.grant["on"], self.grant["name"])
        return ""

    @cached_property
    def called(self) -> tuple[str, ...]:
        """The names that are in the definition of whatever uses the object; () for a kind that nothing uses."""
        if self.kind == "column":
            return names.split(self.name)
        return (names.routine_name(self.name),) if self.kind in _USED else ()

    def text(self, definition: str | None) -> str:
        """What other objects' names are looked for in: the identity, and a definition without a function's body."""
        return names.outside_body(f"{self.identity} {definition or ''}")

    @cached_property
    def _read(self) -> re.Match[str]:
        found = _KIND.fullmatch(self.identity)
        assert found, self.identity
        return found


@dataclass(frozen=True)
class Fix:
    """The repair of one object: `remove` runs before anything of any object is made, `make` after.

    `with_others` are the differences that have to be repaired with it, and stay with it otherwise; `renamed` is what is
    there under another name and is renamed back, `note` what the repair does not bring back.
    """

    difference: ObjectDifference
    remove: tuple[sql.Composable, ...] = ()
    make: tuple[sql.Composable, ...] = ()
    with_others: tuple[str, ...] = ()
    renamed: ObjectDifference | None = None
    note: str = ""

    @property
    def gone(self) -> set[str]:
        """What no longer differs once it has its name again; a constraint's index is renamed with it."""
        return {self.renamed.identity, *index_of(self.renamed)} if self.renamed else set()


@dataclass(frozen=True)
class Unrepaired:
    """An object that stays as it is: why, and what to do."""

    difference: ObjectDifference
    why: str


def index_of(d: ObjectDifference) -> tuple[str, ...]:
    """The index that comes and goes with a constraint: one identity, or none."""
    if d.kind != "constraint" or not (d.expected or d.actual or "").startswith(KEYS):
        return ()
    return (f"index {names.schema_of(d.name)}.{names.split(d.name)[1]}",)


def _granted(on: str, name: str) -> str:
    if on == "default privileges":
        return name.partition(" in ")[2].partition(" of ")[0]
    return _parent(name) if on == "column" else name


def _parent(name: str) -> str:
    found = names.parts(name)
    return ".".join(found[:2]) if len(found) > 2 else ""
