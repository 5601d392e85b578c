"""The revisions of one migration tree, read without running them.

Alembic: identifiers are taken from the files' syntax trees: a plan runs for every pull request, and looking at a tree must
neither execute what the pull request wrote nor pay for importing Alembic. Prisma: a folder for each revision. TypeORM: a file for
each.

What a database is at is a position: the id of its newest revision, or, between the branches of a tree, several with commas
between them, as Alembic's version table holds them. A tree has one head; branches have to be merged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from tenantplan.errors import MigrationError
from tenantplan.migration.tree import alembic_files, env_file, prisma_files, typeorm_files
from tenantplan.migration.tree.env_file import EnvFile
from tenantplan.migration.tree.revision import Revision, digest, parts, position

ALEMBIC, PRISMA, TYPEORM = "alembic", "prisma", "typeorm"


@dataclass(frozen=True)
class Graph:
    """A tree in the order it is applied, base first.

    `digest` covers every revision and the files beside them: it changes when the compiled SQL can change. `engine` is "alembic",
    "prisma" or "typeorm", `env` is what Alembic's env.py says about how revisions run. `rerun` are revisions that may begin
    again when they were interrupted between their own commits. `models` is the application's MetaData as
    package.module:attribute, below `root`. `clones`: new databases are copies of one in which the tree was run.
    """

    tree: str
    directory: Path
    revisions: tuple[Revision, ...]
    digest: str
    engine: str = ALEMBIC
    env: EnvFile = field(default_factory=EnvFile)
    rerun: tuple[str, ...] = ()
    models: str | None = None
    root: Path = Path()
    clones: bool = True

    @property
    def runs_python(self) -> bool:
        """Whether its statements are known only when its revisions have run, as Alembic's are; the others are SQL."""
        return self.engine == ALEMBIC

    @cached_property
    def head(self) -> str | None:
        """The last revision; None while there is none."""
        return position(self._newest({revision.id for revision in self.revisions}))

    @cached_property
    def by_id(self) -> dict[str, Revision]:
        """Revisions by their ids."""
        return {revision.id: revision for revision in self.revisions}

    def path(self, start: str | None, end: str | None) -> tuple[Revision, ...]:
        """The revisions after `start` (None: an empty database) up to `end`; MigrationError when there is no way."""
        have, wanted = self._applied(start), self._applied(end)
        if not have <= wanted:
            raise MigrationError(
                f"revision {end} comes before {start}: going there is a downgrade"
                if wanted <= have
                else f"revisions {start} and {end} are in different branches",
                where=str(self.directory),
            )
        return tuple(revision for revision in self.revisions if revision.id in wanted - have)

    def comes_before(self, first: str, second: str) -> bool:
        """Whether going from the position `second` to `first` only takes revisions back. MigrationError for unknown ones."""
        return self._applied(first) < self._applied(second)

    def after(self, start: str | None, revision: Revision) -> str | None:
        """The position when `revision` was applied at `start`."""
        return position(self._newest(self._applied(start) | {revision.id}))

    def before(self, start: str | None, revision: Revision) -> str | None:
        """The position when `revision` was taken back at `start`."""
        return position(self._newest(self._applied(start) - {revision.id}))

    def knows(self, revision: str | None) -> bool:
        """Whether a position is one of this tree."""
        return set(parts(revision)) <= self.by_id.keys()

    def _newest(self, applied: set[str]) -> set[str]:
        return applied - {down for revision in self.revisions if revision.id in applied for down in revision.down}

    def _applied(self, revision: str | None) -> set[str]:
        """Everything that is applied at a position."""
        found: set[str] = set()
        waiting = list(parts(revision))
        while waiting:
            name = waiting.pop()
            known = self.by_id.get(name)
            if known is None:
                raise MigrationError(
                    f"the {self.tree} tree has no revision {name}",
                    where=str(self.directory),
                    hint=f"known: {', '.join(self.by_id) or 'none'}; is a newer checkout needed?",
                )
            if name not in found:
                found.add(name)
                waiting.extend(known.down)
        return found


@dataclass(frozen=True, slots=True)
class RevisionEdit:
    """An applied revision that is not what it was: `path` is its file, None when the file is gone."""

    revision: str
    path: Path | None

    @property
    def message(self) -> str:
        """What a person reads."""
        if self.path is None:
            return f"revision {self.revision} was applied, but its file is gone: restore it"
        return f"{self.path.name} was edited after revision {self.revision} was applied: undo the edit, and write a new revision"


def engine_of(directory: Path) -> str:
    """Whose tree a folder is: Prisma's or TypeORM's when it looks like one, else Alembic's."""
    if (directory / "versions").is_dir():
        return ALEMBIC
    if prisma_files.is_tree(directory):
        return PRISMA
    return TYPEORM if typeorm_files.is_tree(directory) else ALEMBIC


def load(directory: Path, tree: str) -> Graph:
    """The tree in `directory`; MigrationError, with the fix, when it cannot be used."""
    engine = engine_of(directory)
    if engine != ALEMBIC:
        return _load_scripts(directory, tree, engine)
    versions = directory / "versions"
    if not versions.is_dir():
        raise MigrationError(
            f"there is no {tree} migration tree here",
            where=str(versions),
            hint="create it with `tenantplan init`, or set spec.migrations in tenantplan.yaml",
        )
    revisions = alembic_files.load(versions)
    beside = [f"{file.relative_to(directory)} {digest(file.read_bytes())}" for file in _other_files(directory)]
    whole = hashlib.sha256("\n".join([*beside, *(revision.digest for revision in revisions)]).encode())
    return Graph(tree, directory, revisions, whole.hexdigest(), env=env_file.read(directory))


def _other_files(directory: Path) -> list[Path]:
    """What revisions may import or read, and what env.py says: every file of the tree but revisions and bytecode."""
    found = (path for path in directory.rglob("*") if path.is_file() and path.parent != directory / "versions")
    return sorted(path for path in found if not {"__pycache__", ".git"} & set(path.parts))


def _load_scripts(directory: Path, tree: str, engine: str) -> Graph:
    revisions: list[Revision] = []
    for found in _prisma(directory) if engine == PRISMA else _typeorm(directory):
        down = (revisions[-1].id,) if revisions else ()
        revisions.append(replace(found, down=down))
    beside = [f"{file.relative_to(directory)} {digest(file.read_bytes())}" for file in _other_files(directory)]
    whole = hashlib.sha256("\n".join([*beside, *(revision.digest for revision in revisions)]).encode())
    return Graph(tree, directory, tuple(revisions), whole.hexdigest(), engine, EnvFile(each_alone=True))


def _prisma(directory: Path) -> Iterator[Revision]:
    for each in prisma_files.load(directory):
        message = each.name.partition("_")[2].replace("_", " ") or each.name
        yield Revision(each.name, (), message, each.path, each.checksum, each.preflight, each.down is not None)


def _typeorm(directory: Path) -> Iterator[Revision]:
    for each in typeorm_files.load(directory):
        message = each.name[:-13] or each.name
        yield Revision(each.name, (), message, each.path, each.digest, each.preflight, each.down is not None)


def edited(graph: Graph, recorded: Mapping[str, str]) -> tuple[RevisionEdit, ...]:
    """Applied revisions (id -> digest, as recorded when they were applied) whose file differs or is gone."""
    files = {revision.id: revision for revision in graph.revisions}
    return tuple(
        RevisionEdit(applied, files[applied].path if applied in files else None)
        for applied, known in sorted(recorded.items())
        if applied not in files or files[applied].digest != known
    )
