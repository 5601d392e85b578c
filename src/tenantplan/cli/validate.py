"""`tenantplan validate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import format_option, json_option, print_json, settings

if TYPE_CHECKING:
    from tenantplan.migration.extensions import Need
    from tenantplan.migration.trees import Trees


@click.command("validate")
@click.option(
    "--no-python", is_flag=True, help="Run none of the fleet's Python: Alembic revisions are read, not compiled."
)
@format_option
@json_option
def command(no_python: bool, form: str, as_json: bool) -> None:
    """Check the fleet file, every document and the migrations. Needs no database and no secret.

    Compiling Alembic revisions runs them, and env.py: the Python of whoever wrote the checkout. With --no-python their ids and
    their order are checked, by reading the files.
    """
    from tenantplan.desired import declare
    from tenantplan.fleet.opening import open_fleet
    from tenantplan.migration.extensions import needs
    from tenantplan.migration.trees import NO_TENANCY

    with open_fleet(settings()) as fleet:
        documents = declare.load_documents(fleet)
        desired = declare.declared(fleet, documents)
        trees, name = fleet.trees, fleet.settings.fleet
    declare.check_pins(desired, trees)
    compiled = not (no_python and trees.tenant.runs_python)
    notes = [f"not run, tenantplan has its own: {each}" for each in trees.tenant.env.ignored]
    wanted: tuple[Need, ...] = ()
    if compiled:
        wanted = needs(trees.upgrade("tenant", None), {r.id: r.path for r in trees.tenant.revisions})
        if trees.shares and not trees.knows_tenancy:
            notes.append(NO_TENANCY)
    kinds = Counter(document.kind for document in documents)
    if as_json or form == "json":
        found = {"fleet": name, "documents": dict(kinds), "resources": len(desired.state)}
        print_json(found | _migrations(trees, notes, wanted, compiled))
        return
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    if form == "github":
        from tenantplan.rendering.github import annotation

        for note in notes:
            click.echo(annotation("notice", note, title="migrations"))
        click.echo(annotation("notice", f"Fleet {name} is valid: {counted}."))
        return
    click.echo(f"Fleet {name} is valid: {counted}.")
    _say(trees, notes, wanted, compiled)


def _migrations(trees: Trees, notes: Sequence[str], wanted: Sequence[Need], compiled: bool) -> dict[str, object]:
    """What `_say` says, as JSON."""
    made = [{"name": each.name, "revision": each.revision, "certain": each.certain} for each in wanted]
    heads = {"main": trees.main.head, "tenant": trees.tenant.head}
    return {"heads": heads, "notes": notes} | ({"extensions": made} if compiled else {"compiled": False})


def _say(trees: Trees, notes: Sequence[str], wanted: Sequence[Need], compiled: bool) -> None:
    """What is to be said of the migrations."""
    from tenantplan.rendering.safe import terminal

    for note in notes:
        click.echo(terminal(f"Note: {note}"))
    click.echo(terminal(f"Migrations: main at {trees.main.head}, tenant at {trees.tenant.head}."))
    for need in wanted:
        may = "makes" if need.certain else "may make"
        more = f"; {need.advice}" if need.advice else ""
        click.echo(terminal(f"Extension {need.name}: revision {need.revision} {may} it{more}."))
    if not compiled:
        click.echo(
            "The statements of the tenant tree were not checked: that runs its Python, and --no-python was given."
        )
