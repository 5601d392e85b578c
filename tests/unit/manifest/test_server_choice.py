"""Where databases go whose documents leave the server open: by weight, by tags, and nowhere else once they are there."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from unit.manifest.documents import FACTS, a_document, an_organization, desired, documents, firsts, row

from tenantplan.errors import ManifestError
from tenantplan.manifest.fleet_facts import FleetFacts, Offer
from tenantplan.manifest.server_choice import choose, chooses
from tenantplan.model.desired import Desired

NAMES = [f"organization-{number}" for number in range(2000)]
EU = Offer(tags={"region": "eu"})
EU_SSD = Offer(3, {"region": "eu", "ssd": "yes"})
FLEET = {"primary": Offer(), "eu-1": EU, "eu-2": EU_SSD}


def places(weights: Mapping[str, int]) -> dict[str, str | None]:
    return {name: choose(f"demo/organization/{name}", weights) for name in NAMES}


@pytest.mark.parametrize("weights", [{"a": 1, "b": 1}, {"a": 1, "b": 3}, {"a": 2, "b": 3, "c": 5}])
def test_each_server_gets_its_share(weights: dict[str, int]) -> None:
    counts = Counter(places(weights).values())
    for name, weight in weights.items():
        expected = len(NAMES) * weight / sum(weights.values())
        assert counts[name] == pytest.approx(expected, rel=0.1)


def test_another_server_takes_its_share_and_changes_nothing_else() -> None:
    before, after = places({"a": 1, "b": 3}), places({"a": 1, "b": 3, "c": 1})
    moved = {name for name in NAMES if before[name] != after[name]}
    assert {after[name] for name in moved} == {"c"}
    assert len(moved) == pytest.approx(len(NAMES) / 5, rel=0.1)


def test_more_weight_only_draws_to_its_server() -> None:
    before, after = places({"a": 1, "b": 1, "c": 1}), places({"a": 1, "b": 2, "c": 1})
    moved = {name for name in NAMES if before[name] != after[name]}
    assert moved and {after[name] for name in moved} == {"b"}


def test_the_order_of_servers_is_of_no_account() -> None:
    weights = {"a": 1, "b": 3, "c": 2}
    assert places(weights) == places(dict(reversed(weights.items())))


def test_the_choice_is_the_same_in_every_version() -> None:
    """With weights alike, the greater SHA-256 wins: `printf demo/organization/acme/eu-1 | sha256sum`."""
    found = [choose(f"demo/organization/{name}", {"primary": 1, "eu-1": 1}) for name in NAMED]
    assert found == ["eu-1", "primary", "eu-1", "primary"]


NAMED = ("acme", "globex", "initech", "umbrella")


def test_weight_0_takes_nothing() -> None:
    assert set(places({"a": 0, "b": 1}).values()) == {"b"}
    assert choose("demo/organization/acme", {"a": 0}) is None and choose("demo/organization/acme", {}) is None


# What documents ask for


def dedicated(server: str) -> str:
    return f"database: {{ mode: dedicated, server: {server} }}"


def facts(placed: Mapping[str, str] | None = None, **offers: Offer) -> FleetFacts:
    offered = {name.replace("_", "-"): offer for name, offer in offers.items()} or FLEET
    return replace(FACTS, servers=frozenset(offered), offers=offered, placed=placed)


def server(found: Desired, address: str = "organization/acme") -> str | None:
    where = found.placements[address].server
    assert row(found, address).values["database_server"] == where
    return where


def refused(folder: Path, given: FleetFacts, *texts: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        desired(folder, *texts, facts=given)
    return caught.value.problems


def test_a_name_and_no_name_are_what_they_were(tmp_path: Path) -> None:
    drained = facts({}, primary=Offer(0), eu_1=Offer(0))
    found = desired(
        tmp_path, an_organization("acme", "database: { mode: dedicated }"), an_organization("b", dedicated("eu-1")),
        facts=drained,
    )  # fmt: skip
    assert server(found) == "primary" and server(found, "organization/b") == "eu-1"


def test_tags_leave_the_servers_that_have_them_all(tmp_path: Path) -> None:
    many = [an_organization(f"o{n}", dedicated("{ tags: { region: eu } }")) for n in range(40)]
    one = an_organization("acme", dedicated("{ tags: { region: eu, ssd: yes } }"))
    found = desired(tmp_path, *many, one, facts=facts({}))
    assert server(found) == "eu-2"
    counts = Counter(server(found, f"organization/o{n}") for n in range(40))
    assert counts.keys() == {"eu-1", "eu-2"} and counts["eu-2"] > counts["eu-1"]


def test_auto_takes_any(tmp_path: Path) -> None:
    found = desired(tmp_path, *(an_organization(f"o{n}", dedicated("auto")) for n in range(40)), facts=facts({}))
    assert {server(found, f"organization/o{n}") for n in range(40)} == {"primary", "eu-1", "eu-2"}


def test_the_order_of_documents_is_of_no_account(tmp_path: Path) -> None:
    texts = [an_organization(f"o{n}", dedicated("auto")) for n in range(30)]
    first = desired(tmp_path, *texts, facts=facts({})).placements
    random.Random(7).shuffle(texts)
    assert desired(tmp_path, *texts, facts=facts({})).placements == first


def test_a_tier_says_where(tmp_path: Path) -> None:
    tier = a_document("Tier", "pro", "displayName: P, defaults: { " + dedicated("{ tags: { ssd: yes } }") + " }")
    found = desired(tmp_path, tier, an_organization("acme", "tier: pro"), facts=facts({}))
    assert server(found) == "eu-2"
    own = an_organization("acme", "tier: pro, database: { server: primary }")
    assert server(desired(tmp_path, tier, own, facts=facts({}))) == "primary"


def test_a_tenant_is_placed_by_itself_or_goes_where_its_organization_is(tmp_path: Path) -> None:
    texts = [
        an_organization("acme", dedicated("{ tags: { ssd: yes } }")),
        a_document("Tenant", "here", "organization: acme, displayName: X, database: { mode: dedicated }"),
        a_document("Tenant", "there", "organization: acme, displayName: X, " + dedicated("auto")),
        a_document("Tenant", "within", "organization: acme, displayName: X"),
    ]
    found = desired(tmp_path, *texts, facts=facts({"tenant/there": "primary"}))
    assert server(found, "tenant/here") == "eu-2" and server(found, "tenant/there") == "primary"
    assert found.placements["tenant/within"].server == "eu-2"
    assert chooses(documents(tmp_path, *texts)) and not chooses(documents(tmp_path, texts[1]))


def test_what_has_a_database_stays(tmp_path: Path) -> None:
    texts = [an_organization(f"o{n}", dedicated("auto")) for n in range(30)]
    before = {a: str(p.server) for a, p in desired(tmp_path, *texts, facts=facts({})).placements.items()}
    grown = {**FLEET, "eu-3": Offer(100), "primary": Offer(0)}
    after = desired(tmp_path, *texts, facts=replace(facts(before), servers=frozenset(grown), offers=grown))
    assert {a: p.server for a, p in after.placements.items()} == before and "primary" in before.values()
    assert after.notes == ()


def test_a_server_that_does_not_fit_any_more_is_noted(tmp_path: Path) -> None:
    text = an_organization("acme", dedicated("{ tags: { region: us } }"))
    found = desired(tmp_path, text, facts=facts({"organization/acme": "eu-1"}))
    assert server(found) == "eu-1"
    (note,) = found.notes
    assert (note.address, note.rule) == ("organization/acme", "placement")
    assert "stays on server eu-1" in note.message and "region: us" in note.message


def test_a_rename_keeps_the_server(tmp_path: Path) -> None:
    first = desired(tmp_path, *(an_organization(f"o{n}", dedicated("auto")) for n in range(20)), facts=facts({}))
    renamed = [an_organization(f"new{n}", dedicated("auto"), f"renamedFrom: o{n}") for n in range(20)]
    nowhere: dict[str, str] = {}
    for placed in (nowhere, None):
        found = desired(tmp_path, *renamed, facts=facts(placed))
        assert [server(found, f"organization/new{n}") for n in range(20)] == [
            server(first, f"organization/o{n}") for n in range(20)
        ]
    for known_as in ("o0", "new0"):
        for there in FLEET:
            found = desired(tmp_path, renamed[0], facts=facts({f"organization/{known_as}": there}))
            assert server(found, "organization/new0") == there


def test_nothing_fits(tmp_path: Path) -> None:
    given = facts({}, primary=Offer(), eu_1=EU_SSD)
    (problem,) = refused(tmp_path, given, an_organization("acme", dedicated("{ tags: { region: us } }")))
    assert problem.startswith("a.yaml:5:") and "there is no server with the tags region: us" in problem
    assert "eu-1 (region: eu, ssd: yes, weight 3), primary (weight 1)" in problem
    drained = facts({}, primary=Offer(), eu_1=replace(EU, weight=0))
    (problem,) = refused(tmp_path, drained, an_organization("acme", dedicated("{ tags: { region: eu } }")))
    assert "no server with the tags region: eu takes new databases: weight 0 for eu-1" in problem
    (problem,) = refused(tmp_path, facts({}, primary=Offer(0)), an_organization("acme", dedicated("auto")))
    assert "no server takes new databases: weight 0 for primary" in problem


def test_nothing_fits_what_a_tier_asks_for(tmp_path: Path) -> None:
    tier = a_document("Tier", "pro", "displayName: P, defaults: { " + dedicated("{ tags: { region: us } }") + " }")
    desired(tmp_path, tier, facts=facts({}))  # nobody needs it
    found = refused(tmp_path, facts({}), tier, an_organization("acme", "tier: pro"), an_organization("b", "tier: pro"))
    assert [problem.split(": ")[0].split(":")[1] for problem in found] == ["10", "15"]
    assert "tier `pro` asks for one" in found[0]


def test_a_deleted_one_needs_no_server(tmp_path: Path) -> None:
    gone = an_organization("acme", "protect: false, state: deleted, " + dedicated("auto"))
    for given in (facts({}), facts({}, primary=Offer(0)), facts(None)):
        found = desired(tmp_path, gone, facts=given)
        assert found.deleted == {"organization/acme"} and not found.state
    there = desired(tmp_path, gone, facts=facts({"organization/acme": "eu-1"}))
    assert "database/eu-1/tp_acme" in there.deleted


def test_the_server_it_is_on_left_the_fleet_file(tmp_path: Path) -> None:
    (problem,) = refused(
        tmp_path, facts({"organization/acme": "gone"}), an_organization("acme", dedicated("auto"))
    )  # fmt: skip
    assert problem.startswith("a.yaml:5:") and "server `gone`" in problem and "declare that server again" in problem


def test_where_it_is_not_known_who_is_placed_a_drained_server_is_no_mistake(tmp_path: Path) -> None:
    drained = facts(None, primary=Offer(), eu_1=replace(EU, weight=0))
    assert (
        server(desired(tmp_path, an_organization("acme", dedicated("{ tags: { region: eu } }")), facts=drained))
        == "eu-1"
    )


def test_what_cannot_be_asked_for(tmp_path: Path) -> None:
    def said(server: str) -> str:
        found = firsts(refused(tmp_path, facts({}), an_organization("acme", dedicated(server))))
        assert all(problem.startswith("a.yaml:5:") for problem in found)
        return "; ".join(found)

    assert "`eu-3` is not declared" in said("eu-3")
    assert "at least 1 item" in said("{ tags: {} }")
    assert "unknown field `tag`" in said("{ tag: { region: eu } }")
    assert "`tags` is required" in said("{}")
    assert "expected text or a mapping" in said("[eu-1]")
    assert "at most 63" in said("{ tags: { region: 'a b' } }")


def test_shared_mode_for_everybody_needs_no_server(tmp_path: Path) -> None:
    text = an_organization("acme", dedicated("{ tags: { region: us } }"))
    found = desired(tmp_path, text, facts=replace(facts({}), dedicated=False))
    assert found.placements["organization/acme"].mode == "shared"
