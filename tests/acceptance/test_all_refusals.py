"""A tree of which several revisions cannot be used: every command that needs it names all of them."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree

pytestmark = pytest.mark.once


def test_validate_plan_and_lint_name_all(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.organization("irc", "database: { mode: dedicated }")
    fleet.apply()
    for name in ("bad01", "bad02", "bad03"):
        tree.add(name, f"raise ValueError('cannot do {name}')")
    for command in (("validate",), ("migrations", "lint", "--all"), ("migrations", "sql")):
        said = fleet.run(*command, code=1).err
        if command[-1] != "sql":
            assert all(f"{name}.py:11: cannot be compiled" in said for name in ("bad01", "bad02", "bad03")), said
    found = fleet.run("validate", "--json", code=1).json["errors"]
    assert [(e["code"], e["file"].split("/")[-1], e["line"]) for e in found] == [
        ("migration", f"{name}.py", 11) for name in ("bad01", "bad02", "bad03")
    ]
    blockers = fleet.run("plan", "--json", code=3).json["blockers"]
    assert len(blockers) == len({(b["address"], b["message"]) for b in blockers})
    for name in ("bad01", "bad02", "bad03"):
        assert any(f"cannot do {name}" in b["message"] for b in blockers)
    assert any(b["message"] == "and 2 more, as for schema/primary/" + fleet.database("irc") for b in blockers)


def test_validate_notes_what_of_env_py_is_not_run(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    (tree.folder / "env.py").write_text("def run(connection):\n    connection.execute(text('SET lock_timeout = 5'))\n")
    fleet.organization("msf")
    said = "not run, tenantplan has its own: env.py:2: SET lock_timeout = 5"
    assert f"Note: {said}" in fleet.run("validate").out
    assert said in fleet.run("validate", "--json").json["notes"]
    assert f"::notice title=migrations::{said}" in fleet.run("validate", "--format", "github").out
