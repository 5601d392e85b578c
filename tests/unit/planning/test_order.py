"""Who changes when. Only where something comes between two waves is there more than one after the canary."""

from __future__ import annotations

from collections import Counter

import pytest
from unit.planning.builders import a_main, an_organization, planned, wanted

from tenantplan.planning.order import assign_waves
from tenantplan.settings.rollout import RolloutSpec


@pytest.mark.parametrize(
    ("spec", "sizes"),
    [
        ({}, [120]),
        ({"pause_seconds": 1}, [50, 50, 20]),
        ({"health": "SELECT"}, [50, 50, 20]),
        ({"batch": 80}, [80, 40]),
        ({"batch": 100, "pause_seconds": 1}, [100, 20]),
    ],
)
def test_what_comes_between_decides_how_many_waves_there_are(spec: dict[str, object], sizes: list[int]) -> None:
    names = [f"o{number:03}" for number in range(120)]
    operations = planned(wanted(a_main(), *map(an_organization, names)), a_main())
    found = assign_waves(operations, {}, {}, RolloutSpec.model_validate(spec).wave_size)
    held = Counter({o.scope: o.wave for o in found if o.scope.startswith("organization/")}.values())
    assert [held[wave] for wave in sorted(held)] == sizes


@pytest.mark.parametrize(
    ("labels", "wave"),
    [({"zone": "first"}, 1), ({"zone": "first", "tier": "pro"}, 1), ({"zone": "last"}, 2), ({}, 2)],
)
def test_the_canary_has_its_labels_and_maybe_others(labels: dict[str, str], wave: int) -> None:
    operations = planned(wanted(a_main(), an_organization("a"), an_organization("b")), a_main())
    given = {"organization/a": labels, "organization/b": {"zone": "first"}}
    found = assign_waves(operations, given, {"zone": "first"}, None)
    assert {o.wave for o in found if o.scope == "organization/a"} == {wave}
