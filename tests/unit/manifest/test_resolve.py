"""Documents to desired state: the resources of each kind, tiers, states, placements and renames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tenantplan.documents import load
from tenantplan.errors import ManifestError
from tenantplan.manifest.kinds import NAME_RULES, SPECS
from tenantplan.manifest.resolve import FleetFacts, resolve
from tenantplan.model.desired import Desired
from tenantplan.model.placement import Placement
from tenantplan.model.resource import Database, Ref, Role, Row, Schema, Secret

FACTS = FleetFacts("demo", "tenantplan_main", "tp_", frozenset({"primary", "eu-1"}))


def a_document(kind: str, name: str, spec: str, metadata: str = "") -> str:
    more = f", {metadata}" if metadata else ""
    return f"---\napiVersion: tenantplan/v1\nkind: {kind}\nmetadata: {{ name: {name}{more} }}\nspec: {{ {spec} }}\n"


def an_organization(name: str = "acme", spec: str = "", metadata: str = "") -> str:
    return a_document("Organization", name, f"displayName: X{', ' + spec if spec else ''}", metadata)


def a_tenant(name: str, organization: str, spec: str = "") -> str:
    return a_document("Tenant", name, f"organization: {organization}, displayName: X{', ' + spec if spec else ''}")


def a_user(name: str, spec: str = "", metadata: str = "") -> str:
    return a_document("User", name, f"displayName: X, role: CLIENT_EDITOR{', ' + spec if spec else ''}", metadata)


def desired(tmp_path: Path, *documents: str, facts: FleetFacts = FACTS) -> Desired:
    (tmp_path / "a.yaml").write_text("".join(documents))
    return resolve(load(tmp_path, ["."], SPECS, NAME_RULES), facts)


def problems(tmp_path: Path, *documents: str, facts: FleetFacts = FACTS) -> str:
    with pytest.raises(ManifestError) as caught:
        desired(tmp_path, *documents, facts=facts)
    return "\n\n".join(caught.value.problems)


def values(found: Desired, address: str) -> dict[str, object]:
    row = found.state[address]
    assert isinstance(row, Row)
    return dict(row.values)


def test_a_shared_organization_is_one_row(tmp_path: Path) -> None:
    found = desired(tmp_path, an_organization("acme", "featureFlags: { NO: true }", "labels: { region: eu }"))
    assert list(found.state) == ["organization/acme"]
    row = values(found, "organization/acme")
    assert row["slug"] == "acme" and row["database_mode"] == "shared" and row["protect"] is True
    assert row["feature_flags"] == {"NO": True} and row["labels"] == {"region": "eu"}
    assert row["tier_id"] is None and row["database_name"] is None
    assert (row["connection_limit"], row["pool_size"], row["pool_max_overflow"]) == (-1, 10, 20)
    assert found.placements["organization/acme"] == Placement("organization/acme", "shared")
    assert found.protected == {"organization/acme"}
    assert found.origins["organization/acme"] == "a.yaml:2"


def test_a_dedicated_organization_has_its_database_roles_and_schema(tmp_path: Path) -> None:
    spec = "database: { mode: dedicated, server: eu-1, connectionLimit: 9, readOnly: true, password: { env: PW } }"
    found = desired(tmp_path, an_organization("croix-rouge", spec))
    holder, name = "organization/croix-rouge", "tp_croix_rouge"
    assert found.state[f"database/eu-1/{name}"] == Database(
        "eu-1", name, f"{name}_owner", 21, connect=(f"{name}_app", f"{name}_ro"), holder=holder
    )
    assert found.state[f"role/eu-1/{name}_owner"] == Role("eu-1", f"{name}_owner", holder=holder)
    app = found.state[f"role/eu-1/{name}_app"]
    assert app == Role("eu-1", f"{name}_app", True, 9, ("tenantplan_rw",), Secret("env:PW"), holder)
    assert isinstance(app, Role) and app.password is not None and app.password.reference == "env:PW"
    assert found.state[f"role/eu-1/{name}_ro"] == Role("eu-1", f"{name}_ro", True, 9, ("tenantplan_ro",), None, holder)
    assert found.state[f"schema/eu-1/{name}"] == Schema("eu-1", name, "tenant", None, holder)
    assert found.state["role/eu-1/tenantplan_rw"] == Role("eu-1", "tenantplan_rw")
    assert "role/primary/tenantplan_rw" not in found.state
    assert values(found, holder)["database_name"] == name
    assert found.placements[holder] == Placement(holder, "dedicated", "eu-1", name)


def test_a_role_that_only_reads_is_made_where_it_is_asked_for(tmp_path: Path) -> None:
    """By an organization, for its tenants too, or by a tier."""
    found = desired(
        tmp_path,
        an_organization("plain", "database: { mode: dedicated }"),
        an_organization("asks", "database: { mode: dedicated, readOnly: true }"),
        a_tenant("node", "asks", "database: { mode: dedicated }"),
        "---\napiVersion: tenantplan/v1\nkind: Tier\nmetadata: { name: pro }\n"
        "spec: { displayName: Pro, defaults: { database: { mode: dedicated, readOnly: true } } }\n",
        an_organization("tiered", "tier: pro"),
        an_organization("declines", "tier: pro, database: { readOnly: false }"),
    )
    made = {address for address in found.state if address.endswith("_ro") and "tp_" in address}
    assert made == {f"role/primary/tp_{name}_ro" for name in ("asks", "node", "tiered")}
    for name in ("plain", "declines"):
        database = found.state[f"database/primary/tp_{name}"]
        assert isinstance(database, Database) and database.connect == (f"tp_{name}_app",)


def test_a_shared_organization_has_logins_where_it_asks_for_them(tmp_path: Path) -> None:
    """On the main server, as members of the main database's groups, bound to their organization."""
    spec = "database: { login: true, readOnly: true, connectionLimit: 4, statementTimeout: 2s, password: { env: PW } }"
    found = desired(tmp_path, an_organization("acme", spec), an_organization("plain"), a_tenant("node", "acme"))
    holder = "organization/acme"
    app = Role(
        "primary", "tp_acme_app", True, 4, ("tenantplan_main_rw",), Secret("env:PW"), holder, 2000, access="bound"
    )
    assert found.state["role/primary/tp_acme_app"] == app
    reader = Role("primary", "tp_acme_ro", True, 4, ("tenantplan_main_ro",), None, holder, 2000, access="bound")
    assert found.state["role/primary/tp_acme_ro"] == reader
    assert [a for a in found.state if a.startswith("role/")] == ["role/primary/tp_acme_app", "role/primary/tp_acme_ro"]


