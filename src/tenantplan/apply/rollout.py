"""Schedules a run: tracks in parallel within a bound, each in plan order, stopping after too many failures."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field

from tenantplan.apply.context import Run
from tenantplan.apply.execute import execute, execute_together, shareable
from tenantplan.apply.migrations import execute_migrations, only_migrates
from tenantplan.model.operation import Operation
from tenantplan.model.report import Outcome
from tenantplan.model.resource import server_object
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
    """How many tracks run at once, and after how many failed tracks no new one is started (None: they all are).

    `between` is called when a wave has ended and another follows, with what the wave did; what it answers is why nothing more
    is started, "" when all is well.
    """

    parallelism: int
    max_failures: int | None
    between: Callable[[Sequence[Operation]], str] = lambda operations: ""


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
    ended: int = 0
    stopped: str = ""
    halt: threading.Event = field(default_factory=threading.Event)

    @property
    def wave(self) -> int:
        """The earliest wave that has not ended."""
        return min((wave for wave, left in self.unsettled.items() if left), default=0)

    def full(self, limits: Limits) -> bool:
        """Whether no further track is started."""
        return bool(self.stopped) or (limits.max_failures is not None and self.failures > limits.max_failures)

    def follows(self, operation: Operation, lost: str) -> Outcome:
        """The outcome of an operation that needs one which is lost: the cause is what failed at the beginning."""
        before = self.outcomes[lost]
        if before.status == "skipped" and not before.cause:
            return Outcome(operation, "skipped", before.error)
        return Outcome.lost(operation, before.cause or before.operation.address)

    def settle(self, outcome: Outcome) -> None:
        self.outcomes[outcome.operation.id] = outcome
        self.unsettled[outcome.operation.wave] -= 1
        (self.done if outcome.status in ("done", "recovered") else self.lost).add(outcome.operation.id)


@dataclass(frozen=True)
class RolloutResult:
    """Outcomes in plan order, and why the rollout was stopped ("": it was not)."""

    outcomes: tuple[Outcome, ...]
    stopped: str


def rollout(
    run: Run,
    operations: Sequence[Operation],
    limits: Limits,
    sessions: Sequence[Connection],
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> RolloutResult:
    """Executes the operations.

    `sessions` are connections to the main database, one for each track that runs at once. A failed track stops and the
    others go on; after `max_failures` failed tracks no further one is started. A database that could not be reached, or in
    which a lock was waited for in vain, says nothing about the change, so it does not count. Where there are many tracks, some
    share a transaction; when it fails, nothing has happened, and they run again one by one.
    """
    progress = _Progress(_tracks(operations), frozenset(o.id for o in operations), Counter(o.wave for o in operations))
    free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
    for session in sessions:
        free.put(session)

    def work(batch: Batch) -> list[Outcome] | None:
        session = free.get()
        try:
            return _work(run, session, batch, progress.halt)
        finally:
            free.put(session)

    shared = max(1, min(SHARED, len(progress.waiting) // (2 * limits.parallelism)))
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(min(limits.parallelism, len(sessions))))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        _run_tracks(progress, limits, shared, lambda batch: pool.submit(work, batch), on_outcome)
    stopped = progress.stopped or _too_many(progress, limits)
    _settle_rest(progress, operations, stopped)
    return RolloutResult(tuple(progress.outcomes[o.id] for o in operations), stopped)


def _run_tracks(
    progress: _Progress,
    limits: Limits,
    shared: int,
    submit: Callable[[Batch], Future[list[Outcome] | None]],
    on_outcome: Callable[[Outcome], None],
) -> None:
    """Starts what can run, whenever something has ended, until nothing runs and nothing can."""
    while True:
        _after_wave(progress, limits)
        settled = len(progress.outcomes)
        for batch in _next(progress, limits, shared):
            progress.running[submit(batch)] = batch
        if not progress.running:
            if len(progress.outcomes) > settled:  # what was skipped may have ended a wave
                continue
            return
        finished, _ = wait(progress.running, return_when=FIRST_COMPLETED)
        for future in finished:
            _collect(progress, future, on_outcome)
        if progress.full(limits):
            progress.halt.set()


def _settle_rest(progress: _Progress, operations: Sequence[Operation], stopped: str) -> None:
    """What was not begun is skipped: since something that it needs is lost, or since nothing more was started."""
    for operation in operations:
        if operation.id not in progress.outcomes:
            lost = next((other for other in operation.depends_on if other in progress.lost), None)
            not_begun = Outcome(operation, "skipped", f"not begun: {stopped or 'the run was stopped'}")
            progress.settle(not_begun if lost is None else progress.follows(operation, lost))


def _work(run: Run, session: Connection, batch: Batch, halt: threading.Event) -> list[Outcome] | None:
    operations = [operation for chunk in batch for operation in chunk.operations]
    if only_migrates(operations):
        return execute_migrations(run, session, operations, halt)
    if len(batch) == 1:
        return execute(run, session, operations)
    return execute_together(run, session, operations)


def _after_wave(progress: _Progress, limits: Limits) -> None:
    """Between two waves, whoever watches over the rollout is asked whether it may go on."""
    wave = progress.wave
    if wave <= progress.ended or progress.running:
        return
    done = [o.operation for o in progress.outcomes.values() if progress.ended <= o.operation.wave < wave]
    if progress.unsettled[wave] and done and not progress.full(limits):
        progress.stopped = limits.between([operation for operation in done if operation.id in progress.done])
    progress.ended = wave


def _purges(operation: Operation) -> bool:
    """Whether it drops a role or database whose grace period is over: that it fails says nothing about any other change."""
    return operation.purges and server_object(operation.before) is not None


def _too_many(progress: _Progress, limits: Limits) -> str:
    return f"{progress.failures} failed, and maxFailures is {limits.max_failures}" if progress.full(limits) else ""


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
    gathered: dict[bool, Batch] = {}  # by whether it is migrations
    for scope in list(progress.waiting):
        if sum(map(len, gathered.values())) >= room * shared:
            break
        if scope in busy or (progress.full(limits) and scope not in progress.started):
            continue
        operations = _ready(progress, scope, wave)
        if not operations:
            continue
        progress.started.add(scope)
        chunk = Chunk(scope, operations)
        migrates = only_migrates(operations)
        if shared == 1 or scope in progress.single or not (migrates or shareable(operations)):
            yield [chunk]
            room -= 1
        else:
            gathered.setdefault(migrates, []).append(chunk)
    for chunks in gathered.values():
        count = max(1, room, -(-len(chunks) // shared))  # evenly, so that all workers end at about the same time
        yield from filter(None, (chunks[number::count] for number in range(count)))


def _ready(progress: _Progress, scope: str, wave: int) -> list[Operation]:
    """The operations of a track that can run now, one after the other; what depends on a lost one is lost too."""
    chunk: list[Operation] = []
    kept: list[Operation] = []
    available: set[str] = set()
    for operation in progress.waiting[scope]:
        if lost := [other for other in operation.depends_on if other in progress.lost]:
            progress.settle(progress.follows(operation, lost[0]))
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
        progress.single.update(chunk.scope for chunk in batch)
    settled = {outcome.operation.id for outcome in outcomes or ()}
    lost = {o.operation.scope: o.cause or o.operation.address for o in outcomes or () if o.status != "done"}
    for chunk in batch:
        left = [operation for operation in chunk.operations if operation.id not in settled]
        if chunk.scope in lost:  # a failed track stops
            outcomes = [*(outcomes or ()), *(Outcome.lost(operation, lost[chunk.scope]) for operation in left)]
        elif left:
            progress.waiting[chunk.scope] = left + progress.waiting.get(chunk.scope, [])
            progress.started.discard(chunk.scope)
    for outcome in outcomes or ():
        progress.settle(outcome)
        on_outcome(outcome)
    if any(o.status in ("failed", "stale") and not o.alone and not _purges(o.operation) for o in outcomes or ()):
        progress.failures += 1
