"""Which hosts a document may name."""

from __future__ import annotations

import pytest

from tenantplan.model.host import is_allowed, problem


@pytest.mark.parametrize(
    ("host", "entry"),
    [
        ("db.acme.example", "db.acme.example"),
        ("DB.Acme.Example.", "db.acme.example"),
        ("db.acme.example", "DB.ACME.EXAMPLE."),
        ("db.acme.example", "*.acme.example"),
        ("a.b.acme.example", "*.acme.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "Bücher.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "0:0:0:0:0:0:0:1"),
        ("2001:DB8::0001", "2001:db8::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::1", "[::1]"),
        ("/run/postgresql/", "/run//postgresql"),
        ("@pg", "@pg"),
    ],
)
def test_the_same_host(host: str, entry: str) -> None:
    assert is_allowed({"host": host}, [entry]) and problem(entry) is None


@pytest.mark.parametrize(
    ("host", "entry"),
    [
        ("acme.example", "*.acme.example"),
        ("evilacme.example", "*.acme.example"),
        (".acme.example", "*.acme.example"),
        ("db.acme.example.evil", "*.acme.example"),
        ("db.acme.example..", "db.acme.example"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("/tmp/x.acme.example", "*.acme.example"),
        ("@x.acme.example", "*.acme.example"),
        ("/run/../tmp", "/tmp"),
        ("xacme.example", "acme.example"),
    ],
)
def test_another_host(host: str, entry: str) -> None:
    assert not is_allowed({"host": host}, [entry])


def test_an_address_beside_a_name_is_one_host_more() -> None:
    both = {"host": "db.example", "hostaddr": "10.0.0.9"}
    assert not is_allowed(both, ["db.example"]) and not is_allowed(both, ["10.0.0.9"])
    assert is_allowed(both, ["db.example", "10.0.0.9"])


def test_no_host_at_all_is_in_no_list() -> None:
    assert not is_allowed({}, ["localhost"]) and not is_allowed({"host": ""}, [""])


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.", "**.x", "a.*.b", "*.0.0.1", "db.example:5432", "u@db.example", "a b", "a,b", "-a.b", "a..b"],
)
def test_what_cannot_be_an_entry(entry: str) -> None:
    assert problem(entry)
