"""A table as the database describes it: what a kind that the fleet declares itself is checked against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Attribute:
    """A column: its type as PostgreSQL writes it, whether every row has to be given a value, whether none can be; whether
    it can be the primary key, is unique alone, and is never NULL."""

    type: str
    needed: bool = False
    generated: bool = False
    primary: bool = False
    unique: bool = False
    mandatory: bool = False


@dataclass(frozen=True)
class Relation:
    """A table: its columns, whether this role may read and write its rows, and whether rules or row security get between."""

    attributes: Mapping[str, Attribute]
    writable: bool = True
    rules: bool = False
    filtered: bool = False
