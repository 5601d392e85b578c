"""A schema damaged by hand is brought back: damage, repair, and nothing differs but what the repair said it leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from servers import TestServer

from tenantplan.migration.compile.compile import compile_path
from tenantplan.migration.tree.graph import load
from tenantplan.schema.fingerprint import differences, objects
from tenantplan.schema.repair import Repair, find_repair

TENANT = load(Path(__file__).parents[2] / "migrations" / "tenant", "tenant")
Connection = psycopg.Connection[Any]
ROLES = ("repair_write", "repair_read", "repair odd", "owner")

# What the sample tree has none of; an organization's own revisions may.
MORE = r'''
GRANT USAGE ON SCHEMA public TO repair_write, repair_read;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO repair_write;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO repair_read;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO repair_write;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO repair_read;

CREATE SCHEMA "Odd ""place""";
CREATE TABLE "Odd ""place"""."a.b" (id integer PRIMARY KEY, "not null" text NOT NULL DEFAULT 'x default y', "select" int);
CREATE INDEX "an index ON x" ON "Odd ""place"""."a.b" ("select") WHERE "not null" <> ' INVALID';

CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE DOMAIN percent AS int CONSTRAINT percent_range CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE pair AS (a int, b text);
CREATE SEQUENCE numbers AS integer START 5 INCREMENT 2 CACHE 3;
GRANT USAGE ON SEQUENCE numbers TO repair_write;

