"""Every database at the newest revision; what cannot get there is named, and left as it was."""

from __future__ import annotations

import json

from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree

DEDICATED = "database: { mode: dedicated }"


def revisions(fleet: Fleet, *organizations: str) -> set[str]:
    found = "SELECT version_num::text FROM alembic_version"
    return {fleet.rows(found, database=fleet.database(name))[0][0] for name in organizations}


def shared_revision(fleet: Fleet) -> str:
    return str(fleet.rows("SELECT version_num FROM alembic_version_tenant")[0][0])


def fingerprints(fleet: Fleet, *organizations: str) -> set[str]:
    columns = (
        "SELECT string_agg(concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default), ',' ORDER BY"
        " table_name, ordinal_position) FROM information_schema.columns WHERE table_schema = 'public'"
    )
    return {fleet.rows(columns, database=fleet.database(name))[0][0] for name in organizations}


def test_new_old_and_shared_databases_are_all_at_head(fleet: Fleet) -> None:
    """One that is behind is migrated, a new one begins at head, and they come out the same."""
    tree = tenant_tree(fleet)
    fleet.organization("old", DEDICATED)
    fleet.organization("shared")
    fleet.apply()
    before = tree.head
    assert revisions(fleet, "old") == {before} == {shared_revision(fleet)}
    tree.add("aa01", "op.add_column('donors', sa.Column('nickname', sa.Text()))")
    fleet.organization("new", DEDICATED)
    steps = {o["address"]: o for o in fleet.plan()["operations"]}
    old = steps[f"schema/primary/{fleet.database('old')}"]
    assert (old["action"], old["revisions"], old["before"]["revision"]) == ("migrate", ["aa01"], before)
    assert f"schema/primary/{fleet.main_database}/shared" in steps
    fleet.apply()
    assert revisions(fleet, "old", "new") == {"aa01"} == {shared_revision(fleet)}
    assert len(fingerprints(fleet, "old", "new")) == 1
    fleet.converged()


def test_the_plan_shows_the_sql(fleet: Fleet) -> None:
    """A preview of exactly what runs, in the JSON and, verbose, in the text."""
    tree = tenant_tree(fleet)
    fleet.organization("old", DEDICATED)
    fleet.apply()
    tree.add("aa01", "op.add_column('donors', sa.Column('nickname', sa.Text()))")
    (step,) = [o for o in fleet.plan()["operations"] if o["address"] == f"schema/primary/{fleet.database('old')}"]
    assert "ALTER TABLE donors ADD COLUMN nickname TEXT" in step["statements"]
    assert any("alembic_version" in statement for statement in step["statements"])
    assert "ADD COLUMN nickname TEXT" in fleet.run("plan", "--verbose").out


def test_identical_migrations_are_grouped(fleet: Fleet) -> None:
    """Twelve databases, the same statements, said once; one that differs is said apart."""
    tree = tenant_tree(fleet)
    for number in range(12):
        fleet.organization(f"org-{number}", DEDICATED)
    fleet.apply()
    tree.add(
        "aa01", "op.add_column('donors', sa.Column('a', sa.Text()))\nop.add_column('donors', sa.Column('b', sa.Text()))"
    )
    fleet.organization("org-3", DEDICATED + "\nfeatureFlags: { A: true }")
    text = fleet.run("plan").out
    assert "12 databases" in text and "same 3 statements" in text
    assert text.count("ADD COLUMN a TEXT") <= 2  # once for the dedicated ones, once for the shared tables
    markdown = fleet.run("plan", "--format", "markdown").out
    assert "12 databases" in markdown
    fleet.settings("guard: { maxChangedPercent: 100 }", migrations="migrations/tenant")
    fleet.apply()
    assert revisions(fleet, *(f"org-{number}" for number in range(12))) == {"aa01"}


def test_an_unknown_revision_is_a_blocker_that_names_its_database(fleet: Fleet) -> None:
    """A database stamped with a revision that the tree does not have."""
    tree = tenant_tree(fleet)
    tree.add("aa01", "op.add_column('donors', sa.Column('nickname', sa.Text()))")
    fleet.organization("ahead", DEDICATED)
    fleet.organization("fine", DEDICATED)
    fleet.apply()
    (tree.folder / "versions" / "aa01.py").unlink()
    blockers = {b["address"]: b for b in fleet.plan()["blockers"]}
    blocker = blockers[f"schema/primary/{fleet.database('ahead')}"]
    assert blocker["rule"] == "migration" and "aa01" in blocker["message"]
    assert "nothing was changed" in fleet.apply(code=3).err
    assert revisions(fleet, "ahead", "fine") == {"aa01"}


