"""Speed and memory of whole commands, each beside a yardstick measured in the same run on the same server.

The server is PostgreSQL 18 from the wheel with default durability, reached over TCP with SCRAM, the role without superuser.
Prints a table; --json FILE writes the figures too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests"), str(HERE.parent / "src")]

import mixed  # noqa: E402
from acceptance.harness import Fleet  # noqa: E402
from psycopg import sql  # noqa: E402
from servers import TestServer, open_root, stop_all  # noqa: E402

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "autovacuum": "on"}
SHARED, DEDICATED, NEW = 1000, 50, 50
PARALLELISM = (4, 8)
ROUNDS = 3
MIXED = (5_000, 10_000, 20_000)


@dataclass(frozen=True)
class Figure:
    """One line of the result: what was measured, its value with a unit, its target, and what it is compared with."""

    work: str
    value: str
    target: str
    yardstick: str
    ratio: str


@dataclass(frozen=True)
class Timed:
    """Wall time in seconds and peak memory in MB of one process."""

    seconds: float
    megabytes: float


def timed(command: list[str], environment: dict[str, str], folder: Path) -> Timed:
    """Runs a command to its successful end; memory is the kernel's account of that process."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{said.read().decode()[-2000:]}")
    return Timed(time.perf_counter() - started, usage.ru_maxrss / 1024)


def median(measure: Callable[[], Timed], runs: int) -> Timed:
    """The medians of several runs after one that does not count."""
    measure()
    found = [measure() for _ in range(runs)]
    return Timed(statistics.median(t.seconds for t in found), max(t.megabytes for t in found))


def a_fleet(folder: Path, server: TestServer, shared: int = SHARED) -> Fleet:
    """Shared organizations with what they usually have, and one dedicated: its template is built with it."""
    fleet = Fleet(folder, server, spec="guard: { maxChangedPercent: 100 }\n")
    fleet.document("Tier", "starter", "displayName: Starter\ndefaults: { featureFlags: { REGISTRATION: true } }")
    documents = []
    for number in range(shared):
        documents.append(
            f"apiVersion: tenantplan/v1\nkind: User\nmetadata: {{ name: user{number}@bench.example }}\n"
            f"spec: {{ displayName: User {number}, role: AGENCY_ADMIN }}\n"
        )
        documents.append(
            f"apiVersion: tenantplan/v1\nkind: Organization\nmetadata: {{ name: org-{number}, labels: {{ region: eu }} }}\n"
            f"spec:\n  displayName: Organization {number}\n  tier: starter\n"
            f"  contact: {{ email: ops@org-{number}.example, company: Org {number} }}\n"
            "  featureFlags: { MAGIC_WAND: true }\n  modules: { donors: { settings: { currency: EUR } } }\n"
            f"  members: [ {{ user: user{number}@bench.example, role: AGENCY_ADMIN }} ]\n"
        )
    if documents:
        fleet.write("tenants/shared.yaml", "---\n".join(documents))
    fleet.organization("first", "database: { mode: dedicated }")
    return fleet


def add_dedicated(fleet: Fleet, count: int, prefix: str) -> None:
    """Declares further dedicated organizations."""
    for number in range(count):
        fleet.organization(f"{prefix}-{number}", "database: { mode: dedicated }")


def plain_create(fleet: Fleet, parallelism: int) -> float:
    """Seconds of plain CREATE DATABASE … TEMPLATE for as many databases, from the same template, by the same role."""
    [(template,)] = fleet.rows(
        "SELECT datname FROM pg_database WHERE datname LIKE 'tp_template%%'"
        " AND shobj_description(oid, 'pg_database') LIKE %s",
        f"%{fleet.name}%",
        database="postgres",
    )
    names = [f"plain_{parallelism}_{number}" for number in range(NEW)]
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")

    def create(part: list[str]) -> None:
        with fleet.server.connect() as connection:
            connection.autocommit = True
            for name in part:
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))

    started = time.perf_counter()
    with ThreadPoolExecutor(parallelism) as pool:
        list(pool.map(create, [names[i::parallelism] for i in range(parallelism)]))
    took = time.perf_counter() - started
    with fleet.server.superuser_connect() as connection:
        connection.autocommit = True
        for name in names:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
        connection.execute("CHECKPOINT")
    return took


def connect_to_each(fleet: Fleet) -> float:
    """Seconds of one session and one query for each dedicated database, in one process: what a plan avoids."""
    names = [row[0] for row in fleet.rows("SELECT database_name FROM organizations WHERE database_mode = 'dedicated'")]
    started = time.perf_counter()
    for name in names:
        with fleet.server.connect(dbname=name) as connection:
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return time.perf_counter() - started


