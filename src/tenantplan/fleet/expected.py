"""The desired side, complete: what the manifest says, and what only the migrations, the environment and the main database know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tenantplan.documents import Document
from tenantplan.errors import MigrationError
from tenantplan.execution.context import MAIN
from tenantplan.migration import graph as graphs
from tenantplan.migration.compile import compile_path
from tenantplan.migration.graph import Graph
from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.encode import digest
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Schema, State
from tenantplan.planning.lower import Migration
from tenantplan.secrets.keys import fleet_vault
from tenantplan.settings import Settings

GROUPS = ("tenantplan_rw", "tenantplan_ro")


@dataclass(frozen=True)
class Trees:
    """The two migration trees of a fleet."""

    main: Graph
    tenant: Graph

    def of(self, tree: str) -> Graph:
        """The graph behind a Schema's `tree`: "shared" is the tenant tree, compiled for the main database."""
        return self.main if tree == "main" else self.tenant

    @property
    def digests(self) -> dict[tuple[str, str], str]:
        """(tree, revision) -> digest of its file."""
        return {(g.tree, r.id): r.digest for g in (self.main, self.tenant) for r in g.revisions}

    def statements(self, tree: str, start: str | None) -> tuple[str, ...]:
        """The SQL from `start` to the head of a tree."""
        graph = self.of(tree)
        if graph.head is None:
            return ()
        table = "alembic_version_tenant" if tree == "shared" else "alembic_version"
        return compile_path(graph, start, graph.head, shared=tree == "shared", version_table=table)


def load_trees(settings: Settings) -> Trees:
    """Both trees; MigrationError when one cannot be used."""
    return Trees(graphs.load(settings.migrations("main"), "main"), graphs.load(settings.migrations("tenant"), "tenant"))


def load_documents(settings: Settings) -> list[Document]:
    """Every document of the manifest; ManifestError with all mistakes."""
    from tenantplan.documents import load
    from tenantplan.manifest.definitions import DEFINITIONS, specs_of
    from tenantplan.manifest.kinds import NAME_RULES, SPECS

    return load(settings.root, settings.spec.manifests, SPECS, NAME_RULES, definitions=DEFINITIONS, extend=specs_of)


def declared(settings: Settings, documents: list[Document] | None = None) -> Desired:
    """What the manifest asks for, without a database; ManifestError with all mistakes."""
    from tenantplan.manifest.resolve import FleetFacts, resolve

    facts = FleetFacts(
        fleet=settings.fleet,
        main_database=settings.spec.main.database,
        database_prefix=settings.prefix,
        servers=frozenset(settings.servers),
        dedicated=settings.spec.dedicated_databases,
        group_rw=GROUPS[0],
        group_ro=GROUPS[1],
        encrypts=fleet_vault(settings) is not None,
        tables=frozenset(settings.spec.resource_tables),
        reserved=settings.own_references,
    )
    return resolve(load_documents(settings) if documents is None else documents, facts)


def complete(desired: Desired, settings: Settings, trees: Trees) -> Desired:
    """The desired state with the main database and the newest revision of every schema."""
    name = settings.spec.main.database
    state: State = {
        a: replace(r, revision=trees.tenant.head) if isinstance(r, Schema) else r for a, r in desired.state.items()
    }
    where = addresses.schema(MAIN, name)
    state[addresses.database(MAIN, name)] = Database(MAIN, name)
    state[where] = Schema(MAIN, name, "main", trees.main.head)
    state[f"{where}/shared"] = Schema(MAIN, name, "shared", trees.tenant.head)
    return replace(desired, state=state)


def migrations_for(desired: State, live: State, trees: Trees) -> tuple[dict[str, Migration], dict[str, Finding]]:
    """The Migration of each schema that is behind, by address, with that of each new database; findings where there is none."""
    found: dict[str, Migration] = {}
    problems: dict[str, Finding] = {}
    cache: dict[tuple[str, str | None], Migration] = {}
    for address, want in desired.items():
        have = live.get(address)
        if not isinstance(want, Schema) or (isinstance(have, Schema) and have.revision == want.revision):
            continue
        start = have.revision if isinstance(have, Schema) else None
        kind = "main" if want.tree == "main" else want.tree
        try:
            if (kind, start) not in cache:
                cache[kind, start] = _migration(trees, kind, start)
            found[address] = cache[kind, start]
        except MigrationError as error:
            problems[address] = Finding(
                address, "migration", "; ".join(filter(None, (error.where, error.message, error.hint)))
            )
    for address, want in desired.items():
        if isinstance(want, Schema) and want.tree == "tenant" and address in found and address not in live:
            found[addresses.database(want.server, want.database)] = found[address]
    return found, problems


def _migration(trees: Trees, tree: str, start: str | None) -> Migration:
    graph = trees.of(tree)
    if graph.head is None:
        return Migration((), ())
    return Migration(tuple(r.id for r in graph.path(start, graph.head)), trees.statements(tree, start))


def edited(trees: Trees, recorded: Mapping[tuple[str, str], str]) -> list[Finding]:
    """A finding for each applied revision whose file is not what it was (P19)."""
    findings = []
    for graph in (trees.main, trees.tenant):
        applied = {revision: known for (tree, revision), known in recorded.items() if tree == graph.tree}
        findings += [
            Finding(f"migrations/{graph.tree}/{e.revision}", "edited-revision", e.message)
            for e in graphs.edited(graph, applied)
        ]
    return findings


def config_digest(settings: Settings, trees: Trees) -> str:
    """Digest of what, besides the manifest, decides what a plan means: the fleet file and the migrations."""
    spec = settings.spec.model_dump(mode="json", by_alias=True)
    return digest([settings.fleet, settings.prefix, spec, trees.main.digest, trees.tenant.digest])
