"""Three DDL statements, run in every database of the fleet: as one migration, and as three with a transaction each.

psql and Alembic run the same revisions, and between two of them they are taken back by their own downgrades.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from acceptance.harness import Fleet
from ground import WIDTHS, Ground, databases
from measure import say
from report import Beside, Figure
from rounds import Round, alternating, compared
from yardsticks import alembic, psql

_WITHIN, _ALEMBIC = 1.2, 15  # times psql's time, times faster than Alembic
_BACK = 4  # downgrades at once; they are not measured


def measure(ground: Ground) -> list[Figure]:
    """One migration in rounds with a revision each, of which Alembic runs the first one's; then three migrations in rounds."""
    fleet = ground.dedicated(ground.sizes.few)
    together = _together(ground, fleet)
    env = fleet.root / "tree" / "env.py"
    env.write_text(env.read_text().replace("context.configure(", "context.configure(transaction_per_migration=True, "))
    return [together, _one_by_one(ground, fleet)]


def _one_by_one(ground: Ground, fleet: Fleet) -> Figure:
    names, rounds = databases(fleet), []
    for number in range(ground.sizes.rounds):
        say(f"three migrations over {len(names)} databases, round {number + 1} of {ground.sizes.rounds}")
        rounds.append(_round(ground, fleet, number, *_revisions(fleet, f"each_{number}", _EACH)))
    ground.command(fleet, "plan", "--detailed-exitcode")
    took, plain, width, note = compared(rounds)
    besides = (Beside(f"the same SQL by psql -f, a process each, xargs -P {width}", plain, within=_WITHIN),)
    work = f"three migrations of a DDL statement, a transaction each, over {len(names)} databases, apply of a plan file"
    return Figure(work, took, besides, note=note)


def _together(ground: Ground, fleet: Fleet) -> Figure:
    names = databases(fleet)
    rounds, looped = [], 0.0
    for number in range(ground.sizes.rounds):
        up, down = _revisions(fleet, str(number), (_BODY,))
        if not number:
            few = names[: ground.sizes.alembic]
            say(f"alembic upgrade head, {len(few)} processes")
            looped = alembic(ground, fleet, few, "upgrade", "head") * len(names)
            psql(ground, fleet, down, few, _BACK)
        say(f"one migration over {len(names)} databases, round {number + 1} of {ground.sizes.rounds}")
        rounds.append(_round(ground, fleet, number, up, down))
    ground.command(fleet, "plan", "--detailed-exitcode")  # fails unless all are at the head
    return _figure(rounds, looped, len(names), ground.sizes.alembic)


def _figure(rounds: list[Round], looped: float, count: int, processes: int) -> Figure:
    took, plain, width, note = compared(rounds)
    besides = (
        Beside(f"the same SQL by psql -f, a process each, xargs -P {width}", plain, within=_WITHIN),
        Beside(
            f"alembic upgrade head, a process each, one after the other ({min(processes, count)}, scaled)",
            looped,
            faster=_ALEMBIC,
        ),
    )
    work = f"one migration of 3 DDL statements over {count} databases, apply of a plan file"
    return Figure(work, took, besides, note=note)


def _round(ground: Ground, fleet: Fleet, number: int, up: Path, down: Path) -> Round:
    names = databases(fleet)
    ground.command(fleet, "plan", "--out", "plan.json")

    migrated = False

    def taken_back() -> None:
        nonlocal migrated
        if migrated:
            psql(ground, fleet, down, names, _BACK)
        migrated = True
        ground.settle()

    return alternating(
        number,
        lambda: ground.command(fleet, "apply", "plan.json"),
        lambda width: psql(ground, fleet, up, names, width),
        taken_back,
        WIDTHS,
    )


def _revisions(fleet: Fleet, name: str, bodies: Sequence[str]) -> tuple[Path, Path]:
    """Writes revisions after the head; files with the SQL that runs them and that takes them back."""
    versions = fleet.root / "tree" / "versions"
    start = ""
    for body in bodies:
        known = set(versions.glob("*.py"))
        made = _said(fleet, "migrations", "new", f"bench {name}")
        [file] = set(versions.glob("*.py")) - known
        file.write_text(file.read_text().split("def upgrade")[0] + body.format(n=name))
        [before] = re.findall(r" after (\w+)\.", made)
        start = start or before
    up = fleet.write("up.sql", _said(fleet, "migrations", "sql", "--from", start))
    return up, fleet.write("down.sql", _said(fleet, "migrations", "sql", "--from", "head", "--to", start))


def _said(fleet: Fleet, *arguments: str) -> str:
    result = fleet.process(*arguments)
    if result.code:
        raise SystemExit(f"tenantplan {' '.join(arguments)} failed:\n{result.err}")
    return result.out


_BODY = """import sqlalchemy as sa  # noqa: E402
from tenancy import create_index, create_table, drop_index  # noqa: E402


def upgrade() -> None:
    op.add_column("donors", sa.Column("bench_{n}", sa.Text()))
    create_table("bench_{n}", sa.Column("note", sa.Text(), nullable=False))
    create_index("donors", ["bench_{n}"])


def downgrade() -> None:
    drop_index("donors", ["bench_{n}"])
    op.drop_table("bench_{n}")
    op.drop_column("donors", "bench_{n}")
"""

_EACH = (
    """import sqlalchemy as sa  # noqa: E402


def upgrade() -> None:
    op.add_column("donors", sa.Column("bench_{n}", sa.Text()))


def downgrade() -> None:
    op.drop_column("donors", "bench_{n}")
""",
    """import sqlalchemy as sa  # noqa: E402
from tenancy import create_table  # noqa: E402


def upgrade() -> None:
    create_table("bench_{n}", sa.Column("note", sa.Text(), nullable=False))


def downgrade() -> None:
    op.drop_table("bench_{n}")
""",
    """from tenancy import create_index, drop_index  # noqa: E402


def upgrade() -> None:
    create_index("donors", ["bench_{n}"])


def downgrade() -> None:
    drop_index("donors", ["bench_{n}"])
""",
)
