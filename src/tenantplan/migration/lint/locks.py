"""Which tables a statement locks, and how, by PostgreSQL's documentation (versions 15 to 18 agree on what is here).

Only what the text names can be told: not the partitions and children of a table, the tables under a view, the table of
an index that is dropped or rebuilt, nor the other side of a foreign key that goes with a table or a constraint. A table
that the statement makes is left out, since nobody else sees it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tenantplan.migration.sqltext import Tree, definition, option, trees, word

Name = tuple[str, str]  # schema, or "" where the text leaves it to the search_path, and the name itself
Taken = Iterator[tuple[Name, str]]

# From the weakest to the strongest; LOCK TABLE's modes are numbered like this, from 1.
MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
READ, ROWS, WRITE, UPKEEP, SHARE, DEPEND, EXCLUSIVE, ALL = MODES

# ALTER TABLE takes ALL, with these exceptions.
_ALTER = {
    name: mode
    for mode, names in {
        UPKEEP: "SetStatistics ClusterOn DropCluster SetOptions ResetOptions ValidateConstraint AttachPartition "
        "DetachPartitionFinalize",
        DEPEND: "EnableTrig EnableAlwaysTrig EnableReplicaTrig EnableTrigAll EnableTrigUser DisableTrig DisableTrigAll "
        "DisableTrigUser",
    }.items()
    for name in names.split()
}
_UPKEEP_OPTIONS = re.compile(
    r"autovacuum_|log_autovacuum_|vacuum_|(fillfactor|toast_tuple_target|parallel_workers|n_distinct|deduplicate_items)$"
)
OF_TABLES = ("TRIGGER", "POLICY", "RULE")  # what is named on a table: DROP TRIGGER t ON donors
_RELATIONS = ("TABLE", "INDEX", "VIEW", "MATVIEW", "SEQUENCE", "FOREIGN_TABLE")


def locks(statement: str) -> tuple[tuple[str, str], ...]:
    """Table (or index, view, sequence) and strongest lock mode, in the order of the text; () for text without a tree.

    The tables are written as in `to_regclass`: "public.donors". A name without a schema is one of `public`, which is
    where migrations run.
    """
    try:
        parsed = trees(statement)
    except ValueError:
        return ()
    return tuple(strongest((written(name), mode) for tree in parsed for name, mode in taken(tree)).items())


def taken(tree: Tree) -> Taken:
    """Each lock that a parsed statement takes; one name can come several times."""
    kind, node = tree
    if kind in _KINDS:
        yield from _KINDS[kind](node)


def strongest(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The strongest mode of each name."""
    found: dict[str, str] = {}
    for name, mode in pairs:
        found[name] = max(mode, found.get(name, mode), key=MODES.index)
    return found


def written(name: Name, schema: str = "public") -> str:
    """A name as SQL writes it, quoted where it has to be; `schema` stands in for one that is left out."""
    parts = (name[0] or schema, name[1])
    plain = re.compile(r"[a-z_][a-z0-9_$]*")
    return ".".join(part if plain.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in parts)


def named(relation: Any) -> Name:
    """The name in a node that stands for a table."""
    return relation.schemaname, relation.relname


def listed(strings: Iterable[Any]) -> Name:
    """The name in a list of strings: schema, name (a database before them is left out)."""
    parts = [each.string.sval for each in strings]
    return (parts[-2] if len(parts) > 1 else ""), parts[-1]


def references(node: Any) -> Iterator[Name]:
    """The tables that the foreign keys in a node refer to."""
    for each in within(node, "Constraint"):
        if word(each, "contype") == "CONSTR_FOREIGN":
            yield named(each.pktable)


def within(node: Any, *types: str) -> Iterator[Any]:
    """The node itself and those below it that are of these types, in the order of the text."""
    if node.DESCRIPTOR.name in types:
        yield node
    for child in _children(node):
        yield from within(child, *types)


def _one(relation: Any, mode: str) -> Taken:
    if relation.relname:  # CLUSTER and ALTER … SET SCHEMA can be about something else than a table
        yield named(relation), mode


