"""An application's pool: connections that write one row after the other, and come back at once when they are ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import psycopg


class Writers:
    """`count` threads that connect with `connect` and call `write` over and over, until the end of the `with` block."""

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        write: Callable[[psycopg.Connection[Any]], None],
        count: int = 4,
    ) -> None:
        self._connect, self._write = connect, write
        self._stop = threading.Event()
        self._last = 0.0
        self._written = 0
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        self.wait_for(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, count: int) -> None:
        """Waits until so many rows are written."""
        deadline = time.monotonic() + 30
        while self._written < count:
            assert time.monotonic() < deadline, f"{self._written} rows were written"
            time.sleep(0.01)

    def written_after(self, seconds: float = 1.0) -> int:
        """How many more rows are accepted from now on, in so many seconds."""
        before = self._written
        time.sleep(seconds)
        return self._written - before

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                with self._connect() as connection:
                    while not self._stop.is_set():
                        self._write(connection)
                        self._written += 1
                        time.sleep(0.001)
            except psycopg.Error:
                time.sleep(0.001)
