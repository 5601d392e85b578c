"""The system user that a PostgreSQL server of ours runs as, and what that user has to be let into.

postgres refuses to run as root. For root it runs as the system user `tenantplan`, made on first use.
"""

from __future__ import annotations

import os
import shlex
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tenantplan.errors import SettingsError

ACCOUNT = "tenantplan"
OTHERWISE = "or name a PostgreSQL server of your own in tenantplan.yaml: main: { url: { env: TENANTPLAN_MAIN_URL } }"


@dataclass(frozen=True, slots=True)
class Account:
    """A system user that postgres can run as."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """The system user that postgres has to run as: None for the present one, which will do unless it is root."""
    if os.geteuid() != 0:
        return None
    import pwd
    import subprocess

    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
    for attempt in (1, 2):
        with suppress(KeyError):
            entry = pwd.getpwnam(ACCOUNT)
            return Account(entry.pw_uid, entry.pw_gid)
        if attempt == 1:
            with suppress(OSError):  # no useradd; and one that another run makes at this moment is found afterwards
                subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    raise SettingsError(
        f"PostgreSQL does not run as root, and a system user {ACCOUNT} could not be made",
        hint=f"run tenantplan as an ordinary user, make one with: {shlex.join(command)}, {OTHERWISE}",
    )


def let_traverse(folder: Path, account: Account | None) -> None:
    """Let `account` pass through `folder` and the folders above it: execute permission only, nothing can be listed."""
    if account is None:
        return
    for place in (folder, *folder.parents):
        facts = place.stat()
        if facts.st_uid == account.uid or facts.st_mode & stat.S_IXOTH:
            continue
        try:
            place.chmod(stat.S_IMODE(facts.st_mode) | stat.S_IXOTH)
        except OSError as error:
            raise SettingsError(
                f"the system user {ACCOUNT}, which runs PostgreSQL, cannot pass through {place}: {error.strerror}",
                where=str(folder),
                hint=f"chmod o+x {shlex.quote(str(place))}, {OTHERWISE}",
            ) from None


def let_run(program: Path, account: Account | None) -> None:
    """Let `account` run a program of the wheel: it may have been installed by a root whose new files are private."""
    if account is None:
        return
    let_traverse(program.parent, account)
    if program.stat().st_mode & stat.S_IROTH:  # not the right to execute: pip gives everyone that
        return
    package = program.parents[2]
    for folder in (program.parents[1], package.with_name(f"{package.name}.libs")):
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                mode = stat.S_IMODE(path.stat().st_mode)
                path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
