"""Signed and encrypted plan files, from the command line."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from acceptance.harness import Fleet
from acceptance.test_plan_file import dump, stamp

from tenantplan.model.plan import parse
from tenantplan.secrets.box import new_key

pytestmark = pytest.mark.once

SIGNED = (
    "plans: { signingKey: { env: PLAN_KEY }, verifyKeys: [ { file: keys/old.pub }, { file: keys/plan.pub } ],"
    " encryptionKey: { env: PLAN_BOX } }"
)


@pytest.fixture
def signing(fleet: Fleet) -> Fleet:
    """An applied fleet that takes signed plans only, with an edit; what applies has the public key alone."""
    fleet.organization("acme")
    fleet.apply()
    fleet.organization("acme", "contact: { phone: '1' }")
    for name in ("old", "plan"):
        private, public = fleet.run("credentials", "key", "--signing").out.split()
        fleet.write(f"keys/{name}.pub", public)
    fleet.settings(SIGNED)
    fleet.env["PLAN_BOX"] = new_key()
    fleet.write("plan.key", private)
    return fleet


def planned(fleet: Fleet, *arguments: str) -> Path:
    """A plan file made where the private key is."""
    path = fleet.root / "plan.json"
    made = fleet.run("plan", "--out", str(path), *arguments, env={"PLAN_KEY": (fleet.root / "plan.key").read_text()})
    assert "signed" in made.err
    return path


def test_a_signed_plan_is_applied_where_the_private_key_is_not(signing: Fleet) -> None:
    path = planned(signing)
    assert json.loads(path.read_text())["seal"].startswith("ed25519:")
    assert signing.run("apply", str(path), "--json").json["digest"] == json.loads(path.read_text())["digest"]
    assert signing.operations() == []
    before = dump(signing.server)
    assert "already applied" in signing.run("apply", str(path), code=4).err
    assert dump(signing.server) == before


def test_nothing_that_is_made_without_the_key_is_applied(signing: Fleet) -> None:
    path = planned(signing)
    intact, before = path.read_bytes(), dump(signing.server)
    seal = json.loads(intact)["seal"]
    plan = parse(intact, "", lambda covered, seal: None)
    unreachable = {"TENANTPLAN_MAIN_URL": "postgresql://u:p@127.0.0.1:1/x"}
    for made, said in (
        (plan.to_bytes(), "is not signed"),  # the seal that anybody can make
        (replace(plan, created_at=stamp(timedelta())).to_bytes(), "is not signed"),
        (replace(plan, created_at=stamp(timedelta())).to_bytes(lambda covered: seal), "signature does not match"),
        (replace(plan, operations=()).to_bytes(lambda covered: seal), "signature does not match"),
        (intact[:-1], "not canonical"),
    ):
        path.write_bytes(made)
        refused = signing.run("apply", str(path), code=4, env=unreachable)  # nobody was asked
        assert said in refused.err and "plan --out" in refused.err
    private, _ = signing.run("credentials", "key", "--signing").out.split()
    signing.run("plan", "--out", str(path), env={"PLAN_KEY": private})
    assert "does not accept" in signing.run("apply", str(path), code=4).err
    assert dump(signing.server) == before


def test_age_and_being_used_hold_for_signed_plans(signing: Fleet) -> None:
    from tenantplan.secrets.signing import signer

    path = planned(signing)
    plan = parse(path.read_bytes(), "", lambda covered, seal: None)
    key = signer((signing.root / "plan.key").read_text(), "")
    before = dump(signing.server)
    path.write_bytes(replace(plan, created_at=stamp(timedelta(hours=25))).to_bytes(key.sign))
    assert "24 hours" in signing.run("apply", str(path), code=4).err
    path.write_bytes(replace(plan, fleet="other").to_bytes(key.sign))
    assert "other" in signing.run("apply", str(path), code=4).err
    path.write_bytes(replace(plan, target={**plan.target, "servers": {"primary": "1"}}).to_bytes(key.sign))
    assert "another PostgreSQL server" in signing.run("apply", str(path), code=4).err
    assert dump(signing.server) == before


def test_keys_are_changed_while_plans_wait(signing: Fleet) -> None:
    """Which keys there are is no part of what a plan means."""
    path = planned(signing)
    signing.settings("plans: { verifyKeys: [ { file: keys/plan.pub } ] }")
    signing.run("apply", str(path))
    signing.organization("acme")
    signing.settings(SIGNED)
    path = planned(signing)
    signing.settings("plans: { verifyKeys: [ { file: keys/old.pub } ] }")
    assert "does not accept" in signing.run("apply", str(path), code=4).err
    signing.settings("guard: { maxDeletes: 0 }")
    assert "names no key to verify" in signing.run("apply", str(path), code=4).err


def test_encrypted(signing: Fleet) -> None:
    path = planned(signing, "--encrypt")
    data = path.read_bytes()
    inside = base64.b64decode(json.loads(data)["encrypted"])
    assert b"acme" not in data and b"acme" not in inside and b"phone" not in inside
    before = dump(signing.server)
    for key in (new_key(), new_key()):
        refused = signing.run("apply", str(path), code=4, env={"PLAN_BOX": key})
        assert "cannot be opened: it was encrypted under key" in refused.err
    path.write_bytes(data[:200] + (b"A" if data[200:201] != b"A" else b"B") + data[201:])
    assert "cannot be opened" in signing.run("apply", str(path), code=4).err
    assert dump(signing.server) == before
    path.write_bytes(data)
    signing.run("apply", str(path))
    assert signing.operations() == []


def test_keys_that_are_not_at_hand(signing: Fleet) -> None:
    assert "PLAN_KEY is not set" in signing.run("plan", "--out", "plan.json", code=1).err
    assert not (signing.root / "plan.json").exists()
    shown = signing.run("plan", "--json")  # to look at, it need not be signed
    assert "not signed" in shown.err and ":" not in shown.json["seal"]
    assert "--out" in signing.run("plan", "--encrypt", code=1).err
    assert signing.run("plan").err == ""
    path = planned(signing)
    (signing.root / "keys" / "plan.pub").unlink()
    assert "keys/plan.pub" in signing.run("apply", str(path), code=1).err


def test_a_repair_is_signed_like_any_plan(signing: Fleet) -> None:
    signing.organization("msf", "database: { mode: dedicated }")
    signing.apply()
    signing.execute("DROP INDEX donations_donated_at_idx", database=signing.database("msf"))
    key = {"PLAN_KEY": (signing.root / "plan.key").read_text()}
    made = signing.run("drift", "--repair", "--out", "repair.json", code=2, env=key)
    assert "signed" in made.err
    signing.run("apply", "repair.json")
    assert signing.run("drift", code=None).code == 0


def test_no_document_names_a_key_of_plans_as_its_secret(signing: Fleet) -> None:
    """A pull request that edits tenants/ only could otherwise have the key stored where its author can read it."""
    signing.settings("plans: { signingKey: { file: plan.key }, encryptionKey: { env: PLAN_BOX } }")
    (signing.root / "link").symlink_to("plan.key")
    here = signing.root
    for path in ("plan.key", "./plan.key", "tenants/../plan.key", str(here / "plan.key"), f"../{here.name}/plan.key", "link",
                 "/proc/self/cwd/plan.key", f"{here.parent}//{here.name}/./plan.key"):  # fmt: skip
        signing.organization("acme", f"secrets: {{ jwt: {{ value: {{ file: {json.dumps(path)} }} }} }}")
        assert "is a secret of the fleet itself" in signing.run("validate", code=1).err, path
    signing.organization("acme", "secrets: { jwt: { value: { env: PLAN_BOX } } }")
    assert "PLAN_BOX is a secret of the fleet itself" in signing.run("validate", code=1).err
    signing.settings("servers: { primary: { sslkey: client.key, sslcert: client.crt } }")
    signing.organization("acme", "secrets: { jwt: { value: { file: client.key } } }")
    assert "client.key is a secret of the fleet itself" in signing.run("validate", code=1).err
