"""`tenantplan unlock`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import settings
from tenantplan.errors import UsageError

if TYPE_CHECKING:
    from tenantplan.fleet.opening import Fleet


@click.command("unlock")
@click.option("--force", is_flag=True, help="Do not ask.")
def command(force: bool) -> None:
    """End an apply that hangs: its sessions on every server are ended, and it can write nothing more.

    Nothing is lost: the next apply finishes or clears what it had begun. A process that died needs no unlock.
    """
    from tenantplan.fleet.opening import open_fleet

    with open_fleet(settings()) as fleet:
        _unlock(fleet, force)


def _unlock(fleet: Fleet, force: bool) -> None:
    from tenantplan.commands.upkeep import unlock as unlocking
    from tenantplan.rendering.safe import terminal

    found = unlocking.held(fleet)
    if found is None:
        click.echo("Nothing is locked.")
        return
    holder = found.holder
    where = terminal(f"{fleet.main_database} on {fleet.main_server.place}")
    click.echo(
        f"Held by {terminal(str(holder.tag))}: server process {holder.pid}, from {holder.address}, since {holder.since},"
        f" in {where}."
    )
    if not force:
        if not sys.stdin.isatty():
            raise UsageError("no terminal to confirm on", hint="pass --force; nothing was ended")
        if click.prompt(f"End it in {where}? Type yes to end it", default="no") != "yes":
            raise UsageError("not unlocked", hint="nothing was ended")
    epoch = unlocking.unlock(fleet, found)
    written = (
        "It had no lease yet." if epoch is None else f"Its lease is revoked: the new epoch is {epoch}, and audited."
    )
    click.echo(f"Ended. {written} The next tenantplan apply finishes what it had begun.")
