"""The revisions of an Alembic tree, taken from their files' syntax trees: nothing of them is run, and Alembic is imported
only where branches have to be put in its order."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenantplan.errors import MigrationError
from tenantplan.migration.tree.refusals import Refusals
from tenantplan.migration.tree.revision import Revision, digest
from tenantplan.model.dependencies import dependencies_first

# Where a database says what it is at; the tenant tree has its own table where it shares the main database with the main tree.
VERSION_TABLE, SHARED_VERSION_TABLE = "alembic_version", "alembic_version_tenant"
_MOVE = "move it into versions/ itself: version_locations and recursive_version_locations are not supported"
_FIELDS = ("revision", "down_revision", "depends_on", "preflight")
# Alembic's own column is varchar(32), and it refuses "@", "+" and "-" in identifiers.
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.]{1,32}", re.ASCII)


def load(versions: Path) -> tuple[Revision, ...]:
    """The revisions of a folder in the order they are applied; MigrationError, with the fix, when they cannot be."""
    refusals = Refusals()
    for file in sorted(versions.rglob("*.py")):
        if file.parent != versions and "__pycache__" not in file.parts and b"down_revision" in file.read_bytes():
            with refusals.of_one():
                raise MigrationError("a revision in a folder of its own is not read", where=str(file), hint=_MOVE)
    found: list[Revision] = []
    for file in sorted(file for file in versions.glob("*.py") if not file.name.startswith((".#", "__init__"))):
        with refusals.of_one():
            found.append(_read(file))
    refusals.tell()
    return _in_order(found)


def _read(file: Path) -> Revision:
    try:
        source = file.read_bytes()
        tree = ast.parse(source, str(file))
    except OSError as error:
        raise MigrationError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except SyntaxError as error:
        raise MigrationError(f"syntax error: {error.msg}", where=f"{file}:{error.lineno}") from error
    except ValueError as error:  # a NUL byte
        raise MigrationError(f"not Python source: {error}", where=str(file)) from error
    found = _identifiers(tree, file)
    name = found.get("revision")
    if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
        raise MigrationError(
            'needs `revision = "..."` of at most 32 letters, digits, underscores or dots',
            where=str(file),
            hint="make revisions with `alembic revision`, and keep other modules beside env.py",
        )
    docstring = (ast.get_docstring(tree) or "").strip()
    message = docstring.splitlines()[0] if docstring else file.stem
    return Revision(
        id=name,
        down=_names(found, "down_revision", file) + _names(found, "depends_on", file),
        message=message,
        path=file,
        digest=digest(source),
        preflight=_names(found, "preflight", file),
        reversible=_goes_back(tree),
    )


def _names(found: Mapping[str, Any], field: str, file: Path) -> tuple[str, ...]:
    """One text, several, or none."""
    value = found.get(field)
    listed = () if value is None else (value,) if isinstance(value, str) else value
    if not isinstance(listed, (tuple, list, set)) or not all(isinstance(item, str) for item in listed):
        raise MigrationError(f"{field} must be a string, or several in a tuple", where=str(file))
    return tuple(dict.fromkeys(sorted(listed) if isinstance(listed, set) else listed))


def _goes_back(tree: ast.Module) -> bool:
    """Whether downgrade() is there and does more than raise."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "downgrade":
            return not any(isinstance(statement, ast.Raise) for statement in node.body)
    return False


def _identifiers(tree: ast.Module, file: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name) and target.id in _FIELDS:
                found[target.id] = _literal(node.value, target.id, file)
    return found


def _literal(value: ast.expr, name: str, file: Path) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError as error:
        raise MigrationError(
            f"{name} must be written as a plain string, not computed", where=f"{file}:{value.lineno}"
        ) from error


def _in_order(revisions: Sequence[Revision]) -> tuple[Revision, ...]:
    by_id: dict[str, Revision] = {}
    after: dict[str, list[Revision]] = {}
    for revision in revisions:
        if revision.id in by_id:
            raise MigrationError(
                f"revision {revision.id} is in two files: {by_id[revision.id].path.name} and {revision.path.name}",
                where=str(revision.path.parent),
                hint="give the newer one another revision id",
            )
        by_id[revision.id] = revision
        for down in revision.down or ("",):
            after.setdefault(down, []).append(revision)
    _refuse_unknown(revisions, by_id)
    _refuse_circles(revisions)
    _refuse_heads(revisions, after)
    if all(len(followers) == 1 for followers in after.values()) and all(len(r.down) < 2 for r in revisions):
        line: list[Revision] = []
        while follower := after.get(line[-1].id if line else ""):
            line.append(follower[0])
        return tuple(line)
    return tuple(by_id[name] for name in _as_alembic_orders(revisions))


def _as_alembic_orders(revisions: Sequence[Revision]) -> list[str]:
    """The ids of a tree with branches in the order of `alembic upgrade head`."""
    from alembic.script.revision import Revision as Node
    from alembic.script.revision import RevisionMap

    nodes = RevisionMap(lambda: [Node(r.id, r.down or None) for r in revisions])
    ordered = [node.revision for node in nodes.iterate_revisions("head", "base")]
    return ordered[::-1]


def _refuse_unknown(revisions: Sequence[Revision], by_id: Mapping[str, Revision]) -> None:
    for revision in revisions:
        for down in revision.down:
            if down not in by_id:
                raise MigrationError(
                    f"down_revision {down} is in no file",
                    where=str(revision.path),
                    hint="restore the missing file, or set down_revision (or depends_on) to the revision before",
                )


def _refuse_circles(revisions: Sequence[Revision]) -> None:
    needs = {revision.id: revision.down for revision in revisions}
    waiting = needs.keys() - dependencies_first(needs)
    if waiting:
        raise MigrationError(
            f"revisions {', '.join(sorted(waiting))} form a cycle",
            where=str(revisions[0].path.parent),
            hint="set down_revision of the first of them to the revision it comes after (None for the base)",
        )


def _refuse_heads(revisions: Sequence[Revision], after: Mapping[str, Sequence[Revision]]) -> None:
    heads = sorted((revision for revision in revisions if revision.id not in after), key=lambda r: r.id)
    if len(heads) < 2:
        return
    fork = next((name for name, followers in sorted(after.items()) if len(followers) > 1), "")
    names = " and ".join(f"{revision.id} ({revision.path.name})" for revision in after[fork])
    raise MigrationError(
        f"several heads ({', '.join(h.id for h in heads)}): {names} both follow {fork or 'the empty database'}",
        where=str(heads[0].path.parent),
        hint=f"put them in sequence: set down_revision in {heads[-1].path.name} to the head it comes after;"
        f" or merge them: alembic merge {' '.join(h.id for h in heads)}",
    )
