"""Servers that were not made for UTF-8: what tenantplan makes there is, and text of every kind comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from acceptance.harness import Fleet
from psycopg.conninfo import make_conninfo
from servers import TestServer


class OtherEncoding(TestServer):
    """A server that was made with another encoding, and the locale C."""

    encoding = "SQL_ASCII"

    def _run(self, program: str, *arguments: str, before: list[str] | None = None, said: str = "") -> str:
        if program == "initdb":
            arguments = tuple(self.encoding if a == "UTF8" else "--locale=C" if "locale" in a else a for a in arguments)
        return super()._run(program, *arguments, before=before, said=said)


class Latin(OtherEncoding):
    encoding = "LATIN1"


@pytest.fixture(params=[OtherEncoding, Latin], ids=["SQL_ASCII", "LATIN1"])
def other(request: pytest.FixtureRequest, pg_version: int, tmp_path: Path) -> Iterator[Fleet]:
    server = request.param(pg_version)
    yield Fleet(tmp_path / "fleet", server)
    server.remove()


TEXT = "Żółć – 東京 €"


def test_a_fleet_on_a_server_of_another_encoding(other: Fleet) -> None:
    other.organization("acme", f'contact: {{ company: "{TEXT}" }}')
    other.organization("msf", f'contact: {{ company: "{TEXT}" }}\ndatabase: {{ mode: dedicated }}')
    other.apply()
    other.converged()
    login = make_conninfo(**other.server.params(dbname=other.main_database), client_encoding="UTF8")
    with psycopg.connect(login) as main:
        assert main.execute("SELECT DISTINCT company_name FROM organizations").fetchall() == [(TEXT,)]
    encodings = other.rows(
        "SELECT DISTINCT pg_encoding_to_char(encoding) FROM pg_database WHERE datname IN (%s, %s)",
        other.main_database,
        other.database("msf"),
    )
    assert encodings == [("UTF8",)]
    for command in (
        ["status"],
        ["drift"],
        ["doctor"],
        ["audit", "list"],
        ["audit", "verify"],
        ["report", "database-sizes"],
    ):
        other.run(*command)
