"""A self-test of a live server, in a temporary database that is gone afterwards, whatever happens on the way."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from tenantplan.commands.selftest.steps import STEPS, Bench, Skipped, clean_up
from tenantplan.errors import TenantplanError
from tenantplan.interruptible import interruptible
from tenantplan.migration.tree.graph import Graph
from tenantplan.model import stamp
from tenantplan.postgres.advice import describe
from tenantplan.postgres.url import Server


@dataclass(frozen=True)
class SelftestStep:
    """One step: `status` is "pass", "fail" or "skip", `ms` how long it took, `advice` what to do when it failed."""

    name: str
    status: str
    ms: int
    detail: str
    advice: str = ""

    def document(self) -> dict[str, Any]:
        """The step as JSON."""
        return asdict(self)


def selftest(server: Server, tree: Graph, on_step: Callable[[SelftestStep], None]) -> bool:
    """Runs every step up to the first that fails, then cleans up; whether all passed. `on_step` hears of each at its end.

    Interrupted, it cleans up first, and then raises KeyboardInterrupt.
    """
    bench = Bench(server, tree, f"{stamp.NEW}selftest_{secrets.token_hex(6)}")
    ok = True
    with interruptible() as undisturbed:
        try:
            for name, run, advice in STEPS:
                step = _skipped(name) if not ok else _timed(name, lambda run=run: run(bench), advice)  # type: ignore[misc]
                ok = ok and step.status != "fail"
                on_step(step)
        finally:
            undisturbed()
            last = _timed("clean up", lambda: clean_up(bench), "", bench.by_hand)
            on_step(last)
    return ok and last.status != "fail"


def _skipped(name: str) -> SelftestStep:
    return SelftestStep(name, "skip", 0, "not run, because an earlier step failed")


def _timed(name: str, run: Callable[[], str], advice: str, always: str = "") -> SelftestStep:
    """Runs a step. `advice` is for a failure that brings none of its own, `always` for every failure."""
    started = time.monotonic()

    def ended(status: str, detail: str, advice: str = "") -> SelftestStep:
        return SelftestStep(name, status, round((time.monotonic() - started) * 1000), detail, advice)

    try:
        return ended("pass", run())
    except Skipped as why:
        return ended("skip", str(why))
    except TenantplanError as error:
        said = f"{error.where}: {error.message}" if error.where else error.message
        return ended("fail", said, always or error.hint or advice)
    except psycopg.Error as error:
        return ended("fail", describe(error), always or advice)
