"""TLS where a connection string leaves it open."""

from __future__ import annotations

import os
import ssl

import pytest

from tenantplan.postgres.tls import is_local, trust_system, with_defaults


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "/run/postgresql", "@abstract"]
)
def test_local(host: str) -> None:
    assert is_local({"host": host})
    assert "sslmode" not in with_defaults({"host": host, "password": "x"})
    assert "channel_binding" not in with_defaults({"host": host, "password": "x"})


@pytest.mark.parametrize(
    "host", ["db.example", "db", "localhost.example", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "0.0.0.0"]
)
def test_elsewhere(host: str) -> None:
    assert not is_local({"host": host})
    found = with_defaults({"host": host, "password": "x"})
    assert (found["sslmode"], found["channel_binding"]) == ("verify-full", "require")


def test_nothing_named_is_the_socket_unless_the_environment_names_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_local({})
    monkeypatch.setenv("PGHOST", "db.example")
    assert not is_local({})
    assert is_local({"host": "localhost"})
    monkeypatch.setenv("PGHOSTADDR", "10.0.0.1")
    assert not is_local({"host": "localhost"})


def test_both_host_and_address_have_to_be_local() -> None:
    assert is_local({"host": "localhost", "hostaddr": "127.0.0.1"})
    assert not is_local({"host": "db.example", "hostaddr": "127.0.0.1"})
    assert not is_local({"host": "localhost", "hostaddr": "10.0.0.1"})


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_what_is_said_is_done(mode: str) -> None:
    found = with_defaults({"host": "db.example", "sslmode": mode, "password": "x"})
    assert found["sslmode"] == mode
    assert ("channel_binding" in found) is (mode in ("require", "verify-ca"))


def test_channel_binding_needs_a_password_and_can_be_left_out() -> None:
    assert "channel_binding" not in with_defaults({"host": "db.example", "sslcert": "c", "sslkey": "k"})
    said = {"host": "db.example", "password": "x", "channel_binding": "prefer"}
    assert with_defaults(said)["channel_binding"] == "prefer"


def test_the_machines_authorities_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ssl.get_default_verify_paths()
    with_defaults({"host": "db.example", "sslrootcert": "system"})
    assert (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) == (there.cafile, there.capath)
    monkeypatch.setenv("SSL_CERT_FILE", "/mine.pem")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    trust_system()
    assert os.environ["SSL_CERT_FILE"] == "/mine.pem" and "SSL_CERT_DIR" not in os.environ
