"""`tenantplan report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import color, json_option, print_json, settings
from tenantplan.errors import UsageError

if TYPE_CHECKING:
    from tenantplan.commands.upkeep.reports import Answer

_EXPIRING = "licenses-expiring"


@click.command("report")
@click.argument("name", required=False)
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, which a spreadsheet does not run as formulas.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), metavar="N", help="At most N rows.")
@click.option(
    "--days", type=click.IntRange(1, 36_500), metavar="N", help=f"For {_EXPIRING}: how far to look ahead (30)."
)
def command(name: str | None, as_json: bool, as_csv: bool, limit: int | None, days: int | None) -> int:
    """Answer a question about the fleet: tenants, licenses, metrics, errors, databases. Without NAME: list the reports.

    Exit 5 when a database could not be asked; the others are shown.
    """
    if as_json and as_csv:
        raise UsageError("give either --json or --csv")
    if name is None:
        _list(as_json)
        return 0
    from tenantplan.commands.upkeep import reports
    from tenantplan.rendering.formats import ROWS
    from tenantplan.rendering.rows import Rows

    report = reports.known(name)
    if days is not None and name != _EXPIRING:
        raise UsageError(f"--days is for {_EXPIRING} alone")
    found = reports.answer(settings(), name, limit=limit, days=days or 30)
    shown = ROWS["json" if as_json else "csv" if as_csv else "text"]
    click.echo(shown(Rows(found.columns, found.rows, report.empty), color()), nl=False)
    return _lost(found)


def _list(as_json: bool) -> None:
    from tenantplan.commands.upkeep.reports import REPORTS
    from tenantplan.rendering.text import table

    if as_json:
        print_json([{"name": name, "about": report.about} for name, report in REPORTS.items()])
        return
    lines = [(name, report.about) for name, report in REPORTS.items()]
    click.echo(table(("REPORT", "WHAT IT SHOWS"), lines, color=color()), nl=False)


def _lost(found: Answer) -> int:
    """Names on stderr what is missing; the exit code."""
    from tenantplan.rendering.safe import mask_url, terminal

    for finding in found.lost:
        click.echo(f"  ! {terminal(finding.address)}  {terminal(mask_url(finding.message))}; not shown", err=True)
    return 5 if found.lost else 0
