"""The chain of the audit log (fault 30)."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantplan.model.audit import GENESIS, Entry, Link, broken_at


def an_entry(sequence: int) -> Entry:
    return Entry(
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
    assert all(broken_at(chain, link.hash) is None for link in chain)
    assert broken_at([], GENESIS) is None


@pytest.mark.parametrize("name", [field.name for field in fields(Entry)])
def test_every_field_is_part_of_the_hash(name: str) -> None:
    entry = an_entry(1)
    other = replace(entry, **{name: 7 if name == "sequence" else "something else"})
    assert entry.hash_after(GENESIS) != other.hash_after(GENESIS)
    assert entry.hash_after(GENESIS) != entry.hash_after("1" * 64)


@given(st.integers(1, 8), st.integers(1, 8))
def test_a_missing_entry(length: int, gone: int) -> None:
    chain = a_chain(8)
    del chain[gone - 1]
    found = broken_at(chain, a_chain(8)[-1].hash)
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
    assert broken_at(chain[:3], chain[-1].hash) == (
        4,
        "the log ends at entry 3 and does not contain the anchor: its tail was cut or rewritten",
    )
