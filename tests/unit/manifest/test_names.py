"""Names that imitate, hide, inject or collide, as far as the validator sees them."""

from __future__ import annotations

import pytest

from tenantplan.manifest.names import database_problem, derive, email_problem, name_problem


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("\u0430cme", "(U+0430 CYRILLIC SMALL LETTER A)"),
        ("\uff41cme", "(U+FF41 FULLWIDTH LATIN SMALL LETTER A)"),
        ("acme\n", "U+000A line break"),
        ("ac\u202eme", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ('a";DROP DATABASE x', "U+0020 SPACE"),
        ('a";DROP', "lower-case letters, digits and hyphens"),
        ("a\0b", "U+0000 NUL"),
        ("host=evil", "lower-case letters"),
        ("-Fc", "lower-case letters"),
        ("acme-", "lower-case letters"),
        ("Acme", "lower-case letters"),
        ("pg_x", "lower-case letters"),
        ("template1", "PostgreSQL's own"),
        ("postgres", "PostgreSQL's own"),
        ("", "cannot be empty"),
        ("a" * 64, "at most 63 characters; this has 64"),
        ("a/b", "lower-case letters"),
    ],
)
def test_hostile_names(name: str, part: str) -> None:
    wrong = name_problem(name)
    assert wrong is not None and part in wrong
    assert "\u202e" not in wrong and "\n" not in wrong and "\0" not in wrong
    assert email_problem(name) is not None


@pytest.mark.parametrize("name", ["a", "croix-rouge", "0x", "a--b", "a" * 63])
def test_good_names(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize("email", ["anna@x.org", "Anna.B+tag@mail.x-y.example", "root@localhost"])
def test_good_emails(email: str) -> None:
    assert email_problem(email) is None


@pytest.mark.parametrize(
    "email", ["anna", "a@b@c.org", "a b@c.org", "a@", "@c.org", ".a@c.org", "a@-c.org", "a/b@c.org",
     "\u0430@x.org", "a" * 65 + "@x"]
)  # fmt: skip
def test_bad_emails(email: str) -> None:
    assert email_problem(email) is not None


@pytest.mark.parametrize(
    "name",
    ["postgres", "template0", "template1", "pg_x", "tp_new_1", "tp_template_a", "tp_deleted_x", "A", "a-b", "1a", "", "a" * 64,
     'a";DROP', "a\0b", "host=evil", "-Fc", "acme\n", "\u0430cme"],
)  # fmt: skip
def test_bad_database_names(name: str) -> None:
    assert database_problem(name) is not None


def test_derived_names() -> None:
    assert derive("tenantplan_org_", "croix-rouge") == "tenantplan_org_croix_rouge"
    assert derive("p_", "a", "_owner") == "p_a_owner"
    exact = derive("p_", "a" * 61)
    assert exact == "p_" + "a" * 61


def test_long_derived_names_are_cut_and_stay_apart() -> None:
    one, two = derive("tenantplan_org_", "a" * 62 + "b"), derive("tenantplan_org_", "a" * 62 + "c")
    assert len(one) == len(two) == 63
    assert one != two
    roles = {derive("", name, suffix) for name in (one, two) for suffix in ("_owner", "_app", "_ro")}
    assert len(roles) == 6
    assert all(len(role.encode()) <= 63 for role in roles)
    assert derive("", one, "_owner").endswith("_owner")
