"""Commands that leave nothing behind: a signal that would end them at once lets them clean up first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Makes SIGTERM and SIGHUP interrupt as Ctrl-C does, until the function it gives is called: then none does any more."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    listening = True

    def interrupt(number: int, frame: FrameType | None) -> None:
        if listening:
            raise KeyboardInterrupt

    def undisturbed() -> None:
        nonlocal listening
        listening = False

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield undisturbed
    finally:
        for number, old in before.items():
            signal.signal(number, old)
