"""Values that the server makes up while a migration writes rows: random ones, and times.

A new database is a copy of the template, in which the migration ran once. So all of them have the same value there, which the
same migration, run in each, would not give them. What a migration writes into rows that only the application makes counts for
nothing: a template has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tenantplan.migration.compile.assemble import DIFFERS
from tenantplan.migration.lint.locks import listed, named, within
from tenantplan.migration.risk import INFO, WARNING
from tenantplan.migration.sqltext import Tree, definition, word
from tenantplan.migration.tree import prisma_files
from tenantplan.migration.tree.alembic_files import SHARED_VERSION_TABLE, VERSION_TABLE
from tenantplan.model.step import Hazard

RULE = "made-up-value"
_RANDOM = {
    *("random", "random_normal", "gen_random_bytes", "gen_random_uuid", "gen_salt", "uuidv4", "uuidv7"),
    *("uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4"),
}
_TIMES = {"now", "statement_timestamp", "transaction_timestamp", "clock_timestamp", "timeofday"}
_VERSION_TABLES = (VERSION_TABLE, SHARED_VERSION_TABLE, prisma_files.VERSION_TABLE)
_ALIKE = "all new databases have the same, since they are copies of one"
_INSTEAD = "let the application make it, or have the migrations run in each: migrations: { clone: false }"
_IN_PYTHON = f"makes up values in Python, it seems, since it differs each time: {_ALIKE}; {_INSTEAD}"

Table = str


class MadeUp:
    """What the statements so far have made: defaults that make a value up, and tables that have rows."""

    def __init__(self) -> None:
        self._defaults: dict[Table, dict[str, frozenset[str]]] = {}
        self._filled: set[Table] = set()

    def hazards(self, index: int, trees: Iterable[Tree], name: Any, new: Iterable[Table | None]) -> Iterator[Hazard]:
        """Of one statement: itself, and what the code that it runs holds. `name` gives a table its full name, `new` are those that
        were empty before the statements."""
        for kind, node in trees:
            if kind in ("view_stmt", "create_function_stmt", "rule_stmt"):
                continue
            for table, called in self._written(kind, node, name, set(new)):
                if called and not table.startswith("pg_temp.") and not table.endswith(_VERSION_TABLES):
                    yield _hazard(index, table, called)
            self._learn(kind, node, name)

    def _written(
        self, kind: str, node: Any, name: Any, new: set[Table | None]
    ) -> Iterator[tuple[Table, frozenset[str]]]:
        """Tables, and the functions whose values become values of their rows."""
        if kind == "create_table_as_stmt" and word(node, "objtype") == "OBJECT_TABLE":
            yield name(named(node.into.rel)), _called(_outputs(node.query.select_stmt))
        for each in within(node, "InsertStmt", "UpdateStmt", "MergeStmt"):
            table = name(named(each.relation))
            what = each.DESCRIPTOR.name
            if what == "InsertStmt":
                changed = [each.on_conflict_clause, each.with_clause]
                yield (
                    table,
                    _called([*_outputs(each.select_stmt.select_stmt), *changed]) | self._by_default(each, table),
                )
            elif what == "UpdateStmt" and (table not in new or table in self._filled):
                yield table, _called([*each.target_list, *each.from_clause, each.with_clause])
            elif what == "MergeStmt":
                clauses = [clause.merge_when_clause for clause in each.merge_when_clauses]
                yield table, _called(item for clause in clauses for item in (*clause.target_list, *clause.values))
        if kind == "alter_table_stmt":
            table = name(named(node.relation))
            for column, called in _defaults_of(node):
                yield table, called if column and table in self._filled else frozenset()

    def _by_default(self, insert: Any, table: Table) -> frozenset[str]:
        """The functions of defaults of columns that an INSERT leaves out, or gives DEFAULT."""
        known = self._defaults.get(table, {})
        columns = [each.res_target.name for each in insert.cols]
        rows = [each.list.items for each in insert.select_stmt.select_stmt.values_lists]
        left = set(known) - set(columns) if columns or not insert.HasField("select_stmt") else set()
        left |= {
            c for row in rows for c, v in zip(columns, row, strict=False) if v.WhichOneof("node") == "set_to_default"
        }
        return frozenset[str]().union(*(known[column] for column in left if column in known))

    def _learn(self, kind: str, node: Any, name: Any) -> None:
        self._filled |= {name(named(each.relation)) for each in within(node, "InsertStmt", "MergeStmt", "CopyStmt")}
        if kind == "create_table_as_stmt":
            self._filled.add(name(named(node.into.rel)))
        elif kind == "create_stmt":
            elements = [each.column_def for each in node.table_elts if each.WhichOneof("node") == "column_def"]
            self._defaults[name(named(node.relation))] = {each.colname: _default(each) for each in elements}
        elif kind == "alter_table_stmt":
            known = self._defaults.setdefault(name(named(node.relation)), {})
            for command in (each.alter_table_cmd for each in node.cmds):
                if word(command, "subtype") == "AT_AddColumn":
                    column = definition(command).column_def
                    known[column.colname] = _default(column)
                elif word(command, "subtype") == "AT_ColumnDefault":
                    known[command.name] = _called([definition(command)])


def of_program(index: int, said: str) -> Iterator[Hazard]:
    """Of a revision that only its own program can run: `said` is what the plan shows of it."""
    if DIFFERS in said:
        yield Hazard(RULE, WARNING, index, None, None, _IN_PYTHON)


def _hazard(index: int, table: Table, called: frozenset[str]) -> Hazard:
    functions = ", ".join(f"{each}()" if each.islower() else each for each in sorted(called))
    if called & _RANDOM:
        return Hazard(RULE, WARNING, index, table, None, f"writes {functions} into rows: {_ALIKE}; {_INSTEAD}")
    message = (
        f"writes the time ({functions}) into rows: in new databases it is when the one was made that they are copies of"
    )
    return Hazard(RULE, INFO, index, table, None, message)


def _outputs(select: Any) -> list[Any]:
    """What a query gives out: its values or columns, with the queries that these come from; not its conditions."""
    found = [*select.values_lists, *select.target_list, *select.from_clause]
    for side in ("larg", "rarg"):
        if select.HasField(side):
            found += _outputs(getattr(select, side))
    return [*found, *([select.with_clause] if select.HasField("with_clause") else [])]


def _called(nodes: Iterable[Any]) -> frozenset[str]:
    """The functions that make a value up, of those that are called."""
    found: set[str] = set()
    for node in nodes:
        for each in within(node, "FuncCall", "SQLValueFunction"):
            if each.DESCRIPTOR.name == "FuncCall":
                found |= {listed(each.funcname)[1]} & (_RANDOM | _TIMES)
            else:
                said = word(each, "op").removeprefix("SVFOP_").removesuffix("_N")
                found |= {said} if said.endswith(("DATE", "TIME", "TIMESTAMP")) else set()
    return frozenset(found)


def _default(column: Any) -> frozenset[str]:
    given = [each.constraint for each in column.constraints]
    return _called([each.raw_expr for each in given if word(each, "contype") == "CONSTR_DEFAULT"])


def _defaults_of(alter: Any) -> Sequence[tuple[str, frozenset[str]]]:
    """The columns that ALTER TABLE adds, with the functions that rows which are there get values of."""
    commands = [each.alter_table_cmd for each in alter.cmds]
    added = [definition(each).column_def for each in commands if word(each, "subtype") == "AT_AddColumn"]
    return [(column.colname, _default(column)) for column in added]
