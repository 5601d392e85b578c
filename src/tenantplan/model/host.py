"""Which hosts the databases that documents bring may be on: names as a list has them, compared as a resolver would."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, ip_address

EXPECTED = 'expected a host name, "*.suffix", an IP address or the folder of a socket; no port, no user'
_LABEL = "(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")


def problem(text: str) -> str | None:
    """Why an entry of the list cannot be one; None: it can."""
    host = normal(text)
    if host.startswith(("/", "@")) or _address(host):
        return None
    if len(host) > 253 or not _NAME.fullmatch(host):
        return EXPECTED
    if host.startswith("*.") and host.rpartition(".")[2].isdigit():
        return "addresses are not matched by their ending: name each of them"
    return None


def is_allowed(params: Mapping[str, str], allowed: Iterable[str]) -> bool:
    """Whether all that libpq would connect to or ask for is in the list: an address beside a name is one host more."""
    entries = [normal(entry) for entry in allowed]
    named = named_hosts(params)
    return bool(named) and all(any(_matches(normal(host), entry) for entry in entries) for host in named)


def place(host: str, port: object, *, embedded: bool = False) -> str:
    """A server for people: host (or the folder of its socket) and port, and in words that it is the embedded one."""
    found = f"{host}:{port}"
    return f"the EMBEDDED server {found}" if embedded else found


def named_hosts(params: Mapping[str, str]) -> list[str]:
    """The hosts that a connection string names."""
    return [params[part] for part in ("host", "hostaddr") if params.get(part)]


def normal(host: str) -> str:
    """One spelling of a host: lower case, without the dot at its end, letters as in DNS, an address as Python writes it.

    A socket's folder stays as it is, but for slashes that say nothing.
    """
    if host.startswith("/"):
        return re.sub(r"/+", "/", host).rstrip("/") or "/"
    if host.startswith("@"):
        return host
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if address := _address(bare):
        return address
    name = host.lower().removesuffix(".")
    wild, name = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    try:
        return wild + (name if name.isascii() else name.encode("idna").decode())
    except UnicodeError:
        return wild + name  # which is no host name, and in no list


def _address(host: str) -> str | None:
    """An IP address in one spelling, an IPv4 one that is written as IPv6 as what it is; None: it is none."""
    try:
        found = ip_address(host)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(found).lower()


def _matches(host: str, entry: str) -> bool:
    if not entry.startswith("*."):
        return host == entry
    return host.endswith(entry[1:]) and len(host) > len(entry) - 1 and not _address(host) and host[0] not in "/@"
