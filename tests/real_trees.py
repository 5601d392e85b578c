"""Runs whole trees of migrations by tenantplan and by the tool they were written for, and compares by pg_dump.

    make trees TREES=folder [PG="15 16=/path/to/bin 18"] [PRISMA=folder with node_modules] [TYPEORM=folder with node_modules]

`folder` has one folder for each tree: Alembic's (env.py and versions/), Prisma's or TypeORM's. What a tree's revisions import
has to be installed, or on PYTHONPATH. Each tree is taken from base to head, from three of its revisions to head with rows in
every table, and back again where Alembic has a way. Alembic runs with the env.py below, since the tree's own one needs the
application. Prisma's engine is its WebAssembly build (npm install @prisma/schema-engine-wasm @prisma/adapter-pg); without it,
each script is sent as one query, as the engine does. TypeORM's trees are compared only where it is (npm install typeorm pg
reflect-metadata ts-node typescript@5).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import servers
from integration.test_equality import dump, migrate_by_tenantplan, position
from psycopg import sql

from tenantplan.errors import TenantplanError
from tenantplan.migration.running.workers import Programs
from tenantplan.migration.tree import env_file, prisma_files
from tenantplan.migration.tree.graph import ALEMBIC, PRISMA, TYPEORM, Graph, load
from tenantplan.postgres.databases import drop_database

HERE = Path(__file__).parent / "integration"
ENV = """\
import os
import sqlalchemy as sa
from alembic import context
{imports}
address = context.get_x_argument(as_dictionary=True).get("url") or os.environ["DATABASE_URL"]
url = sa.make_url(address).set(drivername="postgresql+psycopg")
with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
    names = sa.MetaData(naming_convention={names}) if {names} else None
    context.configure(connection=connection, transaction_per_migration={each_alone}, target_metadata=names)
    with context.begin_transaction():
        context.run_migrations()
        context.get_bind().commit()
"""
# What two runs of the same tool would write differently: Prisma's keys and times.
_ROW = re.compile(
    r"(INSERT INTO public\._prisma_migrations VALUES \()'[^']*'|'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+\d\d'"
)
_RANDOM = re.compile(
    r"'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'|'\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:\d\d)?)?'"
)
_FAILED_AT = re.compile(r"both fail: .*\(table (\w+)")
_numbers = count(1)


@dataclass
class Outcome:
    """What became of one tree on one server: seconds from base to head of the tool and of tenantplan, and what differed."""

    tree: str
    tool: str
    revisions: int
    server: str
    seconds: tuple[float, float] = (0.0, 0.0)
    ways: int = 0
    remarks: list[str] = field(default_factory=list)


@dataclass
class Bench:
    """One server, and the databases made on it."""

    server: servers.TestServer
    programs: Programs
    prisma: Path | None
    typeorm: Path | None = None

    def new(self, template: str = "template0") -> str:
        name = f"tree_{os.getpid()}_{next(_numbers)}"
        with self.server.connect() as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return name

    def drop(self, *names: str) -> None:
        with self.server.connect() as admin:
            for name in names:
                drop_database(admin, name)

    def dump(self, name: str) -> list[str]:
        lines = [_RANDOM.sub("'…'", _ROW.sub(r"\1'…'", line)) for line in dump(self.server, name)]
        noted = sorted(line for line in lines if line.startswith("INSERT INTO public._prisma_migrations"))
        return [line for line in lines if line not in noted] + noted


def run_tree(bench: Bench, directory: Path) -> Outcome:
    """Every way through one tree."""
    outcome = Outcome(directory.name, "?", 0, str(bench.server.version))
    try:
        graph = load(directory, "tenant")
        outcome.tool, outcome.revisions = graph.engine, len(graph.revisions)
        with by_tool(bench, graph) as tool:
            _upgrades(bench, graph, tool, outcome)
    except TenantplanError as error:
        outcome.remarks.append(f"refused: {error.where}: {error.message}")
    return outcome


def _upgrades(bench: Bench, graph: Graph, tool: Tool, outcome: Outcome) -> None:
    head, empty = graph.head, bench.new()
    assert head
    expected = _way(bench, graph, tool, outcome, "base", empty, None, head)
    if expected is None:
        return
    count = len(graph.revisions)
    middles = [graph.revisions[count * part // 4 - 1].id for part in (1, 2, 3)] if count > 3 else []
    for middle in middles:
        plain = bench.new()
        tool(plain, None, middle)
        start = middle if graph.engine != ALEMBIC else position(bench.server, plain)
        bench.drop(*filter(None, [_with_rows(bench, graph, tool, outcome, plain, start, head), plain]))
    for end in [*middles[::-1], None] if graph.engine == ALEMBIC else []:
        bench.drop(*filter(None, [_way(bench, graph, tool, outcome, f"back to {end or 'base'}", expected, head, end)]))
    bench.drop(expected, empty)


def _with_rows(
    bench: Bench, graph: Graph, tool: Tool, outcome: Outcome, plain: str, start: str | None, head: str
) -> str | None:
    """From a revision in the middle, with rows in every table; without those in tables whose rows both tools trip over."""
    without: set[str] = set()
    while True:
        filled = bench.new(plain)
        rows = fill(bench.server, filled, without)
        way = f"{start} ({rows} rows{f', none in {len(without)} tables' if without else ''})"
        found = _way(bench, graph, tool, outcome, way, filled, start, head)
        bench.drop(filled)
        in_the_way = _FAILED_AT.search(outcome.remarks[-1]) if found is None else None
        if not in_the_way or in_the_way[1] in without:
            return found
        without.add(in_the_way[1])
        outcome.remarks.pop()
        outcome.ways -= 1


def _way(
    bench: Bench, graph: Graph, tool: Tool, outcome: Outcome, way: str, begin: str, start: str | None, end: str | None
) -> str | None:
    """Takes copies of `begin` from `start` to `end` and adds to `outcome` what differs. The tool's database; None: one failed."""
    theirs, ours = bench.new(begin), bench.new(begin)
    outcome.ways += 1
    began = time.monotonic()
    failed = attempt(lambda: tool(theirs, start, end))
    between = time.monotonic()
    we_failed = attempt(lambda: _ours(bench, ours, graph, start, end))
    if start is None:
        outcome.seconds = (between - began, time.monotonic() - between)
    if failed or we_failed:
        both = "both fail" if failed and we_failed else "only the tool fails" if failed else "ONLY TENANTPLAN FAILS"
        outcome.remarks.append(f"{way}: {both}: {failed[-200:]} | {we_failed}")
        bench.drop(theirs, ours)
        return None
    left, right = bench.dump(theirs), bench.dump(ours)
    if left != right:
        again = bench.new(begin)
        tool(again, start, end)
        made_up = {_table(line) for line in set(left) ^ set(bench.dump(again)) if line.startswith("INSERT")}
        left, right = ([line for line in lines if _table(line) not in made_up] for lines in (left, right))
        outcome.remarks.append(
            f"{way}: not compared, the tool itself writes something else each time: {', '.join(sorted(made_up))}"
        )
        bench.drop(again)
    if left != right:
        first = next((pair for pair in zip(left, right, strict=False) if pair[0] != pair[1]), ("", "one has more"))
        outcome.remarks.append(f"{way}: DIFFERENT: {first[0][:200]!r} | {first[1][:200]!r}")
    bench.drop(ours)
    return theirs


