"""`audit list|show|verify`: who changed what, and that nobody has changed what the log says."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from acceptance.harness import Fleet
from psycopg import sql

from tenantplan.journal.read import Conditions, find_entries

pytestmark = pytest.mark.once


@pytest.fixture
def applied(fleet: Fleet) -> Fleet:
    """A fleet with two applies behind it."""
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.organization("acme")
    fleet.apply()
    fleet.organization("acme", "featureFlags: { MAGIC_WAND: true }")
    fleet.apply()
    return fleet


def _tamper(fleet: Fleet, statement: str) -> None:
    """What a superuser can do: switch the triggers off and write."""
    for word in ("DISABLE", "ENABLE ALWAYS"):
        if word == "ENABLE ALWAYS":
            fleet.execute(statement)
        for trigger in ("audit_log_rows_are_final", "audit_log_is_never_emptied"):
            fleet.execute(f"ALTER TABLE tenantplan.audit_log {word} TRIGGER {trigger}")


def test_before_the_first_apply_there_is_nothing_to_read(fleet: Fleet) -> None:
    fleet.organization("acme")
    for arguments in (["list"], ["show", "1"], ["verify"]):
        assert "nothing has been applied yet" in fleet.run("audit", *arguments, code=1).err


def test_list_filters_and_show_agree(applied: Fleet) -> None:
    everything = applied.run("audit", "list", "--limit", "1000", "--json").json
    sequences = [entry["sequence"] for entry in everything]
    assert sequences == list(range(len(everything), 0, -1))
    assert applied.rows("SELECT count(*) FROM tenantplan.audit_log") == [(len(everything),)]
    newest = everything[0]
    assert (newest["address"], newest["action"], newest["result"]) == ("organization/acme", "update", "done")
    assert newest["before"]["values"]["feature_flags"] == {}
    assert newest["after"]["values"]["feature_flags"] == {"MAGIC_WAND": True}

    def found(*arguments: str) -> set[int]:
        return {entry["sequence"] for entry in applied.run("audit", "list", *arguments, "--json").json}

    assert found("--limit", "2") == set(sequences[:2])
    acme = {e["sequence"] for e in everything if e["organization"] == "organization/acme"}
    assert len(acme) == 2
    assert found("--organization", "acme") == found("--organization", "organization/acme") == acme
    assert found("--address", "organization/acme", "--action", "update") == {newest["sequence"]}
    run = {e["sequence"] for e in everything if e["run_id"] == newest["run_id"]}
    assert found("--run", newest["run_id"][:8]) == run
    assert found("--action", "nothing") == set()
    shown = applied.run("audit", "show", str(newest["sequence"]), "--json").json
    assert shown == newest
    text = applied.run("audit", "show", str(newest["sequence"])).out
    assert '"MAGIC_WAND": true' in text
    assert newest["hash"] in text
    assert "organization/acme" in applied.run("audit", "list").out
    assert "No entry matches" in applied.run("audit", "list", "--action", "nothing").out
    assert "there is no audit entry 999" in applied.run("audit", "show", "999", code=1).err


def test_a_whole_log_verifies_with_and_without_an_anchor(applied: Fleet) -> None:
    first = applied.run("audit", "verify", "--json").json
    assert first["ok"] is True
    assert first["broken"] is None
    applied.organization("acme")
    applied.apply()
    second = applied.run("audit", "verify", "--anchor", first["head"], "--json").json
    assert second["entries"] > first["entries"]
    assert second["head"] in applied.run("audit", "verify").out
    assert "is not a hash" in applied.run("audit", "verify", "--anchor", "abc", code=1).err
    assert applied.run("audit", "verify", "--anchor", "0" * 63 + "1", "--json", code=1).json["ok"] is False


@pytest.mark.parametrize(
    ("statement", "sequence"),
    [
        ("UPDATE tenantplan.audit_log SET actor = 'somebody else' WHERE sequence = 2", 2),
        ("UPDATE tenantplan.audit_log SET at = at + interval '1 s' WHERE sequence = 3", 3),
        ("UPDATE tenantplan.audit_log SET at = 'infinity' WHERE sequence = 3", 3),
        ("UPDATE tenantplan.audit_log SET after = '{ }' WHERE sequence = 4", 4),
        ("DELETE FROM tenantplan.audit_log WHERE sequence = 5", 5),
        (
            "UPDATE tenantplan.audit_log SET sequence = CASE sequence WHEN 2 THEN -3 ELSE -2 END WHERE sequence IN (2, 3);"
            " UPDATE tenantplan.audit_log SET sequence = -sequence WHERE sequence < 0",
            2,
        ),
        ("DELETE FROM tenantplan.audit_log WHERE sequence > 3", 4),
        ("TRUNCATE tenantplan.audit_log", 1),
    ],
)
def test_a_superusers_change_is_found_at_its_first_entry(applied: Fleet, statement: str, sequence: int) -> None:
    _tamper(applied, statement)
    found = applied.run("audit", "verify", "--json", code=1).json
    assert found["broken"]["sequence"] == sequence
    assert f"broken at entry {sequence}" in applied.run("audit", "verify", code=1).out


def test_a_cut_tail_with_the_head_cut_too_is_found_by_the_anchor(applied: Fleet) -> None:
    anchor = applied.run("audit", "verify", "--json").json["head"]
    _tamper(applied, "DELETE FROM tenantplan.audit_log WHERE sequence > 3")
    applied.execute(
        "UPDATE tenantplan.audit_head SET (sequence, hash) = (SELECT sequence, hash FROM tenantplan.audit_log WHERE sequence = 3)"
    )
    applied.run("audit", "verify")
    found = applied.run("audit", "verify", "--anchor", anchor, "--json", code=1).json
    assert found["broken"]["sequence"] == 4


def test_the_role_that_runs_cannot_write_history(applied: Fleet) -> None:
    import psycopg

    with applied.server.connect(dbname=applied.main_database) as connection:
        for statement in ("UPDATE tenantplan.audit_log SET actor = 'x'", "DELETE FROM tenantplan.audit_log"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_a_long_log_is_read_in_batches(applied: Fleet) -> None:
    """20,000 entries more, chained as apply does; the memory for it stays far below what they would take at once."""
    from dataclasses import astuple, replace

    from tenantplan.journal.read import Conditions, find_entries

    with applied.connect() as connection:
        newest = find_entries(connection, Conditions(), limit=1)[0]
        previous, rows = newest.hash, []
        for step in range(1, 20_001):
            entry = replace(newest.entry, sequence=newest.entry.sequence + step, detail="x" * 200)
            current = entry.hash_after(previous)
            rows.append((*astuple(entry), previous, current))
            previous = current
        with connection.cursor() as cursor:
            marks = sql.SQL(", ").join(sql.Placeholder() * 15)
            with connection.transaction():
                cursor.executemany(sql.SQL("INSERT INTO tenantplan.audit_log VALUES ({})").format(marks), rows)
        connection.execute("UPDATE tenantplan.audit_head SET sequence = %s, hash = %s", [rows[-1][0], previous])
    import tracemalloc

    tracemalloc.start()
    started = time.monotonic()
    found = applied.run("audit", "verify", "--json").json
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["entries"] == newest.entry.sequence + 20_000
    assert peak < 30_000_000
    assert time.monotonic() - started < 60


def test_the_log_is_searched_by_whom_it_is_about_and_when(fleet: Fleet) -> None:
    """User, organization, team, project, action and time."""
    fleet.organization("msf")
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN }")
    fleet.document("Team", "field", "{ organization: msf, displayName: F, members: [ { user: anna@x.example } ] }")
    site = "{ organization: msf, displayName: Site, team: field, transforms: [ { name: small, width: 1 } ] }"
    fleet.document("Project", "site", site)
    fleet.document("Project", "site-two", "{ organization: msf, displayName: Two }")
    fleet.apply()
    everything = fleet.run("audit", "list", "--limit", "1000", "--json").json

    def found(*arguments: str) -> set[str]:
        return {entry["address"] for entry in fleet.run("audit", "list", *arguments, "--json").json}

    assert found("--team", "field") == {"team/field", "team/field/member/anna@x.example"}
    assert found("--project", "site") == {"project/site", "project/site/transform/small"}
    assert found("--user", "anna@x.example") == {"user/anna@x.example", "team/field/member/anna@x.example"}
    assert found("--user", "na@x.example") == set()
    actor = everything[0]["actor"]
    assert len(fleet.run("audit", "list", "--limit", "1000", "--user", actor.upper()[:9], "--json").json) == len(
        everything
    )
    assert {"team/field", "project/site", "organization/msf"} <= found("--organization", "msf", "--limit", "100")
    assert "user/anna@x.example" not in found("--organization", "msf", "--limit", "100")
    middle = sorted(entry["at"] for entry in everything)[len(everything) // 2][:19]
    since, until = (found("--limit", "1000", name, middle) for name in ("--since", "--until"))
    assert since | until == {entry["address"] for entry in everything}
    assert found("--until", "2026-01-01") == found("--since", "2099-01-01") == set()
    with fleet.connect() as connection:
        entries = find_entries(connection, Conditions(), 1000)
        exact = datetime.fromisoformat(entries[len(entries) // 2].entry.at)
        halves = [Conditions(since=exact), Conditions(until=exact)]
        later, before = ([e.entry for e in find_entries(connection, half, 1000)] for half in halves)
    assert later and min(entry.at for entry in later) == entries[len(entries) // 2].entry.at  # that moment is since
    assert len(later) + len(before) == len(entries)  # and is not until
    assert "exclude each other" in fleet.run("audit", "list", "--team", "a", "--project", "b", code=1).err
    assert "No entry matches." in fleet.run("audit", "list", "--project", "sit").out
