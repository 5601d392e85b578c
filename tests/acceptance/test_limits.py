"""Limits of an organization: how long a statement of its logins may run, and how many connections they may have."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree
from acceptance.test_projects import refused
from psycopg import sql

pytestmark = pytest.mark.once

PASSWORD = "correct-horse-9-battery"


def declare(fleet: Fleet, limits: str = "", more: str = "", name: str = "msf", **metadata: object) -> None:
    fleet.env["APP_PASSWORD"] = PASSWORD
    database = f"database: {{ mode: dedicated, readOnly: true, password: {{ env: APP_PASSWORD }}{limits} }}"
    fleet.organization(name, f"{database}\n{more}", **metadata)


def login(fleet: Fleet, role: str = "app") -> psycopg.Connection[Any]:
    """A session as an application opens it, over TCP with its password."""
    return fleet.server.connect(f"{fleet.database('msf')}_{role}", fleet.database("msf"), PASSWORD)


def settings(fleet: Fleet) -> dict[str, list[str] | None]:
    """What every new session of each role of the organization is set to, by the end of the role's name."""
    prefix = fleet.database("msf") + "_"
    rows = fleet.rows("SELECT rolname::text, rolconfig FROM pg_roles WHERE starts_with(rolname, %s)", prefix)
    return {name.removeprefix(prefix): config for name, config in rows}


def alter(fleet: Fleet, what: str, role: str = "app") -> None:
    name = sql.Identifier(f"{fleet.database('msf')}_{role}").as_string()
    fleet.execute(f"ALTER ROLE {name} {what}", database="postgres")


def drift(fleet: Fleet) -> dict[tuple[str, str], tuple[str, str]]:
    items = fleet.run("drift", "--json", code=None).json["items"]
    return {
        (i["address"].removeprefix(f"role/primary/{fleet.database('msf')}_"), i["name"]): (i["expected"], i["actual"])
        for i in items
    }


def stored(fleet: Fleet) -> list[Any]:
    return [row[0] for row in fleet.rows("SELECT statement_timeout FROM organizations ORDER BY slug")]


@pytest.mark.parametrize("role", ["app", "ro"])
def test_a_long_statement_of_an_application_is_cancelled(fleet: Fleet, role: str) -> None:
    declare(fleet, ", statementTimeout: 300ms")
    fleet.apply()
    if role == "ro":
        alter(fleet, f"PASSWORD '{PASSWORD}'", "ro")
    with login(fleet, role) as session:
        session.execute("SELECT pg_sleep(0.01)")
        start = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled, match="canceling statement due to statement timeout"):
            session.execute("SELECT pg_sleep(20)")
        assert time.monotonic() - start < 10
    fleet.converged()


def test_a_timeout_is_set_changed_and_taken_back(fleet: Fleet) -> None:
    declare(fleet)
    fleet.apply()
    nothing = dict.fromkeys(("app", "ro", "owner"))
    assert settings(fleet) == nothing and stored(fleet) == [None]
    for timeout, ms in (("30s", 30_000), ("2min", 120_000), ("1500ms", 1500), ("1h", 3_600_000)):
        declare(fleet, f", statementTimeout: {timeout}")
        addresses = {o["address"] for o in fleet.plan()["operations"]}
        roles = {f"role/primary/{fleet.database('msf')}_{name}" for name in ("app", "ro")}
        assert addresses == {"organization/msf", *roles}
        fleet.apply()
        setting = [f"statement_timeout={ms}ms"]
        assert settings(fleet) == {"app": setting, "ro": setting, "owner": None}
        assert stored(fleet) == [ms]
        fleet.converged()
        assert drift(fleet) == {}
    declare(fleet)
    fleet.apply()
    assert settings(fleet) == nothing and stored(fleet) == [None]
    fleet.converged()
    assert drift(fleet) == {}


def test_an_equal_duration_in_another_unit_is_no_change(fleet: Fleet) -> None:
    declare(fleet, ", statementTimeout: 60s")
    fleet.apply()
    declare(fleet, ", statementTimeout: 1min")
    assert fleet.operations() == []


@pytest.mark.parametrize("same", ["'1min'", "'60s'", "60000", "'60000ms'", "'60 s'"])
def test_the_same_set_by_hand_in_another_unit_is_no_drift(fleet: Fleet, same: str) -> None:
    declare(fleet, ", statementTimeout: 1min")
    fleet.apply()
    alter(fleet, f"SET statement_timeout = {same}")
    fleet.converged()
    assert drift(fleet) == {}


