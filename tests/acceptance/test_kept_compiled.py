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


def test_a_folder_that_cannot_be_written_changes_nothing(fleet: Fleet) -> None:
    (fleet.root / ".tenantplan").write_text("a file, where the folder would be")
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    fleet.converged()
