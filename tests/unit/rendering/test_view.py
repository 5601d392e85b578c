"""What a plan says to people: grouped, named as in YAML, redacted, destructive changes first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from unit.rendering.builders import (
    a_database,
    a_dedicated_organization,
    a_member,
    a_migration,
    a_plan,
    a_role,
    an_operation,
    an_organization,
)

from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Ref, Resource, Row, Secret
from tenantplan.model.step import Hazard
from tenantplan.rendering.view import Entry, Field, build, counts, risk


def only(*operations: Operation, **options: Any) -> Entry:
    """The single entry of a plan."""
    (entry,) = build(a_plan(*operations), **options).entries
    return entry


def test_a_new_dedicated_organization_is_one_entry() -> None:
    entry = only(*a_dedicated_organization())
    assert (entry.symbol, entry.title) == ("+", "organization/msf")
    assert entry.headline == ("dedicated on primary: database tenantplan_org_msf at 9c1b, 3 roles, 2 modules, 1 member")


def test_a_new_shared_organization_names_its_tier_and_flags() -> None:
    row = an_organization(feature_flags={"A": True, "B": False})
    assert (
        only(an_operation("organization/msf", "create", None, row)).headline == "shared, tier starter, 2 feature flags"
    )


def test_verbose_shows_the_effective_values_of_a_new_organization() -> None:
    operation = an_operation("organization/msf", "create", None, an_organization(pool_size=10, phone=None))
    fields = only(operation, verbose=True).fields
    assert Field("+", "database.pool.size", None, "10") in fields
    assert Field("+", "tier", None, "starter") in fields
    assert not [field for field in fields if field.label == "contact.phone"]


def test_updates_are_named_as_in_yaml_and_nested_values_one_by_one() -> None:
    before = an_organization(contact_email="a@x.org", connection_limit=5,
                             feature_flags={"MAGIC_WAND": False, "OLD": True, "SAME": True},
                             branding={"colors": ["red"], "logo": {"url": "x"}})  # fmt: skip
    after = an_organization(contact_email="b@x.org", connection_limit=20,
                            feature_flags={"MAGIC_WAND": True, "NEW": None, "SAME": True},
                            branding={"colors": ["blue"], "logo": {"url": "y"}})  # fmt: skip
    assert only(an_operation("organization/msf", "update", before, after)).fields == (
        Field("~", "branding.colors[0]", '"red"', '"blue"'),
        Field("~", "branding.logo.url", '"x"', '"y"'),
        Field("~", "database.connectionLimit", "5", "20"),
        Field("~", "contact.email", '"a@x.org"', '"b@x.org"'),
        Field("~", "featureFlags.MAGIC_WAND", "false", "true"),
        Field("+", "featureFlags.NEW", None, "null"),
        Field("-", "featureFlags.OLD", "true", None),
    )


def test_nested_mappings_without_a_common_key_are_still_compared_key_by_key() -> None:
    before, after = (an_organization(feature_flags=flags) for flags in ({"A": True}, {"B": False}))
    labels = [field.label for field in only(an_operation("organization/msf", "update", before, after)).fields]
    assert labels == ["featureFlags.A", "featureFlags.B"]


def test_nested_rows_and_server_objects_belong_to_their_organization() -> None:
    app = a_role("tenantplan_org_msf_app", login=True)
    entry = only(
        an_operation("organization/msf/member/anna@x.org", "update", a_member(), a_member(role="CLIENT_EDITOR")),
        an_operation("organization/msf/member/bob@x.org", "create", None, a_member("bob@x.org")),
        an_operation("role/primary/tenantplan_org_msf_app", "update", app, a_role("tenantplan_org_msf_app")),
        an_operation(
            "database/primary/tenantplan_org_msf", "grant", a_database(connect=("a",)), a_database(connect=())
        ),
    )
    assert (entry.symbol, entry.title, entry.headline) == ("~", "organization/msf", "4 changes")
    assert entry.fields == (
        Field("~", "member anna@x.org role", '"AGENCY_ADMIN"', '"CLIENT_EDITOR"'),
        Field("+", "member bob@x.org", None, "AGENCY_ADMIN"),
        Field("~", "role tenantplan_org_msf_app login", "true", "false"),
        Field("~", "database tenantplan_org_msf connect", '["a"]', "[]"),
    )


def test_a_member_added_to_a_live_organization_is_not_a_new_organization() -> None:
    entry = only(an_operation("organization/msf/member/bob@x.org", "create", None, a_member("bob@x.org")))
    assert (entry.symbol, entry.title, entry.headline) == ("+", "organization/msf/member/bob@x.org", "AGENCY_ADMIN")


def test_a_rename_names_both_addresses() -> None:
    operation = an_operation("organization/msf", "update", an_organization(slug="old"), an_organization(),
                             renamed_from="organization/old")  # fmt: skip
    assert Field("~", "renamed", "organization/old", "organization/msf") in only(operation).fields


def test_a_move_says_from_where_to_where() -> None:
    after = an_organization(database_mode="dedicated", database_name="x", database_server="primary")
    entry = only(an_operation("organization/msf", "move", an_organization(), after),
                 an_operation("database/primary/x", "create", None, a_database("x"), revisions=("9c1b",)))  # fmt: skip
    assert (entry.symbol, entry.headline) == (">", "move: from the shared tables to database x on primary")
    assert Field("+", "database x", None, "at 9c1b") in entry.fields


def a_deletion(retire: bool) -> list[Operation]:
    objects: dict[str, Resource] = {
        "organization/msf": an_organization(),
        "database/primary/x": a_database("x"),
        "role/primary/r": a_role("r"),
    }
    return [
        an_operation(address, "delete", resource, None, retire=retire, risk="destructive")
        for address, resource in objects.items()
    ]


def test_the_first_step_of_a_deletion_says_that_it_can_be_undone_and_the_second_that_it_cannot() -> None:
    assert only(*a_deletion(retire=True), grace_days=30).headline == (
        "delete: database x renamed to a tombstone, with 1 role and everything nested in it, restorable for 30 days"
    )
    assert only(*a_deletion(retire=False)).headline == (
        "purge: DROP DATABASE x, with 1 role and everything nested in it, irreversible"
    )
    assert only(*a_deletion(retire=True)).destructive


def test_a_removed_member_is_an_entry_of_its_own_as_the_counts_say() -> None:
    plan = a_plan(
        an_operation("organization/msf/member/anna@x.org", "delete", a_member(), None, risk="destructive"),
        an_operation("organization/msf", "update", an_organization(phone="1"), an_organization(phone="2")),
    )
    view = build(plan)
    assert [(entry.symbol, entry.title) for entry in view.entries] == [
        ("-", "organization/msf/member/anna@x.org"),
        ("~", "organization/msf"),
    ]
    assert counts(view) == "0 to create, 1 to update, 0 to migrate, 1 to delete"


def test_databases_with_the_same_path_and_statements_are_one_entry() -> None:
    alike = [a_migration(f"org_{number:02}") for number in range(12)]
    other = a_migration(
        "org_99", "ALTER TABLE forms DROP COLUMN x", start="1111", locks=(("public.forms", "ACCESS EXCLUSIVE"),)
    )
    first, second = build(a_plan(*alike, other)).entries
    assert (first.symbol, first.title) == ("^", "12 databases")
    assert first.headline == "migrate 3f2a -> 9c1b: 2 revisions, the same 1 statement, locks donors"
    assert len(first.names) == 12
    assert (second.title, second.headline) == (
        "schema/primary/org_99", "migrate 1111 -> 9c1b: 2 revisions, 1 statement, locks forms",
    )  # fmt: skip


def test_databases_whose_statements_differ_are_not_grouped() -> None:
    assert len(build(a_plan(a_migration("a", "SELECT 1"), a_migration("b", "SELECT 2"))).entries) == 2


def test_what_a_reviewer_should_know_stands_under_a_migration() -> None:
    danger = Hazard("drop-column", "danger", 0, "public.donors", "ACCESS EXCLUSIVE", "its data are gone")
    entry = only(a_migration("a", hazards=(danger, replace(danger, level="info", rule="comment")), risk="destructive"))
    (field,) = entry.fields
    assert field.label == "danger drop-column public.donors (ACCESS EXCLUSIVE): its data are gone"
    assert entry.destructive


def test_over_200_entries_new_objects_are_counted_by_kind_and_verbose_lists_them() -> None:
    operations = [an_operation(f"organization/o{n}", "create", None, an_organization()) for n in range(250)]
    plan = a_plan(*operations, an_operation("organization/x", "update", an_organization(phone="1"), an_organization()))
    assert [entry.title for entry in build(plan).entries] == ["250 organizations", "organization/x"]
    assert build(plan).entries[0].headline == "250 shared, tier starter"
    assert len(build(plan, verbose=True).entries) == 251


def test_destructive_entries_come_first() -> None:
    dropping = a_migration("z", "DROP TABLE donors", risk="destructive")
    view = build(a_plan(*a_dedicated_organization(), dropping))
    assert [entry.symbol for entry in view.entries] == ["^", "+"]
    assert risk(view) == "1 destructive."


def test_the_flag_for_deletions_is_named_while_the_brake_holds() -> None:
    blocker = Finding("fleet", "max-deletes", "1 deletion planned, 0 allowed")
    assert risk(build(a_plan(*a_deletion(retire=True), blockers=(blocker,)))) == (
        "1 destructive. apply needs --allow-deletes 1."
    )


def test_secrets_are_references_and_a_change_of_one_says_only_that() -> None:
    def admin(reference: str, keyed: str) -> Row:
        return Row("admin_users", {"email": "a@x.org", "name": "A", "password_hash": Secret(reference, keyed)})

    entry = only(an_operation("adminuser/a@x.org", "update", admin("env:OLD", "k1"), admin("env:NEW", "k2")))
    assert entry.fields == (Field("~", "password", None, "{env: NEW} (secret changed)"),)
    role = [a_role("r", password=Secret("env:P", keyed)) for keyed in ("k1", "k2")]
    entry = only(an_operation("role/primary/r", "update", *role))
    assert entry.fields == (Field("~", "role r password", None, "{env: P} (secret changed)"),)


def test_no_password_and_no_hash_survives_in_a_view() -> None:
    url = "postgresql://u:canary@h/d"
    before = an_organization(database_url="env:A", branding={"x": url}, display_name=url)
    after = an_organization(database_url=url, branding={"x": f"{url}2"}, display_name=f"{url}2")
    admins = [Row("admin_users", {"email": "a", "password_hash": f"$2b$canary{n}"}) for n in (1, 2)]
    view = build(
        a_plan(
            an_operation("organization/a", "update", before, after),
            an_operation("organization/b", "create", None, after, statements=(f"SELECT '{url}'",)),
            an_operation("adminuser/a", "update", *admins),
            an_operation("adminuser/b", "create", None, admins[0]),
            an_operation("x/y", "move", None, None, summary=url),
            unreachable=(Finding("database/a/b", "unreachable", f"cannot reach {url}"),),
        ),
        verbose=True,
    )
    assert "canary" not in repr(view)
    assert any(Field("~", "database.url", "{env: A}", "(secret)") in entry.fields for entry in view.entries)


def test_long_values_and_many_fields_are_shortened_unless_verbose() -> None:
    before = an_organization(feature_flags={f"F{n:02}": "x" * 500 for n in range(30)})
    after = an_organization(feature_flags={f"F{n:02}": "y" * 500 for n in range(30)})
    operation = an_operation("organization/msf", "update", before, after)
    short, long = only(operation), only(operation, verbose=True)
    assert len(short.fields) == 21
    assert short.fields[-1].label == "… 10 more (--verbose)"
    assert max(len(field.after or "") for field in short.fields) <= 80
    assert len(long.fields) == 30
    assert len(long.fields[0].after or "") == 502


def test_references_are_shown_by_name() -> None:
    before, after = (an_organization(tier_id=Ref(f"tier/{name}")) for name in ("starter", "enterprise"))
    assert only(an_operation("organization/msf", "update", before, after)).fields == (
        Field("~", "tier", "starter", "enterprise"),
    )


def test_a_new_object_with_nothing_else_to_say_shows_its_display_name() -> None:
    tier = Row("tiers", {"name": "starter", "display_name": "Starter", "defaults": {}})
    assert only(an_operation("tier/starter", "create", None, tier)).headline == '"Starter"'
