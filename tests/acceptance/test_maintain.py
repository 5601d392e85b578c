"""`maintain`: VACUUM and ANALYZE of every database, none of them in another's way."""

from __future__ import annotations

import threading
import time

import pytest
from acceptance.harness import Fleet
from acceptance.test_budget import Watch

DEDICATED = "database: { mode: dedicated }"
BROKEN = "CREATE OR REPLACE FUNCTION {0} RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN {1} RETURN 1; END $$"


@pytest.fixture
def running(fleet: Fleet) -> Fleet:
    fleet.organization("acme")
    fleet.organization("msf", DEDICATED)
    fleet.organization("wwf", DEDICATED)
    fleet.apply()
    return fleet


def counts(fleet: Fleet, database: str, column: str = "analyze_count") -> dict[str, int]:
    fleet.rows("SELECT pg_stat_clear_snapshot()", database=database)
    found = fleet.rows(f"SELECT relname, {column} FROM pg_stat_user_tables", database=database)
    return dict(found)


def settled(fleet: Fleet, database: str, column: str = "analyze_count") -> dict[str, int]:
    """The counts once the sessions that made them have ended, which is when the server has them."""
    deadline = time.monotonic() + 10
    while 0 in (found := counts(fleet, database, column)).values() and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def test_analyze_in_every_database(running: Fleet) -> None:
    result = running.run("maintain")
    for database in (running.main_database, running.database("msf"), running.database("wwf")):
        assert set(settled(running, database).values()) == {1}
        assert set(counts(running, database, "vacuum_count").values()) == {0}
        (line,) = [line for line in result.out.splitlines() if f"primary/{database} " in line]
        assert "ANALYZE of" in line and " s" in line
    assert result.err == ""


@pytest.mark.parametrize(("flags", "analyzed"), [(["--vacuum"], 0), (["--vacuum", "--analyze"], 1)])
def test_vacuum_of_one_organization(running: Fleet, flags: list[str], analyzed: int) -> None:
    running.run("maintain", *flags, "--target", "msf")
    assert set(settled(running, running.database("msf"), "vacuum_count").values()) == {1}
    assert set(counts(running, running.database("msf")).values()) == {analyzed}
    for other in (running.main_database, running.database("wwf")):
        assert set(counts(running, other, "vacuum_count").values()) == {0}


def test_full_gives_space_back(running: Fleet) -> None:
    database = running.database("msf")
    insert = "INSERT INTO donors (email) SELECT n || repeat('x', 200) || '@x.example' FROM generate_series(1, 5000) n"
    running.execute(insert, database=database)
    running.execute("DELETE FROM donors WHERE email NOT LIKE '1x%'", database=database)
    size = "SELECT pg_total_relation_size('donors')"
    before = running.rows(size, database=database)[0][0]
    result = running.run("maintain", "--full", "--target", "msf")
    assert "VACUUM (FULL, ANALYZE) of" in result.out
    assert running.rows(size, database=database)[0][0] * 10 < before
    assert running.rows("SELECT reltuples::int FROM pg_class WHERE relname = 'donors'", database=database) == [(1,)]


def test_statistics_that_look_wrong(running: Fleet) -> None:
    """A table of many rows that nobody analyzed, one that has changed since, and one full of dead rows; then none of them."""
    msf, wwf = running.database("msf"), running.database("wwf")
    off = "ALTER TABLE donors SET (autovacuum_enabled = off)"
    insert = "INSERT INTO donors (email) SELECT n || '@x.example' FROM generate_series(1, 1000) n"
    for database, statements in {
        msf: [off, insert],
        wwf: [off, insert, "ANALYZE donors", "DELETE FROM donors"],
    }.items():
        for statement in statements:
            running.execute(statement, database=database)

    def found() -> dict[str, str]:
        rows = running.run("report", "stale-statistics", "--json").json
        return {row["holder"]: row["why"] for row in rows if row["table"] == "donors"}

    deadline = time.monotonic() + 15  # the counts come when the sessions have ended
    while len(known := found()) < 2 or "dead" not in known.get("organization/wwf", ""):
        assert time.monotonic() < deadline, known
        time.sleep(0.1)
    assert known["organization/msf"].startswith("never analyzed")
    assert "changed a lot" in known["organization/wwf"] and "row count far off" in known["organization/wwf"]
    running.run("maintain", "--vacuum", "--analyze")
    deadline = time.monotonic() + 15
    while found() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found() == {}


