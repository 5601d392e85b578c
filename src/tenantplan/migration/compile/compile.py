"""A path through a tree as steps of SQL, compiled once and run on every database at its start.

Each revision's `upgrade()` runs here against Alembic's offline mode, with a connection that records. The user's env.py
is not run. A revision that looks at the database cannot be said in SQL: it becomes a step that Alembic itself runs there.
A path is compiled right or not at all.

Alembic's `op` is one global proxy, so that compiling holds a lock, and leaves sys.path and sys.modules as they were.
"""

from __future__ import annotations

import ast
import threading
import traceback
import types
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tenantplan.errors import MigrationError
from tenantplan.migration.compile import inputs, scripts
from tenantplan.migration.compile.assemble import BACK_BY_HAND, DIFFERS, Part, assemble
from tenantplan.migration.compile.surroundings import environment, surroundings
from tenantplan.migration.kept import Kept
from tenantplan.migration.tree.alembic_files import SHARED_VERSION_TABLE, VERSION_TABLE
from tenantplan.migration.tree.graph import Graph
from tenantplan.migration.tree.refusals import Refusals
from tenantplan.migration.tree.revision import Revision, digest
from tenantplan.model.step import Step, flat

if TYPE_CHECKING:
    from tenantplan.migration.compile.recorder import Recorder

_LOCK = threading.Lock()
_COMPILED: dict[tuple[object, ...], tuple[Step, ...]] = {}  # each path once in a process; the digest covers every file
_HINT = "write it as plain SQL (INSERT … SELECT, DO $$ … $$), which runs as it is written"
_INSTALL = "install what the migrations import into tenantplan's own environment"


def upgrade(
    graph: Graph,
    start: str | None,
    end: str | None,
    *,
    shared: bool = False,
    version_table: str | None = None,
    mark: str | None = None,
    kept: Kept | None = None,
) -> tuple[Step, ...]:
    """The steps that take a database from `start` (None: empty) to `end`, its version table included.

    `shared` compiles the tenant tree for the main database. `mark` is what an interrupted migration left behind: the
    steps that it says are done are left out. `kept` is where the result is looked for first. MigrationError names the file and
    line of a revision that cannot be used.
    """
    way = _Way(start, tuple(r.id for r in graph.path(start, end)), True, _table(shared, version_table), shared, mark)
    return _compile(graph, way, kept)


def downgrade(
    graph: Graph,
    start: str | None,
    end: str | None,
    *,
    shared: bool = False,
    version_table: str | None = None,
    kept: Kept | None = None,
) -> tuple[Step, ...]:
    """The steps that take a database back from `start` to `end` (None: before the first revision)."""
    path = tuple(revision.id for revision in graph.path(end, start)[::-1])
    return _compile(graph, _Way(start, path, False, _table(shared, version_table), shared, None), kept)


def compile_path(graph: Graph, start: str | None, end: str | None, **options: Any) -> tuple[str, ...]:
    """The statements of `upgrade`, in order."""
    return flat(upgrade(graph, start, end, **options))


def downgrade_path(graph: Graph, start: str | None, end: str | None, **options: Any) -> tuple[str, ...]:
    """The statements of `downgrade`, in order."""
    return flat(downgrade(graph, start, end, **options))


def _table(shared: bool, named: str | None) -> str:
    return named or (SHARED_VERSION_TABLE if shared else VERSION_TABLE)


class _Way(NamedTuple):
    """What is compiled: `path` from `start`, up or down, with the version table of that name; see `upgrade`."""

    start: str | None
    path: tuple[str, ...]
    up: bool
    version_table: str
    shared: bool
    mark: str | None


def _compile(graph: Graph, way: _Way, kept: Kept | None) -> tuple[Step, ...]:
    if not way.path:
        if way.mark:
            raise MigrationError(
                f"the database is halfway through revision {way.mark.partition(':')[0]}, and the way here does not begin with it",
                where=str(graph.directory),
                hint=BACK_BY_HAND
                if way.mark.endswith(":down")
                else "check out the version of the tree that was being applied, and finish it",
            )
        return ()
    key = (graph.directory, graph.digest, way, graph.rerun, graph.models, graph.root)
    with _LOCK:
        if key not in _COMPILED:
            _COMPILED[key] = _found(graph, way, kept) if kept else _made(graph, way)
        return _COMPILED[key]


def _found(graph: Graph, way: _Way, kept: Kept) -> tuple[Step, ...]:
    """What was kept, else what is made now, which is kept where it depends on nothing that cannot be named."""
    about = ["compiled", inputs.inputs(graph), list(way)]
    if about[1] is None:
        return _made(graph, way)
    known = kept.read(about)
    if known is not None and inputs.still_so(kept, known["packages"], known["environment"]):
        return tuple(Step.parse(step) for step in known["steps"])
    with inputs.reading(graph.directory) as others:
        steps = _made(graph, way)
    packages = inputs.packages(graph)
    if packages is not None and not others and about[1] == inputs.inputs(graph):
        environment = inputs.surrounding(kept) if packages else ""
        steps_said = [step.document() for step in steps]
        kept.write(about, {"packages": packages, "environment": environment, "steps": steps_said})
    return steps


def _made(graph: Graph, way: _Way) -> tuple[Step, ...]:
    path = [graph.by_id[name] for name in way.path]
    parts, first = _parts(graph, path, way.start, way.up, way.version_table, way.shared)
    return assemble(parts, way.start, way.mark, first, graph.env.each_alone, graph.rerun)