def test_two_heads_are_refused_with_the_fix(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.organization("msf", DEDICATED)
    fleet.apply()
    base = tree.head
    tree.add("aa01", "pass")
    tree.add("bb01", "pass", down=base)
    for command in (["plan"], ["apply", "--auto-approve"]):
        error = fleet.run(*command, code=1).err
        assert "aa01" in error and "bb01" in error and "down_revision" in error
    assert revisions(fleet, "msf") == {base}


def test_an_edited_applied_revision_is_a_blocker(fleet: Fleet) -> None:
    """Also when other work is planned."""
    tree = tenant_tree(fleet)
    path = tree.add("aa01", "op.add_column('donors', sa.Column('nickname', sa.Text()))")
    fleet.organization("msf", DEDICATED)
    fleet.apply()
    path.write_text(path.read_text().replace("sa.Text()", "sa.Integer()"))
    fleet.organization("new", DEDICATED)
    blockers = fleet.plan()["blockers"]
    assert [(b["address"], b["rule"]) for b in blockers] == [("migrations/tenant/aa01", "edited-revision")]
    fleet.apply(code=3)
    assert fleet.rows("SELECT slug FROM organizations") == [("msf",)]


def test_one_failure_does_not_touch_the_others_and_resume_does_only_the_rest(fleet: Fleet) -> None:
    """maxFailures lets the others go on; the next apply has one database to do."""
    tree = tenant_tree(fleet)
    fleet.settings("rollout: { maxFailures: 5 }\nguard: { maxChangedPercent: 100 }", migrations="migrations/tenant")
    everybody = [f"org-{number}" for number in range(5)]
    for name in everybody:
        fleet.organization(name, DEDICATED)
    fleet.apply()
    before = tree.head
    fleet.execute("INSERT INTO donors (phone) VALUES ('1'), ('1')", database=fleet.database("org-2"))
    tree.add("aa01", "op.create_unique_constraint('donors_phone_key', 'donors', ['phone'])")
    report = fleet.run("apply", "--auto-approve", "--json", code=5).json
    wrong = [o for o in report["operations"] if o["status"] == "failed"]
    assert [o["address"] for o in wrong] == [f"schema/primary/{fleet.database('org-2')}"]
    assert "23505" in wrong[0]["error"] and "(1)" not in wrong[0]["error"]
    assert revisions(fleet, *(n for n in everybody if n != "org-2")) == {"aa01"}
    assert revisions(fleet, "org-2") == {before}
    assert fleet.operations() == [f"migrate schema/primary/{fleet.database('org-2')}"]
    fleet.execute("DELETE FROM donors", database=fleet.database("org-2"))
    fleet.apply()
    fleet.converged()


def test_a_failure_stops_new_organizations_by_default(fleet: Fleet) -> None:
    """maxFailures is 0: none is begun after the first that failed; nothing is half done."""
    tree = tenant_tree(fleet)
    for number in range(4):
        fleet.organization(f"org-{number}", DEDICATED)
    fleet.apply()
    before = tree.head
    fleet.execute("INSERT INTO donors (phone) VALUES ('1'), ('1')", database=fleet.database("org-0"))
    tree.add("aa01", "op.create_unique_constraint('donors_phone_key', 'donors', ['phone'])")
    fleet.settings("guard: { maxChangedPercent: 100 }", migrations="migrations/tenant")
    report = fleet.run("apply", "--auto-approve", "--parallelism", "1", "--json", code=5).json
    assert report["counts"]["skipped"] == 3
    assert revisions(fleet, *(f"org-{n}" for n in range(4))) == {before}


def test_the_plan_file_carries_the_statements(fleet: Fleet) -> None:
    """What is applied from a file is the SQL that stands in it."""
    tree = tenant_tree(fleet)
    fleet.organization("msf", DEDICATED)
    fleet.apply()
    tree.add("aa01", "op.execute(\"COMMENT ON TABLE donors IS 'by aa01'\")")
    fleet.run("plan", "--out", "plan.json")
    document = json.loads((fleet.root / "plan.json").read_text())
    assert any("by aa01" in s for o in document["operations"] for s in o["statements"])
    fleet.run("apply", "plan.json", "--auto-approve")
    said = "SELECT obj_description('donors'::regclass)"
    assert fleet.rows(said, database=fleet.database("msf")) == [("by aa01",)] == fleet.rows(said)
