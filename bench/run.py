"""Speed and memory of whole commands, each beside a yardstick measured in the same run on the same server.

Servers are PostgreSQL 18 from the wheel with default durability, their data on a disk, reached with SCRAM by a role
without superuser. Figures are printed as they come.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests"), str(HERE.parent / "src")]

import creation  # noqa: E402
import drift  # noqa: E402
import migration  # noqa: E402
import mixed  # noqa: E402
import planning  # noqa: E402
import report  # noqa: E402
import shared  # noqa: E402
from ground import FULL, SMALL, Sizes, opened  # noqa: E402
from servers import open_root, stop_all  # noqa: E402

# Each line has a server of its own; what stands in one shares a fleet, which only grows.
PARTS = (
    {"creation": creation.measure},
    {"drift": drift.measure, "migration": migration.measure, "planning": planning.measure},
    {"help": shared.help_measure, "shared": shared.measure},
    {"mixed": mixed.measure},
)
DATABASE = 9 * 2**20  # bytes of a database


def main() -> None:
    """Measures what was asked for and prints it."""
    options = argparse.ArgumentParser(description=__doc__)
    names = [name for line in PARTS for name in line]
    options.add_argument("--only", choices=names, action="append", help="One part; may be repeated.")
    options.add_argument("--small", action="store_true", help="Few databases and one round, to see that it works.")
    options.add_argument("--json", type=Path, metavar="FILE", help="Write the figures.")
    options.add_argument(
        "--write", type=Path, metavar="FILE", help="Write them as Markdown, with machine and versions."
    )
    chosen = options.parse_args()
    sizes = SMALL if chosen.small else FULL
    place = Path(tempfile.gettempdir())  # a disk: what durability costs is part of the figures
    if shutil.disk_usage(place).free < sizes.databases * DATABASE:
        raise SystemExit(
            f"{place} needs {sizes.databases * DATABASE / 2**30:.0f} GB: set TMPDIR to a folder with more room"
        )
    root = open_root(place)
    found: list[report.Figure] = []
    described = ""
    try:
        with tempfile.TemporaryDirectory() as folder:
            for server, figure in measured(Path(folder), chosen.only or names, sizes):
                print(report.text(figure), flush=True)
                found.append(figure)
                if chosen.write:  # after each, so that a run that is ended has left what it measured
                    chosen.write.write_text(report.markdown(found, server))
                described = server
    finally:
        stop_all(root)
    print(f"\n{report.surroundings(described)}")
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(figure) for figure in found], indent=2) + "\n")


def measured(folder: Path, only: list[str], sizes: Sizes) -> Iterator[tuple[str, report.Figure]]:
    """Every figure of the parts asked for as it is there, with the server it was measured on, in words."""
    for number, line in enumerate(PARTS):
        parts = [measure for name, measure in line.items() if name in only]
        if not parts:
            continue
        with opened(folder / str(number), sizes) as ground:
            for measure in parts:
                for figure in measure(ground):
                    yield ground.version(), figure


if __name__ == "__main__":
    main()
