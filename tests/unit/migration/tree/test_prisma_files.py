"""A Prisma directory is read as Prisma reads it, and its table says where a database is in it, or why that is unclear."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tenantplan.errors import MigrationError
from tenantplan.migration.tree import prisma_files
from tenantplan.migration.tree.prisma_files import PrismaMigration

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAMES = ("1_init", "2_more", "3_last")


def a_directory(root: Path, *names: str, lock: str | None = 'provider = "postgresql"\n') -> Path:
    """A migrations directory; a migration's script is a comment with its name."""
    root.mkdir(exist_ok=True)
    for name in names:
        (root / name).mkdir()
        (root / name / "migration.sql").write_text(f"-- {name}\n")
    if lock is not None:
        (root / "migration_lock.toml").write_bytes(lock.encode())
    return root


def a_migration(name: str, script: str = "") -> PrismaMigration:
    text = script or f"-- {name}\n"
    return PrismaMigration(
        name, Path("prisma") / name / "migration.sql", hashlib.sha256(text.encode()).hexdigest(), text
    )


THREE = [a_migration(name) for name in NAMES]


def a_row(
    name: str, *, checksum: str = "", minute: int = 0, failed: bool = False, rolled_back: bool = False, steps: int = 1
) -> tuple[Any, ...]:
    """A row as READ fetches it: finished, in the minute it was started in."""
    at = NOON + timedelta(minutes=minute)
    finished, back = None if failed else at, at if rolled_back else None
    return (name, checksum or a_migration(name).checksum, at, finished, back, 0 if failed else steps)


def rows(*names: str) -> list[tuple[Any, ...]]:
    return [a_row(name, minute=minute) for minute, name in enumerate(names)]


def test_a_directory_is_prismas_by_its_lock_or_its_migrations(tmp_path: Path) -> None:
    assert prisma_files.is_tree(a_directory(tmp_path / "both", "1_init"))
    assert prisma_files.is_tree(a_directory(tmp_path / "new"))
    assert prisma_files.is_tree(a_directory(tmp_path / "unlocked", "1_init", lock=None))
    (tmp_path / "alembic" / "versions").mkdir(parents=True)
    assert not prisma_files.is_tree(tmp_path / "alembic")
    assert not prisma_files.is_tree(tmp_path / "nowhere")


def test_what_is_in_a_migration(tmp_path: Path) -> None:
    root = a_directory(tmp_path, "20240101000000_init", "20240102000000_more")
    script = "SELECT 'ü';\r\nSELECT 2;\r\n".encode()
    (root / "20240102000000_more" / "migration.sql").write_bytes(script)
    (root / "20240102000000_more" / "down.sql").write_text("DROP TABLE a;\n")
    (root / "20240102000000_more" / "preflight.sql").write_text("-- twice?\nSELECT ';' FROM a;\nSELECT 2\n")
    (root / "README.md").write_text("not a directory")
    first, second = prisma_files.load(root)
    assert (first.name, first.preflight, first.down) == ("20240101000000_init", (), None)
    assert second.path == root / "20240102000000_more" / "migration.sql"
    assert second.script.encode() == script
    assert second.checksum == hashlib.sha256(script).hexdigest()
    assert [statement.splitlines()[-1] for statement in second.preflight] == ["SELECT ';' FROM a", "SELECT 2"]
    assert second.down == "DROP TABLE a;\n"


def test_a_new_directory_has_no_migration(tmp_path: Path) -> None:
    assert prisma_files.load(a_directory(tmp_path)) == []


def test_migrations_come_in_the_order_of_prisma(tmp_path: Path) -> None:
    # JavaScript's localeCompare, not that of bytes, where digits and capitals come first
    expected = [
        "0_init", "000000000000_squashed_migrations", "20240101_a_", "20240101_a1", "20240101_b", "20240101_B",
        "20240101_bb", "20240101-c", "20240101000000_a", "20240102000000_init",
    ]  # fmt: skip
    root = a_directory(tmp_path, *sorted(expected))
    assert [migration.name for migration in prisma_files.load(root)] == expected


