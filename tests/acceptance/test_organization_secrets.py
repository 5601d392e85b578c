"""Secrets of an organization's application: by reference, encrypted, and due to be rotated after their period."""

from __future__ import annotations

from typing import Any

import pytest
from acceptance.harness import Fleet
from acceptance.test_projects import blockers, everything, refused

from tenantplan.secrets.box import CredentialPlace, new_key, vault

pytestmark = pytest.mark.once

KEY = new_key()
BODY = "secrets: {{ session: {{ value: {{ env: SESSION }}{} }}, jwt: {{ value: {{ env: JWT }} }} }}"
ADDRESS = "organization/acme/secret/session"


def declare(fleet: Fleet, more: str = "", name: str = "acme") -> None:
    fleet.organization(name, BODY.format(more))


@pytest.fixture
def applied(fleet: Fleet) -> Fleet:
    """An applied fleet with an organization that has two secrets."""
    fleet.env |= {
        "CREDENTIALS_ENCRYPTION_KEY": KEY,
        "SESSION": "session-7f3a9c2e51b84d06b2e8d1c7",
        "JWT": "jwt-7f3a9c2e51b84d06b2e8d1c79a5f",
    }
    declare(fleet)
    fleet.apply()
    return fleet


def opened(fleet: Fleet) -> dict[tuple[str, str], str]:
    """Every secret as an application with the key reads it, by organization and name."""
    rows = fleet.rows(
        "SELECT slug, name, s.id::text, value FROM organization_secrets s JOIN organizations o ON o.id = organization_id"
    )
    return {
        (slug, name): vault(KEY).open(CredentialPlace("organization_secrets", i, "value"), box)
        for slug, name, i, box in rows
    }


def periods(fleet: Fleet) -> list[tuple[Any, ...]]:
    return fleet.rows("SELECT name, rotate_every_days FROM organization_secrets ORDER BY 1")


def rotated(fleet: Fleet, name: str = "session") -> Any:
    return fleet.rows("SELECT rotated_at FROM organization_secrets WHERE name = %s", name)[0][0]


def age(fleet: Fleet, interval: str, name: str = "session") -> None:
    """The secret has had its value for so long."""
    fleet.execute("UPDATE organization_secrets SET rotated_at = now() - %s::interval WHERE name = %s", interval, name)


def due(fleet: Fleet) -> dict[str, str]:
    return {n["address"]: n["message"] for n in fleet.plan()["notes"] if n["rule"] == "rotation-due"}


def test_secrets_are_stored_encrypted_with_their_period(applied: Fleet) -> None:
    assert opened(applied) == {("acme", "jwt"): applied.env["JWT"], ("acme", "session"): applied.env["SESSION"]}
    assert periods(applied) == [("jwt", 90), ("session", 90)]
    found = everything(applied)
    for value in (applied.env["JWT"], applied.env["SESSION"], KEY.removeprefix("base64:").rstrip("=")):
        assert value not in found
    applied.converged()
    assert "No drift" in applied.run("drift").out


def test_each_organization_has_its_own(applied: Fleet) -> None:
    declare(applied, name="other")
    applied.apply()
    assert opened(applied)["other", "jwt"] == opened(applied)["acme", "jwt"]
    boxes = applied.rows("SELECT DISTINCT substr(value, 10) FROM organization_secrets")
    assert len(boxes) == 4
    applied.converged()


def test_a_period_is_declared(applied: Fleet) -> None:
    before = rotated(applied)
    declare(applied, ", rotateEveryDays: 30")
    assert applied.operations() == [f"update {ADDRESS}"]
    applied.apply()
    assert periods(applied) == [("jwt", 90), ("session", 30)]
    assert rotated(applied) == before  # the value is as old as it was
    applied.converged()


def test_a_new_value_starts_the_period_again(applied: Fleet) -> None:
    age(applied, "200 days")
    age(applied, "200 days", "jwt")
    applied.env["SESSION"] += "-new"
    assert applied.operations() == [f"update {ADDRESS}"]
    applied.apply()
    assert opened(applied)["acme", "session"] == applied.env["SESSION"]
    assert applied.rows("SELECT name FROM organization_secrets WHERE rotated_at > now() - interval '1 hour'") == [
        ("session",)
    ]
    applied.converged()


