"""The connection string of an application, in the form that its driver takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from tenantplan.postgres.tls import SYSTEM, VERIFIED, with_defaults
from tenantplan.postgres.url import POOL

# driver -> scheme
DRIVERS = {
    "postgresql": "postgresql",
    "psycopg": "postgresql+psycopg",
    "asyncpg": "postgresql+asyncpg",
    "prisma": "postgresql",
}
_LIBPQ = ("hostaddr", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding", "connect_timeout")


@dataclass(frozen=True)
class PoolSize:
    """How many connections an application may have to a database; `timeout` in ms is how long it waits for one."""

    limit: int | None = None
    timeout: int | None = None


def compose(params: Mapping[str, str], driver: str, pool: PoolSize = PoolSize(), *, shown: bool = False) -> str:
    """The connection string of libpq's parameters for a driver; `shown`: with *** for the password."""
    user = quote(params.get("user", ""), safe="")
    secret = "***" if shown else quote(params.get("password", ""), safe="")
    login = f"{user}:{secret}@" if params.get("password") else f"{user}@" if user else ""
    host, port = params.get("host") or params.get("hostaddr") or "localhost", params.get("port", "5432")
    options = _options(params, driver, pool)
    if host.startswith(("/", "@")):
        place = "localhost" if driver == "prisma" else ""
        options = {"host": host, **({"port": port} if port != "5432" else {}), **options}
    else:
        place = f"{f'[{host}]' if ':' in host else quote(host, safe='.-%')}:{port}"
    query = "&".join(f"{name}={quote(value, safe='/.')}" for name, value in options.items())
    database = quote(params.get("dbname", ""), safe="")
    return f"{DRIVERS[driver]}://{login}{place}/{database}" + (f"?{query}" if query else "")


def application(server: Mapping[str, str], user: str, password: str, database: str) -> dict[str, str]:
    """libpq's parameters for an application's own login on a server that tenantplan reaches by `server`."""
    own = ("sslcert", "sslkey", "connect_timeout", *POOL)  # those of the role that runs tenantplan
    params = {name: value for name, value in server.items() if name not in own}
    return with_defaults({**params, "user": user, "password": password, "dbname": database})


def _options(params: Mapping[str, str], driver: str, pool: PoolSize) -> dict[str, str]:
    mode = params.get("sslmode")
    if driver == "asyncpg":  # it takes the CA file from PGSSLROOTCERT only, and knows no channel binding
        return {"ssl": mode} if mode else {}
    if driver != "prisma":
        return {name: params[name] for name in _LIBPQ if params.get(name)}
    found = {}
    if mode:
        found["sslmode"] = {"disable": "disable", "allow": "prefer", "prefer": "prefer"}.get(mode, "require")
        found |= {"sslaccept": "strict"} if mode in VERIFIED else {}
        authority = params.get("sslrootcert")
        found |= {"sslcert": authority} if authority and authority != SYSTEM and mode in VERIFIED else {}
    found |= {"connection_limit": str(pool.limit)} if pool.limit else {}
    found |= {"pool_timeout": str(-(-pool.timeout // 1000))} if pool.timeout else {}
    return found | {name: params[name] for name in POOL if params.get(name)}  # of a database that was brought
