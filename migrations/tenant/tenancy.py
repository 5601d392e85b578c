"""One tree, two layouts. Revisions use these functions in place of op.create_table and its like.

In a dedicated database an organization is alone: plain tables. In the main database (shared mode) the same tables hold
every organization's rows, so each one gets `organization_id`, keys and indexes begin with it, references between tables
carry it (no row can point at another organization's), and forced row level security shows only the rows of the
session's organization. Whose session it is, tenantplan.current_organization() knows, a function of the main tree: a login
that is bound to an organization is always that one, and a member of the pooled role names it for each transaction:

    SET LOCAL tenantplan.organization_id = '<uuid>'

An unset or empty setting shows nothing and refuses inserts. Which layout is being made comes from Alembic's context:
tenantplan sets `shared` when it compiles, env.py sets it for `alembic -x shared=true upgrade head`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

CURRENT = "tenantplan.current_organization()"
MINE = f"organization_id = (SELECT {CURRENT})"  # asked once for a statement, not for each row


def shared() -> bool:
    """Whether the tables are made for all organizations together, in the main database."""
    return bool(op.get_context().opts.get("shared", False))


def create_table(
    name: str,
    *columns: sa.Column[Any] | sa.CheckConstraint,
    unique: Sequence[Sequence[str]] = (),
    references: Mapping[str, tuple[str, str]] | None = None,
) -> None:
    """Create a table with `id`, the columns, `created_at` and `updated_at`.

    `unique` lists keys. `references` maps a column to the table it points at and what its deletion does here:
    "CASCADE" or "SET NULL". Each reference gets an index.
    """
    op.create_table(
        name,
        *_organization_column(),
        sa.Column("id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()")),
        *columns,
        _timestamp("created_at"),
        _timestamp("updated_at"),
        sa.PrimaryKeyConstraint(*_led(["id"]), name=f"{name}_pkey"),
        *(sa.UniqueConstraint(*_led(key), name=_name(name, key, "key")) for key in unique),
        *(_reference(name, column, *target) for column, target in (references or {}).items()),
    )
    for column in references or {}:
        create_index(name, [column])
    if shared():
        _isolate(name)


def create_index(table: str, columns: Sequence[str]) -> None:
    """Create an index; drop it with `drop_index`."""
    op.create_index(_name(table, columns, "idx"), table, _led(columns))


def drop_index(table: str, columns: Sequence[str]) -> None:
    """Drop what `create_index` made."""
    op.drop_index(_name(table, columns, "idx"), table_name=table)


def create_unique(table: str, columns: Sequence[str]) -> None:
    """Create a unique key, within the organization where there are several; drop it with `drop_unique`."""
    op.create_unique_constraint(_name(table, columns, "key"), table, _led(columns))


def drop_unique(table: str, columns: Sequence[str]) -> None:
    """Drop what `create_unique` made."""
    op.drop_constraint(_name(table, columns, "key"), table)


def rebind(*tables: str) -> None:
    """Bind tables to the session's role whose policies were made to read the setting by themselves; for a revision of a tree
    that is older than tenantplan.current_organization(). In a dedicated database nothing happens."""
    for table in tables if shared() else ():
        op.execute(f"ALTER TABLE {table} ALTER COLUMN organization_id SET DEFAULT {CURRENT}")
        op.execute(f"ALTER POLICY organization_isolation ON {table} USING ({MINE}) WITH CHECK ({MINE})")


def _name(table: str, columns: Sequence[str], kind: str) -> str:
    return "_".join([table, *columns, kind])


def _led(columns: Sequence[str]) -> list[str]:
    return ["organization_id", *columns] if shared() else list(columns)


def _timestamp(name: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now())


def _organization_column() -> list[sa.Column[Any]]:
    if not shared():
        return []
    return [sa.Column("organization_id", sa.Uuid(), nullable=False, server_default=sa.text(CURRENT))]


def _reference(table: str, column: str, target: str, on_delete: str) -> sa.ForeignKeyConstraint:
    # Setting organization_id to null as well would fail, so that SET NULL names its column (PostgreSQL 15).
    action = f"SET NULL ({column})" if on_delete == "SET NULL" else on_delete
    columns, targets = _led([column]), [f"{target}.{key}" for key in _led(["id"])]
    return sa.ForeignKeyConstraint(columns, targets, name=_name(table, [column], "fkey"), ondelete=action)


def _isolate(name: str) -> None:
    op.create_foreign_key(
        f"{name}_organization_id_fkey", name, "organizations", ["organization_id"], ["id"], ondelete="CASCADE"
    )
    op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY organization_isolation ON {name} USING ({MINE}) WITH CHECK ({MINE})")
