"""Encryption at rest: moved and restored ciphertexts are refused, keys are changed, nothing comes out."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from acceptance.harness import Fleet

from tenantplan.secrets.box import CredentialPlace, new_key, vault

pytestmark = pytest.mark.once

OLD, NEW = new_key(), new_key()
ORGANIZATIONS = ("acme", "msf")


def declare(fleet: Fleet, more: str = "") -> None:
    """Two organizations, each with a database it brought, a secret, and a team with a bucket."""
    for name in ORGANIZATIONS:
        variable = name.upper()
        secret = f"secrets: {{ jwt: {{ value: {{ env: {variable}_JWT }} }} }}"
        fleet.organization(name, f"database: {{ url: {{ env: {variable}_URL }} }}\n{secret}\n{more}")
        fleet.document("Team", f"{name}-core", f"{{ organization: {name}, displayName: Core }}")
        fleet.document("Bucket", name, f"{{ owner: {name}-core, provider: s3, secretKey: {{ env: {variable}_KEY }} }}")


@pytest.fixture
def brought(fleet: Fleet) -> Iterator[Fleet]:
    """A fleet with two databases that organizations can bring, and secrets in its environment."""
    made = {name: f"brought_{fleet.id}_{name}" for name in ORGANIZATIONS}
    for name, database in made.items():
        fleet.execute(f"CREATE DATABASE {database} OWNER tp_admin", database="postgres")
        fleet.env[f"{name.upper()}_URL"] = fleet.server.url(dbname=database)
        fleet.env |= {f"{name.upper()}_{what}": f"{name}-{what}-7f3a9c2e51b84d06b2e8d1c7" for what in ("JWT", "KEY")}
    yield fleet
    for database in made.values():
        fleet.execute(f"DROP DATABASE {database} WITH (FORCE)", database="postgres")


@pytest.fixture
def sealed(brought: Fleet) -> Fleet:
    """The same with everything declared and applied, under the first key."""
    brought.env["CREDENTIALS_ENCRYPTION_KEY"] = OLD
    declare(brought)
    brought.apply()
    return brought


# Where each kind of credential is: table, column, and the columns that name its row for a person.
PLACES = {
    "connection string": ("organizations", "database_connection", "slug"),
    "organization secret": (
        "organization_secrets",
        "value",
        "(SELECT slug FROM organizations WHERE id = organization_id)",
    ),
    "bucket key": ("buckets", "secret_key", "declared_as"),
}
VARIABLE = {"connection string": "URL", "organization secret": "JWT", "bucket key": "KEY"}
ADDRESS = {
    "connection string": "organization/{}",
    "organization secret": "organization/{}/secret/jwt",
    "bucket key": "bucket/{}",
}


def boxes(fleet: Fleet, what: str) -> dict[str, tuple[str, bytes]]:
    """Organization -> id of the row and what is stored."""
    table, column, name = PLACES[what]
    return {
        n: (i, box)
        for n, i, box in fleet.rows(f"SELECT {name}, id::text, {column} FROM {table} WHERE {column} IS NOT NULL")
    }


def values(fleet: Fleet, key: str = OLD) -> dict[tuple[str, str], str]:
    """Everything that is encrypted, opened with a key: by kind of credential and organization."""
    found = {}
    for what, (table, column, _) in PLACES.items():
        for name, (row_id, box) in boxes(fleet, what).items():
            found[what, name] = vault(key).open(CredentialPlace(table, row_id, column), box)
    return found


def expected(fleet: Fleet) -> dict[tuple[str, str], str]:
    return {(what, name): fleet.env[f"{name.upper()}_{v}"] for what, v in VARIABLE.items() for name in ORGANIZATIONS}


def key_ids(fleet: Fleet) -> dict[str, int]:
    found: dict[str, int] = fleet.run("credentials", "status", "--json", code=None).json["keys"]
    return found


def drifted(fleet: Fleet) -> set[str]:
    items = fleet.run("drift", "--json", code=None).json["items"]
    assert all(i["actual"] == "changed by hand" for i in items)
    return {i["address"] for i in items}


def former(fleet: Fleet, *variables: str) -> None:
    """The fleet file names former keys by these variables; the current key is the new one."""
    listed = ", ".join(f"{{ env: {v} }}" for v in variables)
    fleet.settings(f"credentials: {{ formerKeys: [ {listed} ] }}")
    fleet.env |= {"CREDENTIALS_ENCRYPTION_KEY": NEW, **dict.fromkeys(variables, OLD)}


def test_brought_connection_strings_are_encrypted(sealed: Fleet) -> None:
    assert values(sealed) == expected(sealed)
    assert sealed.rows("SELECT slug, database_url FROM organizations ORDER BY 1") == [
        ("acme", "env:ACME_URL"),
        ("msf", "env:MSF_URL"),
    ]
    assert key_ids(sealed) == {vault(OLD).key_id: 6}
    sealed.converged()
    assert drifted(sealed) == set()


def test_without_a_key_connection_strings_stay_out_of_the_database(brought: Fleet) -> None:
    for name in ORGANIZATIONS:
        brought.organization(name, f"database: {{ url: {{ env: {name.upper()}_URL }} }}")
    brought.apply()
    assert brought.rows("SELECT database_connection FROM organizations") == [(None,), (None,)]
    assert brought.run("credentials", "status").out.startswith("Nothing is encrypted.")
    brought.converged()
    brought.env["CREDENTIALS_ENCRYPTION_KEY"] = OLD  # there is one now: the plan says what that means
    assert brought.operations() == ["update organization/acme", "update organization/msf"]
    brought.apply()
    assert set(values(brought)) == {("connection string", name) for name in ORGANIZATIONS}
    brought.converged()
    del brought.env["CREDENTIALS_ENCRYPTION_KEY"]  # a machine without it can still plan
    brought.converged()
    assert len(boxes(brought, "connection string")) == 2


def test_a_connection_string_follows_its_reference(sealed: Fleet) -> None:
    sealed.env["ACME_URL"] += "?connect_timeout=7"
    assert sealed.operations() == ["update organization/acme"]
    sealed.apply()
    assert values(sealed) == expected(sealed)
    sealed.converged()


def test_a_connection_string_goes_with_the_database_it_is_for(sealed: Fleet) -> None:
    sealed.organization("acme", "secrets: { jwt: { value: { env: ACME_JWT } } }")
    assert sealed.operations() == ["move organization/acme"]
    sealed.apply()
    assert set(boxes(sealed, "connection string")) == {"msf"}
    assert key_ids(sealed) == {vault(OLD).key_id: 5}
    sealed.converged()
    assert drifted(sealed) == set()


def swap(fleet: Fleet, what: str) -> None:
    table, column, name = PLACES[what]
    rows = {n: box for n, (_, box) in boxes(fleet, what).items()}
    for mine, theirs in (("acme", "msf"), ("msf", "acme")):
        fleet.execute(f"UPDATE {table} SET {column} = %s WHERE {name} = %s", rows[theirs], mine)


def refused(fleet: Fleet, what: str, *names: str, said: str) -> None:
    """Rekeying refuses the credentials of `names` and audits that; drift and plan find them; an apply puts them right."""
    before = len(fleet.run("audit", "list", "--action", "rekey", "--json").json)
    found = fleet.run("credentials", "rekey", "--json", code=5).json
    column = PLACES[what][1]
    addresses = [ADDRESS[what].format(name) for name in names]
    assert set(found["refused"]) == {f"{address} {column}" for address in addresses}
    assert all(said in reason for reason in found["refused"].values())
    audited = fleet.run("audit", "list", "--action", "rekey", "--json", "--limit", "100").json
    new = audited[: len(audited) - before]
    assert sorted(e["address"] for e in new if e["result"] == "refused") == sorted(addresses)
    assert all(said in e["detail"] for e in new if e["result"] == "refused")
    assert drifted(fleet) == set(addresses)
    assert fleet.operations() == [f"update {address}" for address in sorted(addresses)]
    fleet.apply()
    assert fleet.run("credentials", "rekey", "--json").json["refused"] == {}
    fleet.converged()
    assert drifted(fleet) == set()


@pytest.mark.parametrize("what", PLACES)
def test_swapped_ciphertexts_are_refused(sealed: Fleet, what: str) -> None:
    swap(sealed, what)
    refused(sealed, what, *ORGANIZATIONS, said="changed, moved or put back by hand")
    assert values(sealed) == expected(sealed)


@pytest.mark.parametrize("what", PLACES)
def test_swapped_with_all_that_is_remembered_of_them(sealed: Fleet, what: str) -> None:
    """Whoever can write every table is stopped by the encryption itself: a box opens in its own place only."""
    table, column, _ = PLACES[what]
    ids = {name: row_id for name, (row_id, _) in boxes(sealed, what).items()}
    swap(sealed, what)
    spare = "00000000-0000-0000-0000-000000000000"
    for old, new in ((ids["acme"], spare), (ids["msf"], ids["acme"]), (spare, ids["msf"])):
        where = "relation = %s AND column_name = %s AND row_id = %s"
        sealed.execute(f"UPDATE tenantplan.credentials SET row_id = %s WHERE {where}", new, table, column, old)
    found = sealed.run("credentials", "rekey", "--json", code=5).json["refused"]
    assert set(found) == {f"{ADDRESS[what].format(name)} {column}" for name in ORGANIZATIONS}
    assert all("it cannot be decrypted" in reason for reason in found.values())
    assert set(sealed.operations()) == {f"update {ADDRESS[what].format(name)}" for name in ORGANIZATIONS}
    sealed.apply()
    assert values(sealed) == expected(sealed)
    sealed.run("credentials", "rekey")
    sealed.converged()


@pytest.mark.parametrize("what", PLACES)
def test_an_old_ciphertext_restored_is_refused(sealed: Fleet, what: str) -> None:
    table, column, name = PLACES[what]
    old = boxes(sealed, what)["acme"][1]
    sealed.env[f"ACME_{VARIABLE[what]}"] += "?connect_timeout=7" if what == "connection string" else " and newer"
    sealed.apply()
    sealed.execute(f"UPDATE {table} SET {column} = %s WHERE {name} = 'acme'", old)
    refused(sealed, what, "acme", said="changed, moved or put back by hand")
    assert values(sealed) == expected(sealed)


def test_a_whole_row_copied_back_is_refused(sealed: Fleet) -> None:
    sealed.execute("CREATE TABLE kept AS SELECT * FROM buckets WHERE declared_as = 'acme'")
    sealed.env["ACME_KEY"] += " and newer"
    sealed.apply()
    sealed.execute("DELETE FROM buckets WHERE declared_as = 'acme'")
    sealed.execute("INSERT INTO buckets SELECT * FROM kept; DROP TABLE kept")
    refused(sealed, "bucket key", "acme", said="changed, moved or put back by hand")
    assert values(sealed) == expected(sealed)


def test_an_old_row_with_all_that_was_remembered_of_it_is_drift_and_replaced(sealed: Fleet) -> None:
    """What rekeying cannot know, since everything it compares is old, the journal and the reference do."""
    sealed.execute("CREATE TABLE kept AS SELECT * FROM buckets WHERE declared_as = 'acme'")
    sealed.execute("CREATE TABLE known AS SELECT * FROM tenantplan.credentials WHERE relation = 'buckets'")
    sealed.env["ACME_KEY"] += " and newer"
    sealed.apply()
    sealed.execute("DELETE FROM buckets WHERE declared_as = 'acme'")
    sealed.execute("DELETE FROM tenantplan.credentials WHERE relation = 'buckets'")
    sealed.execute("INSERT INTO buckets SELECT * FROM kept; INSERT INTO tenantplan.credentials SELECT * FROM known")
    sealed.execute("DROP TABLE kept; DROP TABLE known")
    assert drifted(sealed) == {"bucket/acme"}
    assert sealed.operations() == ["update bucket/acme"]
    sealed.apply()
    assert values(sealed) == expected(sealed)
    sealed.converged()


def test_a_new_key(sealed: Fleet) -> None:
    before = values(sealed)
    former(sealed, "FORMER_KEY")
    sealed.converged()  # a new key alone is no change of any value
    found = sealed.run("credentials", "rekey", "--json").json
    assert found == {"rekeyed": 6, "refused": {}, "keys": {vault(NEW).key_id: 6}}
    assert values(sealed, NEW) == before == expected(sealed)
    done = sealed.run("audit", "list", "--action", "rekey", "--json").json
    assert len(done) == 6
    assert (
        len(sealed.run("audit", "list", "--action", "rekey", "--organization", "msf", "--json").json) == 3
    )  # its bucket's too
    assert all(e["result"] == "done" and f"{vault(OLD).key_id} -> {vault(NEW).key_id}" in e["detail"] for e in done)
    sealed.converged()
    assert drifted(sealed) == set()
    sealed.settings("guard: { maxDeletes: 0 }")  # the old key is not needed any more
    assert sealed.run("credentials", "rekey", "--json").json == {**found, "rekeyed": 0}
    assert key_ids(sealed) == found["keys"]


def test_what_is_applied_after_a_key_change_is_under_the_new_key(sealed: Fleet) -> None:
    former(sealed, "FORMER_KEY")
    sealed.env["ACME_JWT"] += " and newer"
    sealed.apply()
    assert key_ids(sealed) == {vault(OLD).key_id: 5, vault(NEW).key_id: 1}
    assert sealed.run("credentials", "rekey", "--json").json["rekeyed"] == 5
    assert values(sealed, NEW) == expected(sealed)


def test_without_the_old_key_rekeying_says_which_one_is_missing(sealed: Fleet) -> None:
    before = [boxes(sealed, what) for what in PLACES]
    assert sealed.run("credentials", "status", "--json").json["unknown"] == []
    sealed.env["CREDENTIALS_ENCRYPTION_KEY"] = NEW
    assert sealed.run("credentials", "status", "--json", code=1).json["unknown"] == [vault(OLD).key_id]
    result = sealed.run("credentials", "rekey", code=5)
    assert result.err.count(f"it was encrypted under key {vault(OLD).key_id}, which is not available here") == 6
    assert [boxes(sealed, what) for what in PLACES] == before
    assert key_ids(sealed) == {vault(OLD).key_id: 6}
    results = {e["result"] for e in sealed.run("audit", "list", "--action", "rekey", "--json").json}
    assert results == {"refused"}
    former(sealed, "FORMER_KEY")
    sealed.run("credentials", "rekey")
    assert values(sealed, NEW) == expected(sealed)


def until(fleet: Fleet, statement: str) -> None:
    """Waits until a query on the main database returns rows."""
    deadline = time.monotonic() + 30
    while not fleet.rows(statement):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_interrupted_rekeying_goes_on(sealed: Fleet) -> None:
    """Killed between two values: each is under one key or the other, and all open."""
    former(sealed, "FORMER_KEY")
    with closing(sealed.connect()) as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT FROM organizations WHERE slug = 'msf' FOR UPDATE")
        running = sealed.start("credentials", "rekey")
        until(sealed, "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        running.kill()
        running.communicate()
    found = key_ids(sealed)
    assert 0 < found[vault(OLD).key_id] < 6 and sum(found.values()) == 6
    deadline = time.monotonic() + 30
    while (
        again := sealed.run("credentials", "rekey", "--json", code=None)
    ).code == 6:  # until the server misses its client
        assert time.monotonic() < deadline
    assert again.code == 0
    assert again.json == {"rekeyed": found[vault(OLD).key_id], "refused": {}, "keys": {vault(NEW).key_id: 6}}
    assert values(sealed, NEW) == expected(sealed)
    assert len(sealed.run("audit", "list", "--action", "rekey", "--json").json) == 6
    sealed.converged()
    assert drifted(sealed) == set()


def test_rekeying_waits_for_no_apply(sealed: Fleet) -> None:
    sealed.organization("acme", "database: { url: { env: ACME_URL } }\ncontact: { phone: '1' }")
    stopped = sealed.start("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "run-opened:1:stop"})
    until(sealed, "SELECT FROM tenantplan.runs WHERE status = 'running'")
    assert "another apply is running" in sealed.run("credentials", "rekey", code=6).err
    stopped.kill()
    stopped.communicate()


def test_rekeying_leaves_the_rows_of_other_fleets_alone(sealed: Fleet) -> None:
    before = boxes(sealed, "bucket key")["msf"]
    sealed.execute("UPDATE buckets SET managed_by = 'their-fleet' WHERE declared_as = 'msf'")
    former(sealed, "FORMER_KEY")
    assert sealed.run("credentials", "rekey", "--json").json["rekeyed"] == 5
    assert boxes(sealed, "bucket key")["msf"] == before
    assert key_ids(sealed) == {vault(OLD).key_id: 1, vault(NEW).key_id: 5}


def test_before_the_first_apply_there_is_nothing_to_rekey(fleet: Fleet) -> None:
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = OLD
    for command in ("rekey", "status"):
        assert "nothing has been applied yet" in fleet.run("credentials", command, code=1).err
    assert fleet.databases() == []


def test_a_missing_key_is_one_clear_blocker(sealed: Fleet) -> None:
    del sealed.env["CREDENTIALS_ENCRYPTION_KEY"]
    for name in ORGANIZATIONS:
        sealed.organization(name, f"database: {{ url: {{ env: {name.upper()}_URL }} }}")
    sealed.remove("Bucket", "msf")
    body = "{ owner: acme-core, provider: s3, accessKey: { env: ACME_JWT }, secretKey: { env: ACME_KEY } }"
    sealed.document("Bucket", "acme", body)
    found = [b for b in sealed.plan()["blockers"] if b["address"] != "fleet"]
    assert [b["address"] for b in found] == ["bucket/acme"]
    assert "tenantplan credentials key" in found[0]["message"] and "CREDENTIALS_ENCRYPTION_KEY" in found[0]["message"]
    sealed.apply(code=3)
    rekeyed = sealed.run("credentials", "rekey", code=1)
    assert "tenantplan credentials key" in rekeyed.err


def test_without_the_key_only_a_new_value_is_in_the_way(sealed: Fleet) -> None:
    """Whoever reviews a plan need not hold the key, nor the values: what is stored is as good as unchanged then."""
    del sealed.env["CREDENTIALS_ENCRYPTION_KEY"]
    assert [b for b in sealed.plan()["blockers"] if b["rule"] == "secret"] == []
    values_of = dict(sealed.env)
    sealed.env["ACME_KEY"] += " and newer"
    blocked = {b["message"].partition(":")[0] for b in sealed.plan()["blockers"] if b["rule"] == "secret"}
    assert blocked == {"is to be stored encrypted, and there is no key"}
    sealed.env.clear()
    sealed.env.update({name: value for name, value in values_of.items() if name != "ACME_KEY"})
    plan = sealed.plan()
    assert plan["operations"] == [] and [b for b in plan["blockers"] if b["rule"] == "secret"] == []
    assert any(n["rule"] == "secret-unseen" and "ACME_KEY is not set" in n["message"] for n in plan["notes"])


def _key(data: bytes) -> str:
    return "base64:" + base64.b64encode(data).decode()


UNFIT = {
    "no prefix": (OLD.removeprefix("base64:"), "base64:"),
    "short": (_key(bytes(range(31))), "31 bytes"),
    "long": (_key(bytes(range(33))), "33 bytes"),
    "not base64": ("base64:!!" + OLD[10:], "not base64"),
    "cut": (OLD[:-2], "base64"),
    "zeros": (_key(bytes(32)), "not random"),
    "a pattern": (_key(b"ab" * 16), "not random"),
    "only the prefix": ("base64:", "0 bytes"),
}


@pytest.mark.parametrize("which", ["key", "former"])
@pytest.mark.parametrize("unfit", UNFIT)
def test_an_unfit_key_is_a_clear_error(fleet: Fleet, unfit: str, which: str) -> None:
    fleet.organization("acme")
    fleet.apply()
    value, said = UNFIT[unfit]
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = value
    if which == "former":
        former(fleet, "FORMER_KEY")
        fleet.env["FORMER_KEY"] = value
    for command in ("plan", "apply --auto-approve", "credentials rekey"):
        failed = fleet.run(*command.split(), code=1)
        assert "key" in failed.err and said in failed.err and "tenantplan credentials key" in failed.err
        assert len(value) < 10 or value[8:] not in failed.err + failed.out


def test_a_key_that_is_made_can_be_used(fleet: Fleet) -> None:
    made = {fleet.run("credentials", "key").out.strip() for _ in range(3)}
    assert len(made) == 3
    for key in made:
        assert key.startswith("base64:") and len(base64.b64decode(key[7:])) == 32


def test_an_application_reads_what_was_stored(sealed: Fleet) -> None:
    """By the documented layout alone: version, key id, nonce, box; the box's key is derived from master key and place."""
    import hashlib

    from nacl.secret import SecretBox

    ((row_id, stored),) = sealed.rows("SELECT id::text, secret_key FROM buckets WHERE declared_as = 'acme'")
    master = base64.b64decode(OLD.removeprefix("base64:"))
    place = f'["buckets","{row_id}","secret_key"]'.encode()
    key = hashlib.blake2b(place, digest_size=32, key=master, person=b"tenantplan-box").digest()
    assert SecretBox(key).decrypt(stored[9:]).decode() == sealed.env["ACME_KEY"]
