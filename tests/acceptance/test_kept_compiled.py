"""A second plan compiles nothing that the first has compiled, and plans the same."""

from __future__ import annotations

from typing import Any

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree

from tenantplan.migration.compile import compile as compiling

pytestmark = pytest.mark.once


def planned(fleet: Fleet) -> list[dict[str, Any]]:
    compiling._COMPILED.clear()  # as a process that has just started
    return list(fleet.plan()["operations"])


def test_one_more_organization_compiles_nothing(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tenant_tree(fleet)
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    fleet.organization("irc", "database: { mode: dedicated }")
    first = planned(fleet)

    def refused(*given: object) -> None:
        raise AssertionError("compiled again")

    with monkeypatch.context() as patch:
        patch.setattr(compiling, "_made", refused)
        assert planned(fleet) == first
    assert fleet.run("validate").code == 0
    fleet.apply()
    fleet.converged()
    tree.add("kept01", "op.execute('CREATE TABLE kept_one (id int)')")
    assert "kept_one" in str(planned(fleet))
    fleet.apply()
    fleet.converged()


def test_what_a_way_loses_and_locks_is_kept_too(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tenant_tree(fleet)
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    tree.add("kept01", "op.execute('DELETE FROM donors WHERE id IS NULL')")
    tree.add("kept02", "op.execute('ALTER TABLE donors ADD COLUMN kept int')")
    tree.add("kept03", "op.execute('DROP TABLE donations')")
    first = planned(fleet)
    (migration,) = [o for o in first if o["action"] == "migrate" and o["address"].startswith("schema/")][:1]
    assert migration["losing"] == ["kept01", "kept03"] and migration["locks"]
    assert {"delete-rows", "drop-table"} <= {hazard["rule"] for hazard in migration["hazards"]}

    def refused(*given: object, **more: object) -> None:
        raise AssertionError("compiled or parsed again")

    with monkeypatch.context() as patch:
        patch.setattr(compiling, "_made", refused)
        patch.setattr("tenantplan.migration.lint.lint.lint", refused)
        patch.setattr("tenantplan.migration.lint.lint.locked", refused)
        assert planned(fleet) == first


def test_a_folder_that_cannot_be_written_changes_nothing(fleet: Fleet) -> None:
    (fleet.root / ".tenantplan").write_text("a file, where the folder would be")
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    fleet.converged()
