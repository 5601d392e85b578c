"""`tenantplan audit list|show|verify|anchor|export`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tenantplan.cli.common import color, json_option, print_json, settings
from tenantplan.errors import NotFound, UsageError

if TYPE_CHECKING:
    from uuid import UUID

    from tenantplan.journal.activity import Event
    from tenantplan.journal.read import Conditions
    from tenantplan.model.audit import Anchor, Link
    from tenantplan.postgres.connect import Connection

F = TypeVar("F", bound=Callable[..., Any])
_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])


@click.group("audit")
def command() -> None:
    """Read and verify the audit log: who changed what, when, and by which plan."""


def _conditions(function: F) -> F:
    """The options that say which entries are meant; `_chosen` makes Conditions of them."""
    for option in reversed(
        (
            click.option("--organization", metavar="NAME", help="Only entries of this organization."),
            click.option("--address", metavar="ADDRESS", help="Only entries of this address and what is nested in it."),
            click.option("--team", metavar="NAME", help="Only entries about this team."),
            click.option("--project", metavar="NAME", help="Only entries about this project and what is nested in it."),
            click.option(
                "--user",
                metavar="TEXT",
                help="Only entries by an actor with this in the name or address, or about that user.",
            ),
            click.option(
                "--since",
                type=_TIME,
                metavar="TIME",
                help="Only entries from this time on: 2026-11-20 or 2026-11-20T12:00:00, UTC.",
            ),
            click.option("--until", type=_TIME, metavar="TIME", help="Only entries before this time."),
            click.option("--action", metavar="ACTION", help="Only this action: create, update, delete, migrate, …"),
            click.option("--run", metavar="ID", help="Only entries of this run; a prefix of its id is enough."),
        )
    ):
        function = option(function)
    return function


def _chosen(team: str | None, project: str | None, **chosen: Any) -> Conditions:
    from tenantplan.journal.read import Conditions

    if team and project:
        raise UsageError("--team and --project exclude each other", hint="an entry is about one of them")
    about = f"team/{team}" if team else f"project/{project}" if project else None
    times = {name: chosen.pop(name) for name in ("since", "until")}
    moments = {name: at.replace(tzinfo=UTC) if at else None for name, at in times.items()}
    return Conditions(document=about, **moments, **chosen)


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="At most this many.")
@_conditions
@json_option
def list_entries(limit: int, as_json: bool, **chosen: Any) -> int:
    """The newest entries, newest first, with the events that applications wrote into activity_log (without a sequence).

    Exit 1 with --since or --until when the log is broken: dates may have been moved.
    """
    from tenantplan.commands.status.databases import newest_tables
    from tenantplan.journal.activity import find_events, newest_first
    from tenantplan.journal.read import Conditions, find_entries

    conditions = _chosen(**chosen)
    with _main() as connection, newest_tables(connection):
        code = _dates_hold(connection, conditions)
        entries = find_entries(connection, conditions, limit)
        found = newest_first(entries, find_events(connection, conditions, limit), limit)
    if as_json:
        print_json([_document(each) for each in found])
        return code
    from tenantplan.rendering.text import table

    if not found:
        click.echo("The audit log is empty." if conditions == Conditions() else "No entry matches.")
        return code
    headers = ("SEQUENCE", "TIME", "ACTOR", "ACTION", "ADDRESS", "RESULT", "RUN")
    click.echo(table(headers, [_line(each) for each in found], color=color()), nl=False)
    return code


def _line(found: Link | Event) -> tuple[Any, ...]:
    from tenantplan.model.audit import Link
    from tenantplan.model.moment import shown_second

    if isinstance(found, Link):
        e = found.entry
        actor = e.actor.partition(" <")[0]
        return (e.sequence, e.at[:19] + "Z", actor, e.action, e.address, e.result, (e.run_id or "")[:8])
    about = found.subject or found.project or found.team or found.organization or ""
    return ("", shown_second(found.at), found.actor or "application", found.action, about, "", "")


def _dates_hold(connection: Connection, conditions: Conditions) -> int:
    """0, or 1 with a word on stderr: entries are chosen by their dates, and the log was changed."""
    from tenantplan.journal.read import verify as verified

    if conditions.since is None and conditions.until is None:
        return 0
    broken = verified(connection).broken
    if broken is not None:
        click.echo(
            f"tenantplan: the audit log is broken at entry {broken[0]}: {broken[1]}; entries may be missing here",
            err=True,
        )
    return 1 if broken else 0


@command.command("export")
@_conditions
def export(**chosen: Any) -> int:
    """Every entry, or those that fit, as JSON lines in order: with their hashes, and exactly as they were hashed.

    The same entries always give the same bytes. A whole export can be verified without tenantplan (docs/audit.md), and is an
    anchor that names the very entry where a log was rewritten.
    """
    from tenantplan.journal.read import read_entries, snapshot

    conditions = _chosen(**chosen)
    with _main() as connection:
        code = _dates_hold(connection, conditions)
        with snapshot(connection):
            for link in read_entries(connection, conditions):
                sys.stdout.write(link.to_bytes().decode())
    return code


@command.command("show")
@click.argument("sequence", metavar="SEQUENCE|ID")
@json_option
def show(sequence: str, as_json: bool) -> None:
    """One entry whole: what was before and after, by whom, and its hash; or an application's event, by its id."""
    found = _one(sequence)
    if as_json:
        print_json(_document(found))
        return
    import json

    from tenantplan.rendering.safe import mask_url, terminal

    for name, value in _document(found).items():
        if value and isinstance(value, (dict, list)):
            click.echo(f"  {name}:")
            lines = json.dumps(value, indent=2, sort_keys=True).splitlines()
            click.echo("\n".join(f"    {terminal(mask_url(line))}" for line in lines))
        elif value is not None:
            click.echo(f"  {name:<14}{terminal(mask_url(str(value)))}")