@pytest.mark.parametrize(
    ("more", "interval", "is_due"),
    [
        ("", "89 days 23 hours", False),
        ("", "90 days 1 minute", True),
        (", rotateEveryDays: 30", "29 days 23 hours", False),
        (", rotateEveryDays: 30", "30 days 1 minute", True),
        (", rotateEveryDays: 365", "364 days", False),
    ],
)
def test_a_secret_is_due_when_its_period_has_passed(applied: Fleet, more: str, interval: str, is_due: bool) -> None:
    declare(applied, more)
    applied.apply()
    assert due(applied) == {}
    age(applied, interval)
    found = due(applied)
    assert set(found) == ({ADDRESS} if is_due else set())
    assert applied.operations() == []


def test_the_plan_says_which_are_due_and_stays_empty(applied: Fleet) -> None:
    age(applied, "100 days")
    day = applied.rows("SELECT to_char(rotated_at + interval '90 days', 'YYYY-MM-DD') FROM organization_secrets"
                       " WHERE name = 'session'")[0][0]  # fmt: skip
    for form in ((), ("--format", "markdown"), ("--format", "html")):
        said = applied.run("plan", "--detailed-exitcode", *form).out
        assert "due to be rotated" in said and day in said and "SESSION" in said
    (message,) = due(applied).values()
    assert message.startswith(f"due to be rotated since {day} (every 90 days)") and "env:SESSION" in message
    applied.env["SESSION"] += "-new"
    assert due(applied) == {}  # this plan rotates it
    applied.apply()
    assert due(applied) == {}


def test_a_shorter_period_makes_it_due_at_once(applied: Fleet) -> None:
    age(applied, "40 days")
    declare(applied, ", rotateEveryDays: 30")
    assert set(due(applied)) == {ADDRESS}
    applied.apply()
    assert set(due(applied)) == {ADDRESS}


def test_a_new_encryption_key_is_no_rotation(applied: Fleet) -> None:
    age(applied, "100 days")
    before = rotated(applied)
    applied.settings("credentials: { formerKeys: [ { env: FORMER } ] }")
    applied.env |= {"FORMER": KEY, "CREDENTIALS_ENCRYPTION_KEY": new_key()}
    applied.run("credentials", "rekey")
    assert rotated(applied) == before
    assert set(due(applied)) == {ADDRESS}


def test_a_value_replaced_by_hand_is_drift_and_put_back(applied: Fleet) -> None:
    applied.execute("UPDATE organization_secrets SET value = 'by hand' WHERE name = 'session'")
    items = applied.run("drift", "--json", code=2).json["items"]
    assert [(i["address"], i["name"], i["actual"]) for i in items] == [(ADDRESS, "value", "changed by hand")]
    assert applied.operations() == [f"update {ADDRESS}"]
    applied.apply()
    assert opened(applied)["acme", "session"] == applied.env["SESSION"]
    applied.converged()


def test_what_is_not_declared_any_more_stays_until_it_is_deleted(applied: Fleet) -> None:
    applied.organization("acme", "secrets: { jwt: { value: { env: JWT } } }")
    assert [o["address"] for o in applied.plan()["orphans"]] == [ADDRESS]
    applied.converged()
    declare(applied, ", state: deleted")
    applied.apply(code=3)
    applied.apply("--allow-deletes", "1")
    assert set(opened(applied)) == {("acme", "jwt")}
    assert applied.rows("SELECT count(*) FROM tenantplan.credentials") == [(1,)]
    applied.converged()


def test_a_deleted_secret_needs_no_value(applied: Fleet) -> None:
    del applied.env["SESSION"]
    declare(applied, ", state: deleted")
    applied.apply("--allow-deletes", "1")
    assert set(opened(applied)) == {("acme", "jwt")}


def test_a_saved_plan_is_for_the_value_it_was_made_with(applied: Fleet) -> None:
    applied.env["SESSION"] += "-new"
    applied.run("plan", "--out", "plan.json")
    applied.env["SESSION"] += "-newer"
    failed = applied.run("apply", "plan.json", "--auto-approve", code=4)
    assert "env:SESSION" in failed.err and "newer" not in failed.err
    assert opened(applied)["acme", "session"] == "session-7f3a9c2e51b84d06b2e8d1c7"


