"""From differences to statements, without a database: what is written, in which order, and what is left."""

from __future__ import annotations

import pytest

from tenantplan.schema.repair import PREPARE, find_repair
from tenantplan.schema.repair.names import arguments, identifier, mentions, parts, routine, speaks_of_unknown, split
from tenantplan.schema.repair.rights import privileges

INDEX = "CREATE INDEX i ON public.t USING btree (a)"


def statements(*differences: tuple[str, str | None, str | None], objects: dict[str, str] | None = None) -> list[str]:
    done = find_repair(differences, objects)
    assert done.left == ()
    assert done.statements[: len(PREPARE)] == PREPARE
    return list(done.statements[len(PREPARE) :])


def left(*differences: tuple[str, str | None, str | None], objects: dict[str, str] | None = None) -> dict[str, str]:
    return dict(find_repair(differences, objects).left)


def test_nothing_to_do_is_no_statement() -> None:
    assert find_repair([]).statements == ()
    assert find_repair([("table public.t", "", None)]).statements == ()


@pytest.mark.parametrize(
    ("expected", "actual", "written"),
    [
        ("text default 'x not null'::text", "text", "SET DEFAULT 'x not null'::text"),
        ("text", "text default 'a'::text", "DROP DEFAULT"),
        ('public."a not null" not null', 'public."a not null"', "SET NOT NULL"),
        (
            "character varying(5) default NULL::character varying",
            "character varying(5)",
            "SET DEFAULT NULL::character varying",
        ),
        (
            "text collate \"my default x\" not null default ''::text",
            "text collate \"my default x\" default ''::text",
            "SET NOT NULL",
        ),
        ("bigint not null identity always", "bigint not null identity by default", "SET GENERATED ALWAYS"),
        ("public.identity not null", "public.identity", "SET NOT NULL"),
        ("text default E'line\n default 2'::text", "text", "SET DEFAULT E'line\n default 2'::text"),
    ],
)
def test_a_column_is_altered(expected: str, actual: str, written: str) -> None:
    found = statements(('column public.t."A b"', expected, actual))
    assert found == [f'ALTER TABLE "public"."t" ALTER COLUMN "A b" {written}']


@pytest.mark.parametrize(
    ("definition", "written"),
    [
        ("text", "text"),
        ("numeric(14,2) not null default 0", "numeric(14,2) NOT NULL DEFAULT 0"),
        ('text collate "C"', 'text COLLATE "C"'),
        ("integer generated virtual default (a + 1)", "integer GENERATED ALWAYS AS ((a + 1)) VIRTUAL"),
        ("integer not null generated stored default (a + 1)", "integer NOT NULL GENERATED ALWAYS AS ((a + 1)) STORED"),
    ],
)
def test_a_column_is_made(definition: str, written: str) -> None:
    assert statements(("column public.t.c", definition, None)) == [f'ALTER TABLE "public"."t" ADD COLUMN "c" {written}']


def test_what_rows_have_lost_is_left() -> None:
    assert "every row must have one" in left(("column public.t.c", "text not null", None))["column public.t.c"]
    assert "numbers it had are gone" in left(("column public.t.c", "bigint identity always", None))["column public.t.c"]
    assert "its type differs" in left(("column public.t.c", "text", "integer"))["column public.t.c"]


