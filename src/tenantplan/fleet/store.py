"""The store of update packages that the fleet file names."""

from __future__ import annotations

from contextlib import nullcontext

from tenantplan.errors import SettingsError
from tenantplan.fleet.opening import Fleet
from tenantplan.fleet.servers import own_names
from tenantplan.postgres.connect import Connection
from tenantplan.secrets.passwords import default_password
from tenantplan.settings.settings import Settings
from tenantplan.stores import Store, location_problem, masked_url, open_store, secrets_in

NEAR = ("main:", "file:")  # stores that are asked in no time, so that every plan does


def location(fleet: Fleet) -> str:
    """The URL of the fleet's store; SettingsError when it cannot be used."""
    spec = fleet.settings.spec.packages
    if spec.url is not None:
        return _strong(fleet.settings, fleet.secrets.resolve(spec.url.text), spec.url.text)
    problem = location_problem(spec.location)
    if problem:
        raise SettingsError(
            f"packages.location {masked_url(spec.location)} cannot be used: {problem}",
            where="tenantplan.yaml",
            hint="main:, file:FOLDER, or a URL such as s3://bucket/updates",
        )
    return spec.location


def fleet_store(fleet: Fleet, connection: Connection, at: str | None = None) -> Store:
    """The store of a fleet's packages, or the one it had before (`at`, as it is shown: without a password).

    `connection` is a session on the main database.
    """
    url = location(fleet)
    return open_store(
        url if at in (None, masked_url(url)) else at, fleet.settings.root, lambda: nullcontext(connection)
    )


def _strong(settings: Settings, url: str, reference: str) -> str:
    """The URL of a store; SettingsError when the password in it is one that an attacker tries first."""
    for secret in secrets_in(url):
        reason = default_password(secret, "", own_names(settings))
        if reason:
            raise SettingsError(
                f"the password in {reference} {reason}", where="packages.url", hint="give the store another one"
            )
    return url
