"""A renamed organization whose document does not say so is recognised, and a `renamedFrom` that fits nothing is named."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

MSF = "contact: { email: ops@msf.example }\nmembers: [ { user: anna@x.example, role: AGENCY_ADMIN } ]"


@pytest.fixture
def applied(fleet: Fleet) -> Fleet:
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: AGENCY_ADMIN }")
    fleet.organization("msf", MSF, labels={"region": "eu"})
    fleet.organization("acme")
    fleet.apply()
    return fleet


def notes(fleet: Fleet) -> dict[tuple[str, str], str]:
    return {(n["address"], n["rule"]): n["message"] for n in fleet.plan()["notes"]}


@pytest.mark.parametrize(
    ("body", "labels", "common"),
    [
        (MSF, {"region": "eu"}, "contact and members and labels"),
        ("contact: { email: ops@msf.example }", {}, "contact"),
        ("displayName: Msf", {"region": "eu"}, "display name and labels"),
        ("displayName: Msf", {}, "display name"),
    ],
)
def test_a_rename_without_its_line(applied: Fleet, body: str, labels: dict[str, str], common: str) -> None:
    applied.remove("Organization", "msf")
    body = body if body.startswith("displayName") else f"displayName: Doctors\n{body}"
    applied.document("Organization", "doctors", body, labels=labels)
    assert notes(applied) == {
        ("organization/doctors", "likely-rename"): "looks like organization/msf, which no document declares"
        f" (the same {common}). If it is that organization under a new name, add `renamedFrom: msf` to the metadata of"
        " tenants/organization-doctors.yaml:1; as it is, an empty one is made beside it"
    }
    assert "add `renamedFrom: msf`" in applied.run("plan").out
    applied.document("Organization", "doctors", body, labels=labels, renamedFrom="msf")
    assert "update organization/doctors" in applied.operations()
    assert notes(applied) == {}


def test_what_has_nothing_in_common_is_new(applied: Fleet) -> None:
    applied.remove("Organization", "msf")
    applied.organization("other", "contact: { email: else@x.example }")
    assert notes(applied) == {}
    applied.organization("other", labels={"region": "eu"})  # which many have
    assert notes(applied) == {}


def test_what_is_still_declared_was_not_renamed(applied: Fleet) -> None:
    applied.organization("doctors", "contact: { email: ops@msf.example }")
    assert notes(applied) == {}


def test_a_renamed_from_that_fits_nothing(applied: Fleet) -> None:
    applied.remove("Organization", "msf")
    applied.organization("doctors", renamedFrom="mfs")
    ((where, message),) = notes(applied).items()
    assert where == ("organization/doctors", "renamed-from-nothing")
    assert (
        message.startswith("says renamedFrom: mfs, and no organization of this fleet is called that")
        and "msf" in message
    )
    applied.organization("doctors", renamedFrom="msf")
    applied.apply()
    assert notes(applied) == {}  # the line has done its work and may stay
