"""SCRAM keys for a login that is used again and again.

Deriving them from the password takes a client longer than all the rest of connecting: 4096 rounds of HMAC (RFC 5802), the same
for every session of a role. libpq 18 and newer takes them instead of the password (scram_client_key, scram_server_key). Salt and
rounds are the server's; libpq tells them only in its trace (PQtrace), so one session is opened for that.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import select
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping

from psycopg import pq
from psycopg.conninfo import make_conninfo

TAKES_KEYS = 180000  # libpq's version
_ASKED = re.compile(rb"AuthenticationSASLContinue\t.*,s=([A-Za-z0-9+/=]+),i=(\d+)")


def learned_keys(params: Mapping[str, str]) -> dict[str, str]:
    """libpq's parameters with the keys of a login, {} where there are none to be had: another kind of authentication, an older
    libpq, a password that SASLprep would change. `params` are those of a session that can be opened."""
    password = params.get("password", "")
    if pq.version() < TAKES_KEYS or sys.platform != "linux" or not (password.isascii() and password.isprintable()):
        return {}
    asked = _ASKED.search(_trace(params))
    if asked is None:
        return {}
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b64decode(asked[1]), int(asked[2]))
    keys = {"scram_client_key": b"Client Key", "scram_server_key": b"Server Key"}
    return {name: b64encode(hmac.digest(salted, text, "sha256")).decode() for name, text in keys.items()}


def _trace(params: Mapping[str, str]) -> bytes:
    """What libpq and the server said to each other while a session was opened, which is ended at once."""
    trace = os.memfd_create("libpq")
    try:
        connection = pq.PGconn.connect_start(make_conninfo("", **params).encode())
        connection.trace(trace)
        while (state := connection.connect_poll()) in (pq.PollingStatus.READING, pq.PollingStatus.WRITING):
            waits = [connection.socket]
            reads, writes = (waits, []) if state == pq.PollingStatus.READING else ([], waits)
            if not any(select.select(reads, writes, [], int(params.get("connect_timeout", "10")))):
                break
        connection.finish()
        os.lseek(trace, 0, os.SEEK_SET)
        return os.read(trace, 1 << 16)
    finally:
        os.close(trace)