def test_a_rename_takes_bound_logins_along(tmp_path: Path) -> None:
    found = desired(tmp_path, an_organization("new", "database: { login: true }", "renamedFrom: old"))
    assert found.renames["role/primary/tp_old_app"] == "role/primary/tp_new_app"
    assert found.renames["role/primary/tp_old_ro"] == "role/primary/tp_new_ro"


def test_a_login_of_a_shared_organization_is_nobody_elses(tmp_path: Path) -> None:
    said = problems(
        tmp_path,
        an_organization("acme", "database: { login: true }"),
        an_organization("other", "database: { mode: dedicated, name: tp_acme }"),
        an_organization("tenantplan-main", "database: { login: true, name: tenantplan_main }"),
    )
    assert "the role `tp_acme_owner` on server primary would also be that of Organization `acme`" in said
    assert "a role of database `tenantplan_main` would be one of the fleet's group roles" in said


def test_a_suspended_organization_is_closed(tmp_path: Path) -> None:
    found = desired(
        tmp_path,
        an_organization("acme", "state: suspended, database: { mode: dedicated }"),
        a_tenant("node", "acme", "database: { mode: dedicated }"),
    )
    for name in ("tp_acme", "tp_node"):
        database, app = found.state[f"database/primary/{name}"], found.state[f"role/primary/{name}_app"]
        assert isinstance(database, Database) and database.connect == ()
        assert isinstance(app, Role) and app.login is False
    assert values(found, "organization/acme")["state"] == "suspended"