CREATE FUNCTION double(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * a';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$;
CREATE PROCEDURE tidy(INOUT done text, "Odd arg" timestamp with time zone DEFAULT now()) LANGUAGE sql AS $$ SELECT 'x' $$;
CREATE FUNCTION gifts(OUT n bigint, OUT total numeric) LANGUAGE sql STABLE
  BEGIN ATOMIC SELECT count(*), sum(amount) FROM donations; END;
GRANT EXECUTE ON FUNCTION double(int) TO repair_read;

CREATE TABLE rich (
  id bigint GENERATED ALWAYS AS IDENTITY,
  code text COLLATE "C" NOT NULL DEFAULT 'it''s',
  feeling mood DEFAULT 'glad',
  share percent,
  since timestamptz DEFAULT '2020-02-03 04:05:06+00',
  span interval DEFAULT '-1 day +02:00',
  twice int GENERATED ALWAYS AS (double(2)) STORED,
  at tstzrange,
  serial integer NOT NULL DEFAULT nextval('numbers'),
  CONSTRAINT rich_pkey PRIMARY KEY (id) WITH (fillfactor = 70),
  CONSTRAINT rich_code_key UNIQUE NULLS NOT DISTINCT (code) INCLUDE (share) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT rich_at_excl EXCLUDE USING gist (at WITH &&),
  CONSTRAINT rich_double CHECK (double(share) < 300) NO INHERIT
) WITH (fillfactor = 80, autovacuum_enabled = false, toast.autovacuum_enabled = false);
CREATE TABLE detail (
  id int PRIMARY KEY, rich_id bigint, code text,
  CONSTRAINT detail_rich_fkey FOREIGN KEY (rich_id) REFERENCES rich (id) ON DELETE CASCADE
);
ALTER TABLE detail REPLICA IDENTITY FULL;
ALTER TABLE rich CLUSTER ON rich_pkey;
CREATE UNIQUE INDEX rich_lower ON rich (lower(code) DESC NULLS LAST, double(share)) WHERE share > 5;
CREATE UNIQUE INDEX rich_serial ON rich (serial);
ALTER TABLE rich REPLICA IDENTITY USING INDEX rich_serial;
ALTER TABLE rich ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY readers ON rich FOR SELECT TO repair_read, repair_write USING (code <> ' check ' AND double(share) > 0);
CREATE POLICY writers ON rich TO repair_write USING (true) WITH CHECK (id > 0);
CREATE POLICY never ON rich AS RESTRICTIVE FOR DELETE USING (code <> 'kept');
CREATE TRIGGER touched BEFORE UPDATE ON donors FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER "on ""rich""" AFTER INSERT OR UPDATE OF code ON rich FOR EACH ROW WHEN (NEW.code <> 'a)')
  EXECUTE FUNCTION suppress_redundant_updates_trigger('ALWAYS');
ALTER TABLE rich ENABLE ALWAYS TRIGGER "on ""rich""";
CREATE RULE keep AS ON DELETE TO rich WHERE OLD.code = 'kept' DO INSTEAD NOTHING;
CREATE STATISTICS rich_st (dependencies) ON code, share FROM rich;
CREATE STATISTICS "odd st" (mcv) ON (share + 1), serial, lower(code) FROM rich;
CREATE STATISTICS one ON (lower(code)) FROM rich;

CREATE VIEW kinds WITH (security_barrier = true, check_option = local) AS SELECT id, email AS "E mail", kind FROM donors
  WHERE kind = 'person';
CREATE VIEW over_kinds AS SELECT "E mail" || '%s {}' AS m FROM kinds;
CREATE VIEW by_key AS SELECT d.*, count(*) AS n FROM donors d JOIN donations g ON g.donor_id = d.id GROUP BY d.id;
CREATE VIEW with_trigger AS SELECT id, name FROM campaigns;
CREATE TRIGGER instead INSTEAD OF INSERT ON with_trigger FOR EACH ROW EXECUTE FUNCTION touch();
CREATE RULE nothing AS ON DELETE TO with_trigger DO INSTEAD NOTHING;
REVOKE ALL ON with_trigger FROM repair_write;
GRANT SELECT (name), UPDATE (name) ON with_trigger TO "repair odd";
REVOKE TRUNCATE ON with_trigger FROM CURRENT_USER;
CREATE MATERIALIZED VIEW sums AS SELECT campaign_id, sum(amount) AS total FROM donations GROUP BY 1;
CREATE UNIQUE INDEX sums_key ON sums (campaign_id);
CREATE FUNCTION loose() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM donors';
CREATE SCHEMA tools;
GRANT USAGE ON SCHEMA tools TO repair_read;
CREATE FUNCTION tools.z() RETURNS int LANGUAGE sql RETURN 1;
CREATE FUNCTION tools.a(b int DEFAULT tools.z()) RETURNS int LANGUAGE sql RETURN tools.z() + b;
CREATE VIEW tools.v AS SELECT tools.a() AS x;
CREATE FUNCTION tools.m(v tools.v) RETURNS SETOF tools.v LANGUAGE sql BEGIN ATOMIC SELECT * FROM tools.v; END;
CREATE FUNCTION of_view() RETURNS SETOF over_kinds LANGUAGE sql STABLE AS 'SELECT * FROM public.over_kinds';

CREATE TABLE parts (id int NOT NULL, at date NOT NULL, note text, CONSTRAINT parts_id CHECK (id > 0)) PARTITION BY RANGE (at);
CREATE TABLE parts_2020 PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE INDEX parts_note ON parts (note);
ALTER TABLE parts ADD CONSTRAINT parts_pkey PRIMARY KEY (id, at);

GRANT UPDATE (phone), SELECT (phone) ON donors TO "repair odd" WITH GRANT OPTION;
REVOKE TRUNCATE ON donors FROM CURRENT_USER;
GRANT SELECT ON forms TO PUBLIC;
'''


@pytest.fixture(scope="module")
def healthy(server: TestServer) -> Iterator[Connection]:
    """A database as the migrations make it."""
    name = f"repair_{os.getpid()}"
    with server.superuser_connect() as admin:
        for role in ROLES:
            admin.execute(sql.SQL("CREATE ROLE {0}; GRANT {0} TO tp_admin").format(sql.Identifier(role)))
    with server.connect() as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with server.connect(dbname=name) as connection:
        assert TENANT.head
        for statement in compile_path(TENANT, None, TENANT.head):
            connection.execute(statement.encode())
        connection.execute(MORE.encode())
        yield connection
    with server.superuser_connect() as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for role in ROLES:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture
def database(healthy: Connection) -> Iterator[Connection]:
    """The same, whatever happens to it."""
    with healthy.transaction(force_rollback=True):
        yield healthy


def repaired(database: Connection, damage: str, kept: Sequence[str] = ()) -> Repair:
    """Damages, repairs, and compares: what was repaired is as before, and all else as the damage left it."""
    before = objects(database)
    database.execute(damage.encode())
    damaged = objects(database)
    found = differences(before, damaged)
    assert found and set(kept) <= {identity for identity, _, _ in found}
    done = find_repair(found, before, dict.fromkeys(kept, "known"))
    run(database, done)
    assert sorted([*done.repaired, *(identity for identity, _ in done.left)]) == [identity for identity, _, _ in found]
    promised = {identity: text for identity, text in damaged.items() if identity not in done.repaired}
    promised |= {identity: before[identity] for identity in done.repaired if identity in before}
    assert differences(promised, objects(database)) == []
    return done


def run(database: Connection, done: Repair) -> None:
    for statement in done.statements:
        database.execute(statement.encode())


ODD = '"Odd ""place"""."a.b"'
SAFE = {
    # indexes
    "index dropped": "DROP INDEX donations_donated_at_idx",
    "index changed": "DROP INDEX rich_lower; CREATE INDEX rich_lower ON rich (code)",
    "index renamed": "ALTER INDEX rich_lower RENAME TO other",
    "odd index": 'DROP INDEX "Odd ""place"""."an index ON x"',
    "index of the replica identity": "DROP INDEX rich_serial",
    "index settings": "ALTER INDEX rich_lower SET (fillfactor = 50)",
    "index settings of a key": "ALTER INDEX rich_pkey SET (fillfactor = 50, deduplicate_items = off)",
    "index settings of a key lost": "ALTER INDEX rich_pkey RESET (fillfactor)",
    "cluster lost": "ALTER TABLE rich SET WITHOUT CLUSTER",
    "cluster moved": "ALTER TABLE rich CLUSTER ON rich_serial",
    "cluster made": "ALTER TABLE donors CLUSTER ON donors_pkey",
    "index of a partitioned table": "DROP INDEX parts_note",
    # columns
    "default lost": "ALTER TABLE donors ALTER kind DROP DEFAULT",
    "default changed": "ALTER TABLE donors ALTER kind SET DEFAULT 'company'",
    "default made": "ALTER TABLE donors ALTER phone SET DEFAULT '110'",
    "time default": "ALTER TABLE rich ALTER since SET DEFAULT now(), ALTER span DROP DEFAULT, ALTER code SET DEFAULT 'b'",
    "odd default": f'ALTER TABLE {ODD} ALTER "not null" DROP DEFAULT, ALTER "not null" DROP NOT NULL',
    "not null lost": "ALTER TABLE donors ALTER kind DROP NOT NULL",
    "not null made": "ALTER TABLE donors ALTER phone SET NOT NULL",
    "identity": "ALTER TABLE rich ALTER id SET GENERATED BY DEFAULT",
    "column dropped": "ALTER TABLE donors DROP COLUMN phone CASCADE",
    "column with default dropped": "ALTER TABLE rich DROP COLUMN code CASCADE",
    "column of an enum dropped": "ALTER TABLE rich DROP COLUMN feeling",
    "column of a domain dropped": "ALTER TABLE rich DROP COLUMN share CASCADE",
    "computed column dropped": "ALTER TABLE rich DROP COLUMN twice",
    "serial column dropped": "ALTER TABLE rich DROP COLUMN serial",
    "odd column dropped": f'ALTER TABLE {ODD} DROP COLUMN "select", DROP COLUMN "not null"',
    "names that are alike": "ALTER TABLE rich RENAME CONSTRAINT rich_pkey TO x; ALTER TRIGGER touched ON donors RENAME TO x; "
    "ALTER TABLE donors RENAME CONSTRAINT donors_kind_check TO x; ALTER POLICY readers ON rich RENAME TO x",
    "column of a partitioned table": "ALTER TABLE parts DROP COLUMN note",
    "default of a partitioned table": "ALTER TABLE parts ALTER note SET DEFAULT 'x'",
    # constraints
    "check dropped": "ALTER TABLE donors DROP CONSTRAINT donors_kind_check",
    "check changed": "ALTER TABLE rich DROP CONSTRAINT rich_double, ADD CONSTRAINT rich_double CHECK (true)",
    "check not validated": "ALTER TABLE donations DROP CONSTRAINT donations_amount_check, "
    "ADD CONSTRAINT donations_amount_check CHECK (amount > 0) NOT VALID",
    "check of a partitioned table": "ALTER TABLE parts DROP CONSTRAINT parts_id",
    "key of a partitioned table": "ALTER TABLE parts DROP CONSTRAINT parts_pkey",
    "primary key and all that points at it": "ALTER TABLE donors DROP CONSTRAINT donors_pkey CASCADE",
    "primary key with settings": "ALTER TABLE rich DROP CONSTRAINT rich_pkey CASCADE",
    "unique": "ALTER TABLE donors DROP CONSTRAINT donors_email_key",
    "unique as an index": "ALTER TABLE donors DROP CONSTRAINT donors_email_key; "
    "CREATE UNIQUE INDEX donors_email_key ON donors (email)",
    "deferrable unique": "ALTER TABLE rich DROP CONSTRAINT rich_code_key, ADD CONSTRAINT rich_code_key UNIQUE (code)",
    "exclusion": "ALTER TABLE rich DROP CONSTRAINT rich_at_excl",
    "foreign key": "ALTER TABLE donations DROP CONSTRAINT donations_donor_id_fkey",
    "foreign key changed": "ALTER TABLE detail DROP CONSTRAINT detail_rich_fkey, "
    "ADD CONSTRAINT detail_rich_fkey FOREIGN KEY (rich_id) REFERENCES rich (id)",
    # (PostgreSQL forgets something when a savepoint follows at once.)
    "domain check": "ALTER DOMAIN percent DROP CONSTRAINT percent_range; ALTER DOMAIN percent DROP DEFAULT",
    "domain check changed": "ALTER DOMAIN percent DROP CONSTRAINT percent_range; "
    "ALTER DOMAIN percent ADD CONSTRAINT percent_range CHECK (VALUE > 1)",
    "constraint renamed": "ALTER TABLE donors RENAME CONSTRAINT donors_kind_check TO x",
    "primary key renamed and other settings": "ALTER TABLE rich RENAME CONSTRAINT rich_pkey TO x; "
    "ALTER INDEX x SET (fillfactor = 10); ALTER TABLE rich SET WITHOUT CLUSTER",
    "primary key renamed": "ALTER TABLE rich RENAME CONSTRAINT rich_pkey TO x",
    # tables
    "row level security off": "ALTER TABLE rich DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
    "row level security on": "ALTER TABLE donors ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "replica identity": "ALTER TABLE rich REPLICA IDENTITY NOTHING; ALTER TABLE detail REPLICA IDENTITY DEFAULT; "
    "ALTER TABLE donors REPLICA IDENTITY USING INDEX donors_pkey",
    "settings": "ALTER TABLE rich SET (fillfactor = 50, parallel_workers = 2); ALTER TABLE rich RESET (autovacuum_enabled)",
    # policies, triggers, rules, statistics
    "policy dropped": "DROP POLICY readers ON rich",
    "policies changed": "ALTER POLICY writers ON rich TO PUBLIC; ALTER POLICY never ON rich USING (true)",
    "policy added": 'CREATE POLICY "a ""b" ON rich USING (true)',
    "all of row level security": "ALTER TABLE rich DISABLE ROW LEVEL SECURITY; DROP POLICY readers ON rich; "
    "DROP POLICY writers ON rich; CREATE POLICY readers ON rich USING (true)",
    "trigger dropped": 'DROP TRIGGER "on ""rich""" ON rich; DROP TRIGGER touched ON donors',
    "trigger off": 'ALTER TABLE donors DISABLE TRIGGER touched; ALTER TABLE rich ENABLE TRIGGER "on ""rich"""',
    "trigger changed": "CREATE OR REPLACE TRIGGER touched AFTER UPDATE ON donors FOR EACH ROW EXECUTE FUNCTION touch()",
    "trigger renamed": "ALTER TRIGGER touched ON donors RENAME TO x",
    "rule dropped": "DROP RULE keep ON rich",
    "rule changed": "CREATE OR REPLACE RULE keep AS ON DELETE TO rich DO INSTEAD NOTHING; ALTER TABLE rich DISABLE RULE keep",
    "rule off": "ALTER TABLE rich DISABLE RULE keep",
    "statistics dropped": 'DROP STATISTICS rich_st, "odd st", one',
    "statistics changed": "DROP STATISTICS rich_st; CREATE STATISTICS rich_st ON code, share FROM rich",
    # functions and views
    "function body": "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "function dropped with what needs it": "DROP FUNCTION double CASCADE",
    "trigger function dropped": "DROP FUNCTION touch CASCADE",
    "function of another type": "DROP FUNCTION gifts; CREATE FUNCTION gifts(OUT n bigint, OUT total numeric) "
    "RETURNS SETOF record LANGUAGE sql AS 'SELECT 1::bigint, 2.0'",
    "function that speaks of no schema": "DROP FUNCTION loose",
    "procedure dropped": "DROP PROCEDURE tidy",
    "procedure's default": "CREATE OR REPLACE PROCEDURE tidy(INOUT done text, \"Odd arg\" timestamptz DEFAULT '2020-01-01') "
    "LANGUAGE sql AS 'SELECT ''x'''",
    "function for everybody": "GRANT EXECUTE ON FUNCTION double(int) TO PUBLIC",
    "view dropped": "DROP VIEW kinds CASCADE",
    "view changed": 'CREATE OR REPLACE VIEW kinds AS SELECT id, email AS "E mail", kind FROM donors',
    "view with more columns": "CREATE OR REPLACE VIEW with_trigger AS SELECT id, name, slug FROM campaigns; "
    "GRANT ALL ON with_trigger TO repair_write; DROP RULE nothing ON with_trigger",
    "view with other columns": "DROP VIEW with_trigger; CREATE VIEW with_trigger AS SELECT 1 AS a",
    "view on a view dropped": "DROP VIEW over_kinds CASCADE",
    "view and the one that uses it": "DROP VIEW over_kinds CASCADE; DROP VIEW kinds; "
    "CREATE VIEW kinds AS SELECT 1 AS a; CREATE VIEW over_kinds AS SELECT a FROM kinds",
    "function of another type and what uses it": "DROP FUNCTION double CASCADE; "
    "CREATE FUNCTION double(a int) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 2 * a'; "
    "ALTER TABLE rich ADD CONSTRAINT rich_double CHECK (double(1) > 0); CREATE INDEX rich_lower ON rich (double(serial))",
    "view that groups by a key": "ALTER TABLE donors DROP CONSTRAINT donors_pkey CASCADE; DROP VIEW IF EXISTS by_key",
    "materialized view dropped": "DROP MATERIALIZED VIEW sums",
    "materialized view changed": "DROP MATERIALIZED VIEW sums; CREATE MATERIALIZED VIEW sums AS SELECT 1 AS campaign_id",
    "materialized view as a view": "DROP MATERIALIZED VIEW sums; CREATE VIEW sums AS SELECT 1 AS campaign_id",
    "functions in a chain": "DROP SCHEMA tools CASCADE",
    # sequences
    "sequence": "ALTER SEQUENCE numbers AS bigint START 1 INCREMENT 1 MAXVALUE 99 CACHE 1 CYCLE OWNED BY detail.id",
    "identity's sequence": "ALTER TABLE rich ALTER id SET INCREMENT 10 SET MAXVALUE 1000",
    # rights
    "grants added": "GRANT SELECT ON donors TO PUBLIC; GRANT ALL ON donations TO repair_read; "
    'GRANT SELECT ON rich TO "repair odd" WITH GRANT OPTION; GRANT SELECT ON rich TO owner',
    "grants lost": "REVOKE ALL ON donors FROM repair_read; REVOKE SELECT ON forms FROM PUBLIC; "
    "REVOKE ALL ON SCHEMA public FROM repair_write; REVOKE EXECUTE ON FUNCTION double(int) FROM repair_read",
    "grant option": "GRANT SELECT ON donors TO repair_read WITH GRANT OPTION",
    "granted on by another": "GRANT SELECT ON rich TO owner WITH GRANT OPTION; SET LOCAL ROLE owner; "
    'GRANT SELECT ON public.rich TO "repair odd"; RESET ROLE',
    "column grants": 'REVOKE ALL (phone) ON donors FROM "repair odd"; GRANT UPDATE (kind) ON donors TO PUBLIC',
    "column under table grants": 'GRANT SELECT, UPDATE ON donors TO "repair odd"; ALTER TABLE donors DROP COLUMN phone CASCADE',
    "column grants under table grants": 'GRANT SELECT, UPDATE ON donors TO "repair odd"',
    "column grant option": 'REVOKE GRANT OPTION FOR SELECT (phone) ON donors FROM "repair odd"',
    "owner's rights": "GRANT TRUNCATE ON donors TO CURRENT_USER; REVOKE DELETE ON donations FROM CURRENT_USER; "
    "REVOKE ALL ON detail FROM CURRENT_USER; REVOKE USAGE ON TYPE mood FROM CURRENT_USER; "
    "REVOKE EXECUTE ON FUNCTION double(int) FROM CURRENT_USER; REVOKE CREATE ON SCHEMA public FROM pg_database_owner",
    "schema": "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "sequence's and type's": "GRANT ALL ON SEQUENCE numbers TO PUBLIC; REVOKE USAGE ON TYPE mood FROM PUBLIC",
    "default privileges": "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM repair_read; "
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC; "
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO repair_read WITH GRANT OPTION",
    "default privileges of everybody": "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
    "default privileges on types": "ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC",
    "default privileges of the owner": "ALTER DEFAULT PRIVILEGES REVOKE DELETE ON TABLES FROM CURRENT_USER",
    "bad default privileges while a view is made": "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC; "
    "DROP VIEW with_trigger",
}


