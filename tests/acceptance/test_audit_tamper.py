"""The audit log only grows, and what a superuser does to it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from acceptance.harness import Fleet

from tenantplan.journal.read import Conditions, read_entries
from tenantplan.model.audit import GENESIS, Link

pytestmark = pytest.mark.once

ANOTHER = "f" * 64


@pytest.fixture
def log(fleet: Fleet) -> Fleet:
    """A fleet with a log of some twenty entries by two runs."""
    fleet.organization("acme")
    fleet.organization("msf", "modules: { a: {}, b: {}, c: {}, d: {} }")
    fleet.apply()
    fleet.organization("acme", "contact: { phone: '1' }")
    fleet.apply()
    return fleet


def verify(fleet: Fleet, *anchors: str) -> dict[str, Any]:
    """What `audit verify` finds; its exit code agrees."""
    given = [word for anchor in anchors for word in ("--anchor", anchor)]
    result = fleet.run("audit", "verify", "--json", *given, code=None)
    found: dict[str, Any] = result.json
    assert result.code == (0 if found["ok"] else 1)
    assert result.err == ""
    return found


def first_bad(fleet: Fleet, *anchors: str) -> int | None:
    found = verify(fleet, *anchors)
    return None if found["ok"] else int(found["broken"]["sequence"])


def tamper(fleet: Fleet, *statements: str) -> None:
    """Statements of a superuser who has switched the triggers off."""
    with fleet.connect() as superuser, superuser.transaction():
        superuser.execute("ALTER TABLE tenantplan.audit_log DISABLE TRIGGER ALL")
        for statement in statements:
            superuser.execute(statement.encode())


@contextmanager
def restored(fleet: Fleet) -> Iterator[None]:
    """The log as it was, afterwards."""
    fleet.execute("CREATE TABLE tenantplan.kept AS SELECT * FROM tenantplan.audit_log")
    fleet.execute("CREATE TABLE tenantplan.kept_head AS SELECT * FROM tenantplan.audit_head")
    yield
    tamper(fleet, "TRUNCATE tenantplan.audit_log", "INSERT INTO tenantplan.audit_log SELECT * FROM tenantplan.kept",
           "TRUNCATE tenantplan.audit_head", "INSERT INTO tenantplan.audit_head SELECT * FROM tenantplan.kept_head",
           "DROP TABLE tenantplan.kept, tenantplan.kept_head")  # fmt: skip


def kept(fleet: Fleet, name: str, *command: str) -> str:
    """The path of a file with what a command printed, as somebody would keep it outside the database."""
    return str(fleet.write(name, fleet.run("audit", *command).out))


def head_to(sequence: str) -> str:
    return (
        "UPDATE tenantplan.audit_head h SET sequence = l.sequence, hash = l.hash FROM tenantplan.audit_log l"
        f" WHERE l.sequence = {sequence}"
    )


def test_an_untouched_log_is_whole(log: Fleet) -> None:
    found = verify(log)
    assert found["ok"] and found["entries"] >= 9
    assert verify(log, found["head"])["ok"]
    assert verify(log, log.rows("SELECT hash FROM tenantplan.audit_log WHERE sequence = 3")[0][0])["ok"]
    assert found["head"] in log.run("audit", "verify").out


CHANGES = (
    "at = at + interval '1 microsecond'",
    "at = 'infinity'",
    "at = '-infinity'",
    "at = (to_char(at, 'YYYY-MM-DD HH24:MI:SS.USOF') || ' BC')::timestamptz",
    "at = at + interval '10000 years'",
    "at = at - interval '2000 years'",
    "run_id = NULL",
    "actor = 'somebody else'",
    "commit = 'abc'",
    "plan_digest = repeat('0', 64)",
    "address = 'organization/other'",
    "action = 'delete'",
    "organization = 'organization/other'",
    "before = '{}'",
    "after = NULL",
    "after = (after::text || ' ')::json",
    "result = 'failed'",
    "detail = 'a word'",
    "hash = upper(hash)",
    "previous_hash = repeat('0', 64)",
)


def test_an_edited_entry_is_named(log: Fleet) -> None:
    anchor = verify(log)["head"]
    for change in CHANGES:
        with restored(log):
            tamper(log, f"UPDATE tenantplan.audit_log SET {change} WHERE sequence = 5")
            assert first_bad(log) == first_bad(log, anchor) == 5, change
            assert "entry 5" in log.run("audit", "verify", code=1).out
    assert first_bad(log) is None


@pytest.mark.parametrize(
    "moved",
    [
        "(to_char(at, 'YYYY-MM-DD HH24:MI:SS.USOF') || ' BC')::timestamptz",
        "at - interval '1 year'",
        "'infinity'",
        "'-infinity'",
    ],
)
def test_a_date_that_was_moved_hides_nothing_unseen(log: Fleet, moved: str) -> None:
    first = log.rows("SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM tenantplan.audit_log LIMIT 1")[0][0]
    whole = log.run("audit", "list", "--since", first).out
    tamper(log, f"UPDATE tenantplan.audit_log SET at = {moved} WHERE sequence = 5")
    for command in ("list", "export"):
        for condition in (("--since", first), ("--until", "2999-01-01")):
            result = log.run("audit", command, *condition, code=1)
            assert "broken at entry 5" in result.err and "may be missing" in result.err
    assert log.run("audit", "list", "--since", first, code=1).out != whole
    assert first_bad(log) == 5


MOVES = {
    "delete": (4, ["DELETE FROM tenantplan.audit_log WHERE sequence = 4"]),
    "delete the first": (1, ["DELETE FROM tenantplan.audit_log WHERE sequence = 1"]),
    "delete several": (3, ["DELETE FROM tenantplan.audit_log WHERE sequence BETWEEN 3 AND 6"]),
    "swap": (
        4,
        [
            "UPDATE tenantplan.audit_log SET sequence = -4 WHERE sequence = 4",
            "UPDATE tenantplan.audit_log SET sequence = 4 WHERE sequence = 6",
            "UPDATE tenantplan.audit_log SET sequence = 6 WHERE sequence = -4",
        ],
    ),
    "close the gap": (
        4,
        [
            "DELETE FROM tenantplan.audit_log WHERE sequence = 4",
            "UPDATE tenantplan.audit_log SET sequence = -sequence WHERE sequence > 4",
            "UPDATE tenantplan.audit_log SET sequence = -sequence - 1 WHERE sequence < 0",
            head_to("(SELECT max(sequence) FROM tenantplan.audit_log)"),
        ],
    ),
    "renumber": (1, ["UPDATE tenantplan.audit_log SET sequence = 0 WHERE sequence = 1"]),
}


def test_deleted_and_reordered_entries_are_named(log: Fleet) -> None:
    anchor = verify(log)["head"]
    for name, (bad, statements) in MOVES.items():
        with restored(log):
            tamper(log, *statements)
            assert first_bad(log) == first_bad(log, anchor) == bad, name
    assert first_bad(log) is None


def test_a_cut_tail_is_named(log: Fleet) -> None:
    found = verify(log)
    last, anchor, line = found["entries"], found["head"], kept(log, "head.txt", "anchor")
    cut = f"DELETE FROM tenantplan.audit_log WHERE sequence > {last - 2}"
    with restored(log):
        tamper(log, cut)
        assert first_bad(log) == first_bad(log, anchor) == last - 1
        tamper(log, head_to(str(last - 2)))
        assert first_bad(log) is None  # nothing inside the database can tell
        assert first_bad(log, anchor) == first_bad(log, line) == first_bad(log, ANOTHER, line) == last - 1
    with restored(log):
        tamper(log, "TRUNCATE tenantplan.audit_log")
        assert first_bad(log) == first_bad(log, anchor) == 1
        tamper(log, f"UPDATE tenantplan.audit_head SET sequence = 0, hash = '{GENESIS}'")
        assert first_bad(log) is None
        assert first_bad(log, anchor) == first_bad(log, line) == 1
    assert first_bad(log, anchor, line) is None


def test_a_log_without_its_head_row_is_broken(log: Fleet) -> None:
    tamper(log, "DELETE FROM tenantplan.audit_head")
    assert first_bad(log) is not None


def _rewritten(links: list[Link], start: int, change: Callable[[Link], Link]) -> list[Link]:
    """The chain with one entry changed and every later hash recomputed, as a patient superuser would."""
    result = links[: start - 1]
    previous = result[-1].hash if result else GENESIS
    for link in [change(links[start - 1]), *links[start:]]:
        result.append(Link(link.entry, previous, link.entry.hash_after(previous)))
        previous = result[-1].hash
    return result


def rewrite(fleet: Fleet, start: int, change: Callable[[Link], Link]) -> None:
    """One entry changed, every later hash and the head computed anew."""
    with fleet.connect() as superuser, superuser.transaction():
        forged = _rewritten(list(read_entries(superuser, Conditions())), start, change)
        superuser.execute("ALTER TABLE tenantplan.audit_log DISABLE TRIGGER ALL")
        for link in forged:
            superuser.execute(
                "UPDATE tenantplan.audit_log SET actor = %s, previous_hash = %s, hash = %s WHERE sequence = %s",
                [link.entry.actor, link.previous_hash, link.hash, link.entry.sequence],
            )
        superuser.execute("UPDATE tenantplan.audit_head SET hash = %s", [forged[-1].hash])


def test_a_log_rewritten_with_good_hashes_is_found_by_the_anchor(log: Fleet) -> None:
    found = verify(log)
    last, anchor = found["entries"], found["head"]
    early = log.write("early.txt", "\n".join(f"{row[0]}" for row in log.rows(
        "SELECT hash FROM tenantplan.audit_log WHERE sequence IN (2, 4)")))  # fmt: skip
    line, everything = kept(log, "head.txt", "anchor"), kept(log, "log.jsonl", "export")
    with restored(log):
        rewrite(log, 5, lambda link: replace(link, entry=replace(link.entry, actor="nobody")))
        assert first_bad(log) is None
        assert first_bad(log, str(early)) is None
        assert first_bad(log, anchor) is not None
        assert first_bad(log, line) == first_bad(log, line, str(early)) == last
        assert first_bad(log, everything) == first_bad(log, everything, line) == 5  # every entry is an anchor
        assert "rewritten after entry 4" in verify(log, everything)["broken"]["reason"]
        assert "broken at entry 5" in log.run("audit", "verify", "--anchor", everything, code=1).out
    assert first_bad(log, anchor, line, everything, str(early)) is None


def test_a_log_replaced_by_another_whole_one(log: Fleet) -> None:
    """All entries thrown away and a chain of fewer begun at 1, as if the fleet had never done more."""
    line, everything = kept(log, "head.txt", "anchor"), kept(log, "log.jsonl", "export")
    last = verify(log)["entries"]
    tamper(log, "DELETE FROM tenantplan.audit_log WHERE sequence > 6", head_to("6"))
    rewrite(log, 1, lambda link: replace(link, entry=replace(link.entry, actor="nobody"), previous_hash=GENESIS))
    assert first_bad(log) is None and last > 7
    assert first_bad(log, everything) == 1
    assert first_bad(log, line) == 7


def test_an_anchor_is_a_hash(log: Fleet) -> None:
    assert "not a hash" in log.run("audit", "verify", "--anchor", "abc", code=1).err
    assert first_bad(log, ANOTHER) is not None


def test_apply_goes_on_writing_after_a_broken_entry(log: Fleet) -> None:
    """The run does not hide the break, and the break stays where it is."""
    tamper(log, "UPDATE tenantplan.audit_log SET actor = 'x' WHERE sequence = 3")
    log.organization("acme", "contact: { phone: '2' }")
    log.apply()
    assert first_bad(log) == 3
