"""Plan, apply, plan: the main job on a real server."""

from __future__ import annotations

from acceptance.harness import Fleet


def test_a_new_fleet_converges_in_one_apply(fleet: Fleet) -> None:
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN }")
    fleet.organization(
        "msf",
        """
        database: { mode: dedicated }
        featureFlags: { MAGIC_WAND: true }
        modules: { donors: { settings: { currency: EUR } } }
        members: [ { user: anna@x.example, role: AGENCY_ADMIN } ]
        """,
    )
    fleet.organization("acme")
    fleet.apply()
    assert fleet.operations() == []
    assert fleet.rows("SELECT slug, database_name FROM organizations ORDER BY 1") == [
        ("acme", None),
        ("msf", fleet.database("msf")),
    ]


def test_absence_is_an_orphan(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    fleet.remove("Organization", "msf")
    plan = fleet.plan()
    assert plan["operations"] == []
    assert "organization/msf" in [o["address"] for o in plan["orphans"]]


def test_rename_keeps_id_and_database(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    before = fleet.rows("SELECT id FROM organizations")
    fleet.remove("Organization", "msf")
    fleet.organization("doctors", "database: { mode: dedicated }", renamedFrom="msf")
    fleet.apply()
    assert fleet.operations() == []
    assert fleet.rows("SELECT id FROM organizations") == before
    assert fleet.databases() == sorted([fleet.main_database, fleet.database("doctors")])


def test_delete_takes_two_applies_and_a_word(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }\nprotect: true")
    fleet.apply()
    fleet.organization("msf", "database: { mode: dedicated }\nstate: deleted\nprotect: false")
    fleet.apply(code=3)
    fleet.apply("--allow-deletes", "1", code=3)
    fleet.organization("msf", "database: { mode: dedicated }\nprotect: false")
    fleet.apply()
    fleet.organization("msf", "database: { mode: dedicated }\nstate: deleted\nprotect: false")
    fleet.apply(code=3)
    fleet.apply("--allow-deletes", "1")
    assert fleet.operations() == []
    assert fleet.rows("SELECT state::text FROM organizations") == [("deleted",)]
    assert fleet.database("msf") not in fleet.databases()
