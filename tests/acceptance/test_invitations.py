"""Invitations, whose outcome belongs to the application."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

_FACTS = "SELECT email, role::text, status::text, expires_at::date::text FROM invitations"


def invite(fleet: Fleet, body: str) -> None:
    fleet.document("Invitation", "nora", f"{{ organization: msf, email: nora@x.example, {body} }}")


def a_fleet(fleet: Fleet) -> None:
    fleet.organization("msf")
    fleet.document("User", "anna@x.example", "{ displayName: A, role: AGENCY_ADMIN }")
    fleet.document("Team", "field", "{ organization: msf, displayName: Field }")
    invite(fleet, "role: CLIENT_EDITOR, team: field, invitedBy: anna@x.example, expiresAt: 2027-01-31")
    fleet.apply()


def test_an_invitation_is_made_and_follows_the_yaml(fleet: Fleet) -> None:
    a_fleet(fleet)
    assert fleet.rows(_FACTS) == [("nora@x.example", "CLIENT_EDITOR", "PENDING", "2027-01-31")]
    names = (
        "SELECT t.slug, u.email FROM invitations i JOIN teams t ON t.id = team_id JOIN users u ON u.id = invited_by_id"
    )
    assert fleet.rows(names) == [("field", "anna@x.example")]
    fleet.converged()
    invite(fleet, "role: AGENCY_DEVELOPER")
    fleet.apply()
    assert fleet.rows(_FACTS) == [("nora@x.example", "AGENCY_DEVELOPER", "PENDING", None)]
    fleet.converged()


def test_what_became_of_it_is_the_applications(fleet: Fleet) -> None:
    a_fleet(fleet)
    fleet.execute("UPDATE invitations SET status = 'ACCEPTED', accepted_at = now()")
    fleet.converged()
    fleet.run("drift")
    invite(fleet, "role: AGENCY_ADMIN, status: REVOKED")
    fleet.apply()
    assert fleet.rows(_FACTS) == [("nora@x.example", "AGENCY_ADMIN", "ACCEPTED", None)]
    fleet.converged()


def test_a_withdrawn_invitation_is_gone(fleet: Fleet) -> None:
    a_fleet(fleet)
    invite(fleet, "role: CLIENT_EDITOR, state: deleted")
    fleet.apply("--allow-deletes", "1")
    assert fleet.rows(_FACTS) == []
    fleet.converged()


def test_nobody_is_invited_to_a_team_of_another_organization(fleet: Fleet) -> None:
    a_fleet(fleet)
    fleet.organization("unicef")
    fleet.document("Team", "field", "{ organization: unicef, displayName: Field }")
    error = fleet.run("validate", code=1).err
    assert "Team `field` belongs to organization `unicef`, this Invitation to `msf`" in error
    assert error.count("1 problem;") == 1