def test_a_linked_directory_is_no_migration_for_prisma(tmp_path: Path) -> None:
    root = a_directory(tmp_path / "here", "1_init")
    (root / "2_linked").symlink_to(a_directory(tmp_path / "there", "2_more") / "2_more")
    assert [migration.name for migration in prisma_files.load(root)] == ["1_init"]


@pytest.mark.parametrize(
    "lock", [None, 'provider = "cockroachdb"', '# edited by hand\r\nprovider = "postgresql"\r\n'], ids=str
)
def test_providers_that_prisma_takes(tmp_path: Path, lock: str | None) -> None:
    assert len(prisma_files.load(a_directory(tmp_path, "1_init", lock=lock))) == 1


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ('provider = "mysql"\n', "the provider is mysql"),
        ('provider="postgresql"\n', 'the provider is provider="postgresql'),  # Prisma wants the spaces: P3019
        ('provider = "postgres"\n', "the provider is postgres"),
        ("# nothing\n", "the provider is none"),
    ],
)
def test_other_providers_are_refused(tmp_path: Path, lock: str, said: str) -> None:
    with pytest.raises(MigrationError, match="for another database") as refused:
        prisma_files.load(a_directory(tmp_path, "1_init", lock=lock))
    assert refused.value.message.endswith(said)
    assert refused.value.where == str(tmp_path / "migration_lock.toml")


def _hollow(root: Path) -> str:
    (root / "2_hollow").mkdir()
    return "2_hollow"


def _a_directory_as_script(root: Path) -> str:
    (root / "2_odd" / "migration.sql").mkdir(parents=True)
    return "2_odd/migration.sql"


def _named_with_a_comma(root: Path) -> str:
    return a_directory(root, "2,3", lock=None).joinpath("2,3").name


def _written(name: str, content: bytes) -> Callable[[Path], str]:
    def write(root: Path) -> str:
        (root / "1_init" / name).write_bytes(content)
        return f"1_init/{name}"

    return write


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_hollow, "there is no migration.sql"),
        (_a_directory_as_script, "cannot be read: Is a directory"),
        (_named_with_a_comma, "the name of a migration"),
        (_written("migration.sql", b"\xef\xbb\xbfSELECT 1"), "byte order mark"),
        (_written("migration.sql", "SELECT 1".encode("utf-16")), "not UTF-8"),
        (_written("migration.sql", "SELECT 1".encode("utf-16-le")), "NUL character"),
        (_written("migration.sql", b"-- caf\xe9"), "not UTF-8"),
        (_written("down.sql", b"-- caf\xe9"), "not UTF-8"),
        (_written("preflight.sql", b"SELECT 1;\nSELEC 2;"), "not SQL: syntax error"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, spoil: Callable[[Path], str], said: str) -> None:
    place = spoil(a_directory(tmp_path, "1_init"))
    with pytest.raises(MigrationError, match=said) as refused:
        prisma_files.load(tmp_path)
    assert refused.value.where == str(tmp_path / place)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="No such file or directory"):
        prisma_files.load(tmp_path / "nowhere")


def test_a_checksum_holds_for_any_newlines() -> None:
    # the pairs of Prisma's own test of checksum.rs
    unix, windows = "ab\ncd\nef\ngh\rab\n", "ab\r\ncd\r\nef\r\ngh\rab\r\n"
    for script in (unix, windows):
        for noted in (unix, windows):
            assert prisma_files.matches(a_migration("1_init", script), hashlib.sha256(noted.encode()).hexdigest())
    assert not prisma_files.matches(a_migration("1_init", "abc\n"), hashlib.sha256(b"abc").hexdigest())


def test_a_checksum_of_an_older_prisma_lacks_zeros() -> None:
    migration = a_migration("1_init", "hello\n")
    old = "".join(f"{byte:x}" for byte in bytes.fromhex(migration.checksum))
    assert len(old) < 64
    assert prisma_files.matches(migration, old)
    assert not prisma_files.matches(a_migration("1_init", "hello"), old)
    assert not prisma_files.matches(migration, "")


