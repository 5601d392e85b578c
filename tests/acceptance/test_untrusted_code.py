"""Nothing that tenantplan executes in a tenant's database runs that tenant's code with tenantplan's rights.

Each attack begins with a right that somebody gave by mistake, and plants code that takes more: `harm`. What an application role can
do by itself, and that it can plant nothing, is tested too.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree

PASSWORD = "the application's, 24 characters"
DEDICATED = "database: { mode: dedicated }"
TRIGGER = "CREATE TRIGGER evil BEFORE UPDATE ON donors FOR EACH ROW EXECUTE FUNCTION {}()"


@dataclass(frozen=True)
class Attack:
    """`given` runs as a superuser, `planted` as the application's role. `found` is what the refusal names.

    {app}, {owner}: the organization's roles; {harm}: a function's body that takes rights and returns {result}.
    """

    given: str
    planted: str
    found: str
    taken: str = ""  # afterwards, by a superuser


def function(name: str, arguments: str = "", returns: str = "trigger", result: str = "NEW") -> str:
    return f"CREATE FUNCTION {name}({arguments}) RETURNS {returns} LANGUAGE plpgsql AS $x$ {{harm}} RETURN {result}; END $x$;"


CREATE = "GRANT CREATE ON SCHEMA public TO {app};"
ON_DONORS = "GRANT TRIGGER ON donors TO {app};"
ATTACKS = {
    "trigger": Attack(
        CREATE + ON_DONORS, function("public.evil") + TRIGGER.format("public.evil"), "function public.evil()"
    ),
    "deferred": Attack(
        CREATE + ON_DONORS,
        function("public.evil") + "CREATE CONSTRAINT TRIGGER evil AFTER UPDATE ON donors DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION public.evil()",
        "function public.evil()",
    ),
    "own-schema": Attack(
        "GRANT CREATE ON DATABASE {database} TO {app};" + ON_DONORS,
        "CREATE SCHEMA own;" + function("own.evil") + TRIGGER.format("own.evil"),
        "function own.evil()",
    ),
    "overload": Attack(
        CREATE,
        function("public.upper", "varchar", "text", "$1::text"),
        "function public.upper(character varying)",
    ),
    "operator": Attack(
        CREATE,
        function("public.joined", "varchar, varchar", "text", "$1::text")
        + "CREATE OPERATOR public.|| (leftarg = varchar, rightarg = varchar, function = public.joined)",
        "operator public.||(character varying,character varying)",
    ),
    "shadow": Attack(  # operators and functions that fit better than PostgreSQL's own where types are not what they should be
        CREATE,
        "".join(
            function(f"public.same_{number}", types, "boolean", "true")
            + f"CREATE OPERATOR public.= (leftarg = {types.split(', ')[0]}, rightarg = {types.split(', ')[1]},"
            f" function = public.same_{number});"
            for number, types in enumerate(
                ("oid, regclass", "oid, integer", "name, text", "name, varchar", '"char", text')
            )
        )
        + function("public.shobj_description", "oid, text", "text", "NULL")
        + function("public.obj_description", "oid, text", "text", "NULL"),
        "function public.obj_description(pg_catalog.oid,pg_catalog.text)",
    ),
    "cast": Attack(
        CREATE,
        "CREATE TYPE public.mood AS ENUM ('x');"
        + function("public.told", "public.mood", "text", "'x'")
        + "CREATE CAST (public.mood AS text) WITH FUNCTION public.told(public.mood) AS IMPLICIT",
        "type public.mood",
    ),
    "version-table": Attack(
        CREATE + "ALTER TABLE alembic_version OWNER TO {app};",
        function("public.evil", "", "varchar", "'x'")
        + "DROP TABLE alembic_version; CREATE VIEW alembic_version AS SELECT public.evil() AS version_num",
        "view public.alembic_version",
    ),
    "table-owner": Attack(
        "ALTER TABLE donors OWNER TO {app};",
        "CREATE RULE evil AS ON UPDATE TO donors DO ALSO SELECT set_config('role', 'none', false)",
        "table public.donors",
    ),
    "function-owner": Attack(
        "CREATE FUNCTION public.handy() RETURNS trigger LANGUAGE plpgsql AS $x$ BEGIN RETURN NEW; END $x$;"
        + TRIGGER.format("public.handy")
        + ";ALTER FUNCTION public.handy() OWNER TO {app};"
        + CREATE,
        function("public.handy").replace("CREATE", "CREATE OR REPLACE"),
        "function public.handy()",
    ),
    "hidden-by-a-role-of-postgresql": Attack(
        "GRANT pg_read_all_data TO {app}; GRANT CREATE ON SCHEMA public TO PUBLIC;" + ON_DONORS,
        function("public.evil")
        + "ALTER FUNCTION public.evil() OWNER TO pg_read_all_data;"
        + TRIGGER.format("public.evil"),
        "function public.evil() of role pg_read_all_data",
        "REVOKE pg_read_all_data FROM {app}",
    ),
    "hidden-by-the-owner": Attack(
        "GRANT {owner} TO {app};" + ON_DONORS,
        "SET ROLE {owner};"
        + function("public.evil")
        + "GRANT EXECUTE ON FUNCTION public.evil() TO {app}; RESET ROLE;"
        + TRIGGER.format("public.evil"),
        "function public.evil()",
        "REVOKE {owner} FROM {app}",
    ),
    "schema": Attack("ALTER SCHEMA public OWNER TO {app};", "", "schema public"),
    "event-trigger": Attack(
        function("public.watch", "", "event_trigger", "").replace("RETURN ;", "")
        + "ALTER FUNCTION public.watch() OWNER TO {app};"
        " CREATE EVENT TRIGGER evil_{id} ON ddl_command_end EXECUTE FUNCTION public.watch();",
        "",
        "function public.watch()",
    ),
}
# Makes a column, fires whatever hangs on donors, calls functions and operators by bare names.
MIGRATION = """
op.execute("ALTER TABLE donors ADD COLUMN later text DEFAULT current_user")
op.execute("UPDATE donors SET notes = upper(kind::varchar) || (kind::varchar || kind::varchar) WHERE kind <> 'none'")
"""
HARM = (
    "BEGIN BEGIN PERFORM set_config('role', 'none', false); EXCEPTION WHEN OTHERS THEN NULL; END;"
    " ALTER ROLE {other} PASSWORD 'stolen'; ALTER ROLE {app} CREATEDB; GRANT {theirs} TO {app};"
)


@dataclass
class Attacked:
    """A fleet whose organizations are named as the attacks on them, and two that nobody attacks, `other` and `quiet`."""

    fleet: Fleet
    tree: TenantTree

    def names(self, organization: str) -> dict[str, str]:
        database = self.fleet.database(organization)
        harm = HARM.format(
            other=f"{self.fleet.database('other')}_app",
            theirs=f"{self.fleet.database('other')}_owner",
            app=f"{database}_app",
        )
        return {
            "app": f"{database}_app",
            "owner": f"{database}_owner",
            "database": database,
            "harm": harm,
            "id": self.fleet.id,
        }

    def plant(self, organization: str, attack: Attack) -> None:
        names = self.names(organization)
        self.fleet.execute(attack.given.format(**names), database=names["database"])
        if attack.planted:
            with self.log_in(organization) as session:
                session.execute(attack.planted.format(**names).encode())
        if attack.taken:
            self.fleet.execute(attack.taken.format(**names))

    def log_in(self, organization: str, database: str | None = None) -> psycopg.Connection[tuple[object, ...]]:
        names = self.names(organization)
        self.fleet.execute(f"ALTER ROLE {names['app']} PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
        return self.fleet.server.connect(names["app"], database or names["database"], PASSWORD)

    def harm(self) -> list[tuple[object, ...]]:
        """Rights that no application role has, and verifiers of the organization that is not attacked."""
        prefix = f"o{self.fleet.id}_%"
        rights = (
            "SELECT r.rolname::text, r.rolsuper OR r.rolcreatedb OR r.rolcreaterole, a.rolpassword,"
            " ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid"
            " AND starts_with(g.rolname, %s)) FROM pg_roles r JOIN pg_authid a USING (oid) WHERE r.rolname LIKE %s ORDER BY 1"
        )
        return self.fleet.rows(rights, self.fleet.database("other"), prefix)

    def wards_off(self, organization: str) -> None:
        """Empties a database of what was planted, as a superuser."""
        names = self.names(organization)
        self.fleet.execute("DROP EVENT TRIGGER IF EXISTS evil_" + self.fleet.id, database=names["database"])
        self.fleet.execute(f"DROP OWNED BY {names['app']} CASCADE", database=names["database"])


@pytest.fixture
def attacked(fleet: Fleet, request: pytest.FixtureRequest) -> Attacked:
    """Every organization that the test names, applied, with a row in donors, and a migration that is to be applied."""
    organizations = [*request.param, "other", "quiet"]
    fleet.settings("guard: { maxChangedPercent: 100 }\nrollout: { onFailure: continue }")
    tree = tenant_tree(fleet)
    for name in organizations:
        fleet.organization(name, DEDICATED)
    fleet.apply()
    for name in organizations:
        fleet.execute("INSERT INTO donors (kind) VALUES ('person')", database=fleet.database(name))
    return Attacked(fleet, tree)


def later(fleet: Fleet, organization: str) -> list[tuple[object, ...]]:
    """Whose default the migration has written."""
    found = "SELECT FROM pg_attribute WHERE attrelid = 'donors'::regclass AND attname = 'later'"
    if not fleet.rows(found, database=fleet.database(organization)):
        return []
    return fleet.rows("SELECT later FROM donors", database=fleet.database(organization))


@pytest.mark.parametrize("attacked", [list(ATTACKS)], indirect=True, ids=["all"])
def test_code_of_a_tenant_is_not_run(attacked: Attacked) -> None:
    fleet = attacked.fleet
    for name, attack in ATTACKS.items():
        attacked.plant(name, attack)
    before = attacked.harm()
    attacked.tree.add("f29a", MIGRATION)
    result = fleet.apply(code=5)
    for name, attack in ATTACKS.items():
        told = [line for line in result.out.splitlines() if f"database {fleet.database(name)}: " in line]
        assert len(told) == 1 and attack.found in told[0], (name, result.out)
        assert "OWNER TO" in told[0]
        if name != "table-owner":
            assert later(fleet, name) == [], name
    assert attacked.harm() == before
    for name in ("other", "quiet"):
        assert later(fleet, name) == [("tenantplan_owner",)]

    # Nothing else that looks into databases runs it either, and drift names what is there.
    drifted = fleet.run("drift", "--json", code=2).json["items"]
    for name, attack in ATTACKS.items():
        if attack.found.startswith("function"):
            named = {i["name"] for i in drifted if i["address"] == f"schema/primary/{fleet.database(name)}"}
            function_name = attack.found.split(" of role")[0].replace("pg_catalog.", "").replace(",", ", ")
            assert function_name in named, (name, named)

    reading = (["plan", "--refresh", "deep"], ["status"], ["status", "version-table"], ["report", "database-sizes"])
    for command in reading:
        fleet.run(*command, code=None)
    result = fleet.run("maintain", code=None)
    assert "function public.evil()" in result.out + result.err
    fleet.run("drift", "--repair", code=None)
    assert attacked.harm() == before

    # Who reads the message and does what it says goes on.
    for name in ("trigger", "deferred", "own-schema", "overload", "operator", "cast"):
        attacked.wards_off(name)
    fleet.execute("ALTER FUNCTION public.handy() OWNER TO tenantplan_owner", database=fleet.database("function-owner"))
    fleet.execute(
        "CREATE OR REPLACE FUNCTION public.handy() RETURNS trigger LANGUAGE plpgsql AS $x$ BEGIN RETURN NEW; END $x$",
        database=fleet.database("function-owner"),
    )
    fleet.apply(code=5)
    for name in ("trigger", "deferred", "own-schema", "overload", "operator", "cast", "function-owner"):
        assert later(fleet, name) == [("tenantplan_owner",)], name
    assert {row[:2] for row in attacked.harm()} == {row[:2] for row in before}


# What does no harm by itself: it takes the role off only, waits for a statement that this migration does not have, or fails it.
HARMLESS = {"table-owner", "schema", "cast", "shadow", "version-table"}


@pytest.mark.parametrize("attacked", [list(ATTACKS)], indirect=True, ids=["real"])
def test_the_attacks_are_real(attacked: Attacked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the search for code of others, they take the role off and have tenantplan's rights: nothing else finds them."""
    from tenantplan.postgres import guard

    fleet = attacked.fleet
    for name, attack in ATTACKS.items():
        attacked.plant(name, attack)
    monkeypatch.setattr(guard, "untrusted_code", lambda connection: [])
    attacked.tree.add("f29a", MIGRATION)
    fleet.apply(code=None)
    powers = "SELECT rolname::text FROM pg_roles WHERE rolname LIKE %s AND rolcreatedb"
    harmed = {name for (name,) in fleet.rows(powers, f"o{fleet.id}_%")}
    assert {name for name in ATTACKS if attacked.names(name)["app"] in harmed} == ATTACKS.keys() - HARMLESS


