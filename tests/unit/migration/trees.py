"""Builds small Alembic trees in a folder."""

from __future__ import annotations

from pathlib import Path


def a_tree(root: Path, **revisions: str) -> Path:
    """A tree of revisions one after the other: id -> the body of upgrade()."""
    (root / "versions").mkdir(parents=True, exist_ok=True)
    down = None
    for name, body in revisions.items():
        a_revision(root, name, down, body)
        down = name
    return root


def a_revision(root: Path, name: str, down: object, body: str = "pass", file: str = "", extra: str = "") -> Path:
    """One file of a tree, with the body of its upgrade()."""
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    path = root / "versions" / (file or f"{name}_step.py")
    path.write_text(
        f'"""step {name}"""\n'
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision = {name!r}\ndown_revision = {down!r}\n{extra}\n"
        f"def upgrade():\n{indented}\n\ndef downgrade():\n    op.execute('SELECT 0')\n",
        encoding="utf-8",
    )
    return path
