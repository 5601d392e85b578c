"""What organizations have left, by a change of mode, server, database or name."""

from __future__ import annotations

from dataclasses import replace

from unit.planning.builders import a_database, a_dedicated, an_organization, difference, live, wanted

from tenantplan.model.resource import Database, Role, Row


def test_logins_of_a_former_place_are_closed_and_its_database_admits_none() -> None:
    state = live(a_dedicated(server="eu-1"))
    found = {c.address: c.after for c in difference(wanted(an_organization()), state).changes}
    login, database = found["role/eu-1/o_msf_app"], found["database/eu-1/o_msf"]
    assert isinstance(login, Role) and login.login is False
    assert isinstance(database, Database) and database.connect == ()
    assert found.keys() == {"organization/msf", "role/eu-1/o_msf_app", "database/eu-1/o_msf"}


def test_what_is_closed_already_is_no_change() -> None:
    former = {a: r for a, r in a_database("else", connect=()).items() if "_app" not in a}
    held = {a: replace(r, holder="organization/msf") for a, r in former.items() if not isinstance(r, Row)}
    state = live(an_organization(), held)
    assert difference(wanted(an_organization()), state).changes == ()


def test_it_goes_along_with_a_rename() -> None:
    state = live(a_dedicated())
    renames = {"organization/msf": "organization/doctors"}
    found = difference(wanted(an_organization("doctors"), renames=renames), state)
    after = {c.address: c.after for c in found.changes}
    for address in ("role/primary/o_msf_app", "role/primary/o_msf_owner", "database/primary/o_msf"):
        assert getattr(after[address], "holder", None) == "organization/doctors"


def test_what_belongs_to_an_organization_that_is_not_declared_stays_open() -> None:
    """Absence closes nothing."""
    assert difference(wanted(), live(a_dedicated())).changes == ()
