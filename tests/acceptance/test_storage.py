"""Buckets whose keys are encrypted at rest, and the teams they are shared to."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from acceptance.harness import Fleet
from acceptance.test_projects import blockers, counts, everything, refused

from tenantplan.secrets.box import CredentialPlace, Vault, new_key, vault

pytestmark = pytest.mark.once

KEY = new_key()
ACCESS, SECRET = "AKIA7F3A9C2E51B84D06", "s3cret/+7f3a9c2e51b84d06"
BODY = """
owner: core
provider: s3
region: eu-central-1
endpoint: https://s3.example
accessKey: {{ env: ACCESS_KEY }}
secretKey: {{ env: SECRET_KEY }}
{}
"""
SHARES = "shares: [ {{ team: press, access: {} }}, {{ team: web, access: ADMIN{} }} ]"


def declare(fleet: Fleet, more: str = "", name: str = "originals") -> None:
    fleet.document("Bucket", name, BODY.format(more))


@pytest.fixture
def stored(fleet: Fleet) -> Fleet:
    """An applied fleet with a bucket that has both keys, of a team among three."""
    fleet.env |= {"CREDENTIALS_ENCRYPTION_KEY": KEY, "ACCESS_KEY": ACCESS, "SECRET_KEY": SECRET}
    fleet.organization("archive")
    for team in ("core", "press", "web"):
        fleet.document("Team", team, f"{{ organization: archive, displayName: {team.title()} }}")
    declare(fleet)
    fleet.apply()
    return fleet


def opener() -> Vault:
    return vault(KEY)


def sealed(fleet: Fleet) -> dict[str, bytes]:
    """What is stored, by column."""
    ((access, secret),) = fleet.rows("SELECT access_key, secret_key FROM buckets")
    return {"access_key": access, "secret_key": secret}


def opened(fleet: Fleet) -> dict[str, str]:
    """What an application that has the key reads, by column."""
    ((row_id,),) = fleet.rows("SELECT id::text FROM buckets")
    return {c: opener().open(CredentialPlace("buckets", row_id, c), s) for c, s in sealed(fleet).items()}


def drift(fleet: Fleet) -> dict[tuple[str, str], str]:
    items = fleet.run("drift", "--json", code=None).json["items"]
    return {(i["address"], i["name"]): i["actual"] for i in items}


def remembered(fleet: Fleet) -> list[tuple[Any, ...]]:
    return fleet.rows("SELECT relation, column_name FROM tenantplan.credentials ORDER BY 1, 2")


def test_keys_are_encrypted_at_rest(stored: Fleet) -> None:
    for column, value in (("access_key", ACCESS), ("secret_key", SECRET)):
        box = sealed(stored)[column]
        assert box[0] == 1
        assert box[1:9].hex() == opener().key_id
        assert len(box) == 1 + 8 + 24 + 16 + len(value)
        assert opened(stored)[column] == value
    nonces = {box[9:33] for box in sealed(stored).values()}
    assert len(nonces) == 2 and bytes(24) not in nonces
    stored.converged()
    assert drift(stored) == {}


def test_neither_a_value_nor_the_key_is_in_any_row(stored: Fleet) -> None:
    found = everything(stored)
    assert sealed(stored)["access_key"].hex() in found
    for value in (ACCESS, SECRET, KEY, KEY.removeprefix("base64:")):
        for shape in (value, base64.b64encode(value.encode()).decode(), value.encode().hex()):
            assert shape.rstrip("=") not in found
    assert base64.b64decode(KEY.removeprefix("base64:")).hex() not in found


def test_two_buckets_with_one_secret_share_no_bytes(stored: Fleet) -> None:
    declare(stored, name="copies")
    stored.apply()
    rows = stored.rows("SELECT substr(access_key, 10), substr(secret_key, 10) FROM buckets")
    assert len({box for row in rows for box in row}) == 4


def test_a_bucket_is_one_of_its_owner_name_and_provider(stored: Fleet) -> None:
    declare(stored, "name: originals", "again")
    message = refused(stored)
    assert "bucket-again.yaml" in message and "bucket-originals.yaml" in message and "1 problem;" in message
    stored.document("Bucket", "again", "owner: core\nprovider: r2\nname: originals")
    stored.document("Bucket", "third", "owner: press\nprovider: s3\nname: originals")
    stored.apply()
    assert counts(stored, "buckets") == [3]
    stored.converged()


def test_fields_follow_the_yaml(stored: Fleet) -> None:
    before = sealed(stored)
    more = "name: blue-originals"
    stored.document("Bucket", "originals", BODY.format(more).replace("region: eu-central-1\n", ""))
    assert stored.operations() == ["update bucket/originals"]
    stored.apply()
    assert stored.rows("SELECT declared_as, name, provider, region, endpoint FROM buckets") == [
        ("originals", "blue-originals", "s3", None, "https://s3.example")
    ]
    assert sealed(stored) == before
    stored.converged()


def test_a_bucket_that_changes_hands_keeps_its_keys(stored: Fleet) -> None:
    stored.document("Bucket", "originals", BODY.format("").replace("owner: core", "owner: press"))
    stored.apply()
    assert stored.rows("SELECT t.slug FROM buckets b JOIN teams t ON t.id = b.owner_id") == [("press",)]
    assert opened(stored) == {"access_key": ACCESS, "secret_key": SECRET}
    stored.converged()


def test_shares_follow_the_yaml(stored: Fleet) -> None:
    shared = "SELECT t.slug, a.access::text FROM bucket_team_access a JOIN teams t ON t.id = a.team_id ORDER BY 1"
    for access in ("READ_ONLY", "READ_WRITE", "ADMIN"):
        declare(stored, SHARES.format(access, ""))
        stored.apply()
        assert stored.rows(shared) == [("press", access), ("web", "ADMIN")]
        stored.converged()
    declare(stored, SHARES.format("ADMIN", ", state: deleted"))
    assert stored.operations() == ["delete bucket/originals/share/web"]
    stored.apply("--allow-deletes", "1")
    assert stored.rows(shared) == [("press", "ADMIN")]
    stored.converged()
    stored.execute("UPDATE bucket_team_access SET access = 'READ_ONLY'")
    assert drift(stored) == {("bucket/originals/share/press", "access"): '"READ_ONLY"'}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("shares: [ { team: press, access: READ } ]", "READ_ONLY"),
        ("shares: [ { team: pres, access: ADMIN } ]", "press"),
        ("shares: [ { team: web, access: ADMIN }, { team: web, access: READ_ONLY } ]", "listed twice"),
        ("accessKey: AKIA7F3A9C2E51B84D06", "accessKey"),
    ],
)
def test_what_a_bucket_cannot_say(stored: Fleet, more: str, said: str) -> None:
    stored.document("Bucket", "originals", f"owner: core\nprovider: s3\n{more}")
    message = refused(stored)
    assert "bucket-originals.yaml" in message and said in message and ACCESS not in message
    assert message.count("1 problem;") == 1


def test_a_bucket_is_not_shared_to_another_organization(stored: Fleet) -> None:
    stored.organization("other")
    stored.document("Team", "web", "{ organization: other, displayName: Web }")
    declare(stored, SHARES.format("ADMIN", ""))
    message = refused(stored)
    assert "Team `web` belongs to organization `other`, this Bucket to `archive`" in message
    assert "bucket-originals.yaml" in message and "team-web.yaml" in message


def test_a_new_value_behind_a_reference_is_an_update(stored: Fleet) -> None:
    before = sealed(stored)
    stored.env["SECRET_KEY"] = "another/+7f3a9c2e51b84d06"
    assert stored.operations() == ["update bucket/originals"]
    stored.apply()
    assert opened(stored) == {"access_key": ACCESS, "secret_key": stored.env["SECRET_KEY"]}
    assert sealed(stored)["access_key"] == before["access_key"]
    stored.converged()
    assert drift(stored) == {}


def test_the_same_value_behind_another_reference_is_no_change(stored: Fleet) -> None:
    stored.env["RENAMED"] = ACCESS
    stored.document("Bucket", "originals", BODY.format("").replace("ACCESS_KEY", "RENAMED"))
    assert stored.operations() == []


def test_a_key_that_is_not_declared_any_more_is_forgotten(stored: Fleet) -> None:
    stored.document("Bucket", "originals", BODY.format("").replace("secretKey: { env: SECRET_KEY }\n", ""))
    assert stored.operations() == ["update bucket/originals"]
    stored.apply()
    assert sealed(stored)["secret_key"] is None
    assert remembered(stored) == [("buckets", "access_key")]
    stored.converged()


BY_HAND = {
    "another text": ("access_key = 'by hand'", ["access_key"]),
    "one byte": ("access_key = set_byte(access_key, 40, get_byte(access_key, 40) # 1)", ["access_key"]),
    "nothing": ("secret_key = NULL", ["secret_key"]),
    "empty": ("secret_key = ''", ["secret_key"]),
    "swapped": ("access_key = secret_key, secret_key = access_key", ["access_key", "secret_key"]),
}


@pytest.mark.parametrize("change", BY_HAND)
def test_a_ciphertext_changed_by_hand_is_drift_and_brought_back(stored: Fleet, change: str) -> None:
    statement, columns = BY_HAND[change]
    stored.execute(f"UPDATE buckets SET {statement}")
    assert drift(stored) == {("bucket/originals", column): "changed by hand" for column in columns}
    assert stored.operations() == ["update bucket/originals"]
    stored.apply()
    assert opened(stored) == {"access_key": ACCESS, "secret_key": SECRET}
    stored.converged()
    assert drift(stored) == {}


@pytest.mark.parametrize("kind", ["Bucket", "Team"])
def test_what_is_remembered_of_credentials_goes_with_their_bucket(stored: Fleet, kind: str) -> None:
    assert remembered(stored) == [("buckets", "access_key"), ("buckets", "secret_key")]
    if kind == "Team":
        stored.remove("Bucket", "originals")
        stored.document("Team", "core", "{ organization: archive, displayName: Core, state: deleted }")
    else:
        declare(stored, "state: deleted")
    stored.apply("--allow-deletes", str(stored.plan()["summary"]["delete"]))
    assert counts(stored, "buckets") == [0]
    assert remembered(stored) == []
    stored.converged()


def test_a_stored_value_that_is_not_at_hand_is_not_compared(stored: Fleet) -> None:
    """Who has no secrets can plan; what is to be stored has to be there, and what is there cannot be empty."""
    before = sealed(stored)
    del stored.env["ACCESS_KEY"]
    assert [(n["address"], n["rule"]) for n in stored.plan()["notes"]] == [("bucket/originals", "secret-unseen")]
    stored.converged()
    assert sealed(stored) == before
    declare(stored, name="second")
    (message,) = {blockers(stored)["bucket/second"]}
    assert "ACCESS_KEY is not set" in message
    stored.apply(code=3)
    stored.env["ACCESS_KEY"] = ""
    found = blockers(stored)
    assert set(found) == {"bucket/originals", "bucket/second"}
    assert all("is empty" in message for message in found.values())
    stored.apply(code=3)
    assert counts(stored, "buckets") == [1]


def test_what_the_service_has_sealed_opens_with_its_key(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    from nacl.secret import SecretBox

    raw = b"0123456789abcdefghijklmnopqrstuv"
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = "base64:" + base64.b64encode(raw).decode()
    sealed = [base64.b64encode(bytes(SecretBox(raw).encrypt(value.encode()))).decode() for value in (ACCESS, SECRET)]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(sealed)))
    assert fleet.run("credentials", "open").out == f"{ACCESS}\n{SECRET}\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{sealed[0]}\n{sealed[1][:-8]}AAAAAAA="))
    failed = fleet.run("credentials", "open", code=1)
    assert "line 2" in failed.err and ACCESS not in failed.out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "nothing to open" in fleet.run("credentials", "open", code=1).err
