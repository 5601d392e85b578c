"""The order of a run in time: tracks side by side within a bound, each in plan order, stopping after enough failures."""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field

from tenantplan.execution.context import Run
from tenantplan.execution.execute import execute
from tenantplan.model.operation import Operation
from tenantplan.model.report import Outcome
from tenantplan.postgres.connect import Connection

CHUNK = 200  # operations of one track that may share a transaction


@dataclass(frozen=True)
class Limits:
    """How many tracks run at once, and after how many failed tracks no new one is started."""

    parallelism: int
    max_failures: int


@dataclass
class _Progress:
    """Mutable state of one rollout, touched by the scheduling thread only."""

    waiting: dict[str, list[Operation]]
    planned: frozenset[str]
    unsettled: Counter[int]
    done: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    running: dict[Future[list[Outcome]], str] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    failures: int = 0

    @property
    def wave(self) -> int:
        """The earliest wave that has not ended."""
        return min((wave for wave, left in self.unsettled.items() if left), default=0)

    def settle(self, outcome: Outcome) -> None:
        self.outcomes[outcome.operation.id] = outcome
        self.unsettled[outcome.operation.wave] -= 1
        (self.done if outcome.status in ("done", "recovered") else self.lost).add(outcome.operation.id)


def rollout(
    run: Run,
    operations: Sequence[Operation],
    limits: Limits,
    sessions: Sequence[Connection],
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> tuple[Outcome, ...]:
    """Executes the operations and returns their outcomes in plan order.

    `sessions` are connections to the main database, one for each track that runs at once. A failed track stops and the
    others go on; after `max_failures` failed tracks no further one is started. A database that could not be
    reached says nothing about the change, so it does not count.
    """
    progress = _Progress(_tracks(operations), frozenset(o.id for o in operations), Counter(o.wave for o in operations))
    free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
    for session in sessions:
        free.put(session)

    def work(chunk: list[Operation]) -> list[Outcome]:
        session = free.get()
        try:
            return execute(run, session, chunk)
        finally:
            free.put(session)

    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(min(limits.parallelism, len(sessions))))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        while True:
            _start(progress, limits, pool, work)
            if not progress.running:
                break
            finished, _ = wait(progress.running, return_when=FIRST_COMPLETED)
            for future in finished:
                _collect(progress, future, on_outcome)
    return tuple(progress.outcomes.get(o.id, Outcome(o, "skipped")) for o in operations)


def _tracks(operations: Sequence[Operation]) -> dict[str, list[Operation]]:
    tracks: dict[str, list[Operation]] = {}
    for operation in operations:
        tracks.setdefault(operation.scope, []).append(operation)
    return tracks


def _start(
    progress: _Progress,
    limits: Limits,
    pool: ThreadPoolExecutor,
    work: Callable[[list[Operation]], list[Outcome]],
) -> None:
    busy = set(progress.running.values())
    wave = progress.wave
    for scope in list(progress.waiting):
        if len(progress.running) >= limits.parallelism:
            return
        if scope in busy or (progress.failures > limits.max_failures and scope not in progress.started):
            continue
        chunk = _ready(progress, scope, wave)
        if chunk:
            progress.started.add(scope)
            progress.running[pool.submit(work, chunk)] = scope


def _ready(progress: _Progress, scope: str, wave: int) -> list[Operation]:
    """The operations of a track that can run now, one after the other; what depends on a lost one is lost too."""
    chunk: list[Operation] = []
    kept: list[Operation] = []
    available = set(progress.done)
    for operation in progress.waiting[scope]:
        if progress.lost.intersection(operation.depends_on):
            progress.settle(Outcome(operation, "skipped"))
        elif operation.wave <= wave and len(chunk) < CHUNK and _satisfied(progress, operation, available):
            chunk.append(operation)
            available.add(operation.id)
        else:
            kept.append(operation)
    progress.waiting[scope] = kept
    if not kept:
        del progress.waiting[scope]
    return chunk


def _satisfied(progress: _Progress, operation: Operation, available: set[str]) -> bool:
    return all(needed in available or needed not in progress.planned for needed in operation.depends_on)


def _collect(progress: _Progress, future: Future[list[Outcome]], on_outcome: Callable[[Outcome], None]) -> None:
    del progress.running[future]
    outcomes = future.result()
    for outcome in outcomes:
        progress.settle(outcome)
        on_outcome(outcome)
    if any(o.status in ("failed", "stale") and not o.unreachable for o in outcomes):
        progress.failures += 1
