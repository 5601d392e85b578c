"""Privileges as the fingerprint prints them: the object, the grantee, and which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tenantplan.schema.repair.difference import ObjectDifference
from tenantplan.schema.repair.names import IDENTIFIER, split

_TABLE = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"})
_SEQUENCE, _LARGE_OBJECT = frozenset({"SELECT", "UPDATE", "USAGE"}), frozenset({"SELECT", "UPDATE"})
_SCHEMA, _FUNCTION, _TYPE = frozenset({"CREATE", "USAGE"}), frozenset({"EXECUTE"}), frozenset({"USAGE"})
# What an owner has where nothing was said; the fingerprint leaves it out. The letters are those of pg_default_acl.
_USUAL = {
    "table": _TABLE, "view": _TABLE, "sequence": _SEQUENCE, "schema": _SCHEMA, "function": _FUNCTION, "type": _TYPE,
    "r": _TABLE, "S": _SEQUENCE, "n": _SCHEMA, "f": _FUNCTION, "T": _TYPE, "L": _LARGE_OBJECT,
}  # fmt: skip
PRIVILEGES = frozenset().union(*_USUAL.values(), {"MAINTAIN"})
OPTION = " WITH GRANT OPTION"
_DEFAULT = re.compile(rf"(?P<made>[rSfTnL])(?: in (?P<schema>{IDENTIFIER}))?(?: of (?P<role>{IDENTIFIER}))?")


@dataclass(frozen=True)
class Right:
    """A privilege: `on` is the kind of the thing, or "default" for what will be made.

    `made` is the letter of what will be made, `schema` where, and `role` by whom if not by tenantplan. `grantee` is a
    quoted name, "PUBLIC" or "owner".
    """

    on: str
    name: str
    grantee: str
    column: str = ""
    made: str = ""
    schema: str = ""
    role: str = ""

    @property
    def usual(self) -> frozenset[str]:
        """The privileges that a missing row stands for."""
        if self.on == "default" and not self.schema:
            everybody = self.grantee == "PUBLIC" and self.made in ("f", "T")
            return _USUAL[self.made] if everybody or self.grantee == "owner" else frozenset()
        return _USUAL[self.on] if self.grantee == "owner" and self.on in _USUAL and not self.column else frozenset()


def right(d: ObjectDifference) -> Right | None:
    """What a grant's identity says; None for other kinds and where it cannot be told, as of a role that was dropped."""
    found = d.grant
    if not found:
        return None
    on, name, grantee = found["on"], found["name"], found["grantee"]
    if on == "column":
        table, column = split(name)
        return Right("table", table, grantee, column)
    if on != "default privileges":
        return Right(on, name, grantee)
    default = _DEFAULT.fullmatch(name)
    if not default:
        return None
    return Right("default", "", grantee, "", default["made"], default["schema"] or "", default["role"] or "")


def privileges(definition: str | None, usual: Iterable[str] = ()) -> Mapping[str, bool]:
    """Each privilege, and whether it may be passed on; None stands for what is usual."""
    if definition is None:
        return dict.fromkeys(usual, False)
    found: dict[str, bool] = {}
    for text in definition.split(", ") if definition != "none" else ():
        name = text.removesuffix(OPTION)
        found[name] = found.get(name, False) or text.endswith(OPTION)
    return found
