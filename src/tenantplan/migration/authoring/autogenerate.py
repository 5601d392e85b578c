"""What has to be done to a database so that it has the tables of the application's SQLAlchemy models, by Alembic's comparison.

Alembic sees tables, columns, types, defaults, comments, indexes, unique and foreign keys; no check constraints, views or
functions. Importing this module imports Alembic.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from textwrap import indent
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_op_text
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type  # the way in which Alembic writes a type has no public name
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.dialects.postgresql.base import PGDialect

from tenantplan.errors import MigrationError
from tenantplan.migration.authoring.new import Body
from tenantplan.migration.sqltext import trees
from tenantplan.model.dependencies import dependencies_first
from tenantplan.model.step import Step, flat
from tenantplan.postgres.connect import Connection

Name = tuple[str, str]  # schema and table
# Partitions and tables of extensions are made by the database, and no model has them.
_BESIDES = """\
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relispartition OR EXISTS (SELECT FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"""


def created_tables(steps: Sequence[Step]) -> set[Name]:
    """Schema and name of each table that steps make."""
    found = (tree for text in flat(steps) for tree in trees(text))
    relations = (node.relation for kind, node in found if kind == "create_stmt")
    return {(relation.schemaname or "public", relation.relname) for relation in relations}


def difference(connection: Connection, metadata: sa.MetaData, besides: Collection[Name]) -> Body | None:
    """What brings the connected database to the models, and back, but for the tables `besides`; None when nothing does.

    MigrationError when the models cannot be compared.
    """
    ignored = {*besides, *connection.execute(_BESIDES).fetchall()}
    connection.prepare_threshold = None
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=sa.StaticPool)
    try:
        with engine.connect() as session:
            context = MigrationContext.configure(connection=session, opts=_options(metadata, ignored))
            script = produce_migrations(context, metadata)
            assert script.upgrade_ops is not None
            up = _ordered(script.upgrade_ops)
            return None if up.is_empty() else _body(context, up, up.reverse())
    except (sa.exc.SQLAlchemyError, CommandError, ValueError) as error:
        found = getattr(error, "orig", None)
        said = str(found if isinstance(found, psycopg.Error) else error).splitlines()[0]
        raise MigrationError(f"the models cannot be compared: {type(error).__name__}: {said}") from error


def _options(metadata: sa.MetaData, ignored: Collection[Name]) -> dict[str, Any]:
    """Alembic's, as in context.configure(). Schemas that no model is in are left alone."""
    schemas = {table.schema for table in metadata.tables.values()} | {None}

    def include_name(name: str | None, kind: str, parents: Any) -> bool:
        return kind != "schema" or name in schemas

    def include_object(found: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        return kind != "table" or (found.schema or "public", name) not in ignored

    return {
        "compare_type": True,
        "compare_server_default": True,
        "include_schemas": schemas != {None},
        "include_name": include_name,
        "include_object": include_object,
        "render_item": _render_type,
        "alembic_module_prefix": "op.",
        "sqlalchemy_module_prefix": "sa.",
        "user_module_prefix": None,
        "render_as_batch": False,
    }


def _ordered(up: ops.UpgradeOps) -> ops.UpgradeOps:
    """The same with tables dropped last, those that refer to others before them: Alembic drops them by their names."""
    drops = {each.to_table().key: each for each in up.ops if isinstance(each, ops.DropTableOp)}
    users: dict[str, set[str]] = {key: set() for key in drops}
    for key, drop in drops.items():
        for constraint in drop.to_table().foreign_key_constraints:
            referred = constraint.elements[0].target_fullname.rpartition(".")[0]
            if referred != key and referred in drops:
                users[referred].add(key)
    ordered = list(dependencies_first(users))
    if len(ordered) < len(drops):  # they refer to each other in a circle
        ordered = list(drops)
    others = [each for each in up.ops if not isinstance(each, ops.DropTableOp)]
    return ops.UpgradeOps([*others, *(drops[key] for key in ordered)])


def _body(context: MigrationContext, up: ops.UpgradeOps, down: ops.DowngradeOps) -> Body:
    rendering = AutogenContext(context)
    upgrades, downgrades = (_function(rendering, each) for each in (up, down))
    used = {"from alembic import op": "op.", "import sqlalchemy as sa": "sa."}
    imports = {line for line, prefix in used.items() if prefix in upgrades + downgrades} | rendering.imports
    return Body(upgrades, downgrades, tuple(sorted(imports)))


def _function(rendering: AutogenContext, direction: ops.OpContainer) -> str:
    lines = "\n".join(render_op_text(rendering, each) for each in direction.ops)
    return indent(lines, "    ").strip()


def _render_type(kind: str, found: Any, rendering: AutogenContext) -> str | bool:
    """A type of the application is written as what PostgreSQL has of it: a revision outlives the code that made it."""
    module = type(found).__module__
    if kind != "type" or module.startswith("sqlalchemy."):
        return False
    if isinstance(found, sa.types.TypeDecorator):
        dialect = PGDialect()  # type: ignore[no-untyped-call]
        return _repr_type(found.load_dialect_impl(dialect), rendering)
    rendering.imports.add(f"import {module}")
    return False
