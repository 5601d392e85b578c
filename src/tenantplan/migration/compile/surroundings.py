"""The environment that revisions run in: modules beside env.py can be imported, and no trace is left afterwards."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tenantplan.errors import MigrationError
from tenantplan.migration.tree import env_file


@contextlib.contextmanager
def surroundings(directory: Path) -> Iterator[None]:
    """`alembic.context` answers as for a run without -x, and modules of the tree that env.py imports are imported: they may
    register operations. Afterwards there is no path, no module, no bytecode file.

    What is printed goes to stderr, because stdout carries a command's result. env.py itself is not run.
    """
    saved_path, saved_bytecode, known = list(sys.path), sys.dont_write_bytecode, set(sys.modules)
    sys.path.insert(0, str(directory))
    sys.dont_write_bytecode = True
    try:
        with contextlib.redirect_stdout(sys.stderr):
            _register(directory)
            yield
    finally:
        sys.path[:] = saved_path
        sys.dont_write_bytecode = saved_bytecode
        for name in set(sys.modules) - known:
            if _is_under(sys.modules[name], directory):
                del sys.modules[name]


@contextlib.contextmanager
def environment(directory: Path, as_sql: bool, asked: Callable[[str], None] = lambda how: None) -> Iterator[None]:
    """`alembic.context` answers is_offline_mode(), after calling `asked`, get_x_argument() and config meanwhile."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    scripts = object.__new__(ScriptDirectory)  # of which none of them asks anything
    found = [path for path in (directory / "alembic.ini", directory.parent / "alembic.ini") if path.is_file()]
    context = EnvironmentContext(Config(found[0]) if found else Config(), scripts, as_sql=as_sql)

    def is_offline_mode() -> bool:
        asked("behaves differently in Alembic's offline mode (is_offline_mode)")
        return as_sql

    context.is_offline_mode = is_offline_mode  # type: ignore[method-assign]
    with context:
        yield


def _register(directory: Path) -> None:
    """Imports what env.py imports and may register operations or types: modules beside it, and installed plugins of Alembic; of an
    env_tenantplan.py, everything."""
    env = env_file.path_of(directory)
    if not env.is_file():
        return
    try:
        tree = ast.parse(env.read_bytes(), str(env))
    except (SyntaxError, ValueError):
        return  # nobody runs it here
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
        for name in names:
            top = name.split(".", 1)[0]
            beside = (directory / f"{top}.py").is_file() or (directory / top / "__init__.py").is_file()
            if beside or env.name == env_file.OURS or _is_plugin(top):
                try:
                    importlib.import_module(name)
                except Exception as error:
                    message = f"{name} cannot be imported: {type(error).__name__}: {error}"
                    raise MigrationError(message, where=f"{env}:{getattr(node, 'lineno', 0)}") from error


def _is_plugin(package: str) -> bool:
    """Whether an installed package is made for Alembic: one that needs it, or says so in its name."""
    if package in ("alembic", "sqlalchemy") or package in sys.stdlib_module_names:
        return False
    if "alembic" in package:
        return importlib.util.find_spec(package) is not None
    owners = importlib.metadata.packages_distributions().get(package, [])
    needed = [each for owner in owners for each in importlib.metadata.requires(owner) or [] if "extra ==" not in each]
    return any(re.match(r"alembic\b", each, re.IGNORECASE) for each in needed)


def _is_under(module: Any, directory: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and directory.resolve() in Path(file).resolve().parents
