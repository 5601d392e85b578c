"""Analyses SQL text with PostgreSQL's own parser (libpg_query), never by searching the text.

The parser is that of PostgreSQL 18. A text that it cannot read (newer syntax, a command of psql, an expression nested
deeper than the tree's format allows) is still cut into tokens, and judged by its keywords alone: it counts as a plain
statement that runs inside a transaction, unless its first words or CONCURRENTLY say otherwise. Run like that,
PostgreSQL refuses what it does not understand before anything has changed. The parser is imported when it is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

_T = TypeVar("_T")
Words = Sequence[str]
Tree = tuple[str, Any]  # a statement's kind in the parser's words ("drop_stmt"), and its node

_CONTROL = {
    "BEGIN": "BEGIN",
    "START": "START TRANSACTION",
    "COMMIT": "COMMIT",
    "ROLLBACK": "ROLLBACK",
    "PREPARE": "PREPARE TRANSACTION",
}
_CONTROL_WORDS = {"BEGIN": "BEGIN", "COMMIT": "COMMIT", "END": "COMMIT", "ABORT": "ROLLBACK", "ROLLBACK": "ROLLBACK"}
_OUTSIDE_WORDS = {(verb, noun) for verb in ("CREATE", "DROP") for noun in ("DATABASE", "TABLESPACE")}
_BACKSLASH = 'near "\\"'
_PSQL = "; commands of psql (\\copy, \\connect, \\i) are not SQL"


def trees(text: str) -> tuple[Tree, ...]:
    """The parsed statements of a text, in order; ValueError, with line and column, if it cannot be parsed."""
    from google.protobuf.message import DecodeError
    from postgast import PgQueryError, parse

    try:
        return tuple(_tree(raw.stmt) for raw in parse(_checked(text)).stmts)
    except PgQueryError as error:
        raise ValueError(_located(text, error.message, error.cursorpos)) from error
    except DecodeError as error:
        raise ValueError("the statement is nested too deeply to be looked into") from error


def split(text: str) -> tuple[str, ...]:
    """The statements of a script, in order, without final semicolons and the comments before them.

    ValueError, with line and column, for text that PostgreSQL's parser refuses, commands of psql among it.
    """
    import postgast

    try:
        return tuple(each.strip() for each in postgast.split(_checked(text)))
    except postgast.PgQueryError as error:
        raise ValueError(_located(text, error.message, error.cursorpos)) from error


def pieces(text: str) -> tuple[str, ...]:
    """The same of any text: one that the parser refuses is cut at its semicolons, or left in one piece."""
    try:
        return split(text)
    except ValueError:
        ends = [end for sign, _, end in _tokens(text) if sign == ";"]
        if not ends:
            return (text,)
        data = text.encode()
        cut = (data[start:end].decode() for start, end in itertools.pairwise([0, *ends, len(data)]))
        return tuple(each.strip().removesuffix(";").rstrip() for each in cut if bare(each))


def bare(text: str) -> str:
    """The text without comments, with strings and quoted names emptied: "" when there is nothing in it to run.

    A text that cannot even be cut into tokens (a quote without its end) is returned as it is.
    """
    return " ".join(_words(text)).strip(" ;")


def obstacle(text: str) -> str:
    """Why a text cannot run inside one transaction with others, or "" when it can; see `outside`."""
    if control := transaction_control(text):
        return f"begins or ends a transaction itself ({control})"
    return "runs a statement that PostgreSQL allows only outside a transaction" if outside(text) else ""


def outside(statement: str) -> bool:
    """Whether PostgreSQL refuses the statement inside a transaction block (its PreventInTransactionBlock).

    Text cannot tell that CLUSTER and REINDEX name a partitioned table, which is refused too: they count as allowed.
    """
    return any(_judged(statement, outside_tree, _words_outside))


def outside_tree(tree: Tree) -> bool:
    """The same of a parsed statement."""
    kind, node = tree
    return kind in _OUTSIDE and _OUTSIDE[kind](node)


def index_built(statement: str) -> tuple[str | None, str | None] | None:
    """Schema and name of the index that CREATE INDEX CONCURRENTLY builds; None for every other statement.

    The schema is None where the text leaves it to the search_path, the name where PostgreSQL chooses it.
    """
    try:
        parsed = trees(statement)
    except ValueError:
        return None
    if len(parsed) == 1 and parsed[0][0] == "index_stmt" and parsed[0][1].concurrent:
        node = parsed[0][1]
        return node.relation.schemaname or None, node.idxname or None
    return None


_LASTING = ("search_path", "role", "session_authorization", "timezone", "datestyle", "intervalstyle")


def session_settings(text: str) -> list[tuple[str, bool]]:
    """Settings that a text changes for the rest of the session, and on which the meaning of others depends, in order; with
    whether it is set, or back at what it was. ("", False): all of them are."""
    try:
        found = [node for kind, node in trees(text) if kind == "variable_set_stmt" and not node.is_local]
    except ValueError:
        return []
    named = [(node.name.lower(), word(node, "kind") in ("VAR_SET_VALUE", "VAR_SET_CURRENT")) for node in found]
    return [(name, lasting) for name, lasting in named if name in _LASTING or not name]


def isolation_level(statement: str) -> str:
    """The isolation level that SET TRANSACTION, BEGIN or START TRANSACTION gives the transaction ("serializable"), else ""."""
    try:
        parsed = trees(statement)
    except ValueError:
        return ""
    for kind, node in parsed:
        if kind == "variable_set_stmt" and node.name == "TRANSACTION":
            options = node.args
        elif kind == "transaction_stmt":
            options = node.options
        else:
            continue
        for each in (item.def_elem for item in options):
            if each.defname == "transaction_isolation":
                return str(each.arg.a_const.sval.sval)
    return ""


def transaction_control(statement: str) -> str:
    """BEGIN, START TRANSACTION, COMMIT, ROLLBACK or PREPARE TRANSACTION if the statement is one of them, else "".

    Savepoints, and the return to one, stay inside the transaction: "".
    """
    return next(filter(None, _judged(statement, _tree_control, _words_control)), "")


def word(node: Any, field: str) -> str:
    """The name of a node's enum value: word(drop, "remove_type") is "OBJECT_TABLE"."""
    return str(node.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[getattr(node, field)].name)