def test_a_deleted_organization_is_named_without_what_is_in_it(tmp_path: Path) -> None:
    spec = "state: deleted, protect: false, database: { mode: dedicated }, modules: { a: {} }"
    spec += ", members: [{ user: a@x, role: CLIENT_EDITOR }]"
    found = desired(tmp_path, an_organization("acme", spec))
    assert found.deleted == {
        "organization/acme",
        "database/primary/tp_acme",
        "role/primary/tp_acme_owner",
        "role/primary/tp_acme_app",
    }
    groups = ("tenantplan_owner", "tenantplan_ro", "tenantplan_rw")
    assert set(found.state) == {f"role/primary/{name}" for name in groups}
    assert found.protected == frozenset() and found.placements == {}
    assert found.origins["database/primary/tp_acme"] == "a.yaml:2"


def test_nested_deletions(tmp_path: Path) -> None:
    found = desired(
        tmp_path,
        an_organization(
            "acme",
            "modules: { a: { state: deleted }, b: {} },"
            " members: [{ user: a@x, role: CLIENT_EDITOR, state: deleted }]",
        ),
        a_tenant("node", "acme", "licenses: [{ name: l1, state: deleted }, { name: l2 }]"),
        a_user("gone@x", "state: deleted"),
        a_document("AdminUser", "root@x", "displayName: R, role: SUPPORT, state: deleted"),
    )  # fmt: skip
    assert found.deleted == {
        "organization/acme/module/a",
        "organization/acme/member/a@x",
        "tenant/node/license/l1",
        "user/gone@x",
        "adminuser/root@x",
    }
    assert set(found.state) == {
        "organization/acme",
        "organization/acme/module/b",
        "tenant/node",
        "tenant/node/license/l2",
    }


def test_a_brought_database_is_only_a_schema(tmp_path: Path) -> None:
    found = desired(tmp_path, an_organization("acme", "database: { url: { env: ACME_URL } }"))
    assert set(found.state) == {"organization/acme", "schema/organization/acme"}
    assert found.state["schema/organization/acme"] == Schema("url:acme", "", "tenant")
    row = values(found, "organization/acme")
    assert (row["database_mode"], row["database_url"], row["database_server"]) == ("dedicated", "env:ACME_URL", None)
    assert found.placements["organization/acme"] == Placement("organization/acme", "dedicated", url="env:ACME_URL")


def test_dedicated_mode_can_be_switched_off_for_the_fleet(tmp_path: Path) -> None:
    documents = (
        an_organization("acme", "database: { mode: dedicated }"),
        an_organization("own", "database: { url: { env: A } }"),
        a_tenant("node", "acme", "database: { mode: dedicated }"),
    )
    found = desired(tmp_path, *documents, facts=replace(FACTS, dedicated=False))
    assert set(found.state) == {"organization/acme", "organization/own", "tenant/node"}
    assert {placement.mode for placement in found.placements.values()} == {"shared"}
    assert values(found, "organization/own")["database_url"] is None


def test_tenants_inherit_or_have_their_own_placement(tmp_path: Path) -> None:
    found = desired(
        tmp_path,
        an_organization("acme", "database: { mode: dedicated, server: eu-1 }", "labels: { region: eu, a: b }"),
        a_tenant("one", "acme"),
        a_tenant("two", "acme", "database: { mode: shared }"),
        a_tenant("three", "acme", "database: { mode: dedicated, name: special }"),
    )
    assert found.placements["tenant/one"] == Placement("tenant/one", "dedicated", "eu-1", "tp_acme")
    assert values(found, "tenant/one")["database_mode"] == "inherit"
    assert values(found, "tenant/one")["database_name"] is None
    assert found.placements["tenant/two"].mode == "shared"
    assert found.placements["tenant/three"] == Placement("tenant/three", "dedicated", "eu-1", "special")
    assert found.labels["tenant/one"] == {"region": "eu", "a": "b"}


