"""Names that imitate, hide, inject or collide are refused by the command."""

from __future__ import annotations

import json
from itertools import product
from string import ascii_lowercase

import pytest
from acceptance.harness import Fleet

from tenantplan.manifest.names import derive

pytestmark = pytest.mark.once

NAMES = ("аcme", "ａcme", "acme\n", "a\u202ecme", 'a";DROP DATABASE x;--', "a\0b", "host=evil", "-Fc", "--help", "pg_x",
         "template1", "postgres", "Acme", "a_b", "a/b", "../a", "a b", "", "a" * 64, "$(id)", "a'b", "%s", "{a}")  # fmt: skip


@pytest.mark.parametrize("kind", ["Organization", "Tenant", "Tier"])
def test_hostile_names_are_refused(fleet: Fleet, kind: str) -> None:
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


NAMED = (
    ("Team", "{ organization: home, displayName: A }"),
    ("Project", "{ organization: home, displayName: A }"),
    ("Template", "{ displayName: A }"),
    ("Bucket", "{ owner: core, provider: s3 }"),
    ("User", "{ displayName: A, role: CLIENT_EDITOR }"),
    ("AdminUser", "{ displayName: A, role: SUPPORT }"),
    ("Invitation", "{ organization: home, email: a@x.example, role: CLIENT_EDITOR }"),
    ("Release", "{ version: 1.0.0 }"),
)
NESTED = (
    ("Organization", "displayName: A, modules: {{ {0}: {{}} }}"),
    ("Organization", "displayName: A, featureFlags: {{ {0}: true }}"),
    ("Organization", "displayName: A, secrets: {{ {0}: {{ value: {{ env: A }} }} }}"),
    ("Organization", "displayName: A, members: [ {{ user: {0}, role: CLIENT_EDITOR }} ]"),
    ("Tenant", "organization: home, displayName: A, licenses: [ {{ name: {0} }} ]"),
    ("Tenant", "organization: home, displayName: A, database: {{ mode: dedicated, name: {0} }}"),
    ("Project", "organization: home, displayName: A, apiKeys: [ {{ name: {0}, key: {{ env: A }} }} ]"),
    ("Project", "organization: home, displayName: A, transforms: [ {{ name: {0} }} ]"),
    ("Project", "organization: home, displayName: A, tenants: [ {{ name: {0} }} ]"),
)


def test_no_kind_takes_a_hostile_name(fleet: Fleet) -> None:
    """Whatever has a name, at the top of a document or in it: every one of them is an error at its own line."""
    fleet.organization("home")
    strict = [name for name in NAMES if name not in ("Acme", "a_b", "template1", "postgres", "pg_x", "a" * 64)]
    for name in strict:
        quoted = json.dumps(name)
        documents = [(kind, quoted, spec[2:-2]) for kind, spec in NAMED]
        documents += [(kind, f"n{number}", spec.format(quoted)) for number, (kind, spec) in enumerate(NESTED)]
        text = "".join(
            f"---\napiVersion: tenantplan/v1\nkind: {kind}\nmetadata: {{ name: {called} }}\nspec: {{ {spec} }}\n"
            for kind, called, spec in documents
        )
        fleet.write("tenants/x.yaml", text)
        refused = fleet.run("validate", code=1)
        missed = [
            (kind, spec) for number, (kind, _, spec) in enumerate(documents)
            if not any(f"tenants/x.yaml:{5 * number + line}:" in refused.err for line in (4, 5))
        ]  # fmt: skip
        assert missed == [], name
        assert "\u202e" not in refused.err and "\0" not in refused.err


@pytest.mark.parametrize("name", ['a";DROP DATABASE x;--', "host=evil", "-fc", "pg_x", "template1", "postgres", "a" * 64,
                                  "tp_new_x", "tp_deleted_x", "tp_template_x", "Acme"])  # fmt: skip
def test_hostile_database_names_are_refused(fleet: Fleet, name: str) -> None:
    fleet.organization("acme", f"database: {{ mode: dedicated, name: {json.dumps(name)} }}")
    assert "organization-acme.yaml" in fleet.run("validate", code=1).err


def test_an_invisible_character_in_a_display_name(fleet: Fleet) -> None:
    for text in ("Acme\u202egnp.exe", "Ac\u200bme", "Acme\u2066", "Acme\x85", "\ufeffAcme"):
        fleet.document("Organization", "acme", f"displayName: {text}")
        refused = fleet.run("validate", code=1)
        assert "organization-acme.yaml" in refused.err and text not in refused.err


def test_two_names_for_one_database(fleet: Fleet) -> None:
    fleet.organization("a-b", "database: { mode: dedicated }")
    fleet.apply()
    fleet.execute("INSERT INTO donors (email) VALUES ('a@x.example')", database=fleet.database("a-b"))
    taken = fleet.database("a-b")
    fleet.organization("other", f"database: {{ mode: dedicated, name: {taken} }}")
    for command in ("validate", "plan"):
        refused = fleet.run(command, code=1)
        assert taken in refused.err and "organization-" in refused.err
    assert fleet.rows("SELECT count(*) FROM donors", database=taken) == [(1,)]


def test_names_that_share_63_bytes_get_databases_of_their_own(fleet: Fleet) -> None:
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


def colliding(prefix: str) -> tuple[str, str]:
    """Two names whose derived database names are one, hash and all: 32 bits are found in a second."""
    seen: dict[str, str] = {}
    for letters in product(ascii_lowercase, repeat=5):
        name = "c" * 58 + "".join(letters)
        first = seen.setdefault(derive(prefix, name), name)
        if first != name:
            return first, name
    raise AssertionError


def test_names_made_to_share_even_the_hash(fleet: Fleet) -> None:
    first, second = colliding(f"o{fleet.id}_")
    database = derive(f"o{fleet.id}_", first)
    fleet.organization(first, "database: { mode: dedicated }")
    fleet.apply()
    fleet.execute("INSERT INTO donors (email) VALUES ('a@x.example')", database=database)
    fleet.organization(second, "database: { mode: dedicated }")
    for command in ("validate", "plan", "apply"):
        refused = fleet.run(command, code=1)
        assert database in refused.err and first in refused.err and second in refused.err
    fleet.remove("Organization", first)  # the other is not declared any more, and still has the database
    for state in ("active", "deleted"):
        fleet.organization(second, f"database: {{ mode: dedicated }}\nprotect: false\nstate: {state}")
        assert not [o for o in fleet.plan()["operations"] if database in o["address"]]
        fleet.run("apply", "--auto-approve", "--allow-deletes", "1", code=None)
    assert fleet.rows("SELECT count(*) FROM donors", database=database) == [(1,)]
    fleet.remove("Organization", second)
    named = f"database: {{ mode: dedicated, name: {database} }}\nprotect: false\nstate: deleted"
    fleet.organization("evil", named)  # no hash is needed for this
    assert fleet.operations() == []
    fleet.remove("Organization", "evil")
    fleet.organization(first, "database: { mode: dedicated }")
    fleet.converged()
