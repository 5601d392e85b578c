"""Values that are the same in every new database, since it is a copy: what writes them into rows, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.migration.trees import a_revision, a_tree

from tenantplan.migration.lint.lint import lint, made_up
from tenantplan.migration.lint.review import review
from tenantplan.migration.tree import graph as graphs

PLANS = "CREATE TABLE plans (id uuid DEFAULT gen_random_uuid(), name text, made timestamptz DEFAULT now())"
FUNCTION = "CREATE FUNCTION fill() RETURNS void LANGUAGE sql AS $$ INSERT INTO plans VALUES (gen_random_uuid()) $$"
DO = "DO $$ BEGIN INSERT INTO plans (name) VALUES (gen_random_uuid()::text); END $$"


@pytest.mark.parametrize(
    "statements",
    [
        ["INSERT INTO keys VALUES (gen_random_uuid())"],
        ["INSERT INTO keys SELECT encode(gen_random_bytes(8), 'hex') FROM plans"],
        ["INSERT INTO keys SELECT k FROM (SELECT random() AS k) AS made"],
        ["WITH made AS (SELECT uuid_generate_v4() AS k) INSERT INTO keys SELECT k FROM made"],
        ["WITH made AS (INSERT INTO keys VALUES (random()) RETURNING 1) SELECT * FROM made"],
        ["INSERT INTO keys (k) VALUES (1) ON CONFLICT (k) DO UPDATE SET token = gen_random_uuid()"],
        ["UPDATE keys SET token = md5(random()::text) WHERE token IS NULL"],
        ["MERGE INTO keys USING plans ON true WHEN NOT MATCHED THEN INSERT (k) VALUES (gen_random_uuid())"],
        ["CREATE TABLE keys AS SELECT gen_random_uuid() AS k"],
        [PLANS, "INSERT INTO plans (name) VALUES ('free')"],
        [PLANS, "INSERT INTO plans (id, name) VALUES (DEFAULT, 'free')"],
        [PLANS, "INSERT INTO plans DEFAULT VALUES"],
        ["ALTER TABLE keys ALTER k SET DEFAULT gen_random_uuid()", "INSERT INTO keys (a) VALUES (1)"],
        ["INSERT INTO keys (a) VALUES (1)", "ALTER TABLE keys ADD COLUMN k uuid DEFAULT gen_random_uuid()"],
        ["CREATE TABLE keys (a int)", "INSERT INTO keys VALUES (1)", "UPDATE keys SET a = random()"],
        [PLANS, DO],
        [PLANS, FUNCTION, "SELECT fill()"],
    ],
)
def test_random_values_in_rows(statements: list[str]) -> None:
    found = [hazard for hazard in made_up(statements) if hazard.level == "warning"]
    assert found and all(hazard.rule == "made-up-value" and hazard.table for hazard in found)
    assert found[0].statement == len(statements) - 1
    assert not [hazard for hazard in lint(statements) if hazard.rule == "made-up-value"]


@pytest.mark.parametrize(
    "statements",
    [
        [PLANS],
        [
            PLANS,
            "INSERT INTO plans (id, name, made) VALUES ('0190d1d0-0000-7000-8000-000000000000', 'free', '2026-01-01')",
        ],
        [PLANS, "ALTER TABLE plans ADD COLUMN token uuid DEFAULT gen_random_uuid()"],
        [PLANS, "UPDATE plans SET id = gen_random_uuid()"],  # there are none yet
        ["INSERT INTO keys SELECT a FROM old WHERE made < now() AND random() < 2"],
        ["INSERT INTO keys VALUES (nextval('keys_seq'))"],
        ["CREATE TEMPORARY TABLE keys (a uuid)", "INSERT INTO keys VALUES (gen_random_uuid())"],
        ["CREATE VIEW keys AS SELECT gen_random_uuid()"],
        ["SELECT gen_random_uuid()"],
        [PLANS, FUNCTION],
        ["INSERT INTO public._prisma_migrations (id) VALUES (gen_random_uuid()::text)"],
    ],
)
def test_what_is_no_such_value(statements: list[str]) -> None:
    assert made_up(statements) == ()


@pytest.mark.parametrize("value", ["now()", "CURRENT_TIMESTAMP", "current_date", "clock_timestamp()"])
def test_a_time_is_worth_knowing_only(value: str) -> None:
    (found,) = made_up([f"INSERT INTO keys VALUES ({value})"])
    assert (found.level, found.table) == ("info", "public.keys")


def test_a_review_names_the_revision_and_can_be_told_otherwise(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, aa="op.execute('CREATE TABLE keys (k uuid)')")
    a_revision(tree, "bb", "aa", "op.execute('INSERT INTO keys VALUES (gen_random_uuid())')")
    body = "import uuid\nop.execute(f\"INSERT INTO keys VALUES ('{uuid.uuid4()}')\")"
    a_revision(tree, "cc", "bb", body, extra="# tenantplan: allow made-up-value the same key for all is meant\n")
    graph = graphs.load(tree, "tenant")
    rule = "made-up-value"
    said = {
        each.revision.id: [(remark.hazard.level, remark.allowed) for remark in each.remarks if remark.hazard.rule == rule]
        for each in review(graph, None, graph.head)
    }  # fmt: skip
    assert said == {"aa": [], "bb": [("warning", None)], "cc": [("warning", "the same key for all is meant")]}
    main = graphs.load(tree, "main")  # of which there is one only
    assert not [
        r for each in review(main, None, main.head)[:2] for r in each.remarks if r.hazard.rule == "made-up-value"
    ]
