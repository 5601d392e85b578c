"""Real PostgreSQL servers for tests: throwaway clusters of version 15 (Debian), 16 or 18 (wheel), TCP and socket.

Each has its own data, made by initdb in a third of a second, so that two servers are two clusters as in real life.
Durability is off; everything else is as PostgreSQL ships it. `stop_all` ends whatever a run has left.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.conninfo import make_conninfo

from tenantplan.errors import SettingsError
from tenantplan.postgres import embedded
from tenantplan.postgres.account import let_run, server_account

VERSIONS = (15, 16, 18)
DEBIAN = "/usr/lib/postgresql/{}/bin"
ROOT_VARIABLE = "TENANTPLAN_TEST_ROOT"  # set by the first process of a run, inherited by its workers
PASSWORDS = {"postgres": "super: p@ss/w%rd", "tp_admin": "admin?#'\"\\ !p@ss"}
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d %a ",
}


class Unavailable(Exception):
    """This machine cannot run such a server; the message is the reason that a skipped test shows."""


def programs(version: int) -> Path:
    """The folder with the programs of a PostgreSQL version; raises Unavailable."""
    debian = Path(DEBIAN.format(version))
    if version in (16, 18):
        with suppress(SettingsError):
            return embedded.binary("postgres", version).parent
    if (debian / "postgres").is_file():
        return debian
    raise Unavailable(f"PostgreSQL {version} is not installed: {debian}, from the package postgresql-{version}")


def has_tls(version: int) -> bool:
    """Whether that version's programs were built with OpenSSL: Debian's are, the wheel's are not."""
    said = subprocess.run([programs(version) / "pg_config", "--configure"], capture_output=True, text=True, check=True)
    return "openssl" in said.stdout


