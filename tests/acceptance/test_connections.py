"""Connections: checked strictly, tested before they are saved, least privilege, and errors that say what to do next."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import psycopg
import pytest
from acceptance.harness import ROOT, Fleet
from acceptance.pooler import Pooler
from psycopg import sql
from servers import PASSWORDS

from tenantplan.secrets.box import new_key

pytestmark = pytest.mark.once

CANARY = "canary-4711-xyz"
HEAD = "9c1b04aa"


def refused(fleet: Fleet, url: str) -> str:
    """What plan says about a main URL that cannot be used: exit 1, a next step, no password."""
    fleet.organization("acme")
    result = fleet.run("plan", code=1, env={"TENANTPLAN_MAIN_URL": url})
    assert result.out == ""
    assert "\n  " in result.err, "no next step"
    assert CANARY not in result.err and quote(PASSWORDS["tp_admin"], safe="") not in result.err
    return result.err


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("127.0.0.1:1", ["127.0.0.1:1", "refused", "check host and port"]),
        ("nowhere.invalid:5432", ["nowhere.invalid:5432", "check the host name"]),
        ("[::1]:1", ["::1:1", "check host and port"]),
    ],
)
def test_unreachable(fleet: Fleet, place: str, says: list[str]) -> None:
    said = refused(fleet, f"postgresql://tp_admin:{CANARY}@{place}/postgres")
    assert all(word in said for word in says), said


def test_wrong_password(fleet: Fleet) -> None:
    said = refused(fleet, fleet.server.url(password=CANARY))
    assert f"127.0.0.1:{fleet.server.port}" in said and "password authentication failed" in said


def test_unknown_database(fleet: Fleet) -> None:
    said = refused(fleet, fleet.server.url(dbname="no_such_db"))
    assert f"127.0.0.1:{fleet.server.port}" in said and '"no_such_db" does not exist' in said


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"mysql://root:{CANARY}@127.0.0.1/x", "no known scheme"),
        (f"postgres://u:{CANARY}@127.0.0.1/x", "no known scheme"),
        (f"host=127.0.0.1 password={CANARY}", "no known scheme"),
        (f"postgresql://u:{CANARY}\x01@127.0.0.1/x", "control character"),
        (f"postgresql://u:{CANARY}@127.0.0.1/x\n", "control character"),
        (f"postgresql://u:{CANARY}@a.invalid,b.invalid/x", "several hosts"),
        (f"postgresql://u:{CANARY}@a.invalid:1,b.invalid:2/x", "several hosts"),
        (f"postgresql://u:{CANARY}@127.0.0.1/x?hostaddr=127.0.0.1,127.0.0.2", "several hosts"),
        (f"postgresql://u:{CANARY}@127.0.0.1/x?options=-c%20role%3Dpostgres", "sets options"),
        (f"postgresql://u:{CANARY}@127.0.0.1/x?service=prod", "sets service"),
        (f"postgresql://u:{CANARY}@127.0.0.1/x?passfile=/etc/passwd", "sets passfile"),
        (f"postgresql://u:{CANARY}@127.0.0.1/x?nonsense=1", "sets nonsense"),
        (f"postgresql://u:{CANARY}@127.0.0.1:port/x", "cannot be read"),
        (f"postgresql://u:{CANARY}/@127.0.0.1:5432/x", "cannot be read"),
        (f"postgresql://u:{CANARY}/%@127.0.0.1:5432/x", "cannot be read"),
        (f"postgresql://u:{CANARY}@127.0.0.1/x%00y", "cannot be read"),
        (f"postgresql://u:{CANARY}@127.0.0.1/host%3Devil", "database name"),
        (f"postgresql://u:{CANARY}@127.0.0.1/postgresql%3A%2F%2Fevil", "database name"),
    ],
)
def test_connection_strings_are_checked(fleet: Fleet, url: str, says: str) -> None:
    assert says in refused(fleet, url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgresql+asyncpg"])
def test_the_three_schemes(fleet: Fleet, scheme: str) -> None:
    fleet.env["TENANTPLAN_MAIN_URL"] = fleet.server.url().replace("postgresql", scheme, 1) + "?connect_timeout=5"
    fleet.organization("acme")
    assert fleet.operations()


def test_words_of_drivers_in_a_connection_string(fleet: Fleet) -> None:
    fleet.organization("acme")
    url = f"{fleet.server.url()}?connection_limit=5&pool_timeout=10&ssl=false"
    for command in ("plan", "apply --auto-approve", "doctor --skip-rehearsal"):
        fleet.run(*command.split(), env={"TENANTPLAN_MAIN_URL": url})
    unknown = {"TENANTPLAN_MAIN_URL": f"{fleet.server.url()}?connection_limits=5"}
    assert "sets connection_limits, which is not" in fleet.run("plan", code=1, env=unknown).err


@pytest.mark.parametrize(("user", "password"), [("postgres", "postgres"), ("root", "123456"), ("tp_admin", "changeme")])
def test_default_credentials_are_refused(fleet: Fleet, user: str, password: str) -> None:
    said = refused(fleet, f"postgresql://{user}:{password}@127.0.0.1:{fleet.server.port}/postgres")
    assert "default or trivial" in said and f":{password}" not in said


@pytest.mark.parametrize("has", ["CREATEDB NOCREATEROLE", "NOCREATEDB CREATEROLE"])
def test_a_role_without_the_rights_is_told_at_once(fleet: Fleet, has: str) -> None:
    name = f"o{fleet.id}_weak"
    fleet.execute(f"CREATE ROLE {name} LOGIN {has} PASSWORD '{CANARY}'", database="postgres")
    fleet.organization("msf", "database: { mode: dedicated }")
    env = {"TENANTPLAN_MAIN_URL": fleet.server.url(name, password=CANARY)}
    for said in (fleet.run("plan", env=env).out, fleet.run("apply", "--auto-approve", code=1, env=env).err):
        assert "lacks" in said and "ALTER ROLE" in said
    assert fleet.databases() == []


def test_the_role_that_runs_is_no_superuser(fleet: Fleet) -> None:  # issue 9
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    found = fleet.rows(
        "SELECT r.rolsuper, r.rolbypassrls, r.rolreplication, r.rolcreatedb, r.rolcreaterole FROM pg_database d"
        " JOIN pg_roles r ON r.oid = d.datdba WHERE datname = %s",
        fleet.main_database,
    )
    assert found == [(False, False, False, True, True)]
    made = fleet.rows(
        "SELECT bool_or(rolsuper OR rolbypassrls OR rolreplication OR rolcreatedb OR rolcreaterole) FROM pg_roles"
        " WHERE rolname LIKE %s",
        f"o{fleet.id}%",
    )
    assert made == [(False,)]


def test_least_privilege(fleet: Fleet) -> None:
    for name in ("msf", "wwf"):
        fleet.organization(
            name, f"database: {{ mode: dedicated, readOnly: true, password: {{ env: {name.upper()} }} }}"
        )
        fleet.env[name.upper()] = f"{name} and more {CANARY}"
    fleet.apply()
    database = fleet.database("msf")
    may = fleet.rows(
        "SELECT r FROM unnest(%s::text[]) r WHERE has_database_privilege(r, %s, 'CONNECT')",
        [f"{fleet.database(o)}_{role}" for o in ("msf", "wwf") for role in ("owner", "app", "ro")],
        database,
    )
    assert {row[0] for row in may} >= {f"{database}_app", f"{database}_ro"}
    assert not [row for row in may if fleet.database("wwf") in row[0]]
    public = fleet.rows(
        "SELECT d.datname FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a"
        " WHERE a.grantee = 0 AND d.datname = ANY(%s)",
        [database, fleet.main_database],
    )
    assert public == []

    with fleet.server.connect(f"{database}_app", database, fleet.env["MSF"]) as app:
        app.execute("INSERT INTO donors (email) VALUES ('a@x.example')")
        app.execute("UPDATE donors SET email = 'b@x.example'")
        assert app.execute("SELECT email FROM donors").fetchall() == [("b@x.example",)]
        app.execute("DELETE FROM donors")
        for forbidden in ("UPDATE alembic_version SET version_num = 'x'", "SELECT * FROM alembic_version",
                          "CREATE TABLE t ()", "CREATE SCHEMA s", "DROP TABLE donors", "TRUNCATE donors",
                          "ALTER TABLE donors ADD x int", "CREATE ROLE x", "CREATE DATABASE x",
                          f"SET ROLE {fleet.database('wwf')}_app", f"SET ROLE {database}_owner", "SET ROLE tp_admin"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(forbidden.encode())
    with fleet.connect(database) as superuser:
        superuser.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(f"{database}_ro")))
        superuser.execute("SELECT * FROM donors")
        for forbidden in ("INSERT INTO donors (email) VALUES ('a@x.example')", "DELETE FROM donors", "CREATE TABLE t ()",
                          "SELECT * FROM alembic_version"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                superuser.execute(forbidden.encode())


@dataclass
class Brought:
    """A database of an organization's own, its owner, and its connection string."""

    fleet: Fleet
    name: str

    @property
    def url(self) -> str:
        return self.fleet.server.url(f"{self.name}_owner", self.name, CANARY)

    def revision(self) -> str:
        return str(self.fleet.rows("SELECT version_num FROM alembic_version", database=self.name)[0][0])


