"""What a parsed statement risks, whatever comes before it; ALTER TABLE has `alter_rules`.

Each message says what happens, then the safe way to the same end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tenantplan.migration.lint import row_rules
from tenantplan.migration.lint.locks import OF_TABLES, Name, listed, named
from tenantplan.migration.risk import DANGER, INFO, WARNING, Risk, Risks
from tenantplan.migration.sqltext import Tree, definition, option, outside_tree, word

_LATER = "do it in a later release than the one that stops using it"
_RELATIONS = ("VIEW", "MATVIEW", "INDEX", "SEQUENCE", "FOREIGN_TABLE")
_TYPES = ("TYPE", "DOMAIN")
_ONLY_LOGIC = ("INDEX", *OF_TABLES)  # CASCADE takes no column with them
_IN_USE = (
    "TABLE",
    "VIEW",
    "MATVIEW",
    "FOREIGN_TABLE",
    "COLUMN",
    "ATTRIBUTE",
    "SCHEMA",
    "FUNCTION",
    "PROCEDURE",
    *_TYPES,
)
_OPAQUE = "runs code whose locks and effects on values are unknown: read it for drops, deletes and locks"


def risks(tree: Tree) -> Risks:
    """The risks of a statement, in the order of its text."""
    kind, node = tree
    if kind in _RULES:
        yield from _RULES[kind](node)
    if outside_tree(tree):
        message = "runs outside the migration's transaction, so that a failure leaves what was done before it"
        yield Risk("not-in-transaction", INFO, f"{message}: give it a revision of its own")


def _drop(node: Any) -> Risks:
    what, cascade = word(node, "remove_type").removeprefix("OBJECT_"), word(node, "behavior") == "DROP_CASCADE"
    for each in node.objects:
        if what == "TABLE":
            message = f"drops the table with all its rows: {_LATER}, and after a backup"
            yield Risk("drop-table", DANGER, message, listed(each.list.items))
        elif what == "INDEX":
            yield _dropped_index(node, listed(each.list.items))
        else:
            yield _dropped(what, cascade, each)


def _dropped_index(node: Any, index: Name) -> Risk:
    if node.concurrent:
        return Risk(
            "drop-other", INFO, "queries that the index made fast become slow: make sure that none uses it", index
        )
    message = "reads and writes of the index's table wait for it: use DROP INDEX CONCURRENTLY"
    return Risk("drop-other", WARNING, message, index)


def _dropped(what: str, cascade: bool, node: Any) -> Risk:
    parts, kind = list(_parts(node)), what.lower().replace("_", " ").replace("matview", "materialized view")
    level = DANGER if cascade and what not in _ONLY_LOGIC else WARNING
    others = " and everything that depends on it, columns too" if level == DANGER else ""
    shown = parts[-1:] if what in OF_TABLES else parts
    message = f"drops {' '.join((kind, '.'.join(shown))).strip()}{others}: {_LATER}"
    name: Name = ((parts[-2] if len(parts) > 1 else ""), parts[-1]) if parts else ("", "")
    if what in OF_TABLES:
        return Risk("drop-other", level, message, listed(node.list.items[:-1]))
    if what in _RELATIONS:
        return Risk("drop-other", level, message, name)
    return Risk("drop-other", level, message, about=name if what in _TYPES else None)


def _parts(node: Any) -> Iterator[str]:
    """The name of what is dropped, in whichever of the tree's ways it is given."""
    kind = node.WhichOneof("node")
    if kind == "string":
        yield node.string.sval
    names = {
        "list": lambda: node.list.items,
        "type_name": lambda: node.type_name.names,
        "object_with_args": lambda: node.object_with_args.objname,
    }
    yield from (each.string.sval for each in (names[kind]() if kind in names else ()) if each.HasField("string"))


def _dropped_whole(what: str, level: str) -> Callable[[Any], Risks]:
    def rule(_: Any) -> Risks:
        yield Risk(
            "drop-other", level, f"drops {what}, in every database that it runs on: do it by hand, not in a migration"
        )

    return rule


def _truncate(node: Any) -> Risks:
    others = " and every table that refers to it" if word(node, "behavior") == "DROP_CASCADE" else ""
    for each in node.relations:
        message = f"empties the table{others}: say with DELETE … WHERE which rows go, or take a backup if it is meant"
        yield Risk("truncate", DANGER, message, named(each.range_var))


def _explain(node: Any) -> Risks:
    if option(node.options, "analyze", False):  # EXPLAIN alone runs nothing
        yield from row_rules.risks(node.query)


def _index(node: Any) -> Risks:
    if not node.concurrent:
        message = "writes wait while the index is built: use CREATE INDEX CONCURRENTLY, outside a transaction"
        yield Risk("blocking-index", WARNING, message, named(node.relation))


def _reindex(node: Any) -> Risks:
    if not option(node.params, "concurrently", False):
        message = "writes, and reads that want the index, wait while it is built anew: use REINDEX … CONCURRENTLY"
        yield Risk("blocking-index", WARNING, message, named(node.relation) if node.relation.relname else None)


