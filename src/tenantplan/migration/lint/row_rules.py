"""What a statement does to existing rows, and what makes a migration destructive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tenantplan.migration.lint.locks import listed, named, within
from tenantplan.migration.risk import DANGER, INFO, WARNING, Risk, Risks
from tenantplan.migration.sqltext import word
from tenantplan.model.step import Hazard

DELETE_ROWS = "delete-rows"
_DELETES = "deletes the rows that it finds, in every database: count them on a copy first"
_OVERWRITES = "overwrites every row and keeps them locked until the migration ends: update in batches with WHERE"
_VALUES = (
    "overwrites every row that holds a value, since WHERE leaves out only NULLs: "
    "write to a new column, or say with WHERE which values are meant"
)


def risks(node: Any) -> Risks:
    """DELETE and UPDATE, in WITH too, MERGE, and lo_unlink()."""
    for each in within(node, "DeleteStmt", "UpdateStmt", "MergeStmt", "FuncCall"):
        kind = each.DESCRIPTOR.name
        if kind == "FuncCall":
            yield from _unlinked(each)
        elif kind == "MergeStmt":
            yield from _merged(each)
        elif kind == "DeleteStmt" and always(each.where_clause):
            message = "deletes every row: say with WHERE which, and take a backup if it is meant"
            yield Risk("delete-without-where", DANGER, message, named(each.relation))
        elif kind == "DeleteStmt":
            yield Risk(DELETE_ROWS, INFO, _DELETES, named(each.relation))
        else:
            joined = _reads(each.from_clause, each.relation.relname)
            yield from _updated(each, each.where_clause, joined, each.target_list)


def _unlinked(call: Any) -> Risks:
    if listed(call.funcname)[1] == "lo_unlink":
        yield Risk(DELETE_ROWS, INFO, "deletes large objects, in every database: count them on a copy first")


def _merged(node: Any) -> Risks:
    clauses = [clause.merge_when_clause for clause in node.merge_when_clauses]
    if any(word(clause, "command_type") == "CMD_DELETE" for clause in clauses):
        yield Risk(DELETE_ROWS, INFO, _DELETES, named(node.relation))
    joined = _reads([node.source_relation], node.relation.relname)
    for clause in clauses:
        if word(clause, "command_type") == "CMD_UPDATE" and always(clause.condition, values=True, joined=joined):
            yield from _updated(node, node.join_condition, joined, clause.target_list)


def _updated(node: Any, where: Any, joined: bool, targets: Any) -> Risks:
    if always(where, values=True, joined=joined):
        message = _OVERWRITES if always(where, joined=joined) else _VALUES
        columns = tuple(target.res_target.name for target in targets)
        yield Risk("update-without-where", DANGER, message, named(node.relation), columns=columns)


def _reads(sources: Iterable[Any], table: str) -> bool:
    """Whether the table is among what a statement joins."""
    return any(each.relname == table for source in sources for each in within(source, "RangeVar"))


def always(where: Any, *, values: bool = False, joined: bool = False) -> bool:
    """Whether a condition holds for every row, as far as its text tells: none, one without columns, OR with one that always
    does, or a column that equals itself.

    `values`: whether IS NOT NULL counts as holding: it leaves out only rows without a value. `joined`: the table is joined to
    itself, so that a column also equals itself under another alias.
    """
    kind = where.WhichOneof("node")
    if kind == "bool_expr":
        parts = [always(each, values=values, joined=joined) for each in where.bool_expr.args]
        match word(where.bool_expr, "boolop"):
            case "AND_EXPR":
                return all(parts)
            case "OR_EXPR":
                return any(parts)
            case _ if values and _is_null(where.bool_expr.args[0], "IS_NULL"):
                return True
    if values and _is_null(where, "IS_NOT_NULL"):
        return True
    if kind == "a_expr" and [each.string.sval for each in where.a_expr.name][-1:] in (["="], ["<="], [">="]):
        left, right = (_column(each)[-1 if joined else 0 :] for each in (where.a_expr.lexpr, where.a_expr.rexpr))
        if left and left == right:
            return True
    return not any(within(where, "ColumnRef", "CurrentOfExpr"))


def _is_null(node: Any, test: str) -> bool:
    return node.WhichOneof("node") == "null_test" and word(node.null_test, "nulltesttype") == test


def _column(node: Any) -> list[str]:
    return [each.string.sval for each in node.column_ref.fields] if node.WhichOneof("node") == "column_ref" else []


def unseen(statement: int, commits: bool) -> Hazard:
    """The hazard of a revision that only its own program can run; `commits`: in parts, which it commits by itself."""
    return Hazard("program", WARNING, statement, None, None, PROGRAM_UNSEEN + (COMMITS if commits else ""))


PROGRAM_UNSEEN = "inspects the database, so that only its own program knows what it does: read it for drops and locks"


COMMITS = "; it commits in its middle: if it is interrupted, a person reads how far it came before it runs again"


def destroys(rule: str, level: str) -> bool:
    """Whether a hazard makes a migration destructive: rows or values are gone for good when it has run."""
    return level == DANGER or rule == DELETE_ROWS
