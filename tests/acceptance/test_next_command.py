"""The command under a plan is true: typed as it stands, it applies what was shown; under a blocked plan there is none."""

from __future__ import annotations

import shlex

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree

pytestmark = pytest.mark.once
LABEL = "to apply exactly this: tenantplan "
SAVE = "to apply it, save it first: tenantplan "


def command(shown: str, label: str = LABEL) -> list[str]:
    """What stands behind the label, as a shell reads it."""
    (line,) = [line for line in shown.splitlines() if label in line]
    return shlex.split(line.split(label)[1])


def typed(fleet: Fleet, arguments: list[str]) -> None:
    """Runs it; who applies without a file is asked at a terminal, and here says yes beforehand."""
    fleet.run(*arguments, "--auto-approve")


@pytest.fixture
def three(fleet: Fleet) -> Fleet:
    for name in ("a", "b", "c"):
        fleet.organization(name, "protect: false", labels={"region": "eu" if name == "a" else "us"})
    fleet.apply()
    return fleet


def flags(fleet: Fleet) -> list[str]:
    return [row[0] for row in fleet.rows("SELECT slug FROM organizations WHERE feature_flags <> '{}' ORDER BY 1")]


@pytest.mark.parametrize(
    ("selection", "changed"),
    [
        ((), ["a", "b", "c"]),
        (("--target", "organization/b"), ["b"]),
        (("--exclude", "organization/b", "--exclude", "organization/c"), ["a"]),
        (("--selector", "region=us", "--exclude", "organization/c"), ["b"]),
    ],
    ids=str,
)
def test_the_selection_is_part_of_it(three: Fleet, selection: tuple[str, ...], changed: list[str]) -> None:
    for name in "abc":
        region = "eu" if name == "a" else "us"
        three.organization(name, "protect: false\nfeatureFlags: { A: true }", labels={"region": region})
    typed(three, command(three.run("plan", *selection).out))
    assert flags(three) == changed


def test_so_is_the_file_that_was_saved(three: Fleet) -> None:
    three.organization("a", "protect: false\nfeatureFlags: { A: true }", labels={"region": "eu"})
    made = three.run("plan", "--target", "organization/a", "--out", "the plan.json")
    assert command(made.out) == ["apply", "the plan.json"]
    assert made.err == "Saved: the plan.json\n"
    typed(three, command(made.out))
    assert flags(three) == ["a"]


def test_and_the_words_that_the_brakes_ask_for(three: Fleet) -> None:
    tree = tenant_tree(three)
    three.apply()
    tree.add("a0000001", 'op.drop_column("donors", "email")')
    three.organization("a", "protect: false\nstate: deleted", labels={"region": "eu"})
    words = ["--allow-deletes", "1", "--allow-destructive", "1"]
    assert command(three.run("plan", code=3).out) == ["apply", *words]
    made = three.run("plan", "--out", "plan.json", code=3)
    assert command(made.out) == ["apply", "plan.json", *words]
    typed(three, command(made.out))
    three.converged()


def test_a_fleet_that_was_named_is_named(three: Fleet) -> None:
    three.organization("b", "protect: false\nfeatureFlags: { A: true }", labels={"region": "us"})
    arguments = command(three.run("--fleet", "tenantplan.yaml", "plan").out)
    assert arguments[:2] == ["--fleet", "tenantplan.yaml"]
    typed(three, arguments)
    assert flags(three) == ["b"]


def test_a_blocked_plan_has_none(three: Fleet) -> None:
    three.organization("a", "protect: true", labels={"region": "eu"})
    three.apply()
    three.organization("a", "state: deleted", labels={"region": "eu"})
    for arguments in ((), ("--out", "plan.json")):
        made = three.run("plan", *arguments, code=3)
        assert "tenantplan apply" not in made.out + made.err
        assert not [line for line in made.out.splitlines() if LABEL in line or SAVE in line]


def test_an_empty_one_has_none_and_apply_itself_prints_none(three: Fleet) -> None:
    assert LABEL not in three.run("plan").out
    three.organization("b", "protect: false\nfeatureFlags: { A: true }", labels={"region": "us"})
    assert LABEL not in three.apply().out


def test_a_repair_and_a_deep_look_are_saved_first(fleet: Fleet) -> None:
    fleet.organization("a", "database: { mode: dedicated }")
    fleet.apply()
    fleet.execute("DROP INDEX donations_campaign_id_idx", database=fleet.database("a"))
    shown = fleet.run("drift", "--repair", code=2).out
    assert LABEL not in shown
    saving = command(shown, SAVE)
    assert saving == ["drift", "--repair", "--out", "repair.json"]
    saved = fleet.run(*saving, code=2)
    assert command(saved.out) == ["apply", "repair.json"]
    typed(fleet, command(saved.out))
    fleet.run("drift")
    fleet.organization("a", "database: { mode: dedicated }\nfeatureFlags: { A: true }")
    shown = fleet.run("plan", "--refresh", "deep", "--target", "organization/a").out
    assert command(shown, SAVE) == [*["plan", "--refresh", "deep", "--target", "organization/a", "--out", "plan.json"]]
