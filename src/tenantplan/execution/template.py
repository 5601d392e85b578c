"""Template databases: the tenant schema at one revision, built once per server, of which new databases are clones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from tenantplan import __version__
from tenantplan.execution.failpoint import reach
from tenantplan.execution.migrate import close_version_table, run_statements
from tenantplan.model import stamp
from tenantplan.model.encode import digest
from tenantplan.postgres.connect import Connection, Connector


@dataclass(frozen=True)
class Recipe:
    """What a template holds: the SQL from nothing to the newest revision, and the groups that may use its tables.

    `tree` is the digest of the migrations that `statements` compiles, which takes a while and is seldom needed.
    `describe` reads the objects of a database (identity -> definition). What it finds is kept in the template's stamp,
    so that drift can tell what a database should look like: a template itself takes no connections.
    """

    fleet: str
    main_database: str
    id: str | None
    revision: str
    tree: str
    statements: Callable[[], tuple[str, ...]]
    groups: tuple[str, str]
    describe: Callable[[Connection], Mapping[str, str]] = field(default=lambda connection: {}, compare=False)

    @property
    def identity(self) -> dict[str, str | None]:
        """Whose template it is, as its stamp says."""
        return {"fleet": self.fleet, "main": self.main_database, "id": self.id}

    @property
    def name(self) -> str:
        """The database's name; another recipe has another one, so an edited tree never meets an old template."""
        content = [__version__, self.fleet, self.main_database, self.id, self.revision, self.tree, list(self.groups)]
        return f"{stamp.TEMPLATE}{digest(content)[:16]}"


def ensure_template(connector: Connector, alias: str, recipe: Recipe) -> str:
    """The name of the ready template on a server, built now if it is missing or was left half-built; older ones of the fleet go."""
    with connector.connect(alias) as connection:
        comments = dict(_templates(connection))
        if stamp.decode(comments.get(recipe.name)).get("ready") == "1":
            return recipe.name
        for name, comment in comments.items():
            if name == recipe.name or _ours(stamp.decode(comment), recipe):
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        made = sql.Identifier(recipe.name)
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(made))
    # One session at a time: whoever builds a template may have no more than one left in the budget.
    reach("template-created")
    with connector.connect(alias, recipe.name) as inside, inside.transaction():
        fill(inside, recipe)
        found = summary(recipe.describe(inside))
    with connector.connect(alias) as connection:
        facts = {**recipe.identity, "kind": "template", "objects": json.dumps(found)}
        comment = stamp.encode({**facts, "revision": recipe.revision, "ready": "1"})
        with connection.transaction():
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(made))
            connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(made, sql.Literal(comment)))
    reach("template-ready")
    return recipe.name


def summary(objects: Mapping[str, str]) -> dict[str, str]:
    """Objects by identity with a short digest of each definition, as a template's stamp keeps them under `objects`."""
    return {identity: hashlib.sha256(text.encode()).hexdigest()[:12] for identity, text in sorted(objects.items())}


def fill(connection: Connection, recipe: Recipe) -> None:
    """Makes the tables and gives the groups their rights, in the current transaction."""
    grant_groups(connection, recipe.groups)
    run_statements(connection, recipe.statements())
    close_version_table(connection, "tenant", recipe.groups)


def grant_groups(connection: Connection, groups: Sequence[str]) -> None:
    """Default privileges for what migrations will make: read and write for the first group, read for the second."""
    write, read = (sql.Identifier(group) for group in groups)
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    for text in _GRANTS:
        connection.execute(sql.SQL(text).format(write=write, read=read))


_GRANTS = (
    "GRANT USAGE ON SCHEMA public TO {write}, {read}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {write}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {write}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {read}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO {read}",
)


def _templates(connection: Connection) -> list[tuple[str, str | None]]:
    rows = connection.execute(
        "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE starts_with(datname, %s)",
        [stamp.TEMPLATE],
    ).fetchall()
    return [(name, comment) for name, comment in rows]


def _ours(facts: dict[str, str], recipe: Recipe) -> bool:
    return facts.get("kind") == "template" and {k: facts.get(k) for k in recipe.identity} == recipe.identity
