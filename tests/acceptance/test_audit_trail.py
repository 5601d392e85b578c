"""The audit entry of an effect commits with it, or neither does."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

SEEN = "SELECT address, action, result FROM tenantplan.audit_log ORDER BY sequence"


def refuse(fleet: Fleet, table: str, condition: str) -> None:
    """Makes PostgreSQL refuse rows of a table."""
    body = f"BEGIN IF {condition} THEN RAISE EXCEPTION 'refused by the test' USING ERRCODE = '23514'; END IF; RETURN NEW; END"
    fleet.execute(f"CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    fleet.execute(
        f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION public.refuse()"
    )


def audited(fleet: Fleet, result: str = "done") -> set[str]:
    return {address for address, _, got in fleet.rows(SEEN) if got == result}


def test_every_effect_has_one_entry(fleet: Fleet) -> None:
    fleet.document("User", "anna@x.example", "{ displayName: A, role: CLIENT_EDITOR }")
    fleet.organization(
        "msf", "database: { mode: dedicated }\nmembers: [ { user: anna@x.example, role: AGENCY_ADMIN } ]"
    )
    planned = [(o["address"], o["action"]) for o in fleet.plan()["operations"]]
    fleet.apply()
    assert sorted((a, b) for a, b, result in fleet.rows(SEEN) if b != "connect" and result == "done") == sorted(planned)
    fleet.converged()
    fleet.organization("msf", "database: { mode: dedicated }\nfeatureFlags: { A: true }")
    fleet.apply()
    columns = "before ->> 'type', after #>> '{values,feature_flags,A}', organization"
    found = f"SELECT {columns} FROM tenantplan.audit_log ORDER BY sequence"
    assert fleet.rows(found)[-1] == ("row", "true", "organization/msf")
    fleet.converged()


def test_an_effect_that_fails_leaves_neither_row_nor_entry(fleet: Fleet) -> None:
    """The failing organization's row, database and entry are all absent; the failure itself is audited."""
    fleet.organization("first")
    fleet.apply()
    refuse(fleet, "organizations", "NEW.slug = 'bad'")
    fleet.organization("bad", "database: { mode: dedicated }")
    fleet.settings("rollout: { maxFailures: 3 }")
    fleet.organization("good")
    result = fleet.apply(code=5)
    assert "23514" in result.out + result.err
    assert fleet.rows("SELECT slug FROM organizations ORDER BY 1") == [("first",), ("good",)]
    assert fleet.databases() == [fleet.main_database]
    assert "organization/good" in audited(fleet) and "organization/bad" not in audited(fleet)
    assert audited(fleet, "failed") == {"organization/bad"}
    fleet.run("audit", "verify")
    fleet.execute("DROP FUNCTION public.refuse() CASCADE")
    fleet.apply()
    fleet.converged()
    assert fleet.databases() == sorted([fleet.main_database, fleet.database("bad")])


@pytest.mark.parametrize("table", ["tenantplan.audit_log", "tenantplan.operations"])
def test_no_effect_without_its_entry(fleet: Fleet, table: str) -> None:
    """When the entry or the journal cannot be written, the effect is rolled back."""
    fleet.organization("first")
    fleet.apply()
    refuse(fleet, table, "NEW.address = 'organization/msf'" + (" AND NEW.status = 'done'" if "oper" in table else ""))
    fleet.organization("msf", "database: { mode: dedicated }")
    assert fleet.apply(code=None).code != 0
    assert fleet.rows("SELECT slug FROM organizations") == [("first",)]
    assert fleet.database("msf") not in fleet.databases()
    assert "organization/msf" not in audited(fleet)
    fleet.execute("DROP FUNCTION public.refuse() CASCADE")
    fleet.apply()
    fleet.converged()
    assert [name for name in fleet.databases() if name.startswith("tp_new_")] == []


def test_deletions_are_audited_with_what_was_there(fleet: Fleet) -> None:
    fleet.document("User", "anna@x.example", "{ displayName: A, role: CLIENT_EDITOR }")
    fleet.apply()
    fleet.document("User", "anna@x.example", "{ displayName: A, role: CLIENT_EDITOR, state: deleted }")
    fleet.apply("--allow-deletes", "1")
    last = (
        "SELECT address, action, before #>> '{values,email}', after::text FROM tenantplan.audit_log ORDER BY sequence"
    )
    assert fleet.rows(last)[-1] == ("user/anna@x.example", "delete", "anna@x.example", None)
    fleet.converged()
