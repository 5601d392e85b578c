"""`schema export`: the JSON Schemas in the repository are the ones that the models give."""

from __future__ import annotations

import json

import pytest
from acceptance.harness import ROOT, Fleet

pytestmark = pytest.mark.once


def test_the_repositorys_schemas_are_current(fleet: Fleet) -> None:
    fleet.run("schema", "export", "--check", "--out", str(ROOT / "schemas"))


def test_export_writes_what_check_accepts(fleet: Fleet) -> None:
    assert "is not current" in fleet.run("schema", "export", "--check", code=1).out
    assert not (fleet.root / "schemas").exists()
    fleet.run("schema", "export")
    fleet.run("schema", "export", "--check")
    whole = json.loads((fleet.root / "schemas" / "tenantplan.schema.json").read_text())
    assert {"Fleet", "Organization", "Tenant", "User", "AdminUser", "Tier"} <= set(whole["properties"]["kind"]["enum"])
    changed = fleet.write("schemas/user.schema.json", "{}")
    assert str(changed.relative_to(fleet.root)) in fleet.run("schema", "export", "--check", code=1).out


def test_a_folder_that_cannot_be_made_is_said(fleet: Fleet) -> None:
    fleet.write("taken", "")
    assert "cannot be written" in fleet.run("schema", "export", "--out", "taken/schemas", code=1).err
