"""Kinds of the fleet's own against the tables they stand for: each thing that is wrong is said once, by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tenantplan.model.rowtype import Attribute, Relation, RowType
from tenantplan.tables import BUILTIN
from tenantplan.tables.fit import mismatches, with_ids

COLUMNS = {"name": "text", "tries": "int", "on": "bool", "data": "json", "at": "timestamp", "tags": "list",
           "secret": "encrypted", "team_id": "ref"}  # fmt: skip
KIND = RowType("webhook", "crm.webhooks", "name", COLUMNS, refs={"team_id": "teams"}, id="id", touched=None)
ATTRIBUTES = {
    "id": Attribute("uuid", primary=True, unique=True),
    "name": Attribute("text", needed=True, unique=True),
    "tries": Attribute("bigint"),
    "on": Attribute("boolean"),
    "data": Attribute("jsonb"),
    "at": Attribute("timestamp with time zone"),
    "tags": Attribute("text[]"),
    "secret": Attribute("bytea"),
    "team_id": Attribute("uuid"),
    "managed_by": Attribute("text"),
    "made_at": Attribute("timestamp with time zone"),  # has a default
}


def found(kind: RowType = KIND, /, **changes: Attribute | None) -> list[str]:
    """What is wrong with the table where these columns are otherwise, or (None) missing."""
    attributes = {name: a for name, a in {**ATTRIBUTES, **changes}.items() if a is not None}
    findings = mismatches([kind], {"crm.webhooks": Relation(attributes)})
    assert all(f.address == "kind/webhook" and f.rule == "kind" for f in findings)
    assert all(f.message.startswith("table crm.webhooks: ") for f in findings)
    return [f.message.removeprefix("table crm.webhooks: ") for f in findings]


def test_a_table_that_fits() -> None:
    assert found() == []


def test_a_table_that_is_not_there_or_not_ours_to_write() -> None:
    (missing,) = mismatches([KIND], {"public.webhooks": Relation(ATTRIBUTES)})
    assert "does not exist in the main database" in missing.message
    (closed,) = mismatches([KIND], {"crm.webhooks": Relation(ATTRIBUTES, writable=False)})
    assert "may not SELECT, INSERT, UPDATE and DELETE" in closed.message


@pytest.mark.parametrize(
    ("name", "attribute", "message"),
    [
        ("tries", None, "has no column tries"),
        ("managed_by", None, "has no column managed_by (ALTER TABLE crm.webhooks ADD COLUMN managed_by text)"),
        ("tries", Attribute("text"), "column tries is text, expected smallint or integer or bigint"),
        ("tries", Attribute("numeric"), "column tries is numeric, expected smallint or integer or bigint"),
        ("data", Attribute("json"), "column data is json, expected jsonb"),
        ("at", Attribute("timestamp without time zone"), "column at is timestamp without time zone, expected"),
        ("tags", Attribute("integer[]"), "column tags is integer[], expected"),
        ("secret", Attribute("text"), "column secret is text, expected bytea"),
        ("managed_by", Attribute("uuid"), "column managed_by is uuid, expected text"),
        ("tries", Attribute("bigint", generated=True), "column tries is generated"),
        ("other", Attribute("text", needed=True), "column other is required by every row and not declared"),
        ("name", Attribute("text"), "column name is the key, and no unique index is on it alone"),
        ("id", Attribute("uuid", unique=True), "column id is not its primary key"),
        ("managed_by", Attribute("text", mandatory=True), "column managed_by must be able to be NULL"),
        ("id", Attribute("bigint", primary=True), "encrypted columns need rows with a uuid as id"),
    ],
)
def test_what_does_not_fit(name: str, attribute: Attribute | None, message: str) -> None:
    (problem,) = found(**{name: attribute})
    assert problem.startswith(message)


def test_all_of_it_at_once() -> None:
    assert (
        len(found(tries=None, data=Attribute("json"), id=Attribute("text", primary=True), name=Attribute("text"))) == 4
    )


def test_a_kind_that_says_otherwise() -> None:
    kind = replace(KIND, owner="fleet", name="slug", columns={**COLUMNS, "slug": "text"}, id="key")
    slug, key = Attribute("character varying", unique=True), Attribute("integer", primary=True)
    problems = found(
        replace(kind, columns={"slug": "text", "name": "text"}), slug=slug, key=key, fleet=Attribute("text")
    )
    assert problems == []


@pytest.mark.parametrize(("type_", "serial"), [("uuid", False), ("bigint", True), ("integer", True), ("text", False)])
def test_who_gives_the_id(type_: str, serial: bool) -> None:
    relations = {"crm.webhooks": Relation({"id": Attribute(type_, primary=True)})}
    tables = with_ids({"crm.webhooks": KIND, "users": BUILTIN["users"]}, relations)
    assert tables["crm.webhooks"].serial is serial and not tables["users"].serial
    assert with_ids({"crm.webhooks": KIND}, {})["crm.webhooks"] is KIND
