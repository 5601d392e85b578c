"""What the commands share: the fleet they work on, the options they repeat, and how they print."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tenantplan.planning.select import Selection
    from tenantplan.settings.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def settings() -> Settings:
    """The fleet this command works on."""
    from tenantplan.errors import ManifestError
    from tenantplan.settings.settings import find, load

    path = find(Path.cwd(), click.get_current_context().find_root().obj)
    try:
        return load(path)
    except ManifestError as error:
        from tenantplan.desired.declare import mistakes_of_documents

        raise ManifestError([*error.found, *mistakes_of_documents(path)]) from None


def color(stream: Any = None) -> bool:
    """Whether to colour: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return (stream or sys.stdout).isatty() and not os.environ.get("NO_COLOR")


def print_json(document: Any) -> None:
    """One JSON document on stdout, in which nothing moves a terminal's cursor."""
    from tenantplan.rendering.safe import json_text

    click.echo(json_text(document), nl=False)


def selection_options(function: F) -> F:
    """--target, --exclude and --selector."""
    for option in (
        click.option(
            "--selector",
            multiple=True,
            metavar="K=V",
            help="Only organizations and tenants with this label (or tier, mode).",
        ),
        click.option("--exclude", multiple=True, metavar="ADDRESS", help="Leave this out, and what depends on it."),
        click.option("--target", multiple=True, metavar="ADDRESS", help="Only this, and what it depends on."),
    ):
        function = option(function)
    return function


def selection(target: tuple[str, ...], exclude: tuple[str, ...], selector: tuple[str, ...]) -> Selection:
    """The Selection of the three options."""
    from tenantplan.planning.select import Selection, parse_selector

    return Selection(target, exclude, parse_selector(selector))


embedded_option = click.option("--embedded", is_flag=True, help="Allow a fleet on the embedded server where CI is set.")

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="github prints annotations, which a pull request shows at the affected lines.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