@pytest.mark.parametrize("damage", SAFE.values(), ids=SAFE.keys())
def test_what_can_be_repaired_is(database: Connection, damage: str) -> None:
    assert repaired(database, damage).left == ()


BY_HAND = "made by hand"
LEFT = {
    "table made": (
        "CREATE TABLE extra (id serial PRIMARY KEY, d int REFERENCES detail); GRANT ALL ON extra TO PUBLIC; "
        "CREATE POLICY p ON extra USING (true); CREATE TRIGGER t BEFORE UPDATE ON extra FOR EACH ROW EXECUTE FUNCTION touch()",
        {
            "table public.extra": BY_HAND,
            "column public.extra.id": "it came with table public.extra",
            "column public.extra.d": "it came with",
            "constraint public.extra.extra_pkey": "it came with",
            "constraint public.extra.extra_d_fkey": "it came with",
            "index public.extra_pkey": "it came with",
            "sequence public.extra_id_seq": "it came with",
            "grant table public.extra to PUBLIC": "it came with",
            "grant table public.extra to repair_read": "it came with",
            "grant table public.extra to repair_write": "it came with",
            "policy public.extra.p": "it came with",
            "trigger public.extra.t": "it came with",
        },
    ),
    "column made": ("ALTER TABLE donors ADD hacked text DEFAULT 'x'", {"column public.donors.hacked": BY_HAND}),
    "column renamed": (
        "ALTER TABLE donors RENAME phone TO telephone",
        {
            "column public.donors.phone": "was it renamed? public.donors.telephone",
            "column public.donors.telephone": BY_HAND,
            "view public.by_key": "it needs column public.donors.phone",
            'grant column public.donors.phone to "repair odd"': "it needs column public.donors.phone",
        },
    ),
    "column retyped": (
        "ALTER TABLE forms ALTER title TYPE varchar(5), ALTER title DROP NOT NULL, ALTER slug SET DEFAULT 'x'",
        {"column public.forms.title": "its type differs"},
    ),
    "column collated": (
        'ALTER TABLE forms ALTER title TYPE text COLLATE "C"',
        {"column public.forms.title": "its type"},
    ),
    "what speaks of a retyped column": (
        "ALTER TABLE campaigns ALTER status TYPE varchar(9)",
        {
            "column public.campaigns.status": "its type differs",
            "constraint public.campaigns.campaigns_status_check": "it needs column public.campaigns.status",
        },
    ),
    "required column dropped": (
        "ALTER TABLE campaigns DROP slug; CREATE INDEX campaigns_slug_key ON campaigns (name)",
        {
            "column public.campaigns.slug": "every row must have one",
            "constraint public.campaigns.campaigns_slug_key": "it needs column public.campaigns.slug",
            "index public.campaigns_slug_key": "",
        },
    ),
    "identity dropped": (
        "ALTER TABLE rich ALTER id DROP IDENTITY",
        {
            "column public.rich.id": "its numbers come from elsewhere",
            "sequence public.rich_id_seq": "its next number is unknown",
        },
    ),
    "no longer computed": ("ALTER TABLE rich ALTER twice DROP EXPRESSION", {"column public.rich.twice": "computed"}),
    "sequence dropped": (
        "DROP SEQUENCE numbers CASCADE",
        {
            "sequence public.numbers": "its next number is unknown",
            "grant sequence public.numbers to repair_write": "it went with sequence public.numbers",
            "column public.rich.serial": "it needs sequence public.numbers",
        },
    ),
    "a column that only waits": (
        "DROP SEQUENCE numbers CASCADE; ALTER TABLE rich REPLICA IDENTITY NOTHING; DROP INDEX rich_serial",
        {
            "sequence public.numbers": "its next number is unknown",
            "grant sequence public.numbers to repair_write": "it went with sequence public.numbers",
            "column public.rich.serial": "it needs sequence public.numbers",
        },
    ),
    "enum extended": ("ALTER TYPE mood ADD VALUE 'angry'", {"type public.mood": "ALTER TYPE"}),
    "enum dropped": (
        "DROP TYPE mood CASCADE",
        {
            "type public.mood": "columns of this type went with it",
            "grant type public.mood to PUBLIC": "it went with type public.mood",
            "column public.rich.feeling": "it needs type public.mood",
        },
    ),
    "composite type changed": (
        "ALTER TYPE pair ADD ATTRIBUTE c int, DROP ATTRIBUTE a, ALTER ATTRIBUTE b TYPE int",
        {
            "attribute public.pair.a": "by hand",
            "attribute public.pair.b": "by hand",
            "attribute public.pair.c": BY_HAND,
        },
    ),
    "table of another kind": (
        "ALTER TABLE detail SET UNLOGGED, REPLICA IDENTITY DEFAULT",
        {"table public.detail": "it is of another kind"},
    ),
    "things made": (
        "CREATE INDEX more ON donors (phone); CREATE VIEW v AS SELECT 1 AS a; CREATE SCHEMA s CREATE TABLE t (); "
        "CREATE FUNCTION double(a text) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE e AS ENUM (); "
        "CREATE DOMAIN dom AS int CHECK (VALUE > 0); CREATE SEQUENCE seq; CREATE STATISTICS st ON kind, email FROM donors; "
        "ALTER TABLE donors ADD CHECK (kind <> ''); CREATE POLICY n ON rich AS RESTRICTIVE USING (false); "
        "CREATE RULE r AS ON DELETE TO donors DO INSTEAD NOTHING; "
        "CREATE TRIGGER t BEFORE UPDATE ON donors FOR EACH ROW EXECUTE FUNCTION touch()",
        {
            "index public.more": BY_HAND,
            "view public.v": BY_HAND,
            "grant view public.v to repair_read": "it came with view public.v",
            "grant view public.v to repair_write": "it came with view public.v",
            "schema s": BY_HAND,
            "table s.t": BY_HAND,
            "function public.double(a text)": BY_HAND,
            "type public.e": BY_HAND,
            "grant type public.e to PUBLIC": "it came with",
            "type public.dom": BY_HAND,
            "grant type public.dom to PUBLIC": "it came with",
            "constraint public.dom.dom_check": "it came with type public.dom",
            "sequence public.seq": BY_HAND,
            "statistics public.st": BY_HAND,
            "constraint public.donors.donors_kind_check1": BY_HAND,
            "policy public.rich.n": BY_HAND,
            "rule public.donors.r": "REWRITES STATEMENTS",
            "trigger public.donors.t": "RUNS ON EVERY CHANGE",
        },
    ),
    "another primary key": (
        "ALTER TABLE detail DROP CONSTRAINT detail_pkey, ALTER id DROP NOT NULL, ADD CONSTRAINT mine PRIMARY KEY (code)",
        {
            "constraint public.detail.mine": BY_HAND,
            "index public.mine": BY_HAND,
            "constraint public.detail.detail_pkey": "constraint public.detail.mine was made by hand",
            "index public.detail_pkey": "it goes with constraint public.detail.detail_pkey",
            "column public.detail.code": "may need it",
        },
    ),
    "the name is taken": (
        "DROP VIEW by_key; CREATE TABLE by_key ()",
        {
            "table public.by_key": BY_HAND,
            "view public.by_key": "table public.by_key, made by hand, has its name",
            "grant view public.by_key to repair_read": "it needs view public.by_key",
            "grant view public.by_key to repair_write": "it needs view public.by_key",
            "grant table public.by_key to repair_read": "it came with",
            "grant table public.by_key to repair_write": "it came with",
        },
    ),
    "arguments renamed": (
        "DROP PROCEDURE tidy; CREATE PROCEDURE tidy(INOUT fin text, x timestamp with time zone) LANGUAGE sql AS $$ SELECT 'x' $$",
        {
            "function public.tidy(INOUT fin text, IN x timestamp with time zone)": BY_HAND,
            'function public.tidy(INOUT done text, IN "Odd arg" timestamp with time zone)': "differs in its arguments' names only",
        },
    ),
    "a view that carries more": (
        "CREATE OR REPLACE VIEW with_trigger AS SELECT id, name, slug FROM campaigns; "
        "CREATE RULE mine AS ON UPDATE TO with_trigger DO INSTEAD NOTHING; GRANT ALL ON with_trigger TO PUBLIC",
        {
            "view public.with_trigger": "it has to be dropped, and with it rule public.with_trigger.mine, which is not to be",
            "rule public.with_trigger.mine": "REWRITES STATEMENTS",
        },
    ),
    "a view that another one uses": (
        'CREATE OR REPLACE VIEW kinds AS SELECT id, email AS "E mail", kind, phone FROM donors',
        {"view public.kinds": "it has to be dropped, and view public.over_kinds uses it"},
    ),
    "a function that others use": (
        "ALTER TABLE rich DROP twice, DROP CONSTRAINT rich_double; DROP INDEX rich_lower; DROP POLICY readers ON rich; "
        "DROP FUNCTION double; CREATE FUNCTION double(a int) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 2 * a'; "
        "ALTER TABLE forms ADD CHECK (double(1) > 0)",
        {
            "function public.double(a integer)": "constraint public.forms.forms_check uses it",
            "constraint public.forms.forms_check": BY_HAND,
            "grant function public.double(a integer) to repair_read": "it needs function public.double(a integer)",
            "column public.rich.twice": "it needs function public.double(a integer)",
            "constraint public.rich.rich_double": "it needs function public.double(a integer)",
            "index public.rich_lower": "it needs function public.double(a integer)",
            "policy public.rich.readers": "it needs function public.double(a integer)",
        },
    ),
    "a function that is used by what waits": (
        "DROP FUNCTION double CASCADE; DROP INDEX IF EXISTS rich_lower; "
        "CREATE FUNCTION double(a int) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 2 * a'; "
        "ALTER TABLE rich ADD CONSTRAINT rich_double CHECK (double(1) > 0), ALTER share TYPE bigint",
        {
            "column public.rich.share": "its type differs",
            "constraint public.rich.rich_double": "it needs column public.rich.share",
            "function public.double(a integer)": "it goes with constraint public.rich.rich_double",
            "grant function public.double(a integer) to repair_read": "it needs function public.double(a integer)",
            "column public.rich.twice": "it needs function public.double(a integer)",
            "index public.rich_lower": "it needs column public.rich.share",
            "policy public.rich.readers": "it needs column public.rich.share",
        },
    ),
    "a replica identity whose index waits": (
        "ALTER TABLE rich ALTER serial TYPE bigint; ALTER TABLE rich REPLICA IDENTITY FULL",
        {
            "column public.rich.serial": "its type differs",
            "index public.rich_serial": "it needs column public.rich.serial",
            "table public.rich": "it goes with index public.rich_serial",
        },
    ),
    "a cluster that moved to what waits": (
        "ALTER TABLE rich CLUSTER ON rich_serial; ALTER TABLE rich ALTER serial TYPE bigint",
        {
            "column public.rich.serial": "its type differs",
            "index public.rich_serial": "it needs column public.rich.serial",
            "index public.rich_pkey": "it goes with index public.rich_serial",
        },
    ),
    "a replica identity by an index made by hand": (
        "CREATE UNIQUE INDEX mine ON donors (id); ALTER TABLE donors REPLICA IDENTITY USING INDEX mine",
        {"index public.mine": BY_HAND, "table public.donors": "it goes with index public.mine"},
    ),
    "a cluster on an index made by hand": (
        "CREATE INDEX mine ON rich (since); ALTER TABLE rich CLUSTER ON mine",
        {"index public.mine": BY_HAND, "index public.rich_pkey": "it goes with index public.mine"},
    ),
    "a key that is pointed at": (
        "ALTER TABLE rich DROP CONSTRAINT rich_pkey CASCADE, ADD CONSTRAINT rich_pkey PRIMARY KEY (id) INCLUDE (code); "
        "ALTER TABLE detail ADD CONSTRAINT detail_rich_fkey FOREIGN KEY (rich_id) REFERENCES rich ON DELETE CASCADE",
        {
            "constraint public.rich.rich_pkey": "constraint public.detail.detail_rich_fkey needs it",
            "index public.rich_pkey": "it goes with constraint public.rich.rich_pkey",
        },
    ),
    "rights of what others make": (
        "SET LOCAL ROLE owner; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC; RESET ROLE",
        {"grant default privileges r of owner to PUBLIC": "FOR ROLE owner by hand"},
    ),
    "an index that a partition has not": (
        "DROP INDEX parts_note; CREATE INDEX parts_note ON ONLY parts (note)",
        {
            "index public.parts_note": "an index of a partition is missing",
            "index public.parts_2020_note_idx": "it goes with index public.parts_note",
        },
    ),
    "partition detached": (
        "ALTER TABLE parts DETACH PARTITION parts_2020; ALTER TABLE parts ALTER note SET DEFAULT 'x'",
        {
            "table public.parts_2020": "it is of another kind, persistence or parent",
            "column public.parts_2020.id": "its table has another parent",
            "column public.parts_2020.at": "its table has another parent",
            "column public.parts_2020.note": "its table has another parent",
            "constraint public.parts_2020.parts_id": "it comes from the parent table",
            "constraint public.parts_2020.parts_2020_pkey": "it comes from the parent table",
            "index public.parts_2020_note_idx": "it comes from the parent table",
            "index public.parts_2020_pkey": "it comes from the parent table",
        },
    ),
}