def option(options: Any, name: str, default: bool) -> bool:
    """A yes-or-no option in parentheses, as PostgreSQL reads it: `FULL`, `FULL true`, `FULL off`, `FULL 0`."""
    for each in (item.def_elem for item in options):
        if each.defname == name:
            given = each.arg
            said = [
                given.string.sval,
                *(part.string.sval for part in given.type_name.names),
            ]  # off is read as a type's name
            is_zero = given.WhichOneof("node") == "integer" and given.integer.ival == 0
            return not is_zero and said[-1].lower() not in ("false", "off")
    return default


def definition(command: Any) -> Any:
    """What a subcommand of ALTER TABLE adds, sets or names: its field `def`, a word that Python reserves."""
    return getattr(command, "def")


def _tree(statement: Any) -> Tree:
    kind = str(statement.WhichOneof("node"))
    return kind, getattr(statement, kind)


def _checked(text: str) -> str:
    if "\0" in text:  # the parser would stop there and not see the rest
        raise ValueError(_located(text, "a NUL character cannot be part of SQL", text.index("\0") + 1))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(_located(text, "half of a surrogate pair cannot be part of SQL", error.start + 1)) from error
    return text


def _located(text: str, message: str, place: int) -> str:
    before = text[: max(place - 1, 0)]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"{message} (line {line}, column {column}){_PSQL if message.endswith(_BACKSLASH) else ''}"


def _judged(text: str, by_tree: Callable[[Tree], _T], by_words: Callable[[Words], _T]) -> Iterator[_T]:
    """What is said of each statement: of its tree, or of its words if it has none."""
    for part in pieces(text):
        try:
            parsed = trees(part)
        except ValueError:
            yield by_words(_words(part))
        else:
            yield from map(by_tree, parsed)


