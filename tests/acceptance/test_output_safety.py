"""Nothing secret and nothing alive comes out."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from acceptance.harness import Fleet, Result
from markdown_it import MarkdownIt
from psycopg import sql
from servers import TestServer
from unit.rendering.builders import HOSTILE

pytestmark = pytest.mark.once

LOGGING = {"log_statement": "all", "log_min_error_statement": "debug5", "log_min_messages": "info", "log_connections": "on",
           "log_parameter_max_length_on_error": "-1", "log_error_verbosity": "verbose"}  # fmt: skip
# Each secret has a core that quoting leaves as it is, and characters around it that quoting changes.
CORES = {name: f"canary{name}7f3a9" for name in ("main", "typed")}


def secret(name: str) -> str:
    return f"p@ {CORES[name]} /:%?#'\"\\ü"


def shapes(core: str) -> list[str]:
    """The core as it is, and inside base64 of anything: at each of three offsets, less the letters its neighbours decide."""
    found = [core]
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + core.encode()).decode().rstrip("=")
        found.append(encoded[(offset * 8 + 5) // 6 : -1])
    return found


def leaks(text: str) -> list[str]:
    """Names of the secrets that a text holds, plain, URL-encoded or in base64."""
    return [name for name, core in CORES.items() if any(shape in text for shape in shapes(core))]


def test_the_search_itself_finds_every_shape() -> None:
    for name in CORES:
        for prefix in ("", "u:", "user:x"):
            given = prefix + secret(name)
            assert leaks(given) == leaks(quote(given, safe="")) == [name]
            assert leaks(base64.b64encode(given.encode()).decode()) == [name]
            assert leaks(base64.urlsafe_b64encode(given.encode()).decode()) == [name]
    assert leaks("nothing") == []


def set_password(server: TestServer, role: str, password: str) -> None:
    """A superuser's ALTER ROLE that the server does not log."""
    with server.superuser_connect() as session:
        session.execute("SET log_statement = none")
        verifier = session.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        session.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier)))


UNFIT = (
    "{}",
    "postgresql://tp_admin:{}",
    "mysql://tp_admin:{}@127.0.0.1/postgres",
    "postgresql://tp_admin:{}@127.0.0.1/x",
    "postgresql://tp_admin:{}@127.0.0.1:1/postgres",
    "postgresql://tp_admin:{}@127.0.0.1:PORT/nowhere",
    "postgresql://nobody:{}@127.0.0.1:PORT/postgres",
    "postgresql://tp_admin:{}@127.0.0.1:PORT/postgres?sslmode=require",
    "postgresql://tp_admin:{}@127.0.0.1:PORT/postgres?nonsense=1",
    "postgresql://tp_admin:x@127.0.0.1:PORT/postgres?options={}",
)


@pytest.mark.parametrize("text", UNFIT)
def test_a_connection_string_that_cannot_be_used_is_not_repeated(fleet: Fleet, text: str) -> None:
    """Every other place and situation is test_canary's."""
    for given in (secret("main"), quote(secret("main"), safe="")):
        fleet.env["TENANTPLAN_MAIN_URL"] = text.replace("PORT", str(fleet.server.port)).replace("{}", given)
        for line in ("plan", "status", "db test"):
            failed = fleet.run(*line.split(), code=1)
            assert leaks(failed.out + failed.err) == []


TYPED = (
    "password: {}",
    "password: {{ env: '{} !' }}",
    "password: {{ value: {} }}",
    "password: {{ env: X, file: Y, literal: {} }}",
    "password: {{ file: [ {} ] }}",
    "password: [ {} ]",
    "password: |\n    {}\n    more",
    "pasword: {}",
    "passwort: {}",
    "url: postgresql://user:{}@h.example/db",
    "url: {{ env: 'postgresql://user:{}@h.example/db' }}",
    "name: postgresql://user:{}@h.example/db",
    "mode: postgresql://user:{}@h.example/db",
    'password: "{}',
    "password: {}\n   bad: indent",
    "password: &anchor {}",
    "password: !secret {}",
    "apiToken: {}",
)


@pytest.mark.parametrize("line", TYPED)
def test_a_secret_typed_into_the_yaml_is_not_repeated(fleet: Fleet, line: str) -> None:
    fleet.organization("msf", "database:\n  mode: dedicated\n  " + line.format(CORES["typed"]))
    for command in (["validate"], ["plan"]):
        failed = fleet.run(*command, code=1)
        assert "organization-msf.yaml" in failed.err
        assert leaks(failed.out + failed.err) == []


