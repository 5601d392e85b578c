"""Template databases: the tenant schema at one revision, built once per server, of which new databases are clones; and databases
that are built in the same way, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from psycopg import sql

from tenantplan import __version__
from tenantplan.ddl import statements
from tenantplan.ddl.statements import TEMPLATE0, Template
from tenantplan.failpoint import reach
from tenantplan.migration.running.soundness import close, difference, is_ready, let_in, recorded, set_aside
from tenantplan.migration.running.steps import Migrator
from tenantplan.migration.running.target import MigrationTarget, Version
from tenantplan.model import stamp
from tenantplan.model.encode import digest
from tenantplan.model.resource import OWNER
from tenantplan.model.step import Step
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.databases import drop_database
from tenantplan.postgres.guard import may_be_owner

_FORMAT = "contents"  # what a template's stamp says of it; one that says less is built anew


@dataclass(frozen=True)
class Recipe:
    """What a template holds: the SQL from nothing to the newest revision, and the groups that may use its tables.

    `tree` is the digest of the migrations that `steps` compiles, which takes a while and is seldom needed. `onward` are the
    steps from older revisions, by these: a template of one of them is cloned, and brought further.
    `describe` reads the objects of a database (identity -> definition). What it finds is kept in the template's stamp,
    so that drift can tell what a database should look like: a template itself takes no connections.
    """

    fleet: str
    main_database: str
    id: str | None
    revision: str
    tree: str
    steps: Callable[[], tuple[Step, ...]]
    migrator: Migrator = field(compare=False)
    describe: Callable[[Connection], Mapping[str, str]] = field(default=lambda connection: {}, compare=False)
    onward: Mapping[str, Sequence[Step]] = field(default_factory=dict, compare=False)

    @property
    def made(self) -> str:
        """What else than migrations decides what is in a template."""
        return digest([__version__, OWNER, list(self.migrator.groups), _FORMAT])[:16]

    @property
    def identity(self) -> dict[str, str | None]:
        """Whose template it is, as its stamp says."""
        return {"fleet": self.fleet, "main": self.main_database, "id": self.id}

    @property
    def name(self) -> str:
        """The database's name; another recipe has another one, so an edited tree never meets an old template."""
        content = [self.made, self.fleet, self.main_database, self.id, self.revision, self.tree]
        return f"{stamp.TEMPLATE}{digest(content)[:16]}"


def ensure_template(
    connector: Connector, alias: str, recipe: Recipe, on_aside: Callable[[str, str, str], None]
) -> Template:
    """The ready template on a server, built now if it is missing or was left half-built.

    A ready one is compared with what it held when it was built. One that holds something else is set aside for a person to look
    at, and another is built; `on_aside` hears of the server, the name it has now and the difference. Templates of revisions that
    no database of the fleet is at any more go.
    """
    with connector.connect(alias) as connection:
        stamps = {name: stamp.decode(comment) for name, comment in _stamps(connection)}
        usable = {
            name for name in (recipe.name, _older(stamps, recipe)) if name and _is_usable(connection, stamps, name)
        }
        first = recipe.name if recipe.name in usable else next(iter(usable), None)
        ready = measured(connection, first)
        if first:
            let_in(connection, first)
    reason = difference(connector, alias, first, stamps[first], recipe.describe) if first else ""
    if first and reason:
        on_aside(alias, set_aside(connector, alias, first, stamps.pop(first), reason), reason)
    if first == recipe.name and not reason:
        return ready
    older = first if first != recipe.name and not reason else None
    _create(connector, alias, recipe, stamps, older)
    # One session at a time: whoever builds a template may have no more than one left in the budget.
    reach("template-created")
    if older:
        start = stamps[older]["revision"]
        recipe.migrator.run(
            MigrationTarget(connector, alias, recipe.name, "tenant"), recipe.onward[start], Version(start)
        )
    else:
        fill(connector, alias, recipe.name, recipe)
    return _finish(connector, alias, recipe)


def build(connector: Connector, alias: str, name: str, recipe: Recipe) -> None:
    """Makes a database in which the tree is run, in place of a copy of one; it takes no connections, as a copy would not.

    One session at a time, as for a template. What an earlier attempt has left under the name goes.
    """
    made = sql.Identifier(name)
    with connector.connect(alias) as connection:
        drop_database(connection, name)
        connection.execute(statements.copied(made, TEMPLATE0))
        reach("database-created")
        with connection.transaction():
            connection.execute(statements.opened(name))
            if may_be_owner(connection):
                connection.execute(statements.migrated_by_owner(name))
    pid = fill(connector, alias, name, recipe)
    with connector.connect(alias) as connection:
        close(connection, name, pid)
    reach("database-filled")


def clear_unfinished(connection: Connection, recipe: Recipe) -> None:
    """Drops what is left on a server of templates of this fleet that could not be built to their end. Whoever calls this holds
    the fleet, so that nobody else is building one."""
    for name, comment in _stamps(connection):
        facts = stamp.decode(comment)
        ours = recipe.identity == {key: facts.get(key) for key in recipe.identity}
        begun = facts.get("kind") == "template" and facts.get("ready") != "1" and stamp.ASIDE not in facts
        if (ours and begun) or (name == recipe.name and not facts):
            drop_database(connection, name)


