"""What a tree's env.py says about how its revisions run, read without running it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenantplan.errors import MigrationError

# Options of context.configure() that change what a migration leaves behind, and that only env.py itself could carry out.
_REFUSED = {
    "on_version_apply": "calls a function for each version",
    "version_table_schema": "keeps the version table in another schema",
}
_HINT = "tenantplan runs revisions, and not env.py: say what it does in a revision"


@dataclass(frozen=True)
class EnvFile:
    """`each_alone`: every revision has a transaction of its own. `naming_convention` names constraints that have no name."""

    each_alone: bool = False
    naming_convention: dict[str, str] = field(default_factory=dict)


def read(directory: Path) -> EnvFile:
    """What the env.py in a tree says; MigrationError for what tenantplan would have to do and does not."""
    path = directory / "env.py"
    if not path.is_file():
        return EnvFile()
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError):
        return EnvFile()  # nobody runs it here
    each_alone, convention = False, {}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg:
            if node.arg in _REFUSED and _value(node.value) is not None:
                raise MigrationError(_REFUSED[node.arg], where=f"{path}:{node.value.lineno}", hint=_HINT)
            if node.arg == "version_table" and _value(node.value) not in ("alembic_version", _UNKNOWN):
                raise MigrationError("renames the version table", where=f"{path}:{node.value.lineno}", hint=_HINT)
            if node.arg == "transaction_per_migration":
                each_alone = bool(_value(node.value))
            if node.arg == "naming_convention":
                convention = _convention(tree, node.value, path)
        if isinstance(node, ast.Attribute) and node.attr == "listens_for":
            raise MigrationError("listens for events", where=f"{path}:{node.lineno}", hint=_HINT)
    return EnvFile(each_alone, convention)


_UNKNOWN = object()


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _UNKNOWN


def _convention(tree: ast.Module, node: ast.expr, path: Path) -> dict[str, str]:
    """A naming convention that is written down in env.py, there or as a name."""
    if isinstance(node, ast.Name):
        name = node.id
        for other in tree.body:
            if isinstance(other, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in other.targets):
                node = other.value
    found = _value(node)
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise MigrationError(
            "the naming convention is computed",
            where=f"{path}:{node.lineno}",
            hint="write it in env.py as a dictionary of strings: env.py is read, and not run",
        )
    return {str(key): value for key, value in found.items()}
