"""`tenantplan schema export`."""

from __future__ import annotations

from pathlib import Path

import click

from tenantplan.errors import UsageError


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
    """Write tenantplan.schema.json, for every kind, and one schema for each kind. Needs no fleet and no database."""
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
    """File name -> content of every schema, the fleet file's among them."""
    from tenantplan.manifest.jsonschema import files
    from tenantplan.settings import FleetSpec

    return files({"Fleet": FleetSpec})


def _same(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False
