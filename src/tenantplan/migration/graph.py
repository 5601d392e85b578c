"""The revisions of one Alembic tree, read without running them.

Identifiers are taken from the files' syntax trees: a plan runs for every pull request, and looking at a tree must
neither execute what the pull request wrote nor pay for importing Alembic. The order has to be one line from base to
head, because one line is what "this database is at 9c1b" can name; everything else is refused with its fix.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenantplan.errors import MigrationError

_FIELDS = ("revision", "down_revision", "branch_labels", "depends_on")
# Alembic's own column is varchar(32), and it refuses "@", "+" and "-" in identifiers.
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Revision:
    """One file of a tree: its id, the id before it (None: base), the first line of its docstring, its SHA-256."""

    id: str
    down: str | None
    message: str
    path: Path
    digest: str


@dataclass(frozen=True)
class Graph:
    """A tree in the order it is applied, base first.

    `digest` covers every revision and the modules beside env.py that revisions import: it changes when the compiled
    SQL can change. `head` is None while there is no revision.
    """

    tree: str
    directory: Path
    revisions: tuple[Revision, ...]
    digest: str

    @property
    def head(self) -> str | None:
        """The last revision."""
        return self.revisions[-1].id if self.revisions else None

    def path(self, start: str | None, end: str) -> tuple[Revision, ...]:
        """The revisions after `start` (None: an empty database) up to `end`; MigrationError when there is no way."""
        first, last = self._position(start), self._position(end)
        if first > last:
            raise MigrationError(
                f"revision {end} comes before {start}: going there is a downgrade", where=str(self.directory)
            )
        return self.revisions[first:last]

    def _position(self, revision: str | None) -> int:
        if revision is None:
            return 0
        for position, known in enumerate(self.revisions, start=1):
            if known.id == revision:
                return position
        raise MigrationError(
            f"the {self.tree} tree has no revision {revision}",
            where=str(self.directory),
            hint=f"known: {', '.join(known.id for known in self.revisions) or 'none'}; is a newer checkout needed?",
        )


@dataclass(frozen=True, slots=True)
class Edit:
    """An applied revision that is not what it was: `path` is its file, None when the file is gone."""

    revision: str
    path: Path | None

    @property
    def message(self) -> str:
        """What a person reads."""
        if self.path is None:
            return f"revision {self.revision} was applied, but its file is gone: restore it"
        return f"{self.path.name} was edited after revision {self.revision} was applied: undo, and write a new revision"


def load(directory: Path, tree: str) -> Graph:
    """The tree under `directory` (env.py and versions/); MigrationError, with the fix, when it is not one line."""
    versions = directory / "versions"
    if not versions.is_dir():
        raise MigrationError(
            f"there is no {tree} migration tree here",
            where=str(versions),
            hint="create it with `tenantplan init`, or set spec.migrations in tenantplan.yaml",
        )
    files = sorted(file for file in versions.glob("*.py") if not file.name.startswith((".#", "__init__")))
    revisions = _in_order([_read(file) for file in files])
    digests = [digest(file.read_bytes()) for file in sorted(directory.glob("*.py")) if file.name != "env.py"]
    whole = hashlib.sha256("\n".join(digests + [revision.digest for revision in revisions]).encode())
    return Graph(tree, directory, revisions, whole.hexdigest())


def digest(source: bytes) -> str:
    """SHA-256 of a file's text in hex, the same for every newline convention a checkout may use."""
    return hashlib.sha256(source.replace(b"\r\n", b"\n")).hexdigest()


def edited(graph: Graph, recorded: Mapping[str, str]) -> tuple[Edit, ...]:
    """Applied revisions (id -> digest, as recorded when they were applied) whose file differs or is gone."""
    files = {revision.id: revision for revision in graph.revisions}
    return tuple(
        Edit(applied, files[applied].path if applied in files else None)
        for applied, known in sorted(recorded.items())
        if applied not in files or files[applied].digest != known
    )


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
    _refuse_branching(found, file)
    docstring = (ast.get_docstring(tree) or "").strip()
    message = docstring.splitlines()[0] if docstring else file.stem
    return Revision(name, found.get("down_revision"), message, file, digest(source))


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


def _refuse_branching(found: Mapping[str, Any], file: Path) -> None:
    if found.get("branch_labels") or found.get("depends_on"):
        raise MigrationError(
            "branch_labels and depends_on are not supported: a tree is one line from base to head",
            where=str(file),
            hint="set both to None and order the revision with down_revision",
        )
    down = found.get("down_revision")
    if down is not None and not isinstance(down, str):
        raise MigrationError(
            "a merge of branches is not supported: a tree is one line from base to head",
            where=str(file),
            hint="remove the merge and set down_revision of one branch's first revision to the other branch's last",
        )


def _in_order(revisions: Sequence[Revision]) -> tuple[Revision, ...]:
    by_id: dict[str, Revision] = {}
    after: dict[str | None, list[Revision]] = {}
    for revision in revisions:
        if revision.id in by_id:
            raise MigrationError(
                f"revision {revision.id} is in two files: {by_id[revision.id].path.name} and {revision.path.name}",
                where=str(revision.path.parent),
                hint="give the newer one another revision id",
            )
        by_id[revision.id] = revision
        after.setdefault(revision.down, []).append(revision)
    _refuse_unknown(revisions, by_id)
    _refuse_forks(after, by_id)
    line: list[Revision] = []
    while follower := after.get(line[-1].id if line else None):
        line.append(follower[0])
    if len(line) < len(by_id):
        lost = ", ".join(sorted(by_id.keys() - {revision.id for revision in line}))
        raise MigrationError(
            f"revisions {lost} follow each other in a circle",
            where=str(revisions[0].path.parent),
            hint="set down_revision of the first of them to the revision it comes after (None for the base)",
        )
    return tuple(line)


def _refuse_unknown(revisions: Sequence[Revision], by_id: Mapping[str, Revision]) -> None:
    for revision in revisions:
        if revision.down is not None and revision.down not in by_id:
            raise MigrationError(
                f"down_revision {revision.down} is in no file",
                where=str(revision.path),
                hint="restore the missing file, or set down_revision to the revision before",
            )


def _refuse_forks(after: Mapping[str | None, Sequence[Revision]], by_id: Mapping[str, Revision]) -> None:
    for before, followers in after.items():
        if len(followers) < 2:
            continue
        names = " and ".join(f"{revision.id} ({revision.path.name})" for revision in followers)
        heads = sorted(revision for revision in by_id if revision not in after)
        what = "several bases" if before is None else f"several heads ({', '.join(heads)})"
        raise MigrationError(
            f"{what}: {names} both follow {before or 'the empty database'}",
            where=str(followers[0].path.parent),
            hint=f"put them in one line: set down_revision in {followers[-1].path.name} to the head it comes after",
        )
