"""What a failed connection says: the server's words without noise, the place, the next step."""

from __future__ import annotations

import psycopg
import pytest

from tenantplan.errors import SettingsError
from tenantplan.postgres.advice import explain
from tenantplan.postgres.connect import Connector
from tenantplan.postgres.url import Server

SERVER = Server("eu", {"host": "db.example", "port": "5433", "user": "u", "password": "canary"}, 4)
PREFIX = 'connection failed: connection to server at "10.0.0.1", port 5433 failed: '


@pytest.mark.parametrize(
    ("said", "hint", "retryable"),
    [
        ("Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?", "host and port", False),
        ('FATAL:  password authentication failed for user "u"', "check user and password", False),
        ('FATAL:  database "shop" does not exist', "check the database name", False),
        ('FATAL:  role "u" does not exist', "check the user name", False),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "u", database "shop", no encryption', "pg_hba.conf", False),
        ("server does not support SSL, but SSL was required", "set sslmode=disable", False),
        ("SSL error: certificate verify failed", "sslrootcert=ca.pem", False),
        ('root certificate file "/root/.postgresql/root.crt" does not exist', "sslrootcert=system", False),
        ('server certificate for "localhost" (and 1 other name) does not match host name "db"', "a name that the server's", False),
        ('private key file "k" has group or world access; file must have permissions u=rw (0600)', "chmod 600", False),
        ('certificate present, but not private key file "k"', "sslkey", False),
        ("FATAL:  connection requires a valid client certificate", "sslcert and sslkey", False),
        ("channel binding required, but server authenticated client without channel binding", "channel_binding=prefer", False),
        ("channel binding required but not supported by server's authentication request", "channel_binding=prefer", False),
        ('weak sslmode "require" may not be used with sslrootcert=system (use "verify-full")', "check sslmode", False),
        ('FATAL:  permission denied for database "shop"', "may not CONNECT", False),
        ('FATAL:  database "shop" is not currently accepting connections', "ALLOW_CONNECTIONS", False),
        ("FATAL:  sorry, too many clients already", "out of connections", True),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "out of connections", True),
        ("FATAL:  the database system is starting up", "", True),
        ("timeout expired", "firewall", False),
    ],
)  # fmt: skip
def test_advice(said: str, hint: str, retryable: bool) -> None:
    error = explain(psycopg.OperationalError(PREFIX + said), SERVER, "shop")
    assert error.where == "server eu, db.example:5433"
    assert error.message.startswith("cannot connect to database shop: ")
    assert (
        "connection failed" not in error.message
        and "FATAL" not in error.message
        and "Is the server" not in error.message
    )
    assert error.hint and hint in error.hint
    assert error.retryable is retryable
    assert error.exit_code == 1


@pytest.mark.parametrize("name", ["host=evil", "postgresql://evil", "dbname=x user=y", "a\0b"])
def test_a_database_name_is_never_a_connection_string(name: str) -> None:  # the quoting layer alone
    connector = Connector({"eu": SERVER}, 2)
    with pytest.raises(SettingsError, match="cannot be a database name"), connector.connect("eu", name):
        pass
