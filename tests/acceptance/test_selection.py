"""--target, --exclude, --selector."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once


@pytest.fixture
def declared(fleet: Fleet) -> Fleet:
    fleet.document("Tier", "pro", "displayName: Pro")
    fleet.document("Tier", "basic", "displayName: Basic")
    fleet.document("User", "anna@x.example", "{ displayName: A, role: CLIENT_EDITOR }")
    fleet.organization("acme", "tier: basic", labels={"region": "us"})
    fleet.organization(
        "msf",
        "tier: pro\ndatabase: { mode: dedicated }\nmembers: [ { user: anna@x.example, role: AGENCY_ADMIN } ]",
        labels={"region": "eu"},
    )
    fleet.document("Tenant", "paris", "{ organization: msf, displayName: P }")
    return fleet


def planned(fleet: Fleet, *arguments: str) -> set[str]:
    found = {o["address"] for o in fleet.plan(*arguments)["operations"]}
    return {address for address in found if not address.startswith(("role/", "database/", "schema/"))}


def slugs(fleet: Fleet) -> list[str]:
    return [slug for (slug,) in fleet.rows("SELECT slug FROM organizations ORDER BY 1")]


def test_a_target_brings_what_it_depends_on(declared: Fleet) -> None:
    member = "organization/msf/member/anna@x.example"
    assert planned(declared, "--target", "organization/msf") == {
        "tier/pro",
        "organization/msf",
        "user/anna@x.example",
        member,
    }
    declared.apply("--target", "organization/msf")
    assert slugs(declared) == ["msf"]
    assert declared.database("msf") in declared.databases()
    declared.apply()
    declared.converged()


def test_several_targets_and_nested_ones(declared: Fleet) -> None:
    assert planned(declared, "--target", "tier/basic", "--target", "user/anna@x.example") == {
        "tier/basic",
        "user/anna@x.example",
    }
    declared.apply("--target", "organization/acme")
    assert slugs(declared) == ["acme"]


def test_an_exclude_leaves_out_what_depends_on_it(declared: Fleet) -> None:
    left = planned(declared, "--exclude", "organization/msf")
    assert left == {"tier/basic", "tier/pro", "user/anna@x.example", "organization/acme"}
    declared.apply("--exclude", "organization/msf")
    assert slugs(declared) == ["acme"]
    assert declared.databases() == [declared.main_database]


@pytest.mark.parametrize("selector", ["region=eu", "tier=pro", "mode=dedicated"])
def test_a_selector_by_label_tier_or_mode(declared: Fleet, selector: str) -> None:
    found = planned(declared, "--selector", selector)
    assert "organization/msf" in found and "organization/acme" not in found
    assert "twice" in declared.run("plan", "--selector", "region=eu", "--selector", "region=us", code=1).err


def test_a_selected_plan_file_applies_just_that(declared: Fleet) -> None:
    declared.run("plan", "--target", "organization/acme", "--out", "plan.json")
    declared.run("apply", "plan.json", "--auto-approve")
    assert slugs(declared) == ["acme"]
    assert declared.run("apply", "plan.json", "--target", "organization/msf", code=1).err


@pytest.mark.parametrize("flag", ["--target", "--exclude"])
def test_a_misspelt_address_selects_nothing_silently(declared: Fleet, flag: str) -> None:
    for address in (
        "organization/msff",
        "msf",
        "organization/ms",
        "organization/msf/member/x@x.example",
        "organization/",
    ):
        for command in (["plan"], ["apply", "--auto-approve"]):
            assert address in declared.run(*command, flag, address, code=1).err


@pytest.mark.parametrize("text", ["region", "=eu", "region="])
def test_a_malformed_selector(declared: Fleet, text: str) -> None:
    assert "key=value" in declared.run("plan", "--selector", text, code=1).err


def test_a_selector_that_matches_no_label_says_so(declared: Fleet) -> None:
    assert "reggion" in declared.run("plan", "--selector", "reggion=eu", code=1).err
