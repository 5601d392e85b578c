"""Passwords of login roles that tenantplan generates: what is declared of them, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tenantplan.documents import Document, Problem
from tenantplan.documents.suggest import did_you_mean, listing
from tenantplan.manifest.facts import FleetFacts
from tenantplan.manifest.kinds.organization import OrganizationSpec
from tenantplan.manifest.kinds.tier import TierSpec
from tenantplan.manifest.placement import Home, logins
from tenantplan.model.login import Login

_DATABASE = ("spec", "database")
_OF_TIER = ("spec", "defaults", "database")


def declared_logins(found: Iterable[Home], facts: FleetFacts) -> dict[str, Login]:
    """Holder -> how its login roles get their passwords, where those are generated."""
    declared = {}
    for home in found:
        server, database = home.made or (facts.default_server, facts.main_database)
        used = logins(home)
        if used and home.rotation and not home.deleted:
            declared[home.placement.holder] = Login(
                holder=home.placement.holder,
                server=server,
                database=database,
                roles=used,
                target=str(home.password).partition(":")[2],
                every_days=home.rotation.every_days,
                grace_minutes=home.rotation.grace_minutes,
            )
    return declared


def login_problems(documents: Iterable[Document], facts: FleetFacts) -> Iterator[Problem]:
    """A problem for each target that the fleet file does not have, and for a rotation of what is not generated."""
    for document in documents:
        spec = document.spec
        if isinstance(spec, OrganizationSpec):
            database, path = spec.database, _DATABASE
        elif isinstance(spec, TierSpec) and spec.defaults.database is not None:
            database, path = spec.defaults.database, _OF_TIER  # type: ignore[assignment]
        else:
            continue
        if database.deliver not in facts.targets:
            hint = did_you_mean(database.deliver, facts.targets) or (
                f"credentials.targets of the fleet file has: {listing(sorted(facts.targets))}"
            )
            yield document.problem(f"there is no target `{database.deliver}`", *path, "deliver", hint=hint)
        if isinstance(spec, OrganizationSpec) and spec.database.password and spec.database.password.reference:
            for name in sorted({"rotation", "deliver"} & spec.database.model_fields_set):
                message = f"`{name}` is for a password that tenantplan generates, and this one is by reference"
                yield document.problem(message, *path, name, hint="say `password: { generate: true }`, or remove it")
