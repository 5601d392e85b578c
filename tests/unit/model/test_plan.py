"""The plan file: canonical bytes, a digest that names it, a seal over every byte."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from tenantplan.errors import PlanRefused
from tenantplan.model.encode import canonical
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan, parse
from tenantplan.model.resource import Package, Ref, Role, Row, Secret
from tenantplan.model.rowtype import RowType
from tenantplan.model.step import Hazard, Origin, PreflightCheck, Step
from tenantplan.model.window import Deferral


def an_operation(identifier: str = "ab12", /, **changes: Any) -> Operation:
    row = Row("organizations", {"slug": "acme", "display_name": "Ácme", "tier_id": Ref("tier/pro")})
    made = Operation(
        identifier, "organization/acme", "update", "safe", "organization/acme", True, "update row acme", row, row, "f"
    )
    return replace(made, **changes)


def a_kind(**changes: Any) -> RowType:
    """The table of a kind that the fleet declares itself, with something in every field."""
    columns = {
        "name": "text",
        "url": "text",
        "events": "list",
        "team_id": "ref",
        "next_id": "ref",
        "secret": "encrypted",
    }
    made = RowType(
        kind="webhook", table="crm.webhooks", name="name", columns=columns, parent="team_id",
        refs={"team_id": "teams", "next_id": "crm.webhooks"}, enums={"url": "crm.kind"}, key=("team_id", "name"), home="team_id",
        uses=("next_id",), late=("next_id",), once=("url",), observed=("url",), fixed=("name",), stamps={"secret": "changed_at"},
        retired={"url": ("gone", None), "name": ("x", "y")}, id="webhook_id", serial=True, owner="fleet", touched=None,
    )  # fmt: skip
    return replace(made, **changes)


def a_deferral() -> Deferral:
    return Deferral("organization/y", "delete", "retire row y", "2026-11-23T21:00:00Z", "Europe/Paris", "change window")


def a_plan(**changes: Any) -> Plan:
    made = Plan(
        fleet="demo", tool_version="1.0", created_at="2026-11-20T20:00:00Z", base={"commit": "c0ffee", "dirty": False},
        target={"system_identifier": "7", "main_database": "m", "servers": {"primary": "7"}}, config_digest="c",
        operations=(an_operation(), an_operation("cd34", depends_on=("ab12",), statements=("SELECT 1",), revisions=("r",))),
        orphans=(Finding("organization/x", "orphan", "live"),), selection={"target": ["a"]},
        deferred=(a_deferral(),), labels={"organization/acme": {"tier": "pro"}},
    )  # fmt: skip
    return replace(made, **changes)


def test_there_and_back() -> None:
    plan = a_plan()
    again = parse(plan.to_bytes(), "plan.json")
    assert again == plan
    assert again.to_bytes() == plan.to_bytes()
    assert plan.to_bytes().endswith(b"}\n") and plan.to_bytes().count(b"\n") == 1


def test_a_plan_with_kinds_of_the_fleets_own() -> None:
    """Apply needs nothing but the plan: it describes the tables of such kinds."""
    row = Row("crm.webhooks", {"name": "x", "events": ["a", "b"]}, initial={"url": "https://x"})
    package = Package("1", "main:", "1/k", 3, "aa", source="a.zip", holder="release/a")
    operations = (
        an_operation(before=None, after=row),
        an_operation("cd34", before=row, after=row, adopt=True),
        an_operation("ef56", before=None, after=package),
    )
    plan = a_plan(operations=operations, kinds=(a_kind(), a_kind(table="plain", touched="updated_at")))
    again = parse(plan.to_bytes(), "plan.json")
    assert again == plan and again.to_bytes() == plan.to_bytes() and again.digest == plan.digest
    made, adopted, carried = again.operations
    assert isinstance(made.after, Row) and made.after.initial == row.initial
    assert (made.adopt, adopted.adopt) == (False, True)
    assert isinstance(carried.after, Package) and carried.after.source == "a.zip"


@pytest.mark.parametrize("name", [f.name for f in fields(RowType)])
def test_every_field_of_a_kind_counts(name: str) -> None:
    """A plan whose tables were described otherwise is another plan."""
    other: object = {"columns": {}, "refs": {}, "enums": {}, "stamps": {}, "retired": {}, "key": (), "uses": (), "late": (),
                     "once": (), "observed": (), "fixed": (), "serial": False}.get(name, "x")  # fmt: skip
    assert a_plan(kinds=(a_kind(**{name: other}),)).digest != a_plan(kinds=(a_kind(),)).digest


def test_rows_of_the_application_that_a_plan_refers_to() -> None:
    beside = {"organization/x": Row("organizations", {"slug": "x"}), "team/y": Row("teams", {"slug": Ref("a")})}
    again = parse(a_plan(unmanaged=beside).to_bytes(), "plan.json")
    assert again.unmanaged == beside


@pytest.mark.parametrize("beside", ["x", [1], {"a": {"type": "x"}}, {"a": 1}, None])
def test_what_is_no_such_row(beside: object) -> None:
    with pytest.raises(PlanRefused):
        parse(canonical(a_plan().document() | {"beside": beside}) + b"\n", "plan.json")


@pytest.mark.parametrize("name", ["deferred", "labels"])
@pytest.mark.parametrize("wrong", ["x", [1], [{}], {"a": "b"}, {"a": 1}, None, [None]])
def test_deferrals_and_labels_that_are_none(name: str, wrong: object) -> None:
    with pytest.raises(PlanRefused):
        parse(canonical(a_plan().document() | {name: wrong}) + b"\n", "plan.json")


@pytest.mark.parametrize("kinds", ["x", [1], [{}], [{"kind": "x"}], None, [None]])
def test_kinds_that_are_none(kinds: object) -> None:
    document = a_plan().document() | {"kinds": kinds}
    with pytest.raises(PlanRefused):
        parse(canonical(document) + b"\n", "plan.json")


def test_secrets_stand_in_it_as_references() -> None:
    role = Role("primary", "r", True, password=Secret("env:X", "abc"))
    document = an_operation(before=None, after=role).document()
    assert document["after"]["password"] == {"$secret": "env:X", "keyed": "abc"}
    assert Operation.parse(document).after == role


def test_when_it_was_made_is_no_part_of_its_identity() -> None:
    plan, later = a_plan(), a_plan(created_at="2026-11-21T20:00:00Z")
    assert plan.digest == later.digest
    assert plan.seal != later.seal


@pytest.mark.parametrize("name", [f.name for f in fields(Plan) if f.name != "created_at"])
def test_everything_else_is(name: str) -> None:
    other = {
        "operations": (an_operation(),),
        "selection": {},
        "base": {"commit": None},
        "target": {},
        "kinds": (a_kind(),),
        "unmanaged": {"organization/x": Row("organizations", {"slug": "x"})},
        "deferred": (),
        "labels": {"organization/x": {"tier": "pro"}},
    }
    findings = (Finding("a", "r", "m"),)
    changed = a_plan(
        **{
            name: other.get(
                name, findings if name in ("blockers", "orphans", "unreachable", "notes", "attempts") else "x"
            )
        }
    )
    assert changed.digest != a_plan().digest
    assert changed.seal != a_plan().seal


@pytest.mark.parametrize("name", [f.name for f in fields(Operation)])
def test_so_is_every_field_of_an_operation(name: str) -> None:
    a_step = Step("outside", ("VACUUM",), "r1", mark="r1:1:x", begun="r1:0:x")
    other: object = {
        "transactional": False, "retire": True, "before": None, "after": None, "depends_on": ("x",), "statements": ("x",),
        "revisions": ("x",), "action": "create", "steps": (a_step,), "undo": (a_step,), "checks": (PreflightCheck("r", "SELECT"),),
        "schema": ("a", "b", True), "locks": (("t", "SHARE"),), "hazards": (Hazard("r", "danger", 0, None, None, "m"),),
        "origins": (Origin("r", True, 1),), "clone": False,
    }.get(name, "x")  # fmt: skip
    assert a_plan(operations=(an_operation(**{name: other}),)).digest != a_plan(operations=(an_operation(),)).digest


def test_every_bit_of_every_byte() -> None:
    data = a_plan(operations=(an_operation(),)).to_bytes()
    for position in range(len(data)):
        for bit in range(8):
            broken = bytearray(data)
            broken[position] ^= 1 << bit
            with pytest.raises(PlanRefused):
                parse(bytes(broken), "plan.json")


def test_every_cut() -> None:
    data = a_plan(operations=(an_operation(),)).to_bytes()
    for length in range(len(data)):
        with pytest.raises(PlanRefused):
            parse(data[:length], "plan.json")
        with pytest.raises(PlanRefused):
            parse(data[:length] + data[length + 1 :], "plan.json")


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"1", b'"x"', b"{}", b'{"format_version":"9.9"}', b'{"format_version":{}}',
                                  b"[" * 100_000, b"\xff\xfe", b'{"a":' * 10_000, b"NaN", b"1" * 10_000])  # fmt: skip
def test_what_is_no_plan(data: bytes) -> None:
    with pytest.raises(PlanRefused) as caught:
        parse(data, "plan.json")
    assert caught.value.exit_code == 4 and caught.value.where == "plan.json"


def test_an_unfinished_run_makes_a_plan_worth_applying() -> None:
    assert a_plan(operations=()).empty
    assert not a_plan(operations=(), unfinished="run").empty
