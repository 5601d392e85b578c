"""Which server a fleet is on: chosen in its fleet file, and named wherever a person decides or reads."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.harness import ROOT, Fleet
from servers import TestServer

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def local(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet on the embedded server, applied, which is stopped at the end."""
    fleet = Fleet(tmp_path_factory.mktemp("embedded"), server)
    fleet.embed()
    fleet.organization("acme")
    fleet.apply()
    yield fleet
    fleet.run("dev", "down")


def test_an_empty_variable_is_an_error_that_names_it(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.env["TENANTPLAN_MAIN_URL"] = ""
    for command in ("plan", "apply --auto-approve", "status", "drift", "doctor", "db show acme", "dev up"):
        shown = fleet.run(*command.split(), code=1)
        assert command == "dev up" or "TENANTPLAN_MAIN_URL is empty" in shown.out + shown.err, command
        assert "main: { embedded: true }" in shown.out + shown.err, command
    assert not (fleet.root / ".tenantplan" / "postgres").exists()


def test_an_unset_variable_is_an_error_that_names_it(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.server_line = "url: { env: A_NAME_THAT_IS_NOT_SET }"
    fleet.settings()
    for command in ("plan", "apply --auto-approve"):
        err = fleet.run(*command.split(), code=1).err
        assert "A_NAME_THAT_IS_NOT_SET is not set" in err and "main: { embedded: true }" in err
    assert not (fleet.root / ".tenantplan" / "postgres").exists()


def test_a_server_beside_the_main_one_says_which_variable_is_empty(fleet: Fleet) -> None:
    fleet.settings("servers:\n  west: { url: { env: WEST_URL } }\n")
    fleet.organization("acme", "database: { mode: dedicated, server: west }")
    fleet.env["WEST_URL"] = ""
    (found,) = [f["message"] for f in fleet.plan()["unreachable"] if f["address"] == "server/west"]
    assert "WEST_URL is empty" in found


def test_the_fleet_file_chooses_one_of_the_two(fleet: Fleet) -> None:
    fleet.server_line = "embedded: true, url: { env: TENANTPLAN_MAIN_URL }"
    fleet.settings()
    err = fleet.run("validate", code=1).err
    assert "tenantplan.yaml:5" in err and "either `url` or `embedded: true`" in err


def test_a_url_in_the_environment_does_not_move_an_embedded_fleet(local: Fleet) -> None:
    assert local.env == {} and "EMBEDDED" in local.run("plan").out


def test_every_page_says_embedded(local: Fleet) -> None:
    place = f"{local.main_database} on the EMBEDDED server {local.root.resolve()}/.tenantplan/postgres:5432"
    assert place in local.run("plan").out
    assert "EMBEDDED server" in local.run("plan", "--format", "markdown").out
    assert "EMBEDDED server" in local.run("plan", "--format", "html").out
    target = local.plan()["target"]
    assert (target["embedded"], target["port"]) == (True, 5432)
    for command in ("status", "drift", "dev up", "doctor"):
        assert "EMBEDDED" in local.run(*command.split(), code=None).out, command


def test_every_page_says_host_and_port(fleet: Fleet) -> None:
    fleet.organization("acme")
    params = fleet.server.params()
    place = f"{fleet.main_database} on {params['host']}:{params['port']}"
    for form in ("text", "markdown", "html"):
        shown = fleet.run("plan", "--format", form).out
        assert place in shown and "EMBEDDED" not in shown, form
    target = fleet.plan()["target"]
    assert (target["host"], target["port"]) == (params["host"], int(params["port"]))
    fleet.run("plan", "--out", "plan.json")
    assert place in fleet.run("apply", "plan.json", "--auto-approve").err
    for command in ("status", "drift"):
        result = fleet.run(*command.split(), code=None)
        assert str(params["port"]) in result.out + result.err, command


def test_a_place_in_the_environment_is_named_as_it_is(fleet: Fleet) -> None:
    """libpq takes from PGHOST and PGPORT what the connection string leaves open."""
    fleet.organization("acme")
    params = fleet.server.params()
    env = {"PGHOST": params["host"], "PGPORT": str(params["port"]), "PGPASSWORD": params["password"]}
    url = f"postgresql://{params['user']}@/postgres"
    shown = fleet.run("plan", env={**env, "TENANTPLAN_MAIN_URL": url}).out
    assert f"{fleet.main_database} on {params['host']}:{params['port']}" in shown
    wrong = fleet.run("plan", code=1, env={**env, "PGPORT": "1", "TENANTPLAN_MAIN_URL": url}).err
    assert f"{params['host']}:1" in wrong


def test_the_digest_is_the_plans_whatever_route_it_was_made_by(fleet: Fleet) -> None:
    fleet.organization("acme")
    first = fleet.plan()
    host = fleet.server.params()["host"]
    other = "localhost" if host == "127.0.0.1" else "127.0.0.1"
    second = json.loads(
        fleet.run("plan", "--json", env={"TENANTPLAN_MAIN_URL": fleet.server.url().replace(host, other)}).out
    )
    assert first["target"]["host"] != second["target"]["host"]
    assert first["digest"] == second["digest"]


def test_the_question_names_the_place(fleet: Fleet) -> None:
    fleet.organization("acme")
    params = fleet.server.params()
    shown = _asked(fleet, "apply")
    assert f"Apply these changes to {fleet.main_database} on {params['host']}:{params['port']}?" in shown


def _asked(fleet: Fleet, *arguments: str) -> str:
    """What a command shows on a terminal, up to its question."""
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "tenantplan", *arguments],
        cwd=fleet.root, env=fleet.environment(), stdin=follower, stdout=follower, stderr=follower,
    )  # fmt: skip
    os.close(follower)
    shown = b""
    while b"Type yes to apply" not in shown and select.select([leader], [], [], 60)[0]:
        shown += os.read(leader, 4096)
    os.write(leader, b"no\n")
    while select.select([leader], [], [], 60)[0]:
        try:
            shown += os.read(leader, 4096)
        except OSError:  # the terminal's other side was closed
            break
    assert child.wait(60) == 1
    os.close(leader)
    return " ".join(shown.decode().split())


