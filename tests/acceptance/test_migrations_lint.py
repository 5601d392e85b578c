"""`migrations lint`: what is dangerous in a revision, what its author allows, and the gate in CI. No server is asked."""

from __future__ import annotations

from typing import Any

import pytest
from acceptance.harness import ROOT, Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree

pytestmark = pytest.mark.once

BASE, HEAD = "3f2a7c10", "9c1b04aa"
DROP = 'op.drop_column("donors", "notes")'
BACK = 'op.add_column("donors", sa.Column("notes", sa.Text()))'


@pytest.fixture
def tree(fleet: Fleet) -> TenantTree:
    """A copy of the sample tree, in a fleet whose server is nowhere."""
    fleet.env["TENANTPLAN_MAIN_URL"] = "postgresql://nobody:no-password-1@127.0.0.1:1/none"
    return tenant_tree(fleet)


def linted(fleet: Fleet, *arguments: str, code: int = 0) -> dict[str, list[dict[str, Any]]]:
    """The hazards of each revision."""
    document = fleet.run("migrations", "lint", "--json", *arguments, code=code).json
    return {revision["revision"]: revision["hazards"] for revision in document["revisions"]}


def rules(fleet: Fleet, *arguments: str) -> dict[str, list[str]]:
    return {revision: [h["rule"] for h in hazards] for revision, hazards in linted(fleet, *arguments).items()}


def test_the_newest_revision_is_linted(fleet: Fleet, tree: TenantTree) -> None:
    tree.add("aa00aa00", DROP, back=BACK)
    assert fleet.run("migrations", "lint", "--json").json == {
        "tree": "tenant",
        "revisions": [
            {
                "revision": "aa00aa00",
                "message": "step aa00aa00",
                "file": "migrations/tenant/versions/aa00aa00.py",
                "reversible": True,
                "hazards": [
                    {
                        "rule": "drop-column",
                        "level": "danger",
                        "statement": "ALTER TABLE donors DROP COLUMN notes",
                        "table": "public.donors",
                        "lock": "ACCESS EXCLUSIVE",
                        "message": linted(fleet)["aa00aa00"][0]["message"],
                        "allowed": None,
                    }
                ],
            }
        ],
        "summary": {"danger": 1, "warning": 0, "info": 0, "allowed": 0},
    }
    text = fleet.run("migrations", "lint").out
    assert text.startswith("aa00aa00  step aa00aa00\n  migrations/tenant/versions/aa00aa00.py, with a downgrade\n")
    assert (
        "  ! danger drop-column  public.donors  (ACCESS EXCLUSIVE)\n        ALTER TABLE donors DROP COLUMN notes\n"
        in text
    )
    assert text.endswith("Lint: 1 danger, 0 warnings, 0 info, 0 allowed, in 1 revision.\n")


def test_strict_is_a_gate_that_a_reason_opens(fleet: Fleet, tree: TenantTree) -> None:
    path = tree.add("aa00aa00", DROP, back=BACK)
    fleet.run("migrations", "lint", "--strict", code=3)
    path.write_text(path.read_text() + "# tenantplan: allow drop-column nothing reads it since release 12\n")
    result = fleet.run("migrations", "lint", "--strict")
    assert "  = danger drop-column" in result.out
    assert "        allowed: nothing reads it since release 12\n" in result.out
    assert "0 danger, 0 warnings, 0 info, 1 allowed" in result.out
    (found,) = linted(fleet)["aa00aa00"]
    assert (found["level"], found["allowed"]) == ("danger", "nothing reads it since release 12")


def test_what_is_allowed_is_only_what_is_named(fleet: Fleet, tree: TenantTree) -> None:
    tree.add("aa00aa00", f'# tenantplan: allow drop-column read by nobody\n{DROP}\nop.drop_table("forms")')
    found = {h["rule"]: h["allowed"] for h in linted(fleet, "--strict", code=3)["aa00aa00"]}
    assert found == {"drop-column": "read by nobody", "drop-table": None, "no-downgrade": None}


