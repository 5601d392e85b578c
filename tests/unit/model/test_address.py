"""Addresses, scopes and stamps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tenantplan.model import address, stamp
from tenantplan.model.resource import Database, Package, Role, Row


def test_owners_and_scopes() -> None:
    row = Row("organization_members", {})
    assert address.document("organization/msf/member/anna@x.org") == "organization/msf"
    assert address.owner("organization/msf/member/anna@x.org", row) == "organization/msf"
    assert address.owner("tenant/a/license/x", row) == "tenant/a"
    held = Database("primary", "d", holder="organization/msf")
    assert address.owner("database/primary/d", held) == address.scope("database/primary/d", held) == "organization/msf"
    assert address.scope("role/primary/tenantplan_rw", Role("primary", "tenantplan_rw")) == "fleet"
    assert address.scope("user/anna@x.org", Row("users", {})) == "fleet"
    assert address.package("2.4.0") == "package/2.4.0"
    package = Package("2.4.0", "main:", "k", 1, "aa", holder="release/node")
    assert address.owner("package/2.4.0", package) == "release/node"


def test_renamed() -> None:
    renames = {"organization/a": "organization/b", "role/primary/x": "role/primary/y"}
    assert address.renamed("organization/a", renames) == "organization/b"
    assert address.renamed("organization/a/member/u", renames) == "organization/b/member/u"
    assert address.renamed("organization/ab", renames) == "organization/ab"
    assert address.renamed("role/primary/x", renames) == "role/primary/y"


@given(st.dictionaries(st.text(max_size=8), st.none() | st.text(max_size=8), max_size=4))
def test_a_stamp_there_and_back(facts: dict[str, str | None]) -> None:
    assert stamp.decode(stamp.encode(facts)) == {k: v for k, v in facts.items() if v is not None}


def test_what_is_no_stamp() -> None:
    for comment in (
        None,
        "",
        "tenantplan",
        "tenantplan {",
        "tenantplan []",
        "tenantplan 1",
        "my database",
        " tenantplan {}",
    ):
        assert stamp.decode(comment) == {}