def test_users_members_and_admin_users(tmp_path: Path) -> None:
    found = desired(
        tmp_path,
        an_organization("acme", "members: [{ user: a@x, role: AGENCY_ADMIN }]"),
        a_user("a@x", "organization: acme"),
        a_document("AdminUser", "root@x", "displayName: R, role: SUPERADMIN, password: { env: ROOT }"),
    )
    assert values(found, "organization/acme/member/a@x") == {
        "organization_id": Ref("organization/acme"),
        "user_id": Ref("user/a@x"),
        "role": "AGENCY_ADMIN",
    }
    assert values(found, "user/a@x")["organization_id"] == Ref("organization/acme")
    password = values(found, "adminuser/root@x")["password_hash"]
    assert isinstance(password, Secret) and password.reference == "env:ROOT"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("2027-01-31", "2027-01-31T00:00:00Z"),
        ("2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00Z"),
        ('"2027-01-31 23:30Z"', "2027-01-31T23:30:00Z"),
    ],
)
def test_licence_dates(tmp_path: Path, typed: str, kept: str) -> None:
    licences = f"licenses: [{{ name: l, expiresAt: {typed}, maxUsage: 5 }}]"
    found = desired(tmp_path, an_organization(), a_tenant("n", "acme", licences))
    row = values(found, "tenant/n/license/l")
    assert (row["expires_at"], row["max_usage_count"]) == (kept, 5)
    made = found.state["tenant/n/license/l"]
    assert isinstance(made, Row) and made.initial == {"status": "ACTIVE"}  # compared only where it is written


@pytest.mark.parametrize("typed", ["2027-02-30", "31.01.2027", "2027-01-31T12:00:00", "soon", "20270131"])
def test_wrong_licence_dates(tmp_path: Path, typed: str) -> None:
    found = problems(
        tmp_path, an_organization(), a_tenant("n", "acme", f"licenses: [{{ name: l, expiresAt: {typed} }}]")
    )
    assert "expected a date" in found or "no such date" in found


TIER = a_document(
    "Tier",
    "gold",
    "displayName: Gold, defaults: {"
    " database: { mode: dedicated, server: eu-1, connectionLimit: 5, pool: { size: 3, maxOverflow: 4 } },"
    " featureFlags: { A: true, B: true }, modules: { m: { settings: { x: { deep: 1, kept: 2 }, list: [1, 2] } } },"
    ' branding: { primaryColor: "#fff", secondaryColor: "#000" }, contact: { company: Tier Co } }',
)


def test_a_tier_gives_defaults_and_the_organization_wins(tmp_path: Path) -> None:
    spec = (
        "tier: gold, database: { pool: { size: 9 } }, featureFlags: { B: false, C: true }, contact: { email: a@x },"
        ' branding: { primaryColor: "#111" }, modules: { m: { enabled: false, settings: { x: { deep: 7 }, list: [3] } }, n: {} }'
    )
    found = desired(tmp_path, TIER, an_organization("acme", spec), an_organization("plain", "tier: gold"))
    row = values(found, "organization/acme")
    assert row["feature_flags"] == {"A": True, "B": False, "C": True}
    assert (row["connection_limit"], row["pool_size"], row["pool_max_overflow"]) == (5, 9, 4)
    assert (row["database_mode"], row["database_server"]) == ("dedicated", "eu-1")
    assert row["branding"] == {"primaryColor": "#111", "secondaryColor": "#000"}
    assert (row["contact_email"], row["company_name"]) == ("a@x", "Tier Co")
    module = values(found, "organization/acme/module/m")
    assert (module["enabled"], module["settings"]) == (False, {"x": {"deep": 7, "kept": 2}, "list": [3]})
    assert values(found, "organization/plain")["feature_flags"] == {"A": True, "B": True}
    assert found.labels["organization/plain"] == {"tier": "gold"}
    assert "organization/plain/module/m" in found.state


