"""Where each organization's and tenant's data lives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tenantplan.documents import Document
from tenantplan.manifest.checks.references import is_deleted
from tenantplan.manifest.fields import TaggedServer, milliseconds, requested_tags
from tenantplan.manifest.fleet_facts import FleetFacts
from tenantplan.manifest.kinds import address
from tenantplan.manifest.kinds.organization import OrganizationSpec
from tenantplan.manifest.kinds.tenant import TenantSpec
from tenantplan.manifest.names import derive
from tenantplan.manifest.password_fields import Rotation
from tenantplan.manifest.server_choice import choose
from tenantplan.model.address import MAIN
from tenantplan.model.placement import Placement

_SPARE = 3


@dataclass(frozen=True)
class PlacedDocument:
    """The placement of one document, and what its database and roles need to know.

    `own`: the database is this document's, not inherited. `was` is the database's name before a rename, if another.
    `tags` are those that its server was chosen by; None: it was named. `read_only`: a login role that only reads is asked for.
    `rotation` and `reader_rotation` are set where passwords are generated. `login`: in shared mode, one of its own; `known_as`
    is the name of the database it would have, after which that is called. `revision` is the one that its own database stays at,
    None: the newest.
    """

    document: Document
    placement: Placement
    own: bool = False
    open: bool = True
    deleted: bool = False
    connection_limit: int = -1
    statement_timeout: int = 0
    password: str | None = None
    rotation: Rotation | None = None
    was: str | None = None
    tags: Mapping[str, str] | None = None
    read_only: bool = False
    reader_password: str | None = None
    reader_rotation: Rotation | None = None
    login: bool = False
    known_as: str | None = None
    revision: str | None = None

    @property
    def bound(self) -> str | None:
        """In shared mode, the name after which its login roles are called, if it has any."""
        return self.known_as if self.login and self.placement.mode == "shared" else None

    @property
    def made(self) -> tuple[str, str] | None:
        """Server and name of the database that tenantplan makes for this document, if it does."""
        place = self.placement
        return (place.server, place.database) if self.own and place.server and place.database else None

    @property
    def database_limit(self) -> int:
        """Most sessions in its database: all that its logins may have, and some that tenantplan itself needs to migrate it."""
        count = max(2, (self.rotation.roles if self.rotation else 1) + self.read_only)
        return -1 if self.connection_limit < 0 else count * self.connection_limit + _SPARE


def homes(
    documents: Iterable[Document], organizations: Mapping[str, OrganizationSpec], facts: FleetFacts
) -> dict[str, PlacedDocument]:
    """The home of every organization and tenant by address; a tenant of an unknown organization has none."""
    documents = list(documents)
    found = {
        address("Organization", document.name): _organization(document, organizations[document.name], facts)
        for document in documents
        if document.kind == "Organization"
    }
    for document in documents:
        if isinstance(document.spec, TenantSpec):
            parent = found.get(address("Organization", document.spec.organization or ""))
            if parent:
                found[address("Tenant", document.name)] = _tenant(document, document.spec, parent, facts)
            elif document.spec.organization is None:
                found[address("Tenant", document.name)] = _alone(document, document.spec, facts)
    return found


def _organization(document: Document, spec: OrganizationSpec, facts: FleetFacts) -> PlacedDocument:
    holder = address("Organization", document.name)
    settings, deleted = spec.database, spec.state == "deleted"
    limit, timeout = settings.connection_limit, milliseconds(settings.statement_timeout) or 0  # for its tenants, too
    if settings.url is not None and facts.dedicated:
        place = Placement(holder, "dedicated", url=settings.url.text)
        return PlacedDocument(
            document,
            place,
            True,
            deleted=deleted,
            connection_limit=limit,
            statement_timeout=timeout,
            revision=settings.revision,
        )
    shared = settings.mode == "shared" or not facts.dedicated
    return PlacedDocument(
        document,
        Placement(holder, "shared") if shared else _dedicated(document, settings.server, MAIN, settings.name, facts),
        own=not shared,
        open=spec.state == "active",
        deleted=deleted,
        connection_limit=limit,
        statement_timeout=timeout,
        password=settings.secret,
        rotation=settings.generated,
        was=_before(document, settings.name, facts),
        tags=None if shared else requested_tags(settings.server),
        read_only=settings.read_only,
        reader_password=settings.reader_secret,
        reader_rotation=settings.reader_generated,
        login=settings.login,
        known_as=_database(document, settings.name, facts),
        revision=settings.revision,
    )


def _tenant(document: Document, spec: TenantSpec, parent: PlacedDocument, facts: FleetFacts) -> PlacedDocument:
    holder, settings, above = address("Tenant", document.name), spec.database, parent.placement
    deleted = spec.state == "deleted"
    if settings.mode == "inherit":
        return PlacedDocument(
            document, Placement(holder, above.mode, above.server, above.database, above.url), deleted=deleted
        )
    if settings.mode == "shared" or not facts.dedicated:
        return PlacedDocument(document, Placement(holder, "shared"), deleted=deleted)
    return PlacedDocument(
        document,
        _dedicated(document, settings.server, above.server or MAIN, settings.name, facts),
        own=True,
        open=getattr(parent.document.spec, "state", "active") == "active",
        deleted=deleted,
        connection_limit=parent.connection_limit,
        statement_timeout=parent.statement_timeout,
        password=parent.password if parent.rotation else None,
        rotation=parent.rotation,
        was=_before(document, settings.name, facts),
        tags=requested_tags(settings.server),
        read_only=parent.read_only,
        reader_password=parent.reader_password if parent.reader_rotation else None,
        reader_rotation=parent.reader_rotation,
    )


def _alone(document: Document, spec: TenantSpec, facts: FleetFacts) -> PlacedDocument:
    """A tenant without an organization: in a database of its own, or nowhere."""
    holder, settings, deleted = address("Tenant", document.name), spec.database, spec.state == "deleted"
    if spec.mode != "dedicated":
        return PlacedDocument(document, Placement(holder, "none"), deleted=deleted)
    return PlacedDocument(
        document,
        _dedicated(document, settings.server, MAIN, settings.name, facts),
        own=True,
        deleted=deleted,
        was=_before(document, settings.name, facts),
        tags=requested_tags(settings.server),
    )


def _dedicated(
    document: Document, server: str | TaggedServer | None, default: str, name: str | None, facts: FleetFacts
) -> Placement:
    """A database of its own, on the server that is named, or chosen; on none where no server may be chosen."""
    tags = requested_tags(server)
    where = str(server or default) if tags is None else _chosen(document, tags, facts)
    return Placement(address(document.kind, document.name), "dedicated", where, _database(document, name, facts))


def _chosen(document: Document, tags: Mapping[str, str], facts: FleetFacts) -> str | None:
    """The server that it is on already, else the one that falls to the name it first had; none for what is deleted."""
    names = [address(document.kind, name) for name in (document.name, document.renamed_from) if name]
    there = [facts.placed[name] for name in names if facts.placed and name in facts.placed]
    if there or is_deleted(document):
        return there[0] if there else None
    weights = {alias: offer.weight for alias, offer in facts.offered.items() if offer.fits(tags)}
    if facts.placed is None and not any(weights.values()):  # it may be on one of them since before that was drained
        weights = dict.fromkeys(weights, 1)
    return choose(f"{facts.fleet}/{names[-1]}", weights)


def _database(document: Document, explicit: str | None, facts: FleetFacts) -> str:
    return explicit or derive(facts.database_prefix, document.name)


def _before(document: Document, explicit: str | None, facts: FleetFacts) -> str | None:
    if explicit or document.renamed_from is None:
        return None
    return derive(facts.database_prefix, document.renamed_from)
