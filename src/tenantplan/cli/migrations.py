"""`tenantplan migrations status|sql|new|revert|lint`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import json_option, print_json, settings
from tenantplan.errors import UsageError

if TYPE_CHECKING:
    from tenantplan.fleet.opening import Fleet
    from tenantplan.migration.authoring.new import Body
    from tenantplan.migration.lint.review import Review
    from tenantplan.migration.tree.graph import Graph

TREES = ("main", "tenant", "shared")


@click.group("migrations")
def command() -> None:
    """The revisions of the main and the tenant databases, and the SQL between them."""


@command.command("status")
@click.option("--all", "every", is_flag=True, help="Every revision and every database, however many.")
@json_option
def status(every: bool, as_json: bool) -> None:
    """How many databases are at each revision, and which are behind. Reads stamps, not every database.

    Of a long tree: the newest revisions and those that databases are at; the others are counted.
    """
    from tenantplan.cli.migrations_status import print_tree
    from tenantplan.commands.status.fleet_view import read_fleet
    from tenantplan.commands.status.revisions import revisions
    from tenantplan.fleet.opening import open_fleet

    with open_fleet(settings()) as fleet:
        found = revisions(read_fleet(fleet))
    if as_json:
        print_json({"fleet": fleet.settings.fleet, "trees": [tree.document() for tree in found]})
        return
    for tree in found:
        print_tree(tree, every)


@command.command("new")
@click.argument("message")
@click.option("--tree", type=click.Choice(TREES[:2]), default="tenant", show_default=True, help="Which tree.")
@click.option(
    "--autogenerate",
    is_flag=True,
    help="Fill it with what differs between migrations.models and a scratch database at the head.",
)
def new(message: str, tree: str, autogenerate: bool) -> None:
    """Write a revision after the head, empty and ready to be filled in; that needs no database.

    With --autogenerate, Python of the fleet is run, and the scratch database is on the main server, and gone afterwards.
    """
    from tenantplan.fleet.opening import open_fleet
    from tenantplan.migration.authoring.new import new_revision
    from tenantplan.rendering.safe import terminal

    found = settings()
    if tree == "main" and found.spec.migrations.main is None:
        raise UsageError(
            "the main tree is tenantplan's own",
            hint="to extend it, copy it and name the copy under migrations.main",
        )
    with open_fleet(found) as fleet:
        graph = fleet.trees.of(tree)
        head = graph.head or "base"
        body = _compared(fleet, tree, message) if autogenerate else None
    if autogenerate and body is None:
        click.echo(f"Nothing to write: a database at {head} already matches the models.")
        return
    path = new_revision(graph, message, body)
    what = "Fill it in" if body is None else "Read it"
    click.echo(terminal(f"{path} after {head}. {what}, then: tenantplan migrations sql --from {head}, and lint"))
    if body and "op.create_table(" in body.upgrades and (graph.directory / "tenancy.py").is_file():
        click.echo(
            "It makes tables. Organizations that share a database need organization_id and row level security on them:"
            " write create_table of tenancy.py in place of op.create_table.",
            err=True,
        )


def _compared(fleet: Fleet, tree: str, message: str) -> Body | None:
    """What the models say and a database at the head does not have; None when there is no difference."""
    from tenantplan.migration.authoring.new import OWN_WAY, checked

    checked(message)  # before anything is made
    if tree != "tenant":
        raise UsageError("--autogenerate is for the tenant tree only", hint="the models are those of tenant databases")
    if not fleet.trees.tenant.runs_python:
        whose, hint = OWN_WAY[fleet.trees.tenant.engine]
        raise UsageError(f"--autogenerate is for Alembic's trees, and this one is {whose}", hint=hint)
    reference = fleet.settings.spec.migrations.models
    if reference is None:
        raise UsageError(
            "no models are named", hint="name them in the fleet file: migrations: { models: package.module:Base }"
        )
    from tenantplan.migration.authoring.autogenerate import created_tables, difference
    from tenantplan.migration.authoring.scratch import scratch
    from tenantplan.migration.compile.models import models

    with (
        models(reference, fleet.settings.root) as metadata,
        scratch(fleet.settings, fleet.trees, fleet.another_connector) as connection,
    ):
        return difference(connection, metadata, created_tables(fleet.trees.upgrade("main", None)))


@command.command("sql")
@click.option(
    "--tree",
    type=click.Choice(TREES),
    default="tenant",
    show_default=True,
    help="shared: the tenant tree in the main database.",
)
@click.option(
    "--from", "start", default="base", show_default=True, metavar="REVISION", help="Revision that a database is at."
)
@click.option(
    "--to",
    "end",
    default="head",
    show_default=True,
    metavar="REVISION",
    help="Target revision; before --from: a downgrade.",
)
@json_option
def sql(tree: str, start: str, end: str, as_json: bool) -> None:
    """Print the SQL between two revisions, revision by revision, with their transactions. Needs no database."""
    from tenantplan.cli.migrations_sql import print_steps, steps_between
    from tenantplan.migration.trees import load_trees

    graph = load_trees(settings()).of(tree)
    first, last = _revision(graph, start), _revision(graph, end)
    steps = steps_between(graph, tree, first, last)
    if as_json:
        print_json({"tree": tree, "from": first, "to": last, "steps": steps})
        return
    print_steps(tree, first, last, steps)


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


@command.command("revert")
@click.argument("organizations", nargs=-1, required=True, metavar="ORGANIZATION...")
@click.option(
    "--to", "end", required=True, metavar="REVISION", help="Revision that their databases go back to, and stay at."
)
def revert(organizations: tuple[str, ...], end: str) -> None:
    """Write into the documents of organizations at which revision their databases stay, and show it as a diff.

    Nothing else happens: plan shows the way back, apply goes it, and without that line again the database is migrated forward.
    """
    from tenantplan.commands.pin import pins
    from tenantplan.migration.trees import load_trees
    from tenantplan.rendering.safe import terminal

    fleet = settings()
    graph = load_trees(fleet).tenant
    revision = _revision(graph, end)
    if revision is None:
        hint = f"the first revision is {graph.revisions[0].id}" if graph.revisions else "there is none yet"
        raise UsageError("a database without any revision has no tables to serve", hint=hint)
    edits = [edit for edit in pins(fleet, organizations, revision) if edit.before != edit.after]
    for edit in edits:
        click.echo("\n".join(terminal(line) for line in edit.diff().splitlines()))
        edit.path.write_bytes(edit.after)
    one_way = [r.id for r in graph.path(revision, graph.head) if not r.reversible]
    if one_way:
        click.echo(terminal(f"No way back from {', '.join(one_way)}: a database that has it stays there."), err=True)
    click.echo(f"{_files(len(edits))} Next: tenantplan plan" if edits else "Already set.", err=True)


def _files(count: int) -> str:
    return "1 file written." if count == 1 else f"{count} files written."


@command.command("lint")
@click.option("--tree", type=click.Choice(TREES[:2]), default="tenant", show_default=True, help="Which tree.")
@click.option("--from", "start", metavar="REVISION", help="What applies to a database at this revision, or at base.")
@click.option(
    "--all", "every", is_flag=True, help="Every revision, as it applies to a database that has those before it."
)
@click.option("--strict", is_flag=True, help="Exit 3 when there is a danger or a warning that is not allowed.")
@click.option("--no-python", is_flag=True, help="Run none of the fleet's Python: refused for a tree of Alembic's.")
@json_option
def lint(tree: str, start: str | None, every: bool, strict: bool, no_python: bool, as_json: bool) -> int:
    """Say what is dangerous in the newest revision: what it loses, locks and refuses. Needs no database.

    The statements of Alembic's revisions are known when they have run: this runs the Python of whoever wrote the checkout. A
    tree of Prisma's or TypeORM's is SQL, and nothing of it is run.

    A comment in the revision allows it: # tenantplan: allow RULE reason, or -- in SQL. Write it before the revision is
    applied, as the file must not change afterwards.
    """
    from tenantplan.cli.migrations_lint import document, print_reviews, unresolved
    from tenantplan.migration.trees import load_trees

    if every and start is not None:
        raise UsageError("--all and --from exclude each other")
    fleet = settings()
    graph = load_trees(fleet).of(tree)
    if no_python and graph.runs_python:
        raise UsageError(
            "the revisions of this tree are Python, and their statements are not known without running it",
            hint="lint it where its Python may run; tenantplan validate --no-python checks their ids and their order",
        )
    found = _reviews(graph, start, every)
    if as_json:
        print_json({"tree": tree, **document(found, fleet.root)})
    else:
        print_reviews(found, fleet.root)
    return 3 if strict and unresolved(found) else 0


def _reviews(graph: Graph, start: str | None, every: bool) -> tuple[Review, ...]:
    from tenantplan.migration.lint.review import review, review_each

    if every:
        return review_each(graph)
    if start is not None:
        return review(graph, _revision(graph, start), graph.head)
    return review(graph, graph.before(graph.head, graph.revisions[-1]), graph.head) if graph.revisions else ()