def test_everything_is_removed_first_and_then_made_in_an_order_that_works() -> None:
    found = statements(
        ("constraint public.t.a_fkey", "FOREIGN KEY (a) REFERENCES public.t(b)", None),
        ("constraint public.t.t_pkey", "PRIMARY KEY (b)", "PRIMARY KEY (a)"),
        (
            "index public.t_pkey",
            "CREATE UNIQUE INDEX t_pkey ON public.t USING btree (b) OF CONSTRAINT",
            "… ON public.t USING x",
        ),
        ("column public.t.a", "integer default public.f()", None),
        ("function public.f()", "CREATE OR REPLACE FUNCTION public.f()\n RETURNS integer\n LANGUAGE sql", None),
        ("view public.v", "(a integer)  SELECT a FROM public.w", None),
        ("view public.w", "(a integer)  SELECT a FROM public.t", None),
        ("policy public.t.p", None, "AS PERMISSIVE FOR ALL TO PUBLIC USING (true)"),
    )
    assert [text.replace('"', "").split("\n")[0] for text in found] == [
        "DROP POLICY p ON public.t",
        "DROP INDEX public.t_pkey",
        "ALTER TABLE public.t DROP CONSTRAINT t_pkey",
        "CREATE OR REPLACE FUNCTION public.f()",
        "REVOKE ALL ON ROUTINE public.f() FROM PUBLIC",
        "ALTER TABLE public.t ADD COLUMN a integer DEFAULT public.f()",
        "ALTER TABLE public.t ADD CONSTRAINT t_pkey PRIMARY KEY (b)",
        "ALTER TABLE public.t ADD CONSTRAINT a_fkey FOREIGN KEY (a) REFERENCES public.t(b)",
        "CREATE VIEW public.w AS SELECT a FROM public.t",
        "CREATE VIEW public.v AS SELECT a FROM public.w",
    ]


def test_a_constraint_that_is_not_valid_is_validated() -> None:
    found = statements(("constraint public.t.c", "CHECK ((a > 0))", "CHECK ((a > 0)) NOT VALID"))
    assert found == ['ALTER TABLE "public"."t" VALIDATE CONSTRAINT "c"']


def test_definitions_that_go_round_in_circles_are_made_by_kind() -> None:
    found = statements(
        ("function public.f()", "CREATE OR REPLACE FUNCTION public.f()\n RETURNS SETOF public.v\n LANGUAGE sql", None),
        ("view public.v", "(a integer)  SELECT public.f() AS a", None),
    )
    assert len(found) == 3


@pytest.mark.parametrize(
    ("expected", "actual", "written"),
    [
        (None, "SELECT", ["REVOKE SELECT ON TABLE {t} FROM {r} CASCADE"]),
        ("SELECT", None, ["GRANT SELECT ON TABLE {t} TO {r}"]),
        ("SELECT", "DELETE, SELECT WITH GRANT OPTION", [
            "REVOKE DELETE ON TABLE {t} FROM {r} CASCADE",
            "REVOKE GRANT OPTION FOR SELECT ON TABLE {t} FROM {r} CASCADE",
        ]),
        ("DELETE, SELECT WITH GRANT OPTION", "SELECT", [
            "GRANT DELETE ON TABLE {t} TO {r}",
            "GRANT SELECT ON TABLE {t} TO {r} WITH GRANT OPTION",
        ]),
    ],
)  # fmt: skip
def test_rights_are_what_they_should_be(expected: str | None, actual: str | None, written: list[str]) -> None:
    for role, quoted in (("app", '"app"'), ('"a to ""b"', '"a to ""b"'), ("PUBLIC", "PUBLIC")):
        found = statements((f"grant table public.t to {role}", expected, actual))
        assert found == [text.format(t='"public"."t"', r=quoted) for text in written]


def test_a_revoked_table_right_gives_those_on_columns_back() -> None:
    objects = {"grant column public.t.c to app": "SELECT, UPDATE", "grant column public.t.c to other": "SELECT"}
    assert statements(("grant table public.t to app", None, "SELECT"), objects=objects) == [
        'REVOKE SELECT ON TABLE "public"."t" FROM "app" CASCADE',
        'GRANT SELECT ("c") ON TABLE "public"."t" TO "app"',
    ]


def test_rights_that_cannot_be_told_are_left() -> None:
    assert left(("grant table public.t to a dropped role", None, "SELECT"))
    assert left(("grant table public.t to app", None, "SELECT ON x TO y; DROP TABLE z; --"))
    assert left(("grant default privileges x to app", None, "SELECT"))
    assert left(("grant default privileges r of other to app", None, "SELECT"))


def test_default_privileges() -> None:
    assert statements(("grant default privileges r in public to app", "SELECT", None)) == [
        'ALTER DEFAULT PRIVILEGES IN SCHEMA "public" GRANT SELECT ON TABLES TO "app"'
    ]
    assert statements(("grant default privileges f to PUBLIC", "none", None)) == [
        "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC CASCADE"
    ]
    assert statements(("grant default privileges f to PUBLIC", None, "none")) == [
        "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC"
    ]


