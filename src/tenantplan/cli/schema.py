"""`tenantplan schema export`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import settings
from tenantplan.errors import ManifestError, SettingsError, UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel


@click.group("schema")
def command() -> None:
    """The JSON Schema of the YAML, for editors and CI."""


@command.command("export")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("schemas"),
    show_default=True,
    help="The folder to write to.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when the files there are not current.")
def export(out: Path, check: bool) -> int:
    """Write tenantplan.schema.json, for every kind, and one schema for each kind.

    In a fleet, the kinds that it declares itself are among them. Needs no database, and no fleet either.
    """
    wanted = contents()
    stale = [name for name, text in wanted.items() if not _same(out / name, text)]
    if check:
        for name in stale:
            click.echo(f"{out / name} is not current: tenantplan schema export writes it")
        if not stale:
            click.echo(f"{len(wanted)} schemas in {out} are current.")
        return 1 if stale else 0
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in stale:
            (out / name).write_text(wanted[name], encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the schemas cannot be written: {error.strerror}", where=str(error.filename or out)) from None
    click.echo(f"{len(wanted)} schemas in {out}, {len(stale)} of them written.")
    return 0


def contents() -> dict[str, str]:
    """File name -> content of every schema: of the kinds, those that this fleet declares, and the fleet file."""
    from tenantplan.manifest.jsonschema import files
    from tenantplan.manifest.kinds import SPECS
    from tenantplan.settings.sections import FleetSpec

    return files({**SPECS, **_declared(), "Fleet": FleetSpec})


def _declared() -> Mapping[str, type[BaseModel]]:
    """Models of the kinds that the fleet here declares, if there is a fleet."""
    from tenantplan.desired.declare import load_documents
    from tenantplan.fleet.opening import open_fleet
    from tenantplan.manifest.definitions import specs_of

    try:
        with open_fleet(settings()) as fleet:
            return specs_of([d for d in load_documents(fleet) if d.kind == "ResourceKind"])[0]
    except SettingsError:
        return {}
    except ManifestError:  # whoever writes the first file, or mends one, needs the schema for it
        click.echo(
            "the manifest has mistakes, see tenantplan validate: kinds of the fleet's own are left out", err=True
        )
        return {}


def _same(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False
