"""Mistakes that only several documents together show: all at once, with both places."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantplan.documents import load
from tenantplan.errors import ManifestError
from tenantplan.manifest.kinds import NAME_RULES, SPECS
from tenantplan.manifest.resolve import FleetFacts, resolve

FACTS = FleetFacts("demo", "tp_main", "tp_", frozenset({"primary", "eu-1"}), tables=frozenset({"public.*", "crm.*"}))


def a_document(kind: str, name: str, spec: str, metadata: str = "") -> str:
    more = f", {metadata}" if metadata else ""
    return (
        f"apiVersion: tenantplan/v1\nkind: {kind}\nmetadata: {{ name: {name}{more} }}\nspec:\n  displayName: X\n{spec}"
    )


def an_organization(name: str, spec: str = "", metadata: str = "") -> str:
    return a_document("Organization", name, spec, metadata)


def a_user(name: str, spec: str = "") -> str:
    return a_document("User", name, f"  role: CLIENT_EDITOR\n{spec}")


def problems(tmp_path: Path, **files: str) -> list[str]:
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(ManifestError) as caught:
        resolve(load(tmp_path, ["."], SPECS, NAME_RULES), FACTS)
    return caught.value.problems


def test_one_name_twice(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, a=an_organization("acme"), b=an_organization("acme"))
    assert found.startswith("b.yaml:3:19: Organization `acme` is declared twice; first at a.yaml:3:19\n")
    assert "3 | metadata: { name: acme }" in found


def test_one_person_twice_in_other_case(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, a=a_user("Anna@x.org"), b=a_user("anna@X.org"))
    assert found.startswith("b.yaml:3:19: User `anna@X.org` is declared twice; first at a.yaml:3:19")


def test_undeclared_references_with_the_nearest_name(tmp_path: Path) -> None:
    spec = (
        "  tier: gol\n  database: { server: eu1 }\n  members:\n"
        "    - { user: ana@x.org, role: CLIENT_EDITOR }\n    - { user: zzzzzz@elsewhere.test, role: CLIENT_EDITOR }\n"
    )
    tenant = a_document("Tenant", "node", "  organization: acmee\n")
    tier = a_document("Tier", "gold", "  defaults: { database: { server: mars } }\n")
    user = a_user("anna@x.org", "  organization: amce\n")
    found = problems(tmp_path, a=an_organization("acme", spec), b=tenant, c=tier, d=user)
    assert [problem.splitlines()[0] for problem in found] == [
        "a.yaml:6:9: Tier `gol` is not declared",
        "a.yaml:7:23: server `eu1` is not declared in the fleet file",
        "a.yaml:9:15: User `ana@x.org` is not declared",
        "a.yaml:10:15: User `zzzzzz@elsewhere.test` is not declared",
        "b.yaml:6:17: Organization `acmee` is not declared",
        "c.yaml:6:35: server `mars` is not declared in the fleet file",
        "d.yaml:7:17: Organization `amce` is not declared",
    ]
    hints = [problem.splitlines()[-1].strip() for problem in found]
    assert hints == [
        "did you mean `gold`?",
        "did you mean `eu-1`?",
        "did you mean `anna@x.org`?",
        "declared: anna@x.org",
        "did you mean `acme`?",
        "servers of the fleet file: eu-1, primary",
        "did you mean `acme`?",
    ]


def test_references_to_what_is_deleted_name_both_places(tmp_path: Path) -> None:
    organization = an_organization("acme", "  state: deleted\n")
    tenant = a_document("Tenant", "node", "  organization: acme\n")
    user = a_user("a@x", "  organization: acme\n")
    found = problems(tmp_path, a=organization, b=tenant, c=user)
    message = "Organization `acme` is declared `state: deleted` at a.yaml:6:10"
    assert [problem.splitlines()[0] for problem in found] == [f"b.yaml:6:17: {message}", f"c.yaml:7:17: {message}"]


def test_nested_names_twice(tmp_path: Path) -> None:
    members = "  members:\n    - { user: a@x, role: CLIENT_EDITOR }\n    - { user: a@x, role: AGENCY_ADMIN }\n"
    licences = "  organization: acme\n  licenses:\n    - { name: main }\n    - { name: main }\n"
    tenant = a_document("Tenant", "node", licences)
    found = problems(tmp_path, a=an_organization("acme", members), b=a_user("a@x"), c=tenant)
    assert [problem.splitlines()[0] for problem in found] == [
        "a.yaml:8:15: member `a@x` is listed twice; first at a.yaml:7:15",
        "c.yaml:9:15: licence `main` is listed twice; first at c.yaml:8:15",
    ]


def test_impossible_renames(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        a=an_organization("one", "", "renamedFrom: one"),
        b=an_organization("two", "", "renamedFrom: one"),
        c=an_organization("three", "", "renamedFrom: gone"),
        d=an_organization("four", "", "renamedFrom: gone"),
    )
    assert [problem.splitlines()[0] for problem in found] == [
        "a.yaml:3:37: `one` cannot be renamed from itself",
        "b.yaml:3:37: `one` is still declared at a.yaml:3:19, so it cannot be renamed",
        "d.yaml:3:38: `gone` is renamed twice; first at c.yaml:3:39",
    ]


def test_a_connection_string_in_the_wrong_field_is_not_shown(tmp_path: Path) -> None:
    spec = "  database: { server: 'postgresql://u:canary@host/d' }\n"
    (found,) = problems(tmp_path, a=an_organization("acme", spec))
    assert "is not declared in the fleet file" in found and "canary" not in found


DEDICATED = "  database: { mode: dedicated }\n"


def test_two_that_would_share_a_database(tmp_path: Path) -> None:
    explicit = "  database: { mode: dedicated, name: tp_acme }\n"
    tenant = a_document("Tenant", "acme", "  organization: acme\n" + DEDICATED)
    elsewhere = "  database: { mode: dedicated, name: tp_acme, server: eu-1 }\n"
    found = problems(
        tmp_path,
        a=an_organization("acme", DEDICATED),
        b=an_organization("other", explicit),
        c=tenant,
        d=an_organization("far", elsewhere),
    )
    message = "the database `tp_acme` on server primary would also be that of Organization `acme` at a.yaml:3:19"
    assert [problem.splitlines()[0] for problem in found] == [f"b.yaml:6:38: {message}", f"c.yaml:3:19: {message}"]


def test_a_deleted_organization_still_holds_its_database(tmp_path: Path) -> None:
    deleted = an_organization("acme", "  state: deleted\n" + DEDICATED)
    explicit = an_organization("other", "  database: { mode: dedicated, name: tp_acme }\n")
    (found,) = problems(tmp_path, a=deleted, b=explicit)
    assert "would also be that of Organization `acme` at a.yaml:3:19" in found


def test_a_derived_name_of_63_bytes_that_another_asks_for(tmp_path: Path) -> None:
    from tenantplan.manifest.names import derive

    long = "a" * 63
    taken = derive("tp_", long)
    explicit = an_organization("other", f"  database: {{ mode: dedicated, name: {taken} }}\n")
    (found,) = problems(tmp_path, a=an_organization(long, DEDICATED), b=explicit)
    assert f"the database `{taken}` on server primary would also be that of Organization `{long}`" in found


def test_the_main_database_is_nobodys(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, a=an_organization("main", DEDICATED))
    assert found.startswith("a.yaml:3:19: the database name `tp_main` is the main database's")


def test_everything_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        a=an_organization("acme", "  tier: none\n" + DEDICATED),
        b=an_organization("acme", "  tier: none\n"),
        c=an_organization("main", DEDICATED, "renamedFrom: main"),
    )
    assert len(found) == 5