def _parts(
    graph: Graph, path: Sequence[Revision], start: str | None, up: bool, version_table: str, shared: bool
) -> tuple[list[Part], list[str]]:
    """One part for each revision, and the statements before the first: they make the version table."""
    if not graph.runs_python:
        return scripts.parts(graph, path, start, up), [scripts.table(graph)] if start is None else []
    from tenantplan.migration.compile.models import naming_convention
    from tenantplan.migration.compile.recorder import Recorder  # imports Alembic

    with surroundings(graph.directory):
        names = naming_convention(graph.env.naming_convention, graph.models, graph.root)
        recorder = Recorder(shared, version_table, start, names)
        if start is None:
            recorder.create_version_table()
        first = [entry.text for entry in recorder.take()]
        parts: list[Part] = []
        refusals = Refusals()
        at = start
        for revision in path:
            after = graph.after(at, revision) if up else graph.before(at, revision)
            with refusals.of_one(), environment(graph.directory, as_sql=True, asked=recorder.ask):
                parts.append(_part(graph, revision, at, after, up, recorder))
            recorder.go_on(after)
            at = after
    refusals.tell()
    return parts, first


def _part(graph: Graph, revision: Revision, at: str | None, after: str | None, up: bool, recorder: Recorder) -> Part:
    verb = "upgrade" if up else "downgrade"
    with recorder.rehearsal():
        asked = _run(graph, revision, verb, recorder)
        entries = [] if asked else recorder.take()
    if not asked:
        asked = _run(graph, revision, verb, recorder)
        if not asked and recorder.take() != entries:
            asked = DIFFERS
        entries = [] if asked else entries
    recorder.set_version(at, after)
    version = [entry.text for entry in recorder.take()]
    checks = revision.preflight if up else ()
    commits = bool(asked) and commits_by_itself(ast.parse(revision.path.read_bytes()))
    return Part(revision, after, entries, version, up, asked, checks, commits)


def _run(graph: Graph, revision: Revision, name: str, recorder: Recorder) -> str:
    """Runs one function of a revision; how it looked at the database, "" when it can be compiled."""
    module = types.ModuleType(f"tenantplan_revision_{revision.id}")
    module.__file__ = str(revision.path)
    recorder.inspects = ""
    try:
        source = revision.path.read_bytes()
        if digest(source) != revision.digest:
            raise MigrationError("the file changed while it was being used", hint="run the command again")
        tree = ast.parse(source, str(revision.path))
        asked = _asks_by_itself(graph, tree)
        if not asked:
            code = compile(tree, str(revision.path), "exec", dont_inherit=True)
            with recorder.active():
                exec(code, module.__dict__)  # noqa: S102 - as Alembic does: a revision is a program
                getattr(module, name)()
    except MigrationError as error:
        if error.where:
            raise
        if not recorder.inspects or recorder.refusals:
            raise _located(revision, error, error.message, error.hint) from error
    except (Exception, SystemExit) as error:
        recorder.inspects = recorder.inspects or ("" if _raises_itself(error, revision) else recorder.why(error))
        if isinstance(error, ModuleNotFoundError) and not recorder.inspects:
            raise _located(revision, error, f"imports {error.name}, which is not installed here", _INSTALL) from error
        if not recorder.inspects:
            message = f"cannot be compiled to SQL: {type(error).__name__}: {error}"
            raise _located(revision, error, message, _HINT) from error
    asked = asked or recorder.inspects
    if recorder.refusals:  # the revision may have caught the exception that said so
        raise _located(revision, None, recorder.refusals[0], _HINT)
    if asked:
        recorder.discard()
    return asked


def _raises_itself(error: BaseException, revision: Revision) -> bool:
    """Whether a `raise` of the revision ended it, and nothing that it called."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename == str(revision.path)


def _asks_by_itself(graph: Graph, tree: ast.Module) -> str:
    """A revision that does something else when Alembic writes SQL would be compiled to that something else; so would one
    whose modules do."""
    for module in (tree, *_imported(graph, tree)):
        if found := _names(module, "as_sql", "is_offline_mode"):
            return f"behaves differently in Alembic's offline mode ({found})"
    return ""


def _imported(graph: Graph, tree: ast.Module) -> Iterator[ast.Module]:
    """Modules beside env.py that a revision imports."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        for name in names:
            file = graph.directory / f"{name.replace('.', '/')}.py"
            if file.is_file():
                yield ast.parse(file.read_bytes(), str(file))


def commits_by_itself(tree: ast.Module) -> bool:
    """Whether a revision commits in its middle, as far as that can be read: the connection's commit(), an autocommit block, or a
    connection in autocommit mode. A session of the ORM does not: it takes part in the transaction that is there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value == "AUTOCOMMIT":
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit":
            of = node.func.value
            name = of.attr if isinstance(of, ast.Attribute) else of.id if isinstance(of, ast.Name) else ""
            if "session" not in name.lower():
                return True
    return bool(_names(tree, "autocommit_block"))


def _names(tree: ast.Module, *names: str) -> str:
    """The first of `names` that a program uses, "" for none."""
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in names:
            return name
    return ""


def _located(revision: Revision, error: BaseException | None, message: str, hint: str) -> MigrationError:
    frames = traceback.extract_tb(error.__traceback__) if error else []
    lines = [frame.lineno for frame in frames if frame.filename == str(revision.path)]
    where = f"{revision.path}:{lines[-1]}" if lines else str(revision.path)
    return MigrationError(message, where=where, hint=hint or _HINT)
