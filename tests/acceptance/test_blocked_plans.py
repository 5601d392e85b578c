"""A plan that apply refuses exits with 3, however it is shown, and the workflow's steps make that a red check."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from acceptance.harness import ROOT, Fleet
from servers import TestServer

pytestmark = pytest.mark.once
FORMS = ((), ("--format", "text"), ("--format", "json"), ("--format", "markdown"), ("--format", "html"), ("--json",))
WORKFLOWS = (ROOT / ".github" / "workflows", ROOT / "src" / "tenantplan" / "cli" / "templates")


@pytest.fixture(scope="module")
def blocked(tmp_path_factory: pytest.TempPathFactory, server: TestServer) -> Fleet:
    """A deletion of what is protected, and a change beside it."""
    fleet = Fleet(tmp_path_factory.mktemp("blocked") / "fleet", server)
    fleet.organization("acme")
    fleet.organization("msf")
    fleet.apply()
    fleet.organization("acme", "featureFlags: { A: true }")
    fleet.organization("msf", "state: deleted")
    return fleet


@pytest.mark.parametrize("form", FORMS, ids=" ".join)
def test_a_blocked_plan_exits_with_3_in_every_format(blocked: Fleet, form: tuple[str, ...]) -> None:
    for more in ((), ("--detailed-exitcode",), ("--refresh", "deep"), ("--out", "plan.json")):
        shown = blocked.run("plan", *form, *more, code=3)
        assert "protected" in shown.out
    assert (blocked.root / "plan.json").exists()


def test_what_the_brake_on_deletions_holds_is_blocked_too(fleet: Fleet) -> None:
    fleet.organization("msf", "protect: false")
    fleet.apply()
    fleet.organization("msf", "protect: false\nstate: deleted")
    fleet.run("plan", code=3)
    fleet.run("plan", "--detailed-exitcode", code=3)
    fleet.settings("guard: { maxDeletes: 1 }")
    fleet.run("plan", code=0)
    fleet.run("plan", "--detailed-exitcode", code=2)


def steps(folder: Path, name: str, job: str) -> dict[str, str]:
    """The shell steps of a workflow's job, by the name of each."""
    found = yaml.safe_load((folder / name).read_text())["jobs"][job]["steps"]
    return {step["name"]: step["run"] for step in found if "run" in step}


def shell(fleet: Fleet, script: str) -> subprocess.CompletedProcess[str]:
    """What GitHub's runner does with a step, with the real tenantplan on the path."""
    programs = fleet.root / "programs"
    programs.mkdir(exist_ok=True)
    program = programs / "tenantplan"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tenantplan "$@"\n')
    program.chmod(0o755)
    env = {**fleet.environment(), "PYTHONPATH": str(ROOT / "src"), "PATH": f"{programs}:{os.defpath}"}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=fleet.root,
        env={**env, "GITHUB_OUTPUT": str(fleet.root / "output")},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("folder", WORKFLOWS, ids=("repository", "init"))
def test_the_pull_request_of_a_blocked_plan_gets_a_comment_and_a_red_check(blocked: Fleet, folder: Path) -> None:
    output = blocked.root / "output"
    output.unlink(missing_ok=True)
    planned = shell(blocked, steps(folder, "plan.yml", "plan")["Plan"])
    assert planned.returncode == 0, planned.stderr  # the comment job comes after it
    assert output.read_text() == "result=blocked\n"
    comment = (blocked.root / "plan.md").read_text()
    assert comment.startswith("<!-- tenantplan:plan:") and "is protected" in comment
    verdict = shell(blocked, steps(folder, "plan.yml", "comment")["A blocked plan cannot be applied"])
    assert verdict.returncode == 3
    assert verdict.stdout.startswith("::error::the plan is blocked")


@pytest.mark.parametrize("folder", WORKFLOWS, ids=("repository", "init"))
def test_the_workflow_applies_nothing_of_a_blocked_plan(blocked: Fleet, folder: Path) -> None:
    done = shell(blocked, steps(folder, "apply.yml", "apply")["Plan and apply"])
    assert done.returncode == 3
    assert "Applied" not in done.stdout
    assert blocked.rows("SELECT count(*) FROM organizations WHERE feature_flags <> '{}'") == [(0,)]
