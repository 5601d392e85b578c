"""A plan file that nobody signed, edited and sealed anew: it does what the fleet at hand would plan, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from acceptance.harness import Fleet
from acceptance.own_database import own_database
from acceptance.tenant_tree import tenant_tree
from acceptance.test_plan_file import dump, forged, saved

from tenantplan.model.operation import Operation
from tenantplan.model.plan import Plan, parse
from tenantplan.model.resource import Database, Role, Row, Schema
from tenantplan.model.step import PreflightCheck, Step

pytestmark = pytest.mark.once

MIGRATIONS = "migrations/tenant"
Edit = Callable[[Operation], Operation]


@pytest.fixture
def pending(fleet: Fleet) -> Fleet:
    """A fleet whose next plan makes, changes and migrates: a new organization, a member's role, a revision."""
    tree = tenant_tree(fleet)
    fleet.settings("guard: { maxChangedPercent: 100 }", migrations=MIGRATIONS)
    fleet.organization("acme", "database: { mode: dedicated }")
    fleet.organization("beta", "database: { mode: dedicated }")
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: CLIENT_EDITOR }")
    fleet.apply()
    tree.add("a0000001", 'op.execute("ALTER TABLE donors ADD COLUMN nickname text")')
    fleet.organization("acme", "database: { mode: dedicated, connectionLimit: 7 }")
    fleet.organization("new", "database: { mode: dedicated }")
    fleet.document("User", "anna@x.example", "{ displayName: Anna B, role: CLIENT_EDITOR }")
    return fleet


def edited(path: Path, plan: Plan, address: str, edit: Edit) -> None:
    """The plan file with one operation changed, under a seal that holds."""
    operations = tuple(edit(o) if o.address == address else o for o in plan.operations)
    assert operations != plan.operations
    forged(path, operations=operations)


def refused(fleet: Fleet, path: Path, code: int = 4, *arguments: str) -> str:
    """What apply says to a file with which it does nothing."""
    before = dump(fleet.server)
    result = fleet.run("apply", str(path), *arguments, code=code)
    assert dump(fleet.server) == before
    return result.err


def after(**changes: Any) -> Edit:
    def edit(operation: Operation) -> Operation:
        assert operation.after is not None
        return replace(operation, after=replace(operation.after, **changes))

    return edit


def value(**changes: Any) -> Edit:
    def edit(operation: Operation) -> Operation:
        row = operation.after
        assert isinstance(row, Row)
        return replace(operation, after=replace(row, values={**row.values, **changes}))

    return edit


def test_an_honest_file_is_applied(pending: Fleet) -> None:
    path, _ = saved(pending)
    pending.run("apply", str(path))
    pending.converged()


@pytest.mark.parametrize(
    "edit",
    [
        lambda o: replace(o, statements=(*o.statements, "DELETE FROM donors")),
        lambda o: replace(o, statements=("DELETE FROM donors", *o.statements[1:])),
        lambda o: replace(o, steps=(Step("transaction", ("DELETE FROM donors",), o.after.revision),)),
        lambda o: replace(o, undo=(Step("transaction", ("DELETE FROM donors",), None),)),
        lambda o: replace(o, checks=(PreflightCheck("a0000001", "SELECT pg_sleep(1)"),)),
        lambda o: replace(o, risk="safe"),
        lambda o: replace(o, hazards=(), risk="safe", locks=()),
        lambda o: replace(o, scope="organization/beta"),
        lambda o: replace(o, wave=0),
        lambda o: replace(o, depends_on=()),
        lambda o: replace(o, summary="nothing to see"),
        lambda o: replace(o, schema=("a" * 64, "b" * 64, True), action="update"),
        lambda o: replace(o, after=replace(o.after, revision="3f2a7c10")),
    ],
)
def test_a_migration_is_what_the_tree_compiles_to(pending: Fleet, edit: Edit) -> None:
    path, plan = saved(pending)
    address = f"schema/primary/{pending.database('acme')}"
    (migration,) = [o for o in plan.operations if o.address == address]
    if edit(migration) == migration:
        pytest.skip("this operation has none")
    edited(path, plan, address, edit)
    assert address in refused(pending, path) or edit(migration).schema is not None


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("role", after(member_of=("pg_read_all_data",))),
        ("role", after(member_of=("tp_admin",))),
        ("role", after(name="postgres_app")),
        ("role", after(access="write")),
        ("role", after(holder="organization/acme")),
        ("role", after(connection_limit=3)),
        ("database", after(owner="postgres")),
        ("database", after(owner="tp_admin")),
        ("database", after(name="postgres")),
        ("database", after(connect=("PUBLIC",))),
        ("database", after(holder="organization/acme")),
        ("database", lambda o: replace(o, statements=("DROP DATABASE postgres",))),
        ("database", lambda o: replace(o, address="database/primary/postgres")),
    ],
)
def test_objects_of_a_server_are_those_that_the_documents_ask_for(pending: Fleet, kind: str, edit: Edit) -> None:
    path, plan = saved(pending)
    kinds: dict[str, type[Role | Database]] = {"role": Role, "database": Database}
    made = [o for o in plan.operations if isinstance(o.after, kinds[kind]) and o.after.holder == "organization/new"]
    chosen = next(o for o in made if not isinstance(o.after, Role) or o.after.login)
    edited(path, plan, chosen.address, edit)
    refused(pending, path)


