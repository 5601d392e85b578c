"""TLS: fills in the safest settings that a connection string leaves open, and respects those that it names.

Measured on PostgreSQL 15 with psycopg's libpq 18: `channel_binding=require` works with a SCRAM password, beside a client
certificate too; it refuses trust, md5, cleartext passwords and authentication by certificate alone. libpq's own default,
`prefer`, lets a server ask for a cleartext password instead. So it is required where there is a password to protect.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address

ENFORCED = ("require", "verify-ca", "verify-full")
VERIFIED = ("verify-ca", "verify-full")
SYSTEM = "system"  # libpq's word for the certificate authorities that the machine trusts


def is_local(params: Mapping[str, str], *, environment: bool = True) -> bool:
    """Whether a connection stays on this machine, by all that its parameters name: a socket, a loopback address, localhost.

    What they leave open libpq takes from the `environment`, unless it is kept out.
    """
    outside = os.environ if environment else {}
    named = [params.get(part) or outside.get(f"PG{part.upper()}") for part in ("host", "hostaddr")]
    return all(_local(host) for host in named if host)


def _local(host: str) -> bool:
    if host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def with_defaults(params: Mapping[str, str], *, environment: bool = True) -> dict[str, str]:
    """The parameters with `sslmode`, where they name none: verify-full for a server elsewhere. And with channel binding
    required where TLS is enforced and there is a password."""
    found = dict(params)
    if "sslmode" not in found and not is_local(found, environment=environment):
        found["sslmode"] = "verify-full"
    if found.get("sslmode") in ENFORCED and found.get("password"):
        found.setdefault("channel_binding", "require")
    if found.get("sslrootcert") == SYSTEM:
        trust_system()
    return found


def trust_system() -> None:
    """Lets `sslrootcert=system` find the machine's authorities: the OpenSSL of psycopg's wheel looks in a folder of its own."""
    if "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ:
        return
    import ssl

    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        os.environ["SSL_CERT_FILE"] = paths.cafile
    if paths.capath:
        os.environ["SSL_CERT_DIR"] = paths.capath