def _rewrites(message: str) -> Callable[[Any], Risks]:
    def rule(node: Any) -> Risks:
        yield Risk("table-rewrite", WARNING, message, named(node.relation) if node.relation.relname else None)

    return rule


def _vacuum(node: Any) -> Risks:
    if option(node.options, "full", False):
        tables: list[Name | None] = [named(each.vacuum_relation.relation) for each in node.rels]
        message = "rewrites the table while nobody can read or write it: VACUUM without FULL blocks nobody"
        yield from (Risk("table-rewrite", WARNING, message, table) for table in tables or [None])


def _refresh(node: Any) -> Risks:
    if not node.concurrent and not node.skip_data:
        message = "nobody can read the view while it is computed: give it a unique index and refresh it CONCURRENTLY"
        yield Risk("table-rewrite", WARNING, message, named(node.relation))


def _moved_all(_: Any) -> Risks:
    message = (
        "copies every table of the tablespace while nobody can use it: move one at a time, in a maintenance window"
    )
    yield Risk("table-rewrite", WARNING, message)


def _rename(node: Any) -> Risks:
    what = word(node, "rename_type").removeprefix("OBJECT_")
    if what in _IN_USE:
        old = node.subname or ".".join(_parts(node.object)) or node.relation.relname
        message = f"the running release still uses {old}: add {node.newname} beside it, switch, then drop {old}"
        relation = named(node.relation) if node.relation.relname and what != "ATTRIBUTE" else None
        yield Risk("rename", WARNING, message, relation)


def _moved(node: Any) -> Risks:
    if word(node, "object_type").removeprefix("OBJECT_") in _IN_USE:
        message = f"what names its old schema fails once it is in {node.newschema}: leave a view under the old name"
        yield Risk("rename", WARNING, message, named(node.relation) if node.relation.relname else None)


def _enum(node: Any) -> Risks:
    name = listed(node.type_name)
    if node.old_val:
        message = f"the running release still uses {node.old_val!r}: add {node.new_val!r}, switch, leave the old value"
    else:
        message = (
            f"{node.new_val!r} can be used only when this transaction has ended, and never be taken back: "
            "add it a revision before the one that uses it"
        )
    yield Risk("enum-value", WARNING, message, about=name)


def _domain(node: Any) -> Risks:
    constraint = definition(node).constraint
    if node.subtype == "C" and word(constraint, "contype") == "CONSTR_CHECK" and not constraint.skip_validation:
        message = "reads every table that uses the domain while writes wait: add it NOT VALID, validate it later"
        yield Risk("constraint-scan", WARNING, message, about=listed(node.type_name))
    elif node.subtype == "O" or (node.subtype == "C" and word(constraint, "contype") == "CONSTR_NOTNULL"):
        message = (
            "reads every table that uses the domain while writes wait: use a CHECK that is NOT VALID, validate it later"
        )
        yield Risk("not-null", WARNING, message, about=listed(node.type_name))


def _control(node: Any) -> Risks:
    kind = word(node, "kind").removeprefix("TRANS_STMT_")
    if kind in ("BEGIN", "START", "COMMIT", "ROLLBACK", "PREPARE"):
        message = f"begins or ends the migration's transaction itself ({kind}): leave that to tenantplan"
        yield Risk("not-in-transaction", WARNING, message)


def _opaque(message: str) -> Callable[[Any], Risks]:
    def rule(_: Any) -> Risks:
        yield Risk("opaque", INFO, message)

    return rule


_RULES: dict[str, Callable[[Any], Iterable[Risk]]] = {
    "alter_domain_stmt": _domain,
    "alter_enum_stmt": _enum,
    "alter_object_schema_stmt": _moved,
    "alter_table_move_all_stmt": _moved_all,
    "call_stmt": _opaque(_OPAQUE),
    "cluster_stmt": _rewrites("rewrites the table while nobody can read or write it: do it in a maintenance window"),
    "copy_stmt": row_rules.risks,
    "create_function_stmt": _opaque("defines code: it counts where it is called"),
    "create_table_as_stmt": row_rules.risks,
    "declare_cursor_stmt": row_rules.risks,
    "delete_stmt": row_rules.risks,
    "do_stmt": _opaque(_OPAQUE),
    "drop_owned_stmt": _dropped_whole("everything that the role owns", DANGER),
    "drop_role_stmt": _dropped_whole("the role", WARNING),
    "drop_stmt": _drop,
    "drop_subscription_stmt": _dropped_whole("the subscription", WARNING),
    "drop_table_space_stmt": _dropped_whole("the tablespace", WARNING),
    "dropdb_stmt": _dropped_whole("the database with all its tables", DANGER),
    "explain_stmt": _explain,
    "index_stmt": _index,
    "insert_stmt": row_rules.risks,
    "merge_stmt": row_rules.risks,
    "prepare_stmt": row_rules.risks,
    "refresh_mat_view_stmt": _refresh,
    "reindex_stmt": _reindex,
    "rename_stmt": _rename,
    "select_stmt": row_rules.risks,
    "transaction_stmt": _control,
    "truncate_stmt": _truncate,
    "update_stmt": row_rules.risks,
    "vacuum_stmt": _vacuum,
}
