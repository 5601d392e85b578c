"""SQL that stands in named blocks of .sql files, so that it can be read and run by hand."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def blocks(package: str, file: str) -> dict[str, bytes]:
    """The statements of a package's .sql file, by the name after `-- name:`."""
    text = files(package).joinpath(file).read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.M)[1:]
    return {name: part.strip().rstrip(";").encode() for name, part in zip(parts[::2], parts[1::2], strict=True)}


def query(name: str) -> bytes:
    """The catalog statement called `name`, of queries.sql beside this module."""
    return blocks("tenantplan.postgres", "queries.sql")[name]
