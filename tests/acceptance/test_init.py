"""`init`: a repository in an empty folder that plans, applies and converges at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from acceptance.harness import ROOT, Fleet

pytestmark = pytest.mark.once


@pytest.fixture
def empty(fleet: Fleet) -> Fleet:
    """A fleet whose folder is empty."""
    (fleet.root / "tenantplan.yaml").unlink()
    return fleet


def _tool(name: str) -> str:
    found = Path(sys.executable).with_name(name)
    path = str(found) if found.exists() else shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def test_it_plans_applies_and_converges(empty: Fleet) -> None:
    (empty.root / ".git").mkdir()
    said = empty.run("init", "--name", empty.name).out
    assert "tenantplan plan" in said
    file = empty.root / "tenantplan.yaml"
    text = file.read_text()
    for before, after in (("tenantplan_main", empty.main_database), ("tenantplan_org_", f"o{empty.id}_")):
        assert before in text
        text = text.replace(before, after)
    file.write_text(text)
    empty.run("validate")
    created = [o["address"] for o in empty.plan()["operations"] if o["action"] == "create"]
    assert {"organization/acme", "organization/globex", "user/anna@acme.example", "tier/standard"} <= set(created)
    empty.apply()
    empty.converged()
    modes = {o["name"]: o["mode"] for o in empty.run("status", "--json").json["organizations"]}
    assert modes == {"acme": "shared", "globex": "dedicated"}


def test_a_new_folder_gets_its_name_and_files_that_check(empty: Fleet) -> None:
    said = empty.run("init", "My Fleet_2").out
    made = empty.root / "My Fleet_2"
    assert "cd My Fleet_2" in said
    assert "metadata: { name: my-fleet-2 }" in (made / "tenantplan.yaml").read_text()
    assert (made / ".gitignore").read_text().splitlines()[1] == ".tenantplan/"
    empty.run("--fleet", str(made), "validate")
    empty.run("schema", "export", "--check", "--out", str(made / "schemas"))
    tree = ROOT / "migrations" / "tenant"
    for file in [*tree.glob("*.py"), *tree.glob("versions/*.py")]:
        assert (made / "migrations" / "tenant" / file.relative_to(tree)).read_text() == file.read_text()
    schema = made / "schemas" / "tenantplan.schema.json"
    documents = [str(made / "tenantplan.yaml")]
    subprocess.run(
        [_tool("check-jsonschema"), "--schemafile", str(schema), *documents], check=True, capture_output=True
    )


def test_an_occupied_folder_is_refused_whole(empty: Fleet) -> None:
    (empty.root / ".git").mkdir()
    for number in range(7):
        empty.write(f"file-{number}", "mine")
    err = empty.run("init", code=1).err
    assert "file-0, file-1, file-2, file-3, file-4 and 2 more" in err
    assert sorted(p.name for p in empty.root.iterdir()) == [".git", *(f"file-{n}" for n in range(7))]
    empty.write("target", "a file, no folder")
    assert empty.run("init", "target", code=1).err
    assert "cannot be written" in empty.run("init", "file-0/below", code=1).err


@pytest.mark.parametrize("name", ["UPPER", "a_b", "-x", "a\n", "x" * 64, ""])
def test_a_bad_name_is_refused_before_anything_is_made(empty: Fleet, name: str) -> None:
    assert "cannot be the fleet's name" in empty.run("init", "new", "--name", name, code=1).err
    assert not (empty.root / "new").exists()


@pytest.mark.parametrize("name", ["validate.yml", "plan.yml", "apply.yml"])
def test_the_workflows_are_this_repositorys_but_for_the_installation(name: str) -> None:
    """What is tested of ours (tests/unit/test_workflows.py) holds for what users get."""
    ours = (ROOT / ".github" / "workflows" / name).read_text()
    theirs = (ROOT / "src" / "tenantplan" / "cli" / "templates" / name).read_text()
    assert _without_pip(ours) == _without_pip(theirs)
    installs = [line.split() for line in theirs.splitlines() if "pip install" in line]
    assert installs == [["python", "-m", "pip", "install", "--quiet", "-r", "requirements.txt"]] * len(installs)
    assert len(installs) == theirs.count("setup-python@")


def _without_pip(workflow: str) -> list[str]:
    return [line for line in workflow.splitlines() if "pip install" not in line]


def test_zizmor_finds_nothing_in_the_workflows(empty: Fleet) -> None:
    empty.run("init")
    done = subprocess.run([_tool("zizmor"), "--offline", ".github"], cwd=empty.root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    files = sorted((empty.root / ".github" / "workflows").glob("*.yml"))
    command = [_tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *map(str, files)]
    assert len(files) == 3
    subprocess.run(command, check=True, capture_output=True)
