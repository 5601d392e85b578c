"""A schema that somebody changed: found by the plan, brought back by a plan of its own, or left for a reason."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree

DEDICATED = "database: { mode: dedicated }"
INDEX = "donations_donor_id_idx"


@pytest.fixture
def applied(fleet: Fleet) -> Fleet:
    fleet.settings("guard: { maxChangedPercent: 100 }")
    for name in ("a", "b"):
        fleet.organization(name, DEDICATED)
    fleet.apply()
    return fleet


def an_index(fleet: Fleet) -> str:
    """An index of the sample tree that belongs to no constraint."""
    found = fleet.rows(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'donations'::regclass AND NOT indisunique ORDER BY 1",
        database=fleet.database("a"),
    )
    return str(found[0][0])


def damaged(fleet: Fleet) -> str:
    index = an_index(fleet)
    for statement in (
        f"DROP INDEX {index}",
        "GRANT SELECT ON donors TO PUBLIC",
        "ALTER TABLE donors ALTER email SET DEFAULT 'x'",
        "CREATE TABLE scratch (id int)",
    ):
        fleet.execute(statement, database=fleet.database("a"))
    return index


def names(fleet: Fleet) -> set[str]:
    return {item["name"] for item in fleet.run("drift", "--json", code=None).json["items"]}


def test_what_is_safe_is_brought_back_and_the_rest_is_said(applied: Fleet) -> None:
    """Named object by object, planned, reviewed, applied."""
    damaged(applied)
    before = names(applied)
    assert "table public.scratch" in before and len(before) >= 4
    shown = applied.run("drift", "--repair", "--out", "plan.json", code=2)
    assert "CREATE INDEX" in shown.out and "REVOKE" in shown.out and "DROP DEFAULT" in shown.out
    assert "table public.scratch" in shown.out and "DROP TABLE" not in shown.out
    assert names(applied) == before  # a plan writes nothing
    applied.run("apply", "plan.json")
    left = names(applied)
    assert left and all("scratch" in name for name in left)
    applied.execute("DROP TABLE scratch", database=applied.database("a"))
    applied.run("drift")
    applied.run("drift", "--repair")
    applied.converged()
    assert applied.rows(
        "SELECT action, result FROM tenantplan.audit_log WHERE address = %s AND action = 'update'",
        f"schema/primary/{applied.database('a')}",
    ) == [("update", "done")]


def test_a_repair_of_something_else_than_was_seen_is_refused(applied: Fleet) -> None:
    damaged(applied)
    applied.run("drift", "--repair", "--out", "plan.json", code=2)
    applied.execute("ALTER TABLE donors ADD COLUMN later int", database=applied.database("a"))
    before = names(applied)
    result = applied.run("apply", "plan.json", code=4)
    assert "changed after the plan was made" in result.err
    assert names(applied) == before


def test_a_repair_that_the_rows_do_not_allow_changes_nothing(applied: Fleet) -> None:
    applied.execute("ALTER TABLE donors ADD COLUMN x int", database=applied.database("a"))
    applied.execute("ALTER TABLE campaigns ALTER name DROP NOT NULL", database=applied.database("a"))
    applied.execute("INSERT INTO campaigns (name, slug) VALUES (NULL, 's')", database=applied.database("a"))
    before = names(applied)
    applied.run("drift", "--repair", "--out", "plan.json", code=2)
    assert "23502" in applied.run("apply", "plan.json", code=5).out
    assert names(applied) == before


@pytest.mark.parametrize("point", ["schema-repaired", "intent-recorded"])
def test_a_killed_repair_is_settled(applied: Fleet, point: str) -> None:
    """Faults 2: one effect, one entry."""
    applied.execute(f"DROP INDEX {an_index(applied)}", database=applied.database("a"))
    applied.run("drift", "--repair", "--out", "plan.json", code=2)
    killed = applied.process("apply", "plan.json", env={"TENANTPLAN_FAILPOINT": point})
    assert killed.code < 0
    applied.run("apply", "plan.json", code=None)
    applied.run("drift")
    done = (
        "SELECT count(*) FROM tenantplan.audit_log"
        " WHERE action = 'update' AND result IN ('done', 'recovered') AND address LIKE 'schema/%'"
    )
    assert applied.rows(done) == [(1,)]
    applied.run("audit", "verify")


def test_an_ignored_difference_has_a_reason_and_an_end(applied: Fleet) -> None:
    """Not reported, not repaired, shown; and back when its time is over."""
    index = damaged(applied)
    today = datetime.now(UTC).date()

    def ignoring(until: Any) -> None:
        rules = ", ".join(
            f'{{ object: "{name}", reason: "being looked at", until: {until} }}'
            for name in ("index public.*", "grant * to PUBLIC", "table public.scratch", "column public.*")
        )
        applied.settings(f"guard: {{ maxChangedPercent: 100 }}\ndrift: {{ ignore: [ {rules} ] }}")

    ignoring(today)
    found = applied.run("drift", "--json").json
    assert found["items"] == [] and {"being looked at"} == {item["reason"] for item in found["ignored"]}
    assert f"index public.{index}" in {item["name"] for item in found["ignored"]}
    repair = applied.run("drift", "--repair", code=2).out
    assert f"ignored until {today}: being looked at" in repair and "CREATE INDEX" not in repair
    ignoring(today - timedelta(days=1))
    late = applied.run("drift", code=2).out
    assert "ended on" in late and index in late
    applied.settings('drift: { ignore: [ { object: "x", until: 2027-01-01 } ] }')
    assert "reason" in applied.run("drift", code=1).err


def test_an_ignore_never_mutes_an_apply(applied: Fleet) -> None:
    applied.settings('drift: { ignore: [ { object: "*", reason: "everything", until: 2099-01-01 } ] }')
    applied.execute("UPDATE organizations SET display_name = 'hand' WHERE slug = 'a'")
    applied.run("drift")
    assert applied.operations() == ["update organization/a"]
    applied.apply()
    assert applied.rows("SELECT display_name FROM organizations WHERE slug = 'a'") == [("A",)]


def as_superuser(fleet: Fleet) -> None:
    """tenantplan's own role may create event triggers."""
    place = f"host={quote(str(fleet.server.socket_dir), safe='')}&port={fleet.server.port}"
    fleet.env["TENANTPLAN_MAIN_URL"] = f"postgresql://postgres@/postgres?{place}"