@pytest.mark.parametrize(("damage", "left"), LEFT.values(), ids=LEFT.keys())
def test_what_cannot_be_repaired_is_left_with_a_reason(database: Connection, damage: str, left: dict[str, str]) -> None:
    found = dict(repaired(database, damage).left)
    assert found.keys() == left.keys()
    assert {identity: why for identity, why in found.items() if left[identity] not in why} == {}


KEPT = {
    "a table that is gone": ("DROP TABLE detail", ["table public.detail"], ["it went with table public.detail"]),
    "a table made by hand": (
        "CREATE TABLE extra (id int)",
        ["table public.extra"],
        ["it came with table public.extra"],
    ),
    "another name": (
        "ALTER TABLE donors RENAME CONSTRAINT donors_kind_check TO other",
        ["constraint public.donors.other"],
        [],
    ),
    "a key": (
        "ALTER TABLE donors DROP CONSTRAINT donors_pkey CASCADE; DROP VIEW IF EXISTS by_key; "
        "ALTER TABLE donors ALTER id DROP NOT NULL",
        ["constraint public.donors.donors_pkey"],
        [
            "it goes with constraint public.donors.donors_pkey",
            "it needs constraint public.donors.donors_pkey",
            "it needs view",
        ],
    ),
    "a default": (
        "ALTER TABLE donors ALTER kind DROP DEFAULT, DROP CONSTRAINT donors_kind_check",
        ["column public.donors.kind"],
        [],
    ),
    "a right on a column": (
        "GRANT SELECT ON donors TO owner; GRANT SELECT (email) ON donors TO owner",
        ['grant column public.donors.email to "owner"'],
        [],
    ),
    "a right on a view that has to be dropped": (
        "CREATE OR REPLACE VIEW with_trigger AS SELECT id, name, slug FROM campaigns; GRANT SELECT ON with_trigger TO PUBLIC",
        ["grant view public.with_trigger to PUBLIC"],
        ["with it grant view public.with_trigger to PUBLIC, which is not to be repaired"],
    ),
    "default privileges": (
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC; DROP VIEW kinds CASCADE",
        ["grant default privileges r to PUBLIC"],
        [],
    ),
    "the index of a key": (
        "ALTER TABLE forms DROP CONSTRAINT forms_slug_key",
        ["index public.forms_slug_key"],
        ["it goes together with index public.forms_slug_key, which is to stay"],
    ),
    "the index of a renamed key": (
        "ALTER TABLE forms RENAME CONSTRAINT forms_slug_key TO x",
        ["index public.x"],
        ["it goes together with index public.x, which is to stay"],
    ),
    "a partition's own": (
        "ALTER TABLE parts DROP CONSTRAINT parts_pkey; ALTER TABLE parts DROP COLUMN note",
        ["index public.parts_2020_pkey", "column public.parts_2020.note"],
        [
            "it goes together with index public.parts_2020_pkey",
            "it goes together with column public.parts_2020.note",
            "it ",
        ],
    ),
    "another part of the parent": (
        "ALTER TABLE parts DROP CONSTRAINT parts_pkey, DROP CONSTRAINT parts_id",
        ["constraint public.parts.parts_pkey"],
        ["it goes with constraint public.parts.parts_pkey", "it goes with index public.parts_pkey"],
    ),
    "a schema": ("DROP SCHEMA tools CASCADE", ["schema tools"], ["it goes together with schema tools"]),
    "the replica identity's index": (
        "ALTER TABLE rich REPLICA IDENTITY FULL",
        ["index public.rich_serial"],
        ["it goes together with index public.rich_serial"],
    ),
    "a cluster": (
        "ALTER TABLE rich CLUSTER ON rich_serial",
        ["index public.rich_serial"],
        ["it goes together with index public.rich_serial"],
    ),
    "a right that another hangs on": (
        "GRANT SELECT ON rich TO owner WITH GRANT OPTION; SET LOCAL ROLE owner; "
        'GRANT SELECT ON public.rich TO "repair odd"; RESET ROLE',
        ['grant table public.rich to "repair odd"'],
        ["it goes together with grant table public.rich"],
    ),
    "the owner's default privileges": (
        "ALTER DEFAULT PRIVILEGES REVOKE DELETE ON TABLES FROM CURRENT_USER; DROP VIEW kinds CASCADE",
        ["grant default privileges r to owner"],
        [],
    ),
    "a policy": ("CREATE POLICY p ON rich USING (true); DROP POLICY never ON rich", ["policy public.rich.p"], []),
    "a parent's column": (
        "ALTER TABLE parts DROP COLUMN note",
        ["column public.parts.note"],
        [
            "it goes with column public.parts.note",
            "it goes with index public.parts_note",
            "it needs column public.parts.note",
        ],
    ),
    "a table that differs": (
        "ALTER TABLE rich SET (fillfactor = 10); DROP INDEX rich_lower; DROP POLICY never ON rich",
        ["table public.rich"],
        [],
    ),
    "what a dropped function is used by": (
        "DROP FUNCTION double CASCADE; CREATE FUNCTION double(a int) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 2 * a'; "
        "ALTER TABLE rich ADD CONSTRAINT rich_double CHECK (double(1) > 0)",
        ["constraint public.rich.rich_double"],
        [
            "it has to be dropped, and constraint public.rich.rich_double uses it",
            "it needs function public.double(a integer)",
        ],
    ),
    "a view that would have to be dropped": (
        "DROP VIEW by_key; CREATE VIEW by_key AS SELECT 1 AS a; ALTER TABLE donors DROP phone",
        ["view public.by_key"],
        [],
    ),
}


