"""Which deliveries a plan leaves at targets, where nothing replaces them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from unit.rendering.builders import a_role, an_operation

from tenantplan.model.login import MAIN_TARGET, Issued
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Row
from tenantplan.model.rowtype import ON_ITS_WAY
from tenantplan.planning.leftover_deliveries import leftover_deliveries
from tenantplan.settings.targets import TargetSpec

pytestmark = pytest.mark.once
TARGETS = {
    "files": TargetSpec(file="handed/{organization}.env", command=None, timeout_seconds=60),
    "vault": TargetSpec(file=None, command=["/bin/put"], timeout_seconds=60),
}
TOKEN = "organization/msf/secret/token"
NEW = "organization/doctors/secret/token"
FILE = "the file handed/msf.secret.token.env"


def a_secret(target: object = "files", **values: object) -> Row:
    return Row("organization_secrets", {"name": "token", "value_delivered_to": target, **values})


def left(
    *operations: Operation, issued: tuple[Issued, ...] = (), sources: Mapping[str, str] | None = None
) -> list[str]:
    """Each note up to what stays."""
    found = leftover_deliveries(operations, issued, sources or {}, TARGETS)
    assert {finding.rule for finding in found} <= {"stays-behind"}
    return [f"{finding.address}: {finding.message.partition(' stays, ')[0]}" for finding in found]


@pytest.mark.parametrize(
    ("target", "where"),
    [
        ("files", FILE),
        (f"{ON_ITS_WAY}files", FILE),
        ("vault", "msf.secret.token in target vault"),
        ("former", "msf.secret.token in target former"),  # the fleet file no longer names it
        (MAIN_TARGET, None),
        (None, None),
    ],
)
def test_what_is_deleted_for_good(target: str | None, where: str | None) -> None:
    gone = an_operation(TOKEN, "delete", a_secret(target))
    assert left(gone) == ([f"{TOKEN}: {where}"] if where else [])


def test_what_can_still_be_restored_stays_on_purpose() -> None:
    assert left(an_operation(TOKEN, "delete", a_secret(), retire=True)) == []


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [
        (a_secret(), a_secret(), False),
        (a_secret(), a_secret("vault"), True),
        (a_secret(), a_secret(None), True),
        (a_secret(), a_secret(MAIN_TARGET), True),
        (a_secret(f"{ON_ITS_WAY}files"), a_secret(), False),
        (a_secret(), a_secret(f"{ON_ITS_WAY}files"), False),
        (a_secret(), Row("organization_secrets", {"name": "token"}), False),  # it is not about the value
        (None, a_secret(), False),
    ],
)
def test_what_goes_to_another_target(before: Row | None, after: Row, stays: bool) -> None:
    assert left(an_operation(TOKEN, "update", before, after)) == ([f"{TOKEN}: {FILE}"] if stays else [])


def test_what_is_renamed() -> None:
    renamed = an_operation(NEW, "update", a_secret(), a_secret())
    assert left(renamed, sources={"organization/doctors": "organization/msf"}) == [f"{NEW}: {FILE}"]


def test_a_row_of_a_kind_that_the_fleet_declares_has_no_delivery() -> None:
    row = Row("donation_pages", {"value_delivered_to": "files"})
    assert left(an_operation("page/spring", "delete", row)) == []


def test_only_what_is_delivered_is_one() -> None:
    row = a_secret(None, value="files", note="files")
    assert left(an_operation(TOKEN, "delete", row)) == []


def test_a_license_key_of_a_tenant() -> None:
    row = Row("tenants", {"slug": "paris", "license_key_delivered_to": "files"})
    gone = an_operation("tenant/paris", "delete", row)
    assert left(gone) == ["tenant/paris: the file handed/tenant.paris.license-key.env"]


def a_login(name: str = "msf_app", target: str = "files", **changes: Any) -> Issued:
    values = {"id": "1", "holder": "organization/msf", "server": "primary", "database": "msf", "role": name}
    return Issued(**(values | {"state": "current", "target": target, "set_at": "2026-01-01T00:00:00Z"} | changes))


ROLE = "role/primary/msf_app"
PLACE = "the file handed/msf.env"


@pytest.mark.parametrize(
    ("issued", "stays"),
    [
        ((a_login(),), [PLACE]),
        ((a_login(), a_login(state="previous")), [PLACE]),
        ((a_login(), a_login(target="vault", state="pending")), [PLACE, "msf in target vault"]),
        ((a_login(target=MAIN_TARGET),), []),
        ((a_login("wwf_app"),), []),
        ((a_login(server="second"),), []),
        ((a_login(holder="organization/msf/login/read-only"),), ["the file handed/msf.read-only.env"]),
    ],
)
def test_a_login_that_is_deleted(issued: tuple[Issued, ...], stays: list[str]) -> None:
    gone = an_operation(ROLE, "delete", a_role("msf_app"))
    assert left(gone, issued=issued) == [f"{ROLE}: {place}" for place in stays]
    assert left(an_operation(ROLE, "delete", a_role("msf_app"), retire=True), issued=issued) == []


def test_a_login_that_is_renamed_or_only_changed() -> None:
    changed = an_operation(ROLE, "update", a_role("msf_app"), a_role("msf_app", connection_limit=3))
    assert left(changed, issued=(a_login(),)) == []
    new = "role/primary/doctors_app"
    renamed = an_operation(new, "update", a_role("msf_app"), a_role("doctors_app"), renamed_from=ROLE)
    assert left(renamed, issued=(a_login(), a_login("doctors_app", "vault"))) == [f"{new}: {PLACE}"]
    assert left(an_operation(new, "create", None, a_role("doctors_app")), issued=(a_login("doctors_app"),)) == []


def test_what_to_do_about_it() -> None:
    (note,) = leftover_deliveries([an_operation(TOKEN, "delete", a_secret())], (), {}, TARGETS)
    assert note.message == f"{FILE} stays, with what was delivered to it: remove it once nothing reads it"


def test_one_note_for_each_place() -> None:
    """The first operation that leaves it is the one that says so."""
    first, second = (
        an_operation(address, "delete", a_secret()) for address in (TOKEN, "organization/wwf/secret/token")
    )
    assert left(first, first, second) == [f"{TOKEN}: {FILE}", f"{second.address}: the file handed/wwf.secret.token.env"]
