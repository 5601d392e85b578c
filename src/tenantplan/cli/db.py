"""`tenantplan db show|test`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import color, json_option, print_json, settings
from tenantplan.errors import TenantplanError, UsageError

if TYPE_CHECKING:
    from tenantplan.fleet.opening import Fleet
    from tenantplan.model.check import Check

DRIVERS = ("postgresql", "psycopg", "asyncpg", "prisma")

_MARKS = {"pass": "ok", "warn": "warn", "fail": "FAIL"}


@click.group("db")
def command() -> None:
    """Show or test the connection of an organization."""


@command.command("show")
@click.argument("organization")
@click.option(
    "--driver", type=click.Choice(DRIVERS), help="Print the connection string in the form that this driver takes."
)
@click.option("--reveal", is_flag=True, help="Print the connection string with its password. Audited, with the reason.")
@click.option("--reason", metavar="TEXT", help="Reason for --reveal; prompted for on a terminal.")
@click.option("--read-only", is_flag=True, help="With --reveal: for the read-only login.")
@json_option
def show(
    organization: str, driver: str | None, reveal: bool, reason: str | None, read_only: bool, as_json: bool
) -> None:
    """Where ORGANIZATION (or tenant/NAME) is: mode, server, database, its application's connection string, masked.

    --reveal prints that string and nothing else, once the audit log says who asked for it, and why.
    """
    from tenantplan.fleet.opening import open_fleet

    if reason is not None and not reveal:
        raise UsageError("--reason needs --reveal", hint="without it nothing secret is shown")
    if read_only and not reveal:
        raise UsageError("--read-only needs --reveal", hint="without it both logins are shown")
    with open_fleet(settings()) as fleet:
        if reveal:
            _reveal(fleet, organization, driver, _reason(fleet, reason), read_only, as_json)
        else:
            _show(fleet, organization, driver, as_json)


def _reveal(fleet: Fleet, organization: str, driver: str | None, why: str, read_only: bool, as_json: bool) -> None:
    from tenantplan.commands.credentials.reveal import reveal
    from tenantplan.commands.status.location import placed

    place = placed(fleet, organization)
    url = reveal(fleet, place, driver, why, read_only=read_only)
    if as_json:
        print_json({"address": place.address, "url": url})
    else:
        click.echo(url)


def _reason(fleet: Fleet, given: str | None) -> str:
    from tenantplan.commands.credentials.reveal import checked_reason
    from tenantplan.rendering.safe import terminal

    if given is None and sys.stdin.isatty():
        where = terminal(f"{fleet.main_database} on {fleet.main_server.place}")
        given = click.prompt(f"Reason, for the audit log of {where}", err=True)
    return checked_reason(given or "")


def _show(fleet: Fleet, organization: str, driver: str | None, as_json: bool) -> None:
    from tenantplan.commands.credentials.reveal import masked_url
    from tenantplan.commands.status.location import placed
    from tenantplan.rendering.safe import mask_url, terminal

    place = placed(fleet, organization)
    document = {
        "address": place.address,
        "mode": place.mode,
        "hasDedicatedDatabase": place.mode == "dedicated",
        "server": "its own" if place.brought else place.alias,
        "database": place.database,
        "login": place.login.name if place.login else place.pooled[0] if place.pooled else "",
        "url": masked_url(place, driver, place.login),
        "readOnlyLogin": place.reader.name if place.reader else "",
        "readOnlyUrl": masked_url(place, driver, place.reader) if place.reader else "",
        "pool": place.pool_group,
        "deleted": place.deleted.day if place.deleted else "",
        "purgedFrom": place.deleted.purged if place.deleted else "",
        "source": place.source,
        "declaredAt": place.origin,
        "applied": place.applied,
        "problem": str(place.server) if isinstance(place.server, TenantplanError) else "",
    }
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        shown = ("yes" if value else "no") if isinstance(value, bool) else value
        if shown:
            click.echo(f"  {name:<22}{terminal(mask_url(str(shown).replace(chr(10) + '  ', '; ')))}")


@command.command("test")
@click.argument("organization", required=False)
@click.option("--url-env", metavar="NAME", help="Test the connection string in this variable, before it is declared.")
@json_option
def test(organization: str | None, url_env: str | None, as_json: bool) -> int:
    """Test the connection of ORGANIZATION as it is declared, or the main database and every server. Exit 1 when one fails."""
    from tenantplan.commands.doctor import connections
    from tenantplan.fleet.opening import open_fleet

    if organization and url_env:
        raise UsageError("give either an organization or --url-env")
    if url_env:
        url = os.environ.get(url_env)
        if not url:
            raise UsageError(
                f"the variable {url_env} is not set", hint="--url-env takes the name of a variable, not a URL"
            )
        found = list(connections.url_checks(url_env, url))
    else:
        with open_fleet(settings()) as fleet:
            if organization:
                from tenantplan.commands.status.location import placed

                found = list(connections.organization_checks(fleet, placed(fleet, organization)))
            else:
                found = list(connections.fleet_checks(fleet))
    return _report(found, as_json)


def _report(found: list[Check], as_json: bool) -> int:
    failed = sum(check.status == "fail" for check in found)
    if as_json:
        print_json({"ok": not failed, "checks": [check.document() for check in found]})
        return 1 if failed else 0
    from tenantplan.rendering.text import table

    lines = [(_MARKS[c.status], c.subject, c.name, c.detail, c.advice) for c in found]
    click.echo(table(("", "WHAT", "CHECK", "FOUND", "WHAT TO DO"), lines, color=color()), nl=False)
    warned = sum(check.status == "warn" for check in found)
    more = f", {warned} with a warning" if warned else ""
    click.echo(f"\n{failed} of {len(found)} checks failed." if failed else f"\nAll {len(found)} checks passed{more}.")
    return 1 if failed else 0
