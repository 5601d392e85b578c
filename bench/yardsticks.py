"""What the figures stand beside: PostgreSQL's own programs at their best width, and one Alembic process after the other."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from acceptance.harness import Fleet
from ground import TCP, WIDTHS, Ground, databases
from measure import best, say, timed
from psycopg import sql

from tenantplan.schema import fingerprint

VERSION = "SELECT version_num FROM alembic_version;\n"


@dataclass(frozen=True)
class Measured:
    """Seconds of a yardstick, and what was run exactly."""

    seconds: float
    what: str


def sessions(ground: Ground, fleet: Fleet, script: str, named: str, route: str = TCP) -> Measured:
    """A new session and `script` for each database, without Python: the faster of two ways, each at its best width.

    pgbench knows one database per process, and each of its processes opens one session more than was asked for. So
    either one pgbench reconnects to one database as often as there are databases, or psql goes from each to the next.
    """
    say(f"  pgbench -C, and psql's \\connect: {named}, {route}")
    names = databases(fleet)
    file = fleet.write("script.sql", script)
    again, clients = best(lambda width: _pgbench(ground, fleet, file, names, route, width), WIDTHS)
    walked, walkers = best(lambda width: _walk(ground, fleet, file, names, route, width), WIDTHS)
    one = f"pgbench -n -C -c {clients} -j {clients}, {len(names)} sessions to one database, each with {named}"
    each = f"psql, {walkers} at once, with \\connect to each of the {len(names)} databases and {named}"
    if again <= walked:
        return Measured(again, f"{one} ({each}: {walked:.2f} s)")
    return Measured(walked, f"{each} ({one}: {again:.2f} s)")


def _pgbench(ground: Ground, fleet: Fleet, script: Path, names: list[str], route: str, width: int) -> float:
    clients = min(width, len(names))
    each = -(-len(names) // clients)
    program = [str(ground.server.programs / "pgbench"), "-n", "-C", "-f", str(script), "-t", str(each)]
    took = timed([*program, "-c", str(clients), "-j", str(clients), names[0]], ground.libpq(fleet, route), fleet.root)
    return took.seconds * len(names) / (clients * each)


def _walk(ground: Ground, fleet: Fleet, script: Path, names: list[str], route: str, width: int) -> float:
    parts = [names[start::width] for start in range(width) if names[start::width]]
    tours = [
        fleet.write(f"tour-{number}.sql", "".join(f"\\connect {name}\n\\i {script}\n" for name in part))
        for number, part in enumerate(parts)
    ]
    return _psql(ground, fleet, ["-d", names[0], "-f"], [str(tour) for tour in tours], route, width)


def psql(ground: Ground, fleet: Fleet, script: Path, names: list[str], width: int) -> float:
    """Seconds of `psql -f script` for each database, a process each, `width` at once."""
    return _psql(ground, fleet, ["-f", str(script), "-d"], names, TCP, width)


def _psql(ground: Ground, fleet: Fleet, given: list[str], each: list[str], route: str, width: int) -> float:
    program = [str(ground.server.programs / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *given]
    return timed(["xargs", "-P", str(width), "-n", "1", *program], ground.libpq(fleet, route), fleet.root, each).seconds


def alembic(ground: Ground, fleet: Fleet, names: list[str], *arguments: str) -> float:
    """Seconds of Alembic for one database: one process after the other on the fleet's tree, after one that does not count."""
    command = [sys.executable, "-m", "alembic", "-c", str(fleet.root / "tree" / "alembic.ini")]

    def one(name: str, *given: str) -> float:
        environment = {**fleet.environment(), "DATABASE_URL": ground.url(database=name)}
        return timed([*command, *given], environment, fleet.root).seconds

    one(names[0], "current")
    return sum(one(name, *arguments) for name in names) / len(names)


def creations(ground: Ground, fleet: Fleet, width: int, named: str, count: int | None = None) -> float:
    """Seconds of plain CREATE DATABASE … TEMPLATE, from the fleet's template by the same role, `width` at once.

    The databases stay, `named` with a number: ext4 without a journal passes over each inode that was freed in the last
    minutes, which would make what is measured next several times as slow.
    """
    [(template,)] = fleet.rows(
        "SELECT datname FROM pg_database WHERE datname LIKE 'tp_template%%'"
        " AND shobj_description(oid, 'pg_database') LIKE %s",
        f"%{fleet.name}%",
        database="postgres",
    )
    names = [f"{named}_{number}" for number in range(count or ground.sizes.new)]
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")

    def create(part: list[str]) -> None:
        with fleet.server.connect() as connection:
            for name in part:
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))

    started = time.perf_counter()
    with ThreadPoolExecutor(width) as pool:
        list(pool.map(create, [names[i::width] for i in range(width)]))
    return time.perf_counter() - started


def fingerprint_script(fleet: Fleet) -> str:
    """What drift asks of a database, settings first, as one message: taken from tenantplan while it asks."""
    said: list[str] = []

    class Listening(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            said.append(query.as_string(self) if isinstance(query, sql.Composable) else str(query))
            return super().execute(query, *arguments, **options)

    with fleet.server.connect(dbname=databases(fleet)[0]) as connection:
        connection.cursor_factory = Listening
        fingerprint.fingerprint(connection)
    *settings, query = said
    statements = ["BEGIN", *(part.strip() for text in settings for part in text.split(";")), query.strip(), "ROLLBACK"]
    return " \\;\n".join(filter(None, statements)) + ";\n"
