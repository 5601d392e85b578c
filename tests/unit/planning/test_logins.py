"""Whose turn it is: which login role has a password, which is closed, and which are due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenantplan.model.desired import Desired
from tenantplan.model.login import Issued, Login
from tenantplan.model.resource import CHANGED_OUTSIDE, Database, Role, Secret, State
from tenantplan.planning.logins import findings, with_logins

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOLDER = "organization/acme"
APP, APP2 = "role/primary/o_acme_app", "role/primary/o_acme_app2"


def a_login(count: int = 2, target: str = "main", grace: int = 60) -> Login:
    return Login(HOLDER, "primary", "o_acme", ("o_acme_app", "o_acme_app2")[:count], target, 90, grace)


def desired(login: Login, *, open_: bool = True) -> Desired:
    state: State = {"database/primary/o_acme": Database("primary", "o_acme", connect=login.roles, holder=HOLDER)}
    for number, name in enumerate(login.roles):
        secret = Secret(f"generate:{login.target}") if number == 0 else None
        state[f"role/primary/{name}"] = Role("primary", name, open_ and number == 0, password=secret, holder=HOLDER)
    return Desired(state=state, logins={HOLDER: login})


def a_role(name: str, keyed: str | None = None, login: bool = True, **more: Any) -> Role:
    return Role("primary", name, login, password=Secret(None, keyed) if keyed else None, holder=HOLDER, **more)


def issued(role: str = "o_acme_app", state: str = "current", ago: timedelta = timedelta(0), **more: Any) -> Issued:
    at = (NOW - ago).isoformat()
    values = {"superseded_at": at if state == "previous" else None, "sessions_left": False} | more
    return Issued("id", HOLDER, "primary", "o_acme", role, state, "main", at, **values)


def seen(found: Desired) -> dict[str, tuple[bool, object]]:
    """Whether each role can log in, and its password: its keyed hash, "new", or None where it is none of a plan's business."""
    roles = {a: r for a, r in found.state.items() if isinstance(r, Role)}
    return {
        a.removeprefix("role/primary/o_acme_"): (r.login, r.password and (r.password.keyed or "new"))
        for a, r in roles.items()
    }


LIVE: State = {APP: a_role("o_acme_app", "k1"), APP2: a_role("o_acme_app2", None, False)}


def test_the_first_role_gets_the_first_password() -> None:
    assert seen(with_logins(desired(a_login()), {}, (), NOW)) == {"app": (True, "new"), "app2": (False, None)}


def test_what_is_current_stays() -> None:
    assert seen(with_logins(desired(a_login()), LIVE, (issued(),), NOW)) == {"app": (True, "k1"), "app2": (False, None)}


def test_the_other_role_gets_the_next_one() -> None:
    found = with_logins(desired(a_login()), LIVE, (issued(),), NOW, [HOLDER])
    assert seen(found) == {"app": (True, "k1"), "app2": (True, "new")}
    assert seen(with_logins(desired(a_login(1)), LIVE, (issued(),), NOW, [HOLDER])) == {"app": (True, "new")}


@pytest.mark.parametrize(("minutes", "closed"), [(59, False), (61, True)])
def test_the_former_role_is_closed_when_its_time_is_over(minutes: int, closed: bool) -> None:
    live: State = {APP: a_role("o_acme_app", "k1"), APP2: a_role("o_acme_app2", "k2")}
    rows = (issued(state="previous", ago=timedelta(minutes=minutes)), issued("o_acme_app2"))
    assert seen(with_logins(desired(a_login()), live, rows, NOW)) == {"app": (not closed, None), "app2": (True, "k2")}


@pytest.mark.parametrize(("minutes", "over"), [(59, False), (61, True)])
def test_sessions_of_the_former_password_are_over(minutes: int, over: bool) -> None:
    live: State = {APP: a_role("o_acme_app", "k1", ends_before="2026-11-28T11:00:00Z")}
    rows = (issued(ago=timedelta(minutes=minutes), sessions_left=True),)
    role = with_logins(desired(a_login(1)), live, rows, NOW).state[APP]
    assert isinstance(role, Role) and (role.ends_before is None) == over


def test_what_was_interrupted_is_finished_before_anything_else() -> None:
    rows = (issued(), issued("o_acme_app2", "pending"))
    for rotate in ([], [HOLDER]):
        assert seen(with_logins(desired(a_login()), LIVE, rows, NOW, rotate)) == {
            "app": (True, "k1"),
            "app2": (True, "new"),
        }


def test_a_password_of_somebody_else_is_replaced() -> None:
    live: State = {**LIVE, APP: a_role("o_acme_app", CHANGED_OUTSIDE)}
    assert seen(with_logins(desired(a_login()), live, (issued(),), NOW))["app"] == (True, "new")


def test_a_closed_organization_stays_closed() -> None:
    found = with_logins(desired(a_login(), open_=False), LIVE, (issued(),), NOW, [HOLDER])
    assert {name: login for name, (login, _) in seen(found).items()} == {"app": False, "app2": False}


