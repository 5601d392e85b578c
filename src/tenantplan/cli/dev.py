"""`tenantplan dev up|down|psql`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import settings
from tenantplan.errors import NotFound, UsageError

if TYPE_CHECKING:
    from tenantplan.settings.settings import Settings


@click.group("dev")
def command() -> None:
    """The embedded PostgreSQL of a fleet that says main: { embedded: true }: start, stop, enter."""


@command.command("up")
def up() -> None:
    """Start it, made on first use; every command that needs it does so by itself."""
    from tenantplan.postgres import embedded
    from tenantplan.postgres.url import masked

    fleet = settings()
    data = _data(fleet)
    params = embedded.ensure(data)
    database = fleet.spec.main.database
    click.echo(f"EMBEDDED PostgreSQL {embedded.MAJOR} runs on {data}\n{masked(params, database)}")
    click.echo("Enter it: tenantplan dev psql. Stop it: tenantplan dev down. (plan and apply find it by themselves.)")


@command.command("down")
def down() -> None:
    """Stop it; its data stays."""
    from tenantplan.postgres import embedded

    data = _data(settings())
    click.echo(f"Stopped. The data stays in {data}." if embedded.stop(data) else "It was not running.")


@command.command("psql", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """psql on the main database, or on that of an organization: dev psql [ORGANIZATION or DATABASE] [psql's arguments]."""
    from tenantplan.postgres import embedded

    fleet = settings()
    params = embedded.ensure(_data(fleet))
    named = arguments[0] if arguments and not arguments[0].startswith("-") else None
    database = _database(fleet, named)
    program = embedded.binary("psql")
    # By environment: a database name given as an argument would be read as a connection string.
    place = {"PGHOST": params["host"], "PGPORT": params["port"], "PGUSER": params["user"], "PGDATABASE": database}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    # The role is called as the schema of the journal is, and "$user" comes first by default.
    place.setdefault("PGOPTIONS", "-c search_path=public")
    os.execve(program, [str(program), *arguments[1 if named else 0 :]], {**kept, **place})  # noqa: S606


def _data(fleet: Settings) -> Path:
    """The folder of the embedded server; UsageError for a fleet that has a server of its own."""
    from tenantplan.model.address import MAIN

    if not fleet.embedded:
        raise UsageError(
            f"this fleet's server is the one of {fleet.url_reference(MAIN)}: dev is for the embedded one",
            hint="use psql with that URL; main: { embedded: true } in tenantplan.yaml chooses the embedded server",
        )
    return fleet.state_folder / "postgres"


def _database(fleet: Settings, named: str | None) -> str:
    """The database meant by an organization's or a database's name; NotFound with the nearest."""
    from tenantplan.commands.status.fleet_view import main_session
    from tenantplan.documents.suggest import did_you_mean
    from tenantplan.fleet.opening import open_fleet
    from tenantplan.model.address import MAIN

    with open_fleet(fleet) as opened, main_session(opened) as connection:
        if named is None:
            return fleet.spec.main.database
        rows = connection.execute(
            "SELECT slug, database_mode::text, database_server, database_name FROM public.organizations"
        ).fetchall()
        elsewhere = {slug for slug, mode, server, _ in rows if mode == "dedicated" and server != MAIN}
        organizations = {slug: database or fleet.spec.main.database for slug, _, _, database in rows}
        databases = [
            row[0] for row in connection.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall()
        ]
    if named in elsewhere:
        raise UsageError(
            f"the database of {named} is not on the embedded server",
            hint=f"see where it is: tenantplan db show {named}",
        )
    if named in organizations:
        return str(organizations[named])
    if named in databases:
        return named
    near = did_you_mean(named, [*organizations, *databases])
    raise NotFound(f"no organization and no database is called {named}", hint=near or "see them: tenantplan status")
