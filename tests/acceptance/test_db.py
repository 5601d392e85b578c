"""`db show|test`: a connection is tested before it is saved, and never shown with its password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from acceptance.harness import Fleet, Result

pytestmark = pytest.mark.once


def _checks(result: Result) -> dict[tuple[str, str], dict[str, Any]]:
    return {(c["subject"], c["name"]): c for c in result.json["checks"]}


@contextmanager
def _database(fleet: Fleet, owner: str = "tp_admin") -> Iterator[str]:
    name = f"o{fleet.id}_own"
    with fleet.server.superuser_connect() as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER {owner}".encode())
    try:
        yield name
    finally:
        with fleet.server.superuser_connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_the_main_server_before_and_after_the_first_apply(fleet: Fleet) -> None:
    fleet.organization("acme")
    found = fleet.run("db", "test", "--json")
    assert found.json["ok"] is True
    checks = _checks(found)
    assert "apply creates it" in checks["main", "database"]["detail"]
    assert checks["main", "createdb"]["status"] == checks["main", "no pooler"]["status"] == "pass"
    fleet.apply()
    assert "accepts connections" in _checks(fleet.run("db", "test", "--json"))["main", "database"]["detail"]
    assert "checks passed" in fleet.run("db", "test").out


def test_a_role_without_its_rights_fails_with_what_to_grant(fleet: Fleet) -> None:
    fleet.organization("acme")
    role, password = f"o{fleet.id}_poor", "s0me-l0ng-passw0rd"
    with fleet.server.superuser_connect() as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'".encode())
    fleet.env["TENANTPLAN_MAIN_URL"] = fleet.server.url(role, password=password)
    checks = _checks(fleet.run("db", "test", "--json", code=1))
    for right in ("createdb", "createrole"):
        assert checks["main", right]["status"] == "fail"
        assert f"ALTER ROLE {role} {right.upper()}" in checks["main", right]["advice"]


def test_closed_port_and_wrong_password_name_the_place(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.settings(
        """
        servers:
          eu-1: { url: { env: TENANTPLAN_EU1_URL } }
          us-1: { url: { env: TENANTPLAN_US1_URL } }
        """
    )
    fleet.env["TENANTPLAN_EU1_URL"] = "postgresql://tp:other-secret-9@127.0.0.1:1/postgres"
    result = fleet.run("db", "test", "--json", code=1)
    checks = _checks(result)
    assert checks["main", "connect"]["status"] == "pass"
    assert "127.0.0.1:1" in checks["server eu-1", "connect"]["detail"]
    assert "firewall" in checks["server eu-1", "connect"]["advice"]
    assert "TENANTPLAN_US1_URL" in checks["server us-1", "connect"]["detail"]
    fleet.env["TENANTPLAN_EU1_URL"] = fleet.server.url(password="wrong-secret-7")
    wrong = fleet.run("db", "test", "--json", code=1)
    assert "password" in _checks(wrong)["server eu-1", "connect"]["advice"]
    assert "other-secret-9" not in result.out + result.err
    assert "wrong-secret-7" not in wrong.out + wrong.err


def test_an_organization_before_and_after_it_has_its_database(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }")
    assert (
        "apply creates it"
        in _checks(fleet.run("db", "test", "msf", "--json"))["organization/msf", "database"]["detail"]
    )
    shown = fleet.run("db", "show", "msf", "--json").json
    assert (shown["applied"], shown["database"]) == (False, fleet.database("msf"))
    fleet.apply()
    fleet.run("db", "test", "msf")
    assert fleet.run("db", "show", "msf", "--json").json["applied"] is True
    with fleet.server.superuser_connect() as connection:
        connection.execute(f"ALTER DATABASE {fleet.database('msf')} ALLOW_CONNECTIONS false".encode())
    refused = fleet.run("db", "test", "msf", "--json", code=1)
    assert "not currently accepting" in _checks(refused)["organization/msf", "connect"]["detail"]
    with fleet.server.superuser_connect() as connection:
        connection.execute(f"DROP DATABASE {fleet.database('msf')}".encode())
    gone = _checks(fleet.run("db", "test", "msf", "--json", code=1))["organization/msf", "database"]
    assert (gone["status"], gone["detail"]) == ("fail", f"{fleet.database('msf')} does not exist")


def test_a_brought_database_is_tested_before_and_after_it_is_declared(fleet: Fleet) -> None:
    fleet.organization("acme")
    with _database(fleet) as name:
        fleet.env["OWN_URL"] = fleet.server.url(dbname=name)
        early = fleet.run("db", "test", "--url-env", "OWN_URL", "--json")
        assert _checks(early)["env:OWN_URL", "create tables"]["status"] == "pass"
        fleet.organization("own", "database: { url: { env: OWN_URL } }")
        fleet.run("db", "test", "own")
        shown = fleet.run("db", "show", "own")
        assert "env:OWN_URL" in shown.out
        assert ":***@" in shown.out
        for output in (early, shown, fleet.run("db", "show", "own", "--json")):
            assert fleet.server.params()["password"] not in output.out
        del fleet.env["OWN_URL"]
        assert "OWN_URL" in fleet.run("db", "test", "own", code=1).out
        assert "OWN_URL" in fleet.run("db", "show", "own").out
    assert "not a URL" in fleet.run("db", "test", "--url-env", "NOT_SET", code=1).err


def test_a_brought_database_without_create_fails(fleet: Fleet) -> None:
    fleet.organization("acme")
    role, password = f"o{fleet.id}_guest", "s0me-l0ng-passw0rd"
    with _database(fleet, owner="postgres") as name:
        with fleet.server.superuser_connect() as connection:
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'".encode())
        fleet.env["OWN_URL"] = fleet.server.url(role, name, password)
        checks = _checks(fleet.run("db", "test", "--url-env", "OWN_URL", "--json", code=1))
        assert f"GRANT CREATE ON SCHEMA public TO {role}" in checks["env:OWN_URL", "create tables"]["advice"]
        assert checks["env:OWN_URL", "owner"]["status"] == "warn"
        fleet.env["OWN_URL"] = fleet.server.url(dbname="no_such_database")
        missing = _checks(fleet.run("db", "test", "--url-env", "OWN_URL", "--json", code=1))
        assert "does not exist" in missing["env:OWN_URL", "connect"]["detail"]


def test_an_unknown_organization_and_one_that_is_live_only(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.organization("acme")
    fleet.apply()
    err = fleet.run("db", "show", "mfs", code=1).err
    assert "Organization not found: mfs" in err
    assert "did you mean `msf`?" in err
    fleet.remove("Organization", "msf")
    shown = fleet.run("db", "show", "msf", "--json").json
    assert (shown["declaredAt"], shown["database"]) == ("", fleet.database("msf"))


@pytest.mark.parametrize("mode", ["verify-full", "require"])
def test_tls_is_said(fleet: Fleet, fresh_server: Any, mode: str) -> None:
    server = fresh_server(version=15, tls=True)
    fleet.organization("acme")
    fleet.env["TENANTPLAN_MAIN_URL"] = server.url().replace("verify-full", mode)
    check = _checks(fleet.run("db", "test", "--json"))["main", "TLS"]
    assert check["detail"].startswith("TLSv1.")
    assert check["status"] == ("pass" if mode == "verify-full" else "warn")
