"""Connection strings in the words of each driver."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantplan.postgres.dialects import DRIVERS, PoolSize, compose
from tenantplan.postgres.url import parse

PARAMS = {"host": "db.example", "port": "6432", "user": "o_app", "password": "p@s:/?%#'\"\\ ü", "dbname": "o"}
TLS = {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem", "channel_binding": "require"}
PLACE = "o_app:p%40s%3A%2F%3F%25%23%27%22%5C%20%C3%BC@db.example:6432/o"
POOL = PoolSize(30, 10_500)


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        ("postgresql", f"postgresql://{PLACE}?sslmode=verify-full&sslrootcert=/etc/ca.pem&channel_binding=require"),
        (
            "psycopg",
            f"postgresql+psycopg://{PLACE}?sslmode=verify-full&sslrootcert=/etc/ca.pem&channel_binding=require",
        ),
        ("asyncpg", f"postgresql+asyncpg://{PLACE}?ssl=verify-full"),
        (
            "prisma",
            f"postgresql://{PLACE}?sslmode=require&sslaccept=strict&sslcert=/etc/ca.pem&connection_limit=30&pool_timeout=11",
        ),
    ],
)
def test_with_tls(driver: str, expected: str) -> None:
    assert compose(PARAMS | TLS, driver, POOL) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("disable", "sslmode=disable"), ("prefer", "sslmode=prefer"), ("require", "sslmode=require"),
     ("verify-ca", "sslmode=require&sslaccept=strict")],
)  # fmt: skip
def test_tls_of_prisma(mode: str, expected: str) -> None:
    given = {**PARAMS, "sslmode": mode, "sslrootcert": "system"}
    assert compose(given, "prisma").partition("?")[2] == expected


@pytest.mark.parametrize("driver", DRIVERS)
def test_without_options(driver: str) -> None:
    url = compose({"host": "::1", "user": "u"}, driver)
    assert url == f"{DRIVERS[driver]}://u@[::1]:5432/"


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_a_connection_string_says_of_pools_is_in_the_drivers_words(driver: str) -> None:
    params = parse("postgresql://u:canary-4711@h/d?connection_limit=5&pool_timeout=7&ssl=true", "env:X")
    query = compose(params, driver, POOL).partition("?")[2]
    tls = "ssl=require" if driver == "asyncpg" else "sslmode=require"
    assert query == (f"{tls}&connection_limit=5&pool_timeout=7" if driver == "prisma" else tls)


def test_a_socket() -> None:
    params = {"host": "/run/pg", "port": "5433", "user": "u", "dbname": "d"}
    assert compose(params, "postgresql") == "postgresql://u@/d?host=/run/pg&port=5433"
    assert compose(params, "prisma") == "postgresql://u@localhost/d?host=/run/pg&port=5433"


@pytest.mark.parametrize("driver", DRIVERS)
def test_shown_without_the_password(driver: str) -> None:
    shown = compose(PARAMS | TLS, driver, POOL, shown=True)
    assert "o_app:***@db.example:6432/o" in shown and "p%40s" not in shown


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_what_is_composed_is_read_back(secret: str) -> None:
    params = PARAMS | TLS | {"password": secret, "user": secret}
    assert parse(compose(params, "psycopg"), "env:X") == params
