"""`tenantplan apply`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import (
    color,
    embedded_option,
    json_option,
    print_json,
    selection,
    selection_options,
    settings,
)
from tenantplan.errors import AppliedInPart, Blocked, TenantplanError, UsageError

if TYPE_CHECKING:
    from tenantplan.model.plan import Plan
    from tenantplan.model.report import Outcome, Report
    from tenantplan.planning.guard import Allowances
    from tenantplan.settings.settings import Settings


@click.command("apply")
@click.argument("plan_file", required=False, type=click.Path(path_type=Path))
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--allow-deletes", type=click.IntRange(0), metavar="N", help="Confirm exactly this many deletions.")
@click.option(
    "--allow-destructive",
    type=click.IntRange(0),
    metavar="N",
    help="Confirm exactly this many revisions that destroy data.",
)
@click.option(
    "--parallelism", type=click.IntRange(1, 64), metavar="N", help="How many organizations to work on at once."
)
@json_option
@embedded_option
@selection_options
def command(
    plan_file: Path | None,
    auto_approve: bool,
    allow_deletes: int | None,
    allow_destructive: int | None,
    parallelism: int | None,
    as_json: bool,
    embedded: bool,
    target: tuple[str, ...],
    exclude: tuple[str, ...],
    selector: tuple[str, ...],
) -> int:
    """Make the live databases what the YAML says: the changes of PLAN_FILE, or those of a plan made and shown now."""
    from tenantplan.fleet.servers import refuse_embedded_in_ci
    from tenantplan.pipeline import apply, plan
    from tenantplan.planning.guard import Allowances
    from tenantplan.secrets.fleet_keys import takes_signed_only

    fleet = settings()
    refuse_embedded_in_ci(fleet, embedded)
    if plan_file is not None:
        chosen, believed = _of_file(fleet, plan_file, (*target, *exclude, *selector)), takes_signed_only(fleet)
    else:
        chosen, believed = plan.plan(fleet, selection(target, exclude, selector)), True
        _confirm(fleet, chosen, auto_approve, Allowances(allow_deletes, allow_destructive), as_json)
    with _progress(chosen, quiet=as_json) as on_outcome:
        report = apply.apply(
            fleet,
            chosen,
            allow_deletes=allow_deletes,
            allow_destructive=allow_destructive,
            parallelism=parallelism,
            on_outcome=on_outcome,
            believed=believed,
        )
    if as_json:
        print_json(report.document())
    else:
        _show(chosen, report)
    return _exit_code(chosen, report)


def _of_file(fleet: Settings, plan_file: Path, selected: tuple[str, ...]) -> Plan:
    """The plan in a file, after it was said where it is about to be applied; UsageError where something was selected."""
    from tenantplan.fleet.plan_file import read_plan

    if selected:
        raise UsageError(
            "a plan file is applied whole", hint="select when planning: tenantplan plan --target … --out plan.json"
        )
    chosen = read_plan(fleet, plan_file)
    _print_target(fleet, chosen)
    return chosen


def _confirm(fleet: Settings, chosen: Plan, auto_approve: bool, words: Allowances, as_json: bool) -> None:
    """Shows the plan and asks; a run without a terminal must say --auto-approve."""
    from tenantplan.planning.guard import remaining_blockers
    from tenantplan.rendering import text
    from tenantplan.rendering.safe import terminal
    from tenantplan.rendering.view import place_of

    if not as_json:
        shown = text.plan(chosen, color=color(), grace_days=fleet.spec.guard.grace_days, call=None)
        click.echo(shown, nl=False, color=color())
    blocked = remaining_blockers(chosen, words)
    if blocked:
        raise Blocked("\n".join(f"{b.address}: {b.message}" for b in blocked), hint="nothing was changed")
    if chosen.empty or auto_approve:
        return
    if not sys.stdin.isatty():
        raise UsageError("no terminal to confirm on", hint="apply a reviewed plan file, or pass --auto-approve")
    question = terminal(f"Apply these changes to {place_of(chosen.target)}? Type yes to apply")
    if click.prompt(question, default="no") != "yes":
        raise UsageError("not applied", hint="nothing was changed")


def _print_target(fleet: Settings, chosen: Plan) -> None:
    """Where a plan file is about to be applied: its own plan was shown somewhere else."""
    from tenantplan.fleet.opening import open_fleet
    from tenantplan.rendering.safe import terminal

    with open_fleet(fleet) as opened:
        where = f"{opened.main_database} on {opened.main_server.place}"
    click.echo(terminal(f"applying plan {chosen.digest[:12]}…   fleet {fleet.fleet}   main {where}"), err=True)


@contextmanager
def _progress(chosen: Plan, quiet: bool) -> Iterator[Callable[[Outcome], None]]:
    """A progress bar on stderr while operations run, when somebody is looking at it."""
    if quiet or not chosen.operations or not color(sys.stderr):
        yield lambda outcome: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from tenantplan.rendering.safe import terminal

    columns = (
        TextColumn("applying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(chosen.operations))
        yield lambda outcome: bar.update(task, advance=1, description=escape(terminal(outcome.operation.address)))


def _show(chosen: Plan, report: Report) -> None:
    from tenantplan.rendering import text

    if chosen.empty:
        return
    click.echo(text.report(report, color=color()), nl=False, color=color())


def _exit_code(chosen: Plan, report: Report) -> int:
    if report.count("failed", "skipped"):
        return AppliedInPart.exit_code
    if report.count("stale"):
        return AppliedInPart.exit_code if chosen.per_tenant and report.count("done", "recovered") else 4
    if report.stopped:
        return AppliedInPart.exit_code
    if report.remaining:
        raise TenantplanError(
            f"{report.remaining} objects differ from the plan after the run",
            hint="run tenantplan plan: something else is changing them",
        )
    if chosen.unreachable:
        click.echo("tenantplan: some databases could not be reached and were not planned; see above", err=True)
        return AppliedInPart.exit_code
    return 0
