"""Documents to desired state, in one pass; every mistake that several documents make together is reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tenantplan.documents import Document, Problem
from tenantplan.documents.source import Problems
from tenantplan.errors import ManifestError
from tenantplan.manifest.checks.collisions import collisions
from tenantplan.manifest.checks.duplicate_rows import same_rows
from tenantplan.manifest.checks.fleet_secrets import own_secrets
from tenantplan.manifest.checks.references import Index, crosscheck, index_of
from tenantplan.manifest.checks.servers import misplaced, unplaced
from tenantplan.manifest.declared_logins import declared_logins, login_problems
from tenantplan.manifest.definitions import kinds_of, not_allowed
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fleet_facts import FleetFacts
from tenantplan.manifest.kinds import DEFINITIONS, Kinds, address
from tenantplan.manifest.kinds.organization import OrganizationSpec
from tenantplan.manifest.kinds.tier import TierSpec
from tenantplan.manifest.placement import PlacedDocument, homes
from tenantplan.manifest.renames import renames
from tenantplan.manifest.same_places import same_places
from tenantplan.manifest.server_objects import groups, server_objects
from tenantplan.model.desired import Desired
from tenantplan.model.resource import Row, Schema, State
from tenantplan.tables import BUILTIN

__all__ = ["FleetFacts", "resolve"]


def resolve(documents: Sequence[Document], facts: FleetFacts) -> Desired:
    """The desired state of all documents of a manifest, as `documents.load` returns them.

    The revision of each Schema is the one that its document names, or None: the pipeline knows the head. Raises
    ManifestError with every duplicate, undeclared reference, impossible rename and colliding name.
    """
    kinds = kinds_of(documents)
    refused = list(not_allowed(documents, facts.tables))
    documents = with_cascaded_deletions([document for document in documents if document.kind != DEFINITIONS])
    index = index_of(documents)
    unique = list(index.values())
    organizations = _effective(unique, index)
    found = homes(unique, organizations, facts)
    placed = list(found.values())
    _refuse(
        *refused,
        *crosscheck(documents, index, facts),
        *login_problems(documents, facts),
        *unplaced(placed, facts),
        *misplaced_pins(placed, facts),
        *collisions(placed, facts),
    )
    draft = _rows(unique, organizations, found, kinds, facts)
    tables = {**BUILTIN, **{kind.rowtype.table: kind.rowtype for kind in kinds.values()}}
    logins = declared_logins(placed, facts)
    _refuse(*same_rows(draft, tables), *own_secrets(draft, unique, facts), *same_places(draft, logins, facts))
    _objects(draft, found, facts)
    return Desired(
        state=dict(sorted(draft.state.items())),
        deleted=frozenset(draft.deleted),
        gone={**draft.gone, **_named(unique, kinds)},
        renames=renames(unique, found, kinds, draft.state),
        labels=_labels(unique, kinds),
        origins=draft.origins,
        placements={key: home.placement for key, home in found.items() if not home.deleted},
        protected=frozenset(kinds[d.kind].address(d.name) for d in unique if getattr(d.spec, "protect", False)),
        restores={kinds[d.kind].address(d.name): d.restore for d in unique if d.restore},
        adopted=frozenset(kinds[d.kind].address(d.name) for d in unique if d.adopt),
        tables=tables,
        notes=misplaced(found.values(), facts),
        logins=logins,
    )


def _refuse(*found: Problem) -> None:
    """ManifestError with all these problems, if there are any."""
    problems = Problems()
    for problem in found:
        problems.add(problem)
    if problems:
        raise ManifestError(problems.sorted())


def _effective(documents: Iterable[Document], index: Index) -> dict[str, OrganizationSpec]:
    """Every organization's spec with its tier's defaults, by name."""
    result = {}
    for document in documents:
        if isinstance(document.spec, OrganizationSpec):
            tier = index.get(("Tier", document.spec.tier or ""))
            spec = tier.spec if tier else None
            result[document.name] = effective(document.spec, spec if isinstance(spec, TierSpec) else None)
    return result


def _rows(
    documents: Iterable[Document],
    organizations: Mapping[str, OrganizationSpec],
    found: Mapping[str, PlacedDocument],
    kinds: Kinds,
    facts: FleetFacts,
) -> Draft:
    draft = Draft(facts.encrypts, facts.pool)
    placements = {key: home.placement for key, home in found.items()}
    for document in documents:
        spec = organizations[document.name] if document.kind == "Organization" else document.spec
        kinds[document.kind].translate(draft, document, spec, placements)
    return draft


def _objects(draft: Draft, found: Mapping[str, PlacedDocument], facts: FleetFacts) -> None:
    """Databases, roles and schemas. Those of a deleted document are deleted; its schema goes with its database."""
    for home in found.values():
        for key, resource in server_objects(home, facts):
            if not home.deleted:
                draft.state[key] = resource
                draft.origin(key, home.document)
            elif not isinstance(resource, Schema):
                draft.delete(key, home.document)
    draft.state.update(groups(found.values(), facts))


def _named(documents: Iterable[Document], kinds: Kinds) -> State:
    """Rows of documents that are declared as deleted, as far as their names say which those are."""
    found: State = {}
    for document in documents:
        rowtype = kinds[document.kind].rowtype
        if getattr(document.spec, "state", "active") == "deleted" and rowtype.identity == (rowtype.name,):
            found[rowtype.address(document.name)] = Row(rowtype.table, {rowtype.name: document.name})
    return found


def _labels(documents: Iterable[Document], kinds: Kinds) -> dict[str, dict[str, str]]:
    """Labels by address; an organization has its tier as one, a tenant its organization's, unless it says otherwise."""
    labels = {kinds[d.kind].address(d.name): dict(d.labels) for d in documents}
    for document in documents:
        tier = getattr(document.spec, "tier", None)
        if tier and document.kind == "Organization":
            labels[address("Organization", document.name)].setdefault("tier", tier)
    for document in documents:
        if document.kind == "Tenant":
            above = labels.get(address("Organization", getattr(document.spec, "organization", "")), {})
            key = address("Tenant", document.name)
            labels[key] = above | labels[key]
    return labels


