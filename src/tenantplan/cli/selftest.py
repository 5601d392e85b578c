"""`tenantplan selftest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import json_option, print_json, settings
from tenantplan.errors import UsageError

if TYPE_CHECKING:
    from tenantplan.commands.selftest.selftest import SelftestStep
    from tenantplan.migration.tree.graph import Graph
    from tenantplan.postgres.url import Server

_MARKS = {"pass": "ok", "skip": "skip", "fail": "FAIL"}


@click.command("selftest")
@click.option(
    "--url",
    "reference",
    metavar="REFERENCE",
    help="Another server, by a reference to its connection string: env:NAME or file:PATH. Needs no fleet.",
)
@json_option
def command(reference: str | None, as_json: bool) -> int:
    """Try the live server of the fleet, in a temporary database: migrate, create, read with relations, cascade, log in.

    It leaves nothing behind. Exit 1 when a step fails, with what to do.
    """
    from tenantplan.commands.selftest.selftest import selftest

    server, tree = _fleet() if reference is None else _named(reference)
    steps: list[SelftestStep] = []
    if not as_json:
        from tenantplan.rendering.safe import terminal

        click.echo(f"selftest of {terminal(server.place)}")
    ok = selftest(server, tree, steps.append if as_json else _print_step)
    if as_json:
        print_json({"ok": ok, "steps": [step.document() for step in steps]})
    else:
        click.echo("Everything works." if ok else "Something does not work: see above what to do.")
    return 0 if ok else 1


def _fleet() -> tuple[Server, Graph]:
    from tenantplan.fleet.opening import open_fleet
    from tenantplan.migration.tree import graph

    with open_fleet(settings()) as fleet:
        return fleet.main_server, graph.load(fleet.settings.migrations("main"), "main")


def _named(reference: str) -> tuple[Server, Graph]:
    """The server of a reference; a file is looked for from the working folder. The tree is the one of the package."""
    from tenantplan.fleet.servers import checked
    from tenantplan.migration.tree import graph
    from tenantplan.postgres.url import Server
    from tenantplan.secrets.references import resolve
    from tenantplan.settings.settings import packaged_migrations

    kind, _, name = reference.partition(":")
    if kind not in ("env", "file") or not name or "://" in reference:
        raise UsageError(
            "--url takes a reference, not a connection string", hint="env:NAME of a variable, or file:PATH"
        )
    params = checked(resolve(reference, Path.cwd()), reference)
    return Server("server", params, 4), graph.load(packaged_migrations("main"), "main")


def _print_step(step: SelftestStep) -> None:
    from tenantplan.rendering.safe import mask_url, terminal

    detail = terminal(mask_url(step.detail))
    click.echo(f"  {_MARKS[step.status]:<5} {step.name:<27}{step.ms:>6} ms  {detail}")
    if step.advice:
        click.echo(f"        {terminal(mask_url(step.advice))}")