@pytest.mark.parametrize(
    "edit", [value(role="SUPER_ADMIN"), value(display_name="Mallory"), lambda o: replace(o, adopt=True)]
)
def test_a_row_has_the_values_of_its_document(pending: Fleet, edit: Edit) -> None:
    path, plan = saved(pending)
    edited(path, plan, "user/anna@x.example", edit)
    assert "user/anna@x.example" in refused(pending, path)


def test_what_no_document_asks_for_is_not_done(pending: Fleet) -> None:
    path, plan = saved(pending)
    row = next(o for o in plan.operations if o.address == "user/anna@x.example")
    gone = replace(row, id="f" * 16, action="delete", after=None, risk="destructive", depends_on=())
    forged(path, operations=(*plan.operations, gone))
    refused(pending, path, 4, "--allow-deletes", "1")


def test_operations_keep_their_order_and_stand_once(pending: Fleet) -> None:
    path, plan = saved(pending)
    for operations in (tuple(reversed(plan.operations)), (*plan.operations, plan.operations[0])):
        forged(path, operations=operations)
        refused(pending, path)


def test_a_part_that_needs_the_rest_is_not_done(pending: Fleet) -> None:
    path, plan = saved(pending)
    forged(path, operations=tuple(o for o in plan.operations if not isinstance(o.after, Role)))
    refused(pending, path)


def test_the_statements_of_a_repair_are_those_that_it_takes(fleet: Fleet) -> None:
    fleet.organization("acme", "database: { mode: dedicated }")
    fleet.apply()
    fleet.execute("DROP INDEX donations_campaign_id_idx", database=fleet.database("acme"))
    fleet.run("drift", "--repair", "--out", "plan.json", code=2)
    path = fleet.root / "plan.json"
    plan = parse(path.read_bytes(), "")
    (repair,) = plan.operations
    assert isinstance(repair.after, Schema)
    edited(path, plan, repair.address, lambda o: replace(o, statements=(*o.statements, "TRUNCATE donors CASCADE")))
    refused(fleet, path)
    path.write_bytes(plan.to_bytes())
    fleet.run("apply", str(path))
    assert fleet.run("drift").code == 0


@pytest.fixture
def ten(fleet: Fleet) -> Fleet:
    for number in range(10):
        fleet.organization(f"org-{number}", "protect: false" if number else "")
    fleet.apply()
    return fleet


