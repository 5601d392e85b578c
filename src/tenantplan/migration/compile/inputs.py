"""What the SQL of a tree depends on: files, versions and, where its Python reads more than that, nothing that can be named."""

from __future__ import annotations

import ast
import builtins
import hashlib
import importlib.metadata
import importlib.util
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tenantplan.errors import MigrationError
from tenantplan.migration.kept import Kept
from tenantplan.migration.tree import env_file
from tenantplan.migration.tree.graph import Graph


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LIBRARIES = ("alembic", "sqlalchemy", "psycopg", "postgast")
# Modules of Python that say the same on every day and every machine, but for the names below.
_SAME = _words(
    "__future__ abc base64 collections contextlib copy csv dataclasses datetime decimal enum functools hashlib io "
    "itertools json logging math operator os pathlib re string textwrap types typing typing_extensions unicodedata "
    "uuid warnings"
)
_ELSEWHERE = _words(
    "environ environb getenv getpid getlogin getuid uname popen system uuid1 getnode cpu_count urandom __import__ "
    "eval exec import_module run_path localtime gettempdir FileIO readlink access"
)
_OF_FOLDERS = _words(
    "cwd getcwd home expanduser expandvars exists is_file is_dir iterdir glob rglob listdir scandir stat lstat "
    "isfile isdir getsize getmtime"
)
_OF_TIME = _words("now today utcnow fromtimestamp astimezone")
# Variables of a terminal or a shell, which change from one command to the next.
_OF_SHELLS = _words("_ PWD OLDPWD SHLVL TERM COLUMNS LINES WINDOWID SSH_CLIENT SSH_CONNECTION SSH_TTY")

# Module, distribution and version of what the tree's Python imports; "" for what is not installed.
Packages = list[list[str]]


def inputs(graph: Graph) -> list[Any] | None:
    """Every file of the tree as it is, the versions of the libraries that compile it, and the names that the application's models
    have for constraints; None where these cannot be written down."""
    try:
        names = _names(graph)
    except MigrationError:
        return None
    if not all(isinstance(each, str) for each in names.values()):
        return None
    directory = graph.directory
    files = [path for path in directory.rglob("*") if path.is_file() and not {"__pycache__", ".git"} & set(path.parts)]
    listed = [[path.relative_to(directory).as_posix(), _sha256(path)] for path in sorted(files)]
    ini = directory.parent / "alembic.ini"
    listed += [["../alembic.ini", _sha256(ini)]] if ini.is_file() else []
    libraries = [importlib.metadata.version(name) for name in _LIBRARIES]
    return [str(directory), graph.digest, graph.engine, list(graph.rerun), listed, libraries, names]


def _names(graph: Graph) -> dict[str, Any]:
    if graph.models is None or not graph.runs_python:
        return {}
    from tenantplan.migration.compile.models import naming_convention  # imports SQLAlchemy

    return naming_convention(graph.env.naming_convention, graph.models, graph.root)


def packages(graph: Graph) -> Packages | None:
    """The packages that the tree's Python imports; None where it may read something that no file and no version tells."""
    if not graph.runs_python:
        return []
    env = env_file.path_of(graph.directory)
    others: set[str] = set()
    for path in sorted(graph.directory.rglob("*.py")):
        if "__pycache__" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            return None
        tops = set(_tops(tree))
        if path in (env, graph.directory / env_file.FILE):  # of which only imports count, of one of the two
            others |= {top for top in tops if path == env and top not in sys.stdlib_module_names}
        elif _looks_around(tree, tops):
            return None
        else:
            others |= tops - _SAME
    others = {top for top in others - set(_LIBRARIES) if not _is_beside(graph.directory, top)}
    if others & sys.stdlib_module_names:
        return None
    return _installed(others)


def still_so(kept: Kept, found: Packages, environment: str) -> bool:
    """Whether packages are as they were, and what they may read in the environment."""
    return all(_is_installed(*each) for each in found) and environment == (surrounding(kept) if found else "")


def surrounding(kept: Kept) -> str:
    """What stands for the environment, which a package may read."""
    return kept.mac(
        "\0".join(f"{name}={value}" for name, value in sorted(os.environ.items()) if name not in _OF_SHELLS)
    )


@contextmanager
def reading(directory: Path) -> Iterator[list[str]]:
    """Collects files that are opened meanwhile, but those of the tree and of what is installed."""
    found: list[str] = []
    known = [directory.resolve(), (directory.parent / "alembic.ini").resolve(), Path(sys.prefix), Path(sys.base_prefix)]
    opened = builtins.open

    def watched(file: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(file, (str, bytes, os.PathLike)):
            path = Path(os.fsdecode(file)).resolve()
            if not any(path == each or each in path.parents for each in known):
                found.append(str(path))
        return opened(file, *arguments, **options)

    builtins.open = io.open = watched
    try:
        yield found
    finally:
        builtins.open = io.open = opened


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tops(tree: ast.Module) -> Iterator[str]:
    """The packages that a module imports, but those beside it that it names by dots."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
        yield from (name.split(".", 1)[0] for name in names)


def _looks_around(tree: ast.Module, tops: set[str]) -> bool:
    """Whether a module may read the environment, the clock, or folders."""
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if isinstance(node, ast.alias):
            name = node.name
        if name in _ELSEWHERE or (name in _OF_FOLDERS and tops & {"os", "pathlib"}):
            return True
        if name == "open" and isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "os":
            return True
        if name in _OF_TIME and "datetime" in tops and isinstance(node, ast.Attribute) and not _is_func(node.value):
            return True
    return False


def _is_func(node: ast.expr) -> bool:
    """Whether it is SQLAlchemy's func, as in sa.func.now()."""
    return (node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")) == "func"


def _is_beside(directory: Path, top: str) -> bool:
    return (directory / f"{top}.py").is_file() or (directory / top).is_dir()


def _installed(tops: Iterable[str]) -> Packages | None:
    """Each with its distribution and version; None where one may change without another version."""
    found: Packages = []
    owners = importlib.metadata.packages_distributions() if tops else {}
    for top in sorted(tops):
        if not owners.get(top) and _is_importable(top):
            return None
        for owner in sorted(set(owners.get(top, []))):
            if _is_editable(owner):
                return None
            found.append([top, owner, importlib.metadata.version(owner)])
        found += [] if owners.get(top) else [[top, "", ""]]
    return found


def _is_installed(top: str, distribution: str, version: str) -> bool:
    if not distribution:
        return not _is_importable(top)
    try:
        return importlib.metadata.version(distribution) == version and not _is_editable(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False


def _is_editable(distribution: str) -> bool:
    return "dir_info" in (importlib.metadata.distribution(distribution).read_text("direct_url.json") or "")


def _is_importable(top: str) -> bool:
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return True