@pytest.mark.parametrize("attacked", [["trigger", "shadow"]], indirect=True, ids=["programs"])
def test_programs_and_questions_do_not_run_it(attacked: Attacked) -> None:
    """A revision that Alembic runs in a process of its own; preflight and health, which are SQL of the fleet's."""
    fleet = attacked.fleet
    for name in ("trigger", "shadow"):
        attacked.plant(name, ATTACKS[name])
    before = attacked.harm()
    attacked.tree.add(
        "f29b",
        "for row in op.get_bind().execute(sa.text('SELECT id FROM donors')).fetchall():\n"
        "    op.get_bind().execute(sa.text('UPDATE donors SET notes = current_user WHERE id = :id'), {'id': row[0]})",
    )
    result = fleet.apply(code=5)
    assert "function public.evil()" in result.out
    notes = "SELECT notes FROM donors"
    assert fleet.rows(notes, database=fleet.database("quiet")) == [("tenantplan_owner",)]
    assert fleet.rows(notes, database=fleet.database("trigger")) == [(None,)]
    revision = attacked.tree.add("f29c", 'op.execute("SELECT 1")')
    revision.write_text(
        revision.read_text() + '\npreflight = ("SELECT FROM donors WHERE upper(kind::varchar) IS NULL",)\n'
    )
    told = fleet.apply(code=3)
    assert "organization/trigger" in told.err and "function public.evil()" in told.err and "quiet" not in told.err
    assert attacked.harm() == before


