"""`tenantplan status`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tenantplan.cli.common import color, format_option, json_option, print_json, settings
from tenantplan.errors import NotFound

if TYPE_CHECKING:
    from tenantplan.commands.status.fleet_view import Activity, FleetView
    from tenantplan.commands.status.homes import Home

_NEXT = "tenantplan plan shows what would be created, tenantplan apply creates it"


@click.command("status")
@click.argument("organization", required=False)
@click.option(
    "--max-skew",
    type=click.IntRange(0),
    metavar="N",
    help="Exit 3 when a database is more than N revisions behind, or cannot be reached: a gate for a release.",
)
@format_option
@json_option
def command(organization: str | None, max_skew: int | None, form: str, as_json: bool) -> int:
    """Show every organization and tenant, its database, revision and whether it can be reached; or ORGANIZATION alone.

    A tenant alone: tenant/NAME.
    """
    from tenantplan.commands.status.fleet_view import read_fleet
    from tenantplan.fleet.opening import open_fleet

    with open_fleet(settings()) as fleet:
        return _status(read_fleet(fleet), organization, max_skew, form, as_json or form == "json")


def _status(scene: FleetView, organization: str | None, max_skew: int | None, form: str, as_json: bool) -> int:
    from tenantplan.commands.status import homes

    if organization is None and form == "github" and not as_json:
        return _gate(_annotated(scene), max_skew, annotate=True)
    if organization is None:
        return _gate(_all(scene, as_json), max_skew)
    if not scene.applied:
        raise NotFound(
            f"Organization not found: {organization}",
            where=scene.main_url,
            hint=f"nothing has been applied yet: {_NEXT}",
        )
    found = homes.home(scene, organization)
    if as_json:
        print_json(found.document())
    else:
        _one(found)
    return _gate([found], max_skew)


def _gate(found: list[Home], max_skew: int | None, *, annotate: bool = False) -> int:
    """3 when something is further behind than allowed; each is named on stderr, and in an annotation where asked for."""
    from tenantplan.rendering.github import annotation
    from tenantplan.rendering.parts import counted
    from tenantplan.rendering.safe import terminal

    if max_skew is None:
        return 0
    late = [item for item in found if item.reachable is not None and (item.behind is None or item.behind > max_skew)]
    for item in late:
        behind = "its revision is unknown" if item.behind is None else f"{counted(item.behind, 'revision')} behind"
        behind += f", pinned by database.revision ({item.pinned})" if item.pinned else ""
        why = f"cannot be reached: {item.reason}" if not item.reachable else behind
        name, message = f"{item.kind}/{item.name}", f"{why}; --max-skew allows {max_skew}"
        if annotate:
            click.echo(annotation("error", message, title=name))
        click.echo(terminal(f"{name}: {message}"), err=True)
    return 3 if late else 0


def _annotated(scene: FleetView) -> list[Home]:
    """A warning for whatever cannot be reached, and a notice of how many there are."""
    from tenantplan.commands.status import homes
    from tenantplan.rendering.github import annotation

    found = homes.homes(scene)
    lost = [(f"{item.kind}/{item.name}", item.reason) for item in found if item.reachable is False]
    lost += [(finding.address, finding.message) for finding in scene.live.unreachable]
    for address, why in dict(lost).items():
        click.echo(annotation("warning", f"cannot be reached: {why}", title=address))
    click.echo(annotation("notice", f"{len(found)} organizations and tenants", title=f"fleet {scene.settings.fleet}"))
    return found


def _all(scene: FleetView, as_json: bool) -> list[Home]:
    from tenantplan.commands.status import fleet_view as inspection
    from tenantplan.commands.status import homes

    found = homes.homes(scene)
    now = inspection.activity(scene)
    if as_json:
        print_json(_document(scene, found, now))
        return found
    from tenantplan.rendering.safe import terminal
    from tenantplan.rendering.text import table

    facts = scene.live.servers[scene.main.server]
    click.echo(f"fleet {scene.settings.fleet}   main {terminal(scene.place)}, PostgreSQL {terminal(facts.version)}")
    if not scene.applied:
        click.echo(f"\nNothing has been applied yet: {_NEXT}.")
        _activity(now)
        return found
    click.echo()
    headers = ("NAME", "STATE", "MODE", "DATABASE", "REVISION", "BEHIND", "REACHABLE")
    lines = [_line(item) for item in found]
    click.echo(table(headers, lines, color=color()), nl=False)
    _servers(scene)
    click.echo()
    _revisions(found)
    _activity(now)
    return found


def _revisions(found: list[Home]) -> None:
    """How many databases are at each revision; those in shared mode count as one."""
    from tenantplan.rendering.parts import clipped
    from tenantplan.rendering.safe import terminal

    at_a_revision = [item for item in found if item.reachable and (item.dedicated or item.revision)]
    places = {(item.server, item.database): str(item.revision) for item in at_a_revision}
    counts = Counter(places.values())
    if counts:
        listed = ", ".join(f"{terminal(clipped(name, 60))}: {count}" for name, count in counts.most_common())
        click.echo(f"Databases by revision: {listed}.")


def _line(item: Home) -> tuple[object, ...]:
    name = item.name if item.kind == "organization" else f"tenant/{item.name}"
    place = f"{item.server}/{item.database}" if item.dedicated else "main (shared)" if item.server else "-"
    behind = "?" if item.behind is None and item.reachable else item.behind
    return (name, item.state, item.mode, place, item.revision, behind, _reachable(item))


def _reachable(item: Home) -> str:
    if item.reachable is None:
        return item.reason or "-"
    return ("yes" if item.reachable else "NO") + (f": {item.reason}" if item.reason else "")


def _servers(scene: FleetView) -> None:
    from tenantplan.model.address import kind
    from tenantplan.rendering.safe import terminal

    for finding in scene.live.unreachable:
        if kind(finding.address) == "server":
            click.echo(f"  ! {terminal(finding.address)}  {terminal(finding.message)}")


def _activity(now: Activity) -> None:
    from tenantplan.rendering.safe import terminal

    if now.holder:
        since = f"server process {now.holder.pid}, since {now.holder.since}"
        click.echo(f"Locked by run {terminal(now.holder.run)}: {since}.")
    if now.last_run:
        run = {key: terminal(str(value or "")) for key, value in now.last_run.items()}
        ended = f", ended {run['finished_at']}" if run["finished_at"] else ""
        click.echo(f"Last run {run['id']} by {run['actor']}: {run['status']}, begun {run['started_at']}{ended}.")
    if now.unfinished:
        click.echo(f"Run {terminal(now.unfinished)} was interrupted: tenantplan apply completes it.")


def _one(found: Home) -> None:
    from tenantplan.rendering.safe import mask_url, terminal

    for name, value in found.document().items():
        if value is not None and value != "":
            shown = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
            click.echo(f"  {name:<22}{terminal(mask_url(str(shown)))}")


def _document(scene: FleetView, found: list[Home], now: Activity) -> dict[str, Any]:
    main = scene.live.main.revisions
    return {
        "fleet": scene.settings.fleet,
        "applied": scene.applied,
        "main": {
            "url": scene.main_url,
            "serverVersion": scene.live.servers[scene.main.server].version,
            "revision": main.get("main"),
            "sharedRevision": main.get("shared"),
        },
        "heads": {"main": scene.trees.main.head, "tenant": scene.trees.tenant.head},
        "organizations": [item.document() for item in found if item.kind == "organization"],
        "tenants": [item.document() for item in found if item.kind == "tenant"],
        "unreachable": [finding.document() for finding in scene.live.unreachable],
        "lastRun": None if now.last_run is None else dict(now.last_run),
        "unfinishedRun": now.unfinished,
        "lock": None if now.holder is None else asdict(now.holder),
    }
