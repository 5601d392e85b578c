"""Documents that need each other, so that none of them could be made first."""

from __future__ import annotations

import time
from pathlib import Path

from unit.manifest.documents import a_document, a_kind, a_team, a_user, an_organization, desired, firsts, problems

NEXT = "next: {{ type: reference, kind: {kind} }}"


def linked(kind: str, name: str, to: str | None = None) -> str:
    return a_document(kind, name, f"next: {to}" if to else "")


def test_a_document_that_refers_to_itself(tmp_path: Path) -> None:
    found = problems(tmp_path, a_kind("Page", NEXT.format(kind="Page")), linked("Page", "home", "home"))
    assert firsts(found) == ["a.yaml:10:15: Page `home` refers to itself"]


def test_two_of_one_kind(tmp_path: Path) -> None:
    (found,) = problems(
        tmp_path, a_kind("Page", NEXT.format(kind="Page")), linked("Page", "a", "b"), linked("Page", "b", "a")
    )
    assert found.startswith(
        "a.yaml:15:15: a cycle: Page `a` at a.yaml:9:19 -> Page `b` at a.yaml:14:19 -> Page `a`: none of them can be made first"
    )
    assert found.endswith("remove one of the references")


def test_three_kinds_of_the_fleets_own(tmp_path: Path) -> None:
    kinds = [a_kind(kind, NEXT.format(kind=other)) for kind, other in (("Aa", "Bb"), ("Bb", "Cc"), ("Cc", "Aa"))]
    (found,) = problems(
        tmp_path, *kinds, x=linked("Aa", "one", "two"), y=linked("Bb", "two", "three"), z=linked("Cc", "three", "one")
    )
    assert found.startswith(
        "z.yaml:5:15: a cycle: Aa `one` at x.yaml:4:19 -> Bb `two` at y.yaml:4:19 -> Cc `three` at z.yaml:4:19 -> Aa `one`"
    )


def test_each_cycle_is_reported_once(tmp_path: Path) -> None:
    chains = (("e", "a"), ("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"), ("f", "d"))
    found = problems(tmp_path, a_kind("Page", NEXT.format(kind="Page")), *(linked("Page", *pair) for pair in chains))
    assert [line.split(": ")[1] for line in firsts(found)] == ["a cycle", "a cycle"]
    assert not any("`e`" in line or "`f`" in line for line in firsts(found))  # they lead there, and are no part of it


def test_a_diamond_and_a_chain_are_none(tmp_path: Path) -> None:
    columns = "left: { type: reference, kind: Page }, right: { type: reference, kind: Page }"
    pages = [a_document("Page", "top", "left: l, right: r"), a_document("Page", "l", "left: end")]
    pages += [a_document("Page", "r", "left: end"), a_document("Page", "end")]
    assert len(desired(tmp_path, a_kind("Page", columns), *pages).state) == 4


def test_an_owner_inside_the_organization_is_none(tmp_path: Path) -> None:
    """The owner is filled in after both were made."""
    found = desired(tmp_path, an_organization("acme", "owner: anna@x.org"), a_user(spec="organization: acme"))
    assert {"organization/acme", "user/anna@x.org"} <= found.state.keys()


def test_what_is_nested_is_none(tmp_path: Path) -> None:
    """A membership is a row of its own, made after both."""
    members = "members: [{ user: anna@x.org, role: CLIENT_EDITOR }]"
    found = desired(tmp_path, an_organization("acme", members), a_user(spec="organization: acme"))
    assert "organization/acme/member/anna@x.org" in found.state
    shares = "owner: web, provider: s3, shares: [{ team: ops, access: ADMIN }]"
    teams = a_team("web", organization="acme"), a_team("ops", organization="acme")
    assert (
        "bucket/media/share/ops"
        in desired(tmp_path, an_organization(), *teams, a_document("Bucket", "media", shares)).state
    )


def test_what_is_deleted_is_in_no_way(tmp_path: Path) -> None:
    gone = a_document("Page", "b", "next: a, state: deleted")
    found = problems(tmp_path, a_kind("Page", NEXT.format(kind="Page")), linked("Page", "a", "b"), gone)
    assert firsts(found) == ["a.yaml:10:15: Page `b` is declared `state: deleted` at a.yaml:15:25"]


def test_a_long_chain_is_walked_quickly(tmp_path: Path) -> None:
    """5000 documents in a row: deeper than Python's stack, and every step must not look at all before it."""
    pages = [linked("Page", f"p{n}", f"p{n + 1}" if n < 4999 else None) for n in range(5000)]
    started = time.monotonic()
    assert len(desired(tmp_path, a_kind("Page", NEXT.format(kind="Page")), *pages).state) == 5000
    assert time.monotonic() - started < 20
