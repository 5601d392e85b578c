"""The servers of a fleet as connections can use them: references resolved, the embedded server started when no URL is set."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tenantplan.documents.connecting import TimeoutsSpec, seconds
from tenantplan.errors import HostNotAllowed, SettingsError, TenantplanError, UsageError
from tenantplan.model.address import MAIN
from tenantplan.model.host import is_allowed, named_hosts
from tenantplan.postgres.sealed import default_hosts
from tenantplan.postgres.tls import SYSTEM, with_defaults
from tenantplan.postgres.url import Server, Timeouts, parse
from tenantplan.secrets.passwords import default_password
from tenantplan.secrets.references import Secrets
from tenantplan.settings.sections import DEFAULT_VARIABLE, ServerSpec
from tenantplan.settings.settings import Settings

OR_EMBEDDED = "or choose the embedded server in tenantplan.yaml: main: { embedded: true }"


@dataclass(frozen=True)
class Servers:
    """Servers by alias, and why the others cannot be used. `url:NAME` is the database that organization NAME brought."""

    usable: Mapping[str, Server]
    unusable: Mapping[str, TenantplanError]


def fleet_servers(settings: Settings, secrets: Secrets) -> Servers:
    """Every server the fleet file names. The main one has to be usable; the others are reported when they are not."""
    usable = {MAIN: _main_server(settings, secrets)}
    unusable: dict[str, TenantplanError] = {}
    for alias, spec in settings.servers.items():
        if alias == MAIN:
            continue
        try:
            usable[alias] = usable[MAIN] if spec.url is None else _server(settings, secrets, alias, spec)
        except TenantplanError as error:
            unusable[alias] = error
    return Servers(usable, unusable)


def _main_server(settings: Settings, secrets: Secrets) -> Server:
    """The server of the main database: the embedded one where the fleet file chose it, else its URL's."""
    spec = settings.servers[MAIN]
    if not settings.embedded:
        return _server(settings, secrets, MAIN, spec)
    from tenantplan.postgres import embedded

    params = embedded.ensure(settings.state_folder / "postgres")
    timeouts = _timeouts(spec.timeouts, settings.spec.timeouts)
    return Server(MAIN, params, spec.max_connections, timeouts=timeouts, embedded=True)


def refuse_embedded_in_ci(settings: Settings, embedded: bool) -> None:
    """UsageError for a fleet on the embedded server where the variable CI is set, unless that server is meant (`embedded`).

    In CI it is an empty one, made by that very run: everything would be planned and made there, and nothing in production.
    """
    if settings.embedded and not embedded and os.environ.get("CI", "").lower() not in ("", "0", "false"):
        raise UsageError(
            f"fleet {settings.fleet} is on the EMBEDDED server, and CI is set: nobody else sees what is applied here",
            where="tenantplan.yaml, spec.main",
            hint=f"name the server, as url: {{ env: {DEFAULT_VARIABLE} }} instead of embedded: true; or pass --embedded",
        )


def connection_string(reference: str, secrets: Secrets) -> str:
    """The value of a connection string's reference; SettingsError when there is none, or an empty one."""
    value = secrets.resolve(reference)
    kind, _, name = reference.partition(":")
    if not value.strip():
        what = f"the environment variable {name}" if kind == "env" else f"the secret file {name}"
        raise SettingsError(
            f"{what} is empty", hint="it holds a connection string: postgresql://user:password@host:port/database"
        )
    return value


def brought_server(
    alias: str, reference: str, settings: Settings, secrets: Secrets, known: Mapping[str, Server]
) -> Server:
    """The server of a database that an organization brought itself, by its reference. Connects to nothing.

    `known` are the servers there are. HostNotAllowed when it is on a host that the fleet does not connect to.
    """
    params = checked(connection_string(reference, secrets), reference, brought=True, names=own_names(settings))
    allowed = allowed_hosts(settings, known)
    if not is_allowed(params, allowed):
        raise HostNotAllowed(reference, named_hosts(params), allowed)
    _refuse_files(settings, reference, params)
    return Server(alias, params, 4, brought=True, timeouts=_timeouts(settings.spec.timeouts))


