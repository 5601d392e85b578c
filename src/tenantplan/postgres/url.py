"""Connection strings: strictly checked, parsed by libpq itself, never shown with their password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from tenantplan.errors import SettingsError

SCHEMES = ("postgresql", "postgresql+psycopg", "postgresql+asyncpg")
ALLOWED = {"host", "hostaddr", "port", "user", "password", "dbname", "connect_timeout", "channel_binding"}
ALLOWED |= {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "keepalives", "keepalives_idle"}
_EXPECTED = "expected postgresql://user:password@host:port/database (or postgresql+psycopg://, postgresql+asyncpg://)"


@dataclass(frozen=True)
class Server:
    """A server that tenantplan can reach: its name in the fleet, libpq parameters, and its connection budget."""

    alias: str
    params: Mapping[str, str]
    max_connections: int

    @property
    def place(self) -> str:
        """host:port, for messages; never a user or a password."""
        host = self.params.get("host") or self.params.get("hostaddr") or "localhost"
        return host if host.startswith("/") else f"{host}:{self.params.get('port', '5432')}"

    @property
    def maintenance(self) -> str:
        """The database to connect to when no particular one is meant."""
        return self.params.get("dbname") or "postgres"

    def __repr__(self) -> str:
        return f"Server({self.alias!r}, {self.place})"


def parse(url: str, name: str) -> dict[str, str]:
    """The libpq parameters of a connection string. `name` is its reference, for messages.

    Raises SettingsError for another scheme, a parameter that could change what tenantplan does, or what libpq refuses.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise SettingsError(f"the connection string in {name} has no scheme that is known", hint=_EXPECTED)
    if any(ord(c) < 32 or ord(c) == 127 for c in url):
        raise SettingsError(f"the connection string in {name} holds a control character", hint=_EXPECTED)
    if scheme == "postgresql+asyncpg":
        rest = rest.replace("?ssl=", "?sslmode=").replace("&ssl=", "&sslmode=")
    try:
        params = {key: str(value) for key, value in conninfo_to_dict(f"postgresql://{rest}").items() if value}
        after_place = "".join(re.split(r"[/?]", rest, maxsplit=1)[1:])
        if rest.count("@") > 1 or "@" in after_place or not re.fullmatch(r"[\d,]*", params.get("port", "")):
            raise ProgrammingError  # a password with an unencoded @, / or ?, of which libpq makes host, port and database
    except (ProgrammingError, UnicodeDecodeError):  # percent-encoded bytes that are no text
        raise SettingsError(
            f"the connection string in {name} cannot be read",
            hint=f"{_EXPECTED}; special characters in the password are percent-encoded: @ is %40, / is %2F, : is %3A",
        ) from None
    refused = sorted(params.keys() - ALLOWED)
    if refused:
        raise SettingsError(
            f"the connection string in {name} sets {', '.join(refused)}",
            hint=f"allowed are: {', '.join(sorted(ALLOWED))}",
        )
    if any("," in params.get(part, "") for part in ("host", "hostaddr", "port")):
        raise SettingsError(f"the connection string in {name} names several hosts", hint="name the primary only")
    return params


def masked(params: Mapping[str, str], dbname: str | None = None) -> str:
    """The connection string for people: user, host, port and database, the password as ***."""
    user = quote(params.get("user", ""), safe="")
    secret = ":***" if params.get("password") else ""
    host = params.get("host") or params.get("hostaddr") or "localhost"
    at = f"{user}{secret}@" if user else ""
    database = dbname if dbname is not None else params.get("dbname", "")
    if host.startswith("/"):
        return f"postgresql://{at}/{database}?host={host}"
    return f"postgresql://{at}{host}:{params.get('port', '5432')}/{database}"
