"""The process of an embedded server, as the file that it keeps in its data folder says: whether it runs, answers, or has died."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from tenantplan.errors import SettingsError
from tenantplan.postgres.account import OTHERWISE

PATIENCE = 60  # seconds that a start or stop may take
ORPHANS = 5.0  # seconds that the children of a killed server get to end


@dataclass(frozen=True, slots=True)
class Postmaster:
    """postmaster.pid, see the server's miscadmin.h: process id, data folder, socket folder, port, status."""

    pid: int
    data: str
    sockets: str
    port: str
    status: str


def read_postmaster(data: Path) -> Postmaster | None:
    """What postmaster.pid says, alive or not; None without a complete one."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise SettingsError(
            "this embedded server belongs to another system user",
            where=str(data),
            hint=f"run tenantplan as that user, remove the folder as that user, {OTHERWISE}",
        ) from None
    if len(lines) < 5 or not lines[0].strip().isdigit():
        return None
    return Postmaster(int(lines[0]), lines[1], lines[4], lines[3].strip(), lines[7].strip() if len(lines) > 7 else "")


def answering(data: Path) -> Postmaster | None:
    """The server on `data` if it takes connections. This runs at every command: one file read and one socket."""
    found = read_postmaster(data)
    # A copied or moved folder carries the file of a server that works on another one.
    if found is None or found.data != str(data) or found.status != "ready" or not found.sockets:
        return None
    return found if is_postgres(found.pid) and _listens(found) else None


def _listens(server: Postmaster) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(f"{server.sockets}/.s.PGSQL.{server.port}")
        except OSError:
            return False
    return True


def await_orphans(data: Path) -> None:
    """Waits for the children of a postmaster that was killed: for a moment they keep its socket and its memory."""
    found = read_postmaster(data)
    deadline = time.monotonic() + ORPHANS
    while found is not None and found.sockets and not is_postgres(found.pid) and _listens(found):
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)


def settled(data: Path) -> Postmaster | None:
    """The server that answers, waiting for one that is starting or stopping; None when there is none to wait for.

    Clears what a server left that died with its machine or container: the process id in it may be another's by now.
    """
    deadline = time.monotonic() + PATIENCE
    while (found := read_postmaster(data)) and is_postgres(found.pid):
        if ready := answering(data):
            return ready
        if found.data != str(data):
            raise SettingsError(
                f"this folder was moved or copied while its server ran: process {found.pid}, started on {found.data}",
                where=str(data),
                hint=f"stop that server (kill -INT {found.pid}), or remove this folder to begin anew",
            )
        if time.monotonic() > deadline:
            return None
        time.sleep(0.05)
    if found:
        for leftover in (data / "postmaster.pid", Path(found.sockets, f".s.PGSQL.{found.port}.lock")):
            leftover.unlink(missing_ok=True)
    return None


def is_postgres(pid: int) -> bool:
    """Whether a process runs and is PostgreSQL's; where the system does not tell programs apart, whether it runs."""
    try:
        # proc(5): "pid (name) state …"; Z is a process that has ended and waits for its parent to notice.
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition(" (")[2].rpartition(") ")
        return name == "postgres" and not rest.startswith("Z")
    except OSError:
        if Path("/proc/self").exists():
            return False
    try:  # a system without /proc
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
