"""What a TypeORM migration sends, as statements with their transactions.

TypeORM opens a transaction for each migration (`transaction: "each"`) or one for all that are pending ("all", its default).
Here each has its own: what runs in one transaction with others runs in its own as well, and not the other way round, since
a new value of an enum is of use only when it is committed, and a migration may ask for no transaction in the mode "each" only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from psycopg import sql

from tenantplan.errors import MigrationError
from tenantplan.migration import sqltext
from tenantplan.migration.compile.assemble import Entry
from tenantplan.migration.tree.typescript import Query

_ALONE = "PostgreSQL allows a statement of it only outside a transaction, and TypeORM runs this migration in one"


def entries(path: Path, sent: Sequence[Query], transaction: bool | None, first: Sequence[str] = ()) -> list[Entry]:
    """The statements of one direction of a migration, after those of `first`. `transaction` is its own: with False each query is
    committed by itself. None is an export: it has none where one of its statements needs none. MigrationError names file and
    line."""
    listed = [(query, list(_statements(path, query, transaction is None))) for query in sent]
    within = transaction
    if transaction is None:
        within = not any(sqltext.outside(text) for _, texts in listed for text in texts)
        listed = [(query, [text]) for query, texts in listed for text in texts]
    found = [Entry(text) for text in first]
    anew = False
    for query, texts in listed:
        anew = anew or not within
        for text in texts:
            control = sqltext.transaction_control(text)
            where = str(path) if transaction is None else f"{path}:{query.line}"
            if control in ("BEGIN", "START TRANSACTION", "COMMIT"):
                anew = anew or within is (control == "COMMIT")  # either changes nothing where it is so already
                within = control != "COMMIT"
                level = sqltext.isolation_level(text)
                if not level:
                    continue
                text = f"SET TRANSACTION ISOLATION LEVEL {level.upper()}"
            elif control:
                raise undone(where, control)
            alone = sqltext.outside(text)
            if alone and within:
                raise MigrationError(
                    _ALONE, where=where, hint="TypeORM's word for it is transaction = false, in its class"
                )
            found.append(Entry(text, alone, anew and bool(found)))
            anew = False
    return found


def statements(where: str, text: str) -> tuple[str, ...]:
    """The statements of a script; MigrationError for text that PostgreSQL's parser refuses."""
    try:
        return sqltext.split(text)
    except ValueError as error:
        raise MigrationError(f"PostgreSQL's parser refuses it: {error}", where=where) from error


def undone(where: str, control: str) -> MigrationError:
    """The refusal of a statement that gives a transaction up."""
    message = f"ends its transaction with {control}, so that nothing of it would be done"
    return MigrationError(message, where=where, hint="take the statements out that are undone")


def _statements(path: Path, query: Query, exported: bool) -> Iterator[str]:
    where = str(path) if exported else f"{path}:{query.line}"
    found = statements(where, query.text)
    if not query.parameters:
        yield from found
    elif len(found) != 1:
        raise MigrationError("a query with parameters has to be one statement", where=where)
    else:
        yield _filled(where, found[0], query.parameters)


def _filled(where: str, text: str, parameters: Sequence[str | None]) -> str:
    """The statement with its parameters in it: PostgreSQL gets them as text, of the type that their place asks for, as it does
    a literal."""
    pieces: list[str] = []
    used: set[int] = set()
    at, data = 0, text.encode()
    for start, end in _places(text):
        name = data[start:end].decode()
        number = int(name[1:])
        used.add(number)
        if not 0 < number <= len(parameters):
            raise MigrationError(f"the query has no parameter {name}", where=where)
        value = sql.Literal(parameters[number - 1]).as_string().strip()
        pieces += [data[at:start].decode(), f" {value} "]
        at = end
    if len(used) != len(parameters):
        raise MigrationError(f"the query has {len(parameters)} parameters, and names {len(used)}", where=where)
    return "".join([*pieces, data[at:].decode()])


def _places(text: str) -> list[tuple[int, int]]:
    """Where $1, $2, … begin and end in the statement's UTF-8."""
    from postgast import scan
    from postgast.pg_query_pb2 import Token

    return [(each.start, each.end) for each in scan(text).tokens if each.token == Token.Value("PARAM")]
