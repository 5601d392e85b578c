"""The servers of a fleet as connections can use them: references resolved, the embedded server started when no URL is set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tenantplan.errors import SettingsError, TenantplanError
from tenantplan.model.address import MAIN
from tenantplan.postgres.tls import SYSTEM, with_defaults
from tenantplan.postgres.url import Server, parse
from tenantplan.secrets.references import resolve
from tenantplan.secrets.strength import default_password
from tenantplan.settings import ServerSpec, Settings


@dataclass(frozen=True)
class Servers:
    """Servers by alias, and why the others cannot be used. `url:NAME` is the database that organization NAME brought."""

    usable: Mapping[str, Server]
    unusable: Mapping[str, TenantplanError]


def fleet_servers(settings: Settings) -> Servers:
    """Every server the fleet file names. The main one has to be usable; the others are reported when they are not."""
    usable = {MAIN: main_server(settings)}
    unusable: dict[str, TenantplanError] = {}
    for alias, spec in settings.servers.items():
        if alias == MAIN:
            continue
        try:
            usable[alias] = usable[MAIN] if spec.url is None else _server(settings, alias, spec)
        except TenantplanError as error:
            unusable[alias] = error
    return Servers(usable, unusable)


def main_server(settings: Settings) -> Server:
    """The server of the main database: its URL's, or the embedded one while the variable that names it is not set."""
    spec = settings.servers[MAIN]
    reference = settings.url_reference(MAIN)
    kind, _, name = reference.partition(":")
    if kind == "env" and not os.environ.get(name):
        from tenantplan.postgres import embedded

        return Server(MAIN, embedded.ensure(settings.state_folder / "postgres"), spec.max_connections)
    return _server(settings, MAIN, spec)


def brought_server(alias: str, reference: str, settings: Settings) -> Server:
    """The server of a database that an organization brought itself, by its reference."""
    return Server(alias, checked(resolve(reference, settings.root), reference), 4)


def checked(url: str, reference: str, spec: ServerSpec | None = None, root: Path = Path()) -> dict[str, str]:
    """The parameters of a connection string, with TLS where it leaves that open, or as the fleet file's `spec` has it.

    SettingsError when its password is one that an attacker tries first (D12).
    """
    params = parse(url, reference)
    reason = default_password(params.get("password", ""), params.get("user", ""))
    if reason:
        raise SettingsError(
            f"the password of user {params.get('user')} in {reference} {reason}",
            hint="give the role another one: ALTER ROLE … PASSWORD, or \\password in psql",
        )
    return with_defaults(_overridden(params, spec, root) if spec else params)


def _server(settings: Settings, alias: str, spec: ServerSpec) -> Server:
    reference = settings.url_reference(alias)
    url = resolve(reference, settings.root)
    return Server(alias, checked(url, reference, spec, settings.root), spec.max_connections)


def _overridden(params: Mapping[str, str], spec: ServerSpec, root: Path) -> dict[str, str]:
    """The parameters with the fleet file's TLS settings, which a connection string cannot weaken."""
    wanted = dict(params)
    if spec.sslmode is not None:
        wanted["sslmode"] = spec.sslmode
    if spec.channel_binding is not None:
        wanted["channel_binding"] = spec.channel_binding
    files = {"sslrootcert": spec.sslrootcert, "sslcert": spec.sslcert, "sslkey": spec.sslkey}
    wanted |= {name: path if path == SYSTEM else str(root / path) for name, path in files.items() if path is not None}
    return wanted
