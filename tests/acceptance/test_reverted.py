"""A plan that was applied in part, and what it did was taken back since: it is stale as a whole."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

DEDICATED = "protect: false\ndatabase: { mode: dedicated }\n"


@pytest.fixture
def halfway(fleet: Fleet) -> Fleet:
    """A plan of two organizations and a suspension that stopped at the second, whose role somebody else had made."""
    fleet.organization("first", DEDICATED)
    fleet.apply()
    fleet.organization("first", DEDICATED + "state: suspended")
    fleet.organization("second", DEDICATED)
    fleet.organization("third", "protect: false")
    fleet.run("plan", "--out", "plan.json")
    killed = fleet.process(
        "apply", "plan.json", "--auto-approve", "--parallelism", "1", env={"TENANTPLAN_FAILPOINT": "committed:1"}
    )
    assert killed.code < 0
    return fleet


STATE = "SELECT slug, state::text FROM organizations ORDER BY 1"


def test_it_goes_on_when_nothing_was_taken_back(halfway: Fleet) -> None:
    assert halfway.rows(STATE) == [("first", "suspended")]
    halfway.run("apply", "plan.json", "--auto-approve")
    halfway.converged()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE organizations SET state = 'active' WHERE slug = 'first'",
        "ALTER ROLE {role} LOGIN",
        "GRANT CONNECT ON DATABASE {database} TO {role}",
    ],
)
def test_what_was_taken_back_makes_it_stale(halfway: Fleet, change: str) -> None:
    database = halfway.database("first")
    halfway.execute(change.format(role=f"{database}_app", database=database))
    runs = halfway.rows("SELECT count(*) FROM tenantplan.runs")
    refused = halfway.run("apply", "plan.json", "--auto-approve", code=4)
    assert "partly applied, and what it did has been changed since" in refused.err
    assert halfway.rows("SELECT count(*) FROM tenantplan.runs") == runs
    assert halfway.rows("SELECT count(*) FROM organizations") == [(1,)]
    halfway.apply()
    halfway.converged()


def test_a_deletion_that_was_taken_back_makes_it_stale(fleet: Fleet) -> None:
    """It was committed, and its run never closed."""
    fleet.organization("first", "protect: false")
    fleet.apply()
    fleet.organization("first", "protect: false\nstate: deleted")
    fleet.run("plan", "--out", "plan.json", code=3)
    apply = ("apply", "plan.json", "--auto-approve", "--allow-deletes", "1")
    assert fleet.process(*apply, env={"TENANTPLAN_FAILPOINT": "committed:1"}).code < 0
    assert fleet.rows(STATE) == [("first", "deleted")]
    fleet.execute("UPDATE organizations SET state = 'active', deleted_at = NULL")
    assert "partly applied, and what it did has been changed since" in fleet.run(*apply, code=4).err
    assert fleet.rows(STATE) == [("first", "active")]
