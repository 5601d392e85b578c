"""`tenantplan seed`."""

from __future__ import annotations

import click

from tenantplan.cli.common import settings
from tenantplan.errors import UsageError


@click.command("seed")
@click.option(
    "--demo", is_flag=True, help="Demo rows: 24 hours of metrics, errors, deployments, uploads, files, donors."
)
@click.option("--tenants", type=click.IntRange(1), metavar="N", help="Metrics and errors for the first N tenants only.")
@click.option("--seed", "number", type=int, default=0, metavar="N", help="Seed: another number gives other rows (0).")
@click.option("--remove", is_flag=True, help="Remove the demo rows.")
def command(demo: bool, tenants: int | None, number: int, remove: bool) -> None:
    """Fill the tables that applications write, for the organizations, tenants and projects of a development fleet.

    Donors, campaigns, donations, forms and events go into each organization's own database, or its part of the shared tables.

    Again, it replaces the demo rows; rows that are not demo rows are never touched. Exit 3 for any other fleet.
    """
    if not demo:
        raise UsageError(
            "say what to seed: --demo",
            hint="seed --demo fills metrics, errors, deployments, uploads, files and donors of a development fleet with demo rows;"
            " seed --demo --remove removes them",
        )
    if remove and tenants is not None:
        raise UsageError("--remove removes all demo rows: it takes no --tenants")
    from tenantplan.commands.demo import seed as seeding
    from tenantplan.model.address import organization
    from tenantplan.rendering.safe import terminal

    fleet = settings()
    found = seeding.remove(fleet) if remove else seeding.seed(fleet, number, tenants)
    for name, why in found.without.items():
        click.echo(terminal(f"{organization(name)} has no demo donors: {why}"), err=True)
    if remove:
        click.echo(f"Removed: {_counted(found.rows)}.")
        return
    click.echo(f"Demo rows: {_counted(found.rows)}.")
    click.echo("See them: tenantplan report. Remove them: tenantplan seed --demo --remove.")


def _counted(found: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {table}" for table, count in found.items())
