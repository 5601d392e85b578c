"""A TypeORM migration in TypeScript, as far as it says nothing but SQL.

Read is one exported class whose `up` and `down` are made of `await queryRunner.query("…")` and nothing else: literals,
template strings without `${}`, and parameters that are literals. Everything else is a program, which is refused with its
line, since nothing here runs JavaScript. Escapes and newlines in literals mean what they mean in ECMAScript.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>[\s\ufeff]+)
      | (?P<comment>//[^\r\n]* | /\*.*?\*/)
      | (?P<word>[A-Za-z_$\u0080-\U0010ffff][\w$]*)
      | (?P<number>-?(?:0|[1-9]\d{0,14})(?![\w.]))
      | (?P<string>'(?:[^'\\\r\n]|\\(?:\r\n|.))*' | "(?:[^"\\\r\n]|\\(?:\r\n|.))*" | `(?:[^`\\]|\\.)*`)
      | (?P<sign>.)""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|.))", re.DOTALL)
_HOLE = re.compile(r"(?:[^\\$]|\\.|\$(?!\{))*\$\{", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
_LINE_ENDS = ("\n", "\r\n", "\r", "\u2028", "\u2029")
_CONSTANTS = {"null": None, "true": "true", "false": "false"}


class Query(NamedTuple):
    """What one call sends, and in which line it begins. `parameters` are as PostgreSQL gets them, None for NULL."""

    text: str
    line: int
    parameters: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """What a file says: the migration's name, what up() and down() send (None: there is no way back), and its `transaction`."""

    name: str
    up: tuple[Query, ...]
    down: tuple[Query, ...] | None
    transaction: bool | None