@pytest.mark.parametrize("command", ["plan", "apply --auto-approve"])
def test_ci_refuses_an_embedded_fleet(fleet: Fleet, command: str) -> None:
    fleet.embed()
    fleet.organization("acme")
    err = fleet.run(*command.split(), code=1, env={"CI": "true"}).err
    assert "EMBEDDED" in err and "--embedded" in err and "TENANTPLAN_MAIN_URL" in err
    assert not (fleet.root / ".tenantplan").exists()


def test_ci_takes_an_embedded_fleet_where_that_is_said(local: Fleet) -> None:
    for command in ("plan", "apply --auto-approve"):
        local.run(*command.split(), "--embedded", env={"CI": "true"})


def test_the_workflows_plan_and_apply_no_embedded_fleet(fleet: Fleet, tmp_path: Path) -> None:
    """The steps of the workflows as GitHub runs them, with the program itself."""
    import yaml

    fleet.embed()
    fleet.organization("acme")
    (tmp_path / "tenantplan").write_text(f'#!/bin/sh\nexec {sys.executable} -m tenantplan "$@"\n')
    (tmp_path / "tenantplan").chmod(0o755)
    env = {**fleet.environment(), "CI": "true", "PATH": f"{tmp_path}:{os.environ['PATH']}", "GITHUB_OUTPUT": "output"}
    for name, job in (("plan", "plan"), ("apply", "apply")):
        workflow = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
        script = [
            step["run"] for step in workflow["jobs"][job]["steps"] if "TENANTPLAN_MAIN_URL" in step.get("env", {})
        ]
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", *script], cwd=fleet.root, env=env, capture_output=True, text=True
        )
        assert done.returncode == 1 and "--embedded" in done.stderr, done.stdout + done.stderr
    assert not (fleet.root / ".tenantplan").exists()


def test_what_init_and_the_sample_begin_with_is_embedded(fleet: Fleet) -> None:
    from tenantplan.settings.settings import load

    (fleet.root / "tenantplan.yaml").unlink()
    fleet.run("init", "--name", fleet.name)
    for file in (fleet.root / "tenantplan.yaml", ROOT / "tenantplan.yaml"):
        assert load(file).embedded, file


def test_an_embedded_fleet_is_a_development_one(fleet: Fleet) -> None:
    from tenantplan.commands.demo.seed import is_development
    from tenantplan.settings.settings import load

    assert not is_development(load(fleet.root / "tenantplan.yaml"))
    fleet.embed()
    assert is_development(load(fleet.root / "tenantplan.yaml"))