PINNED_AT = ("spec", "database", "revision")  # where a document says which revision its database stays at


def misplaced_pins(found: Iterable[PlacedDocument], facts: FleetFacts) -> Iterator[Problem]:
    """Each pin of an organization in the shared tables, which all have one revision.

    Where dedicated databases are switched off for the whole fleet, a pin waits for them as `server` and `name` do.
    """
    for home in found:
        if home.revision is not None and facts.dedicated and home.placement.mode == "shared" and not home.deleted:
            message = "`revision` is for a database of its own, and the data is in the shared tables"
            yield home.document.problem(message, *PINNED_AT, hint="remove it, or say `mode: dedicated`")


def with_cascaded_deletions(documents: Sequence[Document]) -> list[Document]:
    """The documents, each project of an organization that is declared as deleted as if it said so itself."""
    gone = {d.name for d in documents if d.kind == "Organization" and getattr(d.spec, "state", "active") == "deleted"}
    return [
        replace(d, spec=d.spec.model_copy(update={"state": "deleted"}))
        if d.kind == "Project" and getattr(d.spec, "organization", None) in gone
        else d
        for d in documents
    ]


def effective(spec: OrganizationSpec, tier: TierSpec | None) -> OrganizationSpec:
    """The organization with its tier's defaults: mappings merge at any depth, lists do not, the organization wins."""
    if tier is None:
        return spec
    own = spec.model_dump(by_alias=True, exclude_unset=True)
    defaults = tier.defaults.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
    if spec.database.url is not None and "database" in defaults:  # a brought database is nowhere else
        defaults["database"] = {k: v for k, v in defaults["database"].items() if k not in ("mode", "server")}
    if spec.database.password is not None and "database" in defaults:  # which is one thing, however it is said
        defaults["database"].pop("password", None)
    if spec.database.read_only_password is not None and "database" in defaults:
        defaults["database"].pop("readOnlyPassword", None)
    return OrganizationSpec.model_validate(_merged(defaults, own))


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
