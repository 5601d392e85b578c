"""A database that an organization brings: made by the test, and dropped when it ends, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from acceptance.harness import Fleet


@contextmanager
def own_database(fleet: Fleet, variable: str) -> Iterator[str]:
    """Its name; an environment variable of the fleet holds its connection string."""
    name = f"own_{fleet.id}"
    with fleet.server.connect() as admin:  # whoever connects there owns it
        admin.execute(f"CREATE DATABASE {name}".encode())
    fleet.env[variable] = fleet.server.url(dbname=name)
    try:
        yield name
    finally:
        fleet.execute(f"DROP DATABASE {name} WITH (FORCE)", database="postgres")