@pytest.fixture
def brought(fleet: Fleet) -> Iterator[Brought]:
    """A superuser's database with an owner of its own, declared as acme's by {env: ACME_URL}."""
    name = f"o{fleet.id}_x"
    fleet.execute(f"CREATE ROLE {name}_owner LOGIN PASSWORD '{CANARY}'", database="postgres")
    fleet.execute(f"CREATE DATABASE {name} OWNER {name}_owner", database="postgres")
    fleet.organization("acme", "database: { url: { env: ACME_URL } }")
    made = Brought(fleet, name)
    fleet.env["ACME_URL"] = made.url
    yield made
    fleet.execute(f"DROP DATABASE {name} WITH (FORCE)", database="postgres")


def test_a_brought_database_is_migrated(fleet: Fleet, brought: Brought) -> None:
    fleet.organization("wwf")
    fleet.apply()
    assert fleet.operations() == []
    assert brought.revision() == HEAD
    found = fleet.rows("SELECT slug, database_mode::text, database_url, database_name FROM organizations ORDER BY 1")
    assert found == [("acme", "dedicated", "env:ACME_URL", None), ("wwf", "shared", None, None)]
    attempts = fleet.rows("SELECT organization, result FROM tenantplan.audit_log WHERE action = 'connect'")
    assert ("organization/acme", "done") in attempts


