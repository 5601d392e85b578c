#!/usr/bin/env python3
"""Verify an exported audit log of tenantplan, without tenantplan: Python's standard library only, one file to read.

    verify_audit.py [--anchor HASH|FILE]... [--partial] [EXPORT]

EXPORT is what `tenantplan audit export` wrote, or the SQL of docs/audit.md printed; without it, or as -, it comes on stdin.
--anchor is the hash or the line of an earlier head, a file of such lines, or an earlier export.
--partial is for an export of some entries: each is checked by itself, and against its neighbour where that is there.

Exit 0: whole. 1: broken, the first bad sequence is printed. 2: this cannot be read.
"""

import argparse
import hashlib
import json
import re
import sys

FIELDS = ("sequence", "at", "run_id", "actor", "commit", "plan_digest", "address", "action", "organization", "before", "after",
          "result", "detail")  # fmt: skip
FIRST = "0" * 64


def hash_of(entry: dict, previous: str) -> str:
    """SHA-256 of the previous hash, as 64 hexadecimal digits, and the entry's thirteen fields as canonical JSON."""
    text = json.dumps({name: entry[name] for name in FIELDS}, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    text = text.replace("\x7f", "\\u007f").replace("##[", "#\\u0023[")
    return hashlib.sha256((previous + text).encode("ascii")).hexdigest()


def entries(lines):
    """The entries of an export, one a line."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            entry = json.loads(line)
            if set(entry) != {*FIELDS, "previous_hash", "hash"} or type(entry["sequence"]) is not int:
                raise ValueError(f"line {number} is not an entry of an audit log")
            yield entry


def anchors(given):
    """Sequence (None: not noted) and hash of each anchor."""
    if re.fullmatch("[0-9a-f]{64}", given):
        return [(None, given)]
    found = []
    with open(given, encoding="utf-8") as file:
        for line in file:
            noted = re.search(r"\bsequence=(\d+) hash=([0-9a-f]{64})\b", line)
            if line.startswith("{") and line.strip() != "{":
                entry = json.loads(line)
                found.append((entry["sequence"], entry["hash"]))
            elif noted:
                found.append((int(noted[1]), noted[2]))
            elif re.fullmatch("[0-9a-f]{64}", line.strip()):
                found.append((None, line.strip()))
    if not found:
        raise ValueError(f"{given} holds no anchor")
    return found


def verify(log, noted, partial):
    """Number of entries and the last hash; or the first bad sequence, and why."""
    previous, expected, count, seen = FIRST, 1, 0, set()
    by_sequence = {}
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
            return None, (sequence, "was edited: its content does not give its hash")
        if by_sequence.pop(sequence, {entry["hash"]}) != {entry["hash"]}:
            return None, (sequence, "is not the entry that an anchor names")
        seen.add(entry["hash"])
        previous, expected, count = entry["hash"], sequence + 1, count + 1
    unseen = {digest for sequence, digest in noted if sequence is None} - seen - {FIRST}
    if (by_sequence or unseen) and not partial:
        return None, (expected, "is missing: the log does not contain an anchor, its tail was cut or rewritten")
    return (count, previous), None


def main():
    """Reads the arguments, prints the result, returns the exit code."""
    parser = argparse.ArgumentParser(description="Verify an exported audit log of tenantplan, without tenantplan.")
    parser.add_argument("export", nargs="?", default="-")
    parser.add_argument("--anchor", action="append", default=[], metavar="HASH|FILE")
    parser.add_argument("--partial", action="store_true")
    arguments = parser.parse_args()
    try:
        noted = [anchor for given in arguments.anchor for anchor in anchors(given)]
        source = sys.stdin if arguments.export == "-" else open(arguments.export, encoding="utf-8")  # noqa: SIM115
        whole, broken = verify(entries(source), noted, arguments.partial)
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
