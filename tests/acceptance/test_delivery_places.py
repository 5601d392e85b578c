"""Places of targets: one delivery has each, and what is delivered follows its name."""

from __future__ import annotations

import pytest
from acceptance.delivered import handed, with_targets
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

SETTINGS = """credentials: { targets: { files: { file: 'handed/{organization}.env' }, others: { file: 'others/{organization}' } } }
guard: { maxChangedPercent: 100, graceDays: 0 }"""
PASSWORD = "database: { mode: dedicated, password: { generate: true }, deliver: files, readOnly: true }"
NODE = "organization: acme\ndisplayName: N\ndatabase: { mode: dedicated }"


@pytest.fixture
def keyed(fleet: Fleet) -> Fleet:
    """A fleet with an encryption key and targets."""
    return with_targets(fleet, SETTINGS)


def test_two_logins_in_one_place(keyed: Fleet) -> None:
    keyed.organization("tenant", PASSWORD)
    keyed.organization("acme", PASSWORD)
    keyed.document("Tenant", "paris", NODE)
    keyed.run("validate")
    keyed.document("Tenant", "read-only", NODE)
    said = keyed.run("validate", code=1).err
    assert "tenant/read-only" in said and "organization/tenant/login/read-only" in said
    assert "tenant-read-only.yaml" in said and "organization-tenant.yaml" in said
    keyed.organization("tenant", PASSWORD.replace("files", "others"))
    keyed.run("validate")


def test_two_secrets_in_one_place(keyed: Fleet) -> None:
    keyed.organization("acme")
    keyed.organization("tenant", "secrets: { license-key: { value: { generate: true }, deliver: files } }")
    keyed.document(
        "Tenant", "secret", "organization: acme\ndisplayName: N\nlicenseKey: { generate: true }\ndeliver: files"
    )
    said = keyed.run("validate", code=1).err
    assert "tenant.secret.license-key of target files" in said
    assert "tenant/secret" in said and "organization/tenant/secret/license-key" in said


SECRET = "secrets: { session: { value: { generate: true }, deliver: files } }"
BOTH = f"{PASSWORD}\n{SECRET}"


def left(fleet: Fleet) -> list[str]:
    """The files that the plan says stay behind."""
    notes = [note["message"] for note in fleet.plan()["notes"] if note["rule"] == "stays-behind"]
    return sorted(message.split()[2] for message in notes)


@pytest.mark.parametrize("step", ["", "committed", "secret-delivered", "login-set"])
def test_what_a_renamed_organization_has(keyed: Fleet, step: str) -> None:
    keyed.organization("a", BOTH)
    keyed.apply()
    value = handed(keyed)["a.secret.session.env"]
    keyed.remove("Organization", "a")
    keyed.organization("c", BOTH, renamedFrom="a")
    assert left(keyed) == ["handed/a.env", "handed/a.read-only.env", "handed/a.secret.session.env"]
    if step:
        assert keyed.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": step}).code < 0
    keyed.apply()
    found = handed(keyed)
    assert found["c.secret.session.env"] == value and {"c.env", "c.read-only.env"} < found.keys()
    assert left(keyed) == []
    keyed.converged()
    assert keyed.rows("SELECT value_delivered_to FROM organization_secrets") == [("files",)]


def test_what_a_renamed_tenant_has(keyed: Fleet) -> None:
    keyed.organization("acme")
    body = "organization: acme\ndisplayName: N\nlicenseKey: { generate: true }\ndeliver: files\n"
    body += "licenses: [ { name: main, key: { generate: true }, deliver: files } ]"
    keyed.document("Tenant", "paris", body)
    keyed.apply()
    before = handed(keyed)
    keyed.remove("Tenant", "paris")
    keyed.document("Tenant", "rome", body, renamedFrom="paris")
    assert left(keyed) == [f"handed/{name}" for name in sorted(before)]
    keyed.apply()
    assert handed(keyed) == before | {name.replace("paris", "rome"): value for name, value in before.items()}
    keyed.converged()


def test_what_a_purge_leaves(keyed: Fleet) -> None:
    keyed.organization("a", f"protect: false\n{BOTH}")
    keyed.apply()
    keyed.organization("a", "protect: false\nstate: deleted")
    assert left(keyed) == []
    keyed.apply("--allow-deletes", str(keyed.plan()["summary"]["delete"]))
    assert left(keyed) == ["handed/a.env", "handed/a.read-only.env", "handed/a.secret.session.env"]


def test_what_the_former_target_keeps(keyed: Fleet) -> None:
    keyed.organization("a", SECRET)
    keyed.apply()
    keyed.organization("a", SECRET.replace("files", "others"))
    assert left(keyed) == ["handed/a.secret.session.env"]
    keyed.apply()
    keyed.converged()


def test_two_targets_with_one_file(keyed: Fleet) -> None:
    """A customer's file must not hold what another one's target has written there."""
    one = SETTINGS.replace("others/{organization}", "./handed/../handed/a-{organization}.env")
    keyed.settings(one)
    keyed.organization("a-b", PASSWORD)
    keyed.organization("b", PASSWORD)
    keyed.run("validate")
    keyed.organization("b", PASSWORD.replace("files", "others"))
    said = keyed.run("validate", code=1).err
    assert "organization/a-b" in said and "organization/b" in said and "/handed/a-b.env" in said
    keyed.apply(code=1)
    (keyed.root / "link").symlink_to("handed")
    keyed.settings(one.replace("./handed/../handed", "link"))
    assert "/handed/a-b.read-only.env" in keyed.run("validate", code=1).err
    keyed.organization("c", PASSWORD.replace("files", "others"))
    keyed.remove("Organization", "b")
    keyed.run("validate")
