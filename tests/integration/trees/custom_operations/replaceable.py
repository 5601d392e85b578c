"""op.create_view and op.drop_view, as in the cookbook of Alembic."""

from __future__ import annotations

from alembic.operations import MigrateOperation, Operations


@Operations.register_operation("create_view")
class CreateView(MigrateOperation):
    def __init__(self, name: str, query: str) -> None:
        self.name, self.query = name, query

    @classmethod
    def create_view(cls, operations: Operations, name: str, query: str) -> None:
        operations.invoke(cls(name, query))

    def reverse(self) -> DropView:
        return DropView(self.name)


@Operations.register_operation("drop_view")
class DropView(MigrateOperation):
    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def drop_view(cls, operations: Operations, name: str) -> None:
        operations.invoke(cls(name))


@Operations.implementation_for(CreateView)
def _create_view(operations: Operations, operation: CreateView) -> None:
    operations.execute(f"CREATE VIEW {operation.name} AS {operation.query}")


@Operations.implementation_for(DropView)
def _drop_view(operations: Operations, operation: DropView) -> None:
    operations.execute(f"DROP VIEW {operation.name}")
