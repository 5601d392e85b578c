"""The desired side, complete: what the manifest says, and what only the migrations, the environment and the main database know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tenantplan.documents import Document, Problem
from tenantplan.documents.source import Source
from tenantplan.errors import ManifestError, Mistake
from tenantplan.fleet.opening import Fleet
from tenantplan.migration.trees import Trees
from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.desired import Desired
from tenantplan.model.encode import digest
from tenantplan.model.login import MAIN_TARGET
from tenantplan.model.resource import GROUPS, Database, Role, Schema, State, of_type
from tenantplan.settings.sections import FleetSpec
from tenantplan.settings.settings import Settings

if TYPE_CHECKING:
    from tenantplan.manifest.fleet_facts import FleetFacts

SHARING = (
    "c3a7f0d5"  # the revision of the main tree that knows the roles of shared mode; a fleet's own tree may lack it
)


def load_documents(fleet: Fleet) -> list[Document]:
    """Every document of the manifest; ManifestError with all mistakes."""
    from tenantplan.documents import load
    from tenantplan.documents.loading import Lost
    from tenantplan.manifest.checks.references import crosscheck, index_of
    from tenantplan.manifest.definitions import DEFINITIONS, specs_of
    from tenantplan.manifest.kinds import NAME_RULES, SPECS

    def check(documents: list[Document], lost: Lost) -> Iterator[Problem]:
        known = [document for document in documents if document.kind != DEFINITIONS]
        return crosscheck(known, index_of(known), facts(fleet), lost)

    manifests = fleet.settings.spec.manifests
    return load(
        fleet.settings.root, manifests, SPECS, NAME_RULES, definitions=DEFINITIONS, extend=specs_of, check=check
    )


def mistakes_of_documents(fleet_file: Path) -> list[Mistake]:
    """What is wrong with the documents of a fleet whose own file is wrong, as far as that says where they are."""
    from tenantplan.documents import load
    from tenantplan.documents.files import read_files
    from tenantplan.documents.nodes import ListNode, MapNode, Scalar, parse
    from tenantplan.documents.source import Problems
    from tenantplan.manifest.definitions import DEFINITIONS, specs_of
    from tenantplan.manifest.kinds import NAME_RULES, SPECS

    paths = list(FleetSpec().manifests)
    for source in read_files(fleet_file.parent, [fleet_file.name], Problems()):
        for root in parse(source, Problems()):
            spec = root.get("spec") if isinstance(root, MapNode) else None
            named = spec.get("manifests") if isinstance(spec, MapNode) else None
            if isinstance(named, ListNode):
                paths = [item.value for item in named.items if isinstance(item, Scalar)]
    if not any((fleet_file.parent / path).exists() for path in paths):
        return []
    try:
        load(fleet_file.parent, paths, SPECS, NAME_RULES, definitions=DEFINITIONS, extend=specs_of)
    except ManifestError as error:
        return error.found
    return []


def declared(fleet: Fleet, documents: list[Document] | None = None, placed: Mapping[str, str] | None = None) -> Desired:
    """What the manifest asks for, without a database; ManifestError with all mistakes.

    `placed` are the servers that databases are on already (address of the organization or tenant -> server); None: not known.
    """
    from tenantplan.manifest.resolve import resolve

    return resolve(load_documents(fleet) if documents is None else documents, facts(fleet, placed))


def facts(fleet: Fleet, placed: Mapping[str, str] | None = None) -> FleetFacts:
    """What the fleet file tells the manifest."""
    from tenantplan.manifest.fleet_facts import FleetFacts, Offer

    settings = fleet.settings
    return FleetFacts(
        fleet=settings.fleet,
        main_database=settings.spec.main.database,
        database_prefix=settings.prefix,
        servers=frozenset(settings.servers),
        dedicated=settings.spec.dedicated_databases,
        group_rw=GROUPS[0],
        group_ro=GROUPS[1],
        encrypts=fleet.vault is not None,
        tables=frozenset(settings.spec.resource_tables),
        reserved=settings.own_references
        | {f"file:{t.file}" for t in settings.spec.credentials.targets.values() if t.file},
        root=str(settings.root),
        offers={name: Offer(server.weight, server.tags) for name, server in settings.servers.items()},
        placed=placed,
        pool=settings.pool,
        targets={MAIN_TARGET: None, **{n: t.file for n, t in settings.spec.credentials.targets.items()}},
    )


def complete(desired: Desired, fleet: Fleet) -> Desired:
    """The desired state with the main database and the revision of every schema: the newest, where no document names another.

    ManifestError for one that the tree does not have.
    """
    trees, name = fleet.trees, fleet.main_database
    check_pins(desired, trees)
    schemas = of_type(desired.state, Schema).items()
    at_revision = {a: replace(schema, revision=schema.revision or trees.tenant.head) for a, schema in schemas}
    state: State = {**desired.state, **at_revision}
    where = addresses.schema(MAIN, name)
    state[addresses.database(MAIN, name)] = Database(MAIN, name, connect=())  # nobody but who was let in
    state[where] = Schema(MAIN, name, "main", trees.main.head)
    if trees.shares:
        state[addresses.shared_schema(name)] = Schema(MAIN, name, "shared", trees.tenant.head)
        if any(revision.id == SHARING for revision in trees.main.revisions):
            state |= {addresses.role(MAIN, role.name): role for role in _sharing(fleet)}
    return replace(desired, state=state)


def check_pins(desired: Desired, trees: Trees) -> None:
    """ManifestError for each revision in a document that the tenant tree does not have."""
    graph = trees.tenant
    unknown = [
        Problem(
            _place(desired.origins.get(address, address)),
            f"database.revision {schema.revision} is not in {graph.directory}",
            f"known: {', '.join(graph.by_id) or 'none'}",
        )
        for address, schema in of_type(desired.state, Schema).items()
        if not graph.knows(schema.revision)
    ]
    if unknown:
        raise ManifestError(unknown)


def _place(origin: str) -> Source:
    path, _, line = origin.rpartition(":")
    return Source(path, int(line), 1) if line.isdigit() else Source(origin, 1, 1)


def _sharing(fleet: Fleet) -> Iterator[Role]:
    """The groups of shared mode: they use the tenant tables of the main database, as logins of organizations or through a pool."""
    write, read, pool = facts(fleet).shared_groups
    yield Role(MAIN, write, access="write")
    yield Role(MAIN, read, access="read")
    yield Role(MAIN, pool, member_of=(write,), access="pool")


def config_digest(settings: Settings, trees: Trees) -> str:
    """Digest of what, besides the manifest, decides what a plan means: the fleet file and the migrations.

    Which keys sign plan files is not part of it: a key is added and another removed while plans are waiting.
    """
    spec = settings.spec.model_dump(mode="json", by_alias=True, exclude={"plans"})
    return digest([settings.fleet, settings.prefix, spec, trees.main.digest, trees.tenant.digest])