class Unreadable(Exception):
    """The file says more than SQL: what, and in which line."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message, self.line = message, line


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def read(text: str) -> Source:
    """What a file says; Unreadable where that is not only SQL."""
    return _Reader([token for token in _tokens(text) if token.kind not in ("space", "comment")]).file()


def comments(text: str) -> list[tuple[int, str]]:
    """The comments that end with their line, with it."""
    return [(token.line, token.text) for token in _tokens(text) if token.text.startswith("//")]


def _tokens(text: str) -> list[_Token]:
    found, line = [], 1
    for match in _TOKEN.finditer(text):
        found.append(_Token(str(match.lastgroup), match.group(), line))
        line += match.group().count("\n")
    return found


class _Reader:
    """The grammar, by descent."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        last = tokens[-1].line if tokens else 1
        self._tokens = [*tokens, _Token("end", "the end of the file", last)]
        self._at = 0

    def file(self) -> Source:
        while self._takes("import"):
            self._import()
        self._needs("export")
        self._takes("default")
        self._needs("class")
        name = self._kind("word").text
        self._needs("implements")
        while not self._takes("{"):
            self._kind("word")
            self._takes(".")
        members: dict[str, object] = {"name": name, "transaction": None, "down": None}
        while not self._takes("}"):
            self._member(members)
        self._takes(";")
        self._kind("end")
        if "up" not in members:
            raise Unreadable("the class has no up()", self._tokens[-1].line)
        return Source(**members)  # type: ignore[arg-type]

    def _import(self) -> None:
        line = self._now.line
        while not self._takes("from"):
            if self._now.kind not in ("word", "sign"):
                raise Unreadable("imports something for what it does", line)
            self._at += 1
        source = self._string()
        if source != "typeorm":
            raise Unreadable(f"uses code of {source}", line)
        self._takes(";")

    def _member(self, members: dict[str, object]) -> None:
        while self._takes("public") or self._takes("readonly") or self._takes("async"):
            pass
        token = self._kind("word")
        if token.text in ("up", "down"):
            members[token.text] = self._method(token.text)
        elif token.text in ("name", "transaction"):
            self._takes("?")
            if self._takes(":"):
                self._kind("word")
            self._needs("=")
            members[token.text] = self._string() if token.text == "name" else self._flag()
            if self._takes("as"):
                self._needs("const")
            self._takes(";")
        else:
            raise Unreadable(f"the class has {token.text}, beside up, down, name and transaction", token.line)

    def _flag(self) -> bool:
        token = self._kind("word")
        if token.text not in ("true", "false"):
            raise Unreadable("transaction is neither true nor false", token.line)
        return token.text == "true"

    def _method(self, method: str) -> tuple[Query, ...] | None:
        self._needs("(")
        runner = self._kind("word").text if self._now.text != ")" else ""
        if self._takes(":"):
            self._kind("word")
        self._takes(",")
        self._needs(")")
        if self._takes(":"):
            for each in ("Promise", "<"):
                self._needs(each)
            self._kind("word")
            self._needs(">")
        self._needs("{")
        found: list[Query] = []
        while not self._takes("}"):
            if method == "down" and not found and self._takes("throw"):
                self._rest_of_throw()
                return None
            if not self._takes(";"):
                found.append(self._query(runner))
        return tuple(found)

    def _rest_of_throw(self) -> None:
        self._needs("new")
        self._kind("word")
        self._needs("(")
        if self._now.text != ")":
            self._string()
        self._needs(")")
        self._takes(";")
        self._needs("}")

    def _query(self, runner: str) -> Query:
        line = self._now.line
        for each in ("await", runner, ".", "query", "("):
            if not self._takes(each):
                raise Unreadable(f"does more than await {runner or 'queryRunner'}.query(…) of a text", self._now.line)
        text = self._string()
        parameters = self._parameters() if self._takes(",") and self._now.text != ")" else ()
        self._takes(",")
        self._needs(")")
        self._ends()
        return Query(text, line, parameters)

    def _ends(self) -> None:
        """The end of a statement: a semicolon, or nothing else in its line."""
        if not self._takes(";") and self._now.text != "}" and self._now.line == self._tokens[self._at - 1].line:
            self._needs(";")

    def _parameters(self) -> tuple[str | None, ...]:
        self._needs("[")
        found: list[str | None] = []
        while not self._takes("]"):
            token = self._now
            if token.kind == "string":
                found.append(self._string())
            elif token.kind == "number" or token.text in _CONSTANTS:
                self._at += 1
                found.append(_CONSTANTS.get(token.text, token.text))
            else:
                raise Unreadable("a parameter of the query is no literal", token.line)
            if self._now.text != "]":
                self._needs(",")
        return tuple(found)

    def _string(self) -> str:
        """A literal, or several with + between them."""
        found = _literal(self._kind("string"))
        while self._takes("+"):
            found += _literal(self._kind("string"))
        return found

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _takes(self, text: str) -> bool:
        found = self._now.kind in ("word", "sign") and self._now.text == text
        self._at += found
        return found

    def _needs(self, text: str) -> None:
        if not self._takes(text):
            raise Unreadable(f"here stands {_shown(self._now)}, where {text} ought to", self._now.line)

    def _kind(self, kind: str) -> _Token:
        token = self._now
        if token.kind != kind:
            wanted = {"string": "a text", "word": "a name"}.get(kind, "the end of the file")
            raise Unreadable(f"here stands {_shown(token)}, where {wanted} ought to", token.line)
        self._at += kind != "end"
        return token


def _shown(token: _Token) -> str:
    return token.text if len(token.text) <= 40 else f"{token.text[:40]}…"


def _literal(token: _Token) -> str:
    """What a literal means; a template has only \\n at the end of its lines, whatever the file has."""
    inner = token.text[1:-1]
    if token.text[0] == "`":
        if hole := _HOLE.match(inner):
            line = token.line + hole.group().count("\n")
            raise Unreadable("a template string has ${…}, which is known only when it runs", line)
        inner = inner.replace("\r\n", "\n").replace("\r", "\n")
    found = _ESCAPE.sub(lambda match: _escaped(match, token), inner)
    if "\0" in found:
        raise Unreadable("a text has a NUL character, which PostgreSQL refuses", token.line)
    return found


def _escaped(match: re.Match[str], token: _Token) -> str:
    code = next(filter(None, match.group(1, 2, 3)), None)
    if code is not None:
        number = int(code, 16)
        if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
            raise Unreadable("an escape in a text is half a character", token.line)
        return chr(number)
    sign = match.group(4)
    next_digit = match.string[match.end() : match.end() + 1].isdigit()
    if sign in ("u", "x") or sign in "123456789" or (sign == "0" and next_digit):
        raise Unreadable("an escape in a text is one that TypeScript refuses", token.line)
    return "" if sign in _LINE_ENDS else _ESCAPED.get(sign, sign)
