"""Releases and the packages that nodes install: stored with their checksum, never changed, never half there."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from acceptance.harness import Fleet
from acceptance.test_projects import blockers, refused

pytestmark = pytest.mark.once

STORES = ("main:", "file:store")
CONTENT = b"PK\x03\x04 a package, not a text: \x00\xff\xfe " + bytes(range(256)) * 20
OTHER = CONTENT.replace(b"package", b"PACKAGE")
KILLED = ("intent-recorded", "package-stored", "journal-closed", "audit-written")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def package(fleet: Fleet, content: bytes = CONTENT, name: str = "node.zip") -> Path:
    path = fleet.root / "releases" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def declare(
    fleet: Fleet, more: str = "", version: str = "1.0", file: str = "releases/node.zip", name: str = "node"
) -> None:
    fleet.document("Release", name, f"version: '{version}'\nfile: {file}\n{more}")


def listed(fleet: Fleet) -> dict[str, bytes]:
    """What the store holds, by key: read without tenantplan."""
    if "file:" not in fleet.spec:
        rows = fleet.rows("SELECT key, lo_get(object) FROM tenantplan.stored_files")
        assert fleet.rows("SELECT count(*) FROM pg_largeobject_metadata") == [(len(rows),)]
        return dict(rows)
    folder = fleet.root / "store"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def facts(fleet: Fleet) -> list[tuple[Any, ...]]:
    """Version, checksum, size, whether it is active and not withdrawn, of each release's row; and the same of its package."""
    rows = fleet.rows(
        "SELECT u.version, checksum, file_size, active, u.deleted_at IS NULL, p.sha256, p.size, p.retired_at IS NULL,"
        " file_reference = p.key FROM updates_metadata u FULL JOIN tenantplan.packages p USING (version) ORDER BY 1"
    )
    return rows


def whole(fleet: Fleet, content: bytes = CONTENT, version: str = "1.0", active: bool = True) -> None:
    """One release: its row, its package's row and its file agree, and an apply has nothing to do."""
    size, digest = len(content), sha256(content)
    assert facts(fleet) == [(version, digest, size, active, True, digest, size, True, True)]
    ((key,),) = fleet.rows("SELECT file_reference FROM updates_metadata")
    assert listed(fleet) == {key: content}
    fleet.converged()
    assert "No drift" in fleet.run("drift").out


@pytest.fixture(params=STORES)
def fleet_of(request: pytest.FixtureRequest, fleet: Fleet) -> Fleet:
    """A fleet that stores packages in its main database or in a folder, and declares one release."""
    fleet.settings(f"packages: {{ location: '{request.param}' }}")
    package(fleet)
    declare(fleet)
    return fleet


@pytest.fixture
def released(fleet_of: Fleet) -> Fleet:
    """The same, applied."""
    fleet_of.apply()
    return fleet_of


def audited(fleet: Fleet, version: str = "1.0") -> list[tuple[str, str]]:
    rows = fleet.rows(
        "SELECT action, result FROM tenantplan.audit_log WHERE address = %s ORDER BY sequence", f"package/{version}"
    )
    return [(action, result) for action, result in rows]


def test_a_release_is_stored_whole(released: Fleet) -> None:
    whole(released)
    assert released.rows("SELECT declared_as, filename, changelog, metadata FROM updates_metadata") == [
        ("node", "node.zip", None, {})
    ]
    assert audited(released) == [("create", "done")]


def test_what_the_store_calls_the_file_is_kept(fleet_of: Fleet) -> None:
    fleet_of.apply()
    stored_as = "(SELECT object::text FROM tenantplan.stored_files)"
    ids = f"SELECT r.file_id, p.file_id, {stored_as} FROM updates_metadata r, tenantplan.packages p"
    ((of_row, of_package, stored),) = fleet_of.rows(ids)
    assert of_row == of_package == stored  # a folder has no name for it but its path: NULL
    assert (stored is not None) == ("main:" in fleet_of.spec)
    if stored is None:
        return
    fleet_of.execute("SELECT lo_unlink(object) FROM tenantplan.stored_files")
    fleet_of.apply()
    ((of_row, of_package, again),) = fleet_of.rows(ids)
    assert of_row == of_package == again != stored
    fleet_of.converged()


