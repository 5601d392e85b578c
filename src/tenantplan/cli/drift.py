"""`tenantplan drift`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import color, json_option, print_json, settings

if TYPE_CHECKING:
    from tenantplan.commands.drift.drift import Drift
    from tenantplan.settings.settings import Settings


@click.command("drift")
@click.option("--repair", is_flag=True, help="Plan the repair of drifted schemas, where that is safe.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --repair: write the plan file that apply takes.",
)
@json_option
def command(repair: bool, out: Path | None, as_json: bool) -> int:
    """Compare live databases with what was last applied: rows, roles, rights, limits, and the schema of every database.

    Changes waiting in the YAML are no drift. Writes nothing. Exit 2 when something was changed by hand, or could not be compared.
    """
    from tenantplan.commands.drift.drift import drift
    from tenantplan.errors import UsageError

    fleet = settings()
    if repair:
        return _repair(fleet, out, as_json)
    if out is not None:
        raise UsageError("--out is for a plan", hint="use drift --repair --out plan.json")
    found = drift(fleet)
    if as_json:
        print_json(_document(found))
    else:
        _show(fleet, found)
    return 2 if found.items or not found.complete else 0


def _repair(fleet: Settings, out: Path | None, as_json: bool) -> int:
    """The plan of the repair; exit 2 when there is something to do or to look at."""
    from tenantplan.cli.plan import print_plan
    from tenantplan.fleet.plan_file import write_plan
    from tenantplan.pipeline.repair import repair
    from tenantplan.rendering.command import Call

    made = repair(fleet)
    saved = f"{write_plan(fleet, made, out)}: {out}" if out is not None else ""
    call = Call(click.get_current_context().find_root().obj, None if out is None else str(out), repair=True)
    print_plan(fleet, made, "json" if as_json else "text", call, saved=saved, verbose=True)
    return 2 if made.operations or made.deferred or made.notes or made.unreachable or made.blockers else 0


def _document(found: Drift) -> dict[str, object]:
    return {
        "drift": bool(found.items),
        "complete": found.complete,
        "items": [asdict(item) for item in found.items],
        "ignored": [
            {**asdict(item), "reason": rule.reason, "until": rule.until.isoformat()} for item, rule in found.ignored
        ],
        "expired": [
            {"address": r.address, "object": r.name, "reason": r.reason, "until": r.until.isoformat()}
            for r in found.expired
        ],
        "unreachable": [finding.document() for finding in found.unreachable],
        "unfinishedRun": found.unfinished,
        "runAtWork": found.at_work[0] if found.at_work else None,
        "notCompared": [finding.document() for finding in found.not_compared],
    }


def _show(fleet: Settings, found: Drift) -> None:
    from tenantplan.model.address import kind
    from tenantplan.rendering import text
    from tenantplan.rendering.safe import terminal

    click.echo(f"tenantplan drift   fleet {fleet.fleet}   main {terminal(found.main)}\n")
    click.echo(
        text.drift(found.items, color=color(), missing=len(found.unreachable) + len(found.not_compared)), nl=False
    )
    for finding in found.unreachable:
        click.echo(f"  ! {terminal(finding.address)}  {terminal(finding.message)}; not compared")
    for item, rule in found.ignored:
        click.echo(
            f"  i {terminal(item.address)}  {terminal(item.name)}: ignored until {rule.until}: {terminal(rule.reason)}"
        )
    for rule in found.expired:
        click.echo(f"  ! drift.ignore of {terminal(rule.name)} ended on {rule.until}: {terminal(rule.reason)}")
    if found.unfinished:
        click.echo(
            f"Run {terminal(found.unfinished)} was interrupted: what it did shows as drift until the next apply."
        )
    if found.at_work:
        click.echo(terminal(f"Run {' is running '.join(found.at_work)}: what it does shows as drift until it ends."))
    if found.not_compared:
        first, more = found.not_compared[0], len(found.not_compared) - 1
        others = f" and of {more} more" if more else ""
        click.echo(f"  i {terminal(first.address)}: its password{others} was not compared: {terminal(first.message)}")
    passwords = [item for item in found.items if item.name == "password" and kind(item.address) == "role"]
    if passwords:
        click.echo("tenantplan plan --refresh deep --out plan.json plans to set the passwords again.")
    if any(kind(item.address) != "schema" and item not in passwords for item in found.items):
        click.echo("tenantplan plan shows what apply would correct.")
    if any(kind(item.address) == "schema" for item in found.items):
        click.echo("tenantplan drift --repair plans the repair of schemas, where that is safe.")
