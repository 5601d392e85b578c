"""The last look at a name before it stands in a statement, whoever let it through until here (faults.md 21).

Quoting makes of any name one identifier. It does not help against one that PostgreSQL cuts at 63 bytes, so that it is
another's, nor against one that is PostgreSQL's own.
"""

from __future__ import annotations

from tenantplan.errors import SettingsError
from tenantplan.model.resource import Database, Resource, Role

MAX_BYTES = 63
_DATABASES = ("postgres", "template0", "template1")
_ROLES = ("public", "none", "current_user", "current_role", "session_user")


def check(*resources: Resource | None) -> None:
    """SettingsError when a role or database has a name that no statement may be about, or is to be owned by or join such a role."""
    for resource in resources:
        if isinstance(resource, Role):
            _check("role", (resource.name, *resource.member_of), _ROLES)
        elif isinstance(resource, Database):
            _check("database", (resource.name,), _DATABASES)
            _check("role", (resource.owner,) if resource.owner else (), _ROLES)


def _check(what: str, names: tuple[str, ...], reserved: tuple[str, ...]) -> None:
    for name in names:
        if not name or "\0" in name:
            raise SettingsError(f"{name!r} cannot be the name of a {what}")
        if len(name.encode(errors="surrogatepass")) > MAX_BYTES:
            raise SettingsError(f"the name {name!r} of a {what} has over {MAX_BYTES} bytes: PostgreSQL would cut it")
        if name.startswith("pg_") or name in reserved:
            raise SettingsError(f"the {what} {name} is PostgreSQL's own: tenantplan does nothing to it")
