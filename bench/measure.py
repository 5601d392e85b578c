"""Wall time and peak memory of whole processes, as the user who starts them has them. Linux: memory is read from /proc."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PAUSES = (0.004, 0.05)  # seconds between two looks at the memory: a tenth of the time so far, within these
_SAID = 2000  # characters of a failed command's output that are shown


@dataclass(frozen=True)
class Timed:
    """Wall time in seconds, and peak memory in MB of a process and its children together."""

    seconds: float
    megabytes: float


def timed(command: Sequence[str], environment: Mapping[str, str], folder: Path, lines: Iterable[str] = ()) -> Timed:
    """Runs a command, with `lines` as its input, to its successful end; one that fails ends the benchmark."""
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile() as said:
        given.writelines(f"{line}\n" for line in lines)
        given.seek(0)
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdin=given, stdout=said, stderr=subprocess.STDOUT
        )
        memory = _Memory(process.pid)
        code = process.wait()
        seconds = time.perf_counter() - started
        if code:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{said.read().decode()[-_SAID:]}")
    return Timed(seconds, memory.peak())


def median(measure: Callable[[], Timed], runs: int) -> Timed:
    """The median time and the highest memory of several runs, after one that does not count."""
    measure()
    found = [measure() for _ in range(runs)]
    return Timed(statistics.median(t.seconds for t in found), max(t.megabytes for t in found))


def best(measure: Callable[[int], float], widths: Iterable[int]) -> tuple[float, int]:
    """The fewest seconds that `measure` takes with so many at once, and how many at once that was."""
    return min((measure(width), width) for width in widths)


def say(what: str) -> None:
    """Progress, on stderr."""
    print(f"… {what}", file=sys.stderr, flush=True)


class _Memory:
    """Watches a process and what it starts.

    Each is asked for its own high-water mark, which is that of its program. The kernel's account at its end (ru_maxrss)
    is not: it begins at the size of the process that started it.
    """

    def __init__(self, pid: int) -> None:
        self._megabytes = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(pid,), daemon=True)
        self._thread.start()

    def peak(self) -> float:
        """Peak memory in MB; the process has ended."""
        self._over.set()
        self._thread.join()
        return self._megabytes

    def _watch(self, pid: int) -> None:
        started = time.monotonic()
        least, most = _PAUSES
        known = {pid}
        while not self._over.is_set():
            marks = _high_water(pid)
            # A child that is about to become another program still has its parent's memory: it counts when seen twice.
            self._megabytes = max(self._megabytes, sum(marks[one] for one in marks.keys() & known))
            known = {pid, *marks}
            self._over.wait(min(most, max(least, (time.monotonic() - started) / 10)))


def _high_water(pid: int) -> dict[int, float]:
    """MB that a process and each under it have had at most, of those that live."""
    found: dict[int, float] = {}
    with suppress(OSError, StopIteration):
        folder = Path(f"/proc/{pid}")
        status = (folder / "status").read_text().splitlines()
        found[pid] = int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024
        for thread in (folder / "task").iterdir():
            for child in (thread / "children").read_text().split():
                found |= _high_water(int(child))
    return found
