"""What is dangerous in migration statements, seen in their parsed form, without a database.

"danger" loses data for good. "warning" stops the application or the migration: reads or writes wait for as long as the
table is big, a row that is there is refused, or a name that is in use goes away. "info" is worth knowing. A migration is
destructive that has a "danger", or deletes rows that it chooses ("delete-rows"), in code that it runs too.

A table that the same statements have made is new and empty, and nobody else sees it: nothing is said of it, unless
CREATE TABLE IF NOT EXISTS may have found it there. What the text cannot tell (how big a table is, what its triggers do,
which type a column had) is not guessed, and a message says "may".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from tenantplan.migration import code
from tenantplan.migration.lint import alter_rules, rules
from tenantplan.migration.lint.locks import MODES, UPKEEP, Name, listed, locks, named, strongest, taken, written
from tenantplan.migration.lint.made_up import RULE, MadeUp
from tenantplan.migration.lint.row_rules import destroys
from tenantplan.migration.risk import INFO, WARNING, Risk
from tenantplan.migration.sqltext import Tree, definition, outside_tree, pieces, trees, word
from tenantplan.model.step import Hazard

__all__ = ["Hazard", "lint", "locked", "locks"]

_UNPARSED = "what it locks or loses is unknown, try it on a copy: {}"


def lint(statements: Sequence[str], *, clones: bool = False) -> tuple[Hazard, ...]:
    """The hazards of statements that run in this order, in the order of their text; each text may hold several. `clones`: new
    databases are copies of one in which they ran.

    One that PostgreSQL 18's parser refuses, or that is nested too deeply for it, is a hazard itself ("unparsed").
    """
    seen, values = _Seen(), MadeUp()
    found: list[Hazard] = []
    for index, text in enumerate(statements):
        for tree in _parsed(text):
            if isinstance(tree, ValueError):
                found.append(Hazard("unparsed", WARNING, index, None, None, _UNPARSED.format(tree)))
            else:
                modes = strongest((seen.written(name), mode) for name, mode in taken(tree))
                found.extend(_hazards(seen, index, tree, modes))
                ran = _code_run(seen, tree)
                found.extend(_lost_in_code(seen, index, ran))
                if clones:
                    found.extend(values.hazards(index, [tree, *ran], seen.written, seen.new))
                seen.learn(tree, modes)
    return tuple(found)


def made_up(statements: Sequence[str]) -> tuple[Hazard, ...]:
    """Only what `lint` says of values that are the same in all copies."""
    return tuple(hazard for hazard in lint(statements, clones=True) if hazard.rule == RULE)


def locked(statements: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(table, mode) of each table that was there before and that the statements lock so that writers wait: the strongest
    mode, in the order of the text."""
    seen = _Seen()
    found: dict[str, str] = {}
    for text in statements:
        for tree in _parsed(text):
            if not isinstance(tree, ValueError):
                modes = strongest((seen.written(name), mode) for name, mode in taken(tree))
                for table, mode in modes.items():
                    if table not in seen.new and MODES.index(mode) >= MODES.index("SHARE"):
                        found[table] = max(mode, found.get(table, mode), key=MODES.index)
                seen.learn(tree, modes)
    return tuple(found.items())


def _parsed(text: str) -> Iterator[Tree | ValueError]:
    """Each statement of a text by itself, so that one that cannot be read hides no other."""
    for part in pieces(text):
        try:
            parsed = trees(part)
        except ValueError as error:
            yield error
        else:
            yield from parsed


def _hazards(seen: _Seen, index: int, tree: Tree, modes: Mapping[str, str]) -> Iterator[Hazard]:
    for risk in (*_risks(tree), *seen.late_scans(tree)):
        table = seen.written(risk.table) if risk.table and risk.table[1] != code.UNKNOWN else None
        about = seen.written(risk.about) if risk.about else None
        if seen.new.isdisjoint({table, about}):
            is_new = bool(risk.columns) and all((table, column) in seen.columns for column in risk.columns)
            level = WARNING if is_new else risk.level
            yield Hazard(risk.rule, level, index, table, modes.get(table) if table else None, risk.message)


def _code_run(seen: _Seen, tree: Tree) -> list[Tree]:
    """The statements of code that a statement runs: a DO block, and functions that were made on the way and are called now."""
    held = list(code.inner(tree)) if code.defined(tree) is None else []
    ran, known = [], set[Name]()
    pending = [*held] if held else [tree]
    ran += held
    while pending:
        for name in [*code.called(pending.pop())]:
            body = seen.functions.get(name[1], ()) if name not in known else ()
            known.add(name)
            ran += body
            pending += body
    return ran


def _lost_in_code(seen: _Seen, index: int, ran: Sequence[Tree]) -> Iterator[Hazard]:
    """What code that a statement runs destroys."""
    for statement in ran:
        for hazard in _hazards(seen, index, statement, {}):
            if destroys(hazard.rule, hazard.level):
                yield hazard


