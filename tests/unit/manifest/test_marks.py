"""Marks on fields: what a spec refers to, and which names in a list stand there once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from unit.manifest.documents import a_document, a_team, a_user, an_organization, firsts, problems

from tenantplan.documents import Spec
from tenantplan.manifest.fields import Line
from tenantplan.manifest.kinds import KINDS
from tenantplan.manifest.kinds.organization import OrganizationSpec
from tenantplan.manifest.marks import Marked, Names, Refers, marked


class Inner(Spec):
    user_name: Annotated[Line, Refers("User"), Names("person")]
    state: str = "active"


class Outer(Spec):
    plain: str = "x"
    choice: Literal["User", "Team"] = "User"
    anything: Any = None
    home: Annotated[Line, Refers("Organization")]
    maybe: Annotated[Line, Refers("Team", same_organization=True)] | None = None
    tags: list[Annotated[Line, Refers("Template")]] = Field(default_factory=list)
    one: Inner | None = None
    many: list[Inner] = Field(default_factory=list)
    by_name: dict[str, Inner] = Field(default_factory=dict)
    deep: dict[str, list[Inner]] | None = None


def found(**values: Any) -> list[tuple[str, tuple[str | int, ...], str, tuple[str | int, ...]]]:
    """Value, path, mark in a word, and list of every marked field."""
    return [(m.value, m.path, _word(m), m.listed) for m in marked(Outer(home="msf", **values))]


def _word(item: Marked) -> str:
    return item.mark.kind if isinstance(item.mark, Refers) else f"names {item.mark.what}"


HOME = ("msf", ("spec", "home"), "Organization", ())


def test_a_field_and_an_optional_one() -> None:
    assert found() == [HOME]
    assert found(maybe="web") == [HOME, ("web", ("spec", "maybe"), "Team", ())]


def test_a_list_of_names() -> None:
    assert found(tags=["a", "b"])[1:] == [
        ("a", ("spec", "tags", 0), "Template", ("spec", "tags")),
        ("b", ("spec", "tags", 1), "Template", ("spec", "tags")),
    ]


def test_models_inside_are_found_under_their_yaml_names() -> None:
    assert found(one=Inner(user_name="a"))[1:] == [
        ("a", ("spec", "one", "userName"), "User", ()),
        ("a", ("spec", "one", "userName"), "names person", ()),
    ]
    items = found(by_name={"k": Inner(user_name="b")}, deep={"d": [Inner(user_name="c")]})[1:]
    assert [(value, path, listed) for value, path, mark, listed in items if mark == "User"] == [
        ("b", ("spec", "byName", "k", "userName"), ("spec", "byName")),
        ("c", ("spec", "deep", "d", 0, "userName"), ("spec", "deep", "d")),
    ]


def test_a_deleted_item_refers_to_nothing_but_keeps_its_name() -> None:
    """Its name still stands in the list: with another of that name, who would be meant?"""
    items = found(many=[Inner(user_name="a", state="deleted"), Inner(user_name="b")])[1:]
    assert [(value, mark) for value, _, mark, _ in items] == [
        ("b", "User"),
        ("a", "names person"),
        ("b", "names person"),
    ]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("Organization", {("spec", "tier"), ("spec", "owner"), ("spec", "members", "user")}),
        ("Tenant", {("spec", "organization")}),
        ("User", {("spec", "organization")}),
        ("Team", {("spec", "organization"), ("spec", "members", "user")}),
        ("Bucket", {("spec", "owner"), ("spec", "shares", "team")}),
        ("Invitation", {("spec", "organization"), ("spec", "team"), ("spec", "invitedBy")}),
        (
            "Project",
            {("spec", f) for f in ("organization", "team", "template", "bucket")} | {("spec", "apiKeys", "user")},
        ),
    ],
)
def test_what_the_kinds_refer_to(kind: str, fields: set[tuple[str, ...]], tmp_path: Path) -> None:
    """Every reference column of a kind's table is checked before anything is planned."""
    texts = {
        "Organization": "displayName: X, tier: t, owner: u@x, members: [{ user: u@x, role: CLIENT_EDITOR }]",
        "Tenant": "organization: o, displayName: X",
        "User": "displayName: X, role: CLIENT_EDITOR, organization: o",
        "Team": "organization: o, displayName: X, members: [{ user: u@x }]",
        "Bucket": "owner: t, provider: s3, shares: [{ team: t, access: ADMIN }]",
        "Invitation": "organization: o, email: a@x, role: CLIENT_EDITOR, team: t, invitedBy: u@x",
        "Project": "organization: o, displayName: X, team: t, template: t, bucket: b,"
        " apiKeys: [{ name: k, key: { env: K }, user: u@x }]",
    }
    name = "a@x" if kind == "User" else "one"
    reported = firsts(problems(tmp_path, a_document(kind, name, texts[kind])))
    assert len(reported) == len(fields) and all(line.endswith("is not declared") for line in reported)
    refs = KINDS[kind].rowtype.refs
    assert len([f for f in fields if len(f) == 2]) == len(refs)


def test_an_unmarked_field_is_no_reference() -> None:
    spec = OrganizationSpec.model_validate({"displayName": "Tier"})
    assert list(marked(spec)) == []


def test_a_name_stands_once_in_its_list(tmp_path: Path) -> None:
    """Also beside a deleted one; another list may have it, too."""
    keys = "{ name: k, key: { env: A } }"
    found = problems(
        tmp_path,
        an_organization(),
        a_user(),
        a_team("web", "members: [{ user: anna@x.org }, { user: anna@x.org, state: deleted }]"),
        a_team("ops", "members: [{ user: anna@x.org }]"),
        a_document("Project", "site", f"organization: acme, displayName: X, apiKeys: [{keys}, {keys}], tenants: [{{ name: k }}]"),
    )  # fmt: skip
    assert [line.split(": ", 1)[1] for line in firsts(found)] == [
        "member `anna@x.org` is listed twice; first at a.yaml:15:63",
        "API key `k` is listed twice; first at a.yaml:25:63",
    ]
