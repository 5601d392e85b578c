"""Files of releases: what the ones at hand are, where they are stored, and the store itself."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from tenantplan.documents.target import PLACEHOLDER, whose
from tenantplan.errors import SettingsError, TenantplanError
from tenantplan.fleet.secrets import secrets_of
from tenantplan.fleet.servers import own_names
from tenantplan.model.desired import Desired
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Package, Row, State
from tenantplan.postgres.connect import Connection
from tenantplan.secrets.references import resolve
from tenantplan.secrets.strength import default_password
from tenantplan.settings import Settings
from tenantplan.stores import Store, Stored, location_problem, masked_url, measure, open_store, secrets_in

NEAR = ("main:", "file:")  # stores that are asked in no time, so that every plan does


def location(settings: Settings) -> str:
    """The URL of the fleet's store; SettingsError when it cannot be used."""
    spec = settings.spec.packages
    if spec.url is not None:
        return _strong(settings, resolve(spec.url.text, settings.root), spec.url.text)
    problem = location_problem(spec.location)
    if problem:
        raise SettingsError(
            f"packages.location {masked_url(spec.location)} cannot be used: {problem}",
            where="tenantplan.yaml",
            hint="main:, file:FOLDER, or a URL such as s3://bucket/updates",
        )
    return spec.location


def _strong(settings: Settings, url: str, reference: str) -> str:
    """The URL of a store; SettingsError when the password in it is one that an attacker tries first (D12)."""
    for secret in secrets_in(url):
        reason = default_password(secret, "", own_names(settings))
        if reason:
            raise SettingsError(
                f"the password in {reference} {reason}", where="packages.url", hint="give the store another one"
            )
    return url


def fleet_store(settings: Settings, connection: Connection, at: str | None = None) -> Store:
    """The store of a fleet's packages, or the one it had before (`at`, as it is shown: without a password).

    `connection` is a session on the main database.
    """
    url = location(settings)
    return open_store(url if at in (None, masked_url(url)) else at, settings.root, lambda: nullcontext(connection))


def with_packages(desired: Desired, live: State, settings: Settings) -> tuple[State, list[Finding]]:
    """The desired state with size, checksum and place of every release's file, and a finding for each that cannot be read.

    A file that is not at hand is no mistake when its package is stored already: what is live says what it was.
    """
    state = dict(desired.state)
    findings: list[Finding] = []
    packages = {a: r for a, r in desired.state.items() if isinstance(r, Package)}
    if not packages:
        return state, []
    place = masked_url(location(settings))
    secret = _secret_files(desired, settings)
    for address, package in packages.items():
        try:
            if _inside(settings.root, str(package.source)) in secret:
                raise SettingsError(f"the file {package.source} holds a secret", hint="name another file")
            known = _filled(package, live.get(address), place, settings.root)
        except TenantplanError as error:
            findings.append(Finding(address, "package", f"{error.message}: {error.hint}"))
            known = package
        state[address] = known
        row = state.get(known.holder or "")
        if isinstance(row, Row):
            values = {"file_size": known.size, "file_reference": known.key, "checksum": known.sha256}
            state[str(known.holder)] = replace(row, values={**row.values, **values})
    return state, findings


def _secret_files(desired: Desired, settings: Settings) -> set[Path]:
    """The files that hold the fleet's secrets: none of them is a package."""
    named = set(settings.own_references)
    named |= {str(secret.reference) for resource in desired.state.values() for secret in secrets_of(resource).values()}
    files = [name.removeprefix("file:") for name in named if name.startswith("file:")]
    given = {a for a, r in desired.state.items() if any(s.target for s in secrets_of(r).values())}
    given |= {f"{address}/license-key" for address in given}
    delivered = [target.file for target in settings.spec.credentials.targets.values() if target.file]
    files += [
        file.replace(PLACEHOLDER, whose(holder))
        for file in delivered
        for holder in {*desired.placements, *desired.logins, *given}
    ]
    return {Path(os.path.realpath(settings.root / file)) for file in files}


def _filled(package: Package, live: object, place: str, root: Path) -> Package:
    assert package.source is not None
    stored = live if isinstance(live, Package) and live.managed else None
    path = _inside(root, package.source)
    if not path.is_file():
        if stored is None:
            raise SettingsError(
                f"the file {package.source} of version {package.version} is not there",
                hint="its path starts at the folder of tenantplan.yaml",
            )
        return replace(package, store=stored.store, key=stored.key, size=stored.size, sha256=stored.sha256)
    found = measure(path)
    if package.sha256 and package.sha256 != found.sha256:
        raise SettingsError(
            f"the file {package.source} has SHA-256 {found.sha256}, not the {package.sha256} that the YAML says",
            hint="restore the file, or give it a version of its own",
        )
    key = stored.key if stored is not None and stored.sha256 == found.sha256 else _key(package, path, found)
    return replace(package, store=place, key=key, size=found.size, sha256=found.sha256)


def _key(package: Package, path: Path, found: Stored) -> str:
    return f"{package.version}/{found.sha256[:16]}/{path.name}"


def _inside(root: Path, source: str) -> Path:
    """The file, which has to be in the fleet's folder and not hidden: a pull request must not publish whatever it names."""
    try:
        path = (root / source).resolve()
    except (OSError, RuntimeError):  # a link to itself
        raise SettingsError(f"the file {source} cannot be read", hint="it is a link that leads nowhere") from None
    inside = path.relative_to(root.resolve()).parts if path.is_relative_to(root.resolve()) else None
    if inside is None or any(part.startswith(".") for part in inside):
        where = "outside the fleet's folder" if inside is None else "hidden"
        raise SettingsError(f"the file {source} is {where}", hint="copy it into the folder of tenantplan.yaml")
    return path
