"""Small tenant trees in which a revision that runs twice is visible: each notes itself in the comment of its table, where
it is no row that would stand in the way of a change of mode, and gone with the transaction if that is taken back.

Their first steps can be run again without an error, as steps in the wild often can: then only these notes, and the plan
of every donor, say that it happened.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from acceptance.harness import ROOT, Fleet

# A note of a step, by SQL without a colon, which Alembic would take for a parameter's.
_NOTE = (
    "DO $$ BEGIN EXECUTE format('COMMENT ON TABLE donors IS %L', concat_ws(' ',"
    " obj_description(CAST('donors' AS regclass), 'pg_class'), '{}')); END $$"
)
NOTES = "SELECT coalesce(obj_description('donors'::regclass, 'pg_class'), '')"

_HEAD = '''
import sqlalchemy as sa
from alembic import op
from tenancy import create_table, shared

revision = {revision!r}
down_revision = {down!r}


def noted(step):
    if not shared():
        op.execute("""{note}""".replace("STEP", step))


def upgrade():
    {body}


def downgrade():
    raise NotImplementedError


_used = sa, create_table
'''
_FIRST = """if shared():
        create_table("donors", sa.Column("email", sa.Text()), sa.Column("plan", sa.Text(), server_default="free"))
    else:
        op.execute("CREATE TABLE IF NOT EXISTS donors (id bigserial PRIMARY KEY, email text, plan text DEFAULT 'free')")
    noted(revision)"""
_BODIES = {
    "free": "op.execute(\"UPDATE donors SET plan = 'free'\")\n    noted(revision)",
    "column": 'op.add_column("donors", sa.Column(f"c_{revision}", sa.Text()))\n    noted(revision)',
    "plain": "noted(revision)",
    "autocommit": 'op.add_column("donors", sa.Column(f"c_{revision}", sa.Text()))\n    noted(revision)\n'
    '    with op.get_context().autocommit_block():\n        op.create_index(f"i_{revision}", "donors", ["email"],'
    ' postgresql_concurrently=True)\n    noted(revision + ".after")',
}


class Tree(Protocol):
    """A tenant tree that grows."""

    def grow(self, kind: str) -> str:
        """A further revision of a kind; its name."""
        ...

    def noted(self) -> list[str]:
        """The notes of a database at the head, each once."""
        ...

    @property
    def versions(self) -> tuple[str, list[str]]:
        """The query for what a database at the head has applied, and its rows."""
        ...


@dataclass
class AlembicTree:
    """`kinds`: how a further revision may look."""

    fleet: Fleet
    revisions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kinds: tuple[str, ...] = ("column", "plain", "autocommit")

    def __post_init__(self) -> None:
        folder = self.fleet.root / "migrations" / "tenant"
        (folder / "versions").mkdir(parents=True)
        for name in ("env.py", "tenancy.py"):
            shutil.copy(ROOT / "migrations" / "tenant" / name, folder / name)
        self._write(_FIRST)
        self._write(_BODIES["free"])

    @property
    def path(self) -> str:
        return "migrations/tenant"

    def grow(self, kind: str) -> str:
        self._write(_BODIES[kind])
        self.notes += [f"{self.revisions[-1]}.after"] if kind == "autocommit" else []
        return self.revisions[-1]

    def noted(self) -> list[str]:
        return sorted([*self.revisions, *self.notes])

    @property
    def versions(self) -> tuple[str, list[str]]:
        return "SELECT version_num::text FROM alembic_version", self.revisions[-1:]

    def _write(self, body: str) -> None:
        revision = f"a{len(self.revisions) + 1:07}"
        text = _HEAD.format(
            revision=revision, down=self.revisions[-1] if self.revisions else None, body=body, note=_NOTE.format("STEP")
        )
        self.fleet.write(f"migrations/tenant/versions/{revision}.py", text)
        self.revisions.append(revision)


@dataclass
class PrismaTree:
    """The same as scripts; no tables for shared mode."""

    fleet: Fleet
    revisions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kinds: tuple[str, ...] = ("column", "plain", "index")

    def __post_init__(self) -> None:
        self.fleet.write("prisma/migrations/migration_lock.toml", 'provider = "postgresql"\n')
        self._write(
            "CREATE TABLE IF NOT EXISTS donors (id bigserial PRIMARY KEY, email text, plan text DEFAULT 'free');\n"
        )
        self._write("UPDATE donors SET plan = 'free';\n")

    @property
    def path(self) -> str:
        return "prisma/migrations"

    def grow(self, kind: str) -> str:
        number = len(self.revisions) + 1
        if kind == "index":
            self._write(f"CREATE INDEX CONCURRENTLY i_{number} ON donors (email);\n", note=False)
        else:
            self._write(f"ALTER TABLE donors ADD COLUMN c_{number} text;\n" if kind == "column" else "")
        return self.revisions[-1]

    def noted(self) -> list[str]:
        return sorted(self.notes)

    @property
    def versions(self) -> tuple[str, list[str]]:
        finished = "finished_at IS NOT NULL AND rolled_back_at IS NULL"
        return f"SELECT migration_name FROM _prisma_migrations WHERE {finished} ORDER BY 1", self.revisions

    def _write(self, script: str, note: bool = True) -> None:
        revision = f"2026010100{len(self.revisions):04}_step"
        if note:
            script += f"{_NOTE.format(revision)};\n"
            self.notes.append(revision)
        path = Path("prisma/migrations") / revision / "migration.sql"
        self.fleet.write(str(path), script)
        self.revisions.append(revision)