@pytest.mark.parametrize("trouble", ["closed port", "no variable", "no database", "wrong password", "scheme"])
def test_a_brought_database_is_tested_before_it_is_saved(fleet: Fleet, brought: Brought, trouble: str) -> None:
    """What cannot be used is named and not saved; everything else is planned and applied."""
    if trouble == "no variable":
        del fleet.env["ACME_URL"]
    else:
        fleet.env["ACME_URL"] = {
            "closed port": f"postgresql://u:{CANARY}@127.0.0.1:1/x",
            "no database": fleet.server.url(f"{brought.name}_owner", "no_such_db", CANARY),
            "wrong password": fleet.server.url(f"{brought.name}_owner", brought.name, CANARY + "x"),
            "scheme": f"mysql://u:{CANARY}@127.0.0.1/x",
        }[trouble]
    fleet.organization("wwf")
    plan = fleet.plan()
    assert [f["address"] for f in plan["unreachable"]] == ["organization/acme"]
    assert not [o for o in plan["operations"] if "acme" in o["address"]]
    shown = fleet.run("plan")
    assert "organization/acme" in shown.out and CANARY not in shown.out + shown.err
    applied = fleet.apply(code=5)
    assert CANARY not in applied.out + applied.err
    assert fleet.rows("SELECT slug FROM organizations") == [("wwf",)]


CONNECTS = (
    "SELECT address, result FROM tenantplan.audit_log"
    " WHERE action = 'connect' AND organization = 'organization/acme' ORDER BY sequence"
)