BY_HAND = {
    "SET statement_timeout = '2min'": 120_000,
    "SET statement_timeout = 5000": 5000,
    "SET statement_timeout = '1h'": 3_600_000,
    "SET statement_timeout = '1d'": 86_400_000,
    "SET statement_timeout = 0": 0,
    "RESET statement_timeout": 0,
    "RESET ALL": 0,
}


@pytest.mark.parametrize("by_hand", BY_HAND)
def test_a_timeout_changed_by_hand_is_drift_and_set_back(fleet: Fleet, by_hand: str) -> None:
    declare(fleet, ", statementTimeout: 1min")
    fleet.apply()
    alter(fleet, by_hand)
    assert drift(fleet) == {("app", "statement_timeout"): ("60000", str(BY_HAND[by_hand]))}
    assert fleet.operations() == [f"update role/primary/{fleet.database('msf')}_app"]
    fleet.apply()
    assert settings(fleet)["app"] == ["statement_timeout=60000ms"]
    fleet.converged()
    assert drift(fleet) == {}


def test_a_timeout_that_nobody_declared_is_drift_and_taken_away(fleet: Fleet) -> None:
    declare(fleet)
    fleet.apply()
    alter(fleet, "SET statement_timeout = '90s'")
    alter(fleet, "SET work_mem = '8MB'")  # not tenantplan's business
    assert drift(fleet) == {("app", "statement_timeout"): ("0", "90000")}
    fleet.apply()
    assert settings(fleet)["app"] == ["work_mem=8MB"]
    fleet.converged()


def test_a_row_changed_by_hand_is_drift(fleet: Fleet) -> None:
    declare(fleet, ", statementTimeout: 1min")
    fleet.apply()
    fleet.execute("UPDATE organizations SET statement_timeout = 5")
    assert list(drift(fleet).values()) == [("60000", "5")]
    fleet.apply()
    assert stored(fleet) == [60_000]


def test_a_tier_gives_limits_and_an_organization_has_its_own(fleet: Fleet) -> None:
    tier = "displayName: B\ndefaults: {{ database: {{ mode: dedicated, readOnly: true, {} }} }}"
    fleet.document("Tier", "big", tier.format("statementTimeout: 1min, connectionLimit: 5"))
    fleet.organization("first", "tier: big")
    fleet.organization("second", "tier: big\ndatabase: { statementTimeout: 5s, connectionLimit: 2 }")
    fleet.apply()
    assert stored(fleet) == [60_000, 5000]
    limits = "SELECT rolconfig, rolconnlimit FROM pg_roles WHERE rolname = %s"
    found = [fleet.rows(limits, f"{fleet.database(name)}_app")[0] for name in ("first", "second")]
    assert found == [(["statement_timeout=60000ms"], 5), (["statement_timeout=5000ms"], 2)]
    fleet.converged()
    fleet.document("Tier", "big", tier.format("statementTimeout: 2min"))
    fleet.apply()
    assert stored(fleet) == [120_000, 5000]
    fleet.converged()


def test_limits_outlive_suspension_deletion_and_rename(fleet: Fleet) -> None:
    limits = ", statementTimeout: 45s, connectionLimit: 3"
    declare(fleet, limits, "protect: false")
    fleet.apply()
    setting = ["statement_timeout=45000ms"]
    declare(fleet, limits, "protect: false\nstate: suspended")
    fleet.apply()
    assert settings(fleet)["app"] == setting
    declare(fleet, limits, "protect: false\nstate: deleted")
    fleet.document("Tier", "any", "displayName: Any")
    fleet.apply("--allow-deletes", "1")
    declare(fleet, limits, "protect: false")
    declare(fleet, limits, "protect: false", restore=fleet.restorable())
    fleet.apply()
    assert settings(fleet)["app"] == setting
    fleet.converged()
    fleet.remove("Organization", "msf")
    fleet.organization(
        "doctors",
        f"database: {{ mode: dedicated, readOnly: true, password: {{ env: APP_PASSWORD }}{limits} }}",
        renamedFrom="msf",
    )
    fleet.apply()
    rows = fleet.rows(
        "SELECT rolconfig, rolconnlimit FROM pg_roles WHERE rolname = %s", f"{fleet.database('doctors')}_app"
    )
    assert rows == [(setting, 3)]
    fleet.converged()


