"""Places of targets: one delivery has each, and what is delivered follows its name."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet

from tenantplan.secrets.box import new_key

pytestmark = pytest.mark.once

SETTINGS = """credentials: { targets: { files: { file: 'handed/{organization}.env' }, others: { file: 'others/{organization}' } } }
guard: { maxChangedPercent: 100, graceDays: 0 }"""
PASSWORD = "database: { mode: dedicated, password: { generate: true }, deliver: files, readOnly: true }"
NODE = "organization: acme\ndisplayName: N\ndatabase: { mode: dedicated }"


@pytest.fixture
def keyed(fleet: Fleet) -> Fleet:
    """A fleet with an encryption key and targets."""
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = new_key()
    fleet.settings(SETTINGS)
    (fleet.root / "handed").mkdir(mode=0o700)
    return fleet


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
