"""An upload that can be run again: what is already there and right stays, what arrives is read back and compared."""

from __future__ import annotations

from pathlib import Path

from tenantplan.errors import TenantplanError
from tenantplan.stores.store import Store, Stored, measure


def upload(store: Store, key: str, source: Path, expected: Stored) -> None:
    """Stores a file, unless it is there already with the expected size and SHA-256.

    What was stored is read back. When it is not what was expected, it is deleted again and a TenantplanError says whether
    the file on this machine has changed or the store has spoilt it.
    """
    if _holds(store, key, expected):
        return
    store.put(key, source)
    found = measure(store.read(key))
    if found != expected:
        store.delete(key)
        raise _mismatch(store, key, source, expected, found)


def _holds(store: Store, key: str, expected: Stored) -> bool:
    if store.size(key) != expected.size:
        return False
    try:
        return measure(store.read(key)) == expected
    except TenantplanError:
        return False  # half of it is gone: it is stored again


def _mismatch(store: Store, key: str, source: Path, expected: Stored, found: Stored) -> TenantplanError:
    differs = f"{_describe(found)} instead of {_describe(expected)}"
    if measure(source) != expected:
        return TenantplanError(
            f"the package file is not the one that was expected: {differs}; nothing was stored",
            where=str(source),
            hint="it has changed since it was measured: plan again",
        )
    return TenantplanError(
        f"{key} was not stored as it was sent: {differs}; it was deleted again",
        where=store.url,
        hint="run it again; if it happens twice, check that storage and the network to it",
    )


def _describe(content: Stored) -> str:
    return f"{content.size} bytes with SHA-256 {content.sha256[:12]}…"
