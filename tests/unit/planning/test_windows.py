"""What a change window or a freeze keeps, until when, and what the fleet file may say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.planning.builders import (
    a_dedicated,
    a_main,
    a_member,
    a_user,
    an_organization,
    live,
    planned,
    wanted,
)

from tenantplan.errors import ManifestError
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Ref, Row, Schema, State
from tenantplan.model.window import Deferral, Freeze, Rules, Window, fits, period
from tenantplan.planning.windows import labels_of_scopes, restricted
from tenantplan.settings.settings import load

HOUR = timedelta(hours=1)
NIGHTS = Window("0 22 * * 1-5", 6 * HOUR, "Europe/Paris")
ENTERPRISE = replace(NIGHTS, schedule="0 1 * * 6", selector={"tier": "enterprise"})
CHRISTMAS = Freeze(datetime(2027, 1, 2, 12, tzinfo=UTC), "Christmas", datetime(2026, 12, 20, tzinfo=UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


MONDAY_NOON = at("2026-06-01T12:00Z")
MONDAY_NIGHT = at("2026-06-01T21:00Z")


class TestOpening:
    @pytest.mark.parametrize(
        ("now", "opens"),
        [
            ("2026-06-01T19:59:59Z", "2026-06-01T20:00Z"),  # summer: UTC+2
            ("2026-06-01T20:00:00Z", "2026-06-01T20:00Z"),  # the first second of it
            ("2026-06-01T20:00:00.5Z", "2026-06-01T20:00:00.5Z"),
            ("2026-06-02T01:59:59Z", "2026-06-02T01:59:59Z"),  # the last one
            ("2026-06-02T02:00:00Z", "2026-06-02T20:00Z"),
            ("2026-06-06T02:00:00Z", "2026-06-08T20:00Z"),  # Saturday: not before Monday
            ("2026-01-05T20:30:00Z", "2026-01-05T21:00Z"),  # winter: UTC+1
        ],
    )
    def test_by_the_clock_of_its_zone(self, now: str, opens: str) -> None:
        assert NIGHTS.opening(at(now)) == at(opens)

    @pytest.mark.parametrize(
        ("now", "opens"),
        [
            ("2026-03-29T00:30Z", "2026-03-29T01:00Z"),  # 02:30 is skipped: it opens at 03:00
            ("2026-03-29T01:59Z", "2026-03-29T01:59Z"),
            ("2026-03-29T02:00Z", "2026-03-30T00:30Z"),
            ("2026-10-25T00:29Z", "2026-10-25T00:30Z"),  # 02:30 comes twice: it opens at the first
            ("2026-10-25T01:10Z", "2026-10-25T01:10Z"),  # still open, at 02:10 for the second time
            ("2026-10-25T01:30Z", "2026-10-26T01:30Z"),  # closed, at 02:30 for the second time
        ],
    )
    def test_a_start_that_a_clock_change_skips_or_repeats(self, now: str, opens: str) -> None:
        assert Window("30 2 * * *", HOUR, "Europe/Paris").opening(at(now)) == at(opens)

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            ("2026-03-28T21:00Z", "2026-03-29T03:00Z"),  # from 22:00 to 05:00
            ("2026-10-24T20:00Z", "2026-10-25T02:00Z"),  # from 22:00 to 03:00
        ],
    )
    def test_a_duration_is_elapsed_time(self, start: str, end: str) -> None:
        window = Window("0 22 * * 6", 6 * HOUR, "Europe/Paris")
        assert window.opening(at(start) - HOUR) == at(start)
        last = at(end) - timedelta(seconds=1)
        assert window.opening(last) == last
        assert window.opening(at(end)) > at(end) + timedelta(days=6)

    def test_other_zones_change_their_clocks_otherwise(self) -> None:
        window = Window("0 22 * * *", HOUR, "America/New_York")
        assert window.opening(at("2026-03-07T20:00Z")) == at("2026-03-08T03:00Z")  # UTC-5
        assert window.opening(at("2026-03-08T20:00Z")) == at(
            "2026-03-09T02:00Z"
        )  # UTC-4, Europe is still at winter time

    @given(
        st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        st.sampled_from(
            ["30 2 * * *", "0 22 * * 1-5", "*/20 * * * *", "15 * * * *", "0 1,3 25-31 3,10 *", "0 0 29 2 *"]
        ),
        st.sampled_from(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    )
    def test_it_is_never_past_and_the_first(self, now: datetime, schedule: str, zone: str) -> None:
        window = Window(schedule, timedelta(minutes=10), zone)
        opens = window.opening(now)
        assert opens >= now
        assert window.opening(opens) == opens  # open then
        between = now + (opens - now) / 2
        assert window.opening(between) == (between if opens == now else opens)  # and not before

    def test_every_minute_of_two_clock_changes(self) -> None:
        """The openings, minute by minute, are those of the clock on the wall, each once."""
        for night, starts in (("2026-03-28", 1), ("2026-10-24", 1)):
            window = Window("30 2 * * *", HOUR, "Europe/Paris")
            minutes = [at(f"{night}T22:00Z") + timedelta(minutes=m) for m in range(8 * 60)]
            is_open = [window.opening(m) == m for m in minutes]
            assert sum(is_open) == 60
            assert sum(now and not before for before, now in pairwise(is_open)) == starts


@pytest.mark.parametrize(
    ("schedule", "least"),
    [
        ("0 22 * * *", 24 * HOUR),
        ("0 22 * * 1-5", 24 * HOUR),
        ("0 22 * * 1", 168 * HOUR),
        ("* * * * *", HOUR / 60),
        ("0,50 * * * *", HOUR / 6),
        ("0 0,23 1,2 * *", HOUR),  # from one day to the next
        ("0 6,23 1,28 * *", 7 * HOUR),  # from one month to the next
        ("0 0 29 2 *", 1461 * 24 * HOUR),
    ],
)
def test_the_period_of_a_schedule(schedule: str, least: timedelta) -> None:
    assert period(schedule) == least


@pytest.mark.parametrize(
    ("selector", "labels", "meant"),
    [
        ({"a": "1"}, {"a": "1", "b": "2"}, True),
        ({"a": "1", "b": "3"}, {"a": "1", "b": "2"}, False),
        ({"a": "1"}, {}, False),
        ({}, {"a": "1"}, False),
    ],
)
def test_what_a_selector_means(selector: dict[str, str], labels: dict[str, str], meant: bool) -> None:
    assert fits(selector, labels) is meant


def suspended(*names: str) -> tuple[Operation, ...]:
    """Risky: organizations that are closed. Safe: one that only gets another name."""
    before, after = live(a_main()), [a_main()]
    for name in names:
        before |= an_organization(name)
        after.append(an_organization(name, state="suspended"))
    return planned(wanted(*after, an_organization("safe", display_name="New")), before | an_organization("safe"))


def split(
    operations: Sequence[Operation],
    rules: Rules,
    now: datetime,
    labels: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[list[str], dict[str, Deferral]]:
    permitted, deferred = restricted(operations, labels or {}, rules, now)
    assert len(permitted) + len(deferred) == len(operations)
    assert [o for o in operations if o in permitted] == list(permitted)  # the order stays
    ids = {o.id for o in permitted}
    assert all(set(o.depends_on) & {x.id for x in operations} <= ids for o in permitted)  # nothing lacks what it needs
    return [o.address for o in permitted], {d.address: d for d in deferred}


class TestWindows:
    def test_without_rules_everything_runs(self) -> None:
        assert split(suspended("a"), Rules(), MONDAY_NOON)[1] == {}

    def test_what_is_safe_runs_and_what_is_not_waits(self) -> None:
        permitted, deferred = split(suspended("a"), Rules((NIGHTS,)), MONDAY_NOON)
        assert permitted == ["organization/safe"]
        assert deferred["organization/a"] == Deferral(
            "organization/a", "update", "update row a", "2026-06-01T20:00:00Z", "Europe/Paris", "change window"
        )
        assert deferred["organization/a"].when == "Mon 2026-06-01 22:00 Europe/Paris"

    def test_while_it_is_open_everything_runs(self) -> None:
        assert split(suspended("a"), Rules((NIGHTS,)), MONDAY_NIGHT)[1] == {}

    def test_a_deletion_waits(self) -> None:
        operations = planned(
            wanted(a_main(), deleted=frozenset(["organization/a"])), live(a_main(), an_organization("a"))
        )
        assert [o.risk for o in operations] == ["destructive"]
        assert set(split(operations, Rules((NIGHTS,)), MONDAY_NOON)[1]) == {"organization/a"}

    @pytest.mark.parametrize(
        ("windows", "until"),
        [
            ((NIGHTS, ENTERPRISE), {"a": "2026-06-05T23:00:00Z", "b": "2026-06-01T20:00:00Z"}),
            ((ENTERPRISE,), {"a": "2026-06-05T23:00:00Z"}),  # for b there is none, so it is free
            ((NIGHTS,), {"a": "2026-06-01T20:00:00Z", "b": "2026-06-01T20:00:00Z"}),
            ((ENTERPRISE, replace(ENTERPRISE, schedule="0 1 * * 3")), {"a": "2026-06-02T23:00:00Z"}),
        ],
    )
    def test_an_organization_has_its_own_or_those_for_all(
        self, windows: tuple[Window, ...], until: dict[str, str]
    ) -> None:
        labels = {"organization/a": {"tier": "enterprise"}, "organization/b": {"tier": "pro"}}
        deferred = split(suspended("a", "b"), Rules(windows), MONDAY_NOON, labels)[1]
        assert {address: d.until for address, d in deferred.items()} == {
            f"organization/{n}": u for n, u in until.items()
        }

    def test_an_open_window_for_all_does_not_open_ones_own(self) -> None:
        labels = {"organization/a": {"tier": "enterprise"}}
        permitted, deferred = split(suspended("a", "b"), Rules((NIGHTS, ENTERPRISE)), MONDAY_NIGHT, labels)
        assert "organization/b" in permitted
        assert set(deferred) == {"organization/a"}

    @pytest.mark.parametrize(("before", "after"), [("enterprise", "pro"), ("pro", "enterprise")])
    def test_labels_before_and_after_both_count(self, before: str, after: str) -> None:
        own = [o for o in suspended("a") if o.address == "organization/a"]
        had, gets = ({"organization/a": {"tier": tier}} for tier in (before, after))
        assert restricted(own, gets, Rules((ENTERPRISE,)), MONDAY_NOON, had)[0] == ()
        alone = restricted(own, gets, Rules((ENTERPRISE,)), MONDAY_NOON, {})[0]
        assert alone == (() if after == "enterprise" else tuple(own))

    def test_what_all_share_needs_the_windows_for_all(self) -> None:
        operations = planned(wanted(a_main("m2"), an_organization("a")), live(a_main("m1")))
        permitted, deferred = split(operations, Rules((NIGHTS,)), MONDAY_NOON)
        assert permitted == []
        assert {d.until for d in deferred.values()} == {"2026-06-01T20:00:00Z"}
        assert deferred["organization/a"].why.startswith("waits for schema/primary/main_db")
        assert split(operations, Rules((ENTERPRISE,)), MONDAY_NOON)[1] == {}

    def test_what_depends_on_it_waits_with_it_at_any_distance(self) -> None:
        first, *_ = suspended("a")
        risky = replace(first, id="1", risk="risky", depends_on=())
        middle = replace(first, id="2", risk="safe", address="x/middle", depends_on=("1",))
        last = replace(first, id="3", risk="safe", address="x/last", depends_on=("2",))
        deferred = split([risky, middle, last], Rules((NIGHTS,)), MONDAY_NOON)[1]
        assert [deferred[a].why for a in ("organization/a", "x/middle", "x/last")] == [
            "change window",
            "waits for organization/a",
            "waits for organization/a",
        ]
        assert len({d.until for d in deferred.values()}) == 1

    def test_it_waits_for_the_latest(self) -> None:
        first, *_ = suspended("a")
        shared = replace(first, id="1", risk="risky", scope="main", address="x/shared", depends_on=())
        late = replace(first, id="2", risk="risky", depends_on=("1",))
        labels = {"organization/a": {"tier": "enterprise"}}
        deferred = split([shared, late], Rules((NIGHTS, ENTERPRISE)), MONDAY_NOON, labels)[1]
        assert deferred["organization/a"].until == "2026-06-05T23:00:00Z"
        assert deferred["organization/a"].why == "change window"
        after = replace(first, id="3", risk="safe", address="x/after", depends_on=("1", "2"))
        assert split([shared, late, after], Rules((NIGHTS, ENTERPRISE)), MONDAY_NOON, labels)[1]["x/after"].why == (
            "waits for organization/a"
        )

    def test_a_new_organization_with_its_database_is_safe(self) -> None:
        operations = planned(wanted(a_main(), a_dedicated(), a_user(), a_member()), live(a_main()))
        assert split(operations, Rules((NIGHTS,)), MONDAY_NOON)[1] == {}

    def test_the_same_until_at_any_second(self) -> None:
        found = [
            restricted(suspended("a"), {}, Rules((NIGHTS,)), MONDAY_NOON + timedelta(seconds=s, microseconds=s))
            for s in range(60)
        ]
        assert all(each == found[0] for each in found)


class TestFreeze:
    def test_everything_waits(self) -> None:
        permitted, deferred = split(suspended("a"), Rules(freeze=CHRISTMAS), at("2026-12-24T12:00Z"))
        assert permitted == []
        assert {(d.until, d.zone, d.why) for d in deferred.values()} == {
            ("2027-01-02T12:00:00Z", "UTC", "freeze: Christmas")
        }

    @pytest.mark.parametrize(
        ("now", "frozen"),
        [
            ("2026-12-19T23:59:59Z", False),
            ("2026-12-20T00:00:00Z", True),
            ("2027-01-02T11:59:59Z", True),
            ("2027-01-02T12:00:00Z", False),
        ],
    )
    def test_from_its_first_moment_up_to_its_last(self, now: str, frozen: bool) -> None:
        assert bool(split(suspended("a"), Rules(freeze=CHRISTMAS), at(now))[1]) is frozen

    def test_without_a_beginning_it_has_begun(self) -> None:
        assert split(suspended("a"), Rules(freeze=replace(CHRISTMAS, start=None)), MONDAY_NOON)[0] == []

    def test_but_for_those_it_spares(self) -> None:
        rules = Rules(freeze=replace(CHRISTMAS, spared={"tier": "free"}))
        labels = {"organization/a": {"tier": "free"}, "organization/b": {"tier": "pro"}}
        permitted, deferred = split(suspended("a", "b"), rules, at("2026-12-24T12:00Z"), labels)
        assert permitted == ["organization/a"]
        assert set(deferred) == {"organization/b", "organization/safe"}

    def test_after_it_comes_the_window(self) -> None:
        _, deferred = split(suspended("a"), Rules((NIGHTS,), CHRISTMAS), at("2026-12-24T12:00Z"))
        assert (deferred["organization/safe"].until, deferred["organization/a"].until) == (
            "2027-01-02T12:00:00Z",
            "2027-01-04T21:00:00Z",  # the 2nd is a Saturday
        )
        assert deferred["organization/a"].zone == "Europe/Paris"

    def test_a_window_that_opens_in_a_freeze_to_come_does_not(self) -> None:
        now = at("2026-12-18T12:00Z")  # a Friday
        freeze = replace(CHRISTMAS, start=at("2026-12-18T18:00Z"))
        permitted, deferred = split(suspended("a"), Rules((NIGHTS,), freeze), now)
        assert permitted == ["organization/safe"]
        assert deferred["organization/a"].until == "2027-01-04T21:00:00Z"
        assert deferred["organization/a"].why == "change window"

    def test_a_window_open_when_it_ends_is_enough(self) -> None:
        freeze = replace(CHRISTMAS, until=at("2027-01-04T22:30Z"))
        _, deferred = split(suspended("a"), Rules((NIGHTS,), freeze), at("2026-12-24T12:00Z"))
        assert deferred["organization/a"].until == "2027-01-04T22:30:00Z"


class TestLabelsOfScopes:
    RULES = Rules((ENTERPRISE,), replace(CHRISTMAS, spared={"ring": "early"}))

    def test_only_those_that_are_asked_for(self) -> None:
        labels = {
            "organization/a": {"tier": "pro", "region": "eu", "ring": "early"},
            "organization/b": {"region": "us"},
        }
        found = labels_of_scopes(suspended("a", "b"), labels, {}, self.RULES)
        assert found == {"organization/a": {"tier": "pro", "ring": "early"}}
        assert labels_of_scopes(suspended("a", "b"), labels, {}, Rules((NIGHTS,), CHRISTMAS)) == {}

    def test_a_tenant_goes_with_its_organization(self) -> None:
        first, *_ = suspended("a")
        operations = [replace(first, scope="tenant/t")]
        row = Row("tenants", {"organization_id": Ref("organization/a"), "database_mode": "inherit"})
        labels = {"organization/a": {"tier": "enterprise"}, "tenant/t": {"tier": "free", "ring": "early"}}
        state: State = {"tenant/t": row, "schema/x": Schema("s", "d", "tenant")}
        assert labels_of_scopes(operations, labels, state, self.RULES) == {"tenant/t": {"tier": "enterprise"}}


def fleet_file(folder: Path, spec: str) -> Path:
    path = folder / "tenantplan.yaml"
    path.write_text(f"apiVersion: tenantplan/v1\nkind: Fleet\nmetadata: {{ name: x }}\nspec:\n  {spec}\n")
    return path


class TestFleetFile:
    def test_windows_and_a_freeze(self, tmp_path: Path) -> None:
        spec = """rollout:
    windows:
      - { schedule: 0 22 * * 1-5, duration: 6h, timeZone: Europe/Paris }
      - { schedule: 0 1 * * 6, duration: 6h, timeZone: Europe/Paris, selector: { tier: enterprise } }
      - { schedule: "*/30 * * * *", duration: 30m, selector: { tier: free, ring: "1" } }
      - { schedule: 0 0 1 jan *, duration: 1d }
  freeze: { from: 2026-12-20T00:00:00Z, until: "2027-01-02T13:00+01:00", reason: Christmas, except: { tier: free } }"""
        assert load(fleet_file(tmp_path, spec)).rules == Rules(
            (
                NIGHTS,
                ENTERPRISE,
                Window("*/30 * * * *", HOUR / 2, "UTC", {"tier": "free", "ring": "1"}),
                Window("0 0 1 jan *", 24 * HOUR),
            ),
            replace(CHRISTMAS, spared={"tier": "free"}),
        )

    def test_none(self, tmp_path: Path) -> None:
        assert load(fleet_file(tmp_path, "manifests: [tenants]")).rules == Rules()

    @pytest.mark.parametrize(
        ("window", "place", "why"),
        [
            ("{ schedule: 61 22 * * 1-5, duration: 6h }", "7:21", "bad minute"),
            ("{ schedule: 0 22 * *, duration: 6h }", "7:21", "five fields"),
            ("{ schedule: 0 0 22 * * 1, duration: 6h }", "7:21", "five fields"),
            ("{ schedule: 0 22 31 2 *, duration: 6h }", "7:21", "bad day-of-month"),
            ("{ schedule: '0 0 * 2 MON#5', duration: 6h }", "7:21", "less than twice"),
            (f"{{ schedule: {'9' * 5000} 22 * * 1, duration: 6h }}", "7:21", "at most 100"),
            ("{ schedule: 0 22 * * *, duration: 6h, timeZone: Europe/Pariss }", "7:57", "did you mean `Europe/Paris`"),
            ("{ schedule: 0 22 * * *, duration: 6h, timeZone: localtime }", "7:57", "no such time zone"),
            ("{ schedule: 0 22 * * *, duration: 6h, timeZone: ../etc }", "7:57", "no such time zone"),
            ("{ schedule: 0 22 * * *, duration: 0h }", "7:43", "above 0"),
            ("{ schedule: 0 22 * * *, duration: 6 }", "7:43", "such as 30m, 6h or 1d"),
            ("{ schedule: 0 22 * * *, duration: 25h }", "7:9", "lasts 25h and opens every 1 day"),
            ("{ schedule: '*/5 * * * *', duration: 6m }", "7:9", "longer than its period"),
            ("{ schedule: 0 22 * * *, duration: 6h, selector: { 'a b': c } }", "7:59", "label's key"),
            ("{ schedule: 0 22 * * * }", "7:9", "`duration` is required"),
            ("{ duration: 6h }", "7:9", "`schedule` is required"),
        ],
    )
    def test_a_wrong_window(self, tmp_path: Path, window: str, place: str, why: str) -> None:
        with pytest.raises(ManifestError) as refused:
            load(fleet_file(tmp_path, f"rollout:\n    windows:\n      - {window}"))
        (problem,) = refused.value.problems
        assert problem.startswith(f"tenantplan.yaml:{place}: ") and why in problem

    @pytest.mark.parametrize(
        ("freeze", "why"),
        [
            ("{ from: 2027-01-02T00:00Z, until: 2026-12-20T00:00Z, reason: x }", "before it begins"),
            ("{ from: 2027-01-02T00:00Z, until: 2027-01-02T01:00+01:00, reason: x }", "before it begins"),
            ("{ until: 2026-12-20, reason: x }", "with an offset"),
            ("{ until: 2026-12-20T00:00, reason: x }", "with an offset"),
            ("{ until: 2026-02-30T00:00Z, reason: x }", "with an offset"),
            ("{ until: 1700000000, reason: x }", "with an offset"),
            ("{ until: 2026-12-20T00:00Z }", "`reason` is required"),
            ("{ from: 2026-12-20T00:00Z, reason: x }", "`until` is required"),
        ],
    )
    def test_a_wrong_freeze(self, tmp_path: Path, freeze: str, why: str) -> None:
        with pytest.raises(ManifestError) as refused:
            load(fleet_file(tmp_path, f"freeze: {freeze}"))
        (problem,) = refused.value.problems
        assert problem.startswith("tenantplan.yaml:5:") and why in problem
