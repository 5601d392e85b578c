"""`drift` says "No drift" only where it has compared everything, and knows what was applied under other names."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree

pytestmark = pytest.mark.once


def test_what_could_not_be_compared_is_no_all_clear(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    fleet.execute(f"ALTER DATABASE {fleet.database('msf')} ALLOW_CONNECTIONS false", database="postgres")
    found = fleet.run("drift", "--json", code=2).json
    assert found["complete"] is False and "organization/msf" in {f["address"] for f in found["unreachable"]}
    assert "No drift" not in fleet.run("drift", code=2).out
    assert fleet.run("drift", "--repair", code=None).code == 2


def test_a_password_that_nothing_knows_is_no_all_clear_unless_the_fleet_file_leaves_it_out(fleet: Fleet) -> None:
    fleet.env["MSF"] = "long-and-random-5Xq!"
    fleet.organization("msf", "database: { mode: dedicated, password: { env: MSF } }")
    fleet.apply()
    assert "No drift" in fleet.run("drift").out
    del fleet.env["MSF"]
    text = fleet.run("drift", code=2).out
    assert "Nothing differs in what could be compared; 1 object could not be." in text and "No drift" not in text
    fleet.settings("drift: { ignore: [ { address: role/*_app, object: password, reason: vault, until: 2031-01-01 } ] }")
    assert "No drift" in fleet.run("drift").out
    assert fleet.run("drift", "--json").json["complete"] is True


def test_a_migrated_organization_that_is_renamed_is_no_drift(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    tree.add("d1", "op.execute('ALTER TABLE donors ADD COLUMN note text')")
    fleet.apply()
    fleet.remove("Organization", "msf")
    fleet.organization("doctors", "database: { mode: dedicated }", renamedFrom="msf")
    fleet.apply()
    assert "No drift" in fleet.run("drift").out
    tree.add("d2", "op.execute('ALTER TABLE donors ADD COLUMN other text')")
    fleet.apply()
    assert "No drift" in fleet.run("drift").out
    fleet.execute("ALTER TABLE donors DROP COLUMN note", database=fleet.database("doctors"))
    assert "column public.donors.note" in fleet.run("drift", code=2).out


def test_a_declared_value_that_the_application_changed_and_a_deletion_are_drift(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN, active: true }")
    fleet.document("Project", "shop", "organization: acme\ndisplayName: Shop\ndomain: shop.example\nprotect: false")
    fleet.apply()
    fleet.execute("UPDATE users SET active = false")
    fleet.execute("UPDATE projects SET domain = 'x.example', status = 'DELETED', deleted_at = '2027-03-04 05:06:07Z'")
    found = {(i["address"], i["name"]): i["actual"] for i in fleet.run("drift", "--json", code=2).json["items"]}
    assert found == {
        ("user/anna@x.example", "active"): "false",
        ("project/shop", "domain"): '"x.example"',
        ("project/shop", "deleted_at"): "2027-03-04T05:06:07Z",
    }


def test_what_the_command_prints_and_where(fleet: Fleet) -> None:
    assert "use drift --repair --out plan.json" in fleet.run("drift", "--out", "plan.json", code=1).err
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    clean = fleet.run("drift", "--repair")
    assert clean.err == "" and not clean.out.endswith("\n\n")
    assert fleet.run("drift", "--repair", "--json").json["operations"] == []
    fleet.execute("DROP INDEX donations_campaign_id_idx", database=fleet.database("msf"))
    found = fleet.run("drift", code=2)
    assert found.out.startswith(f"tenantplan drift   fleet {fleet.name} ") and "donations_campaign_id_idx" in found.out
    saved = fleet.run("drift", "--repair", "--out", "plan.json", code=2)
    assert saved.err == "Saved: plan.json\n" and "CREATE INDEX donations_campaign_id_idx" in saved.out
    assert (fleet.root / "plan.json").read_text().startswith("{")
    assert fleet.run("drift", "--repair", code=2).err == ""
    (operation,) = fleet.run("drift", "--repair", "--json", code=2).json["operations"]
    assert operation["address"] == f"schema/primary/{fleet.database('msf')}"