def _one(named: str) -> Link | Event:
    """The entry with a sequence, or the event with an id; NotFound when there is none."""
    from tenantplan.commands.status.databases import newest_tables
    from tenantplan.journal.activity import find_event
    from tenantplan.journal.read import Conditions, find_entries

    number = int(named) if re.fullmatch("[0-9]{1,18}", named) else None
    identifier = None if number else _uuid(named)
    found: Link | Event | None
    with _main() as connection, newest_tables(connection):
        if identifier:
            found = find_event(connection, identifier)
        else:
            found = next(iter(find_entries(connection, Conditions(sequence=number))), None)
    if found is None:
        raise NotFound(f"there is no audit entry {named}", hint="see them: tenantplan audit list")
    return found


def _uuid(named: str) -> UUID:
    from uuid import UUID

    try:
        return UUID(named)
    except ValueError:
        hint = "SEQUENCE is a number from audit list; ID is the id of an application's event in audit list --json"
        raise UsageError(f"{named!r} is neither the sequence of an entry nor the id of an event", hint=hint) from None


@command.command("anchor")
@json_option
def anchor_head(as_json: bool) -> None:
    """The head of the log in one line, to be kept where whoever runs the database cannot write: a signed tag, a CI artifact."""
    from tenantplan.journal.read import read_anchor, snapshot

    fleet = settings()
    with _main() as connection, snapshot(connection):
        head = read_anchor(connection, fleet.fleet)
    if as_json:
        print_json(asdict(head))
    else:
        click.echo(head.line())


@command.command("verify")
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    metavar="HASH|FILE|-",
    help="Earlier output of anchor, verify or export, repeatable: detects a log that was cut or rewritten.",
)
@json_option
def verify(anchors: tuple[str, ...], as_json: bool) -> int:
    """Recompute the chain of hashes from the first entry to the last. Exit 1 when an entry was changed, moved or cut."""
    from tenantplan.journal import read

    noted = [anchor for given in anchors for anchor in _anchors(given)]
    with _main() as connection:
        found = read.verify(connection, noted)
    broken = found.broken
    if as_json:
        where = None if broken is None else {"sequence": broken[0], "reason": broken[1]}
        print_json({"ok": broken is None, "entries": found.entries, "head": found.last, "broken": where})
    elif broken is None:
        entries = "1 entry" if found.entries == 1 else f"{found.entries:,} entries"
        click.echo(f"The audit log is whole: {entries}.\nhead {found.last}")
        if not noted:
            click.echo(
                "Keep this hash elsewhere; audit verify --anchor HASH then detects a log that was cut or rewritten."
            )
    else:
        click.echo(f"The audit log is broken at entry {broken[0]}: {broken[1]}")
    return 0 if broken is None else 1


def _anchors(given: str) -> list[Anchor]:
    """The anchors that one --anchor names: a hash, a file, or what comes on stdin."""
    from tenantplan.model.audit import anchors

    fleet = settings().fleet
    if re.fullmatch(r"[0-9a-f]{64}", given):
        return anchors(given, fleet)
    try:
        text = sys.stdin.read() if given == "-" else Path(given).read_text(encoding="utf-8")
        return anchors(text, fleet)
    except OSError:
        raise UsageError(f"--anchor is not a hash, and there is no such file: {given}", hint=_ANCHOR) from None
    except UnicodeDecodeError:
        raise UsageError("this is not text", where=given, hint=_ANCHOR) from None
    except ValueError as error:
        raise UsageError(f"the anchor {error}", where=given, hint=_ANCHOR) from None


_ANCHOR = "it is what audit anchor printed, a hash that audit verify printed, or what audit export wrote"


@contextmanager
def _main() -> Iterator[Connection]:
    """A read-only session on the main database; NotFound while there is none."""
    from tenantplan.commands.status.fleet_view import main_session
    from tenantplan.fleet.opening import open_fleet

    with open_fleet(settings()) as fleet, main_session(fleet) as connection:
        yield connection


def _document(found: Link | Event) -> dict[str, Any]:
    """The entry or event as JSON; `log` says of which of the two logs it is."""
    from tenantplan.model.audit import Link, parsed

    if not isinstance(found, Link):
        return found.document() | {"log": "application"}
    entry = found.entry.document()
    both = {name: parsed(entry[name]) for name in ("before", "after")}
    return entry | both | {"previous_hash": found.previous_hash, "hash": found.hash, "log": "tenantplan"}
