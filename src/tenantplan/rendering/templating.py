"""The templates of this package. Imported only when Markdown or HTML is asked for: Jinja2 takes time to load."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from tenantplan.rendering.safe import fence, markdown, terminal


@cache
def template(name: str, *, autoescape: bool) -> Template:
    """The compiled template `name`, with the filters `terminal`, `markdown` and `fence`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=autoescape,  # noqa: S701  Markdown has no use for it: its values pass the filters below
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(terminal=terminal, markdown=markdown, fence=fence)
    return environment.get_template(name)
