"""The command line as a user runs it, over a fleet of its own on a real server, as a role without superuser."""

from __future__ import annotations

import gc
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import psycopg
from psycopg import sql
from servers import TestServer

from tenantplan import failpoint

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.out)


@dataclass
class Fleet:
    """A fleet repository in a folder, and the server its main database is on.

    Names are unique, so that fleets of several tests share a server. `spec` is what follows `spec:` in tenantplan.yaml;
    `server_line` says there which server the main database is on.
    """

    root: Path
    server: TestServer
    spec: str = ""
    id: str = field(default_factory=lambda: uuid4().hex[:8])
    env: dict[str, str] = field(default_factory=dict)
    server_line: str = "url: { env: TENANTPLAN_MAIN_URL }"

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.settings()

    @property
    def name(self) -> str:
        """The fleet's name."""
        return f"t{self.id}"

    @property
    def main_database(self) -> str:
        """The name of its main database."""
        return f"main_{self.id}"

    def database(self, organization: str) -> str:
        """The name of an organization's database, as derived."""
        return f"o{self.id}_{organization.replace('-', '_')}"

    def settings(self, spec: str = "", migrations: str = "") -> None:
        """Writes tenantplan.yaml; `spec` is YAML for more of its fields."""
        self.spec = spec or self.spec
        tenant = migrations or str(ROOT / "migrations" / "tenant")
        more = textwrap.indent(textwrap.dedent(self.spec), "  ")
        if "resourceTables" not in more:
            more = f"  resourceTables: [public.*]\n{more}"
        self.write(
            "tenantplan.yaml",
            f"apiVersion: tenantplan/v1\nkind: Fleet\nmetadata: {{ name: {self.name} }}\nspec:\n"
            f"  main: {{ {self.server_line}, database: {self.main_database} }}\n"
            f"  naming: {{ databasePrefix: o{self.id}_ }}\n  migrations: {{ tenant: {tenant} }}\n{more}",
        )

    def embed(self) -> None:
        """Makes it a fleet on the embedded server."""
        self.server_line = "embedded: true"
        self.settings()

    def write(self, path: str, text: str) -> Path:
        """Writes a file of the repository; indentation common to all lines is dropped."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text), encoding="utf-8")
        return target

    def organization(self, name: str, body: str = "", /, **metadata: object) -> Path:
        """Declares an organization in a file of its own; `body` is YAML for its spec."""
        return self.document("Organization", name, f"displayName: {name.title()}\n{textwrap.dedent(body)}", **metadata)

    def document(self, kind: str, name: str, body: str, /, **metadata: object) -> Path:
        """Declares a document in a file of its own."""
        meta = {"name": name, **metadata}
        text = f"apiVersion: tenantplan/v1\nkind: {kind}\nmetadata: {json.dumps(meta)}\nspec:\n"
        return self.write(f"tenants/{kind.lower()}-{name}.yaml", text + textwrap.indent(textwrap.dedent(body), "  "))

    def remove(self, kind: str, name: str) -> None:
        """Removes a document's file."""
        (self.root / "tenants" / f"{kind.lower()}-{name}.yaml").unlink()

    def environment(self) -> dict[str, str]:
        """The environment commands run in."""
        foreign = ("TENANTPLAN_", "GITHUB_", "PG")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign) and k != "CI"}
        return {**kept, "TENANTPLAN_MAIN_URL": self.server.url(), "NO_COLOR": "1", **self.env}

    def run(self, *arguments: str, code: int | None = 0, env: Mapping[str, str] | None = None) -> Result:
        """Runs a command in this process and checks its exit code (None: any)."""
        from tenantplan.cli.main import main

        out, err = io.StringIO(), io.StringIO()
        before, folder, argv = dict(os.environ), Path.cwd(), sys.argv
        os.environ.clear()
        os.environ.update({**self.environment(), **(env or {})})
        os.chdir(self.root)
        sys.argv = ["tenantplan", *arguments]
        status: Any = None
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main()
        except SystemExit as stop:
            status = stop.code
        finally:
            os.environ.clear()
            os.environ.update(before)
            os.chdir(folder)
            sys.argv = argv
        result = Result(int(status or 0), out.getvalue(), err.getvalue())
        assert "Traceback" not in result.err
        assert code is None or result.code == code, f"exit {result.code}, expected {code}\n{result.out}\n{result.err}"
        return result

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Starts a command as a process of its own, to be watched, stopped or killed."""
        return subprocess.Popen(
            [sys.executable, "-m", "tenantplan", *arguments],
            cwd=self.root,
            env={**self.environment(), "PYTHONPATH": str(ROOT / "src"), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def program(self, *arguments: str) -> Result:
        """Runs a command in a new interpreter, as a user's shell does."""
        started = self.start(*arguments)
        out, err = started.communicate(timeout=120)
        return Result(started.returncode, out, err)

    def process(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
        kill_after: float | None = None,
    ) -> Result:
        """Runs a command as a process of its own, to its end; a killed one has a negative code. `kill_after`: seconds.

        It is a fork of this one, which has everything imported: a new interpreter would take longer than most commands.
        """
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", DeprecationWarning
                )  # 3.12: threads do not survive; none is needed there
                child = os.fork()
            if child == 0:
                self._become(arguments, {**self.environment(), **(env or {})}, out.fileno(), err.fileno())
            code = _ended(child, timeout, kill_after)
            out.seek(0)
            err.seek(0)
            return Result(code, out.read(), err.read())

    def _become(self, arguments: Sequence[str], environment: Mapping[str, str], out: int, err: int) -> NoReturn:
        """In the fork: runs the command, and ends without a word to what this process shares with the other."""
        code = 70
        try:
            gc.disable()  # sessions of the other process must not be ended from here
            for number, source in enumerate((os.open(os.devnull, os.O_RDONLY), out, err)):
                os.dup2(source, number)
            sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            os.environ.clear()
            os.environ.update(environment)
            os.chdir(self.root)
            sys.argv = ["tenantplan", *arguments]
            failpoint._hits.clear()
            from tenantplan.cli.main import main

            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0) if isinstance(stop.code, int | None) else 1
        except BaseException:  # noqa: BLE001  # nothing of this process goes on after it
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def apply(self, *arguments: str, code: int | None = 0) -> Result:
        """`apply --auto-approve`."""
        return self.run("apply", "--auto-approve", *arguments, code=code)

    def restorable(self, address: str = "organization/msf") -> str:
        """The id by which the plan says that something deleted can be brought back."""
        (message,) = [
            b["message"] for b in self.plan()["blockers"] if (b["address"], b["rule"]) == (address, "restore")
        ]
        found = re.search(r"metadata: { restore: ([0-9a-f-]{36}) }", message)
        assert found is not None, message
        return found[1]

    def restore(self, kind: str, name: str, body: str) -> None:
        """Declares a deleted document again, with the line that the plan asks for."""
        self.document(kind, name, body)
        self.document(kind, name, body, restore=self.restorable(f"{kind.lower()}/{name}"))

    def plan(self, *arguments: str) -> dict[str, Any]:
        """The plan as JSON."""
        made = self.run("plan", "--format", "json", *arguments, code=None)
        assert made.code in (0, 3), f"exit {made.code}\n{made.out}\n{made.err}"
        document: dict[str, Any] = made.json
        assert bool(document["blockers"]) is (made.code == 3)
        return document

    def operations(self) -> list[str]:
        """What a plan would do now: "action address", in order."""
        return [f"{o['action']} {o['address']}" for o in self.plan()["operations"]]

    def converged(self) -> None:
        """Checks that a plan is empty and the audit chain verifies."""
        assert self.operations() == []
        self.run("audit", "verify")

    def connect(self, database: str | None = None) -> psycopg.Connection[Any]:
        """A superuser's session, on the main database by default."""
        return self.server.superuser_connect(database or self.main_database)

    def rows(self, statement: str, *parameters: object, database: str | None = None) -> list[tuple[Any, ...]]:
        """What a statement returns to a superuser, on the main database by default."""
        with self.connect(database) as connection:
            return connection.execute(statement.encode(), parameters or None).fetchall()

    def execute(self, statement: str, *parameters: object, database: str | None = None) -> None:
        """Runs a statement as a superuser, on the main database by default."""
        with self.connect(database) as connection:
            connection.execute(statement.encode(), parameters or None)

    def databases(self) -> list[str]:
        """Names of this fleet's databases, tombstones and temporary ones among them, templates and that of the lock not."""
        like = f"%{self.name}%"
        found = self.rows(
            "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') LIKE %s"
            " AND datname NOT LIKE 'tp_template%%' AND datname NOT LIKE 'tp_lock%%' OR datname LIKE 'tp_new%%' ORDER BY 1",
            like,
            database="postgres",
        )
        return [row[0] for row in found]

    def clean(self) -> None:
        """Drops what the fleet made on the server, as far as it is known by name or stamp."""
        with self.server.superuser_connect("postgres") as connection:
            connection.autocommit = True
            named = connection.execute(
                "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') LIKE %s OR datname = %s"
                " OR datname LIKE 'tp_new%%'",  # one that a killed run left has no stamp yet, and the next test would find it
                [f'%"{self.name}"%', self.main_database],
            ).fetchall()
            for (name,) in named:
                connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(name)))
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            roles = connection.execute(
                "SELECT rolname FROM pg_roles WHERE rolname LIKE ANY(%s)",
                [[f"o{self.id}%", f"{self.main_database}%"]],
            ).fetchall()
            for (name,) in roles:
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def _ended(child: int, timeout: float, kill_after: float | None = None) -> int:
    """The exit code of a process, negative when a signal ended it; one that takes longer is ended."""
    deadline = time.monotonic() + timeout
    death = time.monotonic() + (timeout * 2 if kill_after is None else kill_after)
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > death:
            os.kill(child, signal.SIGKILL)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise TimeoutError(f"the command did not end within {timeout} s")
        time.sleep(0.005)
