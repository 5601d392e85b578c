"""Canonical JSON, and resources there and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantplan.model.encode import canonical, digest, fingerprint, from_json, joined, members, to_json
from tenantplan.model.resource import Database, Package, Ref, Resource, Role, Row, Schema, Secret

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(JSON)
def test_canonical_is_inert_ascii_and_keeps_the_value(value: Any) -> None:
    data = canonical(value)
    assert json.loads(data) == value
    assert all(0x20 <= byte < 0x7F for byte in data)
    assert b"##[" not in data


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_members_joined_are_the_canonical_object(document: dict[str, Any]) -> None:
    assert joined(members(document)) == canonical(document)


@pytest.mark.parametrize("text", ["##[error]x", "###[error]", "\\##[x", "##\x7f[", "\x7f", "\ud800", "\u202e"])
def test_canonical_of_what_a_runner_obeys(text: str) -> None:
    assert json.loads(canonical([text, {text: 1}])) == [text, {text: 1}]
    assert b"##[" not in canonical([text])


def test_canonical_does_not_depend_on_order() -> None:
    assert (
        canonical({"b": 1, "a": {"d": 1, "c": 2}})
        == canonical({"a": {"c": 2, "d": 1}, "b": 1})
        == b'{"a":{"c":2,"d":1},"b":1}'
    )
    assert digest({"a": 1}) != digest({"a": "1"})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


RESOURCES: list[Resource] = [
    Row("organizations", {"slug": "a", "tier_id": Ref("tier/x"), "branding": {"a": [1, None, {"$ref": 1}]}, "n": None}),
    Row("organization_modules", {"settings": {"$ref": "#/a", "$$ref": 1, "$": {"$secret": "env:X", "keyed": "k"}}}),
    Row("organization_modules", {"settings": {"$ref": "tier/x"}}),
    Row("admin_users", {"password_hash": Secret("env:X", "abc")}),
    Role("primary", "r", True, 5, ("g", "h"), Secret("file:x"), "organization/a"),
    Database("primary", "d", "o", 5, False, ("a", "b"), "organization/a"),
    Database("primary", "d"),
    Schema("primary", "d", "tenant", "9c1b", "organization/a"),
    Role("primary", "r", statement_timeout=30_000),
    Row("projects", {"slug": "a"}, initial={"status": "RUNNING", "owner_id": Ref("user/a")}),
    Package("2.4.0", "s3://bucket", "2.4.0/k/node.zip", 5_000_000_000, "ab" * 32, "dist/node.zip", "release/node"),
    Package("2.4.0", "main:", "k", 0, ""),
]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: type(r).__name__)
def test_there_and_back(resource: Resource) -> None:
    again = from_json(json.loads(canonical(to_json(resource))))
    assert again == resource
    assert to_json(again) == to_json(resource)
    # What is not compared, but has to reach the run that writes it.
    assert getattr(again, "initial", None) == getattr(resource, "initial", None)
    assert getattr(again, "source", None) == getattr(resource, "source", None)


def test_what_only_the_live_side_knows_is_left_out() -> None:
    row = Row("projects", {"slug": "a"}, {}, {"status": "ERROR"}, "organization/a", "id", False, "other", "2026-01-01")
    assert to_json(row) == {"type": "row", "table": "projects", "values": {"slug": "a"}}
    package = Package("1", "main:", "k", 1, "aa", managed=False, retired_at="2026-01-01T00:00:00Z")
    assert to_json(package) == to_json(Package("1", "main:", "k", 1, "aa"))


def test_initial_values_stand_only_in_rows_that_have_some() -> None:
    assert "initial" not in (to_json(Row("projects", {})) or {})
    assert (to_json(Row("projects", {}, initial={"status": None})) or {})["initial"] == {"status": None}


def test_what_is_written_once_is_no_difference() -> None:
    assert Row("projects", {}, initial={"status": "RUNNING"}) == Row("projects", {}, initial={"status": "ERROR"})


def test_nothing_is_nothing() -> None:
    assert to_json(None) is None
    assert from_json(None) is None


def test_a_fingerprint_tells_a_row_made_anew_from_the_one_that_was() -> None:
    row = Row("users", {"email": "a"}, id="1")
    assert fingerprint(row) == fingerprint(Row("users", {"email": "a"}, id="1", managed=False))
    assert fingerprint(row) != fingerprint(Row("users", {"email": "a"}, id="2"))
    assert fingerprint(row) != fingerprint(Row("users", {"email": "b"}, id="1"))
    assert fingerprint(None) != fingerprint(row)
