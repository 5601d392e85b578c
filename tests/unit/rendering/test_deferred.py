"""What waits for a change window or the end of a freeze, as people read it."""

from __future__ import annotations

from unit.rendering.builders import a_deferral, a_migration, a_plan

from tenantplan.rendering import html, markdown, text
from tenantplan.rendering.view import build, counts

MIGRATE = "migrate 3f2a -> 9c1b: 2 revisions"
WAITING = tuple(a_deferral(f"schema/primary/org_{number:02}", "migrate", MIGRATE) for number in range(12))
GONE = a_deferral("organization/old", "delete", "retire row old")
WHEN = "deferred until Mon 2026-11-23 22:00 Europe/Paris (change window)"


def test_databases_that_wait_for_the_same_are_one_line() -> None:
    shown = text.plan(a_plan(a_migration("now"), deferred=(*WAITING, GONE)))
    assert (
        f"  z 12 databases        {MIGRATE}, {WHEN}\n        on primary/org_00, primary/org_01, primary/org_02 and 9 more\n"
        in shown
    )
    assert f"  z organization/old    retire row old, {WHEN}\n" in shown
    assert "Plan: 0 to create, 0 to update, 1 to migrate, 0 to delete; 13 deferred." in shown
    assert text.plan(a_plan(deferred=WAITING), verbose=True).count("        on primary/org_") == 12


def test_many_changes_alike_are_summed_up_and_few_are_not() -> None:
    many = tuple(a_deferral(f"organization/o{number}", why="freeze: Christmas") for number in range(9))
    assert [(e.title, e.headline.split(",")[0], len(e.names)) for e in build(a_plan(deferred=many)).deferred] == [
        ("9 changes", "update", 9)
    ]
    assert len(build(a_plan(deferred=many), verbose=True).deferred) == 9
    assert len(build(a_plan(deferred=many[:5])).deferred) == 5
    other = (*many[:5], *(a_deferral(d.address, until="2026-11-24T21:00:00Z") for d in many[5:]))
    assert len(build(a_plan(deferred=other)).deferred) == 9  # not until the same time


def test_a_plan_of_nothing_else_does_not_say_that_all_is_well() -> None:
    plan = a_plan(deferred=(GONE,))
    assert plan.empty and plan.summary["delete"] == 0
    for shown in (text.plan(plan), markdown.plan(plan), html.plan(plan)):
        assert "matches the YAML" not in shown
        assert "Nothing to apply now" in shown and WHEN in shown
    assert counts(build(plan)).endswith("; 1 deferred")


def test_a_comment_and_the_page_name_them_too() -> None:
    plan = a_plan(a_migration("now"), deferred=(*WAITING, GONE))
    comment = markdown.plan(plan)
    assert (
        f"""#### Deferred: apply leaves these for later

- **\\z** `12 databases` `{MIGRATE}, {WHEN}`
  - on `{", ".join(f"primary/org_{number:02}" for number in range(12))}`
- **\\z** `organization/old` `retire row old, {WHEN}`
"""
        in comment
    )
    assert comment.index("#### Changes") < comment.index("#### Deferred")
    page = html.plan(plan)
    assert f"<code>organization/old</code> retire row old, {WHEN}" in page
    assert "<code>primary/org_11</code>" in page


def test_a_connection_string_in_a_reason_is_masked() -> None:
    plan = a_plan(deferred=(a_deferral("organization/a", why="freeze: postgresql://u:geheim@h/d"),))
    assert not any("geheim" in shown for shown in (text.plan(plan), markdown.plan(plan), html.plan(plan)))
