"""Secrets of organizations and keys of licences that tenantplan makes up, delivers and rotates."""

from __future__ import annotations

import json
from typing import Any

import pytest
from acceptance.delivered import handed, with_targets
from acceptance.harness import Fleet
from acceptance.test_projects import everything, refused

from tenantplan.secrets.box import CredentialPlace, new_key, vault

pytestmark = pytest.mark.once

KEY = new_key()
SESSION = "organization/acme/secret/session"
TARGETS = "credentials: { targets: { files: { file: 'handed/{organization}.env' }, json: { file: 'handed/{organization}.json' } } }"


@pytest.fixture
def keyed(fleet: Fleet) -> Fleet:
    """A fleet with an encryption key and targets."""
    return with_targets(fleet, TARGETS, KEY)


def declare(fleet: Fleet, value: str = "{ generate: true, bytes: 48 }", more: str = "") -> None:
    fleet.organization("acme", f"secrets: {{ session: {{ value: {value}{more} }} }}")


def stored(fleet: Fleet) -> Any:
    (row,) = fleet.rows("SELECT id::text, value, value_delivered_to, rotated_at FROM organization_secrets")
    return vault(KEY).open(CredentialPlace("organization_secrets", row[0], "value"), row[1]), *row[2:]


def test_it_is_made_once_and_rotated(keyed: Fleet) -> None:
    declare(keyed)
    first, second = keyed.run("plan", "--format", "json"), keyed.run("plan", "--format", "json")
    assert first.json["digest"] == second.json["digest"]
    keyed.apply()
    value, target, _ = stored(keyed)
    assert len(value) == 64 and target == "main" and value not in everything(keyed)
    keyed.converged()
    assert "No drift" in keyed.run("drift").out
    keyed.apply()
    assert stored(keyed)[0] == value
    keyed.execute("UPDATE organization_secrets SET rotated_at = now() - interval '91 days'")
    (note,) = [n for n in keyed.plan()["notes"] if n["rule"] == "rotation-due"]
    assert f"credentials rotate {SESSION}" in note["message"]
    assert SESSION in keyed.run("credentials", "rotate", "--due").out
    renewed = stored(keyed)[0]
    assert renewed != value and len(renewed) == 64
    keyed.run("credentials", "rotate", SESSION)
    assert stored(keyed)[0] not in (value, renewed)
    assert "Nothing is due" in keyed.run("credentials", "rotate", "--due").out
    keyed.converged()
    keyed.run("audit", "verify")


def test_it_is_delivered_where_it_is_to_go(keyed: Fleet) -> None:
    declare(keyed, more=", deliver: files")
    keyed.apply()
    value = stored(keyed)[0]
    assert handed(keyed) == {"acme.secret.session.env": f"SESSION={value}\n"}
    keyed.converged()
    declare(keyed, more=", deliver: json")
    keyed.apply()
    assert json.loads(handed(keyed)["acme.secret.session.json"])["value"] == value == stored(keyed)[0]
    assert stored(keyed)[1] == "json"
    (keyed.root / "handed").chmod(0o777)
    refused = keyed.run("credentials", "rotate", SESSION, code=5)
    assert "others can write to it" in refused.out + refused.err and stored(keyed)[0] == value
    (keyed.root / "handed").chmod(0o700)
    keyed.run("credentials", "rotate", SESSION)
    assert json.loads(handed(keyed)["acme.secret.session.json"])["value"] == stored(keyed)[0] != value
    found = keyed.run("audit", "list", "--action", "deliver", "--json").json
    assert [entry["result"] for entry in found] == ["done"] * 3
    keyed.converged()


def test_killed_after_it_was_handed_over(keyed: Fleet) -> None:
    """The next run makes another one, and what was handed over last is what is stored."""
    declare(keyed, more=", deliver: files")
    died = keyed.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "secret-delivered"})
    assert died.code < 0
    lost = handed(keyed)
    keyed.apply()
    assert lost != handed(keyed) == {"acme.secret.session.env": f"SESSION={stored(keyed)[0]}\n"}
    keyed.converged()


def test_a_rotation_killed_after_it_was_handed_over(keyed: Fleet) -> None:
    """What is stored is handed over again; a rotation that is asked for again makes another value."""
    declare(keyed, more=", deliver: files")
    keyed.apply()
    value, place = stored(keyed)[0], "acme.secret.session.env"
    rotate = ("credentials", "rotate", SESSION)
    assert keyed.process(*rotate, env={"TENANTPLAN_FAILPOINT": "secret-delivered"}).code < 0
    assert handed(keyed)[place] != f"SESSION={value}\n" and stored(keyed)[0] == value
    assert keyed.operations() == [f"update {SESSION}"] and SESSION in keyed.run("drift", code=2).out
    keyed.apply()
    assert handed(keyed)[place] == f"SESSION={value}\n" and stored(keyed)[:2] == (value, "files")
    keyed.converged()
    assert keyed.process(*rotate, env={"TENANTPLAN_FAILPOINT": "secret-delivered"}).code < 0
    keyed.run(*rotate)
    assert handed(keyed)[place] == f"SESSION={stored(keyed)[0]}\n" != f"SESSION={value}\n"
    keyed.converged()


