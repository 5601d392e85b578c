"""Statements inside of code that a statement holds: the body of DO, of a function or a procedure, and what EXECUTE runs there.

PL/pgSQL is read by PostgreSQL's own parser. What EXECUTE gets is followed where it is put together from constants (`||`,
format); where it is not, and in other languages, nothing is seen, and nothing is guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tenantplan.migration.lint.locks import Name, listed, within
from tenantplan.migration.sqltext import Tree, trees

_BODY = "PLpgSQL_expr"
_PLACE = re.compile(r"%(?:\d+\$)?-?\d*([sIL%])")
UNKNOWN = "only_a_run_knows_this_name"  # stands for a value that is not constant


def inner(tree: Tree) -> tuple[Tree, ...]:
    """The statements in the body of a DO, CREATE FUNCTION or CREATE PROCEDURE, in order; none of any other statement."""
    kind, node = tree
    if kind == "do_stmt":
        options = {each.def_elem.defname: each.def_elem.arg for each in node.args}
        return tuple(_parsed(_text(options.get("as")), _text(options.get("language")) or "plpgsql"))
    if kind == "create_function_stmt":
        options = {each.def_elem.defname: each.def_elem.arg for each in node.options}
        if node.HasField("sql_body"):
            return tuple(_atomic(node.sql_body))
        return tuple(_parsed(_text(options.get("as")), _text(options.get("language")) or "sql"))
    return ()


def defined(tree: Tree) -> Name | None:
    """The function or procedure that a statement makes; None for any other statement."""
    kind, node = tree
    return listed(node.funcname) if kind == "create_function_stmt" else None


def called(tree: Tree) -> Iterator[Name]:
    """The functions and procedures that a statement names as called."""
    for call in within(tree[1], "FuncCall"):
        yield listed(call.funcname)


def _text(node: Any) -> str:
    """The text of an option: a string, or the first of a list."""
    if node is None:
        return ""
    if node.HasField("list"):
        return _text(node.list.items[0]) if node.list.items else ""
    return str(node.string.sval)


def _atomic(node: Any) -> Iterator[Tree]:
    """The statements of BEGIN ATOMIC … END, or of RETURN."""
    kind = str(node.WhichOneof("node"))
    if kind == "list":
        for each in node.list.items:
            yield from _atomic(each)
    else:
        yield kind, getattr(node, kind)


def _parsed(body: str, language: str) -> Iterator[Tree]:
    if language.lower() == "sql":
        yield from _trees(body)
    elif language.lower() == "plpgsql":
        for query, is_dynamic in _queries(_plpgsql(body)):
            text = _built(query) if is_dynamic else query
            yield from _trees(text)


def _trees(text: str) -> tuple[Tree, ...]:
    try:
        return trees(text)
    except ValueError:  # an expression, or an assignment: it changes no row
        return ()


def _plpgsql(body: str) -> Any:
    from postgast import PgQueryError, parse_plpgsql

    tag = "$tp$"
    while tag in body:
        tag = f"{tag[:-1]}p$"
    for returned in ("void", "trigger", "SETOF record"):
        made = f"CREATE FUNCTION x() RETURNS {returned} LANGUAGE plpgsql AS {tag}{body}{tag}"
        try:
            return parse_plpgsql(made)
        except (PgQueryError, json.JSONDecodeError, RecursionError):
            continue
    return []


def _queries(node: Any, is_dynamic: bool = False) -> Iterator[tuple[str, bool]]:
    """The texts of a parsed body, and whether each is an expression that makes the statement that runs."""
    if isinstance(node, list):
        for each in node:
            yield from _queries(each, is_dynamic)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == _BODY:
                yield str(value.get("query", "")), is_dynamic
            else:
                dynamic = name in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors", "dynquery") or (
                    is_dynamic and name == "query"
                )
                yield from _queries(value, dynamic)


def _built(expression: str) -> str:
    """The text that an expression makes, with a name for what is not constant; "" where nothing of it is."""
    found = _trees(f"SELECT {expression}")
    targets = found[0][1].target_list if len(found) == 1 and found[0][0] == "select_stmt" else ()
    return _folded(targets[0].res_target.val) if targets else ""


def _folded(node: Any) -> str:
    kind = node.WhichOneof("node")
    if kind == "a_const":
        return str(node.a_const.sval.sval) if node.a_const.HasField("sval") else UNKNOWN
    if kind == "type_cast":
        return _folded(node.type_cast.arg)
    if kind == "a_expr" and [each.string.sval for each in node.a_expr.name] == ["||"]:
        return _folded(node.a_expr.lexpr) + _folded(node.a_expr.rexpr)
    if kind == "func_call" and listed(node.func_call.funcname)[1] in ("format", "concat"):
        parts = [_folded(each) for each in node.func_call.args]
        is_format = listed(node.func_call.funcname)[1] == "format"
        return _formatted(*parts) if is_format else "".join(parts)
    return UNKNOWN


def _formatted(pattern: str = "", *values: str) -> str:
    """What format() makes of constants; a name that is known is kept."""
    left = list(values)

    def filled(match: re.Match[str]) -> str:
        if match[1] == "%":
            return "%"
        value = left.pop(0) if left else UNKNOWN
        return f"'{value}'" if match[1] == "L" else value

    return _PLACE.sub(filled, pattern)
