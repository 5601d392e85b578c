"""TLS to PostgreSQL: verified by default, required where somebody says so, and said what to do when it fails."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from acceptance.harness import Fleet
from acceptance.test_connections import Brought, brought, refused
from conftest import FreshServer
from servers import PASSWORDS, TestServer

__all__ = ["brought"]  # a fixture


@pytest.fixture
def secured(tmp_path: Path, fresh_server: FreshServer) -> Fleet:
    """A fleet on a server that lets nobody in without TLS. Only Debian's PostgreSQL 15 is built with OpenSSL."""
    fleet = Fleet(tmp_path / "fleet", fresh_server(version=15, tls=True))
    fleet.organization("msf", "database: { mode: dedicated }")
    return fleet


def plain_url(server: TestServer, query: str) -> str:
    return f"{server.url().partition('?')[0]}?{query}"


def test_tls(secured: Fleet) -> None:
    assert "sslmode=verify-full" in secured.server.url()
    secured.apply()
    assert secured.operations() == []

    for weak in ("sslmode=disable", "sslmode=prefer"):
        secured.env["TENANTPLAN_MAIN_URL"] = plain_url(secured.server, weak)
        secured.settings("servers: { primary: { sslmode: verify-full, sslrootcert: ca.pem } }")
        (secured.root / "ca.pem").write_bytes((secured.server.ca_file or Path()).read_bytes())
        assert secured.operations() == []
        (secured.root / "ca.pem").write_text("")
        failed = secured.run("plan", code=1).err  # verification was not switched off by the URL
        assert f"127.0.0.1:{secured.server.port}" in failed and "sslrootcert" in failed

    secured.spec = ""
    secured.settings()
    for unverified in ("sslmode=verify-full", "sslmode=verify-full&sslrootcert=/no/such/ca.pem"):
        secured.env["TENANTPLAN_MAIN_URL"] = plain_url(secured.server, unverified)
        failed = secured.run("plan", code=1).err
        assert f"127.0.0.1:{secured.server.port}" in failed and "sslrootcert" in failed


def test_a_certificate_of_another_host_is_refused(secured: Fleet) -> None:
    place = f"127.0.0.1:{secured.server.port}"
    other = secured.server.url().replace(place, f"other.example:{secured.server.port}", 1) + "&hostaddr=127.0.0.1"
    failed = secured.run("plan", code=1, env={"TENANTPLAN_MAIN_URL": other}).err
    assert "other.example" in failed and "does not match host name" in failed


def test_a_server_without_tls_when_tls_is_asked_for(fleet: Fleet) -> None:
    fleet.organization("acme")
    for query in ("?sslmode=require", "?sslmode=verify-full"):
        said = refused(fleet, fleet.server.url() + query)
        assert (f"127.0.0.1:{fleet.server.port}" in said and "SSL" in said) or "sslrootcert" in said
    asyncpg = fleet.server.url().replace("postgresql", "postgresql+asyncpg", 1) + "?ssl=require"
    assert "SSL" in refused(fleet, asyncpg)
    fleet.settings("servers: { primary: { sslmode: require } }")
    assert "SSL" in refused(fleet, fleet.server.url())


def elsewhere(url: str, query: str = "", host: str = "db.example") -> str:
    """A connection string as if its server were another machine, with this query; a TLS server's certificate is for localhost."""
    return f"{url.partition('?')[0].replace('127.0.0.1', host, 1)}?hostaddr=127.0.0.1&{query}".removesuffix("&")


def test_a_server_elsewhere_is_verified_unless_somebody_says_otherwise(fleet: Fleet) -> None:
    fleet.organization("acme")
    url = elsewhere(fleet.server.url())
    said = refused(fleet, url)
    assert "db.example" in said and "does not support SSL" in said and "sslmode=disable" in said
    fleet.run("plan", env={"TENANTPLAN_MAIN_URL": f"{url}&sslmode=disable"})
    fleet.settings("servers: { primary: { sslmode: disable } }")
    fleet.run("plan", env={"TENANTPLAN_MAIN_URL": url})
    fleet.settings("servers: { primary: { sslmode: require } }")
    assert "SSL" in refused(fleet, f"{url}&sslmode=disable")


def test_a_database_that_an_organization_brings_is_verified_too(fleet: Fleet, brought: Brought) -> None:
    fleet.settings("allowedHosts: [127.0.0.1, db.example]")
    fleet.env["ACME_URL"] = elsewhere(brought.url)
    assert "does not support SSL" in fleet.plan()["unreachable"][0]["message"]
    fleet.env["ACME_URL"] += "&sslmode=disable"
    assert "create organization/acme" in fleet.operations()


