"""A connection pooler in transaction mode, as PgBouncer is one: each transaction of a client may get another session.

Like PgBouncer it answers a client's start itself, with a process id of its own making, and refuses the startup parameter
`options` unless it is told to ignore it. Unlike PgBouncer it gives the next transaction another session whenever it can.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from itertools import count
from urllib.parse import urlsplit, urlunsplit

import psycopg
from servers import TestServer

_PROTOCOL, _CANCEL = 196608, 80877102
_REPORTED = ("server_version", "server_encoding", "client_encoding", "DateStyle", "TimeZone", "integer_datetimes",
             "standard_conforming_strings", "IntervalStyle")  # fmt: skip
_AT_LEAST = 2  # sessions of a database, so that there is always another one


class Pooler:
    """Listens on 127.0.0.1:`port` for clients, and logs in as tp_admin for all of them. A context manager.

    `swaps` counts transactions that got another session than the client's one before.
    """

    def __init__(self, server: TestServer, *, ignore_options: bool) -> None:
        self.swaps = 0
        self._server = server
        self._ignore_options = ignore_options
        self._idle: dict[str, list[socket.socket]] = {}
        self._sessions: list[psycopg.Connection[object]] = []
        self._lock = threading.Lock()
        self._pids = count(1_000_001)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]

    @property
    def url(self) -> str:
        """The server's connection string, by way of the pooler."""
        parts = urlsplit(self._server.url())
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition(":")[0] + f":{self.port}"))

    def __enter__(self) -> Pooler:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        for sessions in self._idle.values():
            for session in sessions:
                session.close()
        for connection in self._sessions:
            connection.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, EOFError):
            parameters = _started(client)
            if parameters is None:
                return
            try:
                if "options" in parameters and not self._ignore_options:
                    raise psycopg.OperationalError("unsupported startup parameter: options")
                self._greet(client, parameters["database"])
            except psycopg.OperationalError as error:
                client.sendall(_message(b"E", f"SFATAL\0VFATAL\0C08P01\0M{error}\0\0".encode()))
            else:
                self._relay(client, parameters["database"])

    def _greet(self, client: socket.socket, database: str) -> None:
        with self._lock:
            while len(self._idle.setdefault(database, [])) < _AT_LEAST:
                self._open(database)
            known = self._sessions[-1].pgconn
        facts = b"".join(
            _message(b"S", name.encode() + b"\0" + value + b"\0")
            for name in _REPORTED
            if (value := known.parameter_status(name.encode()))
        )
        key = _message(b"K", struct.pack("!ii", next(self._pids), 7))
        client.sendall(_message(b"R", struct.pack("!i", 0)) + facts + key + _message(b"Z", b"I"))

    def _open(self, database: str) -> None:
        """One more session: psycopg logs in, and its socket is used from then on."""
        connection = self._server.connect(dbname=database)
        self._sessions.append(connection)
        taken = socket.fromfd(connection.pgconn.socket, socket.AF_INET, socket.SOCK_STREAM)
        taken.setblocking(True)
        self._idle[database].append(taken)

    def _relay(self, client: socket.socket, database: str) -> None:
        session = before = None
        while (kind := (message := _read(client))[:1]) != b"X":
            if session is None:
                session = self._take(database)
                self.swaps += session is not before is not None
                before = session
            session.sendall(message)
            if kind in b"QS":
                answer = b""
                while answer[:1] != b"Z":
                    answer = _read(session)
                    client.sendall(answer)
                if answer[-1:] == b"I":
                    self._idle[database].append(session)
                    session = None

    def _take(self, database: str) -> socket.socket:
        """The session that has been idle for longest."""
        with self._lock:
            if len(self._idle[database]) < _AT_LEAST:
                self._open(database)
            return self._idle[database].pop(0)


def _started(client: socket.socket) -> dict[str, str] | None:
    """The startup parameters of a client; None when it wanted to cancel something. TLS is not to be had."""
    while True:
        (length,) = struct.unpack("!i", _exactly(client, 4))
        body = _exactly(client, length - 4)
        (code,) = struct.unpack("!i", body[:4])
        if code == _CANCEL:
            return None
        if code == _PROTOCOL:
            words = body[4:].rstrip(b"\0").decode().split("\0")
            return dict(zip(words[::2], words[1::2], strict=True))
        client.sendall(b"N")


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _read(peer: socket.socket) -> bytes:
    head = _exactly(peer, 5)
    return head + _exactly(peer, struct.unpack("!i", head[1:])[0] - 4)


def _exactly(peer: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = peer.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found