def test_an_extra_policy_that_lets_nobody_in_is_left() -> None:
    assert left(("policy public.t.p", None, "AS RESTRICTIVE FOR ALL TO PUBLIC USING (false)"))


def test_what_was_renamed_is_renamed_back() -> None:
    done = find_repair([("index public.i", INDEX, None), ("index public.j", None, INDEX.replace(" i ", " j "))])
    assert done.statements[-1] == 'ALTER INDEX "public"."j" RENAME TO "i"'
    assert (done.repaired, done.left) == (("index public.i", "index public.j"), ())
    made = find_repair(
        [("index public.i", INDEX, None), ("index public.j", None, INDEX.replace("(a)", "(b)").replace(" i ", " j "))]
    )
    assert made.statements[-1] == INDEX
    assert made.repaired == ("index public.i",)


def test_what_needs_something_left_is_left_as_well() -> None:
    found = left(
        ("table public.gone", "", None),
        ("index public.gone_idx", "CREATE INDEX gone_idx ON public.gone USING btree (a)", None),
        ("constraint public.t.fk", "FOREIGN KEY (a) REFERENCES public.gone(id)", None),
        ("view public.v", "(a integer)  SELECT a FROM public.gone", None),
        ("view public.w", "(a integer)  SELECT a FROM public.v", None),
        ("grant view public.w to app", "SELECT", None),
    )
    assert found["index public.gone_idx"] == "it went with table public.gone"
    assert found["constraint public.t.fk"] == found["view public.v"] == "it needs table public.gone"
    assert found["view public.w"] == "it needs view public.v"
    assert found["grant view public.w to app"] == "it needs view public.w"


def test_a_functions_body_is_not_looked_into() -> None:
    head = "CREATE OR REPLACE FUNCTION public.f()\n RETURNS integer\n LANGUAGE sql\n"
    body = f"{head}AS $function$ SELECT 1 FROM public.gone $function$"
    done = find_repair([("table public.gone", "", None), ("function public.f()", body, None)])
    assert done.repaired == ("function public.f()",)


def test_names_are_read_strictly() -> None:
    assert parts('public."a.""b".c') == ["public", '"a.""b"', "c"]
    assert identifier('public."a.""b"').as_string() == '"public"."a.""b"'
    assert split('public."a.b".c') == ('public."a.b"', "c")
    assert arguments('s.f(a integer, "b, c" numeric)') == ["a integer", '"b, c" numeric']
    assert routine('s."F"(VARIADIC a integer[])').as_string() == '"s"."F"(VARIADIC a integer[])'
    for text in ("a; DROP TABLE b", 'a"', '"a', '""', "A", "a..b", "a.b c", ""):
        assert parts(text) == []
        with pytest.raises(ValueError):
            identifier(text)
    for text in ("s.f(a); DROP TABLE b; --)", "s.f(a'b)", "f()", "s.f(a) x"):
        with pytest.raises(ValueError):
            routine(text)
    with pytest.raises(ValueError):
        split("alone")


def test_names_are_found_whole() -> None:
    assert mentions("SELECT a FROM public.t", ["public.t", "a"])
    assert mentions('SELECT FROM public."a+b"', ['public."a+b"'])
    for text in ("publicxt", "public.tt", 'public."t"', "xpublic.t", 'public.t"'):
        assert not mentions(text, ["public.t"])
    assert speaks_of_unknown("USING gin (a ext.gin_ops)", "ext", {"ext.f"})
    assert speaks_of_unknown("a OPERATOR(ext.%) b", "ext", {"ext.f"})
    assert not speaks_of_unknown("ext.f(x) + my.ext.g", "ext", {"ext.f"})


def test_privileges_are_read() -> None:
    assert privileges("SELECT, SELECT WITH GRANT OPTION, INSERT") == {"SELECT": True, "INSERT": False}
    assert privileges("none", ["SELECT"]) == {}
    assert privileges(None, ["SELECT"]) == {"SELECT": False}
