"""Points where a test may kill the process, to prove that a run interrupted there is finished by the next one.

TENANTPLAN_FAILPOINT=name[:n] ends the process with SIGKILL when the point `name` is reached for the n-th time;
name:n:stop stops it there with SIGSTOP, alive and holding what it holds, until SIGCONT.
"""

from __future__ import annotations

import os
import signal
import threading

POINTS = (
    "bootstrap-created",
    "bootstrap-migrated",
    "bootstrap-renamed",
    "locked",
    "run-opened",
    "template-created",
    "template-ready",
    "intent-recorded",
    "database-created",
    "database-filled",
    "database-shut",
    "effects-made",
    "journal-closed",
    "audit-written",
    "committed",
    "remote-committed",
    "tenant-migrated",
    "tenant-committed",
    "step-committed",
    "outside-begun",
    "outside-done",
    "rollback-journaled",
    "schema-repaired",
    "database-dropped",
    "login-pending",
    "login-set",
    "login-delivered",
    "secret-delivered",
    "package-stored",
    "package-deleted",
    "run-closed",
)

_hits: dict[str, int] = {}
_lock = threading.Lock()


def reach(name: str) -> None:
    """Dies or stops here when the environment says so; otherwise does nothing."""
    wanted = os.environ.get("TENANTPLAN_FAILPOINT")
    if wanted is None:
        return
    point, count, act = [*wanted.split(":"), "", ""][:3]
    with _lock:
        _hits[name] = _hits.get(name, 0) + 1
        if point == name and _hits[name] == int(count or 1):
            os.kill(os.getpid(), signal.SIGSTOP if act == "stop" else signal.SIGKILL)
