"""Names that imitate, hide, inject or collide are refused by the command (faults 19, 20, 21)."""

from __future__ import annotations

import json

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

NAMES = ("аcme", "ａcme", "acme\n", "a\u202ecme", 'a";DROP DATABASE x;--', "a\0b", "host=evil", "-Fc", "--help", "pg_x",
         "template1", "postgres", "Acme", "a_b", "a/b", "../a", "a b", "", "a" * 64, "$(id)", "a'b", "%s", "{a}")  # fmt: skip


@pytest.mark.parametrize("kind", ["Organization", "Tenant", "Tier"])
def test_hostile_names_are_refused(fleet: Fleet, kind: str) -> None:  # faults 19, 21
    spec = {"Organization": "{ displayName: A }", "Tenant": "{ organization: home, displayName: A }", "Tier": "{}"}[
        kind
    ]
    fleet.organization("home")
    for name in NAMES:
        fleet.write(
            "tenants/x.yaml",
            f"apiVersion: tenantplan/v1\nkind: {kind}\nmetadata: {{ name: {json.dumps(name)} }}\nspec: {spec}\n",
        )
        for command in ("validate", "plan"):
            refused = fleet.run(command, code=1)
            assert "tenants/x.yaml:3:" in refused.err, (name, refused.err)
            assert refused.out == "" and "\u202e" not in refused.err


@pytest.mark.parametrize("name", ['a";DROP DATABASE x;--', "host=evil", "-fc", "pg_x", "template1", "postgres", "a" * 64,
                                  "tp_new_x", "tp_deleted_x", "tp_template_x", "Acme"])  # fmt: skip
def test_hostile_database_names_are_refused(fleet: Fleet, name: str) -> None:  # fault 21
    fleet.organization("acme", f"database: {{ mode: dedicated, name: {json.dumps(name)} }}")
    assert "organization-acme.yaml" in fleet.run("validate", code=1).err


def test_an_invisible_character_in_a_display_name(fleet: Fleet) -> None:  # fault 19
    for text in ("Acme\u202egnp.exe", "Ac\u200bme", "Acme\u2066", "Acme\x85", "\ufeffAcme"):
        fleet.document("Organization", "acme", f"displayName: {text}")
        refused = fleet.run("validate", code=1)
        assert "organization-acme.yaml" in refused.err and text not in refused.err


def test_two_names_for_one_database(fleet: Fleet) -> None:  # fault 20
    fleet.organization("a-b", "database: { mode: dedicated }")
    fleet.apply()
    fleet.execute("INSERT INTO donors (email) VALUES ('a@x.example')", database=fleet.database("a-b"))
    taken = fleet.database("a-b")
    fleet.organization("other", f"database: {{ mode: dedicated, name: {taken} }}")
    for command in ("validate", "plan"):
        refused = fleet.run(command, code=1)
        assert taken in refused.err and "organization-" in refused.err
    assert fleet.rows("SELECT count(*) FROM donors", database=taken) == [(1,)]


def test_names_that_share_63_bytes_get_databases_of_their_own(fleet: Fleet) -> None:  # fault 20
    names = ["x" * 62 + end for end in "ab"]
    for name in names:
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.apply()
    assert fleet.operations() == []
    found = [row[0] for row in fleet.rows("SELECT database_name FROM organizations")]
    assert len(set(found)) == 2 and all(len(name) <= 63 and name in fleet.databases() for name in found)
    clash = "y" * 63  # explicit names over the limit are refused, so nothing is cut silently
    fleet.organization(names[0], f"database: {{ mode: dedicated, name: {clash}z }}")
    assert "63" in fleet.run("validate", code=1).err
