"""A fleet in which every secret is a canary, and a table of all commands: what test_canary runs in every situation.

A new command, or a new option of one, is named by test_canary until it has a line in COMMANDS.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import click
from acceptance.harness import ROOT, Fleet, Result
from acceptance.test_output_safety import LOGGING, set_password, shapes
from acceptance.test_plan_file import dump
from servers import TestServer

from tenantplan.cli.main import cli
from tenantplan.secrets.box import CredentialPlace, vault

SERVER = {**LOGGING, "log_min_duration_statement": "0"}
# Where a secret can come from: each has a core of letters and digits, which quoting and URL-encoding leave as it is.
NAMES = (
    "main", "eu", "brought", "org", "far", "jwt", "access", "bucket", "api", "admin", "key", "former", "plan", "sealing",
    "store", "unused", "row",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A command line. `shows`: the canaries that stdout holds because the person has asked for them."""

    text: str
    shows: tuple[str, ...] = ()


def lines(*texts: str) -> tuple[Line, ...]:
    return tuple(Line(text) for text in texts)


# Command -> the lines that are run of it, in this order; {n} is another number each time. Every option stands in one of them.
COMMANDS: dict[str, tuple[Line, ...]] = {
    "init": lines("init made-{n} --name made"),
    "validate": lines("validate", "validate --json", "validate --no-python", "validate --format github"),
    "plan": lines(
        "plan --out plan.json --verbose --refresh deep", "plan --out sealed.json --encrypt",
        "plan --format json", "plan --json", "plan --format markdown",
        "plan --format html", "plan --detailed-exitcode --target organization/msf --exclude adminuser/ada@x.example",
        "plan -v --selector tier=none", "plan --format github", "plan --per-tenant --out each.json", "plan --embedded",
    ),
    "drift": lines("drift", "drift --json", "drift --repair --out repair.json"),
    "status": lines("status", "status --json", "status msf", "status acme --json", "status far", "status --max-skew 0",
                    "status --format github"),
    "audit list": lines(
        "audit list --limit 1000", "audit list --limit 1000 --json",
        "audit list --organization msf --address organization/msf --action create --user a --run 0 --since 2020-01-01"
        " --until 2100-01-01",
        "audit list --team core", "audit list --project site",
    ),
    "audit export": lines(
        "audit export", "audit export --organization msf --address organization/msf --action create --user a --run 0"
        " --since 2020-01-01 --until 2100-01-01 --team core --project site",
    ),
    "audit anchor": lines("audit anchor", "audit anchor --json"),
    "audit show": lines("audit show 2", "audit show 3 --json"),
    "audit verify": lines("audit verify", f"audit verify --json --anchor {'0' * 64}"),
    "db show": (
        *lines("db show msf", "db show acme --json", "db show far --driver psycopg", "db show care", "db show gen"),
        Line("db show msf --reveal --reason to-see", ("org",)),
        Line("db show acme --reveal --reason to-see --json", ("brought",)),
        Line("db show gen --reveal --read-only --reason to-see", ("generated",)),
        Line("db show gen --reveal --reason to-see", ("generated",)),
    ),
    "db test": lines("db test", "db test --json", "db test acme", "db test msf", "db test --url-env ACME_URL"),
    "credentials key": lines("credentials key", "credentials key --signing"),
    "credentials rotate": lines("credentials rotate gen", "credentials rotate --due --json"),
    "credentials status": lines("credentials status", "credentials status --json"),
    "credentials open": lines("credentials open --json"),
    "credentials rekey": lines("credentials rekey", "credentials rekey --json"),
    "migrations status": lines("migrations status", "migrations status --all", "migrations status --json"),
    "migrations sql": lines("migrations sql --tree main", "migrations sql --from 3f2a7c10 --to head --json"),
    "migrations lint": lines(
        "migrations lint --tree tenant --all --strict --json", "migrations lint --from 3f2a7c10",
        "migrations lint --no-python",
    ),
    "migrations revert": lines("migrations revert nobody --to 3f2a7c10"),
    "migrations new": lines("migrations new --tree tenant another-{n}", "migrations new --autogenerate another-{n}"),
    "schema export": lines("schema export --out schemas", "schema export --check"),
    "dev up": lines("dev up"),
    "dev down": lines("dev down"),
    "dev psql": lines("dev psql"),
    "report": lines("report", "report active-tenants --json --limit 5 --days 3", "report database-sizes --csv"),
    "doctor": lines("doctor --json --skip-rehearsal", "doctor --isolation --sample 2", "doctor --grants", "doctor"),
    "maintain": lines("maintain --analyze", "maintain --vacuum --target msf", "maintain --full --target msf"),
    "seed": lines("seed --demo --tenants 1 --seed 2", "seed --demo --remove"),
    "selftest": lines("selftest --json", "selftest --url env:EU1_URL"),
    "unlock": lines("unlock", "unlock --force"),
    "apply": lines(
        "apply plan.json --json --allow-deletes 0", "apply plan.json --allow-destructive 0 --embedded", "apply repair.json",
        "apply --auto-approve --parallelism 2 --target organization/msf --exclude organization/far --selector tier=none",
        "apply --auto-approve",
    ),
}  # fmt: skip


