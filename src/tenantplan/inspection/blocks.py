"""The SQL of this package, kept in named blocks of .sql files so that it can be read and run by hand."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def blocks(file: str) -> dict[str, bytes]:
    """The statements of a .sql file beside this module, by the name after `-- name:`."""
    text = files("tenantplan.inspection").joinpath(file).read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.M)[1:]
    return {name: part.strip().rstrip(";").encode() for name, part in zip(parts[::2], parts[1::2], strict=True)}