def test_a_tier_can_be_overruled_by_mode_url_and_deletion(tmp_path: Path) -> None:
    found = desired(
        tmp_path,
        TIER,
        an_organization("one", "tier: gold, database: { mode: shared }, modules: { m: { state: deleted } }"),
        an_organization("two", "tier: gold, database: { url: { env: U } }"),
    )
    assert found.placements["organization/one"].mode == "shared"
    assert found.deleted == {"organization/one/module/m"}
    assert found.placements["organization/two"].url == "env:U"
    assert values(found, "organization/two")["pool_size"] == 3


def test_renames_reach_everything_named_after_the_document(tmp_path: Path) -> None:
    found = desired(
        tmp_path,
        an_organization("new", "database: { mode: dedicated }, members: [{ user: b@x, role: CLIENT_EDITOR }]", "renamedFrom: old"),
        a_user("b@x", metadata="renamedFrom: a@x"),
        an_organization("own", "database: { url: { env: U } }", "renamedFrom: their"),
        an_organization("fixed", "database: { mode: dedicated, name: stays }", "renamedFrom: before"),
    )  # fmt: skip
    assert found.renames == {
        "organization/old": "organization/new",
        "user/a@x": "user/b@x",
        "organization/old/member/a@x": "organization/new/member/b@x",
        "organization/new/member/a@x": "organization/new/member/b@x",  # where the organization was renamed before
        "database/primary/tp_old": "database/primary/tp_new",
        "schema/primary/tp_old": "schema/primary/tp_new",
        "role/primary/tp_old_owner": "role/primary/tp_new_owner",
        "role/primary/tp_old_app": "role/primary/tp_new_app",
        "role/primary/tp_old_ro": "role/primary/tp_new_ro",
        "role/primary/tp_old_app2": "role/primary/tp_new_app2",
        "organization/their": "organization/own",
        "schema/organization/their": "schema/organization/own",
        "organization/before": "organization/fixed",
    }


def test_order_of_documents_does_not_matter(tmp_path: Path) -> None:
    documents = [TIER, an_organization("a", "tier: gold"), an_organization("b"), a_tenant("n", "a"), a_user("u@x")]
    one, two = desired(tmp_path, *documents), desired(tmp_path, *reversed(documents))
    assert list(one.state.items()) == list(two.state.items())
    assert (one.placements, one.labels, one.renames) == (two.placements, two.labels, two.renames)


def test_long_names_that_share_63_bytes_get_databases_of_their_own(tmp_path: Path) -> None:
    names = ["a" * 62 + end for end in "bc"]
    found = desired(tmp_path, *(an_organization(name, "database: { mode: dedicated }") for name in names))
    databases = [resource.name for resource in found.state.values() if isinstance(resource, Database)]
    assert len(set(databases)) == 2 and all(len(name) <= 63 for name in databases)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("database: { mode: shared, url: { env: A } }", "`url` names a database of its own"),
        ("database: { url: { env: A }, server: primary }", "`url` replaces `server` and `name`"),
        ("database: { url: postgresql://u:canary@h/d }", "a secret never stands in the file itself"),
        ("database: { name: postgres }", "PostgreSQL's own names"),
        ("database: { name: tp_new_x }", "tenantplan's own"),
        ("database: { connectionLimit: -2 }", "greater than or equal to -1"),
        ("featureFlags: { lower: true }", "a feature flag is upper-case"),
        ("modules: { Bad: {} }", "a module is lower-case"),
        ("contact: { email: nobody }", "not an e-mail address"),
        ("contact: null", "expected a mapping, got null"),
        ('contact: { phone: "a\\nb" }', "stands on one line"),
        ("state: suspend", "did you mean `suspended`?"),
        ("members: [{ user: a@x }]", "field `role` is required here"),
    ],
)
def test_values_that_are_refused(tmp_path: Path, spec: str, message: str) -> None:
    found = problems(tmp_path, an_organization("acme", spec), a_user("a@x"))
    assert message in found and found.startswith("a.yaml:5:")
    assert "canary" not in found


def test_display_names_hold_no_direction_controls(tmp_path: Path) -> None:
    text = an_organization().replace("displayName: X", 'displayName: "a\\u202Eb"')
    assert "U+202E RIGHT-TO-LEFT OVERRIDE" in problems(tmp_path, text)