def test_blockers_that_were_taken_out_of_the_file_still_stand(ten: Fleet) -> None:
    ten.organization("org-1", "protect: false\nstate: deleted")
    path, plan = saved(ten)
    assert [b.rule for b in plan.blockers] == ["max-deletes"]
    forged(path, blockers=())
    assert "1 deletion planned" in refused(ten, path, 3)
    assert "--allow-deletes 3" in refused(ten, path, 3, "--allow-deletes", "3")
    ten.organization("org-1", "protect: false")
    ten.organization("org-0", "protect: false\nstate: deleted")
    path, plan = saved(ten)
    assert "protected" in [b.rule for b in plan.blockers]
    forged(path, blockers=())
    assert "is protected" in refused(ten, path, 3, "--allow-deletes", "1")
    for number in range(1, 9):
        ten.organization(f"org-{number}", "protect: false\nfeatureFlags: { A: true }")
    ten.organization("org-0")
    path, plan = saved(ten)
    assert [b.rule for b in plan.blockers] == ["max-changes"]
    forged(path, blockers=())
    assert "8 of 10" in refused(ten, path, 3)


def _window(start: timedelta) -> str:
    opens = datetime.now(UTC) + start
    return f"rollout: {{ windows: [ {{ schedule: {opens.minute} {opens.hour} * * *, duration: 2h }} ] }}"


def test_a_closed_window_is_not_opened_by_the_file(ten: Fleet) -> None:
    """Nor by another class, nor by labels that nobody has."""
    ten.settings(_window(-timedelta(hours=1)))
    ten.organization("org-1", "protect: false\nstate: suspended")
    path, plan = saved(ten)
    ten.settings(_window(timedelta(hours=3)))
    _, closed = saved(ten)
    path.write_bytes(replace(plan, config_digest=closed.config_digest).to_bytes())
    refused(ten, path, 3)
    edited(path, parse(path.read_bytes(), ""), "organization/org-1", lambda o: replace(o, risk="safe"))
    refused(ten, path, 3)
    ten.settings(_window(timedelta(hours=3)).replace("2h }", "2h, selector: { mode: shared } }"))
    _, closed = saved(ten)
    labels = {"organization/org-1": {"mode": "dedicated"}}
    path.write_bytes(replace(plan, config_digest=closed.config_digest, labels=labels).to_bytes())
    refused(ten, path, 3)


def test_a_signed_plan_needs_no_documents(ten: Fleet) -> None:
    private, public = ten.run("credentials", "key", "--signing").out.split()
    ten.write("keys/plan.pub", public)
    ten.settings("plans: { signingKey: { env: PLAN_KEY }, verifyKeys: [ { file: keys/plan.pub } ] }")
    ten.organization("org-1", "protect: false\nfeatureFlags: { A: true }")
    ten.run("plan", "--out", "plan.json", env={"PLAN_KEY": private})
    ten.organization("org-1", "protect: false")
    ten.run("apply", "plan.json")
    assert ten.operations() == ["update organization/org-1"]
    ten.run("plan", "--out", "plan.json", env={"PLAN_KEY": private})
    ten.settings("plans: {}")
    unsigned = parse((ten.root / "plan.json").read_bytes(), "", lambda covered, seal: None)
    _, now = saved(ten)
    ten.organization("org-1", "protect: false\nfeatureFlags: { B: true }")
    (ten.root / "plan.json").write_bytes(replace(unsigned, config_digest=now.config_digest).to_bytes())
    assert "not signed" in refused(ten, ten.root / "plan.json")


def test_what_cannot_be_compared_does_not_run(fleet: Fleet) -> None:
    """A database that cannot be looked into hides nothing: what the file says of its organization is left undone."""
    with own_database(fleet, "OWN_URL") as name:
        fleet.organization("own", "database: { url: { env: OWN_URL } }")
        fleet.organization("other")
        fleet.apply()
        for organization in ("own", "other"):
            body = "database: { url: { env: OWN_URL } }\n" if organization == "own" else ""
            fleet.organization(organization, body + "contact: { phone: '1' }")
        path, plan = saved(fleet)
        edited(path, plan, "organization/own", value(phone="2", display_name="Forged"))
        fleet.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", database="postgres")
        fleet.run("apply", str(path), code=5)
        found = "SELECT slug, display_name, phone FROM organizations ORDER BY 1"
        assert fleet.rows(found) == [("other", "Other", "1"), ("own", "Own", None)]
