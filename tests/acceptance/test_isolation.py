"""Each way around row level security shows nothing, or shared mode is refused and says why; and doctor --isolation
finds each by trying it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import pytest
from acceptance.harness import ROOT, Fleet
from acceptance.neighbours import NAMES, SHARED, bound, emails, id_of, neighbours, pooled, rebinding, without_function

MINE, THEIRS = "acme@secret.example", "zeta@secret.example"
SEES_ALL = [MINE, THEIRS]


@dataclass(frozen=True)
class Way:
    """A way around: `opened` by a superuser, what acme then `sees` with `look`, and how it is `closed`. `said` is part of the
    blocker that a plan has meanwhile. {main}, {rw}, {pool}, {app}, {theirs} stand for names of the fleet."""

    opened: str
    look: str
    closed: str
    said: str


WAYS = {
    "not forced, and the owner's function": Way(
        "ALTER TABLE donors NO FORCE ROW LEVEL SECURITY; SET ROLE tp_admin; CREATE FUNCTION public.listed() RETURNS SETOF text"
        " LANGUAGE sql SECURITY DEFINER AS 'SELECT email FROM public.donors'; RESET ROLE",
        "SELECT * FROM listed() ORDER BY 1",
        "DROP FUNCTION listed(); ALTER TABLE donors FORCE ROW LEVEL SECURITY",
        "table public.donors does not force its row level security on its owner",
    ),
    "switched off": Way(
        "ALTER TABLE donors DISABLE ROW LEVEL SECURITY",
        "SELECT email FROM donors ORDER BY 1",
        "ALTER TABLE donors ENABLE ROW LEVEL SECURITY",
        "table public.donors has no row level security",
    ),
    "member of the owner": Way(
        "CREATE ROLE {main}_developer LOGIN IN ROLE {pool}, tp_admin",
        "",
        "DROP ROLE {main}_developer",
        "role tp_admin owns tenant tables",
    ),
    "BYPASSRLS": Way(
        "ALTER ROLE {app} BYPASSRLS",
        "SELECT email FROM donors ORDER BY 1",
        "ALTER ROLE {app} NOBYPASSRLS",
        "{app} has BYPASSRLS",
    ),
    "a member of a superuser": Way(
        "CREATE ROLE {main}_boss SUPERUSER; GRANT {main}_boss TO {app}",
        "SET ROLE {main}_boss; SELECT email FROM donors ORDER BY 1",
        "DROP ROLE {main}_boss",
        "{main}_boss is a superuser",
    ),
    "a view of a superuser": Way(
        "CREATE VIEW everybodys AS SELECT * FROM donors; CREATE VIEW again AS SELECT * FROM everybodys;"
        " GRANT SELECT ON again TO {rw}",
        "SELECT email FROM again ORDER BY 1",
        "DROP VIEW again, everybodys",
        "view public.again is read with the rights of postgres",
    ),
    "a function with the rights of a superuser": Way(
        "CREATE FUNCTION public.listed() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT email FROM public.donors'",
        "SELECT * FROM listed() ORDER BY 1",
        "DROP FUNCTION listed()",
        "function public.listed() runs with the rights of postgres",
    ),
    "a materialized view": Way(
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM donors; GRANT SELECT ON kept TO PUBLIC",
        "SELECT email FROM kept ORDER BY 1",
        "DROP MATERIALIZED VIEW kept",
        "materialized view public.kept keeps rows of every organization",
    ),
    "a partition": Way(
        "CREATE TABLE gifts (LIKE donors INCLUDING DEFAULTS) PARTITION BY HASH (organization_id);"
        " ALTER TABLE gifts OWNER TO tp_admin;"
        " CREATE POLICY p ON gifts USING (organization_id = (SELECT tenantplan.current_organization()));"
        " ALTER TABLE gifts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        " CREATE TABLE gifts_0 PARTITION OF gifts FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO gifts SELECT * FROM donors;"
        " GRANT SELECT ON gifts_0 TO {rw}",
        "SELECT email FROM gifts_0 ORDER BY 1",
        "DROP TABLE gifts",
        "table public.gifts_0 has no row level security, and a partition is not protected by its table's",
    ),
    "TRUNCATE": Way(
        "GRANT TRUNCATE ON donors TO {pool}",
        "",
        "REVOKE TRUNCATE ON donors FROM {pool}",
        "public.donors {pool} has TRUNCATE on it",
    ),
    "another policy": Way(
        "CREATE POLICY generous ON donors FOR SELECT USING (true)",
        "SELECT email FROM donors ORDER BY 1",
        "DROP POLICY generous ON donors",
        "policy generous on public.donors lets rows through by another rule",
    ),
    "a setting that stands": Way(
        "ALTER ROLE {pool} SET tenantplan.organization_id = '{theirs}'",
        "",
        "ALTER ROLE {pool} RESET tenantplan.organization_id",
        "role {pool} its sessions begin with tenantplan.organization_id set",
    ),
    "the control plane": Way(
        "GRANT SELECT (email) ON users TO {rw}; GRANT SELECT ON organizations TO {rw}",
        "",
        "REVOKE ALL ON users, organizations FROM {rw}; REVOKE SELECT (email) ON users FROM {rw}",
        "public.organizations {rw} has SELECT on it: it is not divided by organization",
    ),
    "CREATE for everybody": Way(
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "schema public PUBLIC may CREATE in it",
    ),
}


def _named(fleet: Fleet, text: str) -> str:
    main = fleet.main_database
    return text.format(
        main=main,
        rw=f"{main}_rw",
        pool=f"{main}_pool",
        app=f"{fleet.database('acme')}_app",
        theirs=id_of(fleet, "zeta"),
    )


def _blockers(fleet: Fleet) -> list[str]:
    return [b["message"] for b in fleet.plan()["blockers"] if b["rule"] == "isolation"]


def _sees(fleet: Fleet, look: str) -> list[str]:
    with bound(fleet, "acme") as session:
        *before, last = look.split("; ")
        for statement in before:
            session.execute(statement.encode())
        return [row[0] for row in session.execute(last.encode()).fetchall()]


def test_each_way_around_row_level_security_is_real_and_refused(fleet: Fleet) -> None:
    """With it open, one organization reads the other's donor, and a plan has a blocker; closed again, neither."""
    neighbours(fleet)
    assert _blockers(fleet) == []
    for name, way in WAYS.items():
        fleet.execute(_named(fleet, way.opened))
        try:
            said = _blockers(fleet)
            assert any(_named(fleet, way.said) in message for message in said), (name, said)
            assert all("shared mode of organization/acme, organization/zeta" in message for message in said)
            if way.look:
                assert _sees(fleet, _named(fleet, way.look)) == SEES_ALL, name
        finally:
            fleet.execute(_named(fleet, way.closed))
        assert _blockers(fleet) == [], name
        with bound(fleet, "acme") as session:
            assert emails(session) == [MINE], name


