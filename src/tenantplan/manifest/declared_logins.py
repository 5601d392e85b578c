"""Passwords of login roles that tenantplan generates: what is declared of them, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tenantplan.documents import Document, Problem
from tenantplan.documents.suggest import did_you_mean, listing
from tenantplan.manifest.fleet_facts import FleetFacts
from tenantplan.manifest.kinds.organization import OrganizationDatabase, OrganizationSpec
from tenantplan.manifest.kinds.tenant import TenantSpec
from tenantplan.manifest.kinds.tier import TierSpec
from tenantplan.manifest.password_fields import Rotation
from tenantplan.manifest.placement import PlacedDocument
from tenantplan.manifest.server_objects import logins, roles
from tenantplan.model.address import MAIN
from tenantplan.model.login import Login, reader_of

_DATABASE = ("spec", "database")
_OF_TIER = ("spec", "defaults", "database")


def declared_logins(found: Iterable[PlacedDocument], facts: FleetFacts) -> dict[str, Login]:
    """Holder -> how its login roles get their passwords, where those are generated."""
    declared = {}
    for home in found:
        server, database = home.made or (MAIN, facts.main_database)
        used, holder = logins(home), home.placement.holder
        if not used or home.deleted:
            continue
        if home.rotation:
            declared[holder] = _login(holder, server, database, used, home.password, home.rotation)
        if home.reader_rotation:
            reader = (roles(home.made[1] if home.made else str(home.bound))[2],)
            holder = reader_of(holder)
            declared[holder] = _login(holder, server, database, reader, home.reader_password, home.reader_rotation)
    return declared


def _login(
    holder: str, server: str, database: str, names: tuple[str, ...], password: str | None, rotation: Rotation
) -> Login:
    target = str(password).partition(":")[2]
    return Login(holder, server, database, names, target, rotation.every_days, rotation.grace_minutes)


def login_problems(documents: Iterable[Document], facts: FleetFacts) -> Iterator[Problem]:
    """A problem for each target that the fleet file does not have, and for a rotation of what is not generated."""
    for document in documents:
        spec = document.spec
        for path_, target in _given(spec):
            if target not in facts.targets:
                yield _no_target(document, target, path_, facts)
        if isinstance(spec, OrganizationSpec):
            database, path = spec.database, _DATABASE
        elif isinstance(spec, TierSpec) and spec.defaults.database is not None:
            database, path = spec.defaults.database, _OF_TIER  # type: ignore[assignment]
        else:
            continue
        if database.deliver not in facts.targets:
            yield _no_target(document, database.deliver, (*path, "deliver"), facts)
        if isinstance(spec, OrganizationSpec) and _by_reference_only(spec.database):
            for name in sorted({"rotation", "deliver"} & spec.database.model_fields_set):
                message = f"`{name}` is for a password that tenantplan generates, and this one is by reference"
                yield document.problem(message, *path, name, hint="say `password: { generate: true }`, or remove it")


def _no_target(document: Document, name: str, path: tuple[str | int, ...], facts: FleetFacts) -> Problem:
    hint = did_you_mean(name, facts.targets) or (
        f"credentials.targets of the fleet file has: {listing(sorted(facts.targets))}"
    )
    return document.problem(f"there is no target `{name}`", *path, hint=hint)


def _given(spec: object) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where the generated secrets and keys of a document go, and where that is said."""
    if isinstance(spec, OrganizationSpec):
        for name, secret in spec.secrets.items():
            yield ("spec", "secrets", name, "deliver"), secret.deliver
    elif isinstance(spec, TenantSpec):
        yield ("spec", "deliver"), spec.deliver
        for index, item in enumerate(spec.licenses):
            yield ("spec", "licenses", index, "deliver"), item.deliver


def _by_reference_only(database: OrganizationDatabase) -> bool:
    """Whether nothing of an organization's logins is generated, and something is by reference."""
    return bool(database.password and database.password.reference and not database.reader_generated)
