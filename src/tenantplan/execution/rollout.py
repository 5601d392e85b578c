"""The order of a run in time: tracks side by side within a bound, each in plan order, stopping after enough failures."""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field

from tenantplan.execution.context import Run
from tenantplan.execution.execute import execute, execute_together, shareable
from tenantplan.model.operation import Operation
from tenantplan.model.report import Outcome
from tenantplan.postgres.connect import Connection

CHUNK = 200  # operations of one track that may share a transaction
SHARED = 8  # tracks that may share one, when there are many


@dataclass(frozen=True)
class Chunk:
    """Operations of one track that can run now, in order."""

    scope: str
    operations: list[Operation]


Batch = list[Chunk]


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
    single: set[str] = field(default_factory=set)
    running: dict[Future[list[Outcome] | None], Batch] = field(default_factory=dict)
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
    reached says nothing about the change, so it does not count. Where there are many tracks, some share a transaction;
    when it fails, nothing has happened, and they run again one by one.
    """
    progress = _Progress(_tracks(operations), frozenset(o.id for o in operations), Counter(o.wave for o in operations))
    free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
    for session in sessions:
        free.put(session)

    def work(batch: Batch) -> list[Outcome] | None:
        session = free.get()
        try:
            if len(batch) == 1:
                return execute(run, session, batch[0].operations)
            return execute_together(run, session, [o for chunk in batch for o in chunk.operations])
        finally:
            free.put(session)

    shared = max(1, min(SHARED, len(progress.waiting) // (2 * limits.parallelism)))
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(min(limits.parallelism, len(sessions))))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        while True:
            for batch in _next(progress, limits, shared):
                progress.running[pool.submit(work, batch)] = batch
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


def _next(progress: _Progress, limits: Limits, shared: int) -> Iterator[Batch]:
    """Batches to start now: at most as many as there is room for, each of one track or of up to `shared` that fit together."""
    busy = {chunk.scope for batch in progress.running.values() for chunk in batch}
    wave = progress.wave
    room = limits.parallelism - len(progress.running)
    gathered: Batch = []
    for scope in list(progress.waiting):
        if room <= 0:
            break  # what was gathered already waits in the pool, whose workers are the bound
        if scope in busy or (progress.failures > limits.max_failures and scope not in progress.started):
            continue
        operations = _ready(progress, scope, wave)
        if not operations:
            continue
        progress.started.add(scope)
        chunk = Chunk(scope, operations)
        if shared == 1 or scope in progress.single or not shareable(operations):
            yield [chunk]
            room -= 1
            continue
        gathered.append(chunk)
        if len(gathered) == shared:
            yield gathered
            gathered = []
            room -= 1
    if gathered:
        yield gathered


def _ready(progress: _Progress, scope: str, wave: int) -> list[Operation]:
    """The operations of a track that can run now, one after the other; what depends on a lost one is lost too."""
    chunk: list[Operation] = []
    kept: list[Operation] = []
    available: set[str] = set()
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


def _satisfied(progress: _Progress, operation: Operation, chunk: set[str]) -> bool:
    return all(d in chunk or d in progress.done or d not in progress.planned for d in operation.depends_on)


def _collect(progress: _Progress, future: Future[list[Outcome] | None], on_outcome: Callable[[Outcome], None]) -> None:
    batch = progress.running.pop(future)
    outcomes = future.result()
    if outcomes is None:
        for chunk in batch:
            progress.single.add(chunk.scope)
            progress.waiting[chunk.scope] = chunk.operations + progress.waiting.get(chunk.scope, [])
            progress.started.discard(chunk.scope)
        return
    for outcome in outcomes:
        progress.settle(outcome)
        on_outcome(outcome)
    if any(o.status in ("failed", "stale") and not o.unreachable for o in outcomes):
        progress.failures += 1
