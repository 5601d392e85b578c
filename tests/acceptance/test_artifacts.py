"""No artifact that leaves the machine holds a secret, in whatever shape: plan files, reports, pages, comments, exports."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from acceptance.harness import Fleet
from acceptance.test_output_safety import shapes
from servers import PASSWORDS

pytestmark = pytest.mark.once

WHAT = ("bucket", "apikey", "jwt", "login", "admin", "brought", "box", "vault", "seed", "newer")
CORES = {name: f"canary{name}9d2e7" for name in WHAT}


READS = (
    *(
        "audit export",
        "audit list --json --limit 1000",
        "audit anchor",
        "drift --json",
        "status --json",
        "db show acme --json",
    ),
    *("db show msf", "report without-database --csv", "credentials status --json", "migrations status --json"),
)


def secret(name: str) -> str:
    """A value with a core that quoting leaves alone, and around it what quoting changes."""
    return f"p@ {CORES[name]} /:%?#'\"\\ü 0123456789"


def key(name: str, prefix: str = "base64:") -> str:
    """A key of 32 bytes that hold the core."""
    return prefix + base64.b64encode((CORES[name] + "-+*/=%!?#~^" * 3).encode()[:32]).decode()


def leaks(text: str) -> list[str]:
    """Names of the secrets in a text: plain, URL-encoded, as escapes of JSON, in base64 or hexadecimal, in either case."""
    cores = CORES | {"main": PASSWORDS["tp_admin"]}
    return [n for n, core in cores.items() if any(s in text for s in (*shapes(core), *hexadecimal(core)))]


def hexadecimal(core: str) -> tuple[str, str]:
    return core.encode().hex(), core.encode().hex().upper()


def test_the_search_finds_every_shape() -> None:
    for name in WHAT:
        value = secret(name)
        for text in (value, quote(value, safe=""), quote(value), json.dumps(value), base64.b64encode(value.encode()).decode(),
                     base64.urlsafe_b64encode(b"u:" + value.encode()).decode(), value.encode().hex(), value.encode().hex().upper(),
                     key(name), base64.b64decode(key(name)[7:]).hex()):  # fmt: skip
            assert leaks(f"x{text}y") == [name], text
    assert leaks(PASSWORDS["tp_admin"]) == ["main"] and leaks("nothing") == []


@pytest.fixture
def full(fleet: Fleet) -> Iterator[Fleet]:
    """A fleet with a secret of every kind, and keys for its plan files."""
    brought, guest = f"brought_{fleet.id}", f"o{fleet.id}_guest"
    fleet.execute(f"CREATE ROLE {guest} LOGIN", database="postgres")
    fleet.execute(
        f"ALTER ROLE {guest} PASSWORD '{secret('brought').replace(chr(39), chr(39) * 2)}'", database="postgres"
    )
    fleet.execute(f"CREATE DATABASE {brought} OWNER {guest}", database="postgres")
    fleet.env |= {name.upper(): secret(name) for name in ("bucket", "apikey", "jwt", "login", "admin")}
    fleet.env |= {
        "BROUGHT": fleet.server.url(guest, brought, secret("brought")),
        "CREDENTIALS_ENCRYPTION_KEY": key("vault"),
        "PLAN_KEY": key("seed", "ed25519:"),
        "PLAN_BOX": key("box"),
    }
    fleet.settings(
        "plans: { signingKey: { env: PLAN_KEY }, encryptionKey: { env: PLAN_BOX } }\nguard: { maxChangedPercent: 100 }"
    )
    fleet.organization("acme", "database: { url: { env: BROUGHT } }\nsecrets: { jwt: { value: { env: JWT } } }")
    fleet.organization("msf", "database: { mode: dedicated, password: { env: LOGIN } }")
    fleet.document("AdminUser", "ada@x.example", "{ displayName: Ada, role: SUPPORT, password: { env: ADMIN } }")
    fleet.document("Team", "core", "{ organization: acme, displayName: Core }")
    fleet.document(
        "Bucket", "b", "{ owner: core, provider: s3, accessKey: { env: BUCKET }, secretKey: { env: BUCKET } }"
    )
    fleet.document("Project", "p", "organization: acme\ndisplayName: P\napiKeys: [ { name: k, key: { env: APIKEY } } ]")
    yield fleet
    fleet.execute(f"DROP DATABASE {brought} WITH (FORCE)", database="postgres")


def artifacts(fleet: Fleet, stage: str) -> list[str]:
    """The texts of everything that a job would keep or show, at this stage of a fleet."""
    kept = []
    for name, arguments in {
        "plain": ["--format", "text", "-v"],
        "html": ["--format", "html"],
        "markdown": ["--format", "markdown"],
        "json": ["--json", "--out", "plan.json"],
        "box": ["--out", "box.json", "--encrypt"],
    }.items():
        kept.append(fleet.run("plan", *arguments).out)
        assert len(kept[-1]) > 100, (stage, name)
    kept += [(fleet.root / name).read_text() for name in ("plan.json", "box.json")]
    assert kept[3] == kept[5]
    return kept


def test_no_artifact_holds_a_secret(full: Fleet) -> None:
    found = artifacts(full, "before")
    applied = full.run("apply", "plan.json", "--json")
    found += [applied.out, applied.err]
    for name in ("BUCKET", "APIKEY", "JWT", "LOGIN", "ADMIN"):
        full.env[name] = f"{secret('newer')} {name}"
    full.env["BROUGHT"] += "?connect_timeout=7"
    found += artifacts(full, "changed")
    assert "secret changed" in found[-7]
    full.execute(
        "CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no: %', NEW; END $$"
    )
    for table in ("buckets", "api_keys", "organization_secrets", "organizations"):
        full.execute(f"CREATE TRIGGER loud BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION loud()")
    failed = full.run("apply", "plan.json", "--json", code=5)
    assert "no: " in failed.out
    found += [failed.out, failed.err]
    for line in READS:
        said = full.run(*line.split(), code=None)
        found += [said.out, said.err]
    exported = full.run("audit", "export").out
    assert (
        '"keyed\\":' in exported and "env:JWT" in exported
    )  # references and keyed hashes, which the search is not blind to
    assert [leaks(text) for text in found] == [[]] * len(found)
