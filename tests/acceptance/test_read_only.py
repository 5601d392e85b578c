"""The role that only reads: made where it is asked for, closed where it is not asked for any more, never dropped by itself."""

from __future__ import annotations

import psycopg
import pytest
from acceptance.harness import Fleet

PASSWORD = "long-and-random-5Xq!"
ASKED = "database: { mode: dedicated, readOnly: true }\nprotect: false\n"
PLAIN = "database: { mode: dedicated }\nprotect: false\n"
_LOGINS = "SELECT rolname::text FROM pg_roles WHERE rolname LIKE %s AND rolcanlogin ORDER BY 1"


def _login(fleet: Fleet, name: str) -> psycopg.Connection[tuple[object, ...]]:
    return fleet.server.connect(f"{fleet.database(name)}_ro", fleet.database(name), PASSWORD)


def test_a_role_that_only_reads_comes_and_goes(fleet: Fleet) -> None:
    """Asked for, not any more, renamed, asked for again, and deleted with its organization: no login stays open."""
    fleet.organization("msf", ASKED)
    fleet.apply()
    role = f"{fleet.database('msf')}_ro"
    fleet.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'", database="postgres")
    with _login(fleet, "msf") as reading:
        assert reading.execute("SELECT count(*) FROM donors").fetchall() == [(0,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reading.execute("INSERT INTO donors (email) VALUES ('d@x.example')")
        fleet.organization("msf", PLAIN)
        fleet.apply()
        with pytest.raises(psycopg.OperationalError):
            reading.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        _login(fleet, "msf")
    assert fleet.rows(_LOGINS, f"o{fleet.id}%") == [(f"{fleet.database('msf')}_app",)]
    fleet.converged()
    (orphan,) = fleet.plan()["orphans"]
    assert orphan["address"] == f"role/primary/{role}" and "closed and left alone" in orphan["message"]

    fleet.remove("Organization", "msf")
    fleet.organization("medecins", PLAIN, renamedFrom="msf")
    fleet.apply()
    fleet.converged()
    role = f"{fleet.database('medecins')}_ro"
    found = "SELECT rolname::text, rolcanlogin, has_database_privilege(rolname, %s, 'CONNECT') FROM pg_roles WHERE rolname LIKE %s"
    assert fleet.rows(found, fleet.database("medecins"), f"o{fleet.id}%\\_ro") == [(role, False, False)]

    fleet.organization("medecins", ASKED)
    fleet.apply()
    fleet.converged()
    with _login(fleet, "medecins") as reading:
        assert reading.execute("SELECT count(*) FROM donors").fetchall() == [(0,)]

    fleet.organization("medecins", PLAIN)
    fleet.apply()
    fleet.organization("medecins", PLAIN + "state: deleted\n")
    fleet.apply("--allow-deletes", "1")
    assert fleet.rows(_LOGINS, f"o{fleet.id}%") == []
    fleet.settings("guard: { graceDays: 0 }")
    fleet.apply("--allow-deletes", "1")
    assert fleet.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", f"o{fleet.id}%") == []
    fleet.converged()
