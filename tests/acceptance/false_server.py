"""Something that listens like PostgreSQL does, asks for credentials, and writes down what it is sent; or says nothing at all."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType

_ENCRYPTED = (80877103, 80877104)  # SSLRequest, GSSENCRequest
_ASKS = {"password": 3, "md5": 5, "gss": 7, "sasl": 10}


class FalseServer:
    """Listens on a free port of `host`. `asks`: password, md5, gss or sasl; ready: lets anybody in and then says nothing;
    nothing: does not even answer the first message. `heard` is what clients sent as credentials, `met` counts them,
    `startups` what their first messages said."""

    def __init__(self, asks: str = "password", host: str = "127.0.0.1") -> None:
        self.asks = asks
        self.heard: list[bytes] = []
        self.startups: list[dict[str, str]] = []
        self.met = 0
        self._open: list[socket.socket] = []
        self._socket = socket.create_server((host, 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> FalseServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for client in self._open:
            client.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.met += 1
            self._open.append(client)
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with suppress(OSError, struct.error, ValueError):
            code, body = self._first(client)
            while code in _ENCRYPTED and self.asks != "nothing":
                client.sendall(b"N")
                code, body = self._first(client)
            self.startups.append(_pairs(body))
            if self.asks == "nothing":
                return
            if self.asks == "ready":
                ready = b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in _SAYS.items())
                client.sendall(_message(b"R", struct.pack("!i", 0)) + ready + _message(b"K", b"\0\0\0\1\0\0\0\1"))
                client.sendall(_message(b"Z", b"I"))
                return
            more = {"md5": b"salt", "sasl": b"SCRAM-SHA-256\0\0"}.get(self.asks, b"")
            client.sendall(_message(b"R", struct.pack("!i", _ASKS[self.asks]) + more))
            while sent := client.recv(65536):
                self.heard.append(sent)
                client.close()

    def _first(self, client: socket.socket) -> tuple[int, bytes]:
        length, code = struct.unpack("!ii", _exactly(client, 8))
        return code, _exactly(client, length - 8)


_SAYS = {"server_version": "18.0", "client_encoding": "UTF8", "server_encoding": "UTF8", "TimeZone": "UTC",
         "standard_conforming_strings": "on", "DateStyle": "ISO, MDY", "integer_datetimes": "on"}  # fmt: skip


def _exactly(client: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        found += client.recv(count - len(found)) or _ended()
    return found


def _ended() -> bytes:
    raise ValueError


def _pairs(body: bytes) -> dict[str, str]:
    words = body.rstrip(b"\0").decode().split("\0")
    return dict(zip(words[::2], words[1::2], strict=False))


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body