@pytest.mark.parametrize(("damage", "kept", "reasons"), KEPT.values(), ids=KEPT.keys())
def test_what_is_to_stay_stays_and_the_rest_is_repaired_around_it(
    database: Connection, damage: str, kept: list[str], reasons: list[str]
) -> None:
    left = dict(repaired(database, damage, kept).left)
    assert [left.pop(identity) for identity in kept] == ["known"] * len(kept)
    assert all(any(reason in why for reason in reasons) for why in left.values()), left
    assert all(any(reason in why for why in left.values()) for reason in reasons)


def test_everything_at_once(database: Connection) -> None:
    """A schema that is gone: what holds no rows comes back, and nothing that needs what does not."""
    done = repaired(database, 'DROP SCHEMA "Odd ""place""", tools CASCADE; DROP TABLE donors, donations CASCADE')
    left = dict(done.left)
    assert 'schema "Odd ""place"""' in done.repaired
    assert "view tools.v" in done.repaired
    assert left['table "Odd ""place"""."a.b"'].startswith("its rows are gone with it: restore them from a backup")
    assert left["column public.donors.email"] == "it went with table public.donors"
    assert left["index public.donors_pkey"] == "it went with table public.donors"
    assert left["view public.over_kinds"] == "it needs view public.kinds"
    assert left["function public.gifts(OUT n bigint, OUT total numeric)"] == "it needs table public.donations"


