"""`tenantplan maintain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

import click

from tenantplan.cli.common import settings
from tenantplan.errors import NotFound, TenantplanError

if TYPE_CHECKING:
    from tenantplan.commands.status.databases import FleetDatabase
    from tenantplan.commands.status.fleet_view import FleetView
    from tenantplan.commands.upkeep.maintenance import Maintained


@click.command("maintain")
@click.option("--vacuum", is_flag=True, help="VACUUM: make the space of deleted rows available to their tables again.")
@click.option(
    "--analyze", is_flag=True, help="ANALYZE: update the statistics of the query planner; the default, can be added."
)
@click.option(
    "--full",
    is_flag=True,
    help="VACUUM FULL: rewrite each table and return its free space to the disk. A table cannot be read meanwhile.",
)
@click.option(
    "--target",
    multiple=True,
    metavar="ORGANIZATION",
    help="Only this organization's database (or tenant/NAME); repeatable.",
)
def command(vacuum: bool, analyze: bool, full: bool, target: tuple[str, ...]) -> int:
    """ANALYZE, or with --vacuum VACUUM, the tables that tenantplan made in every database. Changes no row.

    tenantplan report stale-statistics says which tables need it. --full takes as much free disk as the largest table, and a
    lock on each table in turn that keeps even readers out. It may run beside an apply. Exit 5 when a database or a table
    could not be done; the others are.
    """
    from tenantplan.commands.status.fleet_view import read_fleet
    from tenantplan.commands.upkeep.maintenance import verb
    from tenantplan.fleet.opening import open_fleet

    with open_fleet(settings()) as fleet:
        return _maintain(read_fleet(fleet), verb(vacuum, analyze, full), target)


def _maintain(scene: FleetView, statement: LiteralString, target: tuple[str, ...]) -> int:
    from tenantplan.commands.status import databases
    from tenantplan.commands.upkeep import maintenance

    if not scene.applied:
        raise NotFound(
            "nothing has been applied yet", where=scene.main_url, hint="tenantplan apply makes the main database"
        )
    places = databases.databases_of(scene, target) if target else databases.fleet_databases(scene)
    _mention_apply(scene)
    width = max(len(place.label) for place in places)
    failures = 0
    for place, found in maintenance.maintain(scene, places, statement):
        failures += isinstance(found, TenantplanError) or bool(found.failed)
        _print_result(place, found, statement, width)
    if failures:
        click.echo(f"Databases not done, or not completely: {failures} of {len(places)}.", err=True)
    return 5 if failures else 0


def _mention_apply(scene: FleetView) -> None:
    """Says that an apply is running: it may have to be waited for."""
    from tenantplan.commands.status.fleet_view import activity
    from tenantplan.rendering.safe import terminal

    holder = activity(scene).holder
    if holder is not None:
        click.echo(f"An apply is running ({terminal(holder.tag)}): its locks are waited for, 10 s per table.", err=True)


def _print_result(place: FleetDatabase, found: Maintained | TenantplanError, statement: str, width: int) -> None:
    from tenantplan.rendering.parts import counted
    from tenantplan.rendering.safe import mask_url, terminal

    label = terminal(place.label).ljust(width)
    if isinstance(found, TenantplanError):
        message = f"{found.where}: {found.message}" if found.where else found.message
        click.echo(f"  ! {label}  {terminal(place.holder)}  {terminal(mask_url(message))}", err=True)
        return
    left = f", {counted(found.left, 'table')} of other roles left alone" if found.left else ""
    done = f"{statement} of {counted(found.done, 'table')} in {found.seconds:.2f} s{left}"
    click.echo(f"    {label}  {terminal(place.holder)}  {done}")
    if found.waited:
        click.echo(f"      had to wait for {terminal(', '.join(found.waited))}", err=True)
    for failure in found.failed:
        click.echo(f"  ! {label}  {terminal(failure)}", err=True)
