"""Kinds that a fleet declares itself: what is refused, and what a document of one becomes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.manifest.documents import FACTS, a_document, a_kind, a_user, an_organization, desired, firsts, problems, row

from tenantplan.errors import ManifestError
from tenantplan.manifest.definitions import kinds_of
from tenantplan.manifest.kinds import KINDS
from tenantplan.model.resource import Ref, Secret
from tenantplan.tables import BUILTIN


def test_without_definitions_there_are_the_built_in_kinds() -> None:
    assert kinds_of([]) is KINDS


def test_a_row_of_its_table(tmp_path: Path) -> None:
    columns = "callback_url: { type: text }, tries: { type: integer, field: attempts }"
    columns += ", org_id: { type: reference, kind: Organization }"
    kind = a_kind("Webhook", columns, "crm.webhooks", "id: webhook_id, ownership: { column: fleet, home: org_id }")
    hook = a_document("Webhook", "signup", "callbackUrl: https://x, attempts: 3, orgId: acme")
    found = desired(tmp_path, hook, kind, an_organization())  # wherever the definition stands
    made = row(found, "webhook/signup")
    assert made.table == "crm.webhooks" and made.home == "organization/acme"
    assert made.values == {
        "name": "signup",
        "callback_url": "https://x",
        "tries": 3,
        "org_id": Ref("organization/acme"),
    }
    rowtype = found.tables["crm.webhooks"]
    assert (rowtype.kind, rowtype.name, rowtype.id, rowtype.owner) == ("webhook", "name", "webhook_id", "fleet")
    assert (rowtype.refs, rowtype.home, rowtype.uses) == ({"org_id": "organizations"}, "org_id", ())
    assert (rowtype.relation, rowtype.touched, rowtype.retired) == (("crm", "webhooks"), None, {})
    assert found.tables.keys() == BUILTIN.keys() | {"crm.webhooks"}
    assert "resourcekind/Webhook" not in found.state and len(found.state) == 2


@pytest.mark.parametrize(
    ("column", "typed", "kept"),
    [
        ("{ type: text }", '"a: b"', "a: b"),
        ("{ type: integer }", "-7", -7),
        ("{ type: boolean }", "false", False),
        ("{ type: timestamp }", "2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00Z"),
        ("{ type: json }", "{ a: [1, { b: null }] }", {"a": [1, {"b": None}]}),
        ("{ type: list }", "[b, a, b]", ["a", "b"]),  # sorted, once each: as it is read back
        ("{ type: encrypted }", "{ env: X }", Secret("env:X")),
        ("{ type: text, values: [hot, cold] }", "hot", "hot"),
        ("{ type: reference, kind: User }", "anna@x.org", Ref("user/anna@x.org")),
        ("{ type: text }", "null", None),
        ("{ type: reference, kind: User }", "null", None),
    ],
)
def test_values(tmp_path: Path, column: str, typed: str, kept: Any) -> None:
    found = desired(tmp_path, a_kind("Thing", f"x: {column}"), a_document("Thing", "one", f"x: {typed}"), a_user())
    value = row(found, "thing/one").values["x"]
    assert value == kept and type(value) is type(kept)
    if isinstance(value, Secret):
        assert value.reference == "env:X"


@pytest.mark.parametrize(
    ("column", "typed", "message"),
    [
        ("{ type: integer }", "true", "expected a whole number"),
        ("{ type: boolean }", "NO", "expected true or false"),
        ("{ type: timestamp }", "soon", "expected a date"),
        ("{ type: list }", "a", "expected a list"),
        ("{ type: encrypted }", "canary", "a secret never stands in the file itself"),
        ("{ type: text, values: [hot, cold] }", "warm", "expected one of hot, cold"),
        ("{ type: reference, kind: User }", "ana@x.org", "User `ana@x.org` is not declared"),
        ("{ type: text }", "a, y: b", "unknown field `y`"),
    ],
)
def test_values_that_are_refused(tmp_path: Path, column: str, typed: str, message: str) -> None:
    found = problems(tmp_path, a_kind("Thing", f"x: {column}"), a_document("Thing", "one", f"x: {typed}"), a_user())
    assert message in firsts(found)[0] and "canary" not in "".join(found)


def test_what_is_left_out_is_not_compared_and_what_is_required_is_missed(tmp_path: Path) -> None:
    kind = a_kind("Thing", "a: { type: text, required: true }, b: { type: text }")
    assert row(desired(tmp_path, kind, a_document("Thing", "one", "a: x")), "thing/one").values.keys() == {"name", "a"}
    (found,) = problems(tmp_path, kind, a_document("Thing", "one", "b: x"))
    assert "field `a` is required here" in found


def test_deleted_renamed_and_adopted(tmp_path: Path) -> None:
    found = desired(
        tmp_path,
        a_kind("Thing"),
        a_document("Thing", "gone", "state: deleted"),
        a_document("Thing", "new", metadata="renamedFrom: old, adopt: true"),
    )
    assert found.deleted == {"thing/gone"} and list(found.state) == ["thing/new"]
    assert found.renames == {"thing/old": "thing/new"}
    assert found.adopted == {"thing/new"}
    assert found.origins["thing/new"] == "a.yaml:12"


def test_references_between_kinds(tmp_path: Path) -> None:
    kinds = a_kind("Page", "site: { type: reference, kind: Site }"), a_kind("Site", table="crm.sites")
    found = desired(tmp_path, *kinds, a_document("Page", "home", "site: main"), a_document("Site", "main"))
    assert row(found, "page/home").values["site"] == Ref("site/main")
    assert found.tables["pages"].refs == {"site": "crm.sites"} and found.tables["pages"].uses == ("site",)


def test_two_kinds_of_one_table(tmp_path: Path) -> None:
    found = problems(tmp_path, a=a_kind("Page", table="crm.pages"), b=a_kind("Sheet", table="crm.pages"))
    assert firsts(found) == ["b.yaml:5:16: the table `crm.pages` is defined twice; first at a.yaml:5:16"]


def test_two_kinds_of_one_table_that_is_named_in_two_ways(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, a=a_kind("Page", table="pages"), b=a_kind("Sheet", table="public.pages"))
    assert found.startswith("b.yaml:5:16: the table `") and "defined twice; first at a.yaml:5:16" in found


def test_two_kinds_of_one_name(tmp_path: Path) -> None:
    """Also in another case: both would have the addresses page/…"""
    found = problems(tmp_path, a=a_kind("WebPage", table="a"), b=a_kind("Webpage", table="b"))
    assert firsts(found) == ["b.yaml:4:19: the kind `Webpage` is defined twice; first at a.yaml:4:19"]


@pytest.mark.parametrize("name", ["Tier", "Adminuser", "ResourceKind", "Resourcekind", "Fleet", "Role", "Database",
                                  "Schema", "Package", "Server"])  # fmt: skip
def test_names_of_tenantplans_own(tmp_path: Path, name: str) -> None:
    (found,) = firsts(problems(tmp_path, a_kind(name, table="things")))
    assert found == f"a.yaml:4:19: the name `{name}` is reserved for tenantplan"


@pytest.mark.parametrize("table", ["users", "public.organizations", "tenantplan.runs", "tenantplan.keys", "pg_class",
                                   "pg_catalog.pg_authid"])  # fmt: skip
def test_tables_of_tenantplans_own(tmp_path: Path, table: str) -> None:
    (found,) = firsts(problems(tmp_path, a_kind("Thing", table=table)))
    assert found == f"a.yaml:5:16: the table `{table}` is tenantplan's own"


@pytest.mark.parametrize("table", ['a"; DROP TABLE users', "A", "a.b.c", "a-b", ".a", "a.", "1a", "a" * 64, "ä", '""'])
def test_names_of_tables_that_are_refused(tmp_path: Path, table: str) -> None:
    (found,) = problems(tmp_path, a_kind("Thing", table=f"{table!r}"))
    assert "a table is lower-case letters, digits and _" in found


@pytest.mark.parametrize("name", ["thing", "Thing-x", "1Thing", "Thing.x", "T" * 64, "Ünit"])
def test_names_of_kinds_that_are_refused(tmp_path: Path, name: str) -> None:
    (found,) = problems(tmp_path, a_kind(name, table="things"))
    assert "a kind is named with letters and digits, starting with a capital" in found


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("", "should have at least 1"),
        ("name: { type: text }", "`name` is the `key` of the table"),
        ("Bad: { type: text }", "a column is lower-case letters"),
        ("a: { type: number }", "expected one of"),
        ("a: { type: reference }", "`kind` names what a reference refers to"),
        ("a: { type: text, kind: User }", "`kind` names what a reference refers to"),
        ("a: { type: integer, values: [a] }", "only a text can be limited"),
        ("a: { type: text, field: Bad }", "a field is letters and digits"),
        ("a_b: { type: text }, c: { type: text, field: aB }", "the field `aB` stands for two things"),
        ("state: { type: text }", "the field `state` stands for two things"),
        ("a: { type: reference, kind: Usr }", "there is no kind `Usr` to refer to"),
        ("a: { type: reference, kind: ResourceKind }", "there is no kind `ResourceKind` to refer to"),
    ],
)
def test_columns_that_are_refused(tmp_path: Path, columns: str, message: str) -> None:
    (found,) = problems(tmp_path, a_kind("Thing", columns))
    assert message in found and found.startswith("a.yaml:5:")


@pytest.mark.parametrize("columns", ["id: { type: integer }", "managed_by: { type: text }"])
def test_columns_that_are_not_the_documents_to_set(tmp_path: Path, columns: str) -> None:
    """The id is the row's identity, and who manages it is nobody's wish."""
    (found,) = problems(tmp_path, a_kind("Thing", columns))
    assert found.startswith("a.yaml:5:")


@pytest.mark.parametrize("more", ["ownership: { home: url }", "ownership: { home: nowhere }"])
def test_a_home_is_a_reference(tmp_path: Path, more: str) -> None:
    (found,) = problems(tmp_path, a_kind("Thing", more=more))
    assert "`ownership.home` names a reference among the columns" in found


@pytest.mark.parametrize(
    "column", ["schema", "copy", "json", "model_config", "model_fields", "validate", "class", "self"]
)
def test_columns_may_be_called_what_python_calls_its_own(tmp_path: Path, column: str) -> None:
    kind = a_kind("Thing", f"{column}: {{ type: text, field: value }}")
    assert row(desired(tmp_path, kind, a_document("Thing", "one", "value: x")), "thing/one").values[column] == "x"


def test_a_column_called_state(tmp_path: Path) -> None:
    """`state` in the YAML is about the row itself; the column of that name has another field."""
    kind = a_kind("Thing", "state: { type: text, field: status }")
    made = row(desired(tmp_path, kind, a_document("Thing", "one", "status: hot, state: active")), "thing/one")
    assert made.values == {"name": "one", "state": "hot"}


def test_a_column_that_starts_with_an_underscore(tmp_path: Path) -> None:
    kind = a_kind("Thing", "_url: { type: text, field: url }")
    assert row(desired(tmp_path, kind, a_document("Thing", "one", "url: x")), "thing/one").values["_url"] == "x"


@pytest.mark.parametrize(
    ("table", "allowed"),
    [
        ("pages", {"pages"}),
        ("pages", {"public.pages"}),
        ("public.pages", {"pages"}),
        ("pages", {"public.*"}),
        ("crm.pages", {"other", "crm.pages"}),
        ("crm.pages", {"crm.*"}),
    ],
)
def test_tables_that_the_fleet_file_names(tmp_path: Path, table: str, allowed: set[str]) -> None:
    facts = replace(FACTS, tables=frozenset(allowed))
    assert len(desired(tmp_path, a_kind("Page", table=table), a_document("Page", "one"), facts=facts).state) == 1


@pytest.mark.parametrize("allowed", [set(), {"page"}, {"pagess"}, {"crm.pages"}, {"crm.*"}, {"other.*"}])
def test_tables_that_it_does_not(tmp_path: Path, allowed: set[str]) -> None:
    """A plan shows what is in a table, so that a pull request cannot just name any."""
    facts = replace(FACTS, tables=frozenset(allowed))
    with pytest.raises(ManifestError) as caught:
        desired(tmp_path, a_kind("Page", table="pages"), a_document("Page", "one"), facts=facts)
    (found,) = caught.value.problems
    assert found.startswith("a.yaml:5:16: the fleet file does not name the table `pages`")
    assert "resourceTables: [pages]" in found


def test_a_wrong_definition_speaks_for_its_documents(tmp_path: Path) -> None:
    """One mistake, not one more for each document of the kind."""
    found = problems(tmp_path, a_kind("Thing", table="users"), *(a_document("Thing", f"t{n}") for n in range(3)))
    assert firsts(found) == ["a.yaml:5:16: the table `users` is tenantplan's own"]