def test_every_object_can_be_asked_about(database: Connection) -> None:
    """Missing, made by hand, or of another definition: each alone and all together, there is an answer."""
    known = objects(database)
    missing = [(identity, text, None) for identity, text in known.items()]
    extra = [(identity, None, text) for identity, text in known.items()]
    for every in (missing, extra):
        for difference in every:
            done = find_repair([difference], known)
            assert [*done.repaired, *(identity for identity, _ in done.left)] == [difference[0]]
        done = find_repair(every, known)
        assert len(done.repaired) + len(done.left) == len(every)
    assert not any(statement.startswith(("DROP TABLE", "DROP SCHEMA")) for statement in done.statements)


def test_a_column_made_again_is_said_to_be_empty(database: Connection) -> None:
    database.execute("INSERT INTO donors (email, phone) VALUES ('a@x.example', '110')")
    done = repaired(database, "ALTER TABLE donors DROP COLUMN phone CASCADE, DROP COLUMN kind CASCADE")
    noted = "made again, without the values it had: those are in backups only"
    assert done.notes == (("column public.donors.kind", noted), ("column public.donors.phone", noted))
    assert database.execute("SELECT email, phone, kind FROM public.donors").fetchall() == [
        ("a@x.example", None, "person")
    ]


def test_rows_that_break_a_rule_stop_the_whole_repair(database: Connection) -> None:
    before = objects(database)
    database.execute(
        "ALTER TABLE campaigns ALTER name DROP NOT NULL; INSERT INTO campaigns (slug) VALUES ('a'); "
        "DROP INDEX donations_donated_at_idx; DROP POLICY writers ON rich"
    )
    damaged = objects(database)
    with pytest.raises(psycopg.errors.NotNullViolation), database.transaction():
        run(database, find_repair(differences(before, damaged), before))
    assert objects(database) == damaged


