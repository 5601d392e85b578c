"""`tenantplan plan`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tenantplan.cli.common import color, json_option, selection, selection_options, settings


@click.command("plan")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan file that apply takes.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "markdown", "html"]), default="text", show_default=True
)
@json_option
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes, or something was out of reach."
)
@click.option(
    "--refresh",
    type=click.Choice(["fast", "deep"]),
    default="fast",
    show_default=True,
    help="fast reads stamps and looks into databases that somebody changed; deep looks into every database.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show every statement and every object.")
@selection_options
@click.pass_context
def command(
    context: click.Context,
    out: Path | None,
    form: str,
    as_json: bool,
    detailed_exitcode: bool,
    refresh: str,
    verbose: bool,
    target: tuple[str, ...],
    exclude: tuple[str, ...],
    selector: tuple[str, ...],
) -> int:
    """Compare the YAML with the live databases and show what apply would change. Writes nothing."""
    from tenantplan import pipeline
    from tenantplan.rendering import html, markdown, text

    fleet = settings()
    made = pipeline.plan(fleet, selection(target, exclude, selector), deep=refresh == "deep")
    grace = fleet.spec.guard.grace_days
    if out is not None:
        write_plan(out, made.to_bytes())
    if as_json or form == "json":
        sys.stdout.write(made.to_bytes().decode())
    elif form == "markdown":
        click.echo(markdown.plan(made, grace_days=grace), nl=False)
    elif form == "html":
        click.echo(html.plan(made, grace_days=grace), nl=False)
    else:
        click.echo(text.plan(made, color=color(), verbose=verbose, grace_days=grace), nl=False, color=color())
        if out is not None:
            click.echo(f"Saved; apply exactly this: tenantplan apply {out}", err=True)
    return 2 if detailed_exitcode and (made.unreachable or made.blockers or made.deferred or not made.empty) else 0


def write_plan(path: Path, data: bytes) -> None:
    """The whole file or none of it: a plan cut short would be refused, but only when somebody needs it."""
    from tenantplan.errors import UsageError

    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"the plan file cannot be written: {error.strerror}", where=str(path)) from None
