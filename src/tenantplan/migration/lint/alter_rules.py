"""What ALTER TABLE risks: each of its subcommands has its rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tenantplan.migration.lint.locks import Name, listed, named, within
from tenantplan.migration.risk import DANGER, INFO, WARNING, Risk, Risks
from tenantplan.migration.sqltext import definition, word


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SERIAL = _words("serial smallserial bigserial serial2 serial4 serial8")
# Functions in defaults: the first give each row its own value, so that all rows are written; the second do not.
VOLATILE = _words(
    "nextval currval setval random random_normal gen_random_uuid uuidv4 uuidv7 uuid_generate_v1 uuid_generate_v1mc "
    "uuid_generate_v4 clock_timestamp timeofday gen_random_bytes"
)
STABLE = _words(
    "now statement_timestamp transaction_timestamp timezone date_trunc make_date make_interval make_timestamp "
    "make_timestamptz to_timestamp to_date to_char to_number age date_part current_setting current_database "
    "current_schema lower upper concat concat_ws format md5 sha256 encode decode repeat replace btrim ltrim rtrim length "
    "abs round floor ceil array_fill string_to_array to_json to_jsonb json_build_object json_build_array "
    "jsonb_build_object jsonb_build_array int4range int8range numrange daterange tsrange tstzrange to_tsvector pi chr"
)
_VALIDATE = "add it NOT VALID, then VALIDATE CONSTRAINT in another transaction"
_SCAN = "reads the whole table while nobody can read or write it"
_BATCHES = "add a plain column, fill it in batches, then set the default"


def risks(node: Any) -> Risks:
    """The risks of an ALTER TABLE (INDEX, VIEW, SEQUENCE, TYPE …), in the order of its subcommands."""
    if word(node, "objtype") == "OBJECT_TYPE":
        yield from _composite(node)
        return
    for command in (each.alter_table_cmd for each in node.cmds):
        kind = word(command, "subtype").removeprefix("AT_")
        if kind in _RULES:
            yield from _RULES[kind](named(node.relation), command)


def _composite(node: Any) -> Risks:
    for command in (each.alter_table_cmd for each in node.cmds):
        if word(command, "subtype") == "AT_DropColumn":
            message = f"drops attribute {command.name} with its values in every column of type {node.relation.relname}"
            yield Risk("drop-other", DANGER, f"{message}: make a new type instead", about=named(node.relation))


def _add_column(table: Name, command: Any) -> Risks:
    column = definition(command).column_def
    constraints = {word(each.constraint, "contype"): each.constraint for each in column.constraints}
    default = constraints["CONSTR_DEFAULT"].raw_expr if "CONSTR_DEFAULT" in constraints else None
    has_default = default is not None and not default.a_const.isnull
    if why := _rewritten(column, constraints, default):
        message = f"{why}, so that the table is rewritten while nobody can use it: {_BATCHES}"
        yield Risk("table-rewrite", WARNING, message, table)
    filled = (
        has_default or _is_serial(column) or not constraints.keys().isdisjoint(("CONSTR_IDENTITY", "CONSTR_GENERATED"))
    )
    if not filled and not constraints.keys().isdisjoint(("CONSTR_NOTNULL", "CONSTR_PRIMARY")):
        message = (
            f"fails on a table with rows, which have no {column.colname}: add it nullable, fill it, then set NOT NULL"
        )
        yield Risk("not-null", WARNING, message, table)
    for kind, constraint in constraints.items():
        if kind != "CONSTR_FOREIGN" or has_default:  # a column of NULLs refers to nothing
            yield from _constraint(table, kind, constraint)


def _rewritten(column: Any, constraints: dict[str, Any], default: Any) -> str:
    """Why each row gets a value of its own that has to be written, or ""."""
    name = column.colname
    if "CONSTR_IDENTITY" in constraints or _is_serial(column):
        return f"{name} gets a number in every row"
    if "CONSTR_GENERATED" in constraints and constraints["CONSTR_GENERATED"].generated_kind == "s":
        return f"{name} is computed and stored in every row"
    called = {listed(each.funcname)[1] for each in within(default, "FuncCall")} if default is not None else set()
    if found := sorted(called & VOLATILE):
        return f"the default {found[0]}() gives every row another value"
    if found := sorted(called - STABLE):
        return f"the default {found[0]}(), unless it is immutable or stable, may give every row another value"
    return ""


def _is_serial(column: Any) -> bool:
    names = [each.string.sval for each in column.type_name.names]
    return len(names) == 1 and names[0] in _SERIAL


def _add_constraint(table: Name, command: Any) -> Risks:
    constraint = definition(command).constraint
    kind = word(constraint, "contype")
    if kind == "CONSTR_NOTNULL" and not constraint.skip_validation:
        yield _proves_not_null(constraint.keys[0].string.sval, table)
    yield from _constraint(table, kind, constraint)


def _constraint(table: Name, kind: str, constraint: Any) -> Risks:
    if constraint.skip_validation or constraint.indexname:  # NOT VALID or NOT ENFORCED; USING INDEX
        return
    if kind == "CONSTR_FOREIGN":
        message = f"checks every row while writes to both tables wait: {_VALIDATE}"
        yield Risk("constraint-scan", WARNING, message, table)
    elif kind == "CONSTR_CHECK":
        message = f"{_SCAN}: {_VALIDATE}"
        yield Risk("constraint-scan", WARNING, message, table)
    elif kind in ("CONSTR_UNIQUE", "CONSTR_PRIMARY"):
        message = "builds an index while nobody can read or write: build it CONCURRENTLY before, then ADD CONSTRAINT … USING INDEX"
        yield Risk("constraint-scan", WARNING, message, table)
    elif kind == "CONSTR_EXCLUSION":
        message = (
            "builds an index while nobody can read or write, which has no concurrent way: plan a maintenance window"
        )
        yield Risk("constraint-scan", WARNING, message, table)


def _set_not_null(table: Name, command: Any) -> Risks:
    yield _proves_not_null(command.name, table)


def _proves_not_null(column: str, table: Name) -> Risk:
    message = (
        f"{_SCAN}, unless a valid CHECK ({column} IS NOT NULL) proves it: "
        "add that NOT VALID, validate it in another transaction, then SET NOT NULL"
    )
    return Risk("not-null", WARNING, message, table)


def _drop_column(table: Name, command: Any) -> Risks:
    message = f"drops column {command.name} with its values: do it in a later release than the one that stops using it"
    yield Risk("drop-column", DANGER, message, table)


def _drop_constraint(table: Name, command: Any) -> Risks:
    others = " and the foreign keys that rely on it" if word(command, "behavior") == "DROP_CASCADE" else ""
    message = f"drops constraint {command.name}{others}, so that rows it refused get in"
    yield Risk("drop-other", WARNING, f"{message}: make sure that no code relies on it", table)


def _change_type(table: Name, command: Any) -> Risks:
    message = (
        f"may rewrite the table and its indexes while nobody can use it, for {command.name} (only a type that stores "
        "the same way is free, varchar(n) to text say): add a new column, fill it in batches, switch"
    )
    yield Risk("table-rewrite", WARNING, message, table)
    column = definition(command).column_def
    if column.HasField("raw_default") and not _only_cast(column.raw_default, command.name):
        message = (
            f"replaces every value of {command.name} by what its USING makes of it: "
            "put the new values in a new column, and drop the old one in a later release"
        )
        yield Risk("replace-values", DANGER, message, table, columns=(command.name,))


def _only_cast(using: Any, column: str) -> bool:
    """Whether a USING is the column itself or a cast of it. A cast to a length, such as varchar(3), cuts values silently."""
    while using.WhichOneof("node") == "type_cast" and not using.type_cast.type_name.typmods:
        using = using.type_cast.arg
    return bool(using.WhichOneof("node") == "column_ref" and using.column_ref.fields[-1].string.sval == column)


def _rewrites(why: str) -> Callable[[Name, Any], Risks]:
    def rule(table: Name, _: Any) -> Risks:
        message = f"{why} while nobody can read or write it: do it in a maintenance window"
        yield Risk("table-rewrite", WARNING, message, table)

    return rule


def _attach(_: Name, command: Any) -> Risks:
    message = f"{_SCAN}, to see that its rows fit: give it a validated CHECK that says so first"
    yield Risk("constraint-scan", WARNING, message, named(definition(command).partition_cmd.name))


def _detach(table: Name, command: Any) -> Risks:
    partition = definition(command).partition_cmd
    message = f"the rows of {partition.name.relname} are no longer found in the table: make sure that nothing reads them there"
    yield Risk("drop-other", INFO if partition.concurrent else WARNING, message, table)


_RULES: dict[str, Callable[[Name, Any], Iterable[Risk]]] = {
    "AddColumn": _add_column,
    "AddConstraint": _add_constraint,
    "AlterColumnType": _change_type,
    "AttachPartition": _attach,
    "DetachPartition": _detach,
    "DropColumn": _drop_column,
    "DropConstraint": _drop_constraint,
    "SetAccessMethod": _rewrites("rewrites the table for another access method"),
    "SetExpression": _rewrites("recomputes a stored column in every row"),
    "SetLogged": _rewrites("rewrites the table and its log"),
    "SetNotNull": _set_not_null,
    "SetTableSpace": _rewrites("copies the table to the other tablespace"),
    "SetUnLogged": _rewrites("rewrites the table, and from now on empties it after a crash,"),
}