def test_in_shared_mode_only_the_row_says_it(fleet: Fleet) -> None:
    """There is no login of its own: what the application reads is in organizations."""
    fleet.organization("msf", "database: { statementTimeout: 10s, connectionLimit: 4 }")
    fleet.apply()
    assert fleet.rows("SELECT statement_timeout, connection_limit FROM organizations") == [(10_000, 4)]
    assert settings(fleet) == {}
    fleet.converged()


@pytest.mark.parametrize(
    "timeout", ["30", "0s", "-1s", "30 s", "1d", "1.5s", "597h", "9999999999ms", "forever", "30s; DROP ROLE x", "''"]
)
def test_what_is_no_duration(fleet: Fleet, timeout: str) -> None:
    declare(fleet, f", statementTimeout: {timeout}")
    message = refused(fleet)
    assert "organization-msf.yaml:" in message and "1 problem;" in message


def test_an_application_gets_no_more_connections_than_its_limit(fleet: Fleet) -> None:
    declare(fleet, ", connectionLimit: 2")
    fleet.apply()
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(login(fleet))
        with pytest.raises(psycopg.OperationalError, match="too many connections for"):
            login(fleet)
    declare(fleet, ", connectionLimit: 3")
    fleet.apply()
    fleet.converged()
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(login(fleet))
        with pytest.raises(psycopg.OperationalError, match="too many connections for"):
            login(fleet)


def test_a_connection_limit_changed_by_hand_is_drift_and_set_back(fleet: Fleet) -> None:
    declare(fleet, ", connectionLimit: 2")
    fleet.apply()
    alter(fleet, "CONNECTION LIMIT 50")
    fleet.execute(f"ALTER DATABASE {fleet.database('msf')} CONNECTION LIMIT 60", database="postgres")
    database = f"database/primary/{fleet.database('msf')}"
    assert drift(fleet) == {("app", "connection_limit"): ("2", "50"), (database, "connection_limit"): ("7", "60")}
    fleet.apply()
    assert drift(fleet) == {}
    fleet.converged()


@pytest.mark.parametrize("mode", ["shared", "dedicated"])
def test_a_tenant_with_a_database_of_its_own_has_the_limits_of_its_organization(fleet: Fleet, mode: str) -> None:
    fleet.organization("msf", f"database: {{ mode: {mode}, statementTimeout: 300ms, connectionLimit: 2 }}")
    fleet.document("Tenant", "paris", "organization: msf\ndisplayName: Paris\ndatabase: { mode: dedicated }")
    fleet.apply()
    role = f"{fleet.database('paris')}_app"
    fleet.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'", database="postgres")
    with ExitStack() as stack:
        sessions = [
            stack.enter_context(fleet.server.connect(role, fleet.database("paris"), PASSWORD)) for _ in range(2)
        ]
        with pytest.raises(psycopg.OperationalError, match="too many connections for"):
            fleet.server.connect(role, fleet.database("paris"), PASSWORD)
        with pytest.raises(psycopg.errors.QueryCanceled):
            sessions[0].execute("SELECT pg_sleep(20)")
    fleet.converged()


def test_what_a_limit_is_and_what_not(fleet: Fleet) -> None:
    """docs/connections.md: a session may set itself another timeout, a role may not lift its connection limit."""
    declare(fleet, ", statementTimeout: 300ms, connectionLimit: 1")
    fleet.apply()
    with login(fleet) as session:
        session.execute("SET statement_timeout = 0")
        session.execute("SELECT pg_sleep(0.5)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 9").format(sql.Identifier(session.info.user)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 9").format(sql.Identifier(session.info.dbname)))
        session.execute(sql.SQL("ALTER ROLE {} SET statement_timeout = 0").format(sql.Identifier(session.info.user)))
    assert drift(fleet) == {("app", "statement_timeout"): ("300", "0")}
    fleet.apply()
    assert drift(fleet) == {}


def test_an_organization_at_its_limit_is_migrated_all_the_same(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    declare(fleet, ", connectionLimit: 2")
    fleet.apply()
    tree.add("aa01", "op.add_column('donors', sa.Column('x', sa.Text()))")
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(login(fleet))
        fleet.apply()
    fleet.converged()
