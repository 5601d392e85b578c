"""What `doctor` says of secrets' lengths, and of pools."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acceptance.harness import Fleet
from acceptance.test_doctor import lines
from servers import TestServer

from tenantplan.secrets.box import new_key

pytestmark = pytest.mark.once
SHORT, LONG = "Kq3-hardly-enough-9", "Kq3-" + "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def there(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """An applied fleet with secrets and pools."""
    fleet = Fleet(tmp_path_factory.mktemp("supplies"), server)
    fleet.env |= {"CREDENTIALS_ENCRYPTION_KEY": new_key(), "SESSION": LONG, "JWT": LONG[::-1]}
    secrets = "secrets: { session: { value: { env: SESSION } }, jwt: { value: { env: JWT } } }"
    fleet.organization("msf", f"database: {{ mode: dedicated }}\n{secrets}")
    fleet.organization("wwf", "database: { mode: dedicated, connectionLimit: 30 }")
    fleet.apply()
    yield fleet
    fleet.clean()


def checks(fleet: Fleet, code: int | None = 0, **env: str) -> dict[tuple[str, str], tuple[str, str, str]]:
    return lines(fleet.run("doctor", "--json", "--skip-rehearsal", code=code, env=env))


def test_all_is_well(there: Fleet) -> None:
    found = checks(there)
    assert found["manifest", "secret lengths"][:2] == ("pass", f"the shortest of 2 has {len(LONG)} characters")
    assert found["fleet", "pooling"][:2] == ("pass", "2 pools fit their connectionLimit")


def test_a_short_secret_is_named_by_its_reference_and_length(there: Fleet) -> None:
    status, detail, advice = checks(there, code=1, JWT=SHORT)["manifest", "secret lengths"]
    assert (status, detail) == ("warn", f"too short: env:JWT has {len(SHORT)}") and "32" in advice
    assert SHORT not in there.run("doctor", "--skip-rehearsal", env={"JWT": SHORT}, code=1).out


def test_a_pool_over_the_connection_limit_is_named(there: Fleet) -> None:
    there.organization("wwf", "database: { mode: dedicated, connectionLimit: 20 }")
    there.apply()
    status, detail, _ = checks(there)["fleet", "pooling"]
    assert status == "warn" and detail.endswith("wwf 30 of 20")
