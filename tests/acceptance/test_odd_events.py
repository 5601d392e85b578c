"""Events at times that ISO 8601 cannot say do not keep anybody from reading the log."""

from __future__ import annotations

import psycopg
import pytest
from acceptance.harness import Fleet

TIMES = ("infinity", "20260-01-01Z", "9999-12-31Z", "0044-03-15Z BC", "-infinity")


def test_events_at_any_time_are_listed_in_their_order(fleet: Fleet) -> None:
    fleet.organization("msf")
    fleet.apply()
    with pytest.raises(psycopg.errors.CheckViolation):
        fleet.execute("INSERT INTO activity_log (action, at) VALUES ('never', 'infinity')")
    fleet.execute("ALTER TABLE activity_log DROP CONSTRAINT IF EXISTS activity_log_at_check")  # older data
    fleet.execute("INSERT INTO activity_log (action, at) SELECT t, t::timestamptz FROM unnest(%s::text[]) t", [*TIMES])
    listed = fleet.run("audit", "list", "--json").json
    assert [e["action"] for e in listed if e["log"] != "tenantplan"] == [*TIMES]
    assert [e["log"] for e in listed].index("tenantplan") == 3  # the present comes between 9999 and 44 BC
    text = fleet.run("audit", "list").out
    assert " infinity " in text and "-infinity " in text
    assert "20260-01-01T00:00:00.000000+00:00 " in text and "9999-12-31T00:00:00Z " in text
    assert "0044-03-15T00:00:00.000000+00:00 BC" in text
    identifier = next(e["id"] for e in listed if e["action"] == "infinity")
    assert fleet.run("audit", "show", str(identifier)).code == 0
