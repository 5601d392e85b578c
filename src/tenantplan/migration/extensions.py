"""Which extensions a path makes: from its statements, and from texts in the revisions that are programs.

A CREATE EXTENSION inside of DO or of a function counts for nothing: such code asks first, or goes on without it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tenantplan.migration import sqltext
from tenantplan.model.step import PROGRAM, Step

UUID_ONLY = (
    "these revisions use nothing of it but gen_random_uuid(), which PostgreSQL has by itself since 13: CREATE EXTENSION can go"
    " where no database has the revision yet"
)
_PGCRYPTO = re.compile(
    r"\b(digest|hmac|crypt|gen_salt|gen_random_bytes|(en|de)crypt(_iv)?|pgp_\w+|(de)?armor|fips_mode)\s*\(",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Need:
    """An extension and the revision that makes it. `certain`: by a statement, and not in a program that may do so. `spare`: nothing
    that is seen uses it, since PostgreSQL has what is used by itself."""

    name: str
    revision: str
    certain: bool = True
    spare: bool = False

    @property
    def advice(self) -> str:
        """What to know of it beside where it is missing; "" for nothing."""
        return UUID_ONLY if self.spare else ""


def needs(steps: Iterable[Step], files: Mapping[str, Path]) -> tuple[Need, ...]:
    """The extensions of a path, each once, in the order in which they are made; `files` are those of revisions, by id."""
    texts = list(_texts(steps, files))
    found: dict[str, Need] = {}
    for revision, text, certain in texts:
        for name in _made(text):
            spare = name == "pgcrypto" and not any(_PGCRYPTO.search(each) for _, each, _ in texts)
            known = found.get(name)
            if known is None or (certain and not known.certain):
                found[name] = Need(name, revision, certain, spare)
    return tuple(found.values())


def _texts(steps: Iterable[Step], files: Mapping[str, Path]) -> Iterator[tuple[str, str, bool]]:
    """(revision, text of SQL, whether that is sure to run)."""
    for step in steps:
        if step.kind == PROGRAM:
            revision = (step.program or "").partition(" ")[2]
            yield from ((revision, text, False) for text in _literals(files.get(revision)))
            continue
        revisions = [origin.revision for origin in step.origins for _ in range(origin.count)]
        for text, revision in zip(
            step.statements, revisions or [step.revision or ""] * len(step.statements), strict=True
        ):
            yield revision, text, True


def _literals(file: Path | None) -> Iterator[str]:
    """Texts in a program that may be SQL."""
    try:
        tree = ast.parse(file.read_bytes()) if file else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):  # running it says so
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _made(text: str) -> Iterator[str]:
    if "extension" not in text.lower():  # the parser is slow to import
        return
    try:
        yield from (node.extname for kind, node in sqltext.trees(text) if kind == "create_extension_stmt")
    except ValueError:  # not SQL, or not known to the parser: the server will say
        return
