"""A model of names and places: whatever is done to the documents of three organizations, each row stays with its owner.

Names are renamed, freed, taken again, deleted and restored; what the model keeps is who each name is. It is compared with
the databases themselves. COUNT examples (in all), drawn from SEED; LIVES_ONLY=rename,delete keeps to some edits.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.harness import Fleet
from acceptance.lives import Life
from acceptance.lives_checks import check
from acceptance.lives_edits import EDITS
from acceptance.lives_servers import swept
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from servers import TestServer

pytestmark = [pytest.mark.slow, pytest.mark.once]

COUNT = int(os.environ.get("COUNT") or 15)
SEED = int(os.environ.get("SEED") or 1)
STEPS = 8
SHARES = 4  # tests that the examples are divided among, so that they run side by side
ONLY = [name for name in os.environ.get("LIVES_ONLY", "").split(",") if name] or list(EDITS)
FEW = 3  # organizations


class Places(RuleBasedStateMachine):
    """Edits, one apply, and a look into every database, the closed ones too."""

    server: TestServer
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        swept(self.server)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.life = Life(Fleet(folder / "fleet", self.server), {"primary": self.server}, SEED)
        self.life.new("ash", protect=False)
        self.life.new("birch", mode="bound", protect=False)
        self.life.new("cedar", protect=False, occupied=False)
        self._apply()

    @rule(edits=st.lists(st.tuples(st.sampled_from(ONLY), st.integers(0, 2**32)), min_size=1, max_size=4))
    def edit_and_apply(self, edits: list[tuple[str, int]]) -> None:
        """Some edits of what is there, one after the other, and an apply."""
        for edit, chance in edits:
            self.life.chance = random.Random(chance)
            few = sum(not org.gone for org in self.life.wanted.values()) <= FEW
            if edit not in ("create", "recreate") or few:
                EDITS[edit](self.life)
        self._apply()

    def _apply(self) -> None:
        self.life.settle()
        self.life.grace = 30
        check(self.life, deep=True)
        self.life.mark()

    def teardown(self) -> None:
        if log := os.environ.get("LIVES_LOG"):
            with Path(log).open("a") as file:
                file.write("\n".join(["== example", *self.life.log, ""]))


@pytest.fixture(scope="module")
def own_server(pg_version: int) -> Iterator[TestServer]:
    """A server of this module's own."""
    started = TestServer(pg_version)
    yield started
    started.remove()


@pytest.mark.parametrize("share", range(SHARES))
def test_names_and_places(own_server: TestServer, tmp_path: Path, share: int) -> None:
    examples = len(range(share, COUNT, SHARES))
    if not examples:
        pytest.skip(f"COUNT={COUNT} leaves nothing for this share")
    machine = type("Places", (Places,), {"server": own_server, "folder": tmp_path})
    run_state_machine_as_test(
        seed(SEED * SHARES + share)(machine),
        settings=settings(
            max_examples=examples, stateful_step_count=STEPS, deadline=None, database=None, print_blob=False,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
        ),
        _min_steps=STEPS,
    )  # fmt: skip
