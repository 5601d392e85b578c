"""What a part of the benchmark stands on: a server, a folder, how large things are, and the fleets that parts share."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from acceptance.harness import ROOT, Fleet
from measure import Timed, say, timed
from servers import TestServer

TCP, SOCKET = "TCP", "Unix socket"
ROUTES = (TCP, SOCKET)  # both with SCRAM
WIDTHS = (2, 4, 8)  # how many of a yardstick's run at once; the fastest counts
BEST = 2  # widths that are tried again in each round, where each takes gigabytes
# As PostgreSQL ships, where the tests' servers differ from that.
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "128MB",
}


@dataclass(frozen=True)
class Sizes:
    """How many organizations, databases, resources; how many processes of Alembic, which are scaled.

    `rounds` alternate with their yardstick, `creations` are the rounds of new databases; a median is over `runs`. `memory`,
    in bytes, is what a measurement finds at hand.
    """

    shared: int
    beside_shared: int
    few: int
    many: int
    new: int
    mixed: tuple[int, ...]
    alembic: int
    rounds: int
    creations: int
    runs: int
    memory: int

    @property
    def databases(self) -> int:
        """How many there are at the end, on all servers together."""
        on_long_tree = 3 * self.creations * (1 + self.more)
        return self.many + (1 + len(WIDTHS) + self.creations * (BEST + 1)) * self.new + on_long_tree

    @property
    def more(self) -> int:
        """How many new databases there are at once on a tree with many revisions."""
        return max(2, self.new // 8)


FULL = Sizes(
    1_000, 50, 500, 2_000, 200, (5_000, 10_000, 20_000), alembic=20, rounds=4, creations=6, runs=5, memory=4 * 2**30
)
SMALL = Sizes(20, 3, 6, 12, 4, (210, 420), alembic=2, rounds=1, creations=1, runs=1, memory=0)


@dataclass
class Ground:
    """A server of its own, and what runs against it."""

    folder: Path
    server: TestServer
    sizes: Sizes
    grown: list[tuple[int, Timed]] = field(
        default_factory=list, init=False
    )  # organizations and the apply that made them
    _dedicated: Fleet | None = field(default=None, init=False)

    def dedicated(self, count: int) -> Fleet:
        """The fleet of dedicated organizations that the parts share, grown to `count`; its migration tree is its own."""
        if self._dedicated is None:
            fleet = Fleet(self.folder / "dedicated", self.server, spec="guard: { maxChangedPercent: 100 }\n")
            shutil.copytree(ROOT / "migrations" / "tenant", fleet.root / "tree", ignore=shutil.ignore_patterns("__py*"))
            fleet.settings(migrations="tree")
            self._dedicated = fleet
        fleet = self._dedicated
        there = sum(made for made, _ in self.grown)
        assert there <= count, "parts come in the order of what they need"
        if there < count:
            say(f"apply of {count - there} dedicated organizations beside {there}")
            for number in range(there, count):
                declare(fleet, f"org-{number}")
            self.grown.append((count - there, self.command(fleet, "apply", "--auto-approve")))
            self.settle()
        return fleet

    def command(self, fleet: Fleet, *arguments: str, route: str = TCP) -> Timed:
        """Runs tenantplan to its successful end as a process of its own, on `route` to the server."""
        environment = {**self.environment(fleet), "TENANTPLAN_MAIN_URL": self.url(route)}
        return timed([sys.executable, "-m", "tenantplan", *arguments], environment, fleet.root)

    def environment(self, fleet: Fleet) -> dict[str, str]:
        """What tenantplan runs with."""
        return {**fleet.environment(), "PYTHONPATH": str(ROOT / "src")}

    def url(self, route: str = TCP, database: str = "postgres") -> str:
        """The connection string of the role without superuser."""
        given = self.server.params(dbname=database)
        if route == TCP:
            return self.server.url(dbname=database)
        account = f"{given['user']}:{quote(given['password'], safe='')}"
        return f"postgresql://{account}@/{database}?host={quote(str(self.server.socket_dir))}&port={given['port']}"

    def libpq(self, fleet: Fleet, route: str = TCP) -> dict[str, str]:
        """What psql and pgbench run with: the same role, the same way."""
        given = self.server.params()
        host = given["host"] if route == TCP else str(self.server.socket_dir)
        return {
            **fleet.environment(),
            "PGHOST": host,
            "PGPORT": given["port"],
            "PGUSER": given["user"],
            "PGPASSWORD": given["password"],
        }

    def settle(self) -> None:
        """Writes out what was changed, so that the next measurement does not; and has memory at hand.

        A virtual machine's free memory may be with its host. To get a page back takes several times as long as to use one, and
        that would be most of what the measurement shows: 200 new databases are 1.5 GB of files.
        """
        with self.server.superuser_connect() as connection:
            connection.execute("CHECKPOINT")
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        touched = b"\1" * min(self.sizes.memory, free // 2)
        del touched

    def version(self) -> str:
        """The server's version, in words."""
        with self.server.superuser_connect() as connection:
            version = connection.info.parameter_status("server_version")
        settings = ", ".join(f"{name} = {value}" for name, value in DURABLE.items())
        return f"PostgreSQL {version} from the wheel, data in the folder for temporary files, {settings}; role without superuser"


@contextmanager
def opened(folder: Path, sizes: Sizes) -> Iterator[Ground]:
    """A new server with its Ground. It is stopped at the end; its files stay, see yardsticks.creations."""
    server = TestServer(18, DURABLE)
    folder.mkdir()
    try:
        yield Ground(folder, server, sizes)
    finally:
        server.stop("immediate")


def declare(fleet: Fleet, name: str) -> None:
    """Declares a dedicated organization."""
    fleet.organization(name, "database: { mode: dedicated }")


def databases(fleet: Fleet) -> list[str]:
    """The names of a fleet's dedicated databases."""
    found = fleet.rows("SELECT database_name FROM organizations WHERE database_mode = 'dedicated' ORDER BY 1")
    return [name for (name,) in found]
