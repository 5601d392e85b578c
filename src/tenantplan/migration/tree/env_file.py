"""What a tree's env.py says about how its revisions run, read without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenantplan.errors import MigrationError
from tenantplan.migration.tree.alembic_files import SHARED_VERSION_TABLE, VERSION_TABLE

# Options of context.configure() that change what a migration leaves behind, and that only env.py itself could carry out.
_REFUSED = {
    "on_version_apply": "calls a function for each version",
    "version_table_schema": "keeps the version table in another schema",
    "schema_translate_map": "puts tables into another schema",
}
_CALLS = {
    "listen": "listens for events",
    "listens_for": "listens for events",
    "compiles": "changes how statements are compiled",
    "execute": "executes a statement itself",
    "exec_driver_sql": "executes a statement itself",
}
# What tenantplan has its own of: timeouts, the search_path, transactions, and a lock for the whole run.
_REPLACED = re.compile(
    r"\s*(SET|RESET|BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|PRAGMA|"
    r"SELECT\s+(pg_catalog\.)?(set_config|pg_(try_)?advisory_\w+))\b"
    r"(?!\s*((SESSION|LOCAL)\s+)?(ROLE|AUTHORIZATION)\b)(?!\s*\(\s*'(role|session_authorization)')",
    re.IGNORECASE,
)
_OF_CONNECTIONS = ("connect", "first_connect", "do_connect", "checkout", "checkin", "engine_connect")
FILE, OURS = "env.py", "env_tenantplan.py"
_HINT = f"tenantplan runs revisions, not env.py: move that into a revision, or write {OURS} beside it, which is read in its place"


@dataclass(frozen=True)
class EnvFile:
    """`each_alone`: every revision has a transaction of its own. `naming_convention` names constraints that have no name. `ignored`
    is what tenantplan does in its own way, with the line."""

    each_alone: bool = False
    naming_convention: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def path_of(directory: Path) -> Path:
    """The file that is read: the tree's env_tenantplan.py, else its env.py."""
    return directory / OURS if (directory / OURS).is_file() else directory / FILE


def read(directory: Path) -> EnvFile:
    """What the env.py in a tree says; MigrationError for what tenantplan would have to do and does not."""
    path = path_of(directory)
    if not path.is_file():
        return EnvFile()
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError):
        return EnvFile()  # nobody runs it here
    each_alone, convention = False, {}
    ignored: list[str] = []
    for name, node in _options(tree):
        values = _values(tree, node)
        if name in _REFUSED and values not in ([None], ["public"]):
            raise _refusal(_REFUSED[name], path, node)
        if name == "version_table" and not all(
            isinstance(v, str) and v in (VERSION_TABLE, SHARED_VERSION_TABLE) for v in values
        ):
            raise _refusal("renames the version table", path, node)
        if name == "transaction_per_migration":
            each_alone = values != [False]
        if name == "naming_convention":
            convention = _convention(values, path, node)
    for call in ast.walk(tree):
        called = call.func if isinstance(call, ast.Call) else None
        name = _name(called) if called is not None else ""
        if isinstance(call, ast.Call) and called is not None and name in _CALLS:
            if not (known := _replaced(tree, call, name)):
                raise _refusal(_CALLS[name], path, called)
            ignored.append(f"{path.name}:{call.lineno}: {known}")
    return EnvFile(each_alone, convention, tuple(ignored))


def _replaced(tree: ast.Module, call: ast.Call, name: str) -> str:
    """What a call does that tenantplan does in its own way; "" when it is something else, or cannot be read."""
    if name in ("listen", "listens_for"):
        event = call.args[1] if len(call.args) > 1 else None
        known = isinstance(event, ast.Constant) and event.value in _OF_CONNECTIONS
        return f"listens for {event.value!s}" if isinstance(event, ast.Constant) and known else ""
    text = _text(tree, call.args[0]) if call.args else ""
    parts = [part for part in text.split(";") if part.strip()]
    return " ".join(text.split()) if parts and all(map(_REPLACED.match, parts)) else ""


def _text(tree: ast.Module, node: ast.expr) -> str:
    """The SQL that an expression begins with: a string, text("…"), the start of an f-string, or a name that stands for one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and node.values:
        return _text(tree, node.values[0])
    if isinstance(node, ast.Call) and node.args:
        return _text(tree, node.args[0]) if _name(node.func) in ("text", "DDL") else ""
    if isinstance(node, ast.Name):
        found = {_text(tree, value) for value in _assigned(tree, node.id)}
        return found.pop() if len(found) == 1 else ""
    return ""


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _assigned(tree: ast.Module, name: str) -> Iterator[ast.expr]:
    """What is assigned to a name, anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            yield node.value


_UNKNOWN = object()


def _options(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Arguments by name, and entries of dictionaries, which may become such."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node.value
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value


def _values(tree: ast.Module, node: ast.expr) -> list[Any]:
    """What an expression may be, as far as it can be read; _UNKNOWN otherwise."""
    if isinstance(node, ast.IfExp):
        return _values(tree, node.body) + _values(tree, node.orelse)
    if isinstance(node, ast.Name):
        for other in tree.body:
            if isinstance(other, ast.Assign) and any(
                isinstance(t, ast.Name) and t.id == node.id for t in other.targets
            ):
                return _values(tree, other.value)
    try:
        return [ast.literal_eval(node)]
    except ValueError:
        return [_UNKNOWN]


def _convention(values: list[Any], path: Path, node: ast.expr) -> dict[str, str]:
    found = values[0]
    if len(values) != 1 or not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise MigrationError(
            "the naming convention is computed",
            where=f"{path}:{node.lineno}",
            hint="write it in env.py as a dictionary of strings: env.py is read, and not run",
        )
    return {str(key): value for key, value in found.items()}


def _refusal(what: str, path: Path, node: ast.expr) -> MigrationError:
    return MigrationError(what, where=f"{path}:{node.lineno}", hint=_HINT)