def _is_usable(connection: Connection, stamps: Mapping[str, dict[str, str]], name: str) -> bool:
    return is_ready(stamps.get(name), connection.info.server_version)


def _create(
    connector: Connector, alias: str, recipe: Recipe, stamps: Mapping[str, dict[str, str]], older: str | None
) -> None:
    """A database to build the template in, which only the connected role may connect to."""
    begun = stamp.encode({**recipe.identity, "kind": "template"})
    with connector.connect(alias) as connection:
        for name in _unused(stamps, recipe) - {older}:
            drop_database(connection, name)
        made = sql.Identifier(recipe.name)
        connection.execute(statements.copied(made, measured(connection, older)))
        with connection.transaction():
            connection.execute(statements.opened(recipe.name))
            connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(made, sql.Literal(begun)))
            if may_be_owner(connection):  # a database's rights are not cloned
                connection.execute(statements.migrated_by_owner(recipe.name))


def _finish(connector: Connector, alias: str, recipe: Recipe) -> Template:
    with connector.connect(alias, recipe.name) as inside:
        facts = recorded(inside, recipe.describe)
        pid = inside.info.backend_pid
    ready = {**recipe.identity, **facts, "kind": "template", "made": recipe.made, "ready": "1"}
    comment = stamp.encode({**ready, "revision": recipe.revision})
    with connector.connect(alias) as connection:
        with connection.transaction():
            connection.execute(statements.closed(recipe.name))
            made = sql.Identifier(recipe.name)
            connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(made, sql.Literal(comment)))
        close(connection, recipe.name, pid)
        size = measured(connection, recipe.name)
    reach("template-ready")
    return size


def measured(connection: Connection, name: str | None) -> Template:
    """The template of a name, with its size; None: PostgreSQL's own, which is empty."""
    if name is None:
        return TEMPLATE0
    row = connection.execute("SELECT pg_database_size(%s)", [name]).fetchone()
    assert row is not None
    return Template(name, row[0])


def _older(stamps: Mapping[str, dict[str, str]], recipe: Recipe) -> str | None:
    """A ready template of a revision that the recipe leads on from, made in the same way."""
    wanted = {**recipe.identity, "kind": "template", "ready": "1", "made": recipe.made}
    found = (name for name, facts in stamps.items() if wanted == {k: facts.get(k) for k in wanted})
    return next((name for name in found if stamps[name].get("revision") in recipe.onward), None)


def _unused(stamps: Mapping[str, dict[str, str]], recipe: Recipe) -> set[str]:
    """Templates that are half-built, of an edited tree, or of a revision that no database is at any more; none set aside."""
    ours = {
        name: facts for name, facts in stamps.items() if recipe.identity == {k: facts.get(k) for k in recipe.identity}
    }
    used = {facts.get("revision") for facts in ours.values() if facts.get("kind") != "template"} - {recipe.revision}
    return {
        name
        for name, facts in stamps.items()
        if name == recipe.name
        or (
            name in ours
            and facts.get("kind") == "template"
            and stamp.ASIDE not in facts
            and (facts.get("revision") not in used or facts.get("ready") != "1")
        )
    }


def fill(connector: Connector, alias: str, name: str, recipe: Recipe) -> int:
    """Makes the tables, gives the groups their rights, and places the sentinel; returns the process of the last session in it."""
    with connector.connect(alias, name) as inside, inside.transaction():
        grant_groups(inside, recipe.migrator.groups)
    recipe.migrator.run(MigrationTarget(connector, alias, name, "tenant"), recipe.steps(), Version())
    with connector.connect(alias, name) as inside, inside.transaction():
        place_sentinel(inside)
        return inside.info.backend_pid


def grant_groups(connection: Connection, groups: Sequence[str]) -> None:
    """Default privileges for what migrations will make: read and write for the first group, read for the second.

    OWNER makes it, if the connected role may act as that; else the connected role itself.
    """
    write, read = (sql.Identifier(group) for group in groups)
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    maker: sql.Composable = sql.SQL("CURRENT_USER")
    if may_be_owner(connection):
        maker = sql.Identifier(OWNER)
        connection.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(maker))
    for text in _GRANTS:
        connection.execute(sql.SQL(text).format(maker=maker, write=write, read=read))


_GRANTS = (
    "GRANT USAGE ON SCHEMA public TO {write}, {read}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {maker} IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {write}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {maker} IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {write}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {maker} IN SCHEMA public GRANT SELECT ON TABLES TO {read}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {maker} IN SCHEMA public GRANT SELECT ON SEQUENCES TO {read}",
)


def _stamps(connection: Connection) -> list[tuple[str, str | None]]:
    rows = connection.execute(
        "SELECT datname, description FROM pg_database"
        " LEFT JOIN pg_shdescription ON objoid = oid AND classoid = 'pg_database'::regclass"
        " WHERE starts_with(description, %s) OR starts_with(datname, %s)",
        [stamp.PREFIX, stamp.TEMPLATE],
    ).fetchall()
    return [(name, comment) for name, comment in rows]


def place_sentinel(connection: Connection) -> bool:
    """Makes it in the connected database, in the current transaction, where the role may: only a superuser can."""
    row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if row is None or not row[0]:
        return False
    connection.execute(files(__package__).joinpath("sentinel.sql").read_bytes())
    return True