def main() -> None:
    """Runs every benchmark and prints the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    root = open_root(Path(tempfile.gettempdir()))  # a disk: what durability costs is part of the figures
    try:
        server = TestServer(18, DURABLE)
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder), server)
    finally:
        stop_all(root)
    show(figures)
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")


def measure(folder: Path, server: TestServer) -> list[Figure]:
    """Every figure, in the order of the table."""
    fleet = a_fleet(folder / "fleet", server)
    environment = {**fleet.environment(), "PYTHONPATH": str(HERE.parent / "src")}
    tenantplan = [sys.executable, "-m", "tenantplan"]

    def command(*arguments: str) -> Timed:
        return timed([*tenantplan, *arguments], environment, fleet.root)

    say("help")
    shown = median(lambda: command("--help"), 9)
    bare = median(lambda: timed([sys.executable, "-c", "import click"], environment, fleet.root), 9)
    say(f"first apply, {SHARED} shared organizations")
    first = command("apply", "--auto-approve")
    say("plan")
    add_dedicated(fleet, DEDICATED, "new")
    command("apply", "--auto-approve")
    planned = median(lambda: command("plan"), 5)
    each = connect_to_each(fleet)
    imports = median(lambda: timed([sys.executable, "-c", IMPORTS], environment, fleet.root), 5)
    rounds = creations(folder, server)
    large = mixed_fleets(folder, server)
    applied, plain, parallelism = sorted(rounds, key=lambda r: r[0].seconds / r[1])[len(rounds) // 2]
    return [
        Figure(
            "tenantplan --help",
            f"{shown.seconds:.3f} s",
            "0.2 s",
            f"python -c 'import click': {bare.seconds:.3f} s",
            f"{shown.seconds / bare.seconds:.2f}",
        ),
        Figure(
            f"plan, no changes, {SHARED} shared + {DEDICATED + 1} dedicated",
            f"{planned.seconds:.2f} s, {planned.megabytes:.0f} MB",
            "1.5 s, 200 MB",
            f"importing the same libraries: {imports.seconds:.2f} s, {imports.megabytes:.0f} MB;"
            f" a session and a query for each dedicated database alone: {each:.2f} s",
            f"{planned.seconds / imports.seconds:.2f}",
        ),
        Figure(
            f"apply of {NEW} new dedicated organizations",
            f"{applied.seconds:.2f} s, {applied.megabytes:.0f} MB",
            "1.5 x",
            f"{NEW} plain CREATE DATABASE … TEMPLATE, {parallelism} at once"
            f" (best of {', '.join(map(str, PARALLELISM))}): {plain:.2f} s; {len(rounds)} rounds in turn",
            f"{applied.seconds / plain:.2f} (median; all: {', '.join(f'{a.seconds / p:.2f}' for a, p, _ in rounds)})",
        ),
        *large,
        Figure(
            f"first apply: main database, {SHARED} organizations and users, 1 dedicated",
            f"{first.seconds:.2f} s, {first.megabytes:.0f} MB",
            "none",
            "no yardstick",
            "",
        ),
    ]


def creations(folder: Path, server: TestServer) -> list[tuple[Timed, float, int]]:
    """Rounds of: apply of a plan file that makes new dedicated organizations, seconds of plain creations, their parallelism."""
    fleet = a_fleet(folder / "dedicated", server, shared=0)
    environment = {**fleet.environment(), "PYTHONPATH": str(HERE.parent / "src")}
    fleet.apply()
    found = []
    for number in range(ROUNDS):
        say(f"apply of {NEW} new dedicated organizations, round {number + 1} of {ROUNDS}")
        add_dedicated(fleet, NEW, f"round{number}")
        fleet.run("plan", "--out", "plan.json")
        plain = {parallelism: plain_create(fleet, parallelism) for parallelism in PARALLELISM}
        best = min(plain, key=lambda parallelism: plain[parallelism])
        applied = timed([sys.executable, "-m", "tenantplan", "apply", "plan.json"], environment, fleet.root)
        found.append((applied, plain[best], best))
    return found


def mixed_fleets(folder: Path, server: TestServer) -> list[Figure]:
    """Plans without changes of fleets of mixed kinds, each beside PyYAML's C loader reading the same files."""
    figures = []
    for wanted in MIXED:
        say(f"plan of {wanted} resources of mixed kinds")
        fleet = Fleet(folder / f"mixed-{wanted}", server)
        resources = mixed.declare(fleet, wanted)
        environment = {**fleet.environment(), "PYTHONPATH": str(HERE.parent / "src")}
        tenantplan = [sys.executable, "-m", "tenantplan"]
        timed([*tenantplan, "apply", "--auto-approve"], environment, fleet.root)
        planned = median(lambda: timed([*tenantplan, "plan"], environment, fleet.root), 3)  # noqa: B023  # called at once
        parsed = median(lambda: timed([sys.executable, "-c", PARSE], environment, fleet.root), 3)  # noqa: B023
        target = "3 s, 400 MB" if wanted == MIXED[-1] else f"a share of the {MIXED[-1]}'s: {wanted / MIXED[-1]:.2f}"
        beside = f"yaml.CSafeLoader reading the same files: {parsed.seconds:.2f} s, {parsed.megabytes:.0f} MB"
        value = f"{planned.seconds:.2f} s, {planned.megabytes:.0f} MB; {planned.seconds / resources * 1e6:.0f} µs a resource"
        ratio = f"{planned.seconds / parsed.seconds:.2f}"
        figures.append(Figure(f"plan, no changes, {resources} resources of mixed kinds", value, target, beside, ratio))
    return figures


PARSE = (
    "import yaml, pathlib\n"
    "for path in sorted(pathlib.Path('tenants').glob('*.yaml')):\n"
    "    list(yaml.load_all(path.read_text(), yaml.CSafeLoader))"
)
IMPORTS = "import pydantic, yaml, psycopg, click"


def say(what: str) -> None:
    """Progress, on stderr."""
    print(f"… {what}", file=sys.stderr, flush=True)


def show(figures: list[Figure]) -> None:
    """The table."""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, PostgreSQL 18, default durability"
    )
    for figure in figures:
        print(
            f"\n{figure.work}\n  measured   {figure.value}\n  target     {figure.target}\n  beside     {figure.yardstick}"
        )
        if figure.ratio:
            print(f"  ratio      {figure.ratio}")


if __name__ == "__main__":
    main()