def test_what_looks_like_a_way_and_is_none(fleet: Fleet) -> None:
    """A view, a function and a materialized view of the tables' owner show the session's organization, too."""
    neighbours(fleet)
    main = fleet.main_database
    fleet.execute(
        "SET ROLE tp_admin; CREATE VIEW mine AS SELECT * FROM donors; CREATE MATERIALIZED VIEW kept AS SELECT * FROM donors;"
        " CREATE FUNCTION public.listed() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT email FROM public.donors'"
    )
    fleet.execute(f"GRANT SELECT ON mine TO {main}_rw; GRANT EXECUTE ON FUNCTION listed() TO {main}_rw")
    assert _blockers(fleet) == []
    for look in ("SELECT email FROM mine", "SELECT * FROM listed()"):
        assert _sees(fleet, look) == [MINE]
    assert fleet.rows("SELECT count(*) FROM kept") == [(0,)]
    with pooled(fleet) as session:
        assert session.execute("SELECT email FROM mine").fetchall() == []


def test_a_fleet_without_shared_organizations_is_not_refused(fleet: Fleet) -> None:
    """The blocker is for shared mode alone; an organization that is to become shared is refused as well."""
    fleet.organization("acme", "database: { mode: dedicated }")
    fleet.apply()
    fleet.execute("ALTER TABLE donors NO FORCE ROW LEVEL SECURITY")
    fleet.converged()
    fleet.organization("acme", SHARED)
    fleet.env["TENANT_PASSWORD"] = "long-and-random-5Xq!"
    (said,) = _blockers(fleet)
    assert "table public.donors does not force" in said
    assert "nothing was changed" in fleet.apply(code=3).err


