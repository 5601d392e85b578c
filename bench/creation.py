"""New dedicated organizations: a database, its roles, rights and rows, each; and one more, of a tree with a long history."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator
from pathlib import Path

from acceptance.harness import Fleet
from ground import BEST, WIDTHS, Ground, declare
from measure import Timed, say
from report import Beside, Figure
from rounds import Round, alternating, compared
from yardsticks import creations

_WITHIN = 1.3
_HISTORY = 300  # revisions
_WITHIN_PLAIN, _WITHIN_SHORT = 2.0, 1.5


def measure(ground: Ground) -> list[Figure]:
    """Rounds that alternate with the yardstick, in a fleet that grows."""
    fleet = Fleet(ground.folder / "new", ground.server, spec="guard: { maxChangedPercent: 100 }\n")
    declare(fleet, "first")  # its template is built with it
    ground.command(fleet, "apply", "--auto-approve")
    creations(ground, fleet, WIDTHS[-1], "before")  # makes the files of the write-ahead log, which are used again
    tried = {width: _tried(ground, fleet, width) for width in WIDTHS}
    widths = sorted(tried, key=tried.__getitem__)[:BEST]
    rounds = [_round(ground, fleet, number, widths) for number in range(ground.sizes.creations)]
    took, plain, width, note = compared(rounds)
    count = ground.sizes.new
    what = f"{count} plain CREATE DATABASE … TEMPLATE, {width} at once"
    work = f"apply of {count} new dedicated organizations, a plan file"
    return [Figure(work, took, (Beside(what, plain, within=_WITHIN),), note=note), *_long(ground)]


def _long(ground: Ground) -> Iterator[Figure]:
    """More organizations, planned and made by one command, where the tree has many revisions; the first has compiled them."""
    long, short = _grown(ground, "long", _HISTORY), _grown(ground, "short", 1)
    for count in (1, ground.sizes.more):
        took, brief, plain = [], [], []
        for number in range(ground.sizes.creations):
            say(f"apply of {count} more, {_HISTORY} revisions, round {number + 1} of {ground.sizes.creations}")
            for fleet, found in ((long, took), (short, brief)):
                for one in range(count):
                    declare(fleet, f"more-{count}-{number}-{one}")
                ground.settle()
                found.append(ground.command(fleet, "apply", "--auto-approve"))
            ground.settle()
            plain.append(creations(ground, long, min(count, WIDTHS[-1]), f"long_{count}_{number}", count=count))
        seconds, least = (statistics.median(one.seconds for one in found) for found in (took, brief))
        besides = (
            Beside(
                f"plain CREATE DATABASE … TEMPLATE, {count}",
                statistics.median(plain),
                within=None if count == 1 else _WITHIN_PLAIN,  # one takes less than the start of a command
            ),
            Beside("the same where the tree has one revision", least, within=_WITHIN_SHORT),
        )
        work = f"apply of {count} more dedicated, planned and made at once, {_HISTORY} revisions"
        memory = max(one.megabytes for one in took)
        yield Figure(work, Timed(seconds, memory), besides, note=f"median of {len(took)} rounds")


def _grown(ground: Ground, name: str, revisions: int) -> Fleet:
    """A fleet with one organization, whose tree has so many revisions."""
    fleet = Fleet(ground.folder / name, ground.server, spec="guard: { maxChangedPercent: 100 }\n")
    _history(fleet.root / "tree", revisions)
    fleet.settings(migrations="tree")
    declare(fleet, "first")
    ground.command(fleet, "apply", "--auto-approve")
    return fleet


def _history(tree: Path, count: int) -> None:
    """An Alembic tree as it grows in years: tables, columns, indexes, values, one after the other."""
    (tree / "versions").mkdir(parents=True)
    down = None
    for number, body in zip(range(count), itertools.cycle(_BODIES), strict=False):
        name, table = f"{number:04x}be", f"t{number // len(_BODIES)}"
        said = body.format(t=table, n=number)
        (tree / "versions" / f"{name}.py").write_text(_REVISION.format(name=name, down=down, body=said))
        down = name


_BODIES = (
    "op.create_table('{t}', sa.Column('id', sa.BigInteger(), sa.Identity(), primary_key=True), sa.Column('name', sa.Text()))",
    "op.add_column('{t}', sa.Column('c{n}', sa.Integer()))",
    "op.create_index('ix_{t}_name', '{t}', ['name'])",
    "op.execute('UPDATE {t} SET name = lower(name) WHERE name <> lower(name)')",
    "op.create_check_constraint('ck_{t}', '{t}', 'id > 0')",
)
_REVISION = """import sqlalchemy as sa
from alembic import op

revision = {name!r}
down_revision = {down!r}


def upgrade() -> None:
    {body}


def downgrade() -> None:
    pass
"""


def _tried(ground: Ground, fleet: Fleet, width: int) -> float:
    ground.settle()
    return creations(ground, fleet, width, f"before_{width}")


def _round(ground: Ground, fleet: Fleet, number: int, widths: list[int]) -> Round:
    say(f"apply of {ground.sizes.new} new dedicated organizations, round {number + 1} of {ground.sizes.creations}")
    for one in range(ground.sizes.new):
        declare(fleet, f"round{number}-{one}")
    ground.command(fleet, "plan", "--out", "plan.json")
    return alternating(
        number,
        lambda: ground.command(fleet, "apply", "plan.json"),
        lambda width: creations(ground, fleet, width, f"plain_{number}_{width}"),
        ground.settle,
        widths,
    )
