"""How a migration goes through a fleet: checked first, in steps, stopped, taken back."""

from __future__ import annotations

import textwrap
import time

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree

pytestmark = pytest.mark.once

DEDICATED = "database: { mode: dedicated }"
ADD = "op.add_column('donors', sa.Column('nickname', sa.Text()))"
DROP = "op.drop_column('donors', 'nickname')"
UNIQUE = "op.create_unique_constraint('donors_phone_key', 'donors', ['phone'])"
TWICE = "INSERT INTO donors (phone) VALUES ('1'), ('1')"


def a_fleet(fleet: Fleet, *names: str, rollout: str = "") -> TenantTree:
    """Applied: each organization in a database of its own."""
    tree = tenant_tree(fleet)
    fleet.settings(f"guard: {{ maxChangedPercent: 100 }}\nrollout: {{ {rollout} }}", migrations="migrations/tenant")
    for name in names:
        fleet.organization(name, DEDICATED)
    fleet.apply()
    return tree


def revisions(fleet: Fleet, *names: str) -> list[str]:
    found = "SELECT version_num::text FROM alembic_version"
    return [fleet.rows(found, database=fleet.database(name))[0][0] for name in names]


def shared_revision(fleet: Fleet) -> str:
    return str(fleet.rows("SELECT version_num FROM alembic_version_tenant")[0][0])


