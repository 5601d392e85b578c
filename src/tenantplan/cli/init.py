"""`tenantplan init`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import click

from tenantplan import __version__
from tenantplan.errors import UsageError
from tenantplan.model.listing import some

_COPIES = {
    "tiers.yaml": "tenants/tiers.yaml",
    "organizations.yaml": "tenants/organizations.yaml",
    "gitignore": ".gitignore",
    "validate.yml": ".github/workflows/validate.yml",
    "plan.yml": ".github/workflows/plan.yml",
    "apply.yml": ".github/workflows/apply.yml",
}
_IN_THE_WAY = 5


@click.command("init")
@click.argument("folder", required=False, default=Path("."), type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", metavar="NAME", help="The fleet's name. Default: the folder's.")
def command(folder: Path, name: str | None) -> None:
    """Make a fleet repository in FOLDER (default: here), which has to be new, empty, or hold nothing but .git.

    It plans at once: a fleet file, a few tenants, migrations, JSON Schemas for your editor, and GitHub workflows.
    """
    from tenantplan.rendering.safe import terminal

    fleet = _name(folder, name)
    contents = dict(_contents(fleet))
    try:
        _refuse_occupied(folder)
        for path, text in contents.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        place = str(error.filename or folder)
        raise UsageError(f"the repository cannot be written: {error.strerror}", where=place) from None
    click.echo(f"Created fleet {fleet} in {terminal(str(folder.resolve()))}: {len(contents)} files.\n\nNext:")
    steps = [("tenantplan plan", "what apply would create, on an EMBEDDED PostgreSQL under .tenantplan/")]
    steps += [
        ("tenantplan apply", "make it"),
        ("tenantplan status", "see it"),
        ("edit tenants/*.yaml", "and plan again"),
    ]
    if folder.resolve() != Path.cwd():
        click.echo(f"  cd {terminal(str(folder))}")
    for step, why in steps:
        click.echo(f"  {step:<22}{why}")
    click.echo(
        "\nFor a server of your own, name it in tenantplan.yaml instead of `embedded: true`:\n"
        "  url: { env: TENANTPLAN_MAIN_URL }"
    )
    click.echo(
        "\nOn GitHub, create the environments plan and production, and limit both to the branch main (Deployment branches):\n"
        "otherwise a workflow in a pull request could use their secrets. Then give each its own secret\n"
        "TENANTPLAN_MAIN_URL (for plan, of a role that only reads), and production required reviewers. Protect main as\n"
        "well. Pull requests are planned, and what is merged is applied."
    )


def _name(folder: Path, name: str | None) -> str:
    """The fleet's name: as given, else made of the folder's name."""
    from tenantplan.manifest.names import NAME
    from tenantplan.model.resource import MAX_NAME_BYTES

    if name is None:
        name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower())[:MAX_NAME_BYTES].strip("-") or "fleet"
    if not re.fullmatch(NAME, name) or len(name) > MAX_NAME_BYTES:
        hint = f"use lower-case letters, digits and hyphens, at most {MAX_NAME_BYTES}, a letter or digit at both ends"
        raise UsageError(f"{name!r} cannot be the fleet's name", hint=hint)
    return name


def _refuse_occupied(folder: Path) -> None:
    if not folder.exists():
        return
    found = sorted(entry.name for entry in folder.iterdir() if entry.name != ".git")
    if found:
        raise UsageError(
            f"the folder is not empty: {some(found, _IN_THE_WAY)}",
            where=str(folder.resolve()),
            hint="nothing was changed; name a new folder: tenantplan init my-fleet",
        )


def _contents(fleet: str) -> Iterator[tuple[str, str]]:
    """Path -> text of every file of the repository."""
    from tenantplan.cli.schema import contents
    from tenantplan.settings.settings import FLEET_FILE, packaged_migrations

    templates = files("tenantplan.cli") / "templates"
    yield FLEET_FILE, templates.joinpath(FLEET_FILE).read_text(encoding="utf-8").replace("@NAME@", fleet)
    for template, path in _COPIES.items():
        yield path, templates.joinpath(template).read_text(encoding="utf-8")
    yield "requirements.txt", f"tenantplan[embedded]=={__version__}\n"
    tree = packaged_migrations("tenant")
    for file in sorted(tree.rglob("*")):
        if file.is_file() and file.suffix in (".py", ".ini", ".mako"):
            yield f"migrations/tenant/{file.relative_to(tree).as_posix()}", file.read_text(encoding="utf-8")
    for name, text in contents().items():
        yield f"schemas/{name}", text