class TestServer:
    """A running server: superuser `postgres` and `tp_admin` (LOGIN CREATEDB CREATEROLE), passwords in PASSWORDS.

    TCP on 127.0.0.1:`port` asks for SCRAM-SHA-256, with `tls` over TLS only, signed by the CA in `ca_file` for the
    names localhost and 127.0.0.1. The socket in `socket_dir` lets the superuser in without a password.
    """

    __test__ = False

    def __init__(
        self,
        version: int = 18,
        settings: Mapping[str, str] | None = None,
        *,
        tls: bool = False,
        folder: Path | None = None,
    ) -> None:
        self.version = version
        self.programs = folder or programs(version)
        if tls and not has_tls(version):
            raise Unavailable(f"this PostgreSQL {version} was built without OpenSSL")
        self._account = server_account()
        if str(self.programs) != DEBIAN.format(version):
            let_run(self.programs / "postgres", self._account)
        self.folder = Path(tempfile.mkdtemp(prefix=f"pg{version}-", dir=_root()))
        self.socket_dir = self.folder
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.ca_file = self.folder / "ca.pem" if tls else None
        self.port = _free_port()
        self._give(self.folder)
        self._create(dict(_FAST) | dict(settings or {}))
        self.start()

    def _create(self, settings: dict[str, str]) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORDS["postgres"])
        self._give(password)
        self._run("initdb", "-N", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", f"--pwfile={password}")
        password.unlink()
        role = f"CREATE ROLE tp_admin LOGIN CREATEDB CREATEROLE PASSWORD {_literal(PASSWORDS['tp_admin'])}"
        assert "ERROR" not in self._run("postgres", "postgres", before=["--single"], said=role)
        kind = "hostssl" if self.ca_file else "host"
        rules = (
            "local all postgres trust",
            "local all all scram-sha-256",
            f"{kind} all all 127.0.0.1/32 scram-sha-256",
        )
        (self.data / "pg_hba.conf").write_text("\n".join(rules) + "\n")
        settings |= {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
        }
        if self.ca_file:
            settings |= {"ssl": "on"}
            self._certify(self.ca_file)
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.writelines(f"{name} = {_literal(value)}\n" for name, value in settings.items())

    def _certify(self, ca_file: Path) -> None:
        import trustme

        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(ca_file)
        ca_file.chmod(0o644)
        certificate.cert_chain_pems[0].write_to_path(self.data / "server.crt")
        certificate.private_key_pem.write_to_path(self.data / "server.key")
        (self.data / "server.key").chmod(0o600)
        self._give(self.data / "server.crt")
        self._give(self.data / "server.key")

    def start(self) -> None:
        """Start it; returns when it takes connections."""
        self._run("pg_ctl", "-l", str(self.log), "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `mode` as of pg_ctl: "immediate" is a crash. Its data stay until `remove`."""
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "-m", mode, "-w", "stop")

    def restart(self, mode: str = "fast") -> None:
        """Stop and start it, on the same port."""
        self.stop(mode)
        self.start()

    def remove(self) -> None:
        """End it and remove its data."""
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def params(self, user: str = "tp_admin", dbname: str = "postgres", password: str | None = None) -> dict[str, str]:
        """libpq parameters for TCP; the password of the two roles above is known."""
        known = password if password is not None else PASSWORDS[user]
        tls = {"sslmode": "verify-full", "sslrootcert": str(self.ca_file)} if self.ca_file else {}
        return {"host": "127.0.0.1", "port": str(self.port), "user": user, "password": known, "dbname": dbname} | tls

    def url(self, user: str = "tp_admin", dbname: str = "postgres", password: str | None = None) -> str:
        """The same as a connection string; a TLS server's verifies its certificate."""
        given = self.params(user, dbname, password)
        place = (
            f"{quote(user, safe='')}:{quote(given['password'], safe='')}@127.0.0.1:{self.port}/{quote(dbname, safe='')}"
        )
        tls = f"?sslmode=verify-full&sslrootcert={quote(str(self.ca_file))}" if self.ca_file else ""
        return f"postgresql://{place}{tls}"

    def connect(
        self, user: str = "tp_admin", dbname: str = "postgres", password: str | None = None
    ) -> psycopg.Connection[Any]:
        """A session over TCP, in autocommit mode."""
        return psycopg.connect(make_conninfo(**self.params(user, dbname, password)), autocommit=True)

    def superuser_connect(self, dbname: str = "postgres") -> psycopg.Connection[Any]:
        """A session of the superuser over the socket, in autocommit mode."""
        return psycopg.connect(
            host=str(self.socket_dir), port=self.port, user="postgres", dbname=dbname, autocommit=True
        )

    def log_text(self) -> str:
        """What the server has logged so far."""
        return self.log.read_text(errors="replace")

    def _give(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.uid, self._account.gid)
        if path == self.folder:
            path.chmod(0o755)  # tests running as other users reach the socket and the CA file

    def _run(self, program: str, *arguments: str, before: list[str] | None = None, said: str = "") -> str:
        who: dict[str, Any] = {}
        if self._account:
            who = {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}
        command = [str(self.programs / program), *(before or []), "-D", str(self.data), *arguments]
        env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        done = subprocess.run(
            command, input=said, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/", env=env,
            check=False, timeout=120, **who,
        )  # fmt: skip
        if done.returncode:
            log = self.log_text()[-2000:] if self.log.exists() else ""
            raise RuntimeError(f"{program} failed:\n{done.stdout}\n{log}")
        return str(done.stdout)


def _base() -> Path:
    """Where the servers' data goes: into memory where there is plenty, since making databases is mostly writing files."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 8 * 2**30
    return memory if roomy else Path(tempfile.gettempdir())


def open_root(base: Path | None = None) -> str:
    """Make the folder that this run's servers live in, name it to the workers, and end what dead runs have left.

    `base` is where it is made: for the tests in memory, if there is room.
    """
    base = base or _base()
    for old in base.glob("tenantplan-test-*-*"):
        pid = old.name.split("-")[2]
        if pid.isdigit() and not _alive(int(pid)) and old.stat().st_uid == os.geteuid():
            _clear(old)
    root = tempfile.mkdtemp(prefix=f"tenantplan-test-{os.getpid()}-", dir=base)
    os.chmod(root, 0o755)
    os.environ[ROOT_VARIABLE] = root
    return root


def stop_all(root: str) -> None:
    """End every server under `root`, those of crashed workers too, and remove their data."""
    os.environ.pop(ROOT_VARIABLE, None)
    _clear(Path(root))


def _clear(root: Path) -> None:
    for file in root.glob("*/data/postmaster.pid"):
        with suppress(OSError, ValueError, IndexError):
            pid = int(file.read_text().split("\n", 1)[0])
            if Path(f"/proc/{pid}/comm").read_text().strip() == "postgres":
                os.kill(pid, signal.SIGQUIT)
    shutil.rmtree(root, ignore_errors=True)


def _root() -> str:
    return os.environ.get(ROOT_VARIABLE) or open_root()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"E'{escaped.replace(chr(92), chr(92) * 2)}'" if "\\" in escaped else f"'{escaped}'"
