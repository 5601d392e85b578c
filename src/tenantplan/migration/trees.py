"""The two migration trees of a fleet, and what it takes to bring each database to their heads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from tenantplan.errors import MigrationError, RevisionsRefused
from tenantplan.migration.kept import Kept
from tenantplan.migration.reviewed import made_up, reviewed
from tenantplan.migration.running.version import NAMES as VERSION_TABLES
from tenantplan.migration.running.version import VersionTables
from tenantplan.migration.tree import graph as graphs
from tenantplan.migration.tree.graph import Graph
from tenantplan.migration.tree.revision import Revision
from tenantplan.model import address as addresses
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Schema, State, of_type, one
from tenantplan.model.step import Hazard, Migration, PreflightCheck, Step, flat, one_transaction
from tenantplan.settings.settings import Settings

NO_TENANCY = (
    "the tenant tree makes the same tables in the main database as in a tenant's own: nothing keeps the organizations in them"
    " apart. If none is to live there, say so in the fleet file: shared: none"
)


@dataclass(frozen=True)
class Trees:
    """The two trees; `shared`: the fleet has the tenant's run in the main database, too, for shared mode. `kept` is where this
    machine keeps what it has compiled of them."""

    main: Graph
    tenant: Graph
    shared: bool = True
    kept: Kept | None = field(default=None, compare=False)

    def of(self, tree: str) -> Graph:
        """The graph behind a Schema's `tree`: "shared" is the tenant tree, compiled for the main database."""
        return self.main if tree == "main" else self.tenant

    @property
    def shares(self) -> bool:
        """Whether the tenant tree makes the tables of shared mode in the main database: a tree of SQL scripts cannot."""
        return self.shared and self.tenant.runs_python

    @property
    def knows_tenancy(self) -> bool:
        """Whether the tenant tree makes something else in the main database than in a tenant's own."""
        alone, shared = (
            [text for text in flat(self.upgrade(tree, None)) if not any(table in text for table in VERSION_TABLES)]
            for tree in ("tenant", "shared")
        )
        return alone != shared

    @cached_property
    def versions(self) -> VersionTables:
        """The version tables of the trees."""
        return VersionTables(self.tenant)

    @property
    def digests(self) -> dict[tuple[str, str], str]:
        """(tree, revision) -> digest of its file."""
        return {(g.tree, r.id): r.digest for g in (self.main, self.tenant) for r in g.revisions}

    @property
    def files(self) -> dict[tuple[str, str], Path]:
        """(tree, revision) -> its file."""
        return {(g.tree, r.id): r.path for g in (self.main, self.tenant) for r in g.revisions}

    def upgrade(
        self, tree: str, start: str | None, mark: str | None = None, end: str | None = None
    ) -> tuple[Step, ...]:
        """The steps from `start` to `end` (None: the head of the tree); `mark` was left by a migration that stopped halfway."""
        from tenantplan.migration.compile.compile import upgrade  # a plan without migrations starts without it

        graph = self.of(tree)
        return upgrade(graph, start, end or graph.head, shared=tree == "shared", mark=mark, kept=self.kept)

    def downgrade(self, tree: str, end: str | None, start: str | None = None) -> tuple[Step, ...]:
        """The steps from `start` (None: the head of the tree) back to `end`."""
        from tenantplan.migration.compile.compile import downgrade

        graph = self.of(tree)
        return downgrade(graph, start or graph.head, end, shared=tree == "shared", kept=self.kept)


def load_trees(settings: Settings) -> Trees:
    """Both trees; MigrationError when one cannot be used."""
    tenant = graphs.load(settings.migrations("tenant"), "tenant")
    said = settings.spec.migrations
    tenant = replace(tenant, rerun=tuple(said.rerun), models=said.models, root=settings.root, clones=said.clone)
    kept = Kept(settings.state_folder / "compiled")
    return Trees(graphs.load(settings.migrations("main"), "main"), tenant, settings.spec.shared != "none", kept)


def migrations_for(
    desired: State, live: State, trees: Trees, *, undo: bool = False, comments: bool = False
) -> tuple[dict[str, Migration], dict[str, tuple[Finding, ...]]]:
    """The Migration of each schema that is behind, by address, with that of each new database; findings where there is none, for
    each revision that stands in the way.

    `undo`: with the way back, without which there is none. `comments`: an author's comment in a revision allows what it destroys.
    """
    found: dict[str, Migration] = {}
    problems: dict[str, tuple[Finding, ...]] = {}
    cache: dict[tuple[str, str | None, str | None, str | None, bool], Migration | _Refused] = {}
    wanted = of_type(desired, Schema)
    for address, want in wanted.items():
        have = one(live.get(address), Schema)
        start, mark = (have.revision, have.halfway) if have is not None else (None, None)
        if have is not None and start == want.revision and mark is None:
            continue
        key = (want.tree, start, want.revision, mark, undo and have is not None)
        if key not in cache:
            try:
                cache[key] = _migration(trees, *key, comments)
            except MigrationError as error:
                cache[key] = _Refused(address, error)
        made = cache[key]
        if isinstance(made, Migration):
            found[address] = made
        else:
            problems[address] = tuple(made.findings(address))
    for address, want in wanted.items():
        if want.tree == "tenant" and address in found and address not in live:
            found[addresses.database(want.server, want.database)] = found[address]
    return found, problems


