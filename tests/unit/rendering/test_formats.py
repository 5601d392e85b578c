"""The table of formats: what each makes of a plan, and of the rows of a report."""

from __future__ import annotations

import csv
import io
import json

import pytest
from unit.rendering.builders import a_dedicated_organization, a_plan

from tenantplan.model.plan import parse
from tenantplan.rendering.command import Call
from tenantplan.rendering.formats import PLAN, ROWS, PlanOptions
from tenantplan.rendering.rows import Rows

UNSIGNED = PlanOptions(lambda: None, Call())
FOUND = Rows(
    ("holder", "size_bytes", "note"),
    (("organization/msf", 1536, "postgresql://x:geheim@h/d"), ("main", 12, None)),
    "There are none.",
)


@pytest.mark.parametrize("form", [form for form in PLAN if form != "github"])
def test_every_format_of_a_plan_names_what_it_changes(form: str) -> None:
    assert "organization/msf" in PLAN[form](a_plan(*a_dedicated_organization()), UNSIGNED)


def test_annotations_count_what_a_plan_changes() -> None:
    assert "1 to create" in PLAN["github"](a_plan(*a_dedicated_organization()), UNSIGNED)


def test_json_is_the_plan_file() -> None:
    plan = a_plan(*a_dedicated_organization())
    assert parse(PLAN["json"](plan, UNSIGNED).encode(), "here").digest == plan.digest
    signed = PLAN["json"](plan, PlanOptions(lambda: lambda covered: "the seal", Call()))
    assert json.loads(signed)["seal"] == "the seal"


@pytest.mark.parametrize("form", ROWS)
def test_no_format_of_rows_shows_a_password(form: str) -> None:
    shown = ROWS[form](FOUND, False)
    assert "organization/msf" in shown
    assert "geheim" not in shown


def test_rows_are_the_same_in_every_format() -> None:
    assert [list(document.values())[:2] for document in json.loads(ROWS["json"](FOUND, False))] == [
        ["organization/msf", "postgresql://x:***@h/d"],
        ["main", None],
    ]
    assert [row[1] for row in csv.reader(io.StringIO(ROWS["csv"](FOUND, False)))] == ["size_bytes", "1536", "12"]
    assert [line.split()[1:3] for line in ROWS["text"](FOUND, False).splitlines()[1:]] == [["1.5", "kB"], ["12", "B"]]


def test_a_table_without_rows_says_so() -> None:
    nothing = Rows(FOUND.columns, (), "There are none.")
    assert ROWS["text"](nothing, False) == "There are none.\n"
    assert json.loads(ROWS["json"](nothing, False)) == []
