"""Access: whether a change of a row restores access that the row denies now. PURE."""

from __future__ import annotations

from typing import Any

from tenantplan.model.moment import ordered
from tenantplan.model.resource import Row
from tenantplan.model.rowtype import RowType

_OPEN = ("ACTIVE", "active")  # of a status: the values under which it opens something
_GRADED = ("role", "permissions", "access")  # columns that say how much somebody may do, whoever writes them
# Roles and rights, the lowest first; those of different columns never meet.
_GRADES = (
    ("CLIENT_EDITOR", "AGENCY_DEVELOPER", "AGENCY_ADMIN", "SUPER_ADMIN"),
    ("SUPPORT", "SUPERADMIN"),
    ("MEMBER", "ADMIN", "OWNER"),
    ("READ_ONLY", "READ_WRITE", "ADMIN"),
)


def raised_columns(before: Row, after: Row, rowtype: RowType) -> tuple[str, ...]:
    """The columns by which `after` gives access that `before` does not."""
    graded = (column for column in _GRADED if column in rowtype.columns)
    switches = (*rowtype.access, *(("state",) if "state" in rowtype.written else ()), *graded)
    return tuple(
        column
        for column in switches
        if column in after.values and gives_more(before.values.get(column), after.values[column])
    )


def gives_more(had: Any, gets: Any) -> bool:
    """Whether a value opens more than another: an end that is later, or none; a limit that is higher, or none; a switch; a higher
    role; a permission that is not among those before."""
    if had is None or had == gets:
        return False
    if isinstance(had, list):
        return isinstance(gets, list) and any(each not in had for each in gets)
    for grades in _GRADES:
        if had in grades and gets in grades:
            return grades.index(gets) > grades.index(had)
    if isinstance(had, bool) or isinstance(gets, bool):
        return bool(gets)
    if isinstance(had, (int, float)):
        return gets is None or (isinstance(gets, (int, float)) and gets > had)  # no limit
    if not isinstance(had, str) or not isinstance(gets, str | None):
        return (
            False  # a mapping or a row that a kind of the fleet's own refers to: none is known to be more than another
        )
    if had[:1].isdigit() or had.endswith("infinity"):
        return had != "infinity" and (gets is None or ordered(gets) > ordered(had))  # no end
    return gets in _OPEN