def test_a_target_in_shared_mode_and_one_that_is_unknown(running: Fleet) -> None:
    assert running.main_database in running.run("maintain", "--target", "acme", "--target", "acme").out
    assert set(counts(running, running.database("msf")).values()) == {0}
    assert "did you mean `msf`" in running.run("maintain", "--target", "mfs", code=1).err


def test_a_table_that_fails_does_not_stop_the_others(running: Fleet) -> None:
    database = running.database("msf")
    with running.server.connect(dbname=database) as connection:
        connection.execute(BROKEN.format("public.f(int)", "").encode())
        connection.execute("CREATE TABLE public.aaa AS SELECT 1 AS a")
        connection.execute("CREATE INDEX ON public.aaa (public.f(a))")
        connection.execute(BROKEN.format("public.f(int)", "RAISE EXCEPTION E'no\\x1b[2J';").encode())
    result = running.run("maintain", code=5)
    assert "public.aaa: P0001 no\\x1b[2J" in result.err
    assert "not completely: 1 of 3." in result.err
    done = settled(running, running.database("wwf"))
    assert set(done.values()) == {1}
    assert {k: v for k, v in counts(running, database).items() if v == 0} == {"aaa": 0}


def test_tables_of_other_roles_and_databases_of_others_are_left_alone(running: Fleet) -> None:
    """What an expression index runs there is somebody else's code."""
    foreign = f"o{running.id}_foreign"
    running.execute(f"CREATE DATABASE {foreign} OWNER tp_admin", database="postgres")
    try:
        with running.server.connect(dbname=foreign) as connection:
            connection.execute("CREATE TABLE theirs AS SELECT 1 AS a")
        database = running.database("msf")
        running.execute(BROKEN.format("public.g(int)", ""), database=database)
        running.execute("CREATE TABLE public.theirs AS SELECT 1 AS a", database=database)
        running.execute("CREATE INDEX ON public.theirs (public.g(a))", database=database)
        running.execute(BROKEN.format("public.g(int)", "RAISE EXCEPTION 'it ran';"), database=database)
        result = running.run("maintain", "--vacuum", "--analyze")
        assert "1 table of other roles left alone" in result.out
        assert "it ran" not in result.err
        assert foreign not in result.out
        assert counts(running, foreign) == {"theirs": 0}
    finally:
        running.execute(f"DROP DATABASE {foreign} WITH (FORCE)", database="postgres")


@pytest.mark.once
def test_a_lock_is_waited_for_and_not_for_ever(running: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    from tenantplan.commands.upkeep import maintenance

    def holding(seconds: float) -> threading.Timer:
        holder = running.connect(running.database("msf"))
        holder.autocommit = False
        holder.execute("LOCK TABLE public.donors IN ACCESS EXCLUSIVE MODE")
        timer = threading.Timer(seconds, holder.close)
        timer.start()
        return timer

    timer = holding(1.0)
    assert "had to wait for public.donors" in running.run("maintain").err
    timer.join()
    monkeypatch.setattr(maintenance, "PATIENCE", "300ms")
    timer = holding(4.0)
    assert "public.donors: still locked after 300ms" in running.run("maintain", code=5).err
    timer.join()


def test_an_apply_at_work_is_said(running: Fleet) -> None:
    from tenantplan.postgres.lock import KEY

    with running.server.connect(dbname=running.main_database) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [KEY])
        result = running.run("maintain", "--target", "msf")
    assert "An apply is running" in result.err


def test_what_cannot_be_reached_is_named_and_the_budget_is_kept(fleet: Fleet) -> None:
    fleet.settings("maxConnections: 3\nservers: { primary: { maxConnections: 3 } }")
    for number in range(6):
        fleet.organization(f"org-{number}", DEDICATED)
    assert "nothing has been applied yet" in fleet.run("maintain", code=1).err
    fleet.apply()
    fleet.execute(f"ALTER DATABASE {fleet.database('org-3')} ALLOW_CONNECTIONS false", database="postgres")
    watch = Watch(fleet)
    watch.start()
    result = fleet.run("maintain", "--vacuum", code=5)
    watch.done.set()
    watch.join()
    assert 2 <= watch.most <= 3
    assert fleet.database("org-3") in result.err
    assert "not completely: 1 of 7." in result.err
    assert result.out.count("VACUUM of") == 6
