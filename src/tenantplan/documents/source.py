"""Where a value is in its file, and how a mistake is shown there: the line, a caret, and what was expected.

A shown line never holds a secret: values typed where a reference belongs, and values of unknown fields, are cut away;
so is what follows a key that sounds like a credential, for the lines that could not even be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from tenantplan.documents.characters import visible

FILE, SYNTAX = "file", "syntax"  # codes of mistakes that end a file
_WIDTH = 120
_MAX_LINE = 1000  # a longer line is not shown: what it hides could not be cut away in bounded time
_CUT = "…"
_MAX_PROBLEMS = 1000  # of one file: a hostile file must not fill the memory with its mistakes
_CREDENTIAL = re.compile(r"(?i)((?:pas+w|pwd|secret|token|credential|key|dsn|url)[\w-]*[\"']?\s*:\s*)(?![\s{]|$).*")
_USERINFO = re.compile(r"(://)[^\s/]*@")


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A place: `path` relative to the fleet's root, `line` and `column` from 1. As text: `file:line:column`."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{visible(self.path)}:{self.line}:{self.column}"


@dataclass(frozen=True)
class SourceText:
    """The text of one file, with the places whose rest of line is not to be shown."""

    path: str
    text: str = ""
    hidden: dict[int, int] = field(default_factory=dict)

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return self.text.split("\n")

    def place(self, line: int, column: int) -> Source:
        """The place at a line and column that count from 0, as the parser's do."""
        return Source(self.path, line + 1, column + 1)

    def hide(self, line: int, column: int, last_line: int) -> None:
        """Never show what stands from here to the end of `last_line` (all from 0)."""
        self.hidden[line] = min(column, self.hidden.get(line, column))
        self.hidden.update(dict.fromkeys(range(line + 1, last_line + 1), 0))

    def excerpt(self, source: Source) -> str:
        """The line of a place, a caret under the column; empty when there is no such line or it is far too long."""
        if not 0 < source.line <= len(self.lines) or not self.text or len(self.lines[source.line - 1]) > _MAX_LINE:
            return ""
        line = self._visible_part(self.lines[source.line - 1].rstrip("\r"), source.line - 1)
        start = max(0, source.column - 1 - _WIDTH // 2) if len(line) > _WIDTH else 0
        window = line[start : start + _WIDTH]
        before = visible(window[: source.column - 1 - start])
        number = f"{source.line:>5} | "
        return f"{number}{visible(window)}\n{'':>5} | {'':>{len(before)}}^"

    def _visible_part(self, line: str, index: int) -> str:
        if index in self.hidden:
            line = line[: self.hidden[index]] + _CUT
        return _CREDENTIAL.sub(rf"\g<1>{_CUT}", _USERINFO.sub(rf"\g<1>{_CUT}@", line))


@dataclass(frozen=True)
class Problem:
    """A mistake: where, what is wrong, and what would be right. `str` is what the user reads.

    `field` is the path in the document, empty where there is none; `code` is the machine's name for the kind of mistake.
    """

    source: Source
    message: str
    hint: str = ""
    text: SourceText | None = None
    field: tuple[str | int, ...] = ()
    code: str = "invalid"

    def __str__(self) -> str:
        excerpt = self.text.excerpt(self.source) if self.text else ""
        field = f"  field: {visible(self.path)}" if self.field else ""
        hint = f"  {self.hint}" if self.hint else ""
        return "\n".join(part for part in (f"{self.source}: {self._text}", excerpt, field, hint) if part)

    @property
    def path(self) -> str:
        """The field as one reads it: `spec.members[0].role`."""
        shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.field)
        return shown.removeprefix(".")[:_MAX_LINE]

    @property
    def _text(self) -> str:
        return _USERINFO.sub(rf"\g<1>{_CUT}@", self.message)

    def document(self) -> dict[str, Any]:
        """The mistake as JSON."""
        place = {"file": self.source.path, "line": self.source.line, "column": self.source.column}
        return {
            "code": self.code,
            "message": self._text,
            **place,
            "field": self.path or None,
            "hint": self.hint or None,
        }


class Problems:
    """The mistakes found so far, of all files; of one file at most a thousand are kept."""

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self._counts: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def add(self, problem: Problem) -> None:
        """Keep a problem."""
        path = problem.source.path
        self._counts[path] = count = self._counts.get(path, 0) + 1
        if count <= _MAX_PROBLEMS:
            self._found.append(problem)
        elif count == _MAX_PROBLEMS + 1:
            self._found.append(Problem(problem.source, f"more than {_MAX_PROBLEMS} problems; the others are not shown"))

    def full(self, path: str) -> bool:
        """Whether no more problems of this file are kept, so that reading on is of no use."""
        return self._counts.get(path, 0) > _MAX_PROBLEMS

    def place(self, path: str, fields: Mapping[tuple[int, int], tuple[str | int, ...]]) -> None:
        """Give the problems of a file that have no field the one at their line and column (from 1)."""
        for number, problem in enumerate(self._found):
            at = (problem.source.line, problem.source.column)
            if problem.source.path == path and not problem.field and at in fields:
                self._found[number] = replace(problem, field=fields[at])

    @property
    def unreadable(self) -> bool:
        """Whether documents may have been missed: a file could not be read to its end."""
        return any(problem.code in (FILE, SYNTAX) for problem in self._found)

    def sorted(self) -> list[Problem]:
        """Every problem, by file, line and column."""
        return sorted(self._found, key=lambda problem: problem.source)
