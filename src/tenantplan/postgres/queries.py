"""The catalog SQL, kept in named blocks of queries.sql so that it can be read and run by hand."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def _blocks() -> dict[str, str]:
    text = files("tenantplan.postgres").joinpath("queries.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.M)[1:]
    return dict(zip(parts[::2], (part.strip().rstrip(";") for part in parts[1::2]), strict=True))


def query(name: str) -> bytes:
    """The statement called `name` in queries.sql."""
    return _blocks()[name].encode()