@contextmanager
def watched_processes() -> Iterator[set[str]]:
    """The command lines of all processes, looked at again and again."""
    seen: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    seen.add((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            stop.wait(0.02)

    thread = threading.Thread(target=look)
    thread.start()
    yield seen
    stop.set()
    thread.join()


# What a terminal obeys, a CI runner obeys, and a browser or GitHub obeys.
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
RUNNER = re.compile(r"^\s*::|##\[", re.MULTILINE)
GITHUB = MarkdownIt("gfm-like", {"linkify": False})
LIVE = [text for text in HOSTILE if "\x00" not in text and "\ud800" not in text]


def inert(result: Result) -> None:
    for text in (result.out, result.err):
        assert not CONTROLS.search(text), repr(CONTROLS.search(text))
        assert not RUNNER.search(text), RUNNER.search(text)


def inert_json(result: Result) -> None:
    inert(result)
    assert result.out.isascii()
    assert result.json is not None


def inert_markdown(result: Result) -> None:
    inert(result)
    assert result.out.count("<!--") == 1
    tokens = GITHUB.parse(result.out)
    inline = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in inline} <= {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
    prose = " ".join(child.content for child in inline if child.type == "text")
    for alive in ("@", "![", "](", "<", "://", "owned"):
        assert alive not in prose


class _Tags(HTMLParser):
    """The tags, attributes and comments of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(f"{tag} {name}" for name, _ in attrs)}

    def handle_comment(self, data: str) -> None:
        self.found.add(f"<!--{data}")


def inert_html(result: Result) -> None:
    """Nothing that loads, runs, links or hides."""
    inert(result)
    tags = _Tags(result.out).found
    assert tags & {"html", "article", "code"}
    assert not [
        tag
        for tag in tags
        if re.match(r"(a|b|img|script|iframe|form|object|svg|base|link)\b|<!--|\S+ (on|src|href|style)", tag)
    ]


def shown_everywhere(fleet: Fleet) -> None:
    report = "report without-database"
    for line in ("plan", "plan -v", "status", "drift", "audit list --limit 1000", "validate", "audit anchor", "migrations status",
                 report):  # fmt: skip
        inert(fleet.run(*line.split(), code=None))
    rows = fleet.run(*report.split(), "--csv")
    inert(replace(rows, out=rows.out.replace("\r\n", "\n")))
    exported = fleet.run("audit", "export")
    inert(exported)
    assert exported.out.isascii() and all(json.loads(entry) for entry in exported.out.splitlines())
    inert_html(fleet.run("plan", "--format", "html"))
    for sequence in range(1, 1 + fleet.rows("SELECT max(sequence) FROM tenantplan.audit_log")[0][0], 7):
        inert(fleet.run("audit", "show", str(sequence)))
    for line in (
        "plan --json",
        "status --json",
        "drift --json",
        "audit list --json --limit 1000",
        "audit show 5 --json",
    ):
        inert_json(fleet.run(*line.split(), code=None))
    inert_markdown(fleet.run("plan", "--format", "markdown"))


def _allowed(text: str) -> bool:
    return bool(text.strip()) and text.isprintable()


def test_hostile_names_that_yaml_may_hold(fleet: Fleet) -> None:
    names = [text for text in LIVE if _allowed(text)]
    assert len(names) > 12
    fleet.settings("guard: { maxChangedPercent: 100 }")
    for number, text in enumerate(names):
        body = "displayName: '{0}'\ncontact: {{ company: '{0}' }}".format(text.replace("'", "''"))
        fleet.document("Organization", f"o{number}", body)
    inert_markdown(fleet.run("plan", "--format", "markdown"))
    for line in ("plan", "plan -v"):
        inert(fleet.run(*line.split()))
    inert(fleet.apply())
    assert sorted(row[0] for row in fleet.rows("SELECT display_name FROM organizations")) == sorted(names)
    for number in range(len(names)):
        fleet.document("Organization", f"o{number}", "displayName: tame")
    shown_everywhere(fleet)
    inert_json(fleet.apply("--json"))


def test_names_that_yaml_may_not_hold_are_refused_without_being_obeyed(fleet: Fleet) -> None:
    for text in [text for text in LIVE if not text.isprintable() and "\n" not in text and "\r" not in text]:
        fleet.document("Organization", "acme", f"displayName: '{text}'")
        refused = fleet.run("plan", code=1)
        inert(refused)
        assert re.search(r"organization-acme\.yaml:\d+:\d+: ", refused.err)
    escaped = '"\\e[31mred\\e[0m"'
    fleet.document("Organization", "acme", f"displayName: {escaped}")
    inert(fleet.run("plan", code=1))


def test_hostile_live_rows(fleet: Fleet) -> None:
    """Rows of the fleet and orphans with what no YAML can hold, written by somebody else."""
    fleet.settings("guard: { maxChangedPercent: 100 }")
    for number in range(len(LIVE)):
        fleet.organization(f"o{number}", "modules: { donors: {} }")
    fleet.apply()
    for number, text in enumerate(LIVE):
        fleet.execute(
            "UPDATE organizations SET display_name = %s, company_name = %s, branding = jsonb_build_object(%s::text, %s::text)"
            " WHERE slug = %s", text, text, text or "x", text, f"o{number}",
        )  # fmt: skip
        fleet.execute(
            "INSERT INTO organizations (id, managed_by, slug, display_name) VALUES (gen_random_uuid(), %s, %s, %s)",
            fleet.name, f"x{number}/{text}", text,
        )  # fmt: skip
    shown_everywhere(fleet)
    inert(fleet.apply())
    shown_everywhere(fleet)
    for number, text in enumerate(LIVE[:5]):
        inert(fleet.run("status", f"x{number}/{text}", code=None))
        inert(fleet.run("db", "show", f"x{number}/{text}", code=None))


def test_a_hostile_database_error(fleet: Fleet) -> None:
    """The message of a trigger, and the name of the person that git knows."""
    fleet.organization("acme")
    fleet.apply()
    text = "\x1b[2J\n::add-mask::x\r##[error]y \u202e @team"
    fleet.execute(
        "CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING MESSAGE ="
        f" E'{text}'; END $$"
    )
    fleet.execute("CREATE TRIGGER loud BEFORE UPDATE ON organizations FOR EACH ROW EXECUTE FUNCTION loud()")
    fleet.organization("acme", "contact: { phone: '1' }")
    fleet.env |= {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": text.replace("\n", " ")}
    inert(fleet.apply(code=5))
    inert_json(fleet.apply("--json", code=5))
    shown_everywhere(fleet)


def test_a_hostile_database_that_an_organization_brought(fleet: Fleet) -> None:
    """Its owner decides what stands in it: the revision, names of objects, a comment like a stamp, error texts."""
    texts = ["\x1b[2J\n::add-mask::x", "a ##[error]b \u202e", "<img src=x> `@team`"]
    guest, password = f"o{fleet.id}_guest", "7d1f0c5e9a3b4862"
    fleet.execute(f"CREATE ROLE {guest} LOGIN PASSWORD '{password}'", database="postgres")
    names = [f"o{fleet.id}_brought_{number}" for number in range(len(texts))]
    try:
        for number, name in enumerate(names):
            fleet.execute(f"CREATE DATABASE {name} OWNER {guest}", database="postgres")
            fleet.env[f"URL_{number}"] = fleet.server.url(guest, name, password)
            fleet.organization(f"b{number}", f"database: {{ url: {{ env: URL_{number} }} }}")
        fleet.apply()
        for name, text in zip(names, texts, strict=True):
            spoil(fleet, name, text)
        shown_everywhere(fleet)
        for line in ("db test b0", "db test b1 --json", "db show b0", "status b0", "status b1 --json", "status --max-skew 0",
                     "migrations status --json", "plan --refresh deep", "drift --repair", "apply --auto-approve"):  # fmt: skip
            inert(fleet.run(*line.split(), code=None))
    finally:
        for name in names:
            fleet.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", database="postgres")


def spoil(fleet: Fleet, name: str, text: str) -> None:
    """What the owner of a database can write into it."""
    deep = "[" * 100_000 if "##" in text else json.dumps({"fleet": text, "revision": text})
    comment = sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(f"tenantplan {deep}"))
    fleet.execute(comment.as_string(), database="postgres")
    for statement in (
        "ALTER TABLE alembic_version ALTER version_num TYPE text",
        f"CREATE TABLE {quoted(text)} ({quoted(text)} int)",
        f"CREATE FUNCTION {quoted(text)}() RETURNS int LANGUAGE sql AS $f$ SELECT 1 /* {text} */ $f$",
    ):
        fleet.execute(statement, database=name)
    fleet.execute("UPDATE alembic_version SET version_num = %s", text, database=name)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_hostile_arguments_and_file_names(fleet: Fleet) -> None:
    """What CI has from a pull request: branches as arguments, files with any name."""
    text = "\x1b[31mx\n::add-mask::y ##[error]z\u202e"
    fleet.organization("acme")
    for arguments in ((text,), ("plan", text), ("plan", f"--{text}"), ("plan", "--format", text), ("plan", "--target", text),
                      ("plan", "--selector", text), ("apply", text), ("apply", "--parallelism", text), ("db", "show", text),
                      ("status", text), ("audit", "list", "--since", text), ("audit", "verify", "--anchor", text), ("report", text),
                      ("migrations", "sql", "--from", text), ("migrations", "new", text), ("plan", "--out", f"{text}/plan.json"),
                      ("--fleet", text, "plan"), ("validate", text)):  # fmt: skip
        refused = fleet.run(*arguments, code=None)
        inert(refused)
        assert refused.code in (1, 4), arguments
    inert(fleet.run("plan", "--out", f"{text}.json"))
    fleet.write(f"tenants/{text}.yaml", f"kind: {json.dumps(text)}\n")
    fleet.write(
        "tenants/b.yaml",
        'apiVersion: tenantplan/v1\nkind: Organization\nmetadata: { name: b, "\\e[1m::x::": 1 }\nspec: {}\n',
    )
    for command in ("validate", "plan"):
        inert(fleet.run(command, code=1))
