"""`tenantplan plan`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import color, embedded_option, json_option, selection, selection_options, settings

if TYPE_CHECKING:
    from tenantplan.model.plan import Plan
    from tenantplan.settings.settings import Settings


@click.command("plan")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan file that apply takes.")
@click.option(
    "--encrypt", is_flag=True, help="With --out: encrypt the file, under plans.encryptionKey of the fleet file."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown", "html", "github"]),
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
    from tenantplan.errors import UsageError
    from tenantplan.fleet.plan_file import write_plan
    from tenantplan.fleet.servers import refuse_embedded_in_ci
    from tenantplan.pipeline import plan
    from tenantplan.rendering import github, html, markdown, text
    from tenantplan.rendering.command import Call
    from tenantplan.rendering.safe import terminal

    if encrypt and out is None:
        raise UsageError("--encrypt is for a plan file", hint="use --out plan.json --encrypt")
    if per_tenant and out is None and not (as_json or form == "json"):
        raise UsageError("--per-tenant is for a plan file", hint="use --per-tenant --out plan.json")
    fleet = settings()
    refuse_embedded_in_ci(fleet, embedded)
    made = plan.plan(fleet, selection(target, exclude, selector), deep=refresh == "deep")
    made = replace(made, per_tenant=per_tenant)
    grace = fleet.spec.guard.grace_days
    saved = write_plan(fleet, made, out, encrypt=encrypt) if out is not None else ""
    if as_json or form == "json":
        print_plan(fleet, made)
    elif form == "github":
        click.echo(github.plan(made), nl=False)
    elif form == "markdown":
        click.echo(markdown.plan(made, grace_days=grace), nl=False)
    elif form == "html":
        click.echo(html.plan(made, grace_days=grace), nl=False)
    else:
        call = Call(context.find_root().obj, str(out) if saved else None, deep=refresh == "deep")
        shown = text.plan(made, color=color(), verbose=verbose, grace_days=grace, call=call)
        click.echo(shown, nl=False, color=color())
        if saved:
            click.echo(terminal(f"{saved}: {out}"), err=True)
    return exit_code(made, detailed=detailed_exitcode)


def exit_code(made: Plan, *, detailed: bool) -> int:
    """3 for a plan that apply refuses; else 0, or, `detailed`, 2 where it holds anything or could not see everything."""
    from tenantplan.model.finding_rules import CHANGED

    if made.blockers:
        return 3
    otherwise = made.unreachable or made.deferred or any(note.rule == CHANGED for note in made.notes)
    return 2 if detailed and (otherwise or not made.empty) else 0


def print_plan(fleet: Settings, made: Plan) -> None:
    """The plan file on stdout: signed where it is to be signed and the key is at hand."""
    from tenantplan.errors import SettingsError
    from tenantplan.rendering.safe import terminal
    from tenantplan.secrets.fleet_keys import plan_signer

    try:
        sign = plan_signer(fleet)
    except SettingsError as error:
        click.echo(terminal(f"not signed, so apply will refuse it: {error.message}"), err=True)
        sign = None
    sys.stdout.write(made.to_bytes(sign).decode())
