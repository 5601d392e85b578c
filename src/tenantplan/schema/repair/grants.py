"""Repair of rights: what is granted beyond what should be is revoked, and what is missing is granted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from psycopg import sql

from tenantplan.schema.repair.comparison import SchemaComparison
from tenantplan.schema.repair.difference import Fix, ObjectDifference, Unrepaired
from tenantplan.schema.repair.names import identifier, routine, schema_of
from tenantplan.schema.repair.rights import OPTION, PRIVILEGES, Right, privileges, right

_ON = {
    "schema": "SCHEMA",
    "table": "TABLE",
    "view": "TABLE",
    "sequence": "SEQUENCE",
    "function": "ROUTINE",
    "type": "TYPE",
}
_MADE = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS", "L": "LARGE OBJECTS"}
_LETTERS = {"view": "r", "function": "f", "schema": "n"}  # of what a repair makes
_RELATION = "(SELECT relowner::regrole::text FROM pg_class WHERE oid = {}::regclass)"
# The owner's name is not in the fingerprint, and need not be that of the role that repairs.
_OWNERS = {
    "schema": "(SELECT nspowner::regrole::text FROM pg_namespace WHERE oid = {}::regnamespace)",
    "table": _RELATION,
    "view": _RELATION,
    "sequence": _RELATION,
    "type": "(SELECT typowner::regrole::text FROM pg_type WHERE oid = {}::regtype)",
    "function": "(SELECT p.proowner::regrole::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) = {})",
}


def grant(comparison: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """From the rights that one grantee has on one thing to those that it should have."""
    its = right(d)
    if its is None:
        return Unrepaired(d, "its grantee is unknown: REVOKE it by hand")
    if its.role:
        return Unrepaired(d, f"it is about what {its.role} makes: ALTER DEFAULT PRIVILEGES FOR ROLE {its.role} by hand")
    want, have = privileges(d.expected, its.usual), privileges(d.actual, its.usual)
    if not want.keys() | have.keys() <= PRIVILEGES:
        return Unrepaired(d, "a privilege that is not known here: by hand")
    revoked = have.keys() - want.keys()
    return Fix(d, make=(*_statements(its, want, have), *_on_columns(comparison, its, revoked)))


def closed(comparison: SchemaComparison, d: ObjectDifference) -> Iterator[sql.Composed]:
    """Takes from a thing just made what others got by default, and gives all to its owner: the rest is granted one by one."""
    place = _place(Right(d.kind, d.name, ""))
    holders = {"PUBLIC"} if d.kind == "function" else set()
    for identity, text in comparison.expected.items():
        its = right(ObjectDifference(identity, text, None))
        if its and its.made == _LETTERS[d.kind] and its.schema in ("", schema_of(d.name)):
            holders.add(its.grantee)
    for holder in sorted(holders):
        text = "GRANT ALL ON {} TO {}" if holder == "owner" else "REVOKE ALL ON {} FROM {}"
        yield sql.SQL(text).format(place, _role(holder))


def _statements(its: Right, want: Mapping[str, bool], have: Mapping[str, bool]) -> Iterator[sql.Composed]:
    kept = want.keys() & have.keys()
    new = {name for name in want if name not in have or (want[name] and not have[name])}
    yield from _grant_statements(its, "REVOKE {} ON {} FROM ", have.keys() - want.keys(), " CASCADE")
    yield from _grant_statements(
        its, "REVOKE GRANT OPTION FOR {} ON {} FROM ", {n for n in kept if have[n] > want[n]}, " CASCADE"
    )
    yield from _grant_statements(its, "GRANT {} ON {} TO ", {name for name in new if not want[name]}, "")
    yield from _grant_statements(its, "GRANT {} ON {} TO ", {name for name in new if want[name]}, OPTION)


def _grant_statements(its: Right, text: str, names: Iterable[str], end: str) -> Iterator[sql.Composed]:
    column = sql.SQL(" ({})").format(identifier(its.column)) if its.column else sql.SQL("")
    listed = [sql.SQL("{}{}").format(sql.SQL(name), column) for name in sorted(names)]
    if not listed:
        return
    said = sql.SQL(text).format(sql.SQL(", ").join(listed), _place(its))
    if its.on == "default":
        within = sql.SQL(" IN SCHEMA {}").format(identifier(its.schema)) if its.schema else sql.SQL("")
        said = sql.SQL("ALTER DEFAULT PRIVILEGES{} {}").format(within, said)
    if its.grantee == "owner" and its.on != "default":
        yield _of_owner(its, said, end)
    else:
        yield said + _role(its.grantee) + sql.SQL(end)


def _of_owner(its: Right, said: sql.Composed, end: str) -> sql.Composed:
    owner = sql.SQL(_OWNERS[its.on]).format(sql.Literal(its.name))
    body = sql.SQL("BEGIN EXECUTE {} || {} || {}; END").format(sql.Literal(said.as_string()), owner, sql.Literal(end))
    return sql.SQL("DO {}").format(sql.Literal(body.as_string()))


def _on_columns(comparison: SchemaComparison, its: Right, revoked: Iterable[str]) -> Iterator[sql.Composed]:
    """REVOKE on a table takes the same rights on its columns as well: those that should be are granted again.

    On a column that is missing they come with the column.
    """
    lost = set(revoked) if its.on in ("table", "view") and not its.column else set()
    for identity, text in comparison.expected.items() if lost else ():
        other = right(ObjectDifference(identity, text, None))
        if other and other.column and (other.name, other.grantee) == (its.name, its.grantee):
            column = comparison.differences.get(f"column {other.name}.{other.column}")
            if column and column.actual is None:
                continue
            yield from _statements(other, {n: option for n, option in privileges(text).items() if n in lost}, {})


def _place(its: Right) -> sql.Composable:
    if its.on == "default":
        return sql.SQL(_MADE[its.made])
    name = routine(its.name) if its.on == "function" else identifier(its.name)
    return sql.SQL("{} {}").format(sql.SQL(_ON[its.on]), name)


def _role(grantee: str) -> sql.Composable:
    words = {"PUBLIC": "PUBLIC", "owner": "CURRENT_USER"}
    return sql.SQL(words[grantee]) if grantee in words else identifier(grantee)
