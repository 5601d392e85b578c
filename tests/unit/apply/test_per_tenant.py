"""Which operations of a plan made per tenant are left, and when nothing of it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.rendering.builders import a_plan, an_operation

from tenantplan.apply.per_tenant import left_untouched
from tenantplan.apply.work import Work
from tenantplan.errors import PlanRefused
from tenantplan.fleet.opening import Fleet
from tenantplan.fleet.servers import Servers
from tenantplan.migration.running.workers import Programs
from tenantplan.migration.tree import graph
from tenantplan.migration.trees import Trees
from tenantplan.model.address import MAIN
from tenantplan.model.audit import Actor
from tenantplan.model.encode import fingerprint
from tenantplan.model.live import MainFacts, ServerFacts, Survey
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Row, Secret, State
from tenantplan.postgres.connect import Connector
from tenantplan.secrets.keyed import keyed_hash
from tenantplan.settings.settings import load

pytestmark = pytest.mark.once
CHANGED = "changed after the plan was made"
HASH_KEY = "00" * 32
SERVER = ServerFacts("7", "18.4", 180004, "tp_admin", createdb=True, createrole=True)
CANARY = "waits for the first wave: all of it, or all of its migrations, changed after the plan was made"


def row(address: str, name: str) -> Row:
    return Row("organizations", {"display_name": name}, id=f"id of {address}")


def updates(address: str, scope: str | None = None, **changes: Any) -> Operation:
    """Renames one that has the name Before to After, in the track of its organization."""
    before, after = row(address, "Before"), row(address, "After")
    scope = "/".join(address.split("/")[:2]) if scope is None else scope
    return an_operation(address, "update", before, after, fingerprint=fingerprint(before), scope=scope, **changes)


A, B, C = (updates(f"organization/{name}") for name in "abc")
MEMBER = updates("organization/a/member/anna@x.org", depends_on=(A.id,))
USER = updates("user/anna@x.org", "fleet")


class Apply:
    """What left_untouched says of a plan, where operations have been done and objects changed by hand."""

    def __init__(self, folder: Path, spec: str = "manifests: [tenants]") -> None:
        path = folder / "tenantplan.yaml"
        path.write_text(f"apiVersion: tenantplan/v1\nkind: Fleet\nmetadata: {{ name: demo }}\nspec: {{ {spec} }}\n")
        self.settings = load(path)
        main = graph.load(self.settings.migrations("main"), "main")
        self.trees = Trees(main, main)

    def left(
        self,
        *operations: Operation,
        done: tuple[Operation, ...] = (),
        by_hand: tuple[Operation, ...] = (),
        live: State | None = None,
        **more: Any,
    ) -> dict[str, str]:
        plan = a_plan(*operations, **{"per_tenant": True, **more})
        names = {o.address: "Before" for o in operations} | {o.address: "After" for o in done}
        names |= {o.address: "by hand" for o in by_hand}
        renamed: State = {address: row(address, name) for address, name in names.items()}
        seen = Survey(renamed if live is None else live, MainFacts(hash_key=HASH_KEY), {MAIN: SERVER})
        with Programs() as programs:
            fleet = Fleet(self.settings)
            fleet.trees, fleet.servers, fleet.connector = self.trees, Servers({}, {}), Connector({}, 1)
            actor = Actor("anna", "here", None)
            work = Work(fleet, plan, actor, "run", programs)
            found = left_untouched(work, {o.id for o in done}, seen, ())
        addresses = {o.id: o.address for o in operations}
        return {addresses[i]: why for i, why in found.items()}

    def refused(self, *operations: Operation, **more: Any) -> str:
        with pytest.raises(PlanRefused) as caught:
            self.left(*operations, **more)
        assert "tenantplan plan --out" in str(caught.value.hint)
        return caught.value.message


@pytest.fixture
def apply(tmp_path: Path) -> Apply:
    return Apply(tmp_path)


def test_nothing_where_nothing_changed_or_the_plan_is_another(apply: Apply) -> None:
    assert apply.left(A, B, USER) == {}
    assert apply.left(A, B, USER, by_hand=(A,), per_tenant=False) == {}


def test_who_changed_and_what_needs_it(apply: Apply) -> None:
    project = updates("organization/c/project", depends_on=(MEMBER.id,))
    assert apply.left(A, MEMBER, B, project, by_hand=(A,)) == {
        A.address: CHANGED,
        MEMBER.address: f"of organization/a, which {CHANGED}",
        project.address: f"needs something of an organization that {CHANGED}",
    }
    beside = updates("organization/b/project", depends_on=(USER.id, B.id))
    assert set(apply.left(A, USER, B, beside, by_hand=(A,))) == {A.address}
    assert apply.left(A, MEMBER, B, by_hand=(MEMBER,)) == {
        A.address: f"of organization/a, which {CHANGED}",
        MEMBER.address: CHANGED,
    }


def test_what_all_share_refuses_the_plan(apply: Apply) -> None:
    assert apply.refused(A, B, USER, by_hand=(USER,)) == f"{CHANGED}: user/anna@x.org"
    assert apply.refused(A, B, USER, by_hand=(A, USER)) == f"{CHANGED}: user/anna@x.org"


def test_nothing_left_to_run_refuses_it_too(apply: Apply) -> None:
    assert apply.refused(B, A, MEMBER, by_hand=(A, B)) == f"{CHANGED}: organization/a, organization/b"
    assert apply.refused(A, B, C, done=(C,), by_hand=(A, B)) == f"{CHANGED}: organization/a, organization/b"
    assert set(apply.left(A, B, C, done=(C,), by_hand=(A,))) == {A.address}
    assert apply.left(A, B, done=(A, B)) == {}


def test_work_of_an_interrupted_apply_that_was_changed_since(apply: Apply) -> None:
    rest = {MEMBER.address: f"of organization/a, which {CHANGED}"}
    assert apply.left(A, MEMBER, B, done=(A,), by_hand=(A,)) == rest
    assert apply.left(A, B, done=(A,), by_hand=(A,)) == {}  # nothing of it is left to run
    assert apply.refused(A, B, done=(A,), by_hand=(A, B)) == f"{CHANGED}: organization/b"
    assert apply.refused(USER, A, done=(USER,), by_hand=(USER,)) == f"{CHANGED}: user/anna@x.org"


@pytest.mark.parametrize("value", ["the one of the plan", "another one"])
def test_whose_secret_is_another_one_now(apply: Apply, value: str) -> None:
    (apply.settings.root / "key").write_text("the one of the plan")
    before = Row("tenants", {"name": "paris", "license_key": Secret()}, id="7")
    secret = Secret("file:key", keyed_hash(HASH_KEY, value))
    after = replace(before, values={**before.values, "license_key": secret})
    key = an_operation("tenant/paris", "update", before, after, fingerprint=fingerprint(before), scope="tenant/paris")
    held = apply.left(key, B, live={key.address: before, B.address: row(B.address, "Before")})
    assert held == ({} if value == "the one of the plan" else {"tenant/paris": CHANGED})


def wave(operation: Operation, number: int) -> Operation:
    return replace(operation, wave=number)


FIRST, BESIDE, SECOND, THIRD = wave(A, 1), wave(B, 1), wave(C, 2), wave(updates("organization/d"), 3)
SHARED = wave(USER, 0)


def test_later_waves_wait_for_a_canary(tmp_path: Path) -> None:
    rollout = Apply(tmp_path, "rollout: { canary: { tier: internal } }")
    waits = {FIRST.address: CHANGED, SECOND.address: CANARY, THIRD.address: CANARY}
    assert rollout.left(SHARED, FIRST, SECOND, THIRD, by_hand=(FIRST,)) == waits
    assert rollout.left(SHARED, FIRST, SECOND, THIRD, by_hand=(FIRST, SECOND)) == waits | {SECOND.address: CHANGED}
    assert rollout.left(FIRST, BESIDE, SECOND, by_hand=(FIRST,)) == {FIRST.address: CHANGED}
    assert rollout.left(FIRST, BESIDE, SECOND, by_hand=(FIRST,), done=(BESIDE,)) == {FIRST.address: CHANGED}
    assert rollout.left(SHARED, SECOND, THIRD, by_hand=(SECOND,)) == {SECOND.address: CHANGED}
    assert set(rollout.left(SHARED, FIRST, SECOND, THIRD, by_hand=(FIRST,), done=(SECOND,))) == set(waits) - {
        SECOND.address
    }
    assert rollout.refused(FIRST, SECOND, by_hand=(FIRST,)) == f"{CHANGED}: organization/a"


def test_without_a_canary_they_do_not(apply: Apply) -> None:
    assert apply.left(SHARED, FIRST, SECOND, THIRD, by_hand=(FIRST,)) == {FIRST.address: CHANGED}


def test_a_long_list_is_cut(apply: Apply) -> None:
    seven = [updates(f"organization/{name}") for name in "abcdefg"]
    said = apply.refused(*seven, by_hand=tuple(seven))
    assert "organization/e" in said and "organization/f" not in said and "2 more" in said
