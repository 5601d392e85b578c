"""What tenantplan makes of a tree, on the way up and down, is byte for byte what Alembic makes of it."""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from servers import TestServer
from servers import programs as programs_of

from tenantplan.errors import MigrationError
from tenantplan.migration.compile.compile import downgrade, upgrade
from tenantplan.migration.running.steps import Migrator
from tenantplan.migration.running.target import MigrationTarget, Version
from tenantplan.migration.running.version import VersionTables
from tenantplan.migration.running.workers import Programs
from tenantplan.migration.tree.graph import Graph, load
from tenantplan.postgres.connect import Connector
from tenantplan.postgres.databases import drop_database
from tenantplan.postgres.url import Server

HERE = Path(__file__).parent
# The trees in which the server has a say: enum values, indexes outside a transaction, its kinds of objects.
ON_EVERY_SERVER = ("concurrently", "enums", "generated", "objects")
# Where the branches of a tree stand beside each other: two rows in the version table.
UNMERGED = {"merged_branches": [("m2", "m4"), ("m3", "m4")], "depends_on": [("o2", "o3"), ("o4", "o5")]}
# Settings of the databases that a tree is run in.
SETTINGS = {"session_settings": {"timezone": "Europe/Paris", "datestyle": "SQL, DMY"}}
# Tree -> its end and what the refusal says.
REFUSED = {
    "two_heads": ("x2", "several heads (x2, x3)"),
    "computed_down_revision": ("x2", "down_revision must be written as a plain"),
    "circle": ("x3", "form a cycle"),
    "circle_by_depends_on": ("x3", "form a cycle"),
    "duplicated_id": ("x2", "revision x2 is in two files"),
    "unknown_down_revision": ("x2", "is in no file"),
    "unknown_depends_on": ("x2", "is in no file"),
    "commits_itself": ("x2", "ends a transaction itself (COMMIT)"),
}
VERSION_ROW = "INSERT INTO public.alembic_version VALUES"
_NUMBERS = count(1)
NewDatabase = Callable[..., str]


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    with Programs() as started:
        yield started


def migrate_by_tenantplan(programs: Programs, url: str, directory: Path, start: str | None, end: str | None) -> None:
    """Takes a database from one position in a tree to another, up or down; None is the base."""
    graph = load(directory, "tenant")
    params = {key: str(value) for key, value in conninfo_to_dict(url).items()}
    database = params.pop("dbname")
    back = end is None or (start is not None and _comes_before(graph, end, start))
    steps = (downgrade if back else upgrade)(graph, start, end)
    files = {("tenant", revision.id): revision.path for revision in graph.revisions}
    connector = Connector({"primary": Server("primary", params, 5)}, 5)
    digests = {("tenant", revision.id): revision.digest for revision in graph.revisions}
    migrator = Migrator(VersionTables(graph), programs, files, digests, ("tenantplan_rw", "tenantplan_ro"))
    migrator.run(MigrationTarget(connector, "primary", database, "tenant"), steps, Version(start))


def _comes_before(graph: Graph, first: str, second: str) -> bool:
    try:
        graph.path(first, second)
    except MigrationError:
        return False
    return True


def _trees() -> list[Any]:
    return [
        pytest.param(folder, id=folder.name, marks=() if folder.name in ON_EVERY_SERVER else pytest.mark.once)
        for folder in sorted((HERE / "trees").iterdir())
    ]


@pytest.fixture
def new_database(server: TestServer, request: pytest.FixtureRequest) -> Iterator[NewDatabase]:
    """Makes a database, empty or cloned from `template`, with the settings of the tree, and returns its name."""
    tree = request.node.callspec.id
    made: list[str] = []

    def make(template: str = "template0") -> str:
        made.append(f"equal_{os.getpid()}_{next(_NUMBERS)}")
        names = [sql.Identifier(name) for name in (made[-1], template)]
        with server.connect() as admin:
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(*names))
            for setting, value in SETTINGS.get(tree, {}).items():
                change = sql.SQL("ALTER DATABASE {} SET {} = {}")
                admin.execute(change.format(names[0], sql.Identifier(setting), sql.Literal(value)))
        return made[-1]

    yield make
    with server.connect() as admin:
        for name in made:
            drop_database(admin, name)