def allowed_hosts(settings: Settings, known: Mapping[str, Server]) -> list[str]:
    """The hosts that documents may make tenantplan connect to: those of the fleet file, else those of its servers."""
    if settings.spec.allowed_hosts is not None:
        return list(settings.spec.allowed_hosts)
    own = [named_hosts(server.params) or default_hosts() for server in tuple(known.values()) if not server.brought]
    return list(dict.fromkeys(host for hosts in own for host in hosts))


def _refuse_files(settings: Settings, reference: str, params: Mapping[str, str]) -> None:
    """SettingsError for a connection string that logs in with a client key of the fleet's own servers."""
    own = {s.sslkey for s in settings.servers.values()} | {s.sslcert for s in settings.servers.values()}
    kept = {os.path.realpath(settings.root / path) for path in own if path}
    if kept & {os.path.realpath(params[name]) for name in ("sslcert", "sslkey") if params.get(name)}:
        raise SettingsError(
            f"the connection string in {reference} names the client certificate or key of one of the fleet's servers",
            hint="a database that an organization brings has a login, and a key, of its own",
        )


def checked(
    url: str,
    reference: str,
    spec: ServerSpec | None = None,
    root: Path = Path(),
    *,
    brought: bool = False,
    names: Collection[str] | None = (),
) -> dict[str, str]:
    """The parameters of a connection string, with TLS where it leaves that open, or as the fleet file's `spec` has it.

    `names` are the fleet's own, which a password must not be made of; None: it is one to try things with.
    `brought`: it has to say itself where it leads and who logs in, since nothing of the environment is used for it.

    SettingsError when its password is one that an attacker tries first.
    """
    params = parse(url, reference)
    missing = [
        what
        for what in ("host", "user")
        if brought and not (named_hosts(params) if what == "host" else params.get(what))
    ]
    if missing:
        raise SettingsError(
            f"the connection string in {reference} names no {' and no '.join(missing)}",
            hint="say it there: of a database that an organization brings, nothing is taken from PGHOST, PGUSER and the like",
        )
    reason = default_password(params.get("password", ""), params.get("user", ""), names)
    if reason:
        raise SettingsError(
            f"the password of user {params.get('user')} in {reference} {reason}",
            hint="give the role another one: ALTER ROLE … PASSWORD, or \\password in psql",
        )
    return with_defaults(_overridden(params, spec, root) if spec else params, environment=not brought)


def _server(settings: Settings, secrets: Secrets, alias: str, spec: ServerSpec) -> Server:
    reference = settings.url_reference(alias)
    try:
        url = connection_string(reference, secrets)
    except SettingsError as error:
        if alias != MAIN:
            raise
        raise SettingsError(error.message, where=error.where, hint=f"{error.hint}; {OR_EMBEDDED}") from None
    params = checked(url, reference, spec, settings.root, names=own_names(settings))
    return Server(alias, params, _budget(spec, params), timeouts=_timeouts(spec.timeouts, settings.spec.timeouts))


def _budget(spec: ServerSpec, params: Mapping[str, str]) -> int:
    """Most sessions at once: the fleet file's number, and no more than the connection string is meant for; a run needs three."""
    return min(spec.max_connections, max(3, int(params.get("connection_limit") or spec.max_connections)))


def own_names(settings: Settings) -> tuple[str, ...] | None:
    """The names of a fleet that no password may be made of; None: it is one to try things with."""
    return None if settings.spec.development else (settings.fleet, settings.spec.main.database)


def _timeouts(*specs: TimeoutsSpec | None) -> Timeouts:
    """The first of the specs that says something counts, for each of the three."""
    said = {
        name: next((seconds(text) for spec in specs if spec and (text := getattr(spec, name))), None)
        for name in ("connect", "statement", "lock")
    }
    return Timeouts(**{name: value for name, value in said.items() if value is not None})


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
