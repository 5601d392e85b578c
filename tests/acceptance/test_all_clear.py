"""A plan ends with an all-clear only where it knows of nothing else: orphans, and stamps that are not what `status` reads."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

CLEAR = "The live fleet matches the YAML"


def test_an_orphan_is_no_all_clear(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.organization("old")
    fleet.apply()
    assert CLEAR in fleet.run("plan").out
    fleet.remove("Organization", "old")
    for form in ("text", "markdown", "html"):
        shown = fleet.run("plan", "--format", form).out
        assert CLEAR not in shown and "1 orphan above" in shown


def test_a_stamp_that_is_not_what_status_reads(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    assert fleet.run("plan").out.endswith("by their stamps (plan --refresh deep inspects each).\n")
    assert fleet.run("plan", "--refresh", "deep", "--detailed-exitcode").out.endswith(f"{CLEAR}.\n")
    fleet.execute("UPDATE public.alembic_version SET version_num = '3f2a7c10'", database=fleet.database("msf"))
    assert "3f2a7c10" in fleet.run("status").out
    shown = fleet.run("plan", "--refresh", "deep", "--detailed-exitcode", code=2).out
    assert "1 database that differs from its stamp above" in shown and "No changes." not in shown
