"""Columns that several revisions add, and a construct of the tree's own."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement

metadata = sa.MetaData()
sa.Table("countries", metadata, sa.Column("code", sa.CHAR(2), primary_key=True), comment="made before: left as it is")
sa.Table(
    "Cities", metadata, sa.Column("id", sa.Integer(), primary_key=True), sa.Column("country", sa.CHAR(2), index=True)
)


def key() -> sa.Column[Any]:
    return sa.Column("id", sa.Integer(), sa.Identity(), primary_key=True)


def timestamps() -> list[sa.Column[Any]]:
    return [
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True)),
    ]


class CreateView(ExecutableDDLElement):
    def __init__(self, name: str, definition: str) -> None:
        self.name, self.definition = name, definition


@compiles(CreateView)
def _create_view(element: CreateView, compiler: Any, **_: Any) -> str:
    return f"CREATE VIEW {compiler.preparer.quote(element.name)} AS {element.definition}"
