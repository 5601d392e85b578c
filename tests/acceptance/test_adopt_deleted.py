"""Adopting a row that the application has deleted does not undo the deletion."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

SHOP = "organization: msf\ndisplayName: Shop\ntransforms: [ { name: thumbnail, width: 320 } ]"
THEIRS = """
    INSERT INTO projects (id, organization_id, slug, display_name, status, deleted_at)
    SELECT gen_random_uuid(), id, 'shop', 'Shop', 'DELETED', '2027-03-04 05:06:07Z' FROM organizations
    RETURNING id::text
"""


def notes(fleet: Fleet) -> dict[str, str]:
    return {n["rule"]: n["message"] for n in fleet.plan()["notes"] if n["address"] == "project/shop"}


def stored(fleet: Fleet) -> tuple[str, bool, bool]:
    columns = "SELECT status::text, deleted_at IS NOT NULL, managed_by IS NOT NULL FROM projects"
    found: tuple[str, bool, bool] = fleet.rows(columns)[0]
    return found


def test_what_the_application_deleted_is_adopted_only_with_restore(fleet: Fleet) -> None:
    fleet.organization("msf")
    fleet.apply()
    fleet.execute(THEIRS)
    (identifier,) = fleet.rows("SELECT id::text FROM projects")[0]
    fleet.document("Project", "shop", SHOP, adopt=True)
    assert fleet.operations() == []
    assert notes(fleet)["deleted-by-the-application"] == (
        "the application deleted it at 2027-03-04T05:06:07Z: left alone, and not adopted."
        f" metadata.restore: {identifier} beside adopt would adopt it and bring it back"
    )
    fleet.apply()
    assert stored(fleet) == ("DELETED", True, False)
    fleet.document("Project", "shop", SHOP, adopt=True, restore=identifier)
    assert notes(fleet)["re-enables"] == "re-enables what the application deleted at 2027-03-04T05:06:07Z"
    fleet.apply()
    assert stored(fleet) == ("STOPPED", False, True)
    fleet.converged()


def test_a_deletion_between_plan_and_adoption_is_not_undone(fleet: Fleet) -> None:
    fleet.organization("msf")
    fleet.apply()
    fleet.execute(THEIRS.replace("'DELETED', '2027-03-04 05:06:07Z'", "'RUNNING', NULL"))
    fleet.document("Project", "shop", SHOP, adopt=True)
    fleet.run("plan", "--out", "plan.json")
    fleet.execute("UPDATE projects SET status = 'DELETED', deleted_at = now()")
    fleet.run("apply", "plan.json", "--auto-approve", code=4)
    assert stored(fleet) == ("DELETED", True, False)
