"""The chain of the audit log."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantplan.model.audit import GENESIS, Anchor, AuditEntry, Link, broken_at


def an_entry(sequence: int) -> AuditEntry:
    return AuditEntry(
        sequence, f"2026-11-20T20:00:{sequence:02}.000000+00:00", "run", "anna", "c0ffee", "d1", f"organization/o{sequence}",
        "create", "organization/x", None, '{"a":1}', "done", None,
    )  # fmt: skip


def a_chain(length: int) -> list[Link]:
    links: list[Link] = []
    previous = GENESIS
    for sequence in range(1, length + 1):
        entry = an_entry(sequence)
        links.append(Link(entry, previous, entry.hash_after(previous)))
        previous = links[-1].hash
    return links


def test_whole() -> None:
    chain = a_chain(5)
    assert broken_at([]) is None
    assert broken_at(chain) is None
    assert all(broken_at(chain, [Anchor(link.hash)]) is None for link in chain)
    assert broken_at([], [Anchor(GENESIS), Anchor(GENESIS, 0)]) is None


@pytest.mark.parametrize("name", [field.name for field in fields(AuditEntry)])
def test_every_field_is_part_of_the_hash(name: str) -> None:
    entry = an_entry(1)
    changed: dict[str, Any] = {name: 7 if name == "sequence" else "something else"}
    other = replace(entry, **changed)
    assert entry.hash_after(GENESIS) != other.hash_after(GENESIS)
    assert entry.hash_after(GENESIS) != entry.hash_after("1" * 64)


@given(st.integers(1, 8), st.integers(1, 8))
def test_a_missing_entry(length: int, gone: int) -> None:
    chain = a_chain(8)
    del chain[gone - 1]
    found = broken_at(chain, [Anchor(a_chain(8)[-1].hash)])
    assert found is not None
    assert found[0] == gone or gone == 8


@given(st.permutations(range(6)))
def test_any_other_order(order: list[int]) -> None:
    chain = a_chain(6)
    found = broken_at([chain[i] for i in order])
    first = next((n for n, i in enumerate(order) if n != i), None)
    assert (found is None) == (first is None)
    assert found is None or first is None or found[0] <= first + 1


def test_a_cut_tail_needs_the_anchor() -> None:
    chain = a_chain(5)
    assert broken_at(chain[:3]) is None
    assert broken_at(chain[:3], [Anchor(chain[-1].hash)]) == (
        4,
        "the log ends at entry 3 and does not contain the anchor: its tail was cut or rewritten",
    )


def test_an_anchor_with_its_sequence_names_where_a_log_was_rewritten() -> None:
    old, new = a_chain(6), a_chain(3)
    for sequence in (4, 5, 6):
        entry = replace(an_entry(sequence), actor="nobody")
        new.append(Link(entry, new[-1].hash, entry.hash_after(new[-1].hash)))
    noted = [Anchor(link.hash, link.entry.sequence) for link in old]
    assert broken_at(old, noted) is None and broken_at(new) is None
    assert broken_at(new, noted) == (4, "is not the entry that an anchor names: the log was rewritten after entry 3")
    assert broken_at(new, noted[5:]) == (
        6,
        "is not the entry that an anchor names: the log was rewritten after entry 0",
    )
    assert broken_at(new, noted[:3]) is None
    assert (broken_at(old[:5], noted) or (0,))[0] == 6
    assert (broken_at(old, [Anchor(new[5].hash, 6), noted[5]]) or (0,))[0] == 6  # two that contradict each other
    assert (broken_at(old, [Anchor(new[5].hash)]) or (0,))[0] == 7