def _tree_control(tree: Tree) -> str:
    kind, node = tree
    return _CONTROL.get(word(node, "kind").removeprefix("TRANS_STMT_"), "") if kind == "transaction_stmt" else ""


def _has_detach_concurrently(node: Any) -> bool:
    commands = [each.alter_table_cmd for each in node.cmds]
    return any(
        word(each, "subtype") == "AT_DetachPartition" and definition(each).partition_cmd.concurrent for each in commands
    )


def _alters_subscription_outside(node: Any) -> bool:
    kind = word(node, "kind").removeprefix("ALTER_SUBSCRIPTION_")
    if kind in ("SET_PUBLICATION", "ADD_PUBLICATION", "DROP_PUBLICATION"):
        return option(node.options, "refresh", True)
    changed = {each.def_elem.defname for each in node.options}
    return kind == "REFRESH" or (kind == "OPTIONS" and not changed.isdisjoint({"failover", "two_phase"}))


def _creates_slot(node: Any) -> bool:
    return option(node.options, "create_slot", option(node.options, "connect", True))


def _always(_: Any) -> bool:
    return True


_OUTSIDE: dict[str, Callable[[Any], bool]] = {
    "alter_database_stmt": lambda node: any(each.def_elem.defname == "tablespace" for each in node.options),
    "alter_subscription_stmt": _alters_subscription_outside,
    "alter_system_stmt": _always,
    "alter_table_stmt": _has_detach_concurrently,
    "cluster_stmt": lambda node: not node.HasField("relation"),
    "create_subscription_stmt": _creates_slot,
    "create_table_space_stmt": _always,
    "createdb_stmt": _always,
    "discard_stmt": lambda node: word(node, "target") == "DISCARD_ALL",
    "drop_stmt": lambda node: bool(node.concurrent),
    "drop_subscription_stmt": _always,  # unless its slot was taken from it before, which the text does not tell
    "drop_table_space_stmt": _always,
    "dropdb_stmt": _always,
    "index_stmt": lambda node: bool(node.concurrent),
    "reindex_stmt": lambda node: (
        word(node, "kind").rpartition("_")[2] in ("SCHEMA", "SYSTEM", "DATABASE")
        or option(node.params, "concurrently", False)
    ),
    "transaction_stmt": lambda node: word(node, "kind").endswith("_PREPARED"),
    "vacuum_stmt": lambda node: bool(node.is_vacuumcmd),
}


def _tokens(text: str) -> list[tuple[str, int, int]]:
    """Words and signs in upper case, strings as '' and quoted names as "", with where they begin and end in UTF-8.

    Text that cannot be cut into tokens (a quote without its end) is one token, as it is.
    """
    from postgast import PgQueryError, scan
    from postgast.pg_query_pb2 import Token

    try:
        data, found = text.encode(), scan(_checked(text)).tokens
    except (PgQueryError, ValueError):
        return [(text.strip(), 0, len(text.encode(errors="replace")))]
    strings = {Token.Value(each) for each in ("SCONST", "USCONST", "BCONST", "XCONST")}
    comments = {Token.Value("SQL_COMMENT"), Token.Value("C_COMMENT")}
    tokens = []
    for each in found:
        shown = "''" if each.token in strings else data[each.start : each.end].decode().upper()
        if each.token not in comments:
            tokens.append(('""' if shown.endswith('"') else shown, each.start, each.end))
    return tokens


def _words(text: str) -> Words:
    return [shown for shown, _, _ in _tokens(text)]


def _words_control(words: Words) -> str:
    first = words[0]
    if tuple(words[:2]) in (("START", "TRANSACTION"), ("PREPARE", "TRANSACTION")):
        return " ".join(words[:2])
    return "" if first == "ROLLBACK" and "TO" in words else _CONTROL_WORDS.get(first, "")


def _words_outside(words: Words) -> bool:
    if "CONCURRENTLY" in words and words[0] != "REFRESH":
        return True
    return words[0] == "VACUUM" or tuple(words[:2]) in _OUTSIDE_WORDS | {("ALTER", "SYSTEM")}
