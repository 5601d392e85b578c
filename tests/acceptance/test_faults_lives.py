"""Faults 31 to 33 and 35: lives of fleets, by chance, with kills, under an attacker for each tenant.

COUNT lives from SEED on; a failure says with which SEED it happens again. LIVES_ONLY=rename,migrate keeps to some edits,
LIVES_CROWD=writes,enters to some of what goes on around them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from acceptance.harness import Fleet
from acceptance.lives import Crowd, Life
from acceptance.lives_checks import check
from acceptance.lives_edits import EDITS
from acceptance.lives_servers import swept
from servers import TestServer

pytestmark = [pytest.mark.slow, pytest.mark.once]

COUNT = int(os.environ.get("COUNT") or 15)
SEED = int(os.environ.get("SEED") or 1)
ROUNDS = 4
ONLY = [name for name in os.environ.get("LIVES_ONLY", "").split(",") if name] or list(EDITS)


@pytest.fixture(scope="module")
def servers(pg_version: int) -> Iterator[dict[str, TestServer]]:
    """Two servers of this module's own, which its lives share."""
    started = {alias: TestServer(pg_version, {"max_connections": "200"}) for alias in ("primary", "west")}
    yield started
    for each in started.values():
        each.remove()


@contextmanager
def begun(folder: Path, servers: dict[str, TestServer], seed: int) -> Iterator[Life]:
    """A life with organizations of every mode, applied; what it made is dropped at its end."""
    two = seed % 4 == 0
    used = servers if two else {"primary": servers["primary"]}
    crowd = Crowd.start()
    life = Life(Fleet(folder / "fleet", servers["primary"]), used, seed, prisma=seed % 5 == 3, crowd=crowd)
    try:
        populate(life, two)
        yield life
    finally:
        crowd.end()
        for server in used.values():
            swept(server)


def populate(life: Life, two: bool) -> None:
    life.new("ash", tenant=True)
    life.new("birch", generated=True, read_only=True)
    life.new("cedar", server="west" if two else "primary", protect=False)
    if life.prisma:
        life.new("fir", protect=False)
    else:
        life.new("fir", mode="bound", protect=False, read_only=True)
        life.new("elm", mode="pooled", protect=False)
    life.new("hazel", occupied=False, protect=False)
    life.settle()
    if not life.prisma:
        life.open_pool()
    life.mark()
    life.surround()


def one_round(life: Life, number: int) -> None:
    """A mix of edits, applied with kills in between, and what must hold then."""
    life.log.append(f"-- round {number}")
    wished = life.chance.randint(2, 4)
    for name in life.chance.choices(ONLY, k=wished * 4):
        if wished and EDITS[name](life):
            wished -= 1
    life.settle(kills=life.chance.choice((0, 1, 1, 2)))
    life.grace = 30
    check(life)
    life.mark()
    life.surround()


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
def test_a_life_under_attack(servers: dict[str, TestServer], tmp_path: Path, seed: int) -> None:
    with begun(tmp_path, servers, seed) as life:
        check(life)
        for number in range(1, ROUNDS + 1):
            one_round(life, number)
        assert life.crowd is not None
        life.crowd.end()
        life.crowd = None
        life.settle()
        check(life, deep=True)
