"""The pull-request comment: inert, short enough, destructive changes never cut before safe ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from unit.rendering.builders import (
    HOSTILE,
    a_dedicated_organization,
    a_hostile_plan,
    a_migration,
    a_plan,
    an_operation,
    an_organization,
)

from tenantplan.model.plan import Finding, Plan
from tenantplan.rendering import markdown

GITHUB = MarkdownIt("gfm-like", {"linkify": False})
FIXED_HTML = {"<!-- tenantplan:plan:", "<details><summary>SQL</summary>", "</details>"}


def test_a_reviewer_sees_counts_changes_sql_and_digest() -> None:
    flags = [an_organization(feature_flags={"A": value}) for value in (False, True)]
    plan = a_plan(
        *a_dedicated_organization(),
        an_operation("organization/old", "update", *flags),
        an_operation("organization/gone", "delete", an_organization(), None, retire=True, risk="destructive"),
        a_migration("a"), a_migration("b"),
        unreachable=(Finding("organization/x", "unreachable", "refused"),),
    )  # fmt: skip
    assert (
        markdown.plan(plan, grace_days=30)
        == f"""\
<!-- tenantplan:plan:demo -->
### tenantplan plan for `demo`

**1 to create, 1 to update, 2 to migrate, 1 to delete; 1 unreachable.** 1 destructive.

main `tenantplan_main, PostgreSQL 18.4` base `4f2c1e7`{" "}

#### Destructive

- **\\-** `organization/gone` `delete: marked as deleted, with everything nested in it, restorable for 30 days`

#### Unreachable, not planned

- `organization/x` `refused`

#### Changes

- **\\+** `organization/msf` `dedicated on primary: database tenantplan_org_msf at 9c1b, 3 roles, 2 modules, 1 member`
- **\\~** `organization/old`
  - `featureFlags.A` `false` → `true`
- **\\^** `2 databases` `migrate 3f2a -> 9c1b: 2 revisions, the same 1 statement, locks donors`
  - on `primary/a, primary/b`

<details><summary>SQL</summary>

`2 databases: 1 statement`

```sql
ALTER TABLE donors ADD COLUMN consent_at timestamptz;
```

</details>

digest `{plan.digest}`: approving names exactly this plan.
"""
    )


def test_an_empty_plan_says_so() -> None:
    assert "**No changes.**" in markdown.plan(a_plan())
    assert "digest" not in markdown.plan(a_plan())


def prose(tokens: list[Token]) -> set[str]:
    """The pieces of text that stand outside code."""
    return {child.content for token in tokens for child in token.children or () if child.type == "text"}


@pytest.mark.parametrize("hostile", [text for text in HOSTILE if "\ud800" not in text])
def test_hostile_names_make_no_markup(hostile: str) -> None:
    shown = markdown.plan(a_hostile_plan(hostile))
    tokens = GITHUB.parse(shown)
    inline = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in inline} <= {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
    allowed = {"heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "bullet_list_open",
               "bullet_list_close", "list_item_open", "list_item_close", "html_block", "fence"}  # fmt: skip
    assert {token.type for token in tokens} <= allowed
    html = [token.content.strip() for token in tokens if token.type == "html_block"]
    assert not [block for block in html[1:] if block not in FIXED_HTML]
    assert [token.info for token in tokens if token.type == "fence"] == ["sql"] * 2
    assert prose(tokens) <= prose(GITHUB.parse(markdown.plan(a_hostile_plan("plain"))))
    assert shown.count("<!--") == 1
    assert not [line for line in shown.splitlines() if line.lstrip().startswith("::") or "##[" in line]


def a_large_plan(number: int) -> Plan:
    flags = [an_organization(feature_flags={"A": value}) for value in (False, True)]
    updates = [an_operation(f"organization/safe-{n}", "update", *flags) for n in range(number)]
    deletes = [
        an_operation(f"organization/gone-{n}", "delete", an_organization(), None, risk="destructive") for n in range(50)
    ]
    long = a_migration("z", *(f"ALTER TABLE t{n} ADD COLUMN {'c' * 400} text" for n in range(2000)))
    orphans = tuple(Finding(f"organization/orphan-{n}", "orphan", "😀" * 50) for n in range(number))
    return a_plan(*updates, *deletes, long, orphans=orphans)


def test_a_comment_is_cut_to_the_limit_and_destructive_changes_stay() -> None:
    shown = markdown.plan(a_large_plan(1500))
    assert 60_000 < len(shown) < 65_535
    assert all(f"organization/gone-{n}`" in shown for n in range(50))
    cut = 1500 - shown.count("`organization/safe-") + 1500 - shown.count("`organization/orphan-")
    assert f"{cut + 1} more entries cut, SQL of 1 more change cut.**" in shown
    assert "digest `" in shown


@pytest.mark.parametrize("limit", [2_000, 5_000, 20_000])
def test_a_safe_change_is_cut_before_any_destructive_one(limit: int) -> None:
    shown = markdown.plan(a_large_plan(100), limit=limit)
    assert len(shown) < limit
    assert shown.startswith("<!-- tenantplan:plan:demo -->\n")
    assert " cut" in shown
    if "`organization/safe-" in shown:
        assert shown.count("`organization/gone-") == 50


@pytest.mark.parametrize("long", ["x", "`", "\u202e", "\n", "💥"])
def test_a_very_long_name_hides_nothing(long: str) -> None:
    """What somebody else wrote does not take the place of a deletion that a reviewer has to see."""
    hostile, fair = a_hostile_plan(long * 50_000), a_large_plan(10)
    shown = markdown.plan(replace(hostile, operations=(*hostile.operations, *fair.operations), fleet="demo"))
    assert len(shown) < 65_535
    assert all(f"organization/gone-{n}`" in shown for n in range(50))


def test_nothing_is_cut_when_it_fits() -> None:
    assert " cut" not in markdown.plan(a_large_plan(10), limit=10**7).replace("-- 1800 more lines cut", "")


def test_the_marker_is_one_comment_whatever_the_fleet_is_called() -> None:
    assert markdown.marker("a --> <b>") == "<!-- tenantplan:plan:a_--___b_ -->"
