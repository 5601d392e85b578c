"""A tenant migration tree of a test's own: the sample tree, copied into the fleet's repository, and revisions on top."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path

from acceptance.harness import ROOT, Fleet

from tenantplan.migration.tree import graph


@dataclass
class TenantTree:
    """The tree at `folder`; `head` is its newest revision."""

    folder: Path
    head: str

    def add(
        self, revision: str, body: str, *, down: str | None = None, back: str = "raise NotImplementedError"
    ) -> Path:
        """A revision after the head, or after `down`; `body` is that of upgrade(), `back` that of downgrade()."""
        path = self.folder / "versions" / f"{revision}.py"
        path.write_text(
            f'"""step {revision}"""\n\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
            f"revision = {revision!r}\ndown_revision = {down or self.head!r}\n\n\n"
            f"def upgrade():\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n\n\n"
            f"def downgrade():\n{textwrap.indent(textwrap.dedent(back).strip(), '    ')}\n\n\n_used = sa, op\n",
            encoding="utf-8",
        )
        if down is None:
            self.head = revision
        return path


def tenant_tree(fleet: Fleet) -> TenantTree:
    """Gives the fleet a copy of the sample tree and returns it."""
    folder = fleet.root / "migrations" / "tenant"
    shutil.copytree(ROOT / "migrations" / "tenant", folder, ignore=shutil.ignore_patterns("__pycache__"))
    fleet.settings(migrations="migrations/tenant")
    head = graph.load(folder, "tenant").head
    assert head is not None
    return TenantTree(folder, head)