def of_the_store(fleet: Fleet, *arguments: str, code: int = 0) -> list[dict[str, str]]:
    """What doctor says of the store."""
    checks = fleet.run("doctor", "--json", *arguments, code=code).json["checks"]
    return [check for check in checks if check["subject"] == "packages"]


def test_doctor_tries_the_store_and_leaves_nothing(fleet_of: Fleet) -> None:
    assert of_the_store(fleet_of) == []  # before the first apply there is no main database to ask for it
    fleet_of.apply()
    kept = listed(fleet_of)
    (tried,) = of_the_store(fleet_of)
    assert tried["status"] == "pass"
    assert "stored, read back and deleted" in tried["detail"]
    (asked,) = of_the_store(fleet_of, "--skip-rehearsal")
    assert asked["detail"].endswith("answers")
    assert listed(fleet_of) == kept
    fleet_of.converged()


def test_a_store_that_does_not_answer_is_told_by_plan_and_doctor(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenantplan.stores.mongodb.PATIENCE", 200)
    fleet.settings("packages: { location: 'mongodb://127.0.0.1:1/updates' }")
    fleet.organization("msf")
    fleet.apply()
    package(fleet)
    declare(fleet)
    (note,) = [note for note in fleet.plan()["notes"] if note["rule"] == "store"]
    assert note["address"] == "package/1.0"
    assert "does not answer from here" in note["message"]
    assert "mongodb://127.0.0.1:1/updates" in note["message"]
    (tried,) = of_the_store(fleet, code=1)
    assert tried["status"] == "fail"
    assert "127.0.0.1:1" in tried["detail"]
    assert "server runs" in tried["advice"]
    fleet.remove("Release", "node")
    assert [note for note in fleet.plan()["notes"] if note["rule"] == "store"] == []


def test_its_facts_follow_the_yaml_and_its_file_stays(released: Fleet) -> None:
    kept = listed(released)
    declare(
        released, "changelog: Faster.\nactive: false\nmetadata: { channel: stable }\n" + f"sha256: {sha256(CONTENT)}"
    )
    assert released.operations() == ["update release/node"]
    released.apply()
    assert released.rows("SELECT changelog, active, metadata FROM updates_metadata") == [
        ("Faster.", False, {"channel": "stable"})
    ]
    whole(released, active=False)
    assert listed(released) == kept
    assert audited(released) == [("create", "done")]


def test_a_sha256_that_the_file_has_not_is_a_blocker(fleet_of: Fleet) -> None:
    declare(fleet_of, f"sha256: {sha256(OTHER)}")
    (message,) = blockers(fleet_of).values()
    assert sha256(CONTENT) in message and sha256(OTHER) in message
    fleet_of.apply(code=3)
    assert fleet_of.databases() == []


def test_a_version_never_gets_another_file(released: Fleet) -> None:
    package(released, OTHER)
    for more in ("", f"sha256: {sha256(OTHER)}"):
        declare(released, more)
        found = released.plan()
        assert [(b["address"], b["rule"]) for b in found["blockers"]] == [("package/1.0", "changed-package")]
        assert (
            sha256(OTHER)[:12] in found["blockers"][0]["message"]
            and sha256(CONTENT)[:12] in found["blockers"][0]["message"]
        )
        released.apply(code=3)
    package(released)
    declare(released)
    whole(released)


@pytest.mark.parametrize("first", [True, False])
def test_a_file_that_changes_between_plan_and_apply_is_not_stored(fleet_of: Fleet, first: bool) -> None:
    if not first:
        fleet_of.apply("--exclude", "release/node", "--exclude", "package/1.0")
    fleet_of.run("plan", "--out", "plan.json")
    before = fleet_of.databases()
    package(fleet_of, OTHER)
    assert "releases/node.zip" in fleet_of.run("apply", "plan.json", "--auto-approve", code=4).err
    assert fleet_of.databases() == before
    assert first or (facts(fleet_of) == [] and listed(fleet_of) == {})
    package(fleet_of)
    fleet_of.apply()
    whole(fleet_of)


def test_a_stored_file_is_not_needed_any_more(released: Fleet) -> None:
    (released.root / "releases" / "node.zip").unlink()
    whole(released)
    declare(released, "changelog: Faster.")
    released.apply()
    whole(released)


def test_a_file_that_is_not_there_is_a_blocker(fleet_of: Fleet) -> None:
    (fleet_of.root / "releases" / "node.zip").unlink()
    found = blockers(fleet_of)
    assert set(found) == {"package/1.0"} and "releases/node.zip" in found["package/1.0"]
    fleet_of.apply(code=3)


@pytest.mark.parametrize("path", ["/etc/hostname", "../outside.zip", "releases/../../outside.zip", "..", "''"])
def test_a_path_that_leaves_the_fleets_folder_is_refused(fleet: Fleet, path: str) -> None:
    (fleet.root.parent / "outside.zip").write_bytes(CONTENT)
    declare(fleet, file=path)
    message = refused(fleet)
    assert "release-node.yaml:" in message and "1 problem;" in message


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_symbolic_link_that_leaves_the_fleets_folder_is_refused(fleet: Fleet, what: str) -> None:
    outside = fleet.root.parent / "elsewhere"
    outside.mkdir()
    (outside / "node.zip").write_bytes(CONTENT)
    if what == "file":
        package(fleet).unlink()
        (fleet.root / "releases" / "node.zip").symlink_to(outside / "node.zip")
    else:
        (fleet.root / "releases").symlink_to(outside)
    declare(fleet)
    (message,) = blockers(fleet).values()
    assert "outside the fleet's folder" in message
    fleet.apply(code=3)


def test_a_symbolic_link_that_stays_inside_is_followed(fleet: Fleet) -> None:
    package(fleet, name="built.zip")
    (fleet.root / "releases" / "node.zip").symlink_to("built.zip")
    declare(fleet)
    fleet.apply()
    assert list(listed(fleet).values()) == [CONTENT]


@pytest.mark.parametrize("name", ["a folder", "", "ünïcode name.zip", "-rf.zip", "a'b\".zip", "CON%2e.zip"])
def test_a_file_of_any_name_is_stored_or_refused(fleet: Fleet, name: str) -> None:
    """Whatever it is called, it is a package of its version or a clear blocker; a folder is none."""
    fleet.settings("packages: { location: 'file:store' }")
    if name in ("a folder", ""):
        (fleet.root / "releases").mkdir()
        declare(fleet, file='"releases"')
        assert "releases" in blockers(fleet)["package/1.0"]
        return
    package(fleet, name=name)
    declare(fleet, file='"releases/' + name.replace('"', '\\"') + '"')
    result = fleet.apply(code=None)
    if result.code == 0:
        assert list(listed(fleet).values()) == [CONTENT]
        fleet.converged()
    else:
        assert "package/1.0" in result.out + result.err and listed(fleet) == {}


def withdraw(fleet: Fleet) -> None:
    declare(fleet, "state: deleted")
    fleet.document("Tier", "any", "displayName: Any")
    fleet.apply("--allow-deletes", str(fleet.plan()["summary"]["delete"]))


def test_a_withdrawn_release_keeps_its_file_until_the_purge(released: Fleet) -> None:
    kept = listed(released)
    withdraw(released)
    size, digest = len(CONTENT), sha256(CONTENT)
    assert facts(released) == [("1.0", digest, size, False, False, digest, size, False, True)]
    assert listed(released) == kept
    released.converged()
    assert "No drift" in released.run("drift").out
    released.remove("Release", "node")
    released.converged()
    released.settings("guard: { graceDays: 0 }\n" + released.spec)
    released.apply(code=3)
    assert listed(released) == kept
    released.apply("--allow-deletes", str(released.plan()["summary"]["delete"]))
    assert facts(released) == [] and listed(released) == {}
    released.converged()
    package(released, OTHER)  # the version is free
    declare(released)
    released.apply()
    whole(released, OTHER)


@pytest.mark.parametrize("file", [True, False])
def test_a_withdrawn_release_comes_back(released: Fleet, file: bool) -> None:
    withdraw(released)
    if not file:
        (released.root / "releases" / "node.zip").unlink()
    declare(released)
    released.apply()
    whole(released)


def test_a_withdrawn_version_does_not_come_back_with_another_file(released: Fleet) -> None:
    withdraw(released)
    package(released, OTHER)
    declare(released)
    assert [b["rule"] for b in released.plan()["blockers"]] == ["changed-package"]
    released.apply(code=3)
    assert list(listed(released).values()) == [CONTENT]


def test_a_new_version_is_a_package_of_its_own(released: Fleet) -> None:
    package(released, OTHER, "next.zip")
    declare(released, version="2.0", file="releases/next.zip", name="next")
    released.apply()
    assert sorted(listed(released).values()) == sorted([CONTENT, OTHER])
    assert [row[0] for row in facts(released)] == ["1.0", "2.0"]
    released.converged()


def test_one_file_under_two_versions(released: Fleet) -> None:
    declare(released, version="1.0-final", name="final")
    released.apply()
    assert list(listed(released).values()) == [CONTENT, CONTENT]
    declare(released, "state: deleted")
    released.apply("--allow-deletes", str(released.plan()["summary"]["delete"]))
    released.settings("guard: { graceDays: 0 }\n" + released.spec)
    released.apply("--allow-deletes", str(released.plan()["summary"]["delete"]))
    assert list(listed(released).values()) == [CONTENT]
    released.converged()


def test_a_release_never_gets_another_version(released: Fleet) -> None:
    package(released, OTHER, "next.zip")
    declare(released, version="2.0", file="releases/next.zip")
    found = [b for b in released.plan()["blockers"] if b["address"] == "release/node"]
    assert [b["rule"] for b in found] == ["fixed"]
    released.apply(code=3)
    declare(released)
    whole(released)


@pytest.mark.parametrize("path", [".secrets/key", "releases/.hidden.zip", ".env", "tenantplan.zip/../.env"])
def test_a_hidden_file_is_refused(fleet: Fleet, path: str) -> None:
    fleet.write(path.rpartition("../")[2], "SECRET=7f3a9c2e51b84d06")
    declare(fleet, file=path)
    message = refused(fleet)
    assert "release-node.yaml:" in message and "7f3a9c2e51b84d06" not in message


def test_a_file_that_is_a_secret_of_the_fleet_is_refused(fleet: Fleet) -> None:
    """Who may write a release could otherwise publish what a reference names."""
    fleet.write("keys/ada", "correct-horse-9-battery")
    secret = "displayName: A\nrole: SUPPORT\npassword: { file: keys/ada }"
    fleet.document("AdminUser", "ada@x.example", secret)
    declare(fleet, file="keys/ada")
    result = fleet.run("plan", "--json", code=None)
    said = str(result.json.get("errors") or result.json["blockers"])
    assert "keys/ada" in said and "secret" in said
    assert fleet.apply(code=None).code in (1, 3)
    assert fleet.databases() == []


def test_a_renamed_release_keeps_its_package(released: Fleet) -> None:
    before, kept = released.rows("SELECT id FROM updates_metadata"), listed(released)
    released.remove("Release", "node")
    released.document("Release", "appliance", "version: '1.0'\nfile: releases/node.zip", renamedFrom="node")
    released.apply()
    assert released.rows("SELECT id FROM updates_metadata") == before and listed(released) == kept
    whole(released)


def test_another_store_gets_the_file(released: Fleet) -> None:
    """The file at hand is brought to the new store; without it the package stays where it is."""
    released.settings("packages: { location: 'file:elsewhere' }")
    assert released.operations() == ["update package/1.0"]
    (released.root / "releases" / "node.zip").unlink()
    assert released.operations() == []
    package(released)
    released.apply()
    ((key, store),) = released.rows("SELECT key, store FROM tenantplan.packages")
    assert store == "file:elsewhere" and (released.root / "elsewhere" / key).read_bytes() == CONTENT
    released.converged()


@pytest.mark.parametrize(
    "location", ["ftp:nowhere", "store", "main:x", "file:", "s3://u:pw7f3a@bucket/x", "http://h/x", "''"]
)
def test_a_place_that_is_no_store_is_a_clear_error(fleet: Fleet, location: str) -> None:
    fleet.settings(f"packages: {{ location: {location if location[0] == chr(39) else repr(location)} }}")
    package(fleet)
    declare(fleet)
    message = refused(fleet)
    assert "packages.location" in message and "pw7f3a" not in message


def lose(fleet: Fleet) -> None:
    """The stored file is gone, by hand."""
    if "file:" in fleet.spec:
        for path in (fleet.root / "store").rglob("*.zip"):
            path.unlink()
    else:
        fleet.execute("SELECT lo_unlink(object) FROM tenantplan.stored_files")


def test_a_lost_file_is_drift_and_stored_again(released: Fleet) -> None:
    lose(released)
    items = released.run("drift", "--json", code=2).json["items"]
    assert [i["address"] for i in items] == ["package/1.0"]
    assert released.operations() == ["create package/1.0"]
    released.apply()
    whole(released)


def test_a_lost_file_that_is_not_at_hand_is_a_blocker(released: Fleet) -> None:
    lose(released)
    (released.root / "releases" / "node.zip").unlink()
    assert set(blockers(released)) == {"package/1.0"}
    released.apply(code=3)


def test_a_file_of_another_size_in_the_store_is_drift_and_replaced(fleet: Fleet) -> None:
    fleet.settings("packages: { location: 'file:store' }")
    package(fleet)
    declare(fleet)
    fleet.apply()
    (path,) = (fleet.root / "store").rglob("*.zip")
    path.write_bytes(CONTENT[:-1])
    assert [i["address"] for i in fleet.run("drift", "--json", code=2).json["items"]] == ["package/1.0"]
    fleet.apply()
    whole(fleet)


def test_a_forgotten_package_is_drift_and_stored_again(released: Fleet) -> None:
    """Its row is gone by hand; the file is still there, and is not sent again."""
    released.execute("DELETE FROM tenantplan.packages")
    assert [i["address"] for i in released.run("drift", "--json", code=2).json["items"]] == ["package/1.0"]
    released.apply()
    whole(released)


def test_what_is_known_of_a_package_changed_by_hand_is_drift(released: Fleet) -> None:
    released.execute("UPDATE tenantplan.packages SET sha256 = repeat('a', 64)")
    assert [i["address"] for i in released.run("drift", "--json", code=2).json["items"]] == ["package/1.0"]
    released.apply(code=3)  # its file is not the one that is known: nobody overwrites it
    released.execute("UPDATE tenantplan.packages SET sha256 = %s", sha256(CONTENT))
    whole(released)


@pytest.mark.parametrize("point", KILLED)
def test_killed_on_the_way_the_next_apply_stores_one_package(fleet_of: Fleet, point: str) -> None:
    fleet_of.document("Tier", "any", "displayName: Any")
    fleet_of.apply("--exclude", "release/node", "--exclude", "package/1.0")
    assert facts(fleet_of) == []
    died = fleet_of.process("apply", "--auto-approve", "--target", "package/1.0", env={"TENANTPLAN_FAILPOINT": point})
    assert died.code == -9, died.out + died.err
    assert fleet_of.rows("SELECT count(*) FROM tenantplan.packages") == [(0,)]
    assert len(listed(fleet_of)) == (0 if point == "intent-recorded" else 1)
    fleet_of.apply()
    whole(fleet_of)
    assert audited(fleet_of) == [("create", "done")]


def test_killed_after_the_commit_nothing_is_done_twice(fleet_of: Fleet) -> None:
    fleet_of.apply("--exclude", "release/node", "--exclude", "package/1.0")
    died = fleet_of.process(
        "apply", "--auto-approve", "--target", "package/1.0", env={"TENANTPLAN_FAILPOINT": "committed"}
    )
    assert died.code == -9, died.out + died.err
    fleet_of.apply()
    whole(fleet_of)
    assert audited(fleet_of) == [("create", "done")]


@pytest.mark.parametrize("point", ["package-stored", "audit-written"])
def test_killed_while_it_comes_back(released: Fleet, point: str) -> None:
    withdraw(released)
    declare(released)
    died = released.process("apply", "--auto-approve", "--target", "package/1.0", env={"TENANTPLAN_FAILPOINT": point})
    assert died.code == -9, died.out + died.err
    assert released.rows("SELECT retired_at IS NULL FROM tenantplan.packages") == [(False,)]
    released.apply()
    whole(released)
    assert audited(released) == [("create", "done"), ("retire", "done"), ("update", "done")]


@pytest.mark.parametrize("point", ["intent-recorded", "package-deleted", "audit-written"])
def test_killed_while_it_is_purged(released: Fleet, point: str) -> None:
    withdraw(released)
    released.settings("guard: { graceDays: 0 }\n" + released.spec)
    deletes = str(released.plan()["summary"]["delete"])
    died = released.process("apply", "--auto-approve", "--allow-deletes", deletes, env={"TENANTPLAN_FAILPOINT": point})
    assert died.code == -9, died.out + died.err
    released.apply("--allow-deletes", str(released.plan()["summary"]["delete"]))
    assert facts(released) == [] and listed(released) == {}
    released.converged()
    assert audited(released) == [("create", "done"), ("retire", "done"), ("delete", "done")]
