"""`tenantplan migrations status|sql|new`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tenantplan.cli.common import color, json_option, print_json, settings

if TYPE_CHECKING:
    from tenantplan.inspection.revisions import TreeStatus
    from tenantplan.migration.graph import Graph

TREES = ("main", "tenant", "shared")


@click.group("migrations")
def command() -> None:
    """The revisions of the main and the tenant databases, and the SQL between them."""


@command.command("status")
@json_option
def status(as_json: bool) -> None:
    """How many databases are at each revision, and which are behind. Reads stamps, not every database."""
    from tenantplan.inspection import revisions
    from tenantplan.inspection import scene as inspection

    scene = inspection.look(settings())
    found = revisions.revisions(scene)
    if as_json:
        print_json({"fleet": scene.settings.fleet, "trees": [tree.document() for tree in found]})
        return
    for tree in found:
        _show(tree)


def _show(tree: TreeStatus) -> None:
    from tenantplan.rendering.safe import terminal
    from tenantplan.rendering.text import table

    click.echo(
        click.style(f"{tree.tree}: head {tree.head or 'none'}", bold=True)
        if color()
        else f"{tree.tree}: head {tree.head or 'none'}"
    )
    lines = [(revision, message, len(tree.at.get(revision, ()))) for revision, message in tree.revisions]
    click.echo(table(("REVISION", "MESSAGE", "DATABASES"), lines, color=color()), nl=False)
    for revision, names in sorted(tree.behind.items(), key=lambda item: str(item[0])):
        click.echo(f"  behind, at {terminal(revision or 'no revision')}: {terminal(', '.join(names))}")
    for revision, names in sorted(tree.unknown.items()):
        click.echo(f"  at revision {terminal(revision)}, which this tree does not have: {terminal(', '.join(names))}")
    for edit in tree.edited:
        click.echo(f"  ! {terminal(edit)}")
    click.echo()


@command.command("new")
@click.argument("message")
@click.option("--tree", type=click.Choice(TREES[:2]), default="tenant", show_default=True, help="Which tree.")
def new(message: str, tree: str) -> None:
    """Write an empty revision after the head, ready to be filled in. Needs no database."""
    from tenantplan.errors import UsageError
    from tenantplan.fleet.trees import load_trees
    from tenantplan.migration.new import new_revision

    fleet = settings()
    if tree == "main" and fleet.spec.migrations.main is None:
        raise UsageError(
            "the main tree is tenantplan's own",
            hint="copy it and name the copy under migrations.main, if it is to grow",
        )
    graph = load_trees(fleet).of(tree)
    path = new_revision(graph, message)
    click.echo(
        f"{path} after {graph.head or 'base'}. Fill it in, then: tenantplan migrations sql --from {graph.head or 'base'}"
    )


@command.command("sql")
@click.option(
    "--tree",
    type=click.Choice(TREES),
    default="tenant",
    show_default=True,
    help="shared: the tenant tree in the main database.",
)
@click.option("--from", "start", default="base", show_default=True, metavar="REVISION", help="Where a database is.")
@click.option(
    "--to",
    "end",
    default="head",
    show_default=True,
    metavar="REVISION",
    help="Where it shall be; before --from: a downgrade.",
)
@json_option
def sql(tree: str, start: str, end: str, as_json: bool) -> None:
    """Print the SQL between two revisions, as apply runs it: one transaction. Needs no database."""
    from tenantplan.fleet.trees import load_trees

    graph = load_trees(settings()).of(tree)
    first, last = _revision(graph, start), _revision(graph, end)
    steps = _steps(graph, tree, first, last)
    if as_json:
        print_json({"tree": tree, "from": first, "to": last, "steps": steps})
        return
    from tenantplan.rendering.safe import terminal

    click.echo(f"-- {tree}: {first or 'base'} -> {last or 'base'}")
    if not steps:
        click.echo("-- nothing to do")
        return
    for step in steps:
        click.echo(f"\n-- {step['direction']} {step['revision']}: {terminal(step['message'])}")
        for part in step["steps"]:
            _print(part)


def _print(part: dict[str, Any]) -> None:
    """One step, as it runs: in a transaction, or without one."""
    together = part["kind"] != "outside"
    click.echo("BEGIN;\nSET LOCAL search_path = public, pg_temp;" if together else "SET search_path = public, pg_temp;")
    for statement in part["statements"]:
        click.echo(statement + ("\n;" if "--" in statement.rsplit("\n", 1)[-1] else ";"))
    click.echo("COMMIT;" if together else "RESET search_path;")


def _revision(graph: Graph, named: str) -> str | None:
    """The revision that a person means; its beginning will do when only one begins so."""
    if named == "base":
        return None
    if named == "head":
        return graph.head
    near = [revision.id for revision in graph.revisions if revision.id.startswith(named)]
    if named in near or len(near) != 1:
        graph.path(None, named)  # refuses one that the tree does not have, and says which it has
        return named
    return near[0]


def _steps(graph: Graph, tree: str, start: str | None, end: str | None) -> list[dict[str, Any]]:
    """One item for each revision on the way, oldest first, or newest first on the way back."""
    from tenantplan.migration.compile import downgrade, upgrade

    back = end is None or (start is not None and _is_behind(graph, end, start))
    at = start
    found = []
    for revision in graph.path(end, start)[::-1] if back else graph.path(start, end):
        after = graph.before(at, revision) if back else graph.after(at, revision)
        compiled = (downgrade if back else upgrade)(graph, at, after, shared=tree == "shared")
        found.append(
            {
                "revision": revision.id,
                "direction": "downgrade" if back else "upgrade",
                "message": revision.message,
                "statements": [statement for part in compiled for statement in part.statements],
                "steps": [part.document() for part in compiled],
            }
        )
        at = after
    return found


def _is_behind(graph: Graph, first: str, second: str) -> bool:
    """Whether `first` is on the way from the base to `second`."""
    from tenantplan.errors import MigrationError

    try:
        graph.path(first, second)
    except MigrationError:
        return False
    return True
