"""Plans, reports and tables as text, and hostile text in a terminal, a log and the plan file."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import click
import pytest
from unit.rendering.builders import (
    HOSTILE,
    a_dedicated_organization,
    a_hostile_plan,
    a_migration,
    a_plan,
    an_operation,
    an_organization,
)

from tenantplan.model.drift import DriftItem
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.report import Outcome, Report
from tenantplan.rendering import text
from tenantplan.rendering.command import Call

GOLDEN = """\
tenantplan plan   fleet demo   main tenantplan_main on primary, PostgreSQL 18.4   base 4f2c1e7

  + organization/msf          dedicated on primary: database tenantplan_org_msf at 9c1b, 3 roles, 2 modules, 1 member
  ~ organization/croix-rouge  featureFlags.MAGIC_WAND  false -> true
  ^ 12 databases              migrate 3f2a -> 9c1b: 2 revisions, the same 3 statements, locks donors
        on primary/org_00, primary/org_01, primary/org_02 and 9 more
        ALTER TABLE donors ADD COLUMN consent_at timestamptz
        CREATE TABLE x ( a int )
        SELECT 1
  ? organization/old-client   live but not declared: left alone
  ! organization/unicef       database unreachable: eu-1.example:5432 refused the connection; not planned

Plan: 1 to create, 1 to update, 12 to migrate, 0 to delete; 1 orphan, 1 unreachable. \
Nothing is deleted; for migrations, see their SQL.
digest DIGEST…   to apply exactly this: tenantplan apply
"""
STATEMENTS = ("ALTER TABLE donors ADD COLUMN consent_at timestamptz", "CREATE TABLE x (\n\ta int\n)", "SELECT 1")
ORPHAN = Finding("organization/old-client", "orphan", "live but not declared: left alone")
UNREACHABLE = Finding(
    "organization/unicef", "unreachable",
    "database unreachable: eu-1.example:5432 refused the connection; not planned",
)  # fmt: skip


def the_plan(**changes: Any) -> Plan:
    flags = [an_organization(feature_flags={"MAGIC_WAND": value}) for value in (False, True)]
    return a_plan(
        *a_dedicated_organization(),
        an_operation("organization/croix-rouge", "update", *flags),
        *(a_migration(f"org_{number:02}", *STATEMENTS) for number in range(12)),
        orphans=(ORPHAN,),
        unreachable=(UNREACHABLE,),
        target={"main_database": "tenantplan_main", "server": "primary", "server_version": "18.4"},
        **changes,
    )


def test_a_plan_reads_as_the_design_says() -> None:
    plan = the_plan()
    assert text.plan(plan) == GOLDEN.replace("DIGEST", plan.digest[:12])


def test_colours_only_add_escapes() -> None:
    plan = the_plan()
    coloured = text.plan(plan, color=True)
    assert "\x1b[" in coloured
    assert click.unstyle(coloured) == text.plan(plan)


def test_verbose_shows_every_statement_database_and_the_whole_digest() -> None:
    plan = the_plan()
    shown = text.plan(plan, verbose=True)
    assert all(f"on primary/org_{number:02}" in shown for number in range(12))
    assert "        CREATE TABLE x (\n            a int\n        )\n        SELECT 1\n" in shown
    assert plan.digest in shown
    assert "--verbose" not in shown


def test_an_empty_plan_says_so_and_still_names_what_it_could_not_read() -> None:
    assert text.plan(a_plan()).endswith(
        "\n\nNo changes. The live fleet matches the YAML, its databases by their stamps"
        " (plan --refresh deep inspects each).\n"
    )
    assert text.plan(a_plan(), call=Call(deep=True)).endswith("\n\nNo changes. The live fleet matches the YAML.\n")
    partly = text.plan(a_plan(unreachable=(UNREACHABLE,)))
    assert "! organization/unicef" in partly
    assert "No changes in what could be read; the rest was not planned." in partly


def test_blockers_end_the_plan_and_only_the_brake_can_be_released() -> None:
    delete = an_operation("organization/x", "delete", an_organization(), None, retire=True, risk="destructive")
    brake = Finding("fleet", "max-deletes", "1 deletion planned, 0 allowed")
    protected = Finding("organization/x", "protected", "is protected")
    held = text.plan(a_plan(delete, blockers=(brake,)))
    assert "apply refuses this plan without --allow-deletes 1 (exit 3)." in held
    assert "(destructive)" in held
    refused = text.plan(a_plan(delete, blockers=(brake, protected)))
    assert refused.endswith("Blocked: 2 blockers above; apply refuses this plan (exit 3).\n")


def test_an_interrupted_run_is_something_to_do() -> None:
    shown = text.plan(a_plan(unfinished="run-7"))
    assert "Run run-7 was interrupted" in shown
    assert "No changes" not in shown


def test_a_report_lists_what_was_not_done_with_the_next_step() -> None:
    def outcome(name: str, status: str, error: str = "") -> Outcome:
        return Outcome(an_operation(f"organization/{name}"), status, error)

    done = Report("r", "d", (outcome("a", "done"), outcome("b", "recovered")), 3.21, recovered=1)
    assert text.report(done) == (
        "Recovered: 1 operation that an interrupted run had completed.\nApplied: 2 done, 0 failed in 3.2 s\n"
    )
    outcomes = (outcome("a", "done"), outcome("b", "failed", "postgresql://u:canary@h refused"),
                outcome("c", "skipped", "b failed"), outcome("d", "stale"))  # fmt: skip
    shown = text.report(Report("r", "d", outcomes, 1.0, remaining=3))
    assert "  ! update organization/b  postgresql://u:***@h refused\n" in shown
    assert "1 failed: fix the cause and run tenantplan apply again" in shown
    assert "1 stale: it changed after the plan was made" in shown
    assert "A fresh plan still lists 3 operations" in shown
    assert shown.endswith("Applied: 1 done, 1 failed, 1 stale, 1 skipped in 1.0 s\n")


def test_a_table_is_aligned_and_masked() -> None:
    shown = text.table(("name", "url"), [("msf", "postgresql://u:canary@h/d"), ("croix-rouge", None)])
    assert shown == "  name         url\n  msf          postgresql://u:***@h/d\n  croix-rouge\n"
    assert text.table(("name",), []) == "  name\n"


def test_drift_is_grouped_by_address() -> None:
    items = [DriftItem("organization/msf", "featureFlags.A", "true", "false"),
             DriftItem("organization/msf", "index public.i", "CREATE INDEX i", "")]  # fmt: skip
    assert text.drift(items) == (
        "  ~ organization/msf\n"
        "        featureFlags.A  expected true, found false\n"
        "        index public.i  expected CREATE INDEX i, found absent\n\n"
        "Drift: 2 differences in 1 object.\n"
    )
    assert text.drift([]) == "No drift. Everything is as it was last applied.\n"


def assert_inert(shown: str) -> None:
    """No control character but newlines, and nothing that the Actions runner takes for a command."""
    assert not [c for c in shown if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert not re.search(r"(?m)^\s*::", shown)
    assert "##[" not in shown


@pytest.mark.parametrize("hostile", [text for text in HOSTILE if "\ud800" not in text])
def test_hostile_names_are_inert_in_text(hostile: str) -> None:
    plan = a_hostile_plan(hostile)
    assert_inert(text.plan(plan))
    assert_inert(text.plan(plan, verbose=True))
    outcomes = tuple(Outcome(operation, "failed", hostile) for operation in plan.operations)
    assert_inert(text.report(Report("r", "d", outcomes, 1.0)))
    assert_inert(text.table(("a", "b"), [(hostile, hostile), (None, hostile)]))
    assert_inert(text.drift([DriftItem(hostile, hostile, hostile, hostile)]))


def test_very_long_names_make_no_very_long_lines() -> None:
    long = "x" * 100_000
    plan = a_hostile_plan(long)
    outcomes = tuple(Outcome(operation, "failed", long) for operation in plan.operations)
    for shown in (text.plan(plan), text.table(("a", "b"), [(long, 1), (2, long)]), text.drift([DriftItem(long, long, long, long)]),
                  text.report(Report("r", "d", outcomes, 1.0))):  # fmt: skip
        assert max(map(len, shown.splitlines())) < 6000


@pytest.mark.parametrize("hostile", [text for text in HOSTILE if "\ud800" not in text])
def test_the_plan_file_keeps_a_hostile_value_on_one_line_without_a_control_character(hostile: str) -> None:
    data = a_hostile_plan(hostile).to_bytes().decode()
    assert data.count("\n") == 1
    assert not re.search("[\x00-\x09\x0b-\x1f]", data)
    assert json.loads(data)["fleet"] == hostile
