"""Files of releases: their size and checksum, where they are stored, and the store itself."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tenantplan.desired.secrets import secrets_of
from tenantplan.errors import SettingsError, TenantplanError
from tenantplan.fleet.opening import Fleet
from tenantplan.fleet.store import location
from tenantplan.model.address import login_label
from tenantplan.model.desired import Desired
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Package, Row, State, of_type, one
from tenantplan.settings.settings import Settings
from tenantplan.settings.targets import PLACEHOLDER
from tenantplan.stores import Stored, masked_url, measure


def with_packages(desired: Desired, live: State, fleet: Fleet) -> tuple[State, list[Finding]]:
    """The desired state with size, checksum and place of every release's file, and a finding for each that cannot be read.

    A file that is not at hand is no mistake when its package is stored already: what is live says what it was.
    """
    state = dict(desired.state)
    findings: list[Finding] = []
    packages = of_type(desired.state, Package)
    if not packages:
        return state, []
    settings = fleet.settings
    place = masked_url(location(fleet))
    secret = _secret_files(desired, settings)
    for address, package in packages.items():
        try:
            if _inside(settings.root, str(package.source)) in secret:
                raise SettingsError(f"the file {package.source} holds a secret", hint="name another file")
            known = _filled(package, one(live.get(address), Package), place, settings.root)
        except TenantplanError as error:
            findings.append(Finding(address, "package", f"{error.message}: {error.hint}"))
            known = package
        state[address] = known
        row = one(state.get(known.holder or ""), Row)
        if row is not None:
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
        file.replace(PLACEHOLDER, login_label(holder))
        for file in delivered
        for holder in {*desired.placements, *desired.logins, *given}
    ]
    return {Path(os.path.realpath(settings.root / file)) for file in files}


def _filled(package: Package, live: Package | None, place: str, root: Path) -> Package:
    assert package.source is not None
    stored = live if live is not None and live.managed else None
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
        raise SettingsError(f"the file {source} cannot be read", hint="it is a broken link") from None
    inside = path.relative_to(root.resolve()).parts if path.is_relative_to(root.resolve()) else None
    if inside is None or any(part.startswith(".") for part in inside):
        where = "outside the fleet's folder" if inside is None else "hidden"
        raise SettingsError(f"the file {source} is {where}", hint="copy it into the folder of tenantplan.yaml")
    return path
