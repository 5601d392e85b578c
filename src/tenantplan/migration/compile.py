"""A path through a tree as SQL, compiled once and run on every database at its start.

Each revision's `upgrade()` runs here against Alembic's offline mode, with a connection that records. The user's env.py
is not run. What cannot be said in SQL alone (a revision that looks at the database, or leaves its transaction) is
refused by name: a path is compiled right or not at all.

Alembic's `op` is one global proxy, so that compiling holds a lock, and leaves sys.path and sys.modules as they were.
"""

from __future__ import annotations

import ast
import contextlib
import sys
import threading
import traceback
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantplan.errors import MigrationError
from tenantplan.migration.graph import Graph, Revision, digest

if TYPE_CHECKING:
    from tenantplan.migration.recorder import Recorder

# The tenant tree has its own version table where it shares the main database with the main tree.
SHARED_VERSION_TABLE = "alembic_version_tenant"
_LOCK = threading.Lock()
_HINT = (
    "a revision is compiled to SQL once, for all databases, and cannot look at one of them: "
    "write it as plain SQL (INSERT … SELECT, DO $$ … $$)"
)


def compile_path(
    graph: Graph, start: str | None, end: str, *, shared: bool = False, version_table: str = "alembic_version"
) -> tuple[str, ...]:
    """The statements that take a database from `start` (None: empty) to `end`, its version table included.

    They are meant for one transaction, BEGIN and COMMIT are the caller's. `shared` compiles the tenant tree for the
    main database. MigrationError names the file and line of a revision that cannot be compiled.
    """
    return _compile(graph, graph.path(start, end), start, True, shared, version_table)


def downgrade_path(
    graph: Graph, start: str, end: str | None, *, shared: bool = False, version_table: str = "alembic_version"
) -> tuple[str, ...]:
    """The statements that take a database back from `start` to `end` (None: before the first revision)."""
    return _compile(graph, graph.path(end, start)[::-1], start, False, shared, version_table)


def _compile(
    graph: Graph, steps: Sequence[Revision], start: str | None, up: bool, shared: bool, version_table: str
) -> tuple[str, ...]:
    if not steps:
        return ()
    from tenantplan.migration.recorder import Recorder  # imports Alembic

    current = start
    with _LOCK, _surroundings(graph.directory):
        recorder = Recorder(shared, version_table, start)
        if current is None:
            recorder.create_version_table()
        for revision in steps:
            _run(revision, "upgrade" if up else "downgrade", recorder)
            after = revision.id if up else revision.down
            recorder.set_version(current, after)
            current = after
    return tuple(recorder.statements)


def _run(revision: Revision, name: str, recorder: Recorder) -> None:
    module = types.ModuleType(f"tenantplan_revision_{revision.id}")
    module.__file__ = str(revision.path)
    try:
        source = revision.path.read_bytes()
        if digest(source) != revision.digest:
            raise MigrationError("the file changed while it was being used", hint="run the command again")
        tree = ast.parse(source, str(revision.path))
        _refuse_asking(tree, revision)
        code = compile(tree, str(revision.path), "exec", dont_inherit=True)
        with recorder.active():
            exec(code, module.__dict__)  # noqa: S102 - as Alembic does: a revision is a program
            getattr(module, name)()
    except MigrationError as error:
        if error.where:
            raise
        raise _located(revision, error, error.message, error.hint) from error
    except (Exception, SystemExit) as error:
        raise _located(revision, error, f"cannot be compiled to SQL: {type(error).__name__}: {error}", _HINT) from error
    if recorder.refusals:  # the revision may have caught the exception that said so
        raise _located(revision, None, recorder.refusals[0], _HINT)


def _refuse_asking(tree: ast.Module, revision: Revision) -> None:
    """A revision that does something else when Alembic writes SQL would be compiled to that something else."""
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in ("as_sql", "is_offline_mode"):
            where = f"{revision.path}:{getattr(node, 'lineno', 0)}"
            message = f"does something else in Alembic's offline mode ({name}), which is not supported yet"
            raise MigrationError(message, where=where, hint=_HINT)


def _located(revision: Revision, error: BaseException | None, message: str, hint: str) -> MigrationError:
    frames = traceback.extract_tb(error.__traceback__) if error else []
    lines = [frame.lineno for frame in frames if frame.filename == str(revision.path)]
    where = f"{revision.path}:{lines[-1]}" if lines else str(revision.path)
    return MigrationError(message, where=where, hint=hint or _HINT)


@contextlib.contextmanager
def _surroundings(directory: Path) -> Iterator[None]:
    """Modules beside env.py can be imported, and nothing of it is left: no path, no module, no bytecode file.

    What a revision prints goes to stderr, because stdout carries a command's result.
    """
    saved_path, saved_bytecode, known = list(sys.path), sys.dont_write_bytecode, set(sys.modules)
    sys.path.insert(0, str(directory))
    sys.dont_write_bytecode = True
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path[:] = saved_path
        sys.dont_write_bytecode = saved_bytecode
        for name in set(sys.modules) - known:
            if _is_under(sys.modules[name], directory):
                del sys.modules[name]


def _is_under(module: Any, directory: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and directory.resolve() in Path(file).resolve().parents