def _reading(node: Any, relation: Any, mode: str) -> Taken:
    """A lock on one table, and those of the queries that the statement holds."""
    yield from _one(relation, mode)
    yield from _query(node)


def _published(node: Any) -> Taken:
    listed_tables = (each.publication_obj_spec.pubtable for each in node.pubobjects)
    yield from ((named(each.relation), UPKEEP) for each in listed_tables if each.relation.relname)


def _each(relations: Any, mode: str) -> Taken:
    yield from ((named(each.range_var), mode) for each in relations)


def _query(node: Any, hidden: frozenset[str] = frozenset()) -> Taken:
    """Reads and writes of a query, subqueries included; `hidden` are the names that WITH gives to something else."""
    kind = node.DESCRIPTOR.name
    if kind == "RangeVar" and (node.schemaname or node.relname not in hidden):
        yield named(node), READ
    if kind in ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
        yield named(node.relation), WRITE
    if kind == "SelectStmt":
        yield from ((name, ROWS) for name in _locked_rows(node, hidden))
    tables = [each.common_table_expr for each in node.with_clause.ctes] if hasattr(node, "with_clause") else []
    if tables and node.with_clause.recursive:
        hidden |= {each.ctename for each in tables}
    for each in tables:
        yield from _query(each.ctequery, hidden)
        hidden |= {each.ctename}
    for child in _children(node):
        if child.DESCRIPTOR.name not in ("WithClause", "LockingClause", "IntoClause"):
            yield from _query(child, hidden)


def _children(node: Any) -> Iterator[Any]:
    for field, value in node.ListFields():
        # Constants are most of a long INSERT, and hold nothing.
        if field.message_type is not None and field.name != "a_const":
            yield from (value,) if hasattr(value, "ListFields") else value


def _locked_rows(select: Any, hidden: frozenset[str]) -> Iterator[Name]:
    """The tables of FOR UPDATE, FOR SHARE and the like."""
    clauses = [each.locking_clause for each in select.locking_clause]
    chosen = {each.range_var.relname for clause in clauses for each in clause.locked_rels}
    if not clauses:
        return
    for table in (each for item in select.from_clause for each in within(item, "RangeVar")):
        known_as = table.alias.aliasname or table.relname
        if (table.schemaname or table.relname not in hidden) and (not chosen or known_as in chosen):
            yield named(table)


def _alter(node: Any) -> Taken:
    if word(node, "objtype") == "OBJECT_TYPE":  # a composite type is no table
        return
    for command in (each.alter_table_cmd for each in node.cmds):
        kind = word(command, "subtype").removeprefix("AT_")
        yield named(node.relation), _alter_mode(kind, command)
        yield from ((name, DEPEND) for name in references(command))
        if kind in ("AttachPartition", "DetachPartition", "DetachPartitionFinalize"):
            partition = definition(command).partition_cmd
            yield named(partition.name), UPKEEP if kind == "DetachPartitionFinalize" else ALL
        if kind in ("AddInherit", "DropInherit"):
            yield named(definition(command).range_var), UPKEEP if kind == "AddInherit" else READ


def _alter_mode(kind: str, command: Any) -> str:
    """The lock that one subcommand takes on the altered table."""
    value = definition(command)
    if kind in ("SetRelOptions", "ResetRelOptions"):
        names = [each.def_elem.defname for each in value.list.items]
        return UPKEEP if all(map(_UPKEEP_OPTIONS.match, names)) else ALL
    if kind == "AddConstraint":
        return DEPEND if word(value.constraint, "contype") == "CONSTR_FOREIGN" else ALL
    if kind == "DetachPartition":
        return UPKEEP if value.partition_cmd.concurrent else ALL
    return _ALTER.get(kind, ALL)


def _create(node: Any) -> Taken:
    yield from ((name, DEPEND) for name in references(node) if name != named(node.relation))
    for parent in (each.range_var for each in node.inh_relations):
        yield named(parent), ALL if node.HasField("partbound") else UPKEEP
    for source in (each.table_like_clause for each in node.table_elts if each.HasField("table_like_clause")):
        yield named(source.relation), READ