@pytest.mark.parametrize("attacked", [["own"]], indirect=True, ids=["alone"])
def test_what_an_application_role_can_do_by_itself(attacked: Attacked) -> None:
    """Temporary tables and functions, large objects: they are in nobody's way and nobody runs them. Nothing that stays, and no
    other database."""
    fleet = attacked.fleet
    attacked.tree.add("f29a", MIGRATION)
    with attacked.log_in("own") as session:
        refused = (
            "CREATE FUNCTION public.evil() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE SCHEMA own",
            "CREATE TABLE public.t (id int)",
            "ALTER TABLE public.donors ADD x int",
            "CREATE RULE r AS ON UPDATE TO public.donors DO NOTHING",
            "CREATE POLICY p ON public.donors USING (true)",
            "CREATE INDEX ON public.donors (kind)",
            TRIGGER.format("pg_temp.evil").replace("ON donors", "ON public.donors"),
            "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION pg_temp.evil()",
            "SET ROLE tenantplan_owner",
            f"SET ROLE {fleet.database('own')}_owner",
            "SET SESSION AUTHORIZATION tp_admin",
            "CREATE ROLE evil",
            f"ALTER ROLE {fleet.database('other')}_app PASSWORD 'x'",
            "CREATE DATABASE evil",
            f"COMMENT ON DATABASE {fleet.database('own')} IS 'x'",
            "UPDATE alembic_version SET version_num = 'x'",
            "SELECT * FROM alembic_version",
        )
        session.execute("CREATE FUNCTION pg_temp.evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        session.execute("CREATE TEMP TABLE donors (id int DEFAULT 1); SELECT lo_create(0)")
        session.execute("CREATE TRIGGER t BEFORE INSERT ON pg_temp.donors FOR EACH ROW EXECUTE FUNCTION pg_temp.evil()")
        for statement in refused:
            with pytest.raises(psycopg.Error):
                session.execute(statement.encode())
        fleet.apply()
        assert later(fleet, "own") == [("tenantplan_owner",)]
    for database in (fleet.database("other"), fleet.main_database):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            attacked.log_in("own", database)
    fleet.run("drift")
    fleet.converged()


@pytest.mark.parametrize("attacked", [["a"]], indirect=True, ids=["role"])
def test_what_runs_in_a_database_has_no_rights_in_the_cluster(attacked: Attacked) -> None:
    """A superuser's own trigger is trusted to be meant, and still has no more rights than the role that migrations run as."""
    fleet = attacked.fleet
    database = fleet.database("a")
    fleet.execute(
        "CREATE FUNCTION public.meant() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN ALTER ROLE {database}_app SUPERUSER; RETURN NEW; END $$;" + TRIGGER.format("public.meant"),
        database=database,
    )
    before = attacked.harm()
    attacked.tree.add("f29a", MIGRATION)
    result = fleet.apply(code=5)
    assert "42501" in result.out and attacked.harm() == before
    assert later(fleet, "quiet") == [("tenantplan_owner",)]
    owned = "SELECT DISTINCT pg_get_userbyid(relowner)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert fleet.rows(owned, database=database) == [("tenantplan_owner",)]
    role = "SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = 'tenantplan_owner'"
    assert fleet.rows(role) == [(False,) * 5]
    assert fleet.rows("SELECT count(*) FROM pg_database WHERE datdba = 'tenantplan_owner'::regrole") == [(0,)]


SCHEMA = """
op.execute("CREATE SCHEMA crm")
op.execute("CREATE TABLE crm.visits (id int)")
op.execute("CREATE TEMP TABLE counted ON COMMIT DROP AS SELECT count(*) FROM donors")
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY visited ON crm.visits (id)")
"""


@pytest.mark.parametrize("attacked", [["a"]], indirect=True, ids=["schemas"])
def test_migrations_may_do_what_they_need(attacked: Attacked) -> None:
    """Schemas, temporary tables, indexes outside transactions, extensions: in databases that are there, in templates and clones."""
    fleet = attacked.fleet
    known = fleet.rows("SELECT FROM pg_available_extension_versions WHERE name = 'pg_trgm' AND trusted")
    attacked.tree.add("f29d", SCHEMA + ('op.execute("CREATE EXTENSION pg_trgm")' if known else ""))
    fleet.apply()
    fleet.organization("later", DEDICATED)
    fleet.apply()
    attacked.tree.add("f29e", 'op.execute("CREATE SCHEMA more")')
    told = [line for line in fleet.run("doctor", "--json", code=None).json["checks"] if line["name"] == "rehearsal"]
    assert told and {line["status"] for line in told} == {"pass"}, told
    fleet.apply()
    for name in ("a", "later"):
        owned = (
            "SELECT nspname::text, pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname IN ('crm', 'more')"
        )
        schemas = {("crm", "tenantplan_owner"), ("more", "tenantplan_owner")}
        assert set(fleet.rows(owned, database=fleet.database(name))) == schemas
    fleet.run("drift")
    fleet.converged()


@pytest.mark.parametrize("attacked", [["a"]], indirect=True, ids=["members"])
def test_a_member_of_the_owner_is_refused_everywhere(attacked: Attacked) -> None:
    fleet = attacked.fleet
    attacked.tree.add("f29a", MIGRATION)
    member = f"{fleet.database('a')}_dba"
    fleet.execute(f"CREATE ROLE {member}; GRANT tenantplan_owner TO {member}")
    try:
        result = fleet.apply(code=5)
        assert result.out.count("of role tenantplan_owner") >= 3 and "REVOKE tenantplan_owner" in result.out
    finally:
        fleet.execute(f"REVOKE tenantplan_owner FROM {member}")
    fleet.apply()
    assert later(fleet, "a") == [("tenantplan_owner",)]


@pytest.mark.parametrize("attacked", [["before"]], indirect=True, ids=["before"])
def test_databases_from_before_the_owner_role_go_on(attacked: Attacked) -> None:
    """What is in them belongs to tenantplan's own role; their schema counts as the same."""
    fleet = attacked.fleet
    database = fleet.database("before")
    given = (
        "SELECT, INSERT, UPDATE, DELETE ON TABLES TO tenantplan_rw",
        "USAGE, SELECT ON SEQUENCES TO tenantplan_rw",
        "SELECT ON TABLES TO tenantplan_ro",
        "SELECT ON SEQUENCES TO tenantplan_ro",
    )
    defaults = "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA public {} {};"
    fleet.execute(
        "DO $$ DECLARE t text; BEGIN FOR t IN SELECT format('%I', relname) FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP EXECUTE 'ALTER TABLE ' || t || ' OWNER TO tp_admin';"
        " END LOOP; END $$; REVOKE ALL ON SCHEMA public FROM tenantplan_owner;"
        + "".join(defaults.format("tp_admin", "GRANT", what) for what in given)
        + "".join(defaults.format("tenantplan_owner", "REVOKE", what.replace(" TO ", " FROM ")) for what in given),
        database=database,
    )
    fleet.run("drift")
    attacked.tree.add("f29a", MIGRATION)
    fleet.apply()
    assert later(fleet, "before") == [("tp_admin",)]
    fleet.run("drift")
    fleet.execute("DROP INDEX donations_donated_at_idx", database=database)
    fleet.run("drift", "--repair", "--out", "plan.json", code=2)
    fleet.run("apply", "plan.json")
    fleet.run("drift")
    fleet.run("maintain")
