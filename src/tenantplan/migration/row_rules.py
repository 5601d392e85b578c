"""What a statement does to rows that are there, and what makes a migration destructive."""

from __future__ import annotations

from typing import Any

from tenantplan.migration.locks import named, within
from tenantplan.migration.risk import DANGER, INFO, WARNING, Risk, Risks
from tenantplan.migration.sqltext import word
from tenantplan.model.step import Hazard


def risks(node: Any) -> Risks:
    """DELETE and UPDATE, in WITH too, and MERGE."""
    for each in within(node, "DeleteStmt", "UpdateStmt", "MergeStmt"):
        kind, table = each.DESCRIPTOR.name, named(each.relation)
        if kind == "MergeStmt":
            clauses = [clause.merge_when_clause for clause in each.merge_when_clauses]
            found = any(word(clause, "command_type") == "CMD_DELETE" for clause in clauses)
            yield from [Risk(DELETE_ROWS, INFO, _DELETES, table)] if found else []
        elif kind == "DeleteStmt" and always(each.where_clause):
            message = "deletes every row: say with WHERE which, and take a backup if it is meant"
            yield Risk("delete-without-where", DANGER, message, table)
        elif kind == "DeleteStmt":
            yield Risk(DELETE_ROWS, INFO, _DELETES, table)
        elif always(each.where_clause):
            message = (
                "overwrites every row and keeps them locked until the migration ends: update in batches with WHERE"
            )
            columns = tuple(target.res_target.name for target in each.target_list)
            yield Risk("update-without-where", DANGER, message, table, columns=columns)


DELETE_ROWS = "delete-rows"
_DELETES = "deletes the rows that it finds, in every database: count them on a copy first"


def always(where: Any) -> bool:
    """Whether a condition holds for every row, as far as its text tells: none, one without columns, OR with one that always
    does, or a column that equals itself."""
    if where.WhichOneof("node") == "bool_expr":
        parts = [always(each) for each in where.bool_expr.args]
        kind = word(where.bool_expr, "boolop")
        if kind in ("AND_EXPR", "OR_EXPR"):
            return all(parts) if kind == "AND_EXPR" else any(parts)
    if where.WhichOneof("node") == "a_expr" and [each.string.sval for each in where.a_expr.name] == ["="]:
        left, right = (_column(each) for each in (where.a_expr.lexpr, where.a_expr.rexpr))
        if left and left == right:
            return True
    return not any(within(where, "ColumnRef", "CurrentOfExpr"))


def _column(node: Any) -> list[str]:
    return [each.string.sval for each in node.column_ref.fields] if node.WhichOneof("node") == "column_ref" else []


def unseen(statement: int) -> Hazard:
    """The hazard of a revision that only its own program can run."""
    return Hazard("program", WARNING, statement, None, None, PROGRAM_UNSEEN)


PROGRAM_UNSEEN = "looks at the database, so that only its own program knows what it does: read it for drops and locks"


def destroys(rule: str, level: str) -> bool:
    """Whether a hazard makes a migration destructive: rows or values are gone for good when it has run."""
    return level == DANGER or rule == DELETE_ROWS