@pytest.mark.parametrize("count", range(4))
def test_a_database_is_at_the_last_of_the_first_migrations(count: int) -> None:
    assert prisma_files.position(rows(*NAMES[:count]), THREE) == (NAMES[count - 1] if count else None)


def test_the_order_in_which_they_were_applied_does_not_matter() -> None:
    assert prisma_files.position(rows("2_more", "1_init"), THREE) == "2_more"


def test_what_was_rolled_back_does_not_count() -> None:
    undone = a_row("2_more", checksum="0" * 64, failed=True, rolled_back=True)
    assert prisma_files.position([*rows("1_init"), undone], THREE) == "1_init"
    assert prisma_files.position([*rows("1_init"), a_row("2_more", rolled_back=True)], THREE) == "1_init"
    assert prisma_files.position([*rows("1_init"), undone, a_row("2_more", steps=0)], THREE) == "2_more"
    assert prisma_files.position([a_row("0_gone", rolled_back=True), *rows("1_init")], THREE) == "1_init"


def test_a_failed_migration_is_refused_with_the_two_ways_out() -> None:
    with pytest.raises(
        MigrationError, match=r"2_more failed, or is still running: .* 2026-01-01 12:07:00 UTC"
    ) as refused:
        prisma_files.position([*rows("1_init"), a_row("2_more", minute=7, failed=True)], THREE)
    assert "`prisma migrate resolve --rolled-back 2_more`" in refused.value.hint
    assert "`prisma migrate resolve --applied 2_more`" in refused.value.hint


def test_an_edited_migration_is_refused() -> None:
    with pytest.raises(MigrationError, match="1_init was edited after it was applied") as refused:
        prisma_files.position([a_row("1_init", checksum="0" * 64), a_row("2_more")], THREE)
    assert refused.value.where == "prisma/1_init/migration.sql"


def test_a_gap_is_refused() -> None:
    with pytest.raises(MigrationError, match="2_more is not applied, but 3_last") as refused:
        prisma_files.position(rows("1_init", "3_last"), THREE)
    assert "`prisma migrate resolve --applied 2_more`" in refused.value.hint
    with pytest.raises(MigrationError, match="1_init is not applied, but 2_more"):
        prisma_files.position(rows("2_more"), THREE)


def test_a_migration_that_the_directory_lacks_is_refused() -> None:
    with pytest.raises(MigrationError, match="4_newer was applied, but the directory does not have it") as refused:
        prisma_files.position(rows(*NAMES, "4_newer"), THREE)
    assert refused.value.where == "prisma"
    assert "squash" not in refused.value.hint
    with pytest.raises(MigrationError, match="1_init was applied"):
        prisma_files.position(rows("1_init"), [])


def test_a_squash_that_was_resolved_replaces_what_it_was_made_of() -> None:
    squashed = [a_migration("0_squashed"), a_migration("4_next")]
    with pytest.raises(MigrationError, match="1_init was applied") as refused:
        prisma_files.position(rows(*NAMES), squashed)
    assert "after a squash, `prisma migrate resolve --applied 0_squashed`" in refused.value.hint
    resolved = [*rows(*NAMES), a_row("0_squashed", minute=9, steps=0)]
    assert prisma_files.position(resolved, squashed) == "0_squashed"
    assert prisma_files.position([*resolved, a_row("4_next", minute=10)], squashed) == "4_next"


@pytest.mark.parametrize(("steps", "minute"), [(1, 9), (0, 1)], ids=["was run", "is older"])
def test_a_first_migration_is_no_squash_of_others(steps: int, minute: int) -> None:
    squashed = [a_migration("0_squashed"), a_migration("4_next")]
    with pytest.raises(MigrationError, match="3_last was applied" if steps == 0 else "1_init was applied"):
        prisma_files.position([*rows(*NAMES), a_row("0_squashed", minute=minute, steps=steps)], squashed)
