"""A new, empty revision after the head of a tree, from the tree's own script.py.mako. No Python of the tree is run."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from tenantplan.errors import MigrationError, UsageError
from tenantplan.migration.graph import Graph

_LONGEST = 200  # characters of a message


def new_revision(graph: Graph, message: str) -> Path:
    """The path of the file that was written. UsageError for a message that cannot be one, MigrationError where the tree
    has no template or cannot be written to."""
    text = message.strip()
    if not text or len(text) > _LONGEST or not text.isprintable() or '"""' in text or "\\" in text:
        raise UsageError(
            "that is no message", hint=f"one line of at most {_LONGEST} characters: what the revision does"
        )
    template = graph.directory / "script.py.mako"
    if not template.is_file():
        raise MigrationError(
            "there is no script.py.mako", where=str(graph.directory), hint="tenantplan init writes one"
        )
    revision = _identifier(graph)
    path = graph.directory / "versions" / f"{revision}_{_slug(text)}.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_rendered(template, text, revision, graph.head))
    except OSError as error:
        raise MigrationError(f"the revision cannot be written: {error.strerror}", where=str(path)) from None
    return path


def _rendered(template: Path, message: str, revision: str, down: str | None) -> str:
    """The template as Alembic renders it."""
    from mako.exceptions import MakoException  # type: ignore[import-untyped]
    from mako.template import Template  # type: ignore[import-untyped]

    known = dict.fromkeys(("branch_labels", "depends_on", "upgrades", "downgrades", "imports", "comma"))
    try:
        text: str = Template(template.read_text(encoding="utf-8")).render_unicode(  # noqa: S702  # makes Python, no HTML
            **known, message=message, up_revision=revision, down_revision=down, create_date=datetime.now(UTC)
        )
    except (MakoException, NameError) as error:
        raise MigrationError(f"the template cannot be rendered: {error}", where=str(template)) from None
    return text


def _slug(message: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")[:40] or "revision"


def _identifier(graph: Graph) -> str:
    """Eight random hex digits that no revision of the tree begins with, nor does any begin with them."""
    known = {revision.id for revision in graph.revisions}
    while True:
        made = secrets.token_hex(4)
        if made[0].isalpha() and not any(made.startswith(i) or i.startswith(made) for i in known):
            return made