def test_policies_of_an_older_tree(fleet: Fleet) -> None:
    """Policies that read the setting themselves are named; they stand in the way of logins that are bound."""
    tree = fleet.root / "tree"
    shutil.copytree(ROOT / "migrations" / "tenant", tree)
    text = (tree / "tenancy.py").read_text()
    (tree / "tenancy.py").write_text(without_function(text))
    fleet.settings(migrations=str(tree))
    fleet.organization("acme")
    fleet.apply()
    notes = [note for note in fleet.plan()["notes"] if note["rule"] == "isolation"]
    assert (
        len(notes) == 6 and "reads the setting by itself" in notes[0]["message"] and "rebind()" in notes[0]["message"]
    )
    with pooled(fleet) as session, pytest.raises(Exception, match="permission denied"):
        emails(session)  # no rights on what is not divided by the server
    fleet.converged()
    fleet.env["TENANT_PASSWORD"] = "long-and-random-5Xq!"
    fleet.organization("acme", SHARED)
    assert len(_blockers(fleet)) == 6
    fleet.apply(code=3)

    (tree / "tenancy.py").write_text(text)
    (tree / "versions" / "aa00_rebind.py").write_text(rebinding("aa00"))
    fleet.apply()
    fleet.converged()
    assert _blockers(fleet) == []
    neighbours(fleet)
    with bound(fleet, "acme") as session:
        assert emails(session, id_of(fleet, "zeta")) == [MINE]


def _proof(fleet: Fleet, code: int = 0) -> list[dict[str, str]]:
    """The lines of `doctor --isolation`, over everybody."""
    lines: list[dict[str, str]] = fleet.run("doctor", "--isolation", "--sample", "9", "--json", code=code).json["tried"]
    left = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'tp\\_probe%%' UNION ALL SELECT role_name FROM tenantplan.shared_roles"
    assert not [name for (name,) in fleet.rows(left) if name.startswith("tp_probe")]
    return lines


def _leaks(lines: list[dict[str, str]]) -> set[tuple[str, str]]:
    return {(line["target"], line["what"]) for line in lines if line["outcome"] == "LEAK"}


def test_doctor_proves_isolation_and_leaves_nothing_behind(fleet: Fleet) -> None:
    """Shared, pooled and dedicated, each by sessions of its role: all is refused, or shows nothing."""
    neighbours(fleet)
    fleet.organization("msf", "database: { mode: dedicated, readOnly: true }")
    fleet.organization("wwf", "database: { mode: dedicated }")
    fleet.apply()
    mark = f"tenantplan probe of {fleet.name} in {fleet.main_database}"
    fleet.execute(f"CREATE ROLE tp_probe_{fleet.id} LOGIN; COMMENT ON ROLE tp_probe_{fleet.id} IS '{mark}'")
    fleet.execute(
        f"ALTER ROLE tp_probe_{fleet.id} VALID UNTIL 'infinity'; GRANT tp_probe_{fleet.id} TO tp_admin WITH ADMIN OPTION"
    )
    before = fleet.rows("SELECT count(*) FROM donors"), fleet.databases()
    lines = _proof(fleet)
    assert _leaks(lines) == set()
    assert {line["outcome"] for line in lines} == {"refused", "saw nothing", "open"}
    beside = {"shared tables", "former logins", "former databases", "templates", "pool"}
    assert {line["target"] for line in lines} == beside | {f"organization/{n}" for n in ("acme", "zeta", "msf", "wwf")}
    tried = {line["what"]: line for line in lines if line["role"] == f"{fleet.database('acme')}_app"}
    assert tried["read rows of others"]["detail"] == "0 rows in 6 relations; 1 have some of others"
    assert tried["TRUNCATE"]["outcome"] == tried["connect to other databases"]["outcome"] == "refused"
    assert (fleet.rows("SELECT count(*) FROM donors"), fleet.databases()) == before
    text = fleet.run("doctor", "--isolation", "--sample", "1").out
    assert "0 leaks" in text and "open" in text
    fleet.converged()


