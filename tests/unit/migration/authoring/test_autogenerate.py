"""What is made of Alembic's comparison."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import ops

from tenantplan.migration.authoring.autogenerate import _ordered


def dropped(tables: dict[str, list[str]]) -> list[str]:
    """The names of these tables, with those that each refers to, in the order they are dropped in."""
    data = sa.MetaData()
    for name, referred in tables.items():
        table = sa.Table(name, data, sa.Column("id", sa.Integer, primary_key=True))
        for other in referred:
            table.append_column(sa.Column(other, sa.ForeignKey(f"{other}.id")))
    up = ops.UpgradeOps([ops.DropTableOp.from_table(table) for table in data.tables.values()])
    return [each.table_name for each in _ordered(up).ops if isinstance(each, ops.DropTableOp)]


def test_tables_that_refer_to_others_are_dropped_before_them_by_name() -> None:
    """Whatever Python's hashes are: two runs must not make two files."""
    users = ["zebra", "apple", "mango", "kiwi", "plum", "fig"]
    assert dropped({"base": []} | {user: ["base"] for user in users}) == [*sorted(users), "base"]


def test_tables_in_a_circle_stay_as_they_are() -> None:
    assert dropped({"b": ["a"], "a": ["b"], "c": []}) == ["b", "a", "c"]