def test_which_authority_and_whose_server(secured: Fleet) -> None:
    unknown = secured.run("plan", code=1, env={"TENANTPLAN_MAIN_URL": elsewhere(secured.server.url())}).err
    assert "sslrootcert" in unknown and "verify-full is tenantplan's default" in unknown
    ca = quote(str(secured.server.ca_file))
    for query in (f"sslrootcert={ca}", "sslrootcert=system"):
        env = {"SSL_CERT_FILE": str(secured.server.ca_file)}
        url = elsewhere(secured.server.url(), query)
        wrong = secured.run("plan", code=1, env={"TENANTPLAN_MAIN_URL": url, **env}).err
        assert "does not match host name" in wrong and "a name that the server's certificate holds" in wrong
        right = elsewhere(secured.server.url(), f"{query}&sslmode=verify-full", host="localhost")
        secured.run("plan", env={"TENANTPLAN_MAIN_URL": right, **env})


def rules(server: TestServer, *lines: str) -> None:
    """What the server asks of those who log in over TCP."""
    (server.data / "pg_hba.conf").write_text("\n".join(("local all postgres trust", *lines)) + "\n")
    server.restart()


def tls_check(fleet: Fleet) -> tuple[str, str]:
    """What `db test` says of TLS to the main server."""
    checks = fleet.run("db", "test", "--json").json["checks"]
    return next((c["status"], c["detail"]) for c in checks if (c["subject"], c["name"]) == ("main", "TLS"))


def test_channel_binding_is_required_where_there_is_a_password(secured: Fleet) -> None:
    """A server that asks for less than SCRAM is not given the password, unless somebody says so."""
    assert tls_check(secured) == ("pass", "TLSv1.3, certificate verified (verify-full), channel binding")
    prefer = secured.server.url() + "&channel_binding=prefer"
    for weaker in ("trust", "password"):
        rules(secured.server, f"hostssl all all 127.0.0.1/32 {weaker}")
        refused_to = secured.run("plan", code=1).err
        assert "channel binding" in refused_to and "channel_binding=prefer" in refused_to
        assert PASSWORDS["tp_admin"] not in refused_to
        secured.run("plan", env={"TENANTPLAN_MAIN_URL": prefer})
    secured.settings("servers: { primary: { channelBinding: require } }")
    assert "channel binding" in secured.run("plan", code=1, env={"TENANTPLAN_MAIN_URL": prefer}).err


def test_a_client_certificate(secured: Fleet) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert(common_name="tp_admin")
    authority.cert_pem.write_to_path(secured.server.data / "clients.pem")
    (secured.server.data / "clients.pem").chmod(0o644)
    issued.cert_chain_pems[0].write_to_path(secured.root / "client.crt")
    issued.private_key_pem.write_to_path(secured.root / "client.key")
    with secured.server.superuser_connect() as connection:
        connection.execute("ALTER SYSTEM SET ssl_ca_file = 'clients.pem'")
    rules(secured.server, "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-full")
    assert "sslcert and sslkey" in secured.run("plan", code=1).err
    secured.settings("servers: { primary: { sslcert: client.crt, sslkey: client.key } }")
    (secured.root / "client.key").chmod(0o644)
    assert "chmod 600" in secured.run("plan", code=1).err
    (secured.root / "client.key").chmod(0o600)
    both = "TLSv1.3, certificate verified (verify-full), channel binding, client certificate"
    assert tls_check(secured) == ("pass", both)

    rules(secured.server, "hostssl all all 127.0.0.1/32 cert")
    secured.spec = ""
    secured.settings()
    place = f"tp_admin@127.0.0.1:{secured.server.port}/postgres"
    files = {
        "sslrootcert": secured.server.ca_file,
        "sslcert": secured.root / "client.crt",
        "sslkey": secured.root / "client.key",
    }
    query = "&".join(f"{name}={quote(str(path))}" for name, path in files.items())
    secured.env["TENANTPLAN_MAIN_URL"] = f"postgresql://{place}?sslmode=verify-full&{query}"
    assert tls_check(secured) == ("pass", "TLSv1.3, certificate verified (verify-full), client certificate")
    secured.apply()
    secured.converged()


def test_what_is_weaker_than_the_default_is_said(secured: Fleet) -> None:
    ca = f"sslrootcert={quote(str(secured.server.ca_file))}"
    rules(secured.server, "host all all 127.0.0.1/32 scram-sha-256")
    unbound = f"sslmode=verify-ca&{ca}&channel_binding=disable"
    for query, says in {
        "sslmode=require": "TLSv1.3, certificate not verified (require)",
        unbound: "TLSv1.3, certificate verified (verify-ca), channel binding not required",
        "sslmode=disable": "not encrypted (sslmode=disable)",
    }.items():
        secured.env["TENANTPLAN_MAIN_URL"] = elsewhere(secured.server.url(), query)
        assert tls_check(secured) == ("warn", says)
