"""`tenantplan doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import color, json_option, print_json, settings

if TYPE_CHECKING:
    from tenantplan.fleet.fitness import Check

_MARKS = {"pass": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}


@click.command("doctor")
@click.option("--skip-rehearsal", is_flag=True, help="Do not try pending migrations in copies of templates.")
@json_option
def command(skip_rehearsal: bool, as_json: bool) -> int:
    """Go through the checklist before a deployment: rights, servers, TLS, keys, secrets, migrations, pools, log, runs.

    Pending migrations are rehearsed in databases of their own, which are gone afterwards; nothing else is written.
    Exit 1 when something fails, with what to do.
    """
    from tenantplan.inspection.doctor import ORDER, doctor

    found: list[Check] = []
    for check in doctor(settings(), rehearsal=not skip_rehearsal):
        found.append(check)
        if not as_json:
            _tell(check)
    counts = {status: sum(check.status == status for check in found) for status in _MARKS}
    if as_json:
        order = [{"step": step, "how": how} for step, how in ORDER]
        print_json(
            {"ok": not counts["fail"], "counts": counts, "checks": [c.document() for c in found], "order": order}
        )
        return 1 if counts["fail"] else 0
    click.echo(f"\n{counts['pass']} passed, {counts['warn']} with a warning, {counts['fail']} failed.")
    if not counts["fail"]:
        click.echo("Deploy in this order:")
        for step, how in ORDER:
            click.echo(f"  {step:<9}{how}")
    return 1 if counts["fail"] else 0


def _tell(check: Check) -> None:
    from tenantplan.rendering.safe import mask_url, terminal

    mark, paint = _MARKS[check.status]
    shown = click.style(f"{mark:<5}", fg=paint) if color() else f"{mark:<5}"
    subject, name, detail = (terminal(mask_url(text)) for text in (check.subject, check.name, check.detail))
    click.echo(f"  {shown} {subject:<18} {name:<18} {detail}")
    if check.advice and check.status != "pass":
        click.echo(f"        {terminal(mask_url(check.advice))}")
