"""Connection strings: strict, and masked."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tenantplan.errors import SettingsError
from tenantplan.postgres.url import SCHEMES, Server, masked, parse

SECRET = r"p@s:/?%#'\" ü" + "\u00a0"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_parts(scheme: str) -> None:
    url = f"{scheme}://anna:{quote(SECRET, safe='')}@db.example:5433/shop?sslmode=verify-full"
    assert parse(url, "env:X") == {
        "host": "db.example", "port": "5433", "user": "anna", "password": SECRET, "dbname": "shop", "sslmode": "verify-full",
    }  # fmt: skip


def test_what_asyncpg_calls_ssl() -> None:
    assert parse("postgresql+asyncpg://h/d?ssl=require", "env:X")["sslmode"] == "require"
    assert parse("postgresql+asyncpg://h/d?connect_timeout=3&ssl=require", "env:X")["sslmode"] == "require"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("ssl=true", {"sslmode": "require"}),
        ("ssl=false", {"sslmode": "disable"}),
        ("ssl=verify-full", {"sslmode": "verify-full"}),
        ("sslmode=verify-ca", {"sslmode": "verify-ca"}),
        ("connection_limit=5", {"connection_limit": "5"}),
        ("pool_timeout=20&ssl=true", {"sslmode": "require", "pool_timeout": "20"}),
        ("connection_limit=5&pool_timeout=0&sslmode=require",
         {"sslmode": "require", "connection_limit": "5", "pool_timeout": "0"}),
    ],
)  # fmt: skip
def test_words_of_drivers_are_understood(scheme: str, said: str, found: dict[str, str]) -> None:
    params = parse(f"{scheme}://u:p%3Fw@h/d?{said}", "env:X")
    assert params == {"host": "h", "user": "u", "password": "p?w", "dbname": "d", **found}
    assert not {"connection_limit", "pool_timeout"} & Server("x", params, 4).session_params.keys()


@pytest.mark.parametrize(
    ("query", "named", "near"),
    [
        ("connection_limits=5", "connection_limits", "connection_limit"),
        ("sslmod=require", "sslmod", "sslmode"),
        ("schema=public", "schema", "allowed are"),
        ("sslmode=require&pgbouncer=true", "pgbouncer", "allowed are"),
    ],
)
def test_an_unknown_parameter_is_named(query: str, named: str, near: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse(f"postgresql://u:canary@h/d?{query}", "env:X")
    assert f"sets {named}, which is not" in error.value.message and near in error.value.hint
    assert "canary" not in str(error.value)


@pytest.mark.parametrize(
    "query",
    [
        "connection_limit=0",
        "connection_limit=x",
        "pool_timeout=-1",
        "ssl=maybe",
        "connection_limit=1&connection_limit=2",
    ],
)
def test_a_value_that_cannot_be_is_refused(query: str) -> None:
    with pytest.raises(SettingsError, match=r"connection_limit|pool_timeout|sslmode"):
        parse(f"postgresql://h/d?{query}", "env:X")


@pytest.mark.parametrize("url", ["", "x", "://", "mysql://h/d", "postgres://h/d", "POSTGRESQL://h/d", " postgresql://h/d", "host=h",
                                 "postgresql+psycopg2://h/d", "postgresql://h/d\n", "postgresql://h/d\0", "postgresql://h\t/d",
                                 "postgresql://a,b/d", "postgresql://a:1,b:2/d", "postgresql://h/d?port=1,2",
                                 "postgresql://h/d?hostaddr=1.1.1.1,2.2.2.2", "postgresql://h/d?options=-crole%3Dx",
                                 "postgresql://h/d?service=x", "postgresql://h/d?passfile=x", "postgresql://h/d?target_session_attrs=any",
                                 "postgresql://h/d?application_name=tp:x", "postgresql://h/d?nonsense=1", "postgresql://h/%zz",
                                 "postgresql://h/a%00b", "postgresql://[::1/d", "postgresql://u:%ff@h/d"])  # fmt: skip
def test_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="env:X"):
        parse(url, "env:X")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://h/d?sslmode=verify-full&sslmode=disable", "sets sslmode twice"),
        ("postgresql+asyncpg://h/d?ssl=verify-full&sslmode=disable", "sets sslmode twice"),
        ("postgresql://h/d?sslmode=verify-full&ssl%6Dode=disable", "sets sslmode twice"),
        ("postgresql://good.example/d?host=evil.example", "sets host twice"),
        ("postgresql://good.example:5432/d?host=evil.example", "sets host twice"),
        ("postgresql://[::1]/d?host=evil.example", "sets host twice"),
        ("postgresql://h:5432/d?port=6432", "sets port twice"),
        ("postgresql://[::1]:5432/d?port=6432", "sets port twice"),
        ("postgresql://h/d?dbname=e", "sets dbname twice"),
        ("postgresql://anna@h/d?user=root", "sets user twice"),
        ("postgresql://anna:canary@h/d?password=canary", "sets password twice"),
        ("postgresql://anna:@h/d", "has an empty password"),
        ("postgresql://h/d?password=", "has an empty password"),
        ("postgresql://h/d%0Aevil", "control character in dbname"),
        ("postgresql://u%0Devil:x@h/d", "control character in user"),
        ("postgresql://h%1B/d", "control character in host"),
        ("postgresql://h/d?sslrootcert=a%0Ab", "control character in sslrootcert"),
        ("postgresql://h/d%C2%9Bevil", "control character in dbname"),
        ("postgresql://h/d?sslmode=on", "a value of sslmode"),
        ("postgresql://h/d?sslmode=VERIFY-FULL", "a value of sslmode"),
        ("postgresql://h/d?channel_binding=yes", "a value of channel_binding"),
        ("postgresql://h:0/d", "a value of port"),
        ("postgresql://h:65536/d", "a value of port"),
        ("postgresql://h:99999/d", "a value of port"),
        ("postgresql://h/d?connect_timeout=-1", "a value of connect_timeout"),
        ("postgresql://h%40evil.example/d", "a value of host"),
        ("postgresql://h%2Fx/d", "a value of host"),
        ("postgresql://h%20evil/d", "a value of host"),
        ("postgresql://h%3Fx/d", "a value of host"),
        ("postgresql://h/d?hostaddr=evil.example", "a value of hostaddr"),
    ],
)
def test_refused_because(url: str, says: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse(url, "env:X")
    assert says in error.value.message and "env:X" in error.value.message
    assert "canary" not in str(error.value) and "evil" not in error.value.message


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql:///d?host=/run/postgresql", {"host": "/run/postgresql", "dbname": "d"}),
        ("postgresql://%2Frun%2Fpostgresql/d", {"host": "/run/postgresql", "dbname": "d"}),
        ("postgresql://u@/d?host=db.example&port=6432", {"user": "u", "dbname": "d", "host": "db.example", "port": "6432"}),
        ("postgresql://[::1]:65535/d", {"host": "::1", "port": "65535", "dbname": "d"}),
        ("postgresql://h:05432/d", {"host": "h", "port": "05432", "dbname": "d"}),
        ("postgresql://h/d?sslcert=a.crt&sslkey=a.key&sslrootcert=system",
         {"host": "h", "dbname": "d", "sslcert": "a.crt", "sslkey": "a.key", "sslrootcert": "system"}),
        ("postgresql://u:%09%0A@h/d", {"user": "u", "password": "\t\n", "host": "h", "dbname": "d"}),
        ("postgresql://h?dbname=d", {"host": "h", "dbname": "d"}),
        ("postgresql://bücher.example/d", {"host": "bücher.example", "dbname": "d"}),
        ("postgresql://", {}),
    ],
)  # fmt: skip
def test_taken(url: str, expected: dict[str, str]) -> None:
    assert parse(url, "env:X") == expected


def _said(url: str) -> str:
    """What a person may get to see of a connection string."""
    try:
        found = parse(url, "env:X")
    except SettingsError as error:
        return str(error)
    return f"{masked(found)} {Server('x', found, 1).place}"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=30))
@example("/")
@example("0/x")
@example("?x=")
@example("?dbname=")
@example("#")
@example("@")
@example("000%")
def test_what_is_shown_never_repeats_a_password_that_nobody_encoded(text: str) -> None:
    assert "4711" not in _said(f"postgresql://u:4711{text}@h.example/d")
    assert "canary" not in _said(f"postgresql://u:{text}canary@h.example/d")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_any_password_survives_percent_encoding(secret: str) -> None:
    assert parse(f"postgresql://u:{quote(secret, safe='')}@h/d", "env:X")["password"] == secret


def test_masked() -> None:
    params = {"host": "h", "port": "1", "user": "a@b", "password": SECRET, "dbname": "d"}
    assert masked(params) == "postgresql://a%40b:***@h:1/d"
    assert masked(params, "other") == "postgresql://a%40b:***@h:1/other"
    assert masked({"host": "/run/x", "user": "u"}) == "postgresql://u@/?host=/run/x"
    assert masked({"host": "::1"}) == "postgresql://[::1]:5432/"
    assert masked({"host": "h", "dbname": "d?password=x"}) == "postgresql://h:5432/d%3Fpassword%3Dx"
    assert masked({}) == "postgresql://localhost:5432/"


def test_a_server_shows_no_password() -> None:
    server = Server("eu", {"host": "h", "password": SECRET, "user": "u"}, 4)
    assert repr(server) == str(server) == "Server('eu', h:5432)"
    assert (server.place, server.maintenance) == ("h:5432", "postgres")
    assert Server("x", {"host": "/run/x", "dbname": "d"}, 4).place == "/run/x:5432"