def test_a_new_connection_string_that_does_not_fit_is_a_blocker(fleet: Fleet, brought: Brought) -> None:
    """Reached, and not fit: nothing of the plan is applied. Once in use, it stops its organization only."""
    fleet.execute(f"ALTER DATABASE {brought.name} OWNER TO postgres", database="postgres")
    fleet.organization("wwf")
    plan = fleet.plan()
    assert [(b["address"], b["rule"]) for b in plan["blockers"]] == [("organization/acme", "connection")]
    assert f"GRANT CREATE ON SCHEMA public TO {brought.name}_owner" in plan["blockers"][0]["message"]
    assert plan["unreachable"] == [] and not [o for o in plan["operations"] if "acme" in o["address"]]
    shown = fleet.run("plan", code=3)
    assert "GRANT CREATE ON SCHEMA" in shown.out and CANARY not in shown.out + shown.err
    fleet.apply(code=3)
    assert "organizations" not in str(fleet.databases())

    fleet.execute(f"ALTER DATABASE {brought.name} OWNER TO {brought.name}_owner", database="postgres")
    fleet.apply()
    fleet.execute(f"ALTER DATABASE {brought.name} OWNER TO postgres", database="postgres")
    plan = fleet.plan()
    assert plan["blockers"] == [] and [f["address"] for f in plan["unreachable"]] == ["organization/acme"]
    fleet.env["ACME_OTHER"] = brought.url
    fleet.organization("acme", "database: { url: { env: ACME_OTHER } }")
    assert [b["address"] for b in fleet.plan()["blockers"]] == ["organization/acme"]


def test_a_pooler_is_no_database_to_bring(fleet: Fleet, brought: Brought) -> None:
    fleet.execute(f"ALTER DATABASE {brought.name} OWNER TO tp_admin", database="postgres")
    with Pooler(fleet.server, ignore_options=True) as pooler:
        fleet.env["ACME_URL"] = pooler.url.replace("/postgres", f"/{brought.name}", 1)
        (blocker,) = fleet.plan()["blockers"]
        assert "a connection pooler answers there" in blocker["message"]


@pytest.mark.parametrize("key", [None, new_key()], ids=["no key", "key"])
def test_a_changed_value_of_a_connection_string_is_tested_too(fleet: Fleet, brought: Brought, key: str | None) -> None:
    """What changed can be told where the value is stored, which takes a key; else the reference tells."""
    if key:
        fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = key
    fleet.organization("wwf")
    fleet.apply()
    role = f"{brought.name}_guest"
    fleet.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{CANARY}'", database="postgres")
    fleet.env["ACME_URL"] = fleet.server.url(role, brought.name, CANARY)
    plan = fleet.plan()
    assert [b["rule"] for b in plan["blockers"]] == (["connection"] if key else [])
    assert [f["address"] for f in plan["unreachable"]] == ([] if key else ["organization/acme"])
    fleet.execute(f"GRANT CREATE ON SCHEMA public TO {role}", database=brought.name)
    if key:
        assert "alembic_version" in fleet.plan()["blockers"][0]["message"]
    fleet.execute(f"GRANT {brought.name}_owner TO {role}", database="postgres")
    assert fleet.plan()["blockers"] == []
    if key:
        fleet.apply()
        assert fleet.rows(CONNECTS)[-1] == ("organization/acme", "done")
    fleet.execute(f"REVOKE CREATE ON SCHEMA public FROM {role}; DROP ROLE {role}", database=brought.name)


