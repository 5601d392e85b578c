"""`audit export` and `audit anchor`, and a verifier that shares no code with the writer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from acceptance.harness import ROOT, Fleet
from acceptance.test_audit_tamper import tamper

from tenantplan.model.encode import canonical

pytestmark = pytest.mark.once

SCRIPT = ROOT / "docs" / "verify_audit.py"
HEAD = re.compile(
    r"tenantplan-audit fleet=(\S+) system=(\d+) database=(\S+) sequence=(\d+) hash=([0-9a-f]{64}) time=20\d\d-\S+Z\n"
)


@pytest.fixture
def log(fleet: Fleet) -> Fleet:
    """A log that holds what JSON can be written in several ways: unicode, nulls, floats, controls, and words of a CI runner."""
    odd = json.dumps(
        {"é": None, "f": [1.5, 1e300, -0.0, 12345678901234567], "𝄞": "##[error] ###[ </b> \\ /"}, ensure_ascii=False
    )
    fleet.organization("acme", f"modules: {{ forms: {{ settings: {odd} }} }}")
    fleet.document("User", "anna@x.example", "{ displayName: Änna 𝄞, role: AGENCY_ADMIN }")
    fleet.document(
        "Team", "field", "{ organization: acme, displayName: 'F ##[', members: [ { user: anna@x.example } ] }"
    )
    fleet.apply()
    fleet.organization("acme", "contact: { company: 'É ::add-mask::x' }")
    fleet.env |= {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "o'tool \x7f 𝄞 ##[group]"}
    fleet.apply()
    return fleet


def checked(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the script says, run without tenantplan within its reach."""
    command = [sys.executable, "-I", str(SCRIPT), *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, env={}, encoding="utf-8")


def exported(fleet: Fleet, *arguments: str) -> str:
    return fleet.run("audit", "export", *arguments).out


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_export_is_whole_stable_and_verified_by_other_code(log: Fleet) -> None:
    text = exported(log)
    assert text == exported(log) and text.isascii() and not re.search(r"##\[|[\x00-\x09\x0b-\x1f\x7f]", text)
    found = lines(text)
    listed = log.run("audit", "list", "--limit", "1000", "--json").json[::-1]
    whole = [
        e | {name: e[name] and json.loads(e[name]) for name in ("before", "after")} | {"log": "tenantplan"}
        for e in found
    ]
    assert whole == listed
    assert any("𝄞" in e["actor"] for e in found) and any("1e+300" in str(e["after"]) for e in found)
    said = checked(text)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == f"whole: {len(found)} entries, the last hash is {found[-1]['hash']}\n"
    assert "tenantplan" not in "".join(re.findall(r"^(?:import|from) .*$", SCRIPT.read_text(), re.MULTILINE))


def test_the_sql_of_the_documentation_exports_the_same_entries(log: Fleet) -> None:
    page = (ROOT / "docs" / "audit.md").read_text()
    statement = re.search(r"```sql\n(SELECT json_build_object.*?);\n```", page, re.DOTALL)
    assert statement is not None
    rows = log.rows(
        statement[1].replace("json_build_object", "(json_build_object", 1).replace("hash)\n", "hash))::text\n", 1)
    )
    text = "".join(row[0] + "\n" for row in rows)
    assert lines(text) == lines(exported(log))
    assert checked(text, "--sql").stdout == checked(exported(log)).stdout
    assert "not canonical" in checked(text).stderr


