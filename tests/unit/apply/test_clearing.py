"""Who stood in the way of a run for too long."""

from __future__ import annotations

from tenantplan.apply.clearing import FORGOTTEN, Blocking, Sightings

ACME, OTHER = Blocking(1, "acme_app", True), Blocking(2, "other_app", False)


def test_who_holds_up_everybody_goes_at_the_second_look() -> None:
    looks = Sightings()
    assert looks.stubborn([ACME], 900, 0) == {}
    assert looks.stubborn([ACME], 900, 1) == {1: "acme_app"}


def test_who_comes_back_with_another_session_goes_at_once() -> None:
    looks = Sightings()
    looks.stubborn([ACME], 900, 0)
    looks.stubborn([ACME], 900, 1)
    assert looks.stubborn([Blocking(7, "acme_app", True)], 900, 2) == {7: "acme_app"}


def test_short_waits_far_apart_do_not_add_up() -> None:
    looks = Sightings()
    assert all(looks.stubborn([ACME], 900, number * FORGOTTEN) == {} for number in range(9))


def test_who_holds_up_its_own_organization_has_the_patience_of_a_statement() -> None:
    looks = Sightings()
    found = [looks.stubborn([OTHER], 5, second) for second in range(5)]
    assert found == [{}, {}, {}, {}, {2: "other_app"}]
