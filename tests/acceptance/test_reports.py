"""`report`: each figure is checked against rows that the test itself put there."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from acceptance.harness import Fleet
from acceptance.test_budget import Watch

pytestmark = pytest.mark.once

EMPTY = {"active-tenants", "licenses-expiring", "metrics-24h", "top-tenants", "critical-errors", "inactive-tenants"}


def _fleet(fleet: Fleet, *tenants: str, licenses: int = 0) -> None:
    """An organization acme with tenants of these names, each with licenses l0, l1, … that do not expire."""
    fleet.organization("acme")
    listed = ", ".join(f"{{ name: l{number} }}" for number in range(licenses))
    for name in tenants:
        fleet.document(
            "Tenant",
            name,
            f"organization: acme\ndisplayName: {name.title()}\ncontact: {{ email: it@{name}.example }}\nlicenses: [ {listed} ]",
        )
    fleet.apply()


def _metric(fleet: Fleet, tenant: str, ago: str, users: int | None = 1, latency: str = "100") -> None:
    fleet.execute(
        "INSERT INTO tenant_metrics (tenant_id, timestamp, active_users, ai_latency)"
        " SELECT id, now() - %s::interval, %s, %s FROM tenants WHERE name = %s",
        ago,
        users,
        latency,
        tenant,
    )


def _license(fleet: Fleet, tenant: str, name: str, **columns: object) -> None:
    for column, value in columns.items():
        given = "now() + %s::interval" if column == "expires_at" else "%s"
        where = "name = %s AND tenant_id = (SELECT id FROM tenants WHERE name = %s)"
        fleet.execute(f"UPDATE licenses SET {column} = {given} WHERE {where}", value, name, tenant)


def _rows(fleet: Fleet, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = fleet.run("report", *arguments, "--json").json
    return found


def _names(fleet: Fleet, *arguments: str) -> list[str]:
    return [row["tenant"] for row in _rows(fleet, *arguments)]


def test_the_list_and_a_misspelt_name(fleet: Fleet) -> None:
    listed = fleet.run("report").out
    names = [line["name"] for line in fleet.run("report", "--json").json]
    assert len(names) == 11
    assert all(name in listed for name in names)
    assert "did you mean `top-tenants`" in fleet.run("report", "top-tenant", code=1).err
    assert "nothing has been applied yet" in fleet.run("report", "top-tenants", code=1).err
    assert "nothing has been applied yet" in fleet.run("report", "database-sizes", code=1).err
    assert "--json or --csv" in fleet.run("report", "top-tenants", "--json", "--csv", code=1).err
    assert "licenses-expiring" in fleet.run("report", "top-tenants", "--days", "3", code=1).err


def test_a_fleet_without_tenants(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.apply()
    for name in EMPTY:
        assert _rows(fleet, name) == []
        assert fleet.run("report", name).out.endswith(".\n")
        assert fleet.run("report", name, "--csv").out.count("\r\n") == 1
    statuses = {row["status"]: row["licenses"] for row in _rows(fleet, "licenses-by-status")}
    assert statuses == {"ACTIVE": 0, "EXPIRED": 0, "REVOKED": 0, "PENDING": 0}


def test_active_and_inactive_tenants(fleet: Fleet) -> None:
    _fleet(fleet, "fresh", "late", "never", "off", "deleted", "of-suspended", "of-deleted", "ahead")
    fleet.execute("UPDATE tenants SET active = false WHERE name = 'off'")
    fleet.execute("UPDATE tenants SET deleted_at = now() WHERE name = 'deleted'")
    for state in ("suspended", "deleted"):
        fleet.execute(
            "WITH o AS (INSERT INTO organizations (slug, state, deleted_at)"
            " VALUES (%s, %s, CASE %s WHEN 'deleted' THEN now() END) RETURNING id)"
            " UPDATE tenants SET organization_id = o.id FROM o WHERE name = 'of-' || %s",
            *[state] * 4,
        )
    rows = _rows(fleet, "active-tenants")
    assert [row["tenant"] for row in rows] == ["ahead", "fresh", "late", "never"]
    assert (rows[1]["organization"], rows[1]["contact_email"]) == ("acme", "it@fresh.example")
    _metric(fleet, "fresh", "2 hours")
    _metric(fleet, "fresh", "59 minutes")
    _metric(fleet, "late", "61 minutes")
    _metric(fleet, "late", "3 hours")
    _metric(fleet, "ahead", "-1 hour")  # a clock that is wrong is no sign of life
    found = _rows(fleet, "inactive-tenants")
    assert [row["tenant"] for row in found] == ["ahead", "never", "late"]
    assert found[1]["last_metric_at"] is None
    assert found[2]["silent_minutes"] == 61


def test_licenses(fleet: Fleet) -> None:
    _fleet(fleet, "paris", "gone", licenses=6)
    _license(fleet, "paris", "l0", expires_at="29 days", usage_count=7)
    _license(fleet, "paris", "l1", expires_at="31 days")
    _license(fleet, "paris", "l2", expires_at="-1 day")
    _license(fleet, "paris", "l3", expires_at="3 days", status="REVOKED")
    _license(fleet, "paris", "l4", expires_at="90 minutes", status="PENDING")
    _license(fleet, "gone", "l0", expires_at="5 days")
    fleet.execute("UPDATE tenants SET deleted_at = now() WHERE name = 'gone'")
    past, soon = _rows(fleet, "licenses-expiring")  # one past its date is ACTIVE all the same, and comes first
    (key,) = fleet.rows("SELECT key FROM licenses WHERE id = (SELECT id FROM licenses WHERE usage_count = 7)")
    assert (soon["key"], soon["contact_email"]) == (f"****{key[0][-4:]}", "it@paris.example") and past["days_left"] < 0
    for form in ((), ("--json",), ("--csv",)):
        assert key[0] not in fleet.run("report", "licenses-expiring", *form).out
    assert (soon["tenant"], soon["license"], soon["days_left"], soon["usage_count"]) == ("paris", "l0", 29, 7)
    assert [row["license"] for row in _rows(fleet, "licenses-expiring", "--days", "32")] == [
        past["license"],
        "l0",
        "l1",
    ]
    assert _rows(fleet, "licenses-expiring", "--days", "28") == [past]
    statuses = {row["status"]: (row["licenses"], row["past_expiry"]) for row in _rows(fleet, "licenses-by-status")}
    assert statuses == {"ACTIVE": (4, 1), "EXPIRED": (0, 0), "REVOKED": (1, 0), "PENDING": (1, 0)}


def test_metrics_of_24_hours(fleet: Fleet) -> None:
    _fleet(fleet, "paris", "lyon", "old", "gone")
    for ago, users, latency in (("1 minute", 10, "100"), ("5 hours", 20, "200.5"), ("23 hours 59 minutes", 40, "NaN")):
        _metric(fleet, "paris", ago, users, latency)
    _metric(fleet, "paris", "24 hours 1 minute", 9000, "9000")
    _metric(fleet, "paris", "-1 hour", 9000, "9000")
    _metric(fleet, "lyon", "2 hours", None, "1e308")
    _metric(fleet, "lyon", "2 hours", None, "1e308")
    _metric(fleet, "old", "25 hours")
    _metric(fleet, "gone", "1 hour")
    fleet.execute("UPDATE tenants SET deleted_at = now() WHERE name = 'gone'")
    lyon, paris = _rows(fleet, "metrics-24h")
    assert (paris["tenant"], paris["metrics"]) == ("paris", 3)
    assert (paris["avg_active_users"], paris["avg_ai_latency_ms"]) == (23.33, 150.25)
    assert (lyon["metrics"], lyon["avg_active_users"], lyon["avg_ai_latency_ms"]) == (2, None, 1e308)


def test_top_tenants(fleet: Fleet) -> None:
    names = [f"t{number:02}" for number in range(12)]
    _fleet(fleet, *names, licenses=2)
    for number, name in enumerate(names):
        _license(fleet, name, "l0", usage_count=number)
        _license(fleet, name, "l1", usage_count=100 if number == 3 else 0)
    _metric(fleet, "t00", "1 hour", users=50)
    _metric(fleet, "t00", "25 hours", users=9000)
    top = ["t00", "t03", "t11", "t10", "t09", "t08", "t07", "t06", "t05", "t04"]  # by metrics, then by licences
    assert _names(fleet, "top-tenants") == top
    assert _names(fleet, "top-tenants", "--limit", "2") == top[:2]
    everyone = _rows(fleet, "top-tenants", "--limit", "50")
    assert [row["tenant"] for row in everyone] == [*top, "t02", "t01"]
    shown = ("license_usage", "avg_active_users_24h", "metrics_24h")
    assert [everyone[0][k] for k in shown] == [0, 50.0, 1]
    assert [everyone[1][k] for k in shown] == [103, None, 0]
    _metric(fleet, "t02", "1 hour", users=None)
    _metric(fleet, "t01", "1 hour", users=51)
    assert _names(fleet, "top-tenants", "--limit", "4") == ["t01", "t00", "t02", "t03"]


def test_critical_errors_and_hostile_values(fleet: Fleet) -> None:
    _fleet(fleet, "paris")
    insert = (
        "INSERT INTO error_logs (tenant_id, level, source, message, timestamp, resolved)"
        " SELECT (SELECT id FROM tenants WHERE name = %s), %s, 'NODE', %s, now() - %s::interval, %s"
    )
    hostile = '=HYPERLINK("http://x")\x1b[2J\r\n::error::x\u202e'
    secret = "no answer from postgresql://app:hunter2secret@db/x;=1+1"
    fleet.execute(insert, "paris", "CRITICAL", hostile, "1 hour", False)
    fleet.execute(insert, None, "CRITICAL", secret, "2 hours", False)
    fleet.execute(insert, "paris", "CRITICAL", "solved", "1 minute", True)
    fleet.execute(insert, "paris", "ERROR", "only an error", "1 minute", False)
    rows = _rows(fleet, "critical-errors")
    assert [(row["tenant"], row["source"]) for row in rows] == [("paris", "NODE"), (None, "NODE")]
    assert rows[0]["message"] == hostile
    outputs = [fleet.run("report", "critical-errors", *how).out for how in ([], ["--json"], ["--csv"])]
    for text in outputs:
        assert "hunter2secret" not in text
        assert not set(text) & {"\x1b", "\u202e"}
        assert not any(line.startswith(("::", "=")) for line in text.splitlines())
    assert "\r" not in outputs[0]
    read = list(csv.DictReader(io.StringIO(outputs[2], newline="")))
    assert read[0]["message"].startswith("'=HYPERLINK")
    assert (read[1]["tenant"], list(read[0])) == ("", list(outputs[2].split("\r\n")[0].split(",")))
    assert outputs[2].replace("\r\n", "").count("\n") == 0  # RFC 4180: CRLF ends a line


def test_a_csv_cell_that_would_be_a_formula_is_text() -> None:
    from tenantplan.rendering.spreadsheet import csv_text

    cells = ["=1", "+1", "-1", "@SUM(1)", " =1", "\t=1", "＝1", "a;=1", 'say "hi"', -1, 2.5, None]
    (shown,) = list(csv.reader(io.StringIO(csv_text(["c"] * 12, [cells]), newline="")))[1:]
    assert shown[:5] == ["'=1", "'+1", "'-1", "'@SUM(1)", "' =1"]
    assert shown[5:] == ["\\t=1", "'＝1", "a;=1", 'say "hi"', "-1", "2.5", ""]


def test_unused_indexes(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    database = fleet.database("msf")
    with fleet.connect(database) as connection:
        connection.execute("SELECT pg_stat_reset()")
        connection.execute("CREATE INDEX spare ON donors (email)")
        connection.execute("CREATE INDEX used ON donors (lower(email))")
        connection.execute("CREATE UNIQUE INDEX only_one ON donors (id, email, id)")
        connection.execute("CREATE TABLE booked (at tstzrange, EXCLUDE USING gist (at WITH &&))")
        connection.execute("SET enable_seqscan = off")
        connection.execute("SELECT id FROM donors WHERE lower(email) = 'x'")
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.execute("SELECT 1")
        used = connection.execute("SELECT indexrelname FROM pg_stat_user_indexes WHERE idx_scan > 0").fetchall()
    rows = _rows(fleet, "unused-indexes")
    inside = {row["index"]: row for row in rows if row["database"] == database}
    assert "spare" in inside
    assert ("used",) in used
    assert not inside.keys() & ({name for (name,) in used} | {"only_one", "booked_at_excl", "donors_pkey"})
    assert (inside["spare"]["holder"], inside["spare"]["table"]) == ("organization/msf", "donors")
    assert inside["spare"]["size_bytes"] > 0
    assert inside["spare"]["counted_since"].endswith("Z")
    main = {row["index"] for row in rows if row["database"] == fleet.main_database}
    assert "sessions_expires_at_idx" in main
    assert not any(name.endswith("_pkey") for name in main)
    assert "was counted since" in fleet.run("report", "unused-indexes").out


def test_database_sizes_and_one_that_cannot_be_reached(fleet: Fleet) -> None:
    fleet.settings("maxConnections: 3\nservers: { primary: { maxConnections: 3 } }")
    fleet.organization("acme")
    for name in ("msf", "unicef", "wwf", "care", "ifrc"):
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.document("Tenant", "paris", "{ organization: acme, displayName: P, database: { mode: dedicated } }")
    fleet.document("Tenant", "lyon", "{ organization: msf, displayName: L }")
    fleet.apply()
    fleet.execute("CREATE TABLE big AS SELECT repeat('x', 500) FROM generate_series(1, 50000)", database=_db(fleet))
    watch = Watch(fleet)
    watch.start()
    rows = _rows(fleet, "database-sizes")
    watch.done.set()
    watch.join()
    assert 2 <= watch.most <= 3
    assert len(rows) == 7
    assert (rows[0]["database"], rows[0]["holder"]) == (_db(fleet), "organization/msf")
    assert {row["holder"] for row in rows} >= {"main", "tenant/paris"}
    (size,) = fleet.rows("SELECT pg_database_size(%s)", _db(fleet))
    assert rows[0]["size_bytes"] == size[0] > 25_000_000
    fleet.execute(f"ALTER DATABASE {fleet.database('unicef')} ALLOW_CONNECTIONS false", database="postgres")
    result = fleet.run("report", "database-sizes", "--csv", code=5)
    assert fleet.database("unicef") in result.err
    assert result.out.count("\r\n") == 7
    assert fleet.run("report", "database-sizes", "--limit", "1", code=5).out.count("\n") == 2
    assert "MB" in fleet.run("report", "database-sizes", code=5).out
    fleet.execute("DELETE FROM organizations WHERE slug = 'wwf'")  # by hand: its database is still the fleet's
    assert "organization/wwf" in {row["holder"] for row in fleet.run("report", "database-sizes", "--json", code=5).json}


def _db(fleet: Fleet) -> str:
    return fleet.database("msf")


def test_a_brought_database_is_asked_with_its_own_connection(fleet: Fleet) -> None:
    name = f"o{fleet.id}_own"
    fleet.execute(f"CREATE DATABASE {name} OWNER tp_admin", database="postgres")
    try:
        fleet.env["OWN_URL"] = fleet.server.url(dbname=name)
        fleet.organization("own", "database: { url: { env: OWN_URL } }")
        fleet.apply()
        own = next(row for row in _rows(fleet, "database-sizes") if row["holder"] == "organization/own")
        assert (own["server"], own["database"]) == ("its own", name)
        del fleet.env["OWN_URL"]
        assert "OWN_URL" in fleet.run("report", "database-sizes", code=5).err
    finally:
        fleet.execute(f"DROP DATABASE {name} WITH (FORCE)", database="postgres")


@pytest.mark.parametrize("name", ["metrics-24h", "critical-errors"])
def test_a_main_database_that_is_behind(fleet: Fleet, name: str) -> None:
    fleet.organization("acme")
    fleet.apply()
    fleet.execute("DROP TABLE tenant_metrics, error_logs")
    err = fleet.run("report", name, code=1).err
    assert "behind" in err
    assert "tenantplan apply" in err


def test_organizations_without_a_database_are_found_and_the_move_is_proposed(fleet: Fleet) -> None:
    """What is proposed is YAML, and the plan of it says what it would take."""
    _fleet(fleet, "paris", "lyon")
    fleet.organization("own", "database: { mode: dedicated }")
    fleet.organization("small")
    fleet.apply()
    found = _rows(fleet, "without-database")
    assert [(row["organization"], row["tenants"]) for row in found] == [("acme", 2), ("small", 0)]
    fleet.organization("small", found[1]["proposal"])
    assert "move organization/small" in fleet.operations()
    fleet.apply()
    assert [row["organization"] for row in _rows(fleet, "without-database")] == ["acme"]
