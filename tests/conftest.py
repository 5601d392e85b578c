"""Fixtures that every test can use: servers of the version that the run is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import pytest
from hypothesis import settings
from servers import VERSIONS, TestServer, Unavailable, open_root, stop_all

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


class FreshServer(Protocol):
    """Makes a server for one test; the default version is the run's."""

    def __call__(
        self, settings: Mapping[str, str] | None = None, *, version: int | None = None, tls: bool = False
    ) -> TestServer:
        """A running server, ended with the test. Skips the test where there can be none, with the reason."""
        ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--pg`: the PostgreSQL version to test on."""
    parser.addoption("--pg", type=int, choices=VERSIONS, default=18, help="PostgreSQL version to test on (default 18)")


def pytest_configure(config: pytest.Config) -> None:
    """The first process of a run makes the servers' folder and, at the very end, ends whatever is left in it."""
    if hasattr(config, "workerinput"):
        return
    root = open_root()
    config.add_cleanup(lambda: stop_all(root))


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is tested on."""
    return f"PostgreSQL {config.getoption('--pg')}"


@pytest.fixture(scope="session")
def pg_version(pytestconfig: pytest.Config) -> int:
    """The PostgreSQL version of this run."""
    return int(pytestconfig.getoption("--pg"))


@pytest.fixture(scope="session")
def server(pg_version: int) -> Iterator[TestServer]:
    """The server that the tests of this worker share: leave it as it was, or take a fresh one."""
    started = _started(lambda: TestServer(pg_version))
    yield started
    started.remove()


@pytest.fixture
def fresh_server(pg_version: int) -> Iterator[FreshServer]:
    """A factory of servers that a test has for itself: other settings, TLS, another version, to stop and to break."""
    made: list[TestServer] = []

    def make(settings: Mapping[str, str] | None = None, *, version: int | None = None, tls: bool = False) -> TestServer:
        made.append(_started(lambda: TestServer(version or pg_version, settings, tls=tls)))
        return made[-1]

    yield make
    for each in made:
        each.remove()


def _started(make: Callable[[], TestServer]) -> TestServer:
    try:
        return make()
    except Unavailable as reason:
        pytest.skip(str(reason))
