"""`tenantplan plan`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import color, embedded_option, json_option, selection, selection_options, settings
from tenantplan.rendering.formats import PLAN, PlanOptions

if TYPE_CHECKING:
    from tenantplan.model.plan import Plan, Sign
    from tenantplan.rendering.command import Call
    from tenantplan.settings.settings import Settings


@click.command("plan")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan file that apply takes.")
@click.option(
    "--encrypt", is_flag=True, help="With --out: encrypt the file, under plans.encryptionKey of the fleet file."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(PLAN)),
    default="text",
    show_default=True,
)
@json_option
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes, or something could not be reached."
)
@click.option(
    "--refresh",
    type=click.Choice(["fast", "deep"]),
    default="fast",
    show_default=True,
    help="fast reads stamps and inspects databases that somebody changed; deep inspects every database.",
)
@click.option(
    "--per-tenant",
    is_flag=True,
    help="With --out: apply skips the organizations and tenants that have changed since, and applies the rest (exit 5).",
)
@click.option("--verbose", "-v", is_flag=True, help="Show every statement and every object.")
@embedded_option
@selection_options
@click.pass_context
def command(
    context: click.Context,
    out: Path | None,
    encrypt: bool,
    form: str,
    as_json: bool,
    detailed_exitcode: bool,
    refresh: str,
    per_tenant: bool,
    verbose: bool,
    embedded: bool,
    target: tuple[str, ...],
    exclude: tuple[str, ...],
    selector: tuple[str, ...],
) -> int:
    """Compare the YAML with the live databases and show what apply would change. Writes nothing.

    Exit 3 when the plan is blocked: apply would refuse it.
    """
    from tenantplan.fleet.plan_file import write_plan
    from tenantplan.fleet.servers import refuse_embedded_in_ci
    from tenantplan.pipeline import plan
    from tenantplan.rendering.command import Call

    form, deep = "json" if as_json else form, refresh == "deep"
    _refuse_without_file(out, encrypt, per_tenant and form != "json")
    fleet = settings()
    refuse_embedded_in_ci(fleet, embedded)
    made = replace(plan.plan(fleet, selection(target, exclude, selector), deep=deep), per_tenant=per_tenant)
    saved = f"{write_plan(fleet, made, out, encrypt=encrypt)}: {out}" if out is not None else ""
    call = Call(context.find_root().obj, None if out is None else str(out), deep=deep)
    print_plan(fleet, made, form, call, saved=saved, verbose=verbose, grace_days=fleet.spec.guard.grace_days)
    return exit_code(made, detailed=detailed_exitcode)


def _refuse_without_file(out: Path | None, encrypt: bool, per_tenant: bool) -> None:
    """UsageError for flags of a plan file where none is written."""
    from tenantplan.errors import UsageError

    if encrypt and out is None:
        raise UsageError("--encrypt is for a plan file", hint="use --out plan.json --encrypt")
    if per_tenant and out is None:
        raise UsageError("--per-tenant is for a plan file", hint="use --per-tenant --out plan.json")


def exit_code(made: Plan, *, detailed: bool) -> int:
    """3 for a plan that apply refuses; else 0, or, `detailed`, 2 where it holds anything or could not see everything."""
    from tenantplan.model.finding_rules import CHANGED

    if made.blockers:
        return 3
    otherwise = made.unreachable or made.deferred or any(note.rule == CHANGED for note in made.notes)
    return 2 if detailed and (otherwise or not made.empty) else 0


def print_plan(
    fleet: Settings,
    made: Plan,
    form: str,
    call: Call,
    *,
    saved: str,
    verbose: bool,
    grace_days: int | None = None,
) -> None:
    """The plan on stdout; where people read it as text, what was `saved` on stderr."""
    from tenantplan.rendering.safe import terminal

    options = PlanOptions(partial(_signer, fleet), call, color(), verbose, grace_days)
    click.echo(PLAN[form](made, options), nl=False, color=color())
    if saved and form == "text":
        click.echo(terminal(saved), err=True)


def _signer(fleet: Settings) -> Sign | None:
    """What signs the plan where it is to be signed and the key is at hand; that it is not is said on stderr."""
    from tenantplan.errors import SettingsError
    from tenantplan.rendering.safe import terminal
    from tenantplan.secrets.fleet_keys import plan_signer

    try:
        return plan_signer(fleet)
    except SettingsError as error:
        click.echo(terminal(f"not signed, so apply will refuse it: {error.message}"), err=True)
        return None