def test_a_value_that_is_not_at_hand(applied: Fleet) -> None:
    """What is stored stays as it is; what is not has to be there, and what is there cannot be empty."""
    before = opened(applied)
    del applied.env["SESSION"]
    applied.converged()
    assert opened(applied) == before
    declare(applied, name="other")
    assert set(blockers(applied)) == {"organization/other/secret/session"}
    assert "SESSION is not set" in blockers(applied)["organization/other/secret/session"]
    applied.apply(code=3)
    applied.remove("Organization", "other")
    applied.env["SESSION"] = ""
    assert set(blockers(applied)) == {ADDRESS} and "is empty" in blockers(applied)[ADDRESS]
    applied.apply(code=3)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("session: { value: s3cret-7f3a9c2e }", "value"),
        ("session: { rotateEveryDays: 30 }", "value"),
        ("session: { value: { env: SESSION }, rotateEveryDays: 0 }", "rotateEveryDays"),
        ("session: { value: { env: SESSION }, rotateEveryDays: 9999 }", "rotateEveryDays"),
        ("Session: { value: { env: SESSION } }", "lower-case"),
        ("session: { value: { env: SESSION }, rotateEvryDays: 3 }", "rotateEveryDays"),
    ],
)
def test_what_a_secret_cannot_say(fleet: Fleet, body: str, said: str) -> None:
    fleet.organization("acme", f"secrets: {{ {body} }}")
    message = refused(fleet)
    assert "organization-acme.yaml:" in message and said in message
    assert "s3cret-7f3a9c2e" not in message


def test_they_go_with_their_organization(applied: Fleet) -> None:
    applied.document("Tier", "any", "displayName: Any")
    applied.organization("acme", "protect: false\n" + BODY.format(""))
    applied.apply()
    applied.organization("acme", "protect: false\nstate: deleted")
    applied.apply("--allow-deletes", "1")
    assert len(opened(applied)) == 2
    assert due(applied) == {}
    applied.settings("guard: { graceDays: 0 }")
    applied.apply("--allow-deletes", str(applied.plan()["summary"]["delete"]))
    assert opened(applied) == {}
    assert applied.rows("SELECT count(*) FROM tenantplan.credentials") == [(0,)]
    applied.converged()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("k7Jd93-xQ0z_Lm2vRt8ek7Jd93-xQ0z", "the secret in env:SESSION is shorter than 32 characters"),  # 31
        ("abcabcabc" * 5, "the secret in env:SESSION is not random enough"),
    ],
)
def test_what_signs_sessions_is_long_and_random(applied: Fleet, value: str, said: str) -> None:
    applied.env["SESSION"] = value
    assert said in blockers(applied)[ADDRESS]
    applied.apply(code=3)
    applied.settings("development: true")
    assert blockers(applied) == {}
    applied.apply()
    assert opened(applied)["acme", "session"] == value


def test_a_password_among_them_is_no_word(applied: Fleet) -> None:
    applied.env["SMTP"] = "mongoroot123"
    applied.organization("acme", "secrets: { smtp: { value: { env: SMTP } } }")
    assert "a word and a number" in blockers(applied)["organization/acme/secret/smtp"]
    applied.env["SMTP"] = f"{applied.name}-x"
    assert "shorter than 12" in blockers(applied)["organization/acme/secret/smtp"]
    applied.env["SMTP"] = f"{applied.name}-x9-k2"
    assert "name of the system" in blockers(applied)["organization/acme/secret/smtp"]


@pytest.mark.parametrize("password", ["cybersensei123", "mongoroot123"])
def test_server_passwords_that_everybody_knows(fleet: Fleet, password: str) -> None:
    env = {"TENANTPLAN_MAIN_URL": fleet.server.url("app", password=password)}
    fleet.organization("acme")
    refused = fleet.run("plan", code=1, env=env).err
    assert "the password of user app in env:TENANTPLAN_MAIN_URL is" in refused and password not in refused
    fleet.env["APP"] = password
    fleet.organization("acme", "database: { mode: dedicated, password: { env: APP } }")
    assert "a word and a number" in next(iter(blockers(fleet).values()))
    fleet.env |= {"STORE": f"mongodb://root:{password}@mongo.example/central"}
    fleet.settings("packages: { url: { env: STORE } }")
    fleet.write("a.zip", "x")
    fleet.document("Release", "r1", "{ version: '1', file: a.zip }")
    assert "the password in env:STORE is" in fleet.run("plan", code=None).err + str(fleet.run("plan", code=None).out)
