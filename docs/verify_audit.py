#!/usr/bin/env python3
"""Verify an exported audit log of tenantplan, without tenantplan: Python's standard library only, one file to read.

    verify_audit.py [--anchor HASH|FILE]... [--partial] [--sql] [EXPORT]

EXPORT is what `tenantplan audit export` wrote; without it, or as -, it comes on stdin. Its lines have to be canonical JSON.
--sql: EXPORT is what the SQL of docs/audit.md printed, whose JSON has blanks.
--anchor is the hash or the line of an earlier head, a file of such lines, or an earlier export.
--partial is for an export of some entries: each is checked by itself, and against its neighbour where that is there; it has
to contain an entry of every --anchor.

Exit 0: whole. 1: broken, the first bad sequence is printed. 2: this cannot be read.
"""

import argparse
import hashlib
import json
import re
import sys

FIELDS = ("sequence", "at", "run_id", "actor", "commit", "plan_digest", "address", "action", "organization", "before", "after",
          "result", "detail")  # fmt: skip
HASHES = ("previous_hash", "hash")
FIRST = "0" * 64


def canonical(value: dict) -> str:
    """The only way to write an object: ASCII, sorted keys, no blanks, and nothing that a terminal or a CI runner obeys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.replace("\x7f", "\\u007f").replace("##[", "#\\u0023[")


def hash_of(entry: dict, previous: str) -> str:
    """SHA-256 of the previous hash, as 64 hexadecimal digits, and the entry's thirteen fields as canonical JSON."""
    text = canonical({name: entry[name] for name in FIELDS})
    return hashlib.sha256((previous + text).encode("ascii")).hexdigest()


def once(pairs):
    """An object whose keys all stand once: readers disagree about which of two values counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def entry_in(line, where, loose):
    """The entry that a line is; `loose`: it need not be canonical."""
    try:
        entry = json.loads(line, object_pairs_hook=once)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if set(entry) != {*FIELDS, *HASHES} or type(entry["sequence"]) is not int:
        raise ValueError(f"{where} is not an entry of an audit log")
    if not all(entry[name] is None or type(entry[name]) is str for name in (*FIELDS[1:], *HASHES)):
        raise ValueError(f"{where} has a field that is neither text nor null")
    if not loose and line != canonical(entry) + "\n":
        raise ValueError(f"{where} is not canonical: it was not written by tenantplan audit export")
    return entry


def entries(lines, loose=False):
    """The entries of an export, one a line."""
    for number, line in enumerate(lines, 1):
        if line.strip() or not loose:
            yield entry_in(line, f"line {number}", loose)


def anchors(given):
    """Sequence (None: not noted) and hash of each anchor."""
    if re.fullmatch("[0-9a-f]{64}", given):
        return [(None, given)]
    found = []
    with open(given, encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, 1):
            noted = re.search(r"\bsequence=(\d+) hash=([0-9a-f]{64})\b", line)
            if line.startswith("{") and line.strip() != "{":
                entry = json.loads(line, object_pairs_hook=once)
                if set(entry) == {*FIELDS, *HASHES}:
                    entry = entry_in(line, f"line {number} of {given}", loose=True)
                found.append((entry["sequence"], entry["hash"]))
            elif noted:
                found.append((int(noted[1]), noted[2]))
            elif re.fullmatch("[0-9a-f]{64}", line.strip()):
                found.append((None, line.strip()))
    if not found:
        raise ValueError(f"{given} holds no anchor")
    return found


def verify(log, given, partial):
    """Number of entries and the last hash; or the first bad sequence, and why. `given` holds the anchors of each --anchor."""
    previous, expected, count, seen = FIRST, 1, 0, set()
    by_sequence = {}
    noted = [anchor for anchors in given for anchor in anchors]
    for at, digest in noted:
        if at:
            by_sequence.setdefault(at, set()).add(digest)
    for entry in log:
        sequence = entry["sequence"]
        follows = sequence == expected
        if not follows and not (partial and sequence > expected):
            return None, (expected, "is missing")
        if follows and entry["previous_hash"] != previous:
            return None, (sequence, "does not follow the entry before it")
        if hash_of(entry, entry["previous_hash"]) != entry["hash"]:
            return None, (sequence, "was edited: its content does not match its hash")
        if by_sequence.pop(sequence, {entry["hash"]}) != {entry["hash"]}:
            return None, (sequence, "is not the entry that an anchor names")
        seen.add(entry["hash"])
        previous, expected, count = entry["hash"], sequence + 1, count + 1
    unseen = {digest for sequence, digest in noted if sequence is None} - seen - {FIRST}
    if (by_sequence or unseen) and not partial:
        return None, (expected, "is missing: the log does not contain an anchor, its tail was cut or rewritten")
    if partial and not all({digest for _, digest in anchors} & {*seen, FIRST} for anchors in given):
        return None, (expected, "is missing: the part does not contain an entry that an anchor names")
    return (count, previous), None


def main():
    """Reads the arguments, prints the result, returns the exit code."""
    parser = argparse.ArgumentParser(description="Verify an exported audit log of tenantplan, without tenantplan.")
    parser.add_argument("export", nargs="?", default="-")
    parser.add_argument("--anchor", action="append", default=[], metavar="HASH|FILE")
    parser.add_argument("--partial", action="store_true")
    parser.add_argument("--sql", action="store_true")
    arguments = parser.parse_args()
    try:
        given = [anchors(each) for each in arguments.anchor]
        source = open(0 if arguments.export == "-" else arguments.export, encoding="utf-8", newline="\n")  # noqa: SIM115
        whole, broken = verify(entries(source, arguments.sql), given, arguments.partial)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2
    if broken:
        print(f"broken at entry {broken[0]}: it {broken[1]}")
        return 1
    print(f"whole: {whole[0]} entries, the last hash is {whole[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
