"""Reviews revisions: the hazards of their statements, which of them the author allows and why, and
whether there is a way back. Needs no database.

The author allows a hazard with a comment in the revision, `# tenantplan: allow RULE reason`, `--` in its SQL or `//` in TypeScript.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tenantplan.errors import MigrationError
from tenantplan.migration.compile.assemble import is_own
from tenantplan.migration.compile.compile import upgrade
from tenantplan.migration.compile.scripts import is_idle
from tenantplan.migration.lint.lint import lint
from tenantplan.migration.lint.made_up import of_program
from tenantplan.migration.lint.row_rules import unseen
from tenantplan.migration.risk import INFO
from tenantplan.migration.tree import typescript
from tenantplan.migration.tree.graph import Graph
from tenantplan.migration.tree.refusals import Refusals
from tenantplan.migration.tree.revision import Revision
from tenantplan.model.step import PROGRAM, Hazard, Step

_ALLOW = re.compile(r"(?:#|--|//)\s*tenantplan:\s*allow\b\s*(?P<rule>\S*)[ \t]*(?P<reason>.*)")
_HINT = "# tenantplan: allow drop-column nothing has read it since release 12"
_NO_WAY_BACK = "there is no downgrade: a mistake in it is fixed by a new revision, and no rollback undoes it"
_NOTHING_BACK = "downgrade does nothing, though upgrade does: a rollback would report success without undoing anything"


@dataclass(frozen=True, slots=True)
class Remark:
    """A hazard, the text of the statement that it is about (None: about the revision), and the reason why it is allowed."""

    hazard: Hazard
    statement: str | None = None
    allowed: str | None = None

    def document(self) -> dict[str, Any]:
        """The remark as JSON."""
        hazard = self.hazard
        return {
            "rule": hazard.rule,
            "level": hazard.level,
            "statement": self.statement,
            "table": hazard.table,
            "lock": hazard.lock,
            "message": hazard.message,
            "allowed": self.allowed,
        }


@dataclass(frozen=True, slots=True)
class Review:
    """One revision with what is to be said of it."""

    revision: Revision
    remarks: tuple[Remark, ...]


def review(graph: Graph, start: str | None, end: str | None) -> tuple[Review, ...]:
    """What a database meets that is at `start`, of each revision on its way to `end`: a table that is made on the way is
    new and empty. MigrationError for a revision that cannot be used, or allows something without a reason."""
    path = graph.path(start, end)
    steps = _compiled(graph, path, start)
    of = [(revision.id, text) for revision in path for step in steps[revision.id] for text in step.statements]
    found: dict[str, list[Remark]] = {revision.id: [] for revision in path}
    clones = graph.clones and graph.tree == "tenant"
    for hazard in lint([text if is_own(text) else "" for _, text in of], clones=clones):
        name, text = of[hazard.statement]
        found[name].append(Remark(hazard, text))
    refusals = Refusals()
    reviewed: list[Review] = []
    for revision in path:
        with refusals.of_one():
            reviewed.append(_reviewed(graph, revision, found[revision.id], steps[revision.id]))
    refusals.tell()
    return tuple(reviewed)


def review_each(graph: Graph) -> tuple[Review, ...]:
    """Every revision, each as a database meets it that has all before it."""
    at: str | None = None
    found: list[Review] = []
    refusals = Refusals()
    for revision in graph.revisions:
        after = graph.after(at, revision)
        with refusals.of_one():
            found.extend(review(graph, at, after))
        at = after
    refusals.tell()
    return tuple(found)


def _compiled(graph: Graph, path: Iterable[Revision], at: str | None) -> dict[str, tuple[Step, ...]]:
    """The steps of each revision by itself."""
    found: dict[str, tuple[Step, ...]] = {}
    refusals = Refusals()
    for revision in path:
        after = graph.after(at, revision)
        with refusals.of_one():
            found[revision.id] = upgrade(graph, at, after)
        at = after
    refusals.tell()
    return found


def _reviewed(graph: Graph, revision: Revision, remarks: list[Remark], steps: tuple[Step, ...]) -> Review:
    program = next((step for step in steps if step.kind == PROGRAM), None)
    whole = _whole(graph, revision, program)
    allowed = allowances(graph, revision, [text for step in steps for text in step.statements])
    remarks = [replace(each, allowed=allowed.get(each.hazard.rule)) for each in [*remarks, *map(Remark, whole)]]
    idle = sorted(allowed.keys() - {each.hazard.rule for each in remarks})
    remarks += [Remark(_about("idle-allowance", INFO, f"allows {rule}, which does not occur here")) for rule in idle]
    return Review(revision, tuple(remarks))


def _about(rule: str, level: str, message: str) -> Hazard:
    return Hazard(rule, level, -1, None, None, message)


def _whole(graph: Graph, revision: Revision, program: Step | None) -> Iterator[Hazard]:
    """What is to be said of a revision as a whole."""
    if program:
        yield unseen(-1, program.begun is not None)
        yield from of_program(-1, program.statements[0]) if graph.clones and graph.tree == "tenant" else ()
    if not revision.reversible:
        yield _about("no-downgrade", INFO, _NO_WAY_BACK)
    elif _is_idle(graph, revision, "downgrade") and not _is_idle(graph, revision, "upgrade"):
        yield _about("empty-downgrade", INFO, _NOTHING_BACK)


def _is_idle(graph: Graph, revision: Revision, name: str) -> bool:
    """Whether a direction of a revision does nothing: `pass`, a docstring, a script without statements."""
    if not graph.runs_python:
        return is_idle(graph, revision, name == "upgrade")
    for node in ast.parse(revision.path.read_bytes()).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return all(
                isinstance(each, ast.Pass) or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
                for each in node.body
            )
    return False


def allowances(graph: Graph, revision: Revision, statements: Iterable[str]) -> Mapping[str, str]:
    """The rules that a revision's comments allow, with the reasons."""
    comments = list(_comments(revision.path))
    comments += [(None, text) for statement in statements for _, text in _sql_comments(statement)]
    allowed: dict[str, str] = {}
    for line, comment in comments:
        if match := _ALLOW.match(comment):
            reason = match["reason"].strip(" :-–—")
            if not reason:
                where = f"{revision.path}:{line}" if line else str(revision.path)
                raise MigrationError("allows something, but gives no rule or no reason", where=where, hint=_HINT)
            allowed.setdefault(match["rule"].rstrip(":"), reason)
    return allowed


def _comments(file: Path) -> Iterable[tuple[int | None, str]]:
    source = file.read_bytes()
    if file.suffix == ".ts":
        return typescript.comments(source.decode())
    return _sql_comments(source.decode()) if file.suffix == ".sql" else _python_comments(source)


def _python_comments(source: bytes) -> Iterator[tuple[int | None, str]]:
    tokens = tokenize.tokenize(io.BytesIO(source).readline)
    yield from ((each.start[0], each.string) for each in tokens if each.type == tokenize.COMMENT)


def _sql_comments(text: str) -> Iterator[tuple[int | None, str]]:
    """Comments with their lines, none of a text that cannot be cut into tokens."""
    if "tenantplan:" not in text:  # the parser is slow to import
        return
    from postgast import PgQueryError, scan
    from postgast.pg_query_pb2 import Token

    data = text.encode()
    try:
        found = scan(text).tokens
    except PgQueryError:
        return
    for each in found:
        if each.token == Token.Value("SQL_COMMENT"):
            yield data[: each.start].count(b"\n") + 1, data[each.start : each.end].decode()
