"""`tenantplan audit list|show|verify`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING, Any

import click

from tenantplan.cli.common import color, json_option, print_json, settings
from tenantplan.errors import NotFound, UsageError

if TYPE_CHECKING:
    from tenantplan.model.audit import Link
    from tenantplan.postgres.connect import Connection


_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])


@click.group("audit")
def command() -> None:
    """Read and verify the audit log: who changed what, when, and by which plan."""


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="At most this many.")
@click.option("--organization", metavar="NAME", help="Only entries of this organization.")
@click.option("--address", metavar="ADDRESS", help="Only entries of this address and what is nested in it.")
@click.option("--team", metavar="NAME", help="Only entries about this team.")
@click.option("--project", metavar="NAME", help="Only entries about this project and what is nested in it.")
@click.option(
    "--user", metavar="TEXT", help="Only entries by somebody with this in name or address, or about that user."
)
@click.option(
    "--since", type=_TIME, metavar="TIME", help="Only entries since then: 2026-11-20 or 2026-11-20T12:00:00, UTC."
)
@click.option("--until", type=_TIME, metavar="TIME", help="Only entries before then.")
@click.option("--action", metavar="ACTION", help="Only this action: create, update, delete, migrate, …")
@click.option("--run", metavar="ID", help="Only entries of this run; the beginning of its id will do.")
@json_option
def list_entries(limit: int, team: str | None, project: str | None, as_json: bool, **chosen: Any) -> None:
    """The newest entries, newest first."""
    from tenantplan.live.audit import Conditions, find_entries

    if team and project:
        raise UsageError("--team and --project exclude each other", hint="an entry is about one of them")
    about = f"team/{team}" if team else f"project/{project}" if project else None
    times = {name: chosen.pop(name) for name in ("since", "until")}
    moments = {name: at.replace(tzinfo=UTC) if at else None for name, at in times.items()}
    conditions = Conditions(document=about, **moments, **chosen)
    with _main() as connection:
        found = find_entries(connection, conditions, limit)
    if as_json:
        print_json([_document(link) for link in found])
        return
    from tenantplan.rendering.text import table

    if not found:
        click.echo("The audit log is empty." if conditions == Conditions() else "No entry fits.")
        return
    headers = ("SEQUENCE", "TIME", "ACTOR", "ACTION", "ADDRESS", "RESULT", "RUN")
    lines = [
        (e.sequence, e.at[:19] + "Z", e.actor.partition(" <")[0], e.action, e.address, e.result, (e.run_id or "")[:8])
        for e in (link.entry for link in found)
    ]
    click.echo(table(headers, lines, color=color()), nl=False)


@command.command("show")
@click.argument("sequence", type=click.IntRange(1))
@json_option
def show(sequence: int, as_json: bool) -> None:
    """One entry whole: what was before and after, by whom, and its hash."""
    from tenantplan.live.audit import Conditions, find_entries

    with _main() as connection:
        found = find_entries(connection, Conditions(sequence=sequence))
    if not found:
        raise NotFound(f"there is no audit entry {sequence}", hint="see them: tenantplan audit list")
    if as_json:
        print_json(_document(found[0]))
        return
    import json

    from tenantplan.rendering.safe import mask_url, terminal

    for name, value in _document(found[0]).items():
        if isinstance(value, dict):
            click.echo(f"  {name}:")
            lines = json.dumps(value, indent=2, sort_keys=True).splitlines()
            click.echo("\n".join(f"    {terminal(mask_url(line))}" for line in lines))
        elif value is not None:
            click.echo(f"  {name:<14}{terminal(mask_url(str(value)))}")


@command.command("verify")
@click.option(
    "--anchor", metavar="HASH", help="A hash that verify printed before: finds a log that was cut or rewritten."
)
@json_option
def verify(anchor: str | None, as_json: bool) -> int:
    """Recompute the chain of hashes from the first entry to the last. Exit 1 when an entry was changed, moved or cut."""
    from tenantplan.live.audit import read_chain, read_head
    from tenantplan.model.audit import GENESIS, broken_at

    if anchor is not None and not re.fullmatch(r"[0-9a-f]{64}", anchor):
        raise UsageError("--anchor is not a hash", hint="it is the 64 hexadecimal digits that audit verify prints")
    with _main() as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        chain = _Watched(read_chain(connection))
        broken = broken_at(chain, anchor)
        head = read_head(connection)
    last = (chain.last.entry.sequence, chain.last.hash) if chain.last else (0, GENESIS)
    if broken is None and head != last:
        at = min(head[0], last[0]) + 1
        broken = (at, f"the log ends at entry {last[0]}, but its head says {head[0]}: it was cut or written to by hand")
    if as_json:
        found = None if broken is None else {"sequence": broken[0], "reason": broken[1]}
        print_json({"ok": broken is None, "entries": last[0], "head": last[1], "broken": found})
    elif broken is None:
        entries = "1 entry" if last[0] == 1 else f"{last[0]:,} entries"
        click.echo(f"The audit log is whole: {entries}.\nhead {last[1]}")
        click.echo("Keep this hash elsewhere; audit verify --anchor HASH then finds a log that was cut or rewritten.")
    else:
        click.echo(f"The audit log is broken at entry {broken[0]}: {broken[1]}")
    return 0 if broken is None else 1


class _Watched:
    """The links of a chain one by one, and the last that was seen."""

    def __init__(self, links: Iterable[Link]) -> None:
        self._links = links
        self.last: Link | None = None

    def __iter__(self) -> Iterator[Link]:
        for link in self._links:
            self.last = link
            yield link


@contextmanager
def _main() -> Iterator[Connection]:
    """A read-only session on the main database; NotFound while there is none."""
    from tenantplan.inspection.scene import main_session

    with main_session(settings()) as connection:
        yield connection


def _document(link: Link) -> dict[str, Any]:
    from tenantplan.model.audit import parsed

    entry = asdict(link.entry)
    both = {name: parsed(entry[name]) for name in ("before", "after")}
    return entry | both | {"previous_hash": link.previous_hash, "hash": link.hash}