def test_back_to_one_role_the_other_may_still_connect() -> None:
    live: State = {APP: a_role("o_acme_app", None, False), APP2: a_role("o_acme_app2", "k2")}
    found = with_logins(desired(a_login(1)), live, (issued("o_acme_app2"),), NOW)
    assert seen(found) == {"app": (True, "new"), "app2": (True, None)}
    database = found.state["database/primary/o_acme"]
    assert isinstance(database, Database) and database.connect == ("o_acme_app", "o_acme_app2")


def test_back_to_one_role_what_was_pending_for_the_other_is_dropped() -> None:
    live: State = {APP: a_role("o_acme_app", "k1"), APP2: a_role("o_acme_app2", "k2")}
    rows = (issued(), issued("o_acme_app2", "pending"))
    found = with_logins(desired(a_login(1)), live, rows, NOW)
    assert seen(found) == {"app": (True, "k1"), "app2": (False, None)}


@pytest.mark.parametrize(
    ("days", "target", "said"), [(89, "main", None), (90, "main", "due"), (1, "vault", "to vault")]
)
def test_what_is_due_is_noted(days: int, target: str, said: str | None) -> None:
    found = findings(desired(a_login(target=target)), (issued(ago=timedelta(days=days)),), NOW, [APP])
    assert [f.rule for f in found] == (["rotation-due"] if said else [])
    assert all(str(said) in f.message and "credentials rotate acme" in f.message for f in found)
    assert findings(desired(a_login()), (issued(ago=timedelta(days=99)),), NOW, []) == ()
    elsewhere = replace(issued(), target="vault")
    (found_back,) = findings(desired(a_login()), (elsewhere,), NOW, [APP])
    assert "was delivered to vault and is to go to main" in found_back.message


@pytest.mark.parametrize(
    ("name", "target", "password"),
    [
        ("o_acme_app", "main", "k1"),
        ("o_acme_app", "vault", "k1"),
        ("o_old_app", "main", "k1"),  # the main database is renamed with it
        ("o_old_app", "vault", "new"),  # what was delivered names the old role
    ],
)
def test_a_renamed_role_is_delivered_anew_where_somebody_else_keeps_its_name(
    name: str, target: str, password: str
) -> None:
    live: State = {**LIVE, APP: a_role(name, "k1")}
    assert seen(with_logins(desired(a_login(target=target)), live, (issued(),), NOW))["app"] == (True, password)


@pytest.mark.parametrize("live", [{}, {APP: a_role("o_acme_app")}], ids=("no role", "no password"))
def test_what_was_issued_and_is_not_there_is_given_anew(live: State) -> None:
    assert seen(with_logins(desired(a_login()), live, (issued(),), NOW))["app"] == (True, "new")


@pytest.mark.parametrize(("seconds", "over"), [(-1, False), (0, True), (1, True)])
def test_a_grace_period_ends_at_its_very_moment(seconds: int, over: bool) -> None:
    ago = timedelta(minutes=60, seconds=seconds)
    live: State = {APP: a_role("o_acme_app", "k1"), APP2: a_role("o_acme_app2", "k2")}
    two = with_logins(desired(a_login()), live, (issued(state="previous", ago=ago), issued("o_acme_app2")), NOW)
    assert seen(two)["app"] == (not over, None)
    waiting: State = {APP: a_role("o_acme_app", "k1", ends_before="2026-11-28T11:00:00Z")}
    role = with_logins(desired(a_login(1)), waiting, (issued(ago=ago, sessions_left=True),), NOW).state[APP]
    assert isinstance(role, Role) and (role.ends_before is None) is over
    rows = (issued("o_acme_app"), issued("o_acme_app2", "previous", ago=ago))
    left = with_logins(desired(a_login(1)), live, rows, NOW)  # a role that does not take turns any more
    assert seen(left)["app2"] == (not over, None)


@pytest.mark.parametrize(("seconds", "due"), [(-1, False), (0, True), (1, True)])
def test_a_password_is_due_at_its_very_moment(seconds: int, due: bool) -> None:
    rows = (issued(ago=timedelta(days=90, seconds=seconds)),)
    assert bool(findings(desired(a_login()), rows, NOW, [APP])) is due


def test_a_former_role_that_is_closed_or_was_never_finished_stays_closed() -> None:
    for have, state in ((a_role("o_acme_app2", "k2", False), "current"), (a_role("o_acme_app2", "k2"), "pending")):
        live: State = {APP: a_role("o_acme_app", "k1"), APP2: have}
        rows = (issued(state="previous"), issued("o_acme_app2", state))
        found = with_logins(desired(a_login(1)), live, rows, NOW)
        assert seen(found)["app2"] == (False, None)
        database = found.state["database/primary/o_acme"]
        assert isinstance(database, Database) and database.connect == ("o_acme_app",)