@pytest.mark.parametrize("trouble", ["closed", "no rights", "another value"])
def test_apply_tests_a_connection_again_before_it_saves_it(fleet: Fleet, brought: Brought, trouble: str) -> None:
    """What does not work any more is not saved, and is audited; everything else is applied."""
    fleet.apply()
    assert fleet.rows(CONNECTS) == [("schema/organization/acme", "done"), ("organization/acme", "done")]
    fleet.env["ACME_OTHER"] = brought.url
    fleet.organization("acme", "database: { url: { env: ACME_OTHER } }")
    fleet.organization("wwf")
    fleet.run("plan", "--out", "plan.json")
    if trouble == "closed":
        fleet.execute(f"ALTER DATABASE {brought.name} ALLOW_CONNECTIONS false", database="postgres")
    elif trouble == "no rights":
        fleet.execute(f"ALTER DATABASE {brought.name} OWNER TO postgres", database="postgres")
    else:
        fleet.env["ACME_OTHER"] = fleet.server.url(f"{brought.name}_owner", "no_such_db", CANARY)
    result = fleet.run("apply", "plan.json", "--auto-approve", code=5)
    assert CANARY not in result.out + result.err and "organization/acme" in result.out + result.err
    saved = "SELECT slug, database_url FROM organizations ORDER BY 1"
    assert fleet.rows(saved) == [("acme", "env:ACME_URL"), ("wwf", None)]
    assert fleet.rows(CONNECTS)[2:] == [("organization/acme", "failed")]
    fleet.run("audit", "verify")
    fleet.execute(f"ALTER DATABASE {brought.name} ALLOW_CONNECTIONS true", database="postgres")
    fleet.execute(f"ALTER DATABASE {brought.name} OWNER TO {brought.name}_owner", database="postgres")
    fleet.env["ACME_OTHER"] = brought.url
    fleet.apply()
    assert fleet.rows(CONNECTS)[3:] == [("organization/acme", "done")]
    fleet.converged()


def test_a_new_database_that_goes_away_before_apply_is_not_saved(fleet: Fleet, brought: Brought) -> None:
    fleet.organization("wwf")
    fleet.run("plan", "--out", "plan.json")
    fleet.execute(f"ALTER DATABASE {brought.name} ALLOW_CONNECTIONS false", database="postgres")
    fleet.run("apply", "plan.json", "--auto-approve", code=5)
    assert fleet.rows("SELECT slug FROM organizations") == [("wwf",)]
    assert fleet.rows(CONNECTS) == [("schema/organization/acme", "failed")]


def test_a_brought_database_that_goes_away_keeps_its_row(fleet: Fleet, brought: Brought) -> None:
    fleet.apply()
    fleet.env["ACME_URL"] = f"postgresql://u:{CANARY}@127.0.0.1:1/x"
    fleet.organization("acme", "contact: { phone: '1' }\ndatabase: { url: { env: ACME_URL } }")
    plan = fleet.plan()
    assert plan["operations"] == [] and plan["orphans"] == []
    assert "127.0.0.1:1" in plan["unreachable"][0]["message"]
    fleet.env["ACME_URL"] = brought.url
    assert fleet.operations() == ["update organization/acme"]


def test_another_connection_string_is_audited(fleet: Fleet, brought: Brought) -> None:
    fleet.apply()
    fleet.env["ACME_OTHER"] = brought.url
    fleet.organization("acme", "database: { url: { env: ACME_OTHER } }")
    fleet.apply()
    assert fleet.operations() == []
    entries = fleet.rows(
        "SELECT before #>> '{values,database_url}', after #>> '{values,database_url}', result FROM tenantplan.audit_log"
        " WHERE address = 'organization/acme' AND action <> 'connect' ORDER BY sequence DESC LIMIT 1"
    )
    assert entries == [("env:ACME_URL", "env:ACME_OTHER", "done")]


def test_a_failed_connection_is_audited(fleet: Fleet) -> None:
    tree = fleet.root / "migrations"
    shutil.copytree(ROOT / "migrations" / "tenant", tree, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "versions" / "9c1b04aa_donor_consent_and_keys.py").rename(fleet.root / "kept.py")
    fleet.settings(migrations=str(tree))
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    (fleet.root / "kept.py").rename(tree / "versions" / "9c1b04aa_donor_consent_and_keys.py")
    fleet.run("plan", "--out", "plan.json")
    fleet.execute(f"ALTER DATABASE {fleet.database('msf')} ALLOW_CONNECTIONS false", database="postgres")
    fleet.run("apply", "plan.json", code=5)
    found = fleet.rows("SELECT organization, result, detail FROM tenantplan.audit_log WHERE action = 'connect'")
    assert ("organization/msf", "failed") in [row[:2] for row in found]
    assert f"127.0.0.1:{fleet.server.port}" in next(row[2] for row in found if row[1] == "failed")
    fleet.execute(f"ALTER DATABASE {fleet.database('msf')} ALLOW_CONNECTIONS true", database="postgres")
    fleet.apply()
    assert fleet.operations() == []