def _risks(tree: Tree) -> Iterator[Risk]:
    kind, node = tree
    if kind == "alter_table_stmt":
        yield from alter_rules.risks(node)
    yield from rules.risks(tree)


class _Seen:
    """What the statements before have done: where names without a schema are, what is new, what is still locked."""

    def __init__(self) -> None:
        self.schema = "public"
        self.new: set[str | None] = set()
        self.columns: set[tuple[str | None, str]] = set()
        self.functions: dict[str, tuple[Tree, ...]] = {}
        self._locked: set[str] = set()

    def written(self, name: Name) -> str:
        """The full name; one that a temporary table has been given stands for that table."""
        if not name[0] and (temporary := written(name, "pg_temp")) in self.new:
            return temporary
        return written(name, self.schema)

    def late_scans(self, tree: Tree) -> Iterator[Risk]:
        """VALIDATE CONSTRAINT blocks nobody, but for a lock that an earlier statement of its transaction holds."""
        kind, node = tree
        commands = [each.alter_table_cmd for each in node.cmds] if kind == "alter_table_stmt" else []
        if any(word(each, "subtype") == "AT_ValidateConstraint" for each in commands):
            table = named(node.relation)
            if self.written(table) in self._locked:
                message = "reads the whole table while an earlier statement's lock on it is held: validate in another transaction"
                yield Risk("constraint-scan", INFO, message, table)

    def learn(self, tree: Tree, modes: Mapping[str, str]) -> None:
        """Note what a statement has done, with the locks that it took."""
        kind, node = tree
        if outside_tree(tree):  # it ends the transaction before it
            self._locked.clear()
        self._locked |= {table for table, mode in modes.items() if MODES.index(mode) > MODES.index(UPKEEP)}
        if kind == "variable_set_stmt" and node.name == "search_path":
            chosen = (each.a_const.sval.sval for each in node.args)
            self.schema = next((each for each in chosen if each not in ("", "$user", "pg_catalog")), "public")
        elif kind == "rename_stmt" and node.relation.relname and not node.subname:
            self._move(named(node.relation), (node.relation.schemaname, node.newname))
        elif kind == "alter_object_schema_stmt" and node.relation.relname:
            self._move(named(node.relation), (node.newschema, node.relation.relname))
        elif kind == "transaction_stmt" and "ROLLBACK" in word(node, "kind"):  # to a savepoint: what was made is gone
            self.new.clear()
        elif kind == "drop_stmt":
            self.new -= {self.written(listed(each.list.items)) for each in node.objects if each.list.items}
        self.new |= {written(name, self.schema) for name in _created(tree)}
        made = code.defined(tree)
        if made is not None:
            self.functions[made[1]] = (
                *self.functions.get(made[1], ()),
                *code.inner(tree),
            )  # by name: they can be overloaded
        if kind == "alter_table_stmt":
            self.columns |= {(self.written(named(node.relation)), column) for column in _added(node)}

    def _move(self, old: Name, new: Name) -> None:
        was_new = self.written(old) in self.new
        self.new -= {self.written(old), self.written(new)}
        self.new |= {self.written(new)} if was_new else set()


def _added(node: Any) -> Iterator[str]:
    """The columns that ALTER TABLE adds, where it cannot have found them there."""
    for each in node.cmds:
        command = each.alter_table_cmd
        if word(command, "subtype") == "AT_AddColumn" and not command.missing_ok:
            yield definition(command).column_def.colname


def _created(tree: Tree) -> Iterator[Name]:
    """The tables, views, indexes and types that a statement makes, where it cannot have found them there."""
    kind, node = tree
    if kind == "create_foreign_table_stmt":
        node = node.base_stmt
    if getattr(node, "if_not_exists", False) or getattr(node, "replace", False):
        return
    if kind in _MAKES:
        relation = attrgetter(_MAKES[kind])(node)
        if relation.relname:
            yield "pg_temp" if relation.relpersistence == "t" else relation.schemaname, relation.relname
    elif kind == "index_stmt" and node.idxname:
        yield node.relation.schemaname, node.idxname
    elif kind in _MAKES_TYPE:
        yield listed(getattr(node, _MAKES_TYPE[kind]))
    elif kind == "create_schema_stmt":
        for each in node.schema_elts:
            inner = str(each.WhichOneof("node"))
            yield from ((schema or node.schemaname, name) for schema, name in _created((inner, getattr(each, inner))))


_MAKES = {
    "composite_type_stmt": "typevar",
    "create_foreign_table_stmt": "relation",
    "create_seq_stmt": "sequence",
    "create_stmt": "relation",
    "create_table_as_stmt": "into.rel",
    "select_stmt": "into_clause.rel",
    "view_stmt": "view",
}
_MAKES_TYPE = {"create_domain_stmt": "domainname", "create_enum_stmt": "type_name"}
