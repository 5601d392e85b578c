"""The workflows keep credentials away from what a pull request brings."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
Workflow = dict[str | bool, Any]
Job = dict[str, Any]
SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"


def _load(name: str) -> Workflow:
    loaded: Workflow = yaml.safe_load((FOLDER / name).read_text())
    return loaded


def _triggers(workflow: Workflow) -> Any:
    return workflow[True]  # YAML 1.1 reads the key `on` as true


def _jobs() -> list[pytest.ParameterSet]:
    return [
        pytest.param(name, job, id=f"{file.stem}-{name}")
        for file in FILES
        for name, job in yaml.safe_load(file.read_text())["jobs"].items()
    ]


def _tool(name: str) -> str:
    found = Path(sys.executable).with_name(name)
    path = str(found) if found.exists() else shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def test_there_are_the_four() -> None:
    assert [file.name for file in FILES] == ["apply.yml", "ci.yml", "plan.yml", "validate.yml"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_action_is_pinned_by_commit_and_says_its_version(file: Path) -> None:
    uses = re.findall(r"uses:\s*(.+)", file.read_text())
    assert uses
    for use in uses:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use), use


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_is_permitted_by_default(file: Path) -> None:
    assert yaml.safe_load(file.read_text())["permissions"] == {}


def test_a_workflow_with_secrets_is_not_the_pull_requests_own() -> None:
    """The file of `pull_request` and of a push to another branch is what whoever opened it wrote."""
    triggers = {file.name: _triggers(yaml.safe_load(file.read_text())) for file in FILES}
    assert triggers["plan.yml"] == {"pull_request_target": {"branches": ["main"]}}
    assert triggers["apply.yml"] == {"push": {"branches": ["main"]}}
    assert triggers["validate.yml"] == {"pull_request": {"branches": ["main"]}}
    assert set(triggers["ci.yml"]) == {"pull_request", "push"}
    for name in ("validate.yml", "ci.yml"):
        text = (FOLDER / name).read_text()
        assert "secrets" not in text
        assert all("environment" not in job for job in _load(name)["jobs"].values())


def test_the_finding_is_ignored_at_that_line_only_and_says_why() -> None:
    ignored = [line for file in FILES for line in file.read_text().splitlines() if "zizmor: ignore" in line]
    assert len(ignored) == 1
    trigger, said = ignored[0].split("#", 1)
    assert trigger.strip() == "pull_request_target:"
    assert re.match(r" zizmor: ignore\[dangerous-triggers\] .{20}", said)


@pytest.mark.parametrize(("name", "job"), _jobs())
def test_nothing_is_kept_from_one_run_to_another(name: str, job: Job) -> None:
    """A cache that a run of a pull request filled would be read by one with secrets."""
    for step in job["steps"]:
        assert not step.get("uses", "").startswith("actions/cache")
        assert "cache" not in step.get("with", {})


@pytest.mark.parametrize(("name", "job"), _jobs())
def test_jobs_have_the_least_permissions_and_keep_no_token(name: str, job: Job) -> None:
    assert job["permissions"] == ({"pull-requests": "write"} if name == "comment" else {"contents": "read"})
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize(("name", "job"), _jobs())
def test_no_expression_becomes_part_of_a_script(name: str, job: Job) -> None:
    for step in job["steps"]:
        assert "${{" not in step.get("run", "")
        assert "${{" not in step.get("with", {}).get("script", "")


@pytest.mark.parametrize(("name", "job"), _jobs())
def test_secrets_are_in_protected_environments_only(name: str, job: Job) -> None:
    if "secrets." in yaml.safe_dump(job):
        assert name in {"plan", "apply"}
        assert job["environment"] in {"plan", "production"}


def test_credentials_meet_no_code_of_a_pull_request() -> None:
    jobs = _load("plan.yml")["jobs"]
    assert set(jobs) == {"plan", "comment"}
    assert jobs["plan"]["if"] == SAME_REPOSITORY
    base, pull_request, *steps = jobs["plan"]["steps"]
    assert base["with"] == {"ref": "${{ github.sha }}", "persist-credentials": False}
    merged = "refs/pull/${{ github.event.pull_request.number }}/merge"
    assert pull_request["with"] == {"ref": merged, "path": "pull-request", "persist-credentials": False}
    assert not [step for job in jobs.values() for step in job["steps"][2:] if "checkout" in step.get("uses", "")]
    assert not [step for step in jobs["comment"]["steps"] if "checkout" in step.get("uses", "")]
    names = [step.get("name") for step in steps]
    take = names.index("Take the tenants from the pull request")
    # Installed from the base before any file of the pull request has been put in its place, and never from its folder.
    assert names.index("Install the base branch's tenantplan") < take < names.index("Plan")
    assert all("pull-request" not in step.get("run", "") for step in steps if step is not steps[take])
    moved = re.findall(r"^cp .*", steps[take]["run"], re.M)
    assert moved == ["cp -R pull-request/tenants tenants"]
    assert "rm -rf pull-request" in steps[take]["run"]
    assert all("working-directory" not in step for step in steps)


def test_tenants_of_a_pull_request_may_hold_no_symbolic_link(tmp_path: Path) -> None:
    steps = _load("plan.yml")["jobs"]["plan"]["steps"]
    script = next(step["run"] for step in steps if step.get("name") == "Take the tenants from the pull request")
    for part in ("tenants", "migrations", ".github"):
        (tmp_path / part).mkdir()
        (tmp_path / "pull-request" / part).mkdir(parents=True)
    (tmp_path / "tenantplan.yaml").write_text("base")
    (tmp_path / "pull-request" / "tenantplan.yaml").write_text("changed")
    (tmp_path / "pull-request" / "tenants" / "a.yaml").write_text("new")

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True)

    link = tmp_path / "pull-request" / "tenants" / "b.yaml"
    link.symlink_to("/etc/passwd")
    assert run().returncode == 1
    link.unlink()
    done = run()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tenants" / "a.yaml").read_text() == "new"
    assert (tmp_path / "tenantplan.yaml").read_text() == "base"
    assert "tenantplan.yaml" in (tmp_path / "notes.md").read_text()
    assert not (tmp_path / "pull-request").exists()


@pytest.mark.parametrize(
    ("code", "status", "result"), [(0, 0, "planned"), (2, 0, "planned"), (3, 0, "blocked"), (1, 1, ""), (6, 6, "")]
)
def test_plan_step_reads_exit_codes_right(tmp_path: Path, code: int, status: int, result: str) -> None:
    steps = _load("plan.yml")["jobs"]["plan"]["steps"]
    script = next(step["run"] for step in steps if step.get("id") == "plan")
    done = _with_fake_tenantplan(tmp_path, script, f"echo '<!-- tenantplan:plan:demo -->'; exit {code}")
    assert done.returncode == status
    output = tmp_path / "output"
    assert (output.read_text().strip() if output.exists() else "") == (f"result={result}" if result else "")


@pytest.mark.parametrize(("code", "status", "applied"), [(0, 0, False), (2, 5, True), (3, 3, False), (1, 1, False)])
def test_apply_step_applies_only_when_there_are_changes(tmp_path: Path, code: int, status: int, applied: bool) -> None:
    script = _load("apply.yml")["jobs"]["apply"]["steps"][-1]["run"]
    fake = f'echo "$*" >>calls; case "$1" in plan) exit {code};; apply) exit 5;; esac'
    done = _with_fake_tenantplan(tmp_path, script, fake)
    assert done.returncode == status
    assert ("apply plan.json --auto-approve" in (tmp_path / "calls").read_text()) is applied


def test_without_a_url_nothing_is_planned_or_applied(tmp_path: Path) -> None:
    for script in (
        next(step["run"] for step in _load("plan.yml")["jobs"]["plan"]["steps"] if step.get("id") == "plan"),
        _load("apply.yml")["jobs"]["apply"]["steps"][-1]["run"],
    ):
        done = _with_fake_tenantplan(tmp_path, script, "touch called", url="")
        assert done.returncode == 1
        assert not (tmp_path / "called").exists()


def _with_fake_tenantplan(
    folder: Path, script: str, body: str, url: str = "postgresql://x"
) -> subprocess.CompletedProcess[str]:
    fake = folder / "tenantplan"
    fake.write_text(f"#!/bin/bash\n{body}\n")
    fake.chmod(0o755)
    env = {"PATH": f"{folder}:/usr/bin:/bin", "TENANTPLAN_MAIN_URL": url, "GITHUB_OUTPUT": str(folder / "output")}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=folder, env=env, capture_output=True, text=True
    )


def test_apply_runs_one_at_a_time_and_only_from_main() -> None:
    workflow = _load("apply.yml")
    assert workflow["concurrency"] == {"group": "tenantplan-apply", "cancel-in-progress": False}
    assert _triggers(workflow) == {"push": {"branches": ["main"]}}
    assert workflow["jobs"]["apply"]["environment"] == "production"


def test_ci_runs_what_a_developer_runs() -> None:
    steps = _load("ci.yml")["jobs"]["checks"]["steps"]
    assert steps[-1]["run"] == ".ci/run"
    assert "make lint test faults" in (ROOT / ".ci" / "run").read_text()


def test_zizmor_finds_nothing() -> None:
    done = subprocess.run([_tool("zizmor"), "--offline", ".github"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_workflows_fit_githubs_schema() -> None:
    command = [_tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *map(str, FILES)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
