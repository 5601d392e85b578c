"""The result of a plan: one Outcome for each operation, and the Report of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one operation.

    `status`: "done", "failed", "stale" (live changed under the plan), "skipped" (not begun, or rolled back with what failed)
    or "recovered" (done by an interrupted run, recorded by this one). `error` says why it is not done, and never holds row
    values or secrets. `alone`: it failed because its database could not be connected to, or somebody held a lock there for too
    long, which says nothing about the change. `cause` is the address of what failed, where that is why it was skipped.
    """

    operation: Operation
    status: str
    error: str = ""
    alone: bool = False
    cause: str = ""

    @staticmethod
    def lost(operation: Operation, cause: str) -> Outcome:
        """Skipped, because it depends on what failed at the address `cause`."""
        return Outcome(operation, "skipped", f"what it depends on failed: {cause}", cause=cause)


@dataclass(frozen=True)
class Report:
    """A run: its id, the digest of its plan, its outcomes in plan order, and how long it took in seconds.

    `remaining` counts operations that a fresh plan after the run still lists: 0 when the run converged. `stopped` says why no
    more was started ("": it was not stopped), and `taken_back` are outcomes of the downgrades that followed. `still_open` are
    logins that should be closed, and that tenantplan cannot close, `notes` what else whoever applies should know.
    """

    run: str
    digest: str
    outcomes: tuple[Outcome, ...]
    seconds: float
    recovered: int = 0
    remaining: int = 0
    stopped: str = ""
    taken_back: tuple[Outcome, ...] = ()
    still_open: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()

    def count(self, *statuses: str) -> int:
        """How many operations ended in one of the statuses."""
        return sum(outcome.status in statuses for outcome in self.outcomes)

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "run": self.run,
            "digest": self.digest,
            "seconds": round(self.seconds, 3),
            "recovered": self.recovered,
            "remaining": self.remaining,
            "stopped": self.stopped or None,
            "stillOpen": [finding.document() for finding in self.still_open],
            "notes": [finding.document() for finding in self.notes],
            "takenBack": [
                {"address": o.operation.address, "status": o.status, "error": o.error} for o in self.taken_back
            ],
            "counts": {s: self.count(s) for s in ("done", "failed", "stale", "skipped")},
            "operations": [
                {"id": o.operation.id, "address": o.operation.address, "action": o.operation.action}
                | {"status": o.status, "error": o.error}
                for o in self.outcomes
            ],
        }