def _table(line: str) -> str:
    return line.split(" ", 3)[2] if line.startswith("INSERT INTO ") else ""


def _ours(bench: Bench, name: str, graph: Graph, start: str | None, end: str | None) -> None:
    migrate_by_tenantplan(bench.programs, bench.server.url(dbname=name), graph.directory, start, end)


def attempt(act: Callable[[], None]) -> str:
    """What went wrong, "" if nothing did."""
    try:
        act()
    except (TenantplanError, psycopg.Error, RuntimeError) as error:
        where = getattr(error, "where", "")
        return " ".join(f"{where}: {error}".split())[:2000] or type(error).__name__
    return ""


Tool = Callable[[str, "str | None", "str | None"], None]


@contextmanager
def by_tool(bench: Bench, graph: Graph) -> Iterator[Tool]:
    """What takes a database from one revision to another by its own tool; raises RuntimeError."""
    if graph.engine == TYPEORM:
        yield lambda name, start, end: _by_typeorm(bench, graph, name, end)
        return
    if graph.engine == PRISMA:
        yield lambda name, start, end: _by_prisma(bench, graph, name, end)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(graph.directory, copy)
        env = env_file.path_of(graph.directory)
        lines = env.read_text().splitlines() if env.is_file() else []
        plugins = [
            line
            for line in lines
            if re.match(r"(import|from) ", line) and (env.name == env_file.OURS or "alembic_" in line)
        ]
        (copy / "env.py").write_text(
            ENV.format(imports="\n".join(plugins), each_alone=graph.env.each_alone, names=graph.env.naming_convention)
        )

        def walk(name: str, start: str | None, end: str | None) -> None:
            back = end is None or (start is not None and graph.comes_before(end, start))
            said = json.dumps([(bench.server.url(dbname=name), [("downgrade" if back else "upgrade", end or "base")])])
            _run([sys.executable, str(HERE / "alembic_side.py"), str(copy)], said)

        yield walk


def _by_typeorm(bench: Bench, graph: Graph, name: str, end: str | None) -> None:
    if bench.typeorm is None:
        raise RuntimeError("TypeORM is not here: name its folder")
    files = [(revision.id, str(revision.path)) for revision in graph.path(None, end)]
    _run(
        ["node", str(HERE / "typeorm_side.cjs")],
        json.dumps([(bench.server.url(dbname=name), files)]),
        cwd=bench.typeorm,
    )