def test_names_made_to_break_out_of_a_statement_do_not(database: Connection) -> None:
    hostile = "p\" ON rich; DROP TABLE detail; -- '{}%s $$\\"
    database.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(hostile[:60])))
    before = objects(database)
    for text in (
        "CREATE POLICY {} ON public.rich USING (true)",
        "GRANT ALL ON public.rich, public.with_trigger TO {}",
        "GRANT UPDATE (name) ON public.campaigns TO {}",
        "GRANT CREATE ON SCHEMA public TO {}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO {}",
        "ALTER TABLE public.donors RENAME CONSTRAINT donors_kind_check TO {}",
    ):
        database.execute(sql.SQL(text).format(sql.Identifier(hostile[:60])))
    done = find_repair(differences(before, objects(database)), before)
    run(database, done)
    assert done.left == ()
    assert objects(database) == before


def test_without_the_other_objects_nothing_is_dropped_that_may_carry_something(database: Connection) -> None:
    before = objects(database)
    database.execute(
        "CREATE OR REPLACE VIEW with_trigger AS SELECT id, name, slug FROM campaigns; DROP INDEX rich_lower"
    )
    found = differences(before, objects(database))
    done = find_repair(found)
    assert done.repaired == ("index public.rich_lower",)
    assert "what else is on it is not known" in dict(done.left)["view public.with_trigger"]


