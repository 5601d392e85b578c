"""`tenantplan drift`."""

from __future__ import annotations

from dataclasses import asdict

import click

from tenantplan.cli.common import color, json_option, print_json, settings


@click.command("drift")
@json_option
def command(as_json: bool) -> int:
    """Compare live databases with what was last applied: rows, roles, rights, limits, and the schema of every database.

    Changes waiting in the YAML are no drift. Writes nothing. Exit 2 when something was changed by hand.
    """
    from tenantplan.inspection.drift import drift

    found = drift(settings())
    if as_json:
        print_json(
            {
                "drift": bool(found.items),
                "items": [asdict(item) for item in found.items],
                "unreachable": [finding.document() for finding in found.unreachable],
                "unfinishedRun": found.unfinished,
            }
        )
        return 2 if found.items else 0
    from tenantplan.rendering import text
    from tenantplan.rendering.safe import terminal

    click.echo(text.drift(found.items, color=color()), nl=False)
    for finding in found.unreachable:
        click.echo(f"  ! {terminal(finding.address)}  {terminal(finding.message)}; not compared")
    if found.unfinished:
        click.echo(f"Run {terminal(found.unfinished)} did not end: what it did shows as drift until the next apply.")
    if found.items:
        click.echo("tenantplan plan shows what apply would set right; of a schema, migrations are the way.")
    return 2 if found.items else 0
