"""A fleet of its own for each acceptance test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.harness import Fleet
from servers import TestServer


@pytest.fixture
def fleet(tmp_path: Path, server: TestServer) -> Iterator[Fleet]:
    """An empty fleet on the server of this worker; what it made is dropped afterwards."""
    made = Fleet(tmp_path / "fleet", server)
    yield made
    made.clean()
