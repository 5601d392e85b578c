"""Connection strings: strictly checked, parsed by libpq itself, never shown with their password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from tenantplan.documents.suggest import did_you_mean
from tenantplan.errors import SettingsError
from tenantplan.model import host
from tenantplan.postgres.sealed import default_host, default_port, sealed

SCHEMES = ("postgresql", "postgresql+psycopg", "postgresql+asyncpg")
ALLOWED = {"host", "hostaddr", "port", "user", "password", "dbname", "connect_timeout", "channel_binding"}
ALLOWED |= {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "keepalives", "keepalives_idle"}
# What drivers of applications take in a connection string, and libpq does not: for how many sessions it is meant, and how many
# seconds one is waited for.
POOL = ("connection_limit", "pool_timeout")
_KNOWN = ALLOWED | {*POOL, "ssl"}
_SSL = {"true": "require", "false": "disable"}  # as libpq reads ssl=true
_VALUES = {
    "connection_limit": re.compile(r"[1-9]\d{0,4}", re.ASCII),
    "pool_timeout": re.compile(r"\d{1,6}", re.ASCII),
    "sslmode": re.compile(r"disable|allow|prefer|require|verify-ca|verify-full"),
    "channel_binding": re.compile(r"disable|prefer|require"),
    "port": re.compile(r"0*[1-9]\d{0,3}|0*[1-5]\d{4}|0*6[0-4]\d{3}|0*65[0-4]\d\d|0*655[0-2]\d|0*6553[0-5]", re.ASCII),
    "connect_timeout": re.compile(r"\d{1,4}", re.ASCII),
    "keepalives": re.compile(r"[01]"),
    "keepalives_idle": re.compile(r"\d{1,6}", re.ASCII),
    "host": re.compile(r"[/@][^\s'\"]*|[\w.:%-]+"),
    "hostaddr": re.compile(r"[0-9A-Fa-f.:]+(%\w+)?", re.ASCII),
}
_EXPECTED = "expected postgresql://user:password@host:port/database (or postgresql+psycopg://, postgresql+asyncpg://)"


@dataclass(frozen=True)
class Timeouts:
    """How long a server is waited for, in seconds: for a session, for the answer to a question, for a lock in one."""

    connect: float = 10.0
    statement: float = 30.0
    lock: float = 5.0


@dataclass(frozen=True)
class Server:
    """A server that tenantplan can reach: its name in the fleet, libpq parameters, and its connection budget.

    `brought`: a document named it, so that nothing but its own parameters is used. `embedded`: tenantplan runs it.
    """

    alias: str
    params: Mapping[str, str]
    max_connections: int
    brought: bool = False
    timeouts: Timeouts = Timeouts()
    embedded: bool = False

    @property
    def session_params(self) -> dict[str, str]:
        """What libpq is given to open a session, but for the database."""
        params = {name: value for name, value in self.params.items() if name not in POOL}
        return sealed(params) if self.brought else params

    @property
    def place(self) -> str:
        """host:port, for messages, as libpq takes them; never a user or a password."""
        found = self.located
        return host.place(found.get("host") or found["hostaddr"], found["port"], embedded=self.embedded)

    @property
    def located(self) -> dict[str, str]:
        """`params` with the host and the port that libpq takes where they name none."""
        found = {"port": "5432" if self.brought else default_port(), **self.params}
        return found if host.named_hosts(found) else {**found, "host": default_host()}

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
        raise SettingsError(f"the connection string in {name} has no known scheme", hint=_EXPECTED)
    if _controlled(url):
        raise SettingsError(f"the connection string in {name} holds a control character", hint=_EXPECTED)
    given, pool = _for_libpq(rest, name)
    try:
        found = {key: str(value) for key, value in conninfo_to_dict(f"postgresql://{given}").items()} | pool
        if _split_password(rest, found):
            raise ProgrammingError  # a password with an unencoded @, / or ?, of which libpq makes host, port and database
    except (ProgrammingError, UnicodeDecodeError):  # percent-encoded bytes that are no text
        raise SettingsError(
            f"the connection string in {name} cannot be read",
            hint=f"{_EXPECTED}; special characters in the password are percent-encoded: @ is %40, / is %2F, : is %3A",
        ) from None
    wrong = _unwanted(rest, found)
    if wrong:
        raise SettingsError(f"the connection string in {name} {wrong[0]}", hint=wrong[1])
    return {key: value for key, value in found.items() if value}


def _for_libpq(rest: str, name: str) -> tuple[str, dict[str, str]]:
    """The string in libpq's words, and what it says of pools; SettingsError that names a parameter that nobody knows."""
    place, _, query = rest.partition("?")
    if not query or _split_password(rest, {}):
        return rest, {}
    kept, pool = [], {}
    for part in query.split("&"):
        key, _, value = part.partition("=")
        key = unquote(key)
        if key not in _KNOWN and re.fullmatch(r"[A-Za-z_]{2,40}", key):
            near = did_you_mean(key, sorted(_KNOWN))
            allowed = f"allowed are: {', '.join(sorted(_KNOWN))}"
            raise SettingsError(
                f"the connection string in {name} sets {key}, which is not a parameter that tenantplan knows",
                hint=f"{near}; {allowed}" if near else allowed,
            )
        if key in POOL:
            pool[key] = unquote(value)
        else:
            kept.append(f"sslmode={_SSL.get(value, value)}" if key == "ssl" else part)
    return f"{place}?{'&'.join(kept)}" if kept else place, pool


