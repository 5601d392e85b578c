"""A new revision after the head of a tree, from the tree's own script.py.mako. No Python of the tree is run.

Where the tree is Prisma's, it is a folder with an empty script, named as Prisma names it; in TypeORM's it is the
empty class that `typeorm migration:create` writes, or an empty script where the tree is one of exports.
"""

from __future__ import annotations

import ast
import re
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tenantplan.errors import MigrationError, UsageError
from tenantplan.migration.tree import graph as graphs
from tenantplan.migration.tree.graph import PRISMA, TYPEORM, Graph
from tenantplan.migration.tree.typeorm_files import camel_case

# Whose a tree of scripts is, and how that tool writes a migration from its models.
OWN_WAY = {
    PRISMA: (
        "Prisma's",
        "prisma migrate diff --script writes it from schema.prisma, or: prisma migrate dev --create-only",
    ),
    TYPEORM: ("TypeORM's", "typeorm migration:generate writes it from the entities"),
}
_LONGEST = 200  # characters of a message
_TIME = "%Y%m%d%H%M%S"
_EMPTY = "-- This is an empty migration.\n"  # what Prisma itself writes
_CLASS = """\
import { MigrationInterface, QueryRunner } from "typeorm";

export class %s implements MigrationInterface {

    public async up(queryRunner: QueryRunner): Promise<void> {
    }

    public async down(queryRunner: QueryRunner): Promise<void> {
    }

}
"""  # what TypeORM itself writes


@dataclass(frozen=True, slots=True)
class Body:
    """Python for the two functions of a revision, indented but for its first line, and the imports that it needs."""

    upgrades: str
    downgrades: str
    imports: tuple[str, ...] = ()


def new_revision(graph: Graph, message: str, body: Body | None = None) -> Path:
    """The path of the file that was written, empty without a `body`. UsageError for a message that cannot be one,
    MigrationError where the tree has no template or cannot be written to."""
    text = checked(message)
    if graph.engine == PRISMA:
        return _prisma(graph, text)
    if graph.engine == TYPEORM:
        return _typeorm(graph, text)
    template = graph.directory / "script.py.mako"
    if not template.is_file():
        raise MigrationError(
            "there is no script.py.mako", where=str(graph.directory), hint="tenantplan init writes one"
        )
    revision = _identifier(graph)
    path = graph.directory / "versions" / f"{revision}_{_slug(text)}.py"
    source = _rendered(template, text, revision, graph.head, body)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(source)
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


def checked(message: str) -> str:
    """The message as it is written; UsageError for one that cannot be."""
    text = message.strip()
    if not text or len(text) > _LONGEST or not text.isprintable() or '"""' in text or "\\" in text:
        raise UsageError(
            "this cannot be the message of a revision",
            hint=f"one line of at most {_LONGEST} characters: what the revision does",
        )
    return text


def _rendered(template: Path, message: str, revision: str, down: str | None, body: Body | None) -> str:
    """The template as Alembic renders it."""
    from mako.exceptions import MakoException  # type: ignore[import-untyped]
    from mako.template import Template  # type: ignore[import-untyped]

    known: dict[str, Any] = dict.fromkeys(("branch_labels", "depends_on"))
    known["comma"] = _with_commas
    known["upgrades"], known["downgrades"] = (body.upgrades, body.downgrades) if body else (None, None)
    known["imports"] = ""  # they are put in afterwards: not every template has a place for them
    try:
        text: str = Template(template.read_text(encoding="utf-8")).render_unicode(  # noqa: S702  # makes Python, no HTML
            **known, message=message, up_revision=revision, down_revision=down, create_date=datetime.now(UTC)
        )
    except (MakoException, NameError) as error:
        raise MigrationError(f"the template cannot be rendered: {error}", where=str(template)) from None
    return _importing(text, body.imports, template) if body else text


def _importing(source: str, imports: tuple[str, ...], template: Path) -> str:
    """The source with the imports that it lacks, after those that it has."""
    try:
        top = ast.parse(source).body
    except (SyntaxError, ValueError) as error:
        raise MigrationError(f"the template does not produce Python: {error}", where=str(template)) from None
    there = [node for node in top if isinstance(node, (ast.Import, ast.ImportFrom))]
    known = {name for node in there for name in _single(node)}
    missing = [line for line in imports if not known.issuperset(_single(ast.parse(line).body[0]))]
    lines = source.splitlines()
    before = top[:1] if ast.get_docstring(ast.Module(top, [])) is not None else []
    place = max((node.end_lineno or 0 for node in [*before, *there]), default=0)
    lines[place:place] = missing
    return "\n".join(lines) + "\n"


def _single(node: ast.stmt) -> list[str]:
    """An import, one line for each name."""
    if isinstance(node, ast.ImportFrom):
        return [ast.unparse(ast.ImportFrom(node.module, [name], node.level)) for name in node.names]
    return [ast.unparse(ast.Import([name])) for name in node.names] if isinstance(node, ast.Import) else []


def _prisma(graph: Graph, message: str) -> Path:
    """Prisma applies migrations in the order of their names, so that this one has to be the last of them."""
    newest = (graph.head or "").partition("_")[0]
    now = datetime.now(UTC).strftime(_TIME)
    if len(newest) == len(now) and newest.isdigit() and newest >= now:  # made where the clock was ahead
        now = _after(newest)
    folder = graph.directory / f"{now}_{_slug(message)}"
    path = folder / "migration.sql"
    try:
        folder.mkdir()
        path.write_text(_EMPTY, encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error) from None
    if graphs.load(graph.directory, graph.tree).head != folder.name:
        shutil.rmtree(folder)
        raise MigrationError(
            f"a migration of today would not come after {graph.head}",
            where=str(graph.directory),
            hint="Prisma applies migrations in the order of their names, which begin with a time such as 20260131120000",
        )
    return path


def _typeorm(graph: Graph, message: str) -> Path:
    """TypeORM applies migrations in the order of their times, in ms."""
    newest = int(graph.revisions[-1].id[-13:])
    now = max(int(datetime.now(UTC).timestamp() * 1000), newest + 1)
    name = camel_case(_slug(message))
    source = any(revision.path.suffix == ".ts" for revision in graph.revisions)
    path = graph.directory / f"{now}-{name}.{'ts' if source else 'sql'}"
    try:
        path.write_text(_CLASS % f"{name}{now}" if source else _EMPTY, encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


def _after(stamp: str) -> str:
    """A second later; the same where that is no time."""
    try:
        return (datetime.strptime(stamp, _TIME).replace(tzinfo=UTC) + timedelta(seconds=1)).strftime(_TIME)
    except ValueError:
        return stamp


def _unwritable(path: Path, error: OSError) -> MigrationError:
    return MigrationError(f"the revision cannot be written: {error.strerror}", where=str(path))


def _with_commas(value: str | None) -> str:
    """What Alembic's own template asks for between revisions; there is one at most."""
    return value or ""


def _slug(message: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")[:40] or "revision"


def _identifier(graph: Graph) -> str:
    """Eight random hex digits that no revision of the tree begins with, nor does any begin with them."""
    known = {revision.id for revision in graph.revisions}
    while True:
        made = secrets.token_hex(4)
        if made[0].isalpha() and not any(made.startswith(i) or i.startswith(made) for i in known):
            return made