@pytest.fixture
def watched(fleet: Fleet) -> Fleet:
    as_superuser(fleet)
    fleet.settings("guard: { maxChangedPercent: 100 }")
    for name in ("a", "b"):
        fleet.organization(name, DEDICATED)
    fleet.apply()
    return fleet


def notes(fleet: Fleet, *arguments: str) -> dict[str, str]:
    return {
        n["address"].rsplit("_", 1)[-1]: n["message"] for n in fleet.plan(*arguments)["notes"] if n["rule"] == "changed"
    }


def test_the_sentinel_makes_a_plan_look_into_just_that_database(watched: Fleet) -> None:
    """The mark stands in the stamp, and what is found in the plan."""
    watched.converged()
    assert notes(watched) == {}
    watched.execute("ALTER TABLE donors ADD COLUMN hacked text", database=watched.database("b"))
    found = notes(watched)
    assert set(found) == {"b"} and "column public.donors.hacked" in found["b"]
    watched.run("drift", code=2)
    watched.execute("ALTER TABLE donors DROP COLUMN hacked", database=watched.database("b"))
    assert "matches its revision again" in notes(watched)["b"]
    watched.run("drift")
    watched.run("drift", "--repair", "--out", "plan.json", code=2)
    watched.run("apply", "plan.json")
    assert notes(watched) == {}


def test_the_sentinel_lets_others_and_migrations_pass(watched: Fleet) -> None:
    """Temporary tables, comments and tenantplan's own DDL are no change; two at once fail nobody."""
    tree = tenant_tree(watched)
    tree.add("aa01", "op.add_column('donors', sa.Column('nickname', sa.Text()))")
    watched.apply()
    database = watched.database("a")
    watched.execute("CREATE TEMP TABLE t (id int)", database=database)
    watched.execute("COMMENT ON TABLE donors IS 'x'", database=database)
    assert notes(watched) == {}
    with watched.connect(database) as first, watched.connect(database) as second:
        first.autocommit = second.autocommit = False
        first.execute("CREATE TABLE one (id int)")
        errors: list[psycopg.Error] = []

        def other() -> None:
            try:
                second.execute("CREATE TABLE two (id int)")
                second.commit()
            except psycopg.Error as error:
                errors.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join(timeout=5)
        assert not thread.is_alive() and errors == []  # though the first has not ended its transaction
        first.commit()
    assert "table public.one" in notes(watched)["a"] and "table public.two" in notes(watched)["a"]


def test_a_deep_plan_looks_into_every_database(applied: Fleet) -> None:
    """Without a sentinel too: also a stamp that lies."""
    damaged(applied)
    assert notes(applied) == {}
    assert set(notes(applied, "--refresh", "deep")) == {"a"}
    applied.execute("UPDATE alembic_version SET version_num = '3f2a7c10'", database=applied.database("b"))
    found = notes(applied, "--refresh", "deep")
    assert "is at revision 3f2a7c10, and its stamp says 9c1b04aa" in found["b"]
    applied.run("drift", "--repair", "--out", "plan.json", code=2)
    applied.run("apply", "plan.json")
    assert [o["action"] for o in applied.plan()["operations"]] == ["migrate"]  # the stamp says what is there
