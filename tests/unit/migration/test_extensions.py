"""Which extensions a path makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantplan.live.extensions import Supply
from tenantplan.migration.extensions import Need, needs
from tenantplan.model.step import PROGRAM, TRANSACTION, Origin, Step


def of(*statements: str) -> tuple[Need, ...]:
    return needs([Step(TRANSACTION, statements, "a", origins=(Origin("a", True, len(statements)),))], {})


def test_extensions_are_found_in_statements_with_their_revisions() -> None:
    first = Step(TRANSACTION, ('CREATE EXTENSION IF NOT EXISTS "uuid-ossp"', "SELECT 1"), "b", origins=(
        Origin("a", True, 1), Origin("b", True, 1)))  # fmt: skip
    second = Step(TRANSACTION, ("create extension citext with schema public",), "c")
    assert needs([first, second, second], {}) == (Need("uuid-ossp", "a"), Need("citext", "c"))


@pytest.mark.parametrize(
    "text",
    [
        "DROP EXTENSION citext",
        "SELECT 'CREATE EXTENSION citext'",
        "DO $$ BEGIN CREATE EXTENSION citext; EXCEPTION WHEN OTHERS THEN NULL; END $$",
        "COMMENT ON EXTENSION citext IS 'x'",
        "CREATE EXTENSION",
    ],
)
def test_what_makes_none(text: str) -> None:
    assert of(text) == ()


def test_pgcrypto_for_what_postgresql_has_itself() -> None:
    (need,) = of("CREATE EXTENSION pgcrypto", "CREATE TABLE a (id uuid DEFAULT gen_random_uuid())")
    assert need.spare
    assert "since 13" in need.advice
    (need,) = of("CREATE EXTENSION pgcrypto", "UPDATE a SET p = crypt(p, gen_salt('bf'))")
    assert not need.spare
    assert not need.advice


def test_a_program_may_make_what_its_texts_say(tmp_path: Path) -> None:
    file = tmp_path / "p.py"
    file.write_text('def upgrade():\n    op.execute("CREATE EXTENSION hstore")\n    print("an extension, says who?")\n')
    program = Step(PROGRAM, ("-- x",), "p", program="upgrade p")
    assert needs([program], {"p": file}) == (Need("hstore", "p", certain=False),)


@pytest.mark.parametrize(
    ("supply", "as_owner", "existing", "said"),
    [
        (Supply("h", False, False, False, False, True, True), False, False, "does not have it"),
        (Supply("h", True, False, False, False, True, True), True, False, "the embedded server does not have it"),
        (Supply("h", True, True, True, False, False, False), True, False, "on the embedded server"),
        (Supply("h", False, True, False, False, False, False), True, False, ""),
        (Supply("h", False, True, True, False, True, False), True, False, "trusted = true"),
        (Supply("h", False, True, True, False, True, True), True, False, "trusted = true"),
        (Supply("h", False, True, True, False, True, True), True, True, ""),
        (Supply("h", False, True, True, False, False, False), True, True, "only a superuser"),
        (Supply("h", False, True, True, True, False, False), True, True, ""),
        (Supply("h", False, True, True, False, True, False), False, False, ""),
        (Supply("h", False, True, True, False, False, False), False, True, "only a superuser"),
    ],
)
def test_who_may_make_it_where(supply: Supply, as_owner: bool, existing: bool, said: str) -> None:
    why = supply.obstacle(as_owner, existing)
    assert said in why if said else not why
