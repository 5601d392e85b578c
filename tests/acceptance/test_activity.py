"""`activity_log`: the application writes its own events, and one reader finds them beside tenantplan's."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from acceptance.harness import Fleet
from servers import TestServer

EVENTS = """
    INSERT INTO activity_log (user_id, organization_id, team_id, project_id, action, subject, metadata, ip_address, at)
    SELECT u.id, o.id, t.id, p.id, e.action, e.subject, '{"size": 3}', '203.0.113.7, 10.0.0.1', now() + e.after
      FROM (VALUES ('file.upload', 'project/site/file/logo.png', interval '1 min'),
                   ('member.invite', 'user/ben@x.example', interval '2 min')) e (action, subject, after),
           users u, organizations o, teams t, projects p WHERE u.email = 'anna@x.example';
    INSERT INTO activity_log (action, at) VALUES ('restart', '2026-01-01')
"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, server: TestServer) -> Iterator[Fleet]:
    """An organization with a user, a team and a project, and three events of its application."""
    fleet = Fleet(tmp_path_factory.mktemp("activity"), server)
    member = "members: [ { user: anna@x.example, role: AGENCY_ADMIN } ]"
    fleet.organization("msf", f"{member}\ndatabase: {{ mode: dedicated }}")
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN }")
    fleet.document("Team", "field", "{ organization: msf, displayName: F, members: [ { user: anna@x.example } ] }")
    fleet.document("Project", "site", "{ organization: msf, displayName: Site, team: field }")
    fleet.apply()
    fleet.execute(EVENTS)
    yield fleet
    fleet.clean()


def found(fleet: Fleet, *arguments: str) -> list[tuple[str, str]]:
    """Of which log, and about what, newest first."""
    listed = fleet.run("audit", "list", "--limit", "1000", *arguments, "--json").json
    return [(each["log"], each["address"] or each["action"]) for each in listed]


UPLOAD = ("application", "project/site/file/logo.png")
INVITE = ("application", "user/ben@x.example")


def test_one_reader_finds_both_logs_newest_first(studio: Fleet) -> None:
    everything = found(studio)
    assert everything[:2] == [INVITE, UPLOAD]
    assert everything[-1] == ("application", "restart")
    assert {log for log, _ in everything[2:-1]} == {"tenantplan"}
    assert found(studio, "--limit", "1") == [INVITE]
    text = studio.run("audit", "list").out
    assert "anna@x.example" in text
    assert "file.upload" in text
    # Both keep the keys of the other, so that one program reads both.
    listed = studio.run("audit", "list", "--json").json
    assert {"sequence", "at", "actor", "action", "address", "hash"} <= set(listed[0])
    assert listed[0]["sequence"] is None


def test_a_user_is_found_by_what_they_did_and_where_they_are_a_member(studio: Fleet) -> None:
    about_anna = found(studio, "--user", "anna@x.example")
    assert about_anna[:2] == [INVITE, UPLOAD]
    assert {address for log, address in about_anna if log == "tenantplan"} == {
        "user/anna@x.example",
        "organization/msf/member/anna@x.example",
        "team/field/member/anna@x.example",
    }
    assert found(studio, "--user", "ben@x.example") == [INVITE]


@pytest.mark.parametrize(
    ("arguments", "events"),
    [
        (["--organization", "msf"], {INVITE, UPLOAD}),
        (["--organization", "organization/msf"], {INVITE, UPLOAD}),
        (["--organization", "acme"], set()),
        (["--team", "field"], {INVITE, UPLOAD}),
        (["--project", "site"], {INVITE, UPLOAD}),
        (["--project", "other"], set()),
        (["--action", "file.upload"], {UPLOAD}),
        (["--address", "project/site/file"], {UPLOAD}),
        (["--until", "2026-01-02"], {("application", "restart")}),
        (["--since", "2026-01-02", "--action", "restart"], set()),
        (["--run", "a"], set()),
    ],
)
def test_every_condition_holds_for_events_too(
    studio: Fleet, arguments: list[str], events: set[tuple[str, str]]
) -> None:
    assert {each for each in found(studio, *arguments) if each[0] == "application"} == events


def test_an_event_is_shown_whole(studio: Fleet) -> None:
    newest = studio.run("audit", "list", "--action", "file.upload", "--json").json[0]
    shown = studio.run("audit", "show", newest["id"], "--json").json
    assert shown == newest
    assert shown["metadata"] == {"size": 3}
    assert shown["ip_address"] == "203.0.113.7, 10.0.0.1"
    assert (shown["organization"], shown["team"], shown["project"]) == (
        "organization/msf",
        "team/field",
        "project/site",
    )
    assert "203.0.113.7" in studio.run("audit", "show", newest["id"]).out
    unknown = "00000000-0000-0000-0000-000000000000"
    assert "there is no audit entry" in studio.run("audit", "show", unknown, code=1).err
    assert "neither the sequence" in studio.run("audit", "show", "abc", code=1).err


def test_events_are_no_part_of_the_chain_and_no_resource(studio: Fleet) -> None:
    studio.run("audit", "verify")
    assert "file.upload" not in studio.run("audit", "export").out
    studio.converged()


def test_who_was_granted_it_writes_and_nobody_else(studio: Fleet) -> None:
    login = f"{studio.database('msf')}_x"
    insert = "INSERT INTO activity_log (action) VALUES ('login')"
    with studio.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(f"CREATE ROLE {login}".encode())
        connection.execute(f"SET LOCAL ROLE {login}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(insert.encode())
        connection.execute("RESET ROLE")
        connection.execute(f"GRANT INSERT ON activity_log TO {login}".encode())
        connection.execute(f"SET LOCAL ROLE {login}".encode())
        connection.execute(insert.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("SELECT FROM activity_log")


def test_what_happened_stays_when_whom_it_was_about_is_gone(studio: Fleet) -> None:
    with studio.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM projects")
        connection.execute("DELETE FROM users")
        rows = connection.execute("SELECT count(*), count(user_id), count(project_id) FROM activity_log").fetchall()
    assert rows == [(3, 2, 2)]


def test_a_main_database_that_is_behind_has_no_events(studio: Fleet) -> None:
    studio.execute("ALTER TABLE activity_log RENAME TO activity_log_away")
    try:
        assert {log for log, _ in found(studio)} == {"tenantplan"}
    finally:
        studio.execute("ALTER TABLE activity_log_away RENAME TO activity_log")
