"""What is read of a TypeORM migration in TypeScript, and what is refused with its line."""

from __future__ import annotations

import pytest

from tenantplan.migration.tree.typescript import Query, Unreadable, comments, read

GENERATED = """\
import { MigrationInterface, QueryRunner } from "typeorm";

export class AddUsers1700000000000 implements MigrationInterface {
    name = 'AddUsers1700000000000'

    public async up(queryRunner: QueryRunner): Promise<void> {
        await queryRunner.query(`CREATE TABLE "users" ("id" SERIAL NOT NULL)`);
        await queryRunner.query(`COMMENT ON TABLE "users" IS 'it''s \\`new\\` \\\\ \\${x}'`);
    }

    public async down(queryRunner: QueryRunner): Promise<void> {
        await queryRunner.query(`DROP TABLE "users"`);
    }

}
"""


def a_class(up: str = "", members: str = "", down: str = "") -> str:
    return (
        f"import {{ MigrationInterface }} from 'typeorm'\nexport class A1700000000000 implements MigrationInterface {{\n"
        f"{members}\nasync up(q: QueryRunner) {{\n{up}\n}}\nasync down(q) {{ {down} }}\n}}"
    )


def sent(up: str) -> list[str]:
    return [query.text for query in read(a_class(up)).up]


def test_what_migration_generate_writes() -> None:
    found = read(GENERATED)
    assert found.name == "AddUsers1700000000000"
    assert found.up == (
        Query('CREATE TABLE "users" ("id" SERIAL NOT NULL)', 7),
        Query("COMMENT ON TABLE \"users\" IS 'it''s `new` \\ ${x}'", 8),
    )
    assert found.down == (Query('DROP TABLE "users"', 12),)
    assert found.transaction is None


@pytest.mark.parametrize(
    ("literal", "meant"),
    [
        ("`a\r\nb\n`", "a\nb\n"),  # a template's lines end in \n, whatever the file has
        (r"'it\'s'", "it's"),
        (r'"\u00e9\x41\u{1F600}\q\n"', "éA😀q\n"),
        ("'a\\\nb'", "ab"),
        (r"`\${not}` ", "${not}"),
        ("`$1 $ {`", "$1 $ {"),
        ("'a' + \"b\"\n + `c`", "abc"),
        ("`-- a // b /* c`", "-- a // b /* c"),
    ],
)
def test_a_literal_means_what_it_means_in_javascript(literal: str, meant: str) -> None:
    assert sent(f"await q.query({literal})") == [meant]


def test_semicolons_comments_and_empty_methods() -> None:
    assert sent("// one\nawait q.query('a') // two\nawait q.query('b',);;\n/* three\n */") == ["a", "b"]
    assert read(a_class()).down == ()
    assert [line for line, text in comments("`// no`\n// yes") if text == "// yes"] == [2]


def test_parameters_that_are_literals() -> None:
    (query,) = read(a_class("await q.query('INSERT …', ['it', 5, null, true, -1])")).up
    assert query.parameters == ("it", "5", None, "true", "-1")


def test_members_that_count() -> None:
    found = read(a_class(members="readonly name = 'B1700000000001' as const;\npublic transaction?: boolean = false"))
    assert (found.name, found.transaction) == ("B1700000000001", False)
    assert read(a_class(down="throw new Error('never')")).down is None


@pytest.mark.parametrize(
    ("up", "line", "said"),
    [
        ("await q.query(`a ${b}`)", 5, "has ${…}"),
        ("await q.query(`a\n${b}`)", 6, "has ${…}"),
        ("await q.query(`\\\\${b}`)", 5, "has ${…}"),
        ("q.query('a')", 5, "does more than await q.query"),
        ("await r.query('a')", 5, "does more than await q.query"),
        ("await q.createTable(new Table())", 5, "does more than"),
        ("if (x) { await q.query('a') }", 5, "does more than"),
        ("const rows = await q.query('a')", 5, "does more than"),
        ("await q.query(text)", 5, "here stands text"),
        ("await q.query('a' + x)", 5, "here stands x"),
        ("await q.query('a'.repeat(2))", 5, "here stands ."),
        ("await q.query('a'), x()", 5, "where ; ought to"),
        ("await q.query('a') await q.query('b')", 5, "where ; ought to"),
        ("await q.query('a')\n`b`", 6, "does more than"),
        ("await q.query('a', [x])", 5, "no literal"),
        ("await q.query('a', [1.5])", 5, "no literal"),
        ("await q.query('\\07')", 5, "TypeScript refuses"),
        ("await q.query('\\ud83d')", 5, "half a character"),
        ("await q.query('\\0')", 5, "NUL"),
        ("throw new Error('x')", 5, "does more than"),
        ("await q.query('a", 5, "here stands '"),
    ],
)
def test_everything_else_is_refused_with_its_line(up: str, line: int, said: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(a_class(up))
    assert said in refused.value.message
    assert refused.value.line == line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import { x } from './x'\n" + GENERATED, "uses code of ./x"),
        (GENERATED + "export class B implements MigrationInterface {}", "here stands export"),
        (GENERATED.replace("export class", "class"), "here stands class"),
        (GENERATED.replace("public async up", "private tables = 1\npublic async up"), "beside up, down"),
        (GENERATED.replace("implements", "extends Base implements"), "here stands extends"),
        ("import 'reflect-metadata'\n" + GENERATED, "imports something"),
        (a_class(members="transaction = process.env.X"), "neither true nor false"),
        ("export class A implements MigrationInterface { }", "has no up()"),
        ("", "here stands the end of the file"),
    ],
)
def test_what_stands_around_is_refused_too(text: str, said: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(text)
    assert said in refused.value.message
