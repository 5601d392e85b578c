"""Every connection that apply makes to an organization's database is in the audit log, with its result."""

from __future__ import annotations

from collections import Counter

import pytest
from acceptance.harness import Fleet
from acceptance.own_database import own_database
from acceptance.tenant_tree import tenant_tree
from acceptance.test_repair import an_index

pytestmark = pytest.mark.once

PREFLIGHT = "\n\npreflight = ('SELECT FROM donors WHERE phone = $$none$$',)\n"
ADD = "op.add_column('donors', sa.Column({!r}, sa.Text()))"
LOOKS = "op.get_bind().execute(sa.text('SELECT count(*) FROM donors')).scalar()"


class Connects:
    """The entries since the last time: (organization, result) -> how many."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.seen = 0

    def new(self) -> Counter[tuple[str, str]]:
        rows = self.fleet.rows(
            "SELECT organization, result, detail FROM tenantplan.audit_log"
            " WHERE action = 'connect' AND organization IS NOT NULL ORDER BY sequence OFFSET %s",
            self.seen,
        )
        self.seen += len(rows)
        for _, result, detail in rows:
            assert (result == "failed") == (detail is not None)
            assert detail is None or f"127.0.0.1:{self.fleet.server.port}" in detail
        return Counter((str(held).removeprefix("organization/"), result) for held, result, _ in rows)


def test_every_kind_of_connection(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    spec = "guard: { maxChangedPercent: 100 }\nrollout: { parallelism: 1, batch: 1, maxFailures: 5, health: SELECT WHERE false }"
    fleet.settings(spec, migrations="migrations/tenant")
    for name in ("a", "b"):
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.apply()
    connects = Connects(fleet)
    assert connects.new() == {}  # a clone is made from outside

    path = tree.add("aa01", ADD.format("x"))
    path.write_text(path.read_text() + PREFLIGHT)
    fleet.apply()  # each: preflight, migration; a: health, before the wave of b
    assert connects.new() == {("a", "done"): 3, ("b", "done"): 2}

    tree.add("aa02", LOOKS)
    fleet.apply()  # a program of Alembic's, in a process of its own
    assert connects.new() == {("a", "done"): 2, ("b", "done"): 1}

    fleet.execute(f"DROP INDEX {an_index(fleet)}", database=fleet.database("a"))
    fleet.run("drift", "--repair", "--out", "plan.json", code=2)
    fleet.run("apply", "plan.json", "--auto-approve")
    assert connects.new() == {("a", "done"): 1}

    path = tree.add("aa03", ADD.format("y"))
    path.write_text(path.read_text() + PREFLIGHT)
    fleet.run("plan", "--out", "plan.json")
    fleet.execute(f"ALTER DATABASE {fleet.database('a')} ALLOW_CONNECTIONS false", database="postgres")
    fleet.run("apply", "plan.json", "--auto-approve", code=5)
    assert connects.new() == {("a", "failed"): 2, ("b", "done"): 2}  # preflight and migration
    fleet.execute(f"ALTER DATABASE {fleet.database('a')} ALLOW_CONNECTIONS true", database="postgres")
    fleet.apply()
    assert connects.new() == {("a", "done"): 2}
    fleet.converged()


def test_a_preflight_that_stops_everything_leaves_its_attempts(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.organization("a", "database: { mode: dedicated }")
    fleet.apply()
    fleet.execute("INSERT INTO donors (phone) VALUES ('none')", database=fleet.database("a"))
    path = tree.add("aa01", ADD.format("x"))
    path.write_text(path.read_text() + PREFLIGHT)
    connects = Connects(fleet)
    connects.new()
    fleet.apply(code=3)
    assert connects.new() == {("a", "done"): 1}
    fleet.run("audit", "verify")


def test_a_failure_seen_while_planning_is_audited_by_the_next_apply(fleet: Fleet) -> None:
    """A plan writes nothing; the apply of it does, also when there is nothing else to do."""
    entries = (
        "SELECT organization, result, detail FROM tenantplan.audit_log WHERE action = 'connect' AND result = 'failed'"
        " ORDER BY sequence"
    )
    with own_database(fleet, "CUST"):
        fleet.organization("cust", "database: { url: { env: CUST } }")
        fleet.apply()
        fleet.env["CUST"] = "postgresql://u:canary@127.0.0.1:1/nothing?sslmode=disable"
        plan = fleet.plan()
        assert [a["address"] for a in plan["attempts"]] == ["organization/cust"]
        assert fleet.rows(entries) == []
        fleet.organization("other")
        fleet.apply(code=5)
        ((held, _, detail),) = fleet.rows(entries)
        assert held == "organization/cust" and "127.0.0.1:1" in detail and "while the plan was made, 2" in detail
        fleet.apply(code=5)
        assert len(fleet.rows(entries)) == 2

        fleet.organization("third")
        fleet.run("plan", "--out", "plan.json")
        path = fleet.root / "plan.json"
        fleet.run("apply", str(path), code=5)
        *_, (held, _, detail) = fleet.rows(entries)
        assert held == "organization/cust" and detail.endswith("(while the plan was compared)")
        assert len(fleet.rows(entries)) == 3 and "canary" not in repr(fleet.rows(entries))
        fleet.run("audit", "verify")
