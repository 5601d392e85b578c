"""Walks databases through one tree by Alembic alone, in a process of its own: python alembic_side.py TREE < walks.

Standard input is JSON: [[url, [["upgrade", "m3"], ["downgrade", "base"]]], …].
"""

import json
import sys
from argparse import Namespace
from pathlib import Path

from alembic import command
from alembic.config import Config


def walk(tree: Path, url: str, steps: list[tuple[str, str]]) -> None:
    """Runs Alembic's commands one after the other on one database."""
    config = Config(cmd_opts=Namespace(x=[f"url={url}"]))
    config.set_main_option("script_location", str(tree))
    for direction, revision in steps:
        {"upgrade": command.upgrade, "downgrade": command.downgrade}[direction](config, revision)


if __name__ == "__main__":
    for url, steps in json.load(sys.stdin):
        walk(Path(sys.argv[1]), url, steps)