def commands() -> dict[str, set[str]]:
    """Every command of the command line, by its path, with its options."""
    return dict(_commands(cli, click.Context(cli), ()))


def _commands(command: click.Command, context: click.Context, path: tuple[str, ...]) -> Iterator[tuple[str, set[str]]]:
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _commands(inner, context, (*path, name))
    else:
        options = {max(p.opts, key=len) for p in command.params if isinstance(p, click.Option)}
        yield " ".join(path), options - {"--help"}


def core(name: str, generation: int = 1) -> str:
    return f"canary{name}{generation}7f3a9"


def secret(name: str, generation: int = 1) -> str:
    return f"p@ {core(name, generation)} /:%?#'\"\\ü"


def key(name: str, generation: int = 1) -> str:
    """An encryption key that has the core in its 32 bytes."""
    return "base64:" + base64.b64encode(core(name, generation).encode().ljust(32, b"\x07")).decode()


def leaks(text: str, but: tuple[str, ...] = ()) -> list[str]:
    """The canaries that a text holds: plain, URL-encoded, in hex, or in base64 at any alignment."""
    found = []
    for name in NAMES:
        for generation in (1, 2):
            text_of = core(name, generation)
            hexed = text_of.encode().hex()
            looked = (*shapes(text_of), hexed, hexed.upper())
            if name not in but and any(shape in text for shape in looked):
                found.append(f"{name} {generation}")
    return found


@dataclass
class World:
    """Two servers that log everything, and a fleet on them that uses each place a secret can come from."""

    fleet: Fleet
    abroad: TestServer
    count: int = 0
    heard: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # but for the lines that show a generated password

    @property
    def servers(self) -> tuple[TestServer, TestServer]:
        return self.fleet.server, self.abroad

    def run(self, line: Line, code: int | None = None) -> Result:
        """Runs a line in this process; nothing it says holds a canary but what it `shows`."""
        self.count += 1
        words = line.text.format(n=self.count).split()
        tree = self.fleet.root / "migrations" / "versions"
        before = set(tree.glob("*.py"))
        result = self.fleet.run(*words, code=code)
        if words[:2] == ["migrations", "new"]:
            for made in set(tree.glob("*.py")) - before:
                assert leaks(made.read_text()) == []
                made.unlink()
        assert leaks(result.out, line.shows) == [], f"{line.text}\n{result.out}"
        assert leaks(result.err) == [], f"{line.text}\n{result.err}"
        shown = [name for name in line.shows if name != "generated"] if result.code == 0 else []
        assert [leak.split()[0] for leak in leaks(result.out)] == shown, line.text
        self.heard.append(f"{line.text} -> {result.code}")
        self.said += [result.err, "" if "generated" in line.shows else result.out]
        return result

    def everything(self) -> None:
        """Every line of every command."""
        for listed in COMMANDS.values():
            for line in listed:
                self.run(line)

    def each(self) -> None:
        """Every command, each format of plan, and of the others the first and the last line."""
        for name, listed in COMMANDS.items():
            for line in listed if name == "plan" else {listed[0]: None, listed[-1]: None}:
                self.run(line)

    def left(self) -> None:
        """What has been left behind: files, every row, comment and role of both servers, and their logs."""
        found = {str(path): path.read_text(errors="replace") for path in self.fleet.root.rglob("*") if path.is_file()}
        for path, text in found.items():
            assert leaks(text) == [], path
        for server in self.servers:
            found |= {f"dump of {server.port}": dump(server), f"log of {server.port}": server.log_text()}
            assert leaks(found[f"dump of {server.port}"], ("row",)) == []
            assert leaks(found[f"log of {server.port}"], ("row",)) == []
        generated = self.generated()
        for place, text in {**found, "output": "\n".join(self.said)}.items():
            assert not [password for password in generated if any(shape in text for shape in shapes(password))], place

    def generated(self) -> list[str]:
        """The passwords that tenantplan has made up, as an application with the key reads them."""
        keys = [key(name, generation) for name in ("key", "former", "unused", "store") for generation in (1, 2)]
        box = vault(keys[0], keys[1:])
        rows = self.fleet.rows("SELECT id::text, password FROM database_logins WHERE password IS NOT NULL")
        return [
            box.open(CredentialPlace("database_logins", row_id, "password"), bytes(sealed)) for row_id, sealed in rows
        ]