def by_alembic(server: TestServer, tree: Path, walks: dict[str, list[tuple[str, str]]]) -> None:
    """Database -> the commands that it is taken through."""
    command = [sys.executable, str(HERE / "alembic_side.py"), str(tree)]
    said = json.dumps([(server.url(dbname=name), steps) for name, steps in walks.items()])
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    env |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, input=said, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr


def dump(server: TestServer, name: str) -> list[str]:
    """Schema and rows by the server's own pg_dump, without what differs from run to run of Alembic itself.

    That is a key, and the order of the version table's rows, which Alembic keeps in a Python set.
    """
    where = ["-h", str(server.socket_dir), "-p", str(server.port), "-U", "postgres", "-d", name]
    own = server.programs / "pg_dump"
    command = [str(own if own.exists() else programs_of(18) / "pg_dump"), "--inserts", *where]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    lines = [
        line for line in done.stdout.decode().splitlines() if not line.startswith(("\\restrict ", "\\unrestrict "))
    ]
    versions = [number for number, line in enumerate(lines) if line.startswith(VERSION_ROW)]
    for number, line in zip(versions, sorted(lines[number] for number in versions), strict=True):
        lines[number] = line
    return lines


def position(server: TestServer, name: str) -> str | None:
    """What Alembic's version table says, where branches are not merged with commas: "m3,m4"."""
    with server.connect(dbname=name) as connection:
        rows = connection.execute("SELECT version_num FROM alembic_version ORDER BY 1").fetchall()
    return ",".join(row[0] for row in rows) or None


def same(expected: Sequence[str], actual: Sequence[str]) -> None:
    changes = difflib.unified_diff(expected, actual, "by Alembic", "by tenantplan", lineterm="", n=1)
    assert not (found := "\n".join(changes)), found


@pytest.mark.parametrize("tree", _trees())
def test_every_way_through_a_tree(
    programs: Programs, server: TestServer, new_database: NewDatabase, subtests: pytest.Subtests, tree: Path
) -> None:
    line = [file.stem.partition("_")[0] for file in sorted((tree / "versions").glob("*.py"))]
    head = line[-1]
    starts: dict[tuple[str, ...], str] = {(revision,): new_database() for revision in line}
    starts |= {unmerged: new_database() for unmerged in UNMERGED.get(tree.name, ())}
    ends = {revision: new_database() for revision in (None, *line[:-1])}
    walks = {name: [("upgrade", revision) for revision in at] for at, name in starts.items()}
    walks |= {name: [("upgrade", head), ("downgrade", end or "base")] for end, name in ends.items()}
    by_alembic(server, tree, walks)

    finished = starts.pop((head,))
    at_head = dump(server, finished)
    with subtests.test(f"base -> {head}"):
        fresh = new_database()
        migrate_by_tenantplan(programs, server.url(dbname=fresh), tree, None, head)
        same(at_head, dump(server, fresh))
    for at, name in starts.items():
        with subtests.test(f"{','.join(at)} -> {head}"):
            migrate_by_tenantplan(programs, server.url(dbname=name), tree, position(server, name), head)
            same(at_head, dump(server, name))
    for end, name in ends.items():
        with subtests.test(f"{head} -> {end or 'base'}"):
            back = new_database(finished)
            migrate_by_tenantplan(programs, server.url(dbname=back), tree, head, position(server, name))
            same(dump(server, name), dump(server, back))


@pytest.mark.once
@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything_is_written(
    programs: Programs, server: TestServer, new_database: NewDatabase, name: str
) -> None:
    end, said = REFUSED[name]
    database, untouched = new_database(), dump(server, new_database())
    with pytest.raises(MigrationError, match=re.escape(said)):
        migrate_by_tenantplan(programs, server.url(dbname=database), HERE / "trees_refused" / name, None, end)
    assert dump(server, database) == untouched


@pytest.mark.once
def test_every_refused_tree_is_tried(
    programs: Programs,
) -> None:
    assert {folder.name for folder in (HERE / "trees_refused").iterdir()} == REFUSED.keys()
