"""A folder of TypeORM's, and what its table says a database has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantplan.errors import MigrationError
from tenantplan.migration.tree import graph, typeorm_files
from tenantplan.migration.tree.typeorm_files import TypeormMigration, camel_case, name_of

FIRST, SECOND, THIRD = 1700000000001, 1700000000002, 1700000000003


def a_source(name: str, up: str = "await q.query(`SELECT 1`)", down: str = "", members: str = "") -> str:
    return (
        f"import {{ MigrationInterface, QueryRunner }} from 'typeorm'\nexport class {name} implements MigrationInterface {{\n"
        f"{members}\npublic async up(q: QueryRunner): Promise<void> {{\n{up}\n}}\n"
        f"public async down(q: QueryRunner): Promise<void> {{ {down} }}\n}}\n"
    )


def a_folder(root: Path, **files: str) -> Path:
    """Files by their names: `_1_AddUsers_ts` is 1700000000001-AddUsers.ts."""
    for name, text in files.items():
        _, number, *rest = name.split("_")
        (root / f"{1700000000000 + int(number)}-{'.'.join(rest)}").write_text(text)
    return root


def a_migration(name: str, timestamp: int) -> TypeormMigration:
    return TypeormMigration(f"{name}{timestamp}", timestamp, Path("m") / f"{timestamp}-{name}.sql", "", (), None)


THREE = [a_migration("One", FIRST), a_migration("Two", SECOND), a_migration("Three", THIRD)]


def rows(*migrations: TypeormMigration) -> list[tuple[str, int]]:
    return [(each.name, each.timestamp) for each in migrations]


def test_names_are_those_that_typeorm_makes() -> None:
    # what camelCase(name, true) of TypeORM 1.1 answered
    made = {
        "AddUsers": "AddUsers", "add-users": "AddUsers", "add_users": "AddUsers", "addUsers": "AddUsers",
        "add-2fa": "Add2fa", "x--y": "X-Y", "a__b": "A_b", "init": "Init",
    }  # fmt: skip
    assert {name: camel_case(name) for name in made} == made
    assert name_of("1700000000001-add-users") == "AddUsers1700000000001"
    assert name_of("1700000000001-init1700000000001") == "init1700000000001"


def test_a_folder_is_typeorms_by_its_file_names(tmp_path: Path) -> None:
    assert graph.engine_of(a_folder(tmp_path, _1_Init_sql="")) == "typeorm"
    (tmp_path / "versions").mkdir()
    assert graph.engine_of(tmp_path) == "alembic"
    other = tmp_path / "other"
    other.mkdir()
    (other / "20240101-notes.sql").write_text("")
    assert graph.engine_of(other) == "alembic"


def test_sources_and_exports_in_the_order_of_their_times(tmp_path: Path) -> None:
    a_folder(
        tmp_path,
        _2_more_sql="CREATE TABLE b (id int);\n",
        _2_more_down_sql="DROP TABLE b;\n",
        _2_more_preflight_sql="SELECT 1 FROM a;\n",
        _1_AddUsers_ts=a_source("Init1700000000001", down="throw new Error('no')"),
        _3_Program_ts=a_source("Program1700000000003", up="await q.createTable(table)"),
        _3_Program_sql="SELECT 3",
    )
    (tmp_path / "index.ts").write_text("export * from './x'")
    (tmp_path / "1700000000001-AddUsers.d.ts").write_text("MigrationInterface")
    first, second, third = typeorm_files.load(tmp_path)
    assert [each.name for each in (first, second, third)] == [
        "Init1700000000001", "More1700000000002", "Program1700000000003",
    ]  # fmt: skip
    assert (first.down, first.transaction, second.transaction) == (None, True, None)
    assert second.preflight == ("SELECT 1 FROM a",)
    assert second.down is not None
    found = graph.load(tmp_path, "tenant")
    assert [(r.id, r.down, r.message, r.reversible) for r in found.revisions] == [
        ("Init1700000000001", (), "Init", False),
        ("More1700000000002", ("Init1700000000001",), "More", True),
        ("Program1700000000003", ("More1700000000002",), "Program", False),
    ]


def test_only_what_is_sent_counts_as_an_edit(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        return typeorm_files.load(a_folder(tmp_path, _1_A_ts=text))[0].digest

    plain = digest(a_source("A1700000000001"))
    assert digest("// reformatted\n" + a_source("A1700000000001").replace("`", '"')) == plain
    assert digest(a_source("A1700000000001", up="await q.query('SELECT 2')")) != plain
    assert digest(a_source("A1700000000001", members="transaction = false")) != plain


@pytest.mark.parametrize(
    ("files", "where", "said"),
    [
        ({"_1_A_ts": a_source("A1700000000001", up="if (1) {}")}, "1700000000001-A.ts:5", "more than SQL"),
        ({"_1_A_ts": a_source("A170000000001")}, "1700000000001-A.ts", "does not end in a timestamp"),
        ({"_1_A_sql": "", "_1_A_ts": a_source("B1700000000001")}, "1700000000001-A.sql", "is not called A1700000000001"),
        ({"_1_A_sql": "", "_2_B_ts": a_source("A1700000000001")}, "1700000000002-B.ts", "is also the migration of"),
        ({"_1_A_down_sql": ""}, "1700000000001-A.down.sql", "there is no 1700000000001-A.sql"),
        ({"_1_A_ts": a_source("A1700000000001"), "_1_A_down_sql": ""}, "1700000000001-A.down.sql", "there is no"),
        ({"_1_A_js": ""}, "1700000000001-A.js", "compiled migrations are not read"),
        ({"_1_A,b_sql": ""}, "1700000000001-A,b.sql", "comma"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path: Path, files: dict[str, str], where: str, said: str) -> None:
    with pytest.raises(MigrationError, match=said) as refused:
        typeorm_files.load(a_folder(tmp_path, **files))
    assert refused.value.where == str(tmp_path / where)


def test_a_migration_by_another_name_is_not_left_out(tmp_path: Path) -> None:
    a_folder(tmp_path, _1_A_sql="")
    (tmp_path / "later.ts").write_text(a_source("Later1700000000009"))
    assert [each.name for each in typeorm_files.load(tmp_path)] == ["A1700000000001", "Later1700000000009"]


def test_equal_times_are_in_the_order_of_their_files(tmp_path: Path) -> None:
    a_folder(tmp_path, _2_A_ts=a_source("A1700000000001"), _1_B_ts=a_source("B1700000000001"), _3_C_sql="")
    assert [each.name for each in typeorm_files.load(tmp_path)] == [
        "B1700000000001",
        "A1700000000001",
        "C1700000000003",
    ]


@pytest.mark.parametrize("count", range(4))
def test_a_database_is_at_the_last_of_the_first_migrations(count: int) -> None:
    assert typeorm_files.position(rows(*THREE[:count]), THREE) == (THREE[count - 1].name if count else None)
    assert typeorm_files.position(rows(*THREE[:count])[::-1], THREE) == (THREE[count - 1].name if count else None)


def test_what_the_folder_does_not_explain_is_refused() -> None:
    with pytest.raises(MigrationError, match="Two1700000000002 is not applied, but Three1700000000003") as refused:
        typeorm_files.position(rows(THREE[0], THREE[2]), THREE)
    assert "typeorm migration:run" in refused.value.hint
    with pytest.raises(MigrationError, match="Three1700000000003 was applied, but the folder does not have it"):
        typeorm_files.position(rows(*THREE), THREE[:2])
    with pytest.raises(MigrationError, match="the migration of that time is called Two1700000000002") as refused:
        typeorm_files.position([("two1700000000002", SECOND)], THREE)
    assert "1700000000002-two1700000000002.sql" in refused.value.hint