def _drop(node: Any) -> Taken:
    what = word(node, "remove_type").removeprefix("OBJECT_")
    for parts in (each.list.items for each in node.objects):
        if what in OF_TABLES:
            yield listed(parts[:-1]), ALL
        elif what in _RELATIONS:
            yield listed(parts), UPKEEP if node.concurrent else ALL


def _comment(node: Any) -> Taken:
    what, parts = word(node, "objtype").removeprefix("OBJECT_"), node.object.list.items
    if what in _RELATIONS:
        yield listed(parts), UPKEEP
    elif what == "COLUMN":
        yield listed(parts[:-1]), UPKEEP
    elif what in (*OF_TABLES, "TABCONSTRAINT"):
        yield listed(parts[:-1]), READ


def _rename(node: Any) -> Taken:
    what = word(node, "rename_type").removeprefix("OBJECT_")
    if what in (*_RELATIONS, *OF_TABLES, "COLUMN", "TABCONSTRAINT"):
        yield named(node.relation), UPKEEP if what == "INDEX" else ALL


def _view(node: Any) -> Taken:
    if node.replace:
        yield named(node.view), ALL
    yield from _query(node.query)


def _vacuum(node: Any) -> Taken:
    mode = ALL if option(node.options, "full", False) else UPKEEP
    yield from ((named(each.vacuum_relation.relation), mode) for each in node.rels)


def _reindex(node: Any) -> Taken:
    what = word(node, "kind").removeprefix("REINDEX_OBJECT_")
    if what in ("TABLE", "INDEX"):
        concurrently = option(node.params, "concurrently", False)
        yield named(node.relation), UPKEEP if concurrently else SHARE if what == "TABLE" else ALL


def _copy(node: Any) -> Taken:
    if node.HasField("relation"):
        yield named(node.relation), WRITE if node.is_from else READ
    yield from _query(node.query)


def _schema(node: Any) -> Taken:
    for element in node.schema_elts:
        kind = str(element.WhichOneof("node"))
        for (schema, name), mode in taken((kind, getattr(element, kind))):
            yield (schema or node.schemaname, name), mode


_KINDS: dict[str, Callable[[Any], Taken]] = {
    "alter_object_schema_stmt": lambda node: _one(node.relation, ALL),
    "alter_policy_stmt": lambda node: _reading(node, node.table, ALL),
    "alter_publication_stmt": _published,
    "alter_seq_stmt": lambda node: _one(node.sequence, DEPEND),
    "alter_table_stmt": _alter,
    "cluster_stmt": lambda node: _one(node.relation, ALL),
    "comment_stmt": _comment,
    "copy_stmt": _copy,
    "create_foreign_table_stmt": lambda node: _create(node.base_stmt),
    "create_function_stmt": lambda node: _query(node.sql_body),
    "create_policy_stmt": lambda node: _reading(node, node.table, ALL),
    "create_publication_stmt": _published,
    "create_schema_stmt": _schema,
    "create_stats_stmt": lambda node: _each(node.relations, UPKEEP),
    "create_stmt": _create,
    "create_table_as_stmt": lambda node: _query(node.query),
    "create_trig_stmt": lambda node: _reading(node, node.relation, DEPEND),
    "declare_cursor_stmt": lambda node: _query(node.query),
    "delete_stmt": _query,
    "drop_stmt": _drop,
    "explain_stmt": lambda node: _query(node.query),
    "index_stmt": lambda node: _one(node.relation, UPKEEP if node.concurrent else SHARE),
    "insert_stmt": _query,
    "lock_stmt": lambda node: _each(node.relations, MODES[node.mode - 1]),
    "merge_stmt": _query,
    "prepare_stmt": lambda node: _query(node.query),
    "refresh_mat_view_stmt": lambda node: _one(node.relation, EXCLUSIVE if node.concurrent else ALL),
    "reindex_stmt": _reindex,
    "rename_stmt": _rename,
    "rule_stmt": lambda node: _reading(node, node.relation, ALL),
    "select_stmt": _query,
    "truncate_stmt": lambda node: _each(node.relations, ALL),
    "update_stmt": _query,
    "vacuum_stmt": _vacuum,
    "view_stmt": _view,
}