def test_what_was_tampered_with_does_not_verify(log: Fleet) -> None:
    text = exported(log)
    whole = text.splitlines(keepends=True)
    entries = lines(text)
    for name in entries[4]:
        value = 9 if name == "sequence" else "something else"
        changed = canonical(entries[4] | {name: value}).decode() + "\n"
        said = checked("".join([*whole[:4], changed, *whole[5:]]))
        assert said.returncode == 1 and said.stdout.startswith("broken at entry 5: "), name
    for bad, cut in ((5, whole[:4] + whole[5:]), (3, [*whole[:2], whole[3], whole[2], *whole[4:]]), (1, whole[1:]),
                     (6, [*whole[:5], whole[4], *whole[5:]])):  # fmt: skip
        assert checked("".join(cut)).stdout.startswith(f"broken at entry {bad}: ")
    for broken in ("x\n", "[" * 100_000, "1\n", "{}\n", "[]\n", whole[0].replace('"actor"', '"actors"'), whole[0][:-9]):
        said = checked(broken)
        assert said.returncode == 2 and said.stderr.startswith("cannot be read") and "Traceback" not in said.stderr


def test_a_cut_tail_is_found_by_the_anchor_alone(log: Fleet) -> None:
    text = exported(log)
    entries = lines(text)
    cut = "".join(text.splitlines(keepends=True)[:-2])
    assert checked(cut).returncode == 0
    noted = log.write("anchor.txt", log.run("audit", "anchor").out)
    for anchor in (entries[-1]["hash"], str(noted)):
        said = checked(cut, "--anchor", anchor)
        assert said.stdout.startswith(f"broken at entry {len(entries) - 1}: ")
        assert checked(text, "--anchor", anchor).returncode == 0
    assert checked(text, "--anchor", "f" * 64).returncode == 1
    assert checked(text, "--anchor", str(log.write("empty.txt", "nothing\n"))).returncode == 2


def test_a_line_can_be_read_in_one_way_only(log: Fleet) -> None:
    """What a person or jq reads in an export that verifies is what was verified."""
    first, *rest = exported(log).splitlines(keepends=True)
    entry = json.loads(first)
    twice = first.replace('{"action"', '{"actor":"somebody else","action"', 1)
    inside = first.replace('"sequence":1', '"sequence":1,"sequence":1', 1)
    for line in (twice, inside):
        for arguments in ([], ["--sql"], ["--partial"]):
            said = checked("".join([line, *rest]), *arguments)
            assert said.returncode == 2 and "a key stands twice" in said.stderr
    escaped = first.replace('"action":"', '"action":"\\u0063', 1).replace("\\u0063c", "\\u0063", 1)
    spaced = first.replace(",", ", ", 1)
    shuffled = json.dumps(dict(reversed(entry.items())), separators=(",", ":")) + "\n"
    for line in (escaped, spaced, shuffled, first[:-1] + "\r\n", " " + first, first[:-1] + " \n", "\n" + first):
        assert json.loads(line) == entry
        said = checked("".join([line, *rest]))
        assert said.returncode == 2, line
    assert checked(json.dumps(entry | {"detail": 1.0}, sort_keys=True, separators=(",", ":")) + "\n").returncode == 2


def test_a_part_has_to_contain_each_anchor(log: Fleet) -> None:
    whole = exported(log).splitlines(keepends=True)
    hashes = [json.loads(line)["hash"] for line in whole]
    part = "".join(whole[2:4])
    anchor = str(log.write("anchor.txt", log.run("audit", "anchor").out))
    earlier = str(log.write("earlier.jsonl", "".join(whole[:3])))
    assert checked(part, "--partial", "--anchor", hashes[2]).returncode == 0
    assert checked(part, "--partial", "--anchor", earlier).returncode == 0
    assert checked("".join(whole[-2:]), "--partial", "--anchor", anchor).returncode == 0
    for missing in (["--anchor", hashes[0]], ["--anchor", anchor], ["--anchor", hashes[2], "--anchor", hashes[5]]):
        said = checked(part, "--partial", *missing)
        assert said.returncode == 1 and "does not contain an entry that an anchor names" in said.stdout
    other = str(log.write("other.jsonl", "".join(whole[:3]).replace(hashes[2], "0" * 64)))
    assert checked(part, "--partial", "--anchor", other).returncode == 1


