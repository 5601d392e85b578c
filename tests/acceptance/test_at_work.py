"""What is said of an apply that goes on, while it goes on: it was not interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acceptance.harness import Fleet


@contextmanager
def stopped(fleet: Fleet, failpoint: str) -> Iterator[subprocess.Popen[str]]:
    """An apply that stands still at a failpoint, alive; it goes on afterwards."""
    process = fleet.start("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": f"{failpoint}:1:stop"})
    try:
        deadline = time.monotonic() + 60
        while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
    finally:
        os.kill(process.pid, signal.SIGCONT)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err


def test_a_plan_and_drift_name_the_run_that_is_at_work(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.apply()
    fleet.organization("beta")
    with stopped(fleet, "run-opened"):
        ((run, since),) = fleet.rows(
            "SELECT id::text, to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM tenantplan.runs"
            " WHERE status = 'running'"
        )
        plan = fleet.plan()
        assert plan["unfinished"] is None
        (note,) = [n for n in plan["notes"] if n["rule"] == "at-work"]
        assert note["address"] == f"run/{run}"
        assert note["message"].startswith(f"is running since {since} UTC, by ")
        for form in ("text", "markdown", "html"):
            shown = fleet.run("plan", "--format", form).out
            assert run in shown and since in shown and "interrupted" not in shown
        drift = fleet.run("drift", code=None).out
        assert f"Run {run} is running since {since} UTC" in drift and "was interrupted" not in drift
        assert fleet.run("drift", "--json", code=None).json["runAtWork"] == run
    plan = fleet.plan()
    assert (plan["operations"], plan["notes"], plan["unfinished"]) == ([], [], None)


def test_a_run_that_was_killed_was_interrupted(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.apply()
    fleet.organization("beta")
    fleet.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "run-opened:1:kill"})
    plan = fleet.plan()
    assert plan["unfinished"] and not plan["notes"]
    assert "was interrupted: apply completes it first" in fleet.run("plan").out
    fleet.apply()
    fleet.converged()


def test_the_first_apply_is_at_work_before_there_is_a_main_database(fleet: Fleet) -> None:
    fleet.organization("acme")
    with stopped(fleet, "bootstrap-created"):
        (note,) = [n for n in fleet.plan()["notes"] if n["rule"] == "at-work"]
        assert note["address"].startswith("run/") and "is running since 2" in note["message"]
    fleet.converged()
