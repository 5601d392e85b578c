"""`tenantplan validate`."""

from __future__ import annotations

from collections import Counter

import click

from tenantplan.cli.common import json_option, print_json, settings


@click.command("validate")
@json_option
def command(as_json: bool) -> None:
    """Check the fleet file, every document and the migrations. Needs no database and no secret."""
    from tenantplan.fleet import expected
    from tenantplan.fleet.trees import load_trees
    from tenantplan.rendering.safe import terminal

    fleet = settings()
    documents = expected.load_documents(fleet)
    desired = expected.declared(fleet, documents)
    trees = load_trees(fleet)
    trees.upgrade("tenant", None)
    if trees.shares:
        trees.upgrade("shared", None)
    kinds = Counter(document.kind for document in documents)
    if as_json:
        heads = {"main": trees.main.head, "tenant": trees.tenant.head}
        print_json({"fleet": fleet.fleet, "documents": dict(kinds), "resources": len(desired.state), "heads": heads})
        return
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    click.echo(f"Fleet {fleet.fleet} is valid: {counted}.")
    click.echo(terminal(f"Migrations: main at {trees.main.head}, tenant at {trees.tenant.head}."))
