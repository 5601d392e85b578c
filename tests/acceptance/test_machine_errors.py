"""Errors for machines: one JSON document on stdout, or annotations at the lines of a pull request; all mistakes in one pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from acceptance.harness import Fleet
from servers import TestServer

from tenantplan.cli.failures import requested_format

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def wrong(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """A fleet of which five files are wrong, each in another way; no command gets as far as a server."""
    fleet = Fleet(tmp_path_factory.mktemp("wrong") / "fleet", server)
    fleet.organization("a", "server: primary")
    fleet.organization("b", "members: [ { user: x@y.org, role: AGENCY_ADMIN }, { user: nobody@y.org, roel: X } ]")
    fleet.organization("c", "tier: gold\nlicenses: []")
    fleet.document("Tenant", "t", "organization: b\ndisplayName: T")
    fleet.document("User", "x@y.org", "displayName: !secret X\nrole: AGENCY_ADMIN")
    fleet.write("tenants/z.yaml", "a: [")
    return fleet


def errors(fleet: Fleet, *arguments: str) -> list[dict[str, Any]]:
    result = fleet.run(*arguments, code=1)
    document = result.json
    assert document["exitCode"] == 1 and result.err.startswith("tenantplan: ")
    found: list[dict[str, Any]] = document["errors"]
    keys = {"code", "message", "file", "line", "column", "field", "where", "hint"}
    assert all(set(error) == keys for error in found)
    return found


def test_every_mistake_of_every_file_with_its_field(wrong: Fleet) -> None:
    expected = [
        ("unknown-field", "tenants/organization-a.yaml", "spec.server"),
        ("missing-field", "tenants/organization-b.yaml", "spec.members[1].role"),
        ("unknown-field", "tenants/organization-b.yaml", "spec.members[1].roel"),
        ("unknown-field", "tenants/organization-c.yaml", "spec.licenses"),
        ("refused", "tenants/user-x@y.org.yaml", "spec.displayName"),
        ("syntax", "tenants/z.yaml", None),
    ]
    for command in (
        ("validate", "--json"),
        ("validate", "--format", "json"),
        ("plan", "--json"),
        ("plan", "--format=json"),
    ):
        found = errors(wrong, *command)
        assert sorted((e["code"], e["file"], e["field"]) for e in found) == sorted(expected)
        assert all(e["line"] and e["column"] for e in found)


def test_a_misplaced_field_says_where_it_belongs(wrong: Fleet) -> None:
    hints = {e["field"]: e["hint"] for e in errors(wrong, "validate", "--json")}
    assert hints["spec.server"] == "it belongs at `spec.database.server`"
    assert hints["spec.licenses"] == "it belongs in the spec of Tenant"
    assert hints["spec.members[1].roel"] == "did you mean `role`?"
    text = wrong.run("validate", code=1).err
    assert "field: spec.server" in text and "it belongs at `spec.database.server`" in text


def test_annotations(wrong: Fleet) -> None:
    for command in ("validate", "plan"):
        lines = wrong.run(command, "--format", "github", code=1).out.splitlines()
        assert len(lines) == 6 and all(line.startswith("::error file=tenants/") for line in lines)
        assert any(",title=spec.server::unknown field `server`. it belongs at" in line for line in lines)
    parent = str(wrong.root.parent)
    lines = wrong.run("validate", "--format", "github", code=1, env={"GITHUB_WORKSPACE": parent}).out.splitlines()
    assert all(line.startswith("::error file=fleet/tenants/") for line in lines)


def test_references_are_checked_in_the_same_pass(tmp_path: Path, server: TestServer) -> None:
    """What cannot be read is not said to be undeclared."""
    fleet = Fleet(tmp_path / "fleet", server)
    fleet.organization("a", "tier: gold\nmembers: [ { user: x@y.org, role: AGENCY_ADMIN } ]")
    fleet.document("Tier", "silver", "displayName: S")
    fleet.document("User", "x@y.org", "displayName: X\nrole: AGENCY_ADMIN\nnickname: X")
    found = errors(fleet, "validate", "--json")
    assert {(e["file"], e["field"]) for e in found} == {
        ("tenants/organization-a.yaml", "spec.tier"),
        ("tenants/user-x@y.org.yaml", "spec.nickname"),
    }


def test_the_fleet_file_and_the_documents_in_one_pass(tmp_path: Path, server: TestServer) -> None:
    fleet = Fleet(tmp_path / "fleet", server, spec="gaurd: {}")
    fleet.organization("a", "dispalyName: A")
    found = errors(fleet, "validate", "--json")
    assert [(e["file"], e["field"]) for e in found] == [
        ("tenantplan.yaml", "spec.gaurd"),
        ("tenants/organization-a.yaml", "spec.dispalyName"),
    ]


def test_other_errors_are_documents_too(tmp_path: Path, server: TestServer) -> None:
    fleet = Fleet(tmp_path / "fleet", server)
    fleet.organization("a")
    nowhere = {"TENANTPLAN_MAIN_URL": "postgresql://u:canary@127.0.0.1:1/postgres"}
    for command in (("plan", "--json"), ("status", "--json"), ("status", "--format", "json")):
        result = fleet.run(*command, code=1, env=nowhere)
        (error,) = result.json["errors"]
        assert error["code"] == "connect" and error["hint"] and "127.0.0.1:1" in error["where"]
        assert "canary" not in result.out
    (error,) = fleet.run("plan", "--json", "--nonsense", code=1).json["errors"]
    assert error["code"] == "usage" and "nonsense" in error["message"]
    out = fleet.run("status", "--format", "github", code=1, env=nowhere).out
    assert out.startswith("::error title=") and out.count("\n") == 1


def test_a_value_cannot_speak_to_the_runner(tmp_path: Path, server: TestServer) -> None:
    fleet = Fleet(tmp_path / "fleet", server)
    fleet.write("tenants/a,title=x%0A::set-env::.yaml", 'kind: X\n"::add-mask::x%0A\\n::warning::": 1\n')
    lines = fleet.run("validate", "--format", "github", code=1).out.splitlines()
    assert all(line.startswith("::error file=tenants/a%2Ctitle=x%250A%3A%3Aset-env%3A%3A.yaml,line=") for line in lines)
    assert not any("%0A" in line.replace("%250A", "") for line in lines)


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("plan --json", "json"),
        ("--fleet plan apply --json", ""),
        ("--fleet x status --format=github", "github"),
        ("validate --format text", ""),
        ("audit list --user plan --json", ""),
        ("plan --format json --json", "json"),
        ("", ""),
    ],
)
def test_the_format_is_that_of_the_command_line(line: str, form: str) -> None:
    assert requested_format(line.split()) == form


def test_what_is_right_in_annotations(fleet: Fleet) -> None:
    fleet.organization("a")
    assert fleet.run("validate", "--format", "github").out.startswith("::notice::Fleet ")
    assert fleet.run("plan", "--format", "github").out.startswith("::notice title=tenantplan plan of fleet")
    fleet.apply()
    assert fleet.run("status", "--format", "github").out.startswith("::notice title=fleet")
    fleet.organization("a", "state: deleted")
    blocked = fleet.run("plan", "--format", "github", code=3).out
    assert blocked.startswith("::error title=")
