"""Delivers a login to its application: in a file that no other user can read or redirect, or on a program's standard input."""

from __future__ import annotations

import json
import os
import secrets
import signal
import stat
import subprocess
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tenantplan.errors import SettingsError, TenantplanError
from tenantplan.settings.targets import PLACEHOLDER, TargetSpec

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, repr=False)
class Handover:
    """A login as its application needs it. `organization` is its name (of a tenant's own database: tenant.NAME)."""

    organization: str
    role: str
    host: str
    port: int
    database: str
    password: str
    url: str
    sslmode: str = ""
    sslrootcert: str = ""

    @property
    def place(self) -> str:
        """What the organization is called in the path of a file."""
        return self.organization

    def document(self) -> bytes:
        """The login as a JSON object."""
        return (
            json.dumps({name: value for name, value in asdict(self).items() if value}, sort_keys=True).encode() + b"\n"
        )

    def variables(self) -> bytes:
        """The login as lines of NAME=value without quotes, as containers, systemd and dotenv take them. Not a shell: & in a URL."""
        found = {
            "DATABASE_URL": self.url,
            "PGDATABASE": self.database,
            "PGHOST": self.host,
            "PGPASSWORD": self.password,
            "PGPORT": self.port,
            "PGSSLMODE": self.sslmode,
            "PGSSLROOTCERT": self.sslrootcert,
            "PGUSER": self.role,
        }
        return "".join(f"{name}={value}\n" for name, value in found.items() if value).encode()


@dataclass(frozen=True, repr=False)
class Given:
    """A secret of an application, or the key of a licence. `organization` is whose it is, `place` its file's name."""

    organization: str
    place: str
    name: str
    value: str

    def document(self) -> bytes:
        """The secret as a JSON object."""
        found = {"name": self.name, "organization": self.organization, "secret": self.place, "value": self.value}
        return json.dumps(found, sort_keys=True).encode() + b"\n"

    def variables(self) -> bytes:
        """The secret as a line of NAME=value without quotes."""
        return f"{self.name.upper().replace('-', '_')}={self.value}\n".encode()


def deliver(name: str, target: TargetSpec, handover: Handover | Given, root: Path, hidden: Collection[str]) -> None:
    """Hands a login or secret over; doing it twice is doing it once. `hidden` are variables that a program does not get to see.

    Raises TenantplanError, naming the target and never what it was given, when it is not taken.
    """
    if target.file is not None:
        path = root / target.file.replace(PLACEHOLDER, handover.place)
        write(path, handover.document() if path.suffix == ".json" else handover.variables(), f"target {name}")
    else:
        assert target.command is not None
        environment = {k: v for k, v in os.environ.items() if k not in hidden}
        _run(name, target.command, target.timeout_seconds, handover.document(), root, environment)


def _run(name: str, command: list[str], timeout: int, given: bytes, root: Path, environment: Mapping[str, str]) -> None:
    """The program's output is never shown: it may contain the secret, in whatever form."""
    where, hint = f"target {name}", f"run {command[0]} by hand to see what it prints; then apply again"
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=root,
            env=dict(environment),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "its arguments cannot be passed"
        raise TenantplanError(f"the command {command[0]} cannot be started: {said}", where=where, hint=hint) from None
    try:
        with suppress(BrokenPipeError):
            process.communicate(given, timeout=timeout)
        code = process.wait(timeout=timeout)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise TenantplanError(
            f"the command {command[0]} took longer than {timeout} s and was ended", where=where, hint=hint
        ) from None
    if code != 0:
        ended = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
        raise TenantplanError(f"the command {command[0]} {ended}", where=where, hint=hint)


def write(path: Path, content: bytes, where: str) -> None:
    """Writes a file of mode 0600, whole or not at all; SettingsError when somebody else could read, change or redirect it."""
    folder = path.parent
    try:
        _check(next(place for place in (folder, *folder.parents) if os.path.lexists(place)), where)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(folder, where)
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unusable(folder, str(error.strerror), where) from None
    part = f".{path.name}.{secrets.token_hex(8)}"
    try:
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=opened)
        with os.fdopen(file, "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(file)
        os.rename(part, path.name, src_dir_fd=opened, dst_dir_fd=opened)
        os.fsync(opened)
    except OSError as error:
        with suppress(OSError):
            os.unlink(part, dir_fd=opened)
        raise _unusable(path, str(error.strerror), where) from None
    finally:
        os.close(opened)


def _check(folder: Path, where: str) -> None:
    """Every folder on the way, as it is written and as it really is, is ours or root's, and others can replace nothing in it."""
    real = Path(os.path.realpath(folder))
    absolute = Path(os.path.abspath(folder))
    for place in dict.fromkeys((*absolute.parents, absolute, *real.parents, real)):
        facts = place.lstat()
        if facts.st_uid not in (0, os.geteuid()):
            raise _unusable(place, "it belongs to another user", where)
        if stat.S_ISLNK(facts.st_mode):
            continue  # ours or root's, in a folder that is checked itself
        sticky = facts.st_mode & stat.S_ISVTX and place != real
        if facts.st_mode & _OTHERS_WRITE and not sticky:
            raise _unusable(place, "others can write to it", where)


def _unusable(place: Path, why: str, where: str) -> SettingsError:
    return SettingsError(
        f"{place} cannot hold a secret: {why}",
        where=where,
        hint="name a folder that only the user that runs tenantplan can write to (chmod 700)",
    )