def _controlled(text: str) -> bool:
    return any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)


def _split_password(rest: str, found: Mapping[str, str]) -> bool:
    """Whether the string was cut at a place where its author did not mean it to be."""
    after_place = "".join(re.split(r"[/?]", rest, maxsplit=1)[1:])
    return rest.count("@") > 1 or "@" in after_place or not re.fullmatch(r"[\d,]*", found.get("port", ""))


def _unwanted(rest: str, found: Mapping[str, str]) -> tuple[str, str] | None:
    """What a string says that tenantplan does not take, and what to do instead; never a value of it."""
    refused = sorted(found.keys() - _KNOWN)
    if refused:
        return f"sets {', '.join(refused)}", f"allowed are: {', '.join(sorted(_KNOWN))}"
    if any("," in found.get(part, "") for part in ("host", "hostaddr", "port")):
        return "names several hosts", "name the primary only"
    twice = _twice(rest, found)
    if twice:
        return f"sets {', '.join(twice)} twice", "set it once: it is easy to mistake which one counts"
    if found.get("password") == "" or re.match(r"[^/?@]*:@", rest):
        return "has an empty password", "leave out the colon after the user, or set a password"
    controlled = sorted(key for key, value in found.items() if key != "password" and _controlled(value))
    if controlled:
        return f"holds a control character in {', '.join(controlled)}", _EXPECTED
    invalid = sorted(key for key, rule in _VALUES.items() if found.get(key) and not rule.fullmatch(found[key]))
    if invalid:
        return f"has a value of {', '.join(invalid)} that is invalid", _EXPECTED
    return None


def _twice(rest: str, found: Mapping[str, str]) -> list[str]:
    """Parameters that stand in the string more than once: of two, libpq silently takes the last."""
    place, _, parameters = rest.partition("?")
    named = [unquote(part.partition("=")[0]) for part in parameters.split("&") if part]
    named = ["sslmode" if key == "ssl" else key for key in named]
    login, at, host = place.rpartition("@")
    address, _, database = host.partition("/")
    user, colon, _ = login.partition(":")
    port = re.search(r":(\d+)$", address) if not address.endswith("]") else None
    stands = {"user": at and user, "password": at and colon, "host": address.removesuffix(port[0] if port else ""),
              "port": port, "dbname": database}  # fmt: skip
    both = [key for key, there in stands.items() if there and key in named]
    return sorted({*both, *(key for key in named if named.count(key) > 1)} & found.keys())


def masked(params: Mapping[str, str], dbname: str | None = None) -> str:
    """The connection string for people: user, host, port and database, the password as ***."""
    user = quote(params.get("user", ""), safe="")
    secret = ":***" if params.get("password") else ""
    at_host = params.get("host") or params.get("hostaddr") or "localhost"
    at = f"{user}{secret}@" if user else ""
    database = quote(dbname if dbname is not None else params.get("dbname", ""), safe="")
    if at_host.startswith("/"):
        port = f"&port={params['port']}" if params.get("port") else ""
        return f"postgresql://{at}/{database}?host={at_host}{port}"
    return f"postgresql://{at}{f'[{at_host}]' if ':' in at_host else at_host}:{params.get('port', '5432')}/{database}"