def test_the_filters_of_list_and_what_can_be_said_of_a_part(log: Fleet) -> None:
    everything = lines(exported(log))
    newest, actor = everything[-1], everything[0]["actor"]
    for arguments in (("--organization", "acme"), ("--team", "field"), ("--user", "anna@x.example"), ("--action", "update"),
                      ("--address", "organization/acme"), ("--run", newest["run_id"][:8]), ("--user", actor[:4]),
                      ("--since", newest["at"][:19]), ("--until", newest["at"][:19]), ("--action", "nothing")):  # fmt: skip
        listed = log.run("audit", "list", "--limit", "1000", "--json", *arguments).json
        found = lines(exported(log, *arguments))
        assert [e["sequence"] for e in found] == [e["sequence"] for e in listed[::-1]], arguments
        assert all(e in everything for e in found)
    part = exported(log, "--organization", "acme")
    assert 0 < len(lines(part)) < len(everything)
    assert checked(part).returncode == 1
    assert checked(part, "--partial").returncode == 0
    assert checked(part.replace("acme", "acne"), "--partial").returncode == 1
    assert "exclude each other" in log.run("audit", "export", "--team", "a", "--project", "b", code=1).err


def test_the_head_in_one_line(log: Fleet) -> None:
    line = log.run("audit", "anchor").out
    found = HEAD.fullmatch(line)
    assert found is not None
    newest = lines(exported(log))[-1]
    system = log.rows("SELECT system_identifier::text FROM pg_control_system()")[0][0]
    assert found.groups() == (log.name, system, log.main_database, str(newest["sequence"]), newest["hash"])
    document = log.run("audit", "anchor", "--json").json
    assert document.pop("time")
    assert document == {"fleet": log.name, "system": system, "database": log.main_database, "sequence": newest["sequence"],
                        "hash": newest["hash"]}  # fmt: skip


def test_anchors_from_files_and_stdin(log: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    texts = {
        "line": log.run("audit", "anchor").out,
        "json": log.run("audit", "anchor", "--json").out,
        "export": exported(log),
        "tag": "object 4f2c1e7\ntype commit\n\nthe log\n\n"
        + log.run("audit", "anchor").out
        + "-----BEGIN SSH SIGNATURE-----\n",
    }
    log.organization("acme")
    log.apply()
    given = []
    for name, text in texts.items():
        given += ["--anchor", str(log.write(name, text))]
    assert log.run("audit", "verify", *given, "--json").json["ok"] is True
    monkeypatch.setattr("sys.stdin", io.StringIO(texts["tag"]))
    log.run("audit", "verify", "--anchor", "-")
    other = texts["line"].replace(f"fleet={log.name} ", "fleet=other ")
    damaged = {
        other: "of the fleet other",
        "nothing\n": "holds no anchor",
        "": "holds no anchor",
        texts["line"][:150] + "\n": "damaged",
        texts["export"][:-20]: "not whole JSON",
        '{"hash": 1}\n': "neither",
    }
    for text, said in damaged.items():
        refused = log.run("audit", "verify", "--anchor", str(log.write("wrong", text)), code=1)
        assert said in refused.err and refused.out == ""
    assert "no such file" in log.run("audit", "verify", "--anchor", "nowhere.txt", code=1).err


def test_a_broken_log_gives_no_anchor(log: Fleet) -> None:
    last = int(log.rows("SELECT max(sequence) FROM tenantplan.audit_log")[0][0])
    tamper(log, f"UPDATE tenantplan.audit_log SET detail = 'x' WHERE sequence = {last}")
    assert "audit verify" in log.run("audit", "anchor", code=1).err
    tamper(log, f"DELETE FROM tenantplan.audit_log WHERE sequence = {last}")
    assert "audit verify" in log.run("audit", "anchor", code=1).err


def test_before_the_first_apply(fleet: Fleet) -> None:
    for command in ("anchor", "export"):
        assert "nothing has been applied yet" in fleet.run("audit", command, code=1).err


def test_the_script_is_in_the_documentation() -> None:
    assert "(verify_audit.py)" in Path(ROOT / "docs" / "audit.md").read_text()