def columns(fleet: Fleet, name: str) -> set[str]:
    found = (
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'donors'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    return {row[0] for row in fleet.rows(found, database=fleet.database(name))}


def test_a_preflight_blocks_the_rollout_with_everybody_who_would_fail(fleet: Fleet) -> None:
    """Asked of every database before the first DDL of any, in dedicated and in shared mode."""
    names = [f"org-{number}" for number in range(4)]
    fleet.organization("shared")
    tree = a_fleet(fleet, *names)
    before = tree.head
    for name in ("org-1", "org-3"):
        fleet.execute(TWICE, database=fleet.database(name))
    organization = fleet.rows("SELECT id FROM organizations WHERE slug = 'shared'")[0][0]
    fleet.execute(
        f"INSERT INTO donors (organization_id, phone) VALUES ('{organization}', '1'), ('{organization}', '1')"
    )
    path = tree.add("aa01", ADD)
    path.write_text(
        path.read_text()
        + "\n\npreflight = ('SELECT phone FROM donors WHERE phone IS NOT NULL GROUP BY phone HAVING count(*) > 1',)\n"
    )
    error = fleet.apply(code=3).err
    assert "organization/org-1: the preflight of revision aa01 returns rows: SELECT phone" in error
    assert "organization/org-3:" in error and "organization/shared (shared):" in error
    assert "org-0" not in error and "org-2" not in error and "3 places" in error
    assert set(revisions(fleet, *names)) == {before} == {shared_revision(fleet)}
    assert fleet.rows("SELECT count(*) FROM tenantplan.runs WHERE status = 'running'") == [(0,)]
    for name in ("org-1", "org-3"):
        fleet.execute("DELETE FROM donors", database=fleet.database(name))
    fleet.execute("DELETE FROM donors")
    fleet.apply()
    assert set(revisions(fleet, *names)) == {"aa01"}
    fleet.converged()


def test_a_preflight_of_a_later_revision_is_asked_when_it_can_be(fleet: Fleet) -> None:
    """What the first revision of a path makes, the second one's query may be about."""
    tree = a_fleet(fleet, "msf")
    fleet.execute("INSERT INTO donors (phone) VALUES ('x')", database=fleet.database("msf"))
    tree.add("aa01", f"{ADD}\nop.execute('UPDATE donors SET nickname = phone')")
    path = tree.add("aa02", "op.execute('ALTER TABLE donors ALTER nickname SET NOT NULL')")
    path.write_text(path.read_text() + "\n\npreflight = 'SELECT FROM donors WHERE nickname = $$x$$'\n")
    report = fleet.run("apply", "--auto-approve", "--json", code=5).json
    (failed,) = [o for o in report["operations"] if o["status"] == "failed"]
    assert "preflight of revision aa02 found rows" in failed["error"]
    assert fleet.database("msf") in failed["address"] and "nickname" not in columns(fleet, "msf")


def test_a_failed_rollout_is_taken_back_everywhere(fleet: Fleet) -> None:
    """All-old or all-new."""
    names = [f"org-{number}" for number in range(6)]
    tree = a_fleet(fleet, *names, rollout="parallelism: 1, onFailure: rollback")
    before = tree.head
    fleet.execute(TWICE, database=fleet.database("org-3"))
    path = tree.add("aa01", f"{ADD}\n{UNIQUE}", back=f"op.drop_constraint('donors_phone_key', 'donors')\n{DROP}")
    result = fleet.apply(code=5)
    assert "23505" in result.out and "Rolled back: 4 databases" in result.out  # three, and the shared tables
    assert set(revisions(fleet, *names)) == {before} == {shared_revision(fleet)}
    assert not any("nickname" in columns(fleet, name) for name in names)
    fleet.run("drift")
    assert fleet.rows("SELECT revision FROM tenantplan.revisions WHERE revision = 'aa01'") == []
    fleet.run("audit", "verify")
    path.write_text(
        path.read_text().replace(UNIQUE, "pass").replace("op.drop_constraint('donors_phone_key', 'donors')", "")
    )
    fleet.apply()
    assert set(revisions(fleet, *names)) == {"aa01"}
    fleet.converged()


@pytest.mark.parametrize("point", ["rollback-journaled", "tenant-committed:5", "committed:4"])
def test_a_rollback_that_is_killed_is_finished_by_the_next_run(fleet: Fleet, point: str) -> None:
    """Killed before the first downgrade, after one, and after its record: the next run ends all-old, too."""
    names = [f"org-{number}" for number in range(4)]
    tree = a_fleet(fleet, *names, rollout="parallelism: 1, onFailure: rollback")
    before = tree.head
    fleet.execute(TWICE, database=fleet.database("org-3"))
    tree.add("aa01", f"{ADD}\n{UNIQUE}", back=f"op.drop_constraint('donors_phone_key', 'donors')\n{DROP}")
    fleet.run("plan", "--out", "plan.json")
    assert fleet.process("apply", "plan.json", env={"TENANTPLAN_FAILPOINT": point}).code == -9
    assert "aa01" in [*revisions(fleet, *names), shared_revision(fleet)]
    fleet.apply(code=5)
    assert set(revisions(fleet, *names)) == {before} == {shared_revision(fleet)}
    fleet.run("drift")
    fleet.run("audit", "verify")


def test_the_same_plan_file_goes_again_after_it_was_taken_back(fleet: Fleet) -> None:
    """What was taken back does not count as done."""
    tree = a_fleet(fleet, "a", "b", "c", rollout="parallelism: 1, onFailure: rollback")
    fleet.execute(TWICE, database=fleet.database("b"))
    tree.add("aa01", UNIQUE, back="op.drop_constraint('donors_phone_key', 'donors')")
    fleet.run("plan", "--out", "plan.json")
    fleet.run("apply", "plan.json", code=5)
    fleet.execute("DELETE FROM donors", database=fleet.database("b"))
    fleet.run("apply", "plan.json")
    assert set(revisions(fleet, "a", "b", "c")) == {"aa01"}
    fleet.converged()


def test_a_rollback_without_a_way_back_is_a_blocker(fleet: Fleet) -> None:
    """Said by the plan, not after the failure."""
    tree = a_fleet(fleet, "msf", rollout="onFailure: rollback")
    tree.add("aa01", ADD)
    blockers = fleet.plan()["blockers"]
    assert any("has no way back" in b["message"] for b in blockers)
    fleet.apply(code=3)


def test_going_on_after_failures(fleet: Fleet) -> None:
    """Everybody is tried, whatever maxFailures says."""
    names = [f"org-{number}" for number in range(5)]
    tree = a_fleet(fleet, *names, rollout="parallelism: 1, onFailure: continue, batch: 2")
    for name in ("org-0", "org-2"):
        fleet.execute(TWICE, database=fleet.database(name))
    tree.add("aa01", UNIQUE)
    fleet.apply(code=5)
    assert revisions(fleet, "org-1", "org-3", "org-4") == ["aa01"] * 3
    assert "aa01" not in revisions(fleet, "org-0", "org-2")


def test_a_wave_is_looked_after_before_the_next(fleet: Fleet) -> None:
    """A pause, and a query that must find nothing in what the wave changed."""
    spec = "parallelism: 2, batch: 1, pauseSeconds: 1, health: \"SELECT FROM donors WHERE nickname = 'bad'\""
    tree = a_fleet(fleet, "a", "b", "c", rollout=spec)
    before = tree.head
    tree.add("aa01", f"{ADD}\nop.execute(\"UPDATE donors SET nickname = coalesce(phone, 'fine')\")")
    fleet.execute("INSERT INTO donors (phone) VALUES ('bad')", database=fleet.database("b"))
    started = time.monotonic()
    result = fleet.apply(code=5)
    assert time.monotonic() - started > 2  # what all share, a, b
    assert f"the health query returns rows in database {fleet.database('b')}" in result.out
    assert revisions(fleet, "a", "b", "c") == ["aa01", "aa01", before]
    fleet.execute("DELETE FROM donors", database=fleet.database("b"))
    fleet.apply()
    assert revisions(fleet, "c") == ["aa01"]
    fleet.converged()


BLOCK = "with op.get_context().autocommit_block():\n"


def in_block(*lines: str) -> str:
    return BLOCK + textwrap.indent("\n".join(lines), "    ")


def test_a_failed_concurrent_index_is_never_passed_by(fleet: Fleet) -> None:
    """The database is marked, and left alone until the INVALID index is gone."""
    tree = a_fleet(fleet, "fine", "twice", rollout="parallelism: 1, onFailure: continue")
    fleet.execute(TWICE, database=fleet.database("twice"))
    index = in_block(
        "op.create_index('donors_phone', 'donors', ['phone'], unique=True, postgresql_concurrently=True, if_not_exists=True)"
    )
    tree.add("aa01", f"{ADD}\n{index}\nop.execute('UPDATE donors SET nickname = phone')")
    before = revisions(fleet, "twice")
    first = fleet.apply(code=5)
    assert "23505" in first.out and "INVALID" in first.out and "DROP INDEX CONCURRENTLY" in first.out
    assert revisions(fleet, "fine") == ["aa01"]
    assert revisions(fleet, "twice") == before and "nickname" in columns(fleet, "twice")
    blocker = next(b for b in fleet.plan()["unreachable"] if fleet.database("twice") in b["address"])
    assert "INVALID" in blocker["message"] and "donors_phone" in blocker["message"]
    fleet.execute("DELETE FROM donors", database=fleet.database("twice"))
    assert "INVALID" in fleet.apply(code=5).out  # the data are mended, the index is not
    assert revisions(fleet, "twice") == before
    fleet.execute("DROP INDEX donors_phone", database=fleet.database("twice"))
    fleet.apply("--allow-destructive", "1")
    assert revisions(fleet, "twice") == ["aa01"]
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'donors_phone'::regclass"
    assert fleet.rows(valid, database=fleet.database("twice")) == [(True,)]
    fleet.converged()
    fleet.run("drift")


@pytest.mark.slow
@pytest.mark.parametrize("point", ["outside-begun", "outside-done", "step-committed:2"])
def test_killed_around_a_statement_outside_a_transaction(fleet: Fleet, point: str) -> None:
    """Fault 9, 2: the next run knows from the mark where this one stood."""
    tree = a_fleet(fleet, "msf")
    steps = in_block(
        "op.create_index('donors_phone', 'donors', ['phone'], postgresql_concurrently=True)",
        "op.drop_index('donors_phone', postgresql_concurrently=True)",
        "op.create_index('donors_nick', 'donors', ['nickname'], postgresql_concurrently=True)",
    )
    last = "if not op.get_context().opts['shared']:\n    op.execute(\"INSERT INTO donors (nickname) VALUES ('once')\")"
    tree.add("aa01", f"{ADD}\n{steps}\n{last}")
    for count in range(1, 40):
        name, _, times = point.partition(":")
        env = {"TENANTPLAN_FAILPOINT": f"{name}:{times or count}"}
        if fleet.process("apply", "--auto-approve", env=env).code >= 0:
            break
    fleet.apply()
    assert revisions(fleet, "msf") == ["aa01"]
    assert fleet.rows("SELECT nickname FROM donors", database=fleet.database("msf")) == [("once",)]
    assert "donors_nick" in str(
        fleet.rows("SELECT relname FROM pg_class WHERE relkind = 'i'", database=fleet.database("msf"))
    )
    fleet.converged()
    fleet.run("drift")


def test_a_revision_that_looks_at_the_database_is_run_by_alembic(fleet: Fleet) -> None:
    """Issue 4: in dedicated databases, in the shared tables, and in new databases."""
    fleet.organization("shared")
    tree = a_fleet(fleet, "a", "b")
    fleet.execute("INSERT INTO donors (phone) VALUES ('1'), ('2')", database=fleet.database("a"))
    tree.add("aa01", ADD)
    tree.add(
        "aa02",
        """
        bind = op.get_bind()
        for (phone,) in bind.execute(sa.text("SELECT phone FROM donors")).fetchall():
            bind.execute(sa.text("UPDATE donors SET nickname = :n WHERE phone = :p"), {"n": f"nick {phone}", "p": phone})
        assert "donors" in sa.inspect(bind).get_table_names()
        """,
    )
    tree.add("aa03", "op.create_index('donors_nickname', 'donors', ['nickname'])")
    fleet.organization("new", DEDICATED)
    (step,) = [o for o in fleet.plan()["operations"] if o["address"] == f"schema/primary/{fleet.database('a')}"]
    assert [s["kind"] for s in step["steps"]] == ["transaction", "program", "transaction"]
    assert "Alembic itself runs upgrade() of aa02.py" in fleet.run("plan", "--verbose").out
    fleet.apply()
    found = fleet.rows("SELECT phone, nickname FROM donors ORDER BY 1", database=fleet.database("a"))
    assert found == [("1", "nick 1"), ("2", "nick 2")]
    assert revisions(fleet, "a", "b", "new") == ["aa03"] * 3 and shared_revision(fleet) == "aa03"
    fleet.converged()
    fleet.run("drift")


def test_a_program_that_fails_leaves_its_database_as_it_was(fleet: Fleet) -> None:
    tree = a_fleet(fleet, "a", "b", rollout="onFailure: continue")
    fleet.execute("INSERT INTO donors (phone) VALUES ('secret-7')", database=fleet.database("a"))
    tree.add(
        "aa01",
        f"{ADD}\nif op.get_bind().execute(sa.text('SELECT phone FROM donors')).fetchall():\n    raise SystemExit(3)",
    )
    report = fleet.run("apply", "--auto-approve", "--json", code=5).json
    (failed,) = [o for o in report["operations"] if o["status"] == "failed"]
    assert fleet.database("a") in failed["address"] and "SystemExit: 3" in failed["error"]
    assert "secret-7" not in str(report)
    assert "nickname" not in columns(fleet, "a") and revisions(fleet, "b") == ["aa01"]