# Ways that are open at the same time, and what sessions find by trying, beside what the catalog says.
OPENED: tuple[dict[str, tuple[str, str] | None], ...] = (
    {
        "a view of a superuser": ("organization/acme", "read rows of others: views"),
        "a materialized view": ("organization/acme", "read rows of others: materialized views"),
        "a partition": ("organization/acme", "read rows of others: tables"),
        "TRUNCATE": ("pool", "TRUNCATE"),
        "the control plane": ("organization/acme", "read the control plane"),
        "CREATE for everybody": ("organization/acme", "CREATE in schemas"),
        "a member of a superuser": ("organization/acme", "SET ROLE to others"),
        "member of the owner": None,
        "a function with the rights of a superuser": None,
    },
    {"BYPASSRLS": ("organization/acme", "read rows of others: tables")},
    {"switched off": ("pool", "read without naming an organization: tables")},
    {"another policy": ("organization/acme", "errors that tell of rows of others")},
)


def test_doctor_finds_what_is_open(fleet: Fleet) -> None:
    """Exit 3, with the way in the catalog's words, and what the sessions of both roles found by trying it."""
    neighbours(fleet, SHARED.replace("readOnly: true, ", ""))
    packages = fleet.rows("SELECT lo_from_bytea(0, 'a package')")[0][0]
    fleet.execute(f"GRANT SELECT ON LARGE OBJECT {packages} TO PUBLIC")
    assert ("pool", "read large objects") in _leaks(_proof(fleet, code=3))
    fleet.execute(f"REVOKE SELECT ON LARGE OBJECT {packages} FROM PUBLIC")
    for ways in OPENED:
        for name in ways:
            fleet.execute(_named(fleet, WAYS[name].opened))
        try:
            found = _leaks(_proof(fleet, code=3))
        finally:
            for name in ways:
                fleet.execute(_named(fleet, WAYS[name].closed))
        for name, line in ways.items():
            said = _named(fleet, WAYS[name].said)
            assert any(said in text for target, text in found if target == "shared tables"), name
            assert line is None or line in found, (name, found)
    assert _leaks(_proof(fleet)) == set()


def test_doctor_finds_an_open_database(fleet: Fleet) -> None:
    """A role that may connect to another organization's database, or to the main one."""
    for name in NAMES:
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.apply()
    assert _leaks(_proof(fleet)) == set()
    fleet.execute(
        f"GRANT CONNECT ON DATABASE {fleet.database('zeta')} TO {fleet.database('acme')}_app", database="postgres"
    )
    assert _leaks(_proof(fleet, code=3)) == {("organization/acme", "connect to other databases")}
    fleet.execute(
        f"REVOKE CONNECT ON DATABASE {fleet.database('zeta')} FROM {fleet.database('acme')}_app", database="postgres"
    )
    fleet.execute(f"GRANT {fleet.database('zeta')}_owner TO {fleet.database('acme')}_app", database="postgres")
    found = _leaks(_proof(fleet, code=3))
    assert ("organization/acme", "SET ROLE to others") in found