def test_a_rotation_that_fails_at_the_second_target(keyed: Fleet) -> None:
    keyed.settings(TARGETS.replace("json: {", "other: { command: [/bin/sh, -c, 'test ! -e broken'] }, json: {"))
    one = "{ value: { generate: true }, deliver: files }"
    keyed.organization("acme", f"secrets: {{ asession: {one}, ztoken: {one.replace('files', 'other')} }}")
    keyed.apply()
    before = handed(keyed)
    (keyed.root / "broken").write_text("")
    addresses = ["organization/acme/secret/asession", "organization/acme/secret/ztoken"]
    keyed.run("credentials", "rotate", *addresses, code=5)
    assert handed(keyed) != before
    assert keyed.operations() == [f"update {address}" for address in addresses]
    (keyed.root / "broken").unlink()
    keyed.apply()
    assert handed(keyed) == before
    keyed.converged()


def test_from_a_reference_and_back(keyed: Fleet) -> None:
    keyed.env["SESSION"] = "k7Jd93-xQ0z_Lm2vRt8ek7Jd93-xQ0z_"
    declare(keyed, "{ env: SESSION }")
    keyed.apply()
    declare(keyed)
    keyed.apply()
    assert stored(keyed)[0] != keyed.env["SESSION"] and stored(keyed)[1] == "main"
    keyed.execute("UPDATE organization_secrets SET value = 'by hand'")
    assert keyed.operations() == [f"update {SESSION}"]
    keyed.apply()
    assert len(stored(keyed)[0]) == 64
    declare(keyed, "{ env: SESSION }")
    keyed.apply()
    assert stored(keyed)[:2] == (keyed.env["SESSION"], None)
    keyed.converged()


def test_what_cannot_be_said_of_it(keyed: Fleet) -> None:
    for body, said in {
        "{ generate: true, env: X }": "exactly one of",
        "{ env: X, bytes: 32 }": "generate: true",
        "{ generate: true, bytes: 16 }": "24",
    }.items():
        declare(keyed, body)
        assert said in refused(keyed)
    declare(keyed, more=", deliver: filez")
    assert "there is no target `filez`" in refused(keyed) and "files" in refused(keyed)
    declare(keyed)
    assert "apply" in keyed.run("credentials", "rotate", SESSION, code=1).err
    del keyed.env["CREDENTIALS_ENCRYPTION_KEY"]
    keyed.apply(code=3)


def keys(fleet: Fleet) -> tuple[str, str]:
    return fleet.rows("SELECT t.license_key, l.key FROM tenants t JOIN licenses l ON l.tenant_id = t.id")[0]


def test_the_keys_of_licences(keyed: Fleet) -> None:
    keyed.organization("acme")
    body = "organization: acme\ndisplayName: Node\nlicenses: [ {{ name: main{} }} ]\n{}"
    keyed.document("Tenant", "node", body.format("", ""))
    keyed.apply()
    database, license_ = keys(keyed)
    keyed.converged()
    keyed.env |= {"NODE_KEY": "AAAA-BCDE-1234-9876", "MAIN_KEY": "too-short"}
    declared = body.format(", key: { env: MAIN_KEY }", "licenseKey: { env: NODE_KEY }")
    keyed.document("Tenant", "node", declared)
    assert "shorter than 16" in str(keyed.plan()["blockers"])
    keyed.env["MAIN_KEY"] = "BBBB-BCDE-1234-9876"
    keyed.apply()
    assert keys(keyed) == (keyed.env["NODE_KEY"], keyed.env["MAIN_KEY"]) != (database, license_)
    keyed.converged()
    said = keyed.run("audit", "export").out + keyed.run("plan", "--refresh", "deep", "--verbose").out
    assert keyed.env["NODE_KEY"] not in said and keyed.env["MAIN_KEY"] not in said
    generated = body.format(
        ", key: { generate: true }, deliver: files", "licenseKey: { generate: true }\ndeliver: files"
    )
    keyed.document("Tenant", "node", generated)
    keyed.apply()
    tenant, license_ = keys(keyed)
    assert len(tenant) == 29 and tenant.count("-") == 4 and tenant != license_
    assert handed(keyed) == {
        "tenant.node.license-key.env": f"LICENSE_KEY={tenant}\n",
        "tenant.node.license.main.env": f"MAIN={license_}\n",
    }
    keyed.converged()
    keyed.run("credentials", "rotate", "tenant/node/license/main")
    assert keys(keyed)[0] == tenant and keys(keyed)[1] != license_
    before = handed(keyed)
    rotate = ("credentials", "rotate", "tenant/node/license/main")
    assert keyed.process(*rotate, env={"TENANTPLAN_FAILPOINT": "secret-delivered"}).code < 0
    assert handed(keyed) != before
    keyed.apply()
    assert handed(keyed) == before
    keyed.converged()
    keyed.document("Tenant", "node", body.format("", ""))
    keyed.apply()
    assert keys(keyed)[0] == tenant
    keyed.converged()