def test_an_allowance_needs_a_reason(fleet: Fleet, tree: TenantTree) -> None:
    path = tree.add("aa00aa00", f"{DROP}  # tenantplan: allow drop-column")
    line = path.read_text().splitlines().index(f"    {DROP}  # tenantplan: allow drop-column") + 1
    error = fleet.run("migrations", "lint", code=1).err
    assert f"{path}:{line}: allows something, but gives no rule or no reason" in error
    path.write_text(path.read_text().replace("allow drop-column", "allow drop-column:  "))
    assert "no reason" in fleet.run("migrations", "lint", code=1).err


def test_a_comment_is_a_comment_and_no_string(fleet: Fleet, tree: TenantTree) -> None:
    tree.add("aa00aa00", f'note = "# tenantplan: allow drop-column no reason at all"\n{DROP}', back=BACK)
    assert linted(fleet, "--strict", code=3)["aa00aa00"][0]["allowed"] is None
    tree.add(
        "bb00bb00",
        """op.execute("DELETE FROM forms WHERE slug = '-- tenantplan: allow truncate no'; TRUNCATE forms")""",
    )
    assert linted(fleet, "--strict", code=3)["bb00bb00"][0]["allowed"] is None
    tree.add("cc00cc00", 'op.execute("TRUNCATE forms -- tenantplan: allow truncate drafts, é, of a trial")')
    assert linted(fleet, "--strict")["cc00cc00"][0]["allowed"] == "drafts, é, of a trial"


def test_an_allowance_of_nothing_is_told(fleet: Fleet, tree: TenantTree) -> None:
    tree.add("aa00aa00", f"{DROP}  # tenantplan: allow drop-colum a word is wrong", back=BACK)
    found = {h["rule"]: h["message"] for h in linted(fleet, "--strict", code=3)["aa00aa00"]}
    assert "drop-colum," in found["idle-allowance"]


def test_which_revisions(fleet: Fleet, tree: TenantTree) -> None:
    """From one on, what is made on the way is new; each by itself, what is there before it is not."""
    tree.add("aa00aa00", 'op.create_table("pets", sa.Column("name", sa.Text()))', back='op.drop_table("pets")')
    tree.add("bb00bb00", 'op.create_index("pets_name", "pets", ["name"])', back='op.drop_index("pets_name")')
    assert rules(fleet) == {"bb00bb00": ["blocking-index"]}
    assert rules(fleet, "--from", HEAD) == {"aa00aa00": [], "bb00bb00": []}
    assert rules(fleet, "--from", "aa00") == {"bb00bb00": ["blocking-index"]}
    assert rules(fleet, "--from", "head") == {}
    assert list(rules(fleet, "--from", "base")) == list(rules(fleet, "--all"))
    assert not any(rules(fleet, "--from", "base").values())
    every = rules(fleet, "--all")
    assert (every[BASE], every["bb00bb00"]) == ([], ["blocking-index"])
    assert every[HEAD] == ["constraint-scan", "constraint-scan"]
    assert "has no revision 1234" in fleet.run("migrations", "lint", "--from", "1234", code=1).err
    fleet.run("migrations", "lint", "--all", "--from", "base", code=1)


def test_the_main_tree_and_an_empty_one(fleet: Fleet, tree: TenantTree) -> None:
    main_tree = (ROOT / "migrations" / "main" / "versions").glob("*.py")
    assert len(linted(fleet, "--tree", "main", "--all")) == len(list(main_tree))
    for path in (tree.folder / "versions").glob("*.py"):
        path.unlink()
    assert (
        fleet.run("migrations", "lint", "--strict").out
        == "Lint: 0 danger, 0 warnings, 0 info, 0 allowed, in 0 revisions.\n"
    )


