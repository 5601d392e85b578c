"""`tenantplan doctor`: the checklist before a deployment, and the proof that tenants are isolated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import color, json_option, print_json, settings
from tenantplan.errors import UsageError

if TYPE_CHECKING:
    from tenantplan.commands.isolation.attempt import Attempt
    from tenantplan.model.check import Check

_MARKS = {"pass": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}
_SAMPLE = 3


@click.command("doctor")
@click.option(
    "--skip-rehearsal",
    is_flag=True,
    help="Skip the rehearsal of pending migrations in copies of templates, and the test of the package store.",
)
@click.option(
    "--isolation", "isolated", is_flag=True, help="Instead: try to reach other tenants' data, with each tenant's roles."
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="N",
    help=f"With --isolation: how many organizations of each mode.  [default: {_SAMPLE}]",
)
@click.option(
    "--grants", is_flag=True, help="Instead: print the SQL that creates the role that plans and the role that applies."
)
@json_option
def command(skip_rehearsal: bool, isolated: bool, sample: int | None, grants: bool, as_json: bool) -> int:
    """Go through the checklist before a deployment: rights, servers, TLS, keys, secrets, migrations, pools, log, runs.

    Pending migrations are rehearsed in databases of their own, and the store of packages is tried with a file, which are gone
    afterwards; nothing else is written.
    Exit 1 when something fails, with what to do.

    With --isolation: log in as sampled tenants and try what an attacker would; what that writes is taken back. Exit 3 when
    something leaks.
    """
    if grants:
        return _grants(alone=not (isolated or skip_rehearsal or sample or as_json))
    if isolated and skip_rehearsal:
        raise UsageError("--skip-rehearsal is for the checklist, and --isolation does not rehearse")
    if sample is not None and not isolated:
        raise UsageError("--sample needs --isolation")
    return _isolation(sample or _SAMPLE, as_json) if isolated else _checklist(not skip_rehearsal, as_json)


def _grants(*, alone: bool) -> int:
    from tenantplan.commands.doctor.grants import grants

    if not alone:
        raise UsageError("--grants takes no other options", hint="it prints SQL: tenantplan doctor --grants")
    for part in grants(settings()):
        click.echo(part)
    return 0


def _checklist(rehearsal: bool, as_json: bool) -> int:
    from tenantplan.commands.doctor.doctor import ORDER, doctor

    found: list[Check] = []
    for check in doctor(settings(), rehearsal=rehearsal):
        found.append(check)
        if not as_json:
            _print_check(check)
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


def _print_check(check: Check) -> None:
    from tenantplan.rendering.safe import mask_url, terminal

    mark, paint = _MARKS[check.status]
    shown = click.style(f"{mark:<5}", fg=paint) if color() else f"{mark:<5}"
    subject, name, detail = (terminal(mask_url(text)) for text in (check.subject, check.name, check.detail))
    click.echo(f"  {shown} {subject:<18} {name:<18} {detail}")
    if check.advice and check.status != "pass":
        click.echo(f"        {terminal(mask_url(check.advice))}")


def _isolation(sample: int, as_json: bool) -> int:
    from tenantplan.commands.isolation.attempt import LEAK
    from tenantplan.commands.isolation.isolation import isolation

    lines = isolation(settings(), sample, (lambda line: None) if as_json else _print_attempt)
    leaks = [line for line in lines if line.outcome == LEAK]
    if as_json:
        print_json({"ok": not leaks, "leaks": len(leaks), "tried": [line.document() for line in lines]})
    else:
        click.echo(f"{len(lines)} attempts, {len(leaks)} leak{'s' if len(leaks) != 1 else ''}.")
    return 3 if leaks else 0


def _print_attempt(line: Attempt) -> None:
    from tenantplan.rendering.safe import terminal

    who = f"{line.target} ({line.role})" if line.role else line.target
    click.echo(terminal(f"{line.outcome:<12} {who:<48} {line.what}" + (f"  [{line.detail}]" if line.detail else "")))