def _by_prisma(bench: Bench, graph: Graph, name: str, end: str | None) -> None:
    number = next(number for number, revision in enumerate(graph.revisions, 1) if revision.id == end)
    if bench.prisma:
        said = json.dumps([(bench.server.url(dbname=name), number)])
        _run(["node", str(HERE / "prisma_side.mjs"), str(graph.directory)], said, cwd=bench.prisma)
        return
    with bench.server.connect(dbname=name) as connection:
        connection.execute(prisma_files.table().encode())
        found = connection.execute("SELECT migration_name FROM _prisma_migrations").fetchall()
        done = {row[0] for row in found}
        for migration in prisma_files.load(graph.directory)[:number]:
            if migration.name not in done:
                connection.execute(migration.script.encode())
                connection.execute(prisma_files.record(migration).encode())


def _run(command: Sequence[str], said: str, cwd: Path | None = None) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    env |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, input=said, capture_output=True, text=True, env=env, cwd=cwd, check=False)
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise RuntimeError("; ".join(lines[-4:]))


_TABLES = """
SELECT c.oid, c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND nspname = 'public'
  AND relname !~ '^(alembic_version|_prisma_migrations|migrations$|typeorm_metadata$)' ORDER BY 2"""
_COLUMNS = """
SELECT attname, t.typname, t.typtype, t.typcategory, atttypmod,
       (SELECT enumlabel FROM pg_enum WHERE enumtypid = CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN t.typelem ELSE t.oid END
        ORDER BY enumsortorder LIMIT 1)
FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = '' ORDER BY attnum"""


def fill(server: servers.TestServer, name: str, without: Collection[str], rows: int = 2) -> int:
    """Puts rows into every table but those `without`, whatever they refer to; how many. What a constraint refuses is left out."""
    made = 0
    with server.superuser_connect(name) as connection:
        connection.execute("SET session_replication_role = replica")
        for oid, table in connection.execute(_TABLES).fetchall():
            columns = connection.execute(_COLUMNS, [oid]).fetchall()
            if not columns or table.strip('"') in without:
                continue
            for number in range(1, rows + 1):
                values = [_value(number, *column[1:]) for column in columns]
                names = sql.SQL(", ").join(sql.Identifier(column[0]) for column in columns)
                literals = sql.SQL(", ").join(sql.Literal(value) for value in values)
                try:
                    connection.execute(
                        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.SQL(table), names, literals)
                    )
                    made += 1
                except psycopg.Error:
                    pass
    return made


def _value(number: int, kind: str, sort: str, category: str, modifier: int, label: str | None) -> Any:
    if category == "A":
        return "{}"
    if sort == "e":
        return label
    if kind in ("json", "jsonb"):
        return json.dumps({"n": number})
    if kind == "uuid":
        return f"00000000-0000-4000-8000-{number:012}"
    if kind == "bool":
        return number % 2 == 0
    if category == "N":
        return number
    if category == "D":
        return f"2024-01-0{number} 10:00:00+00" if kind != "time" else "10:00"
    if kind == "bytea":
        return bytes([number])
    if kind in ("inet", "cidr"):
        return f"10.0.0.{number}"
    if kind == "tsvector":
        return "a"
    if kind == "interval":
        return "1 day"
    text = f"value {number}"
    return text[-(modifier - 4) :] if modifier > 4 else text


def main() -> None:
    """Prints the table; exit code 1 if anything differs or only one of the two fails."""
    parser = argparse.ArgumentParser(prog="real_trees")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--pg", nargs="+", default=["18"], help="15, 16, 18, or 16=/folder/of/its/programs")
    parser.add_argument("--prisma", type=Path, help="a folder whose node_modules have Prisma's schema engine")
    parser.add_argument("--typeorm", type=Path, help="a folder whose node_modules have TypeORM")
    chosen = parser.parse_args()
    trees = [
        each
        for each in sorted(chosen.folder.resolve().iterdir())
        if each.is_dir() and (not chosen.only or each.name in chosen.only)
    ]
    root = servers.open_root()
    bad = 0
    print("tree | tool | revisions | PostgreSQL | tool s | tenantplan s | ways | result")
    try:
        for wanted in chosen.pg:
            version, _, programs = wanted.partition("=")
            bench_programs = Path(programs) if programs else None
            server = servers.TestServer(int(version), {"max_connections": "60"}, folder=bench_programs)
            with Programs() as started:
                for directory in trees:
                    found = run_tree(Bench(server, started, chosen.prisma, chosen.typeorm), directory)
                    differs = [r for r in found.remarks if not re.search("both fail|not compared", r)]
                    bad += bool(differs)
                    told = "equal" if not differs else f"{len(differs)} DIFFER"
                    print(
                        f"{found.tree} | {found.tool} | {found.revisions} | {found.server} | {found.seconds[0]:.1f} |"
                        f" {found.seconds[1]:.1f} | {found.ways} | {told}",
                        *found.remarks, sep="\n    ", flush=True,
                    )  # fmt: skip
            server.remove()
    finally:
        servers.stop_all(root)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