def test_what_tenantplan_adds_itself_is_no_hazard(fleet: Fleet, tree: TenantTree) -> None:
    path = tree.add(
        "aa00aa00", 'op.add_column("donors", sa.Column("a", sa.Text()))', back='op.drop_column("donors", "a")'
    )
    path.write_text(
        path.read_text().replace("\nrevision =", '\npreflight = "SELECT 1 FROM donors WHERE false"\nrevision =')
    )
    assert "DO $tp$" in fleet.run("migrations", "sql", "--from", HEAD).out
    assert rules(fleet) == {"aa00aa00": []}
    path.write_text(
        path.read_text().replace('op.add_column("donors"', "op.execute('DO $$ BEGIN END $$'); op.add_column(\"donors\"")
    )
    assert rules(fleet) == {"aa00aa00": ["opaque"]}


def test_a_program_cannot_be_looked_into(fleet: Fleet, tree: TenantTree) -> None:
    path = tree.add("aa00aa00", 'if op.get_bind().execute(sa.text("SELECT 1")).scalar():\n    op.drop_table("forms")')
    found = {h["rule"]: h["level"] for h in linted(fleet, "--strict", code=3)["aa00aa00"]}
    assert found == {"program": "warning", "no-downgrade": "info"}
    path.write_text(path.read_text() + "# tenantplan: allow program was read by two people\n")
    fleet.run("migrations", "lint", "--strict")


@pytest.mark.parametrize(
    ("up", "back", "found"),
    [
        (BACK.replace("notes", "more"), "pass", ["empty-downgrade"]),
        (BACK.replace("notes", "more"), '"""nothing"""', ["empty-downgrade"]),
        (BACK.replace("notes", "more"), "raise NotImplementedError", ["no-downgrade"]),
        (BACK.replace("notes", "more"), 'op.drop_column("donors", "more")', []),
        ("pass", "pass", []),
    ],
)
def test_the_way_back(fleet: Fleet, tree: TenantTree, up: str, back: str, found: list[str]) -> None:
    tree.add("aa00aa00", up, back=back)
    assert rules(fleet, "--strict") == {"aa00aa00": found}
    said = fleet.run("migrations", "lint").out
    assert ("no downgrade" in said) == (found == ["no-downgrade"])


def test_scripts_of_prisma(fleet: Fleet, tree: TenantTree) -> None:
    fleet.write("prisma/migration_lock.toml", 'provider = "postgresql"\n')
    script = fleet.write("prisma/20260101000000_init/migration.sql", "CREATE TABLE pets (id int);")
    fleet.settings(migrations="prisma")
    assert rules(fleet) == {"20260101000000_init": ["no-downgrade"]}
    down = fleet.write("prisma/20260101000000_init/down.sql", "-- later\n")
    assert rules(fleet) == {"20260101000000_init": ["empty-downgrade"]}
    down.write_text("DROP TABLE pets;")
    assert rules(fleet) == {"20260101000000_init": []}
    script = fleet.write("prisma/20260102000000_away/migration.sql", "DROP TABLE pets;\n")
    assert linted(fleet, "--strict", code=3)["20260102000000_away"][0]["rule"] == "drop-table"
    script.write_text("-- tenantplan: allow drop-table it was a trial\n" + script.read_text())
    assert linted(fleet, "--strict")["20260102000000_away"][0]["allowed"] == "it was a trial"
    script.write_text("\n--tenantplan: allow drop-table\nDROP TABLE pets;\n")
    assert f"{script}:2: allows something" in fleet.run("migrations", "lint", code=1).err


def test_no_text_speaks_to_a_terminal_or_a_runner(fleet: Fleet, tree: TenantTree) -> None:
    body = "op.execute('TRUNCATE \"a\\x1b[31m\"')  # tenantplan: allow truncate a\u202eb"
    path = tree.add("aa00aa00", body)
    path.write_text(path.read_text().replace('"""step aa00aa00"""', '"""::error::\\x1b[2J"""'))
    out = fleet.run("migrations", "lint").out
    assert "\\x1b[31m" in out
    assert "\\u202e" in out
    assert not {"\x1b", "\u202e"} & set(out)
    assert not any(line.startswith("::") for line in out.splitlines())
