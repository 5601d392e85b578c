"""What a text is, told by PostgreSQL's parser; and by its keywords where the parser has nothing to say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tenantplan.migration.sqltext import bare, index_built, obstacle, outside, pieces, split, transaction_control, trees

DEEP = "'a'" + " || 'a'" * 200  # PostgreSQL takes it, the tree's format does not
BODY = "CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("", ()),
        ("  \n", ()),
        (";;", ()),
        ("-- only a comment", ()),
        ("/* a; /* b */ c; */", ()),
        ("SELECT 1", ("SELECT 1",)),
        ("SELECT 1;\n;  ; SELECT 2 ;", ("SELECT 1", "SELECT 2")),
        ("-- first\nSELECT 1; /* second */ SELECT 2; -- last", ("SELECT 1", "SELECT 2")),
        ("SELECT ';', $$a;b$$, \"c;d\", E'\\';'; SELECT 2", ("SELECT ';', $$a;b$$, \"c;d\", E'\\';'", "SELECT 2")),
        ("SELECT 'é;€'; SELECT '😀'", ("SELECT 'é;€'", "SELECT '😀'")),
        (f"{BODY}; SELECT 3", (BODY, "SELECT 3")),
        (f"SELECT {DEEP}; COMMIT", (f"SELECT {DEEP}", "COMMIT")),
        (
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
            ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",),
        ),
    ],
)
def test_split(script: str, statements: tuple[str, ...]) -> None:
    assert split(script) == statements


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("SELECT 1;\nSELECT 'é€😀' FROM t x y", 'syntax error at or near "y" (line 2, column 23)'),
        ("SELECT 1;\n\\copy t FROM 'x'", 'near "\\" (line 2, column 1); commands of psql'),
        ("COPY t FROM stdin;\n1\ta\n\\.\n", 'near "1" (line 2, column 1)'),
        ("SELECT 'open", "unterminated quoted string"),
        ("SELECT 1;\0 DROP TABLE t", "NUL character cannot be part of SQL (line 1, column 10)"),
        ("SELECT '\ud800'", "half of a surrogate pair cannot be part of SQL (line 1, column 9)"),
    ],
)
def test_split_says_what_and_where(script: str, said: str) -> None:
    with pytest.raises(ValueError) as raised:
        split(script)
    assert said in str(raised.value)
    with pytest.raises(ValueError):
        trees(script)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("-- c\n/* d */", ""),
        (" ; -- c\n;", ""),
        ("SELECT 1 -- COMMIT", "SELECT 1"),
        ("select 'drop', \"Table\", $x$ truncate $x$", "SELECT '' , \"\" , ''"),
        ("SELECT 'open", "SELECT 'open"),
    ],
)
def test_bare(text: str, shown: str) -> None:
    assert bare(text) == shown


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("BEGIN", "BEGIN"),
        ("start transaction read only", "START TRANSACTION"),
        ("COMMIT AND CHAIN", "COMMIT"),
        ("END", "COMMIT"),
        ("SELECT 1; /* x */ abort", "ROLLBACK"),
        ("ROLLBACK WORK", "ROLLBACK"),
        ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"),
        ("SAVEPOINT a; RELEASE a", ""),
        ("ROLLBACK TO a", ""),
        ("ROLLBACK TRANSACTION TO SAVEPOINT a", ""),
        ("SELECT 'COMMIT' -- COMMIT\n AS \"commit\"", ""),
        ("DO $$ BEGIN COMMIT; END $$", ""),
        (BODY, ""),
        ("PREPARE commit AS SELECT 1", ""),
        ("SET TRANSACTION READ ONLY", ""),
        # without a tree
        ("NEWER SYNTAX; commit", "COMMIT"),
        ("NEWER SYNTAX; end; x", "COMMIT"),
        ("NEWER SYNTAX 'commit; commit'", ""),
        ("NEWER SYNTAX; rollback to a", ""),
        ("rollback newer to a", ""),
        ("rollback newer", "ROLLBACK"),
        ("end newer", "COMMIT"),
        ("start transaction newer", "START TRANSACTION"),
        ("prepare transaction newer", "PREPARE TRANSACTION"),
        ("\\copy t FROM 'x'", ""),
        ("SELECT 'open; COMMIT", ""),
        (f"SELECT {DEEP}; COMMIT", "COMMIT"),
        (f"CREATE FUNCTION g() RETURNS text BEGIN ATOMIC SELECT {DEEP}; END", ""),
        ("-- nothing", ""),
    ],
)
def test_transaction_control(text: str, word: str) -> None:
    assert transaction_control(text) == word
    assert obstacle(text) == (f"begins or ends a transaction itself ({word})" if word else "")


OUTSIDE = [
    "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
    "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = true, enabled = false)",
    "DROP SUBSCRIPTION s",
    "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
    "ALTER SUBSCRIPTION s ADD PUBLICATION p",
    "ALTER SUBSCRIPTION s SET (failover = true)",
    "COMMIT PREPARED 'x'",
    "SELECT 1; VACUUM t",
    # without a tree
    "NEWER SYNTAX CONCURRENTLY",
    "NEWER SYNTAX; vacuum (newer) t +",
    "create database a newer syntax",
    "alter system newer",
    f"SELECT {DEEP}; VACUUM t",
]
INSIDE = [
    "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (create_slot = false)",
    "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = false)",
    "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = off)",
    "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false)",
    "REINDEX (CONCURRENTLY off, VERBOSE) TABLE t",
    "REINDEX (CONCURRENTLY 0) TABLE t",
    "ALTER SUBSCRIPTION s SET (binary = true)",
    "SELECT 'CREATE INDEX CONCURRENTLY' -- VACUUM",
    "CREATE TABLE concurrently_made (vacuum int)",
    # without a tree
    "REFRESH NEWER CONCURRENTLY",
    "NEWER 'CONCURRENTLY'",
    "\\copy t FROM 'x'",
    "SELECT 'open; VACUUM",
    "",
]


@pytest.mark.parametrize("text", OUTSIDE)
def test_outside(text: str) -> None:
    assert outside(text)
    assert obstacle(text) == "runs a statement that PostgreSQL allows only outside a transaction"


@pytest.mark.parametrize("text", INSIDE)
def test_inside(text: str) -> None:
    assert not outside(text)
    assert obstacle(text) == ""


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", (None, "i")),
        ('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I ; 1" ON "S".t (a) WHERE a > 0', ("S", "I ; 1")),
        ("CREATE INDEX CONCURRENTLY ON s.t (a); -- done", ("s", None)),
        ("CREATE INDEX i ON t (a)", None),
        ("DROP INDEX CONCURRENTLY i", None),
        ("SELECT 'CREATE INDEX CONCURRENTLY i ON t (a)'", None),
        ("CREATE INDEX CONCURRENTLY i ON t (a); SELECT 1", None),
        ("CREATE INDEX CONCURRENTLY i ON t NEWER", None),
        ("", None),
    ],
)
def test_index_built(text: str, index: tuple[str | None, str | None] | None) -> None:
    assert index_built(text) == index


def test_a_text_that_is_refused_is_cut_at_its_semicolons() -> None:
    assert pieces("NEWER 'é;é';\n-- x\n DROP TABLE t ; ;") == ("NEWER 'é;é'", "-- x\n DROP TABLE t")
    assert pieces("SELECT 'open; SELECT 1") == ("SELECT 'open; SELECT 1",)
    assert pieces("-- nothing") == ()


def test_the_parser_is_imported_only_to_parse() -> None:
    code = (
        "import sys, tenantplan.migration.lint; print([m for m in sys.modules if m.startswith(('postgast', 'google'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