def test_an_invalid_index_is_built_again(server: TestServer, healthy: Connection) -> None:
    """Outside a transaction, since CREATE INDEX CONCURRENTLY is."""
    before = objects(healthy)
    healthy.execute("DROP INDEX sums_key; ALTER TABLE forms DROP CONSTRAINT forms_slug_key")
    healthy.execute("INSERT INTO forms (slug, title) VALUES ('a', 'b'), ('a', 'c')")
    for statement in ("forms_slug_key ON forms (slug)", "sums_key ON forms (slug)"):
        with pytest.raises(psycopg.errors.UniqueViolation):
            healthy.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {statement}".encode())
    healthy.execute("DELETE FROM forms")
    healthy.execute("DROP INDEX sums_key")
    found = differences(before, objects(healthy))
    assert any(actual and actual.endswith(" INVALID") for _, _, actual in found)
    run(healthy, find_repair(found, before))
    assert objects(healthy) == before
    with server.superuser_connect(healthy.info.dbname) as admin:
        admin.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('rich_lower'::regclass, 'rich_pkey'::regclass)"
        )
    run(healthy, find_repair(differences(before, objects(healthy)), before))
    assert objects(healthy) == before


def test_what_only_a_superuser_makes_is_left(server: TestServer, healthy: Connection) -> None:
    before = objects(healthy)
    with server.superuser_connect(healthy.info.dbname) as admin:
        admin.execute("CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
        admin.execute("CREATE EVENT TRIGGER made ON ddl_command_end EXECUTE FUNCTION e()")
        found = differences(before, objects(healthy))
        admin.execute("DROP FUNCTION e CASCADE")
    done = find_repair(found, before)
    assert "RUNS ON EVERY CHANGE OF THE SCHEMA" in dict(done.left)["event trigger made"]
    assert done.statements == ()
    gone = dict(find_repair([(identity, actual, expected) for identity, expected, actual in found], before).left)
    assert gone["event trigger made"] == "only a superuser makes event triggers: by hand"


def test_what_needs_an_extension_waits_for_it(database: Connection) -> None:
    if not database.execute("SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'").fetchall():
        pytest.skip("this server has no pg_trgm: run with --pg 15")
    database.execute(
        "CREATE SCHEMA ext; CREATE EXTENSION pg_trgm SCHEMA ext; CREATE INDEX alike ON donors USING gin (email ext.gin_trgm_ops); "
        "CREATE VIEW near AS SELECT d.id FROM donors d WHERE ext.similarity(email, 'x') > 0.5 OR email OPERATOR(ext.%) 'y'"
    )
    done = repaired(database, "DROP EXTENSION pg_trgm CASCADE; DROP INDEX donations_donated_at_idx")
    assert done.repaired == ("index public.donations_donated_at_idx",)
    left = dict(done.left)
    assert left["extension pg_trgm"].startswith("CREATE EXTENSION by hand")
    assert left["index public.alike"] == left["view public.near"] == "it needs extension pg_trgm"