def environment(world: World, generation: int = 1) -> dict[str, str]:
    main, abroad = world.servers
    return {
        "TENANTPLAN_MAIN_URL": main.url(password=secret("main")),
        "EU1_URL": abroad.url(password=secret("eu")),
        "ACME_URL": main.url("guest", "guest", secret("brought")),
        "MSF_PASSWORD": secret("org", generation),
        "FAR_PASSWORD": secret("far", generation),
        "JWT": secret("jwt", generation),
        "ACCESS": secret("access", generation),
        "BUCKET": secret("bucket", generation),
        "API_KEY": secret("api", generation),
        "ADA_PASSWORD": secret("admin", generation),
        "CREDENTIALS_ENCRYPTION_KEY": key("key", generation),
        "FORMER_KEY": key("former") if generation == 1 else key("key"),
        "PLAN_KEY": key("plan"),
        "SEALING_KEY": key("sealing"),
        "UNUSED": secret("unused"),
    }


def settings(fleet: Fleet, more: str = "rollout: { onFailure: continue }\n") -> None:
    fleet.settings(
        "servers: { eu-1: { url: { env: EU1_URL } } }\nguard: { maxChangedPercent: 100 }\ndevelopment: true\n"
        "plans: { signingKey: { env: PLAN_KEY }, encryptionKey: { env: SEALING_KEY } }\n"
        "credentials: { formerKeys: [ { env: FORMER_KEY } ] }\n" + more,
        migrations=str(fleet.root / "migrations"),
    )


def declare(fleet: Fleet) -> None:
    tree = fleet.root / "migrations"
    shutil.copytree(ROOT / "migrations" / "tenant", tree, ignore=shutil.ignore_patterns("__pycache__"))
    fleet.organization("msf", "database: { mode: dedicated, password: { env: MSF_PASSWORD } }\n"
                       "secrets: { jwt: { value: { env: JWT } } }")  # fmt: skip
    fleet.organization("far", "database: { mode: dedicated, server: eu-1, password: { env: FAR_PASSWORD } }")
    fleet.organization("acme", "database: { url: { env: ACME_URL } }")
    fleet.organization("gen", "database: { mode: dedicated, readOnly: true, password: { generate: true } }")
    fleet.organization("care")
    fleet.document("Tenant", "paris", "{ organization: msf, displayName: Paris }")
    fleet.document("AdminUser", "ada@x.example", "{ displayName: Ada, role: SUPPORT, password: { env: ADA_PASSWORD } }")
    fleet.document("Team", "core", "{ organization: msf, displayName: Core }")
    fleet.document(
        "Bucket", "files", "{ owner: core, provider: s3, accessKey: { env: ACCESS }, secretKey: { env: BUCKET } }"
    )
    fleet.document("Project", "site", "{ organization: msf, displayName: Site,"
                   " apiKeys: [ { name: web, key: { env: API_KEY }, permissions: [FILE_READ] } ] }")  # fmt: skip
    (fleet.root / "releases").mkdir()
    (fleet.root / "releases" / "node.zip").write_bytes(b"PK a package")
    fleet.document("Release", "node", "{ version: '1.0', file: releases/node.zip }")


def world(folder: Path, main: TestServer, abroad: TestServer) -> World:
    """Everything is declared, and nothing applied."""
    set_password(main, "tp_admin", secret("main"))
    set_password(abroad, "tp_admin", secret("eu"))
    with main.superuser_connect() as session:
        session.execute("CREATE ROLE guest LOGIN; ")
        session.execute("CREATE DATABASE guest OWNER guest")
    set_password(main, "guest", secret("brought"))
    made = World(Fleet(folder / "fleet", main), abroad)
    made.fleet.env |= environment(made)
    declare(made.fleet)
    settings(made.fleet)
    return made


def elsewhere(url: str, port: int) -> str:
    """The same connection string, to a port where nobody listens."""
    return url.replace(f":{port}/", ":1/")


def quoted(name: str) -> str:
    return quote(secret(name), safe="")