@dataclass(frozen=True)
class _Refused:
    """Why a path cannot be used: all of it is said at the `first` address that needs it, and the beginning at the others."""

    first: str
    error: MigrationError

    def findings(self, address: str) -> Iterator[Finding]:
        """What a plan says of it at an address."""
        errors = self.error.found if isinstance(self.error, RevisionsRefused) else [self.error]
        shown = errors[: RevisionsRefused.shown] if address == self.first else errors[:1]
        for each in shown:
            yield Finding(address, "migration", "; ".join(filter(None, (each.where, each.message, each.hint))))
        if rest := len(errors) - len(shown):
            place = "" if address == self.first else f", as for {self.first}"
            yield Finding(address, "migration", f"and {rest} more{place}")


def _migration(
    trees: Trees, tree: str, start: str | None, end: str | None, mark: str | None, undo: bool, comments: bool
) -> Migration:
    graph = trees.of(tree)
    if start is not None and end is not None and graph.comes_before(end, start):
        return _back(trees, tree, start, end, mark, undo)
    path = graph.path(start, end)
    steps = trees.upgrade(tree, start, mark, end)
    if tree == "main" and start is None and not one_transaction(steps):
        raise MigrationError(
            "the main database is created in one transaction, and this tree needs several",
            where=str(graph.directory),
            hint="write its revisions as SQL, without autocommit blocks",
        )
    hazards, locks, destructive = reviewed(trees.kept, steps, start, copied=_is_copied(trees, tree))
    losing, allowed = _losing(graph, path, steps, hazards, comments) if destructive else ((), ())
    return Migration(
        revisions=tuple(revision.id for revision in path),
        steps=steps,
        checks=tuple(PreflightCheck(r.id, text) for r in path[1 if mark else 0 :] for text in r.preflight),
        hazards=hazards,
        locks=locks,
        destructive=destructive,
        losing=losing,
        allowed=allowed,
        undo=_undo(trees, tree, start, end) if undo and tree != "main" else None,
        clones=graph.clones,
        made_up=made_up(trees.kept, steps) if start is None and mark is None and _is_copied(trees, tree) else (),
    )


def _back(trees: Trees, tree: str, start: str, end: str, mark: str | None, undo: bool) -> Migration:
    """The way back to a revision that a document names; what is rolled back then goes forward again."""
    graph = trees.of(tree)
    path = graph.path(end, start)[::-1]
    if mark and mark.endswith(":down"):
        from tenantplan.migration.compile.assemble import BACK_BY_HAND

        message = f"it is halfway back from revision {mark.partition(':')[0]}: the way back was stopped there"
        raise MigrationError(message, hint=BACK_BY_HAND)
    if mark:
        hint = "remove database.revision, apply to finish it, and then go back"
        raise MigrationError(f"it is halfway through revision {mark.partition(':')[0]}", hint=hint)
    for revision in path:
        if not revision.reversible:
            hint = "write its downgrade, or restore a backup from before it"
            raise MigrationError(f"revision {revision.id} has no way back", where=str(revision.path), hint=hint)
    steps = trees.downgrade(tree, end, start)
    hazards, locks, destructive = reviewed(trees.kept, steps, start, copied=_is_copied(trees, tree))
    return Migration(
        revisions=tuple(revision.id for revision in path),
        steps=steps,
        hazards=hazards,
        locks=locks,
        destructive=destructive,
        losing=tuple(revision.id for revision in path) if destructive else (),
        undo=trees.upgrade(tree, end, end=start) if undo else None,
        back=True,
    )


def _is_copied(trees: Trees, tree: str) -> bool:
    return tree == "tenant" and trees.tenant.clones


def _losing(
    graph: Graph, path: Sequence[Revision], steps: Sequence[Step], hazards: Sequence[Hazard], comments: bool
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    from tenantplan.migration.lint.destruction import losing  # imports PostgreSQL's parser

    return losing(graph, path, steps, hazards, comments=comments)


def _undo(trees: Trees, tree: str, start: str | None, end: str | None) -> tuple[Step, ...]:
    for revision in trees.of(tree).path(start, end):
        if not revision.reversible:
            raise MigrationError(
                f"revision {revision.id} has no way back, and rollout.onFailure is rollback",
                where=str(revision.path),
                hint="write its downgrade, or choose onFailure: stop for this rollout",
            )
    return trees.downgrade(tree, start, end)


def edited(trees: Trees, recorded: Mapping[tuple[str, str], str]) -> list[Finding]:
    """A finding for each applied revision whose file is not what it was."""
    findings = []
    for graph in (trees.main, trees.tenant):
        applied = {revision: known for (tree, revision), known in recorded.items() if tree == graph.tree}
        findings += [
            Finding(addresses.revision(graph.tree, e.revision), "edited-revision", e.message)
            for e in graphs.edited(graph, applied)
        ]
    return findings
