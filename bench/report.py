"""The figures of a run, as text while it goes on and as bench/RESULTS.md at its end."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from measure import Timed

from tenantplan import __version__

MEMORY = 300  # MB that a command over a fleet may take
_LIBRARIES = ("psycopg", "SQLAlchemy", "alembic", "pydantic", "PyYAML", "click")


@dataclass(frozen=True)
class Beside:
    """A yardstick: what was run exactly, its seconds, and the target.

    `faster`: at least so many times faster than it; `within`: at most so many times its time; neither: no target.
    """

    what: str
    seconds: float
    faster: float | None = None
    within: float | None = None

    def ratio(self, seconds: float) -> str:
        """How `seconds` stand to it, in the words of the target."""
        if self.faster is not None:
            times = self.seconds / seconds
            return f"{times:.{0 if times >= 100 else 1 if times >= 10 else 2}f} times faster"
        return f"{seconds / self.seconds:.2f} times its time"

    @property
    def target(self) -> str:
        """What the ratio should be."""
        if self.faster is not None:
            return f"at least {self.faster:g} times faster"
        return f"at most {self.within:g} times" if self.within is not None else "none"

    def met(self, seconds: float) -> bool:
        """Whether `seconds` are what the target asks for."""
        return (self.faster is None or self.seconds >= self.faster * seconds) and (
            self.within is None or seconds <= self.within * self.seconds
        )


@dataclass(frozen=True)
class Figure:
    """A piece of work, what it took, the most it may take, and its yardsticks; `note` is shown beside the time."""

    work: str
    took: Timed
    besides: tuple[Beside, ...] = ()
    seconds: float | None = None
    megabytes: float = MEMORY
    note: str = ""

    @property
    def measured(self) -> str:
        """Time and memory."""
        return f"{_seconds(self.took.seconds)}, {self.took.megabytes:.0f} MB{self.note and f'; {self.note}'}"

    @property
    def limit(self) -> str:
        """The most that it may take."""
        return (f"{self.seconds:g} s, " if self.seconds is not None else "") + f"{self.megabytes:g} MB"

    @property
    def met(self) -> bool:
        """Whether it kept to that."""
        return (self.seconds is None or self.took.seconds <= self.seconds) and self.took.megabytes <= self.megabytes


def text(figure: Figure) -> str:
    """One figure for a terminal."""
    lines = ["", figure.work, f"  measured   {figure.measured}", f"  limit      {figure.limit}: {_word(figure.met)}"]
    for beside in figure.besides:
        lines.append(f"  beside     {beside.what}: {_seconds(beside.seconds)}")
        lines.append(f"  ratio      {beside.ratio(figure.took.seconds)}; target {_judged(beside, figure)}")
    return "\n".join(lines)


def markdown(figures: Sequence[Figure], server: str) -> str:
    """RESULTS.md: where and when, then a row for each limit and each yardstick."""
    head = "| work | measured | beside, in the same run | ratio | target | |\n|---|---|---|---|---|---|"
    rows = "\n".join(f"| {' | '.join(row)} |" for figure in figures for row in _rows(figure))
    return f"{_TITLE}\n{surroundings(server)}\n\n{head}\n{rows}\n"


def surroundings(server: str) -> str:
    """The machine, the date and the versions."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n"
        f"- {_processor()}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}\n"
        f"- {server}\n"
        f"- tenantplan {__version__}, Python {platform.python_version()}, {libraries}"
    )


_TITLE = """# Speed and memory

Written by `make bench`. Each figure is a whole command as a user runs it, start of Python and imports included, and stands
beside a yardstick of the same run on the same server. Memory is the peak of the process and its children together. Where
several widths or ways were tried for a yardstick, the fastest counts. What is called scaled was measured on fewer databases.
TCP and Unix socket both ask for a password with SCRAM-SHA-256.
"""


def _rows(figure: Figure) -> Iterator[tuple[str, ...]]:
    yield (figure.work, figure.measured, "", "", figure.limit, _word(figure.met))
    for beside in figure.besides:
        what = f"{beside.what}: {_seconds(beside.seconds)}".replace("|", "\\|")
        verdict = _word(beside.met(figure.took.seconds)) if beside.target != "none" else ""
        yield ("", "", what, beside.ratio(figure.took.seconds), beside.target, verdict)


def _judged(beside: Beside, figure: Figure) -> str:
    return beside.target if beside.target == "none" else f"{beside.target}: {_word(beside.met(figure.took.seconds))}"


def _word(met: bool) -> str:
    return "met" if met else "MISSED"


def _seconds(count: float) -> str:
    return f"{count:.3f} s" if count < 1 else f"{count:.2f} s" if count < 100 else f"{count:.0f} s"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()
